use async_trait::async_trait;
use proptest::prelude::*;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::TableRef;

use super::*;
use crate::{
    testing::{Answers, Say, cluster},
    wire::script::Log,
};

fn table() -> TableRef {
    TableRef::new("t").with_schema("s")
}

#[test]
fn options_of_a_vacuum_that_do_not_go_together_are_refused_before_anything_is_sent() {
    use VacuumKind::{Recluster, Reindex};
    let (one, all) = (|| VacuumRequest::table(table()), VacuumRequest::database);
    for wrong in [
        all().with_kind(Reindex),
        all().with_kind(Recluster),
        all().with_threshold(50),
        all().with_boost(true),
        one().with_kind(Reindex).with_threshold(50),
        one().with_kind(Recluster).with_threshold(50),
        one().with_kind(Reindex).with_boost(true),
        one().with_threshold(101),
    ] {
        assert_eq!(wrong.sql().unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong:?}");
    }
    for (right, sql) in [
        (all(), "VACUUM FULL"),
        (all().with_kind(VacuumKind::SortOnly), "VACUUM SORT ONLY"),
        (one().with_threshold(100).with_boost(true), "VACUUM FULL \"s\".\"t\" TO 100 PERCENT BOOST"),
        (one().with_kind(Reindex), "VACUUM REINDEX \"s\".\"t\""),
        (one().with_kind(Recluster).with_boost(true), "VACUUM RECLUSTER \"s\".\"t\" BOOST"),
    ] {
        assert_eq!(right.sql().unwrap(), sql);
    }
}

#[test]
fn columns_need_a_table_and_a_table_another_one() {
    assert!(AnalyzeRequest::database().with_columns(["a"]).sql().is_err());
    assert!(AnalyzeRequest::table(table()).with_threshold(101).threshold_sql().is_err());
    let sql = AnalyzeRequest::table(table()).with_columns(["a", "B\""]).with_scope(AnalyzeScope::AllColumns).sql();
    assert_eq!(sql.unwrap(), "ANALYZE \"s\".\"t\" (\"a\", \"B\"\"\") ALL COLUMNS");
    assert!(AppendRequest::new(table(), table()).sql().is_err());
    assert!(AppendRequest::new(table(), TableRef::new("t").with_schema("s").with_catalog("d")).sql().is_err());
    for bytes in [0, 65_536] {
        assert!(alter::resize_sql(&table(), "c", bytes).is_err());
    }
}

#[test]
fn a_notice_of_a_table_passed_over_is_recognised() {
    for notice in [
        "skipping \"orders\" --- only table or database owner can vacuum it",
        "Skipping \"orders\" --- cannot vacuum",
        "skipped t",
    ] {
        assert!(report::says_skipped(notice), "{notice}");
    }
    for notice in ["VACUUM of \"skipping x\" is done", "analyzing \"skipping \"", ""] {
        assert!(!report::says_skipped(notice), "{notice}");
    }
}

/// A user, and the owner of all there is.
struct Server(&'static str, &'static str, bool);

#[async_trait]
impl Answers for Server {
    async fn answer(&mut self, sql: &str) -> Say {
        if sql.contains("usesuper") {
            Say::row(&[self.0, if self.2 { "t" } else { "f" }])
        } else if sql.contains("current_schemas") {
            Say::row(&["dev", "{public}"])
        } else if sql.contains("svv_all_tables") {
            Say::row(&["dev", "s", "t", "TABLE", "<null>"])
        } else if sql.contains("svv_all_columns") {
            Say::row(&["a", "integer", "<null>", "32", "0", "YES", "<null>", "<null>"])
        } else if sql.contains("table_owner") || sql.contains("datdba") {
            Say::row(&[self.1])
        } else {
            Say::done("VACUUM")
        }
    }
}

#[tokio::test]
async fn a_success_that_may_have_done_nothing_is_told_from_one_that_did() {
    for (user, owner, superuser, expected) in [
        ("me", "me", false, MaintenanceOutcome::Done),
        ("me", "you", true, MaintenanceOutcome::Done),
        ("me", "you", false, MaintenanceOutcome::Unconfirmed),
    ] {
        for request in [VacuumRequest::table(table()), VacuumRequest::database()] {
            let cluster = cluster(&Log::default(), None, move || Server(user, owner, superuser));
            let report = Maintenance(cluster).vacuum(request.clone()).await.unwrap();
            assert_eq!(report.outcome, expected, "{user} {owner} {superuser} {request:?}");
        }
    }
}

#[tokio::test]
async fn the_threshold_of_an_analyze_is_set_on_its_own_session() {
    let log = Log::default();
    let cluster = cluster(&log, None, || Server("me", "me", false));
    Maintenance(cluster).analyze(AnalyzeRequest::table(table()).with_threshold(0)).await.unwrap();
    assert_eq!(log.count("ANALYZE \"s\".\"t\""), 1);
}

proptest! {
    #[test]
    fn hostile_names_never_leave_their_quotes(name in "[^\0]{1,60}") {
        prop_assume!(name.len() <= 127);
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let table = || TableRef::new(name.clone());
        prop_assert_eq!(VacuumRequest::table(table()).sql().unwrap(), format!("VACUUM FULL {quoted}"));
        let sql = AnalyzeRequest::table(table()).with_columns([name.clone()]).sql().unwrap();
        prop_assert_eq!(sql, format!("ANALYZE {quoted} ({quoted})"));
        let sql = AppendRequest::new(TableRef::new("t"), table().with_schema("s")).sql().unwrap();
        prop_assert_eq!(sql, format!("ALTER TABLE \"t\" APPEND FROM \"s\".{quoted}"));
        let sql = alter::resize_sql(&table(), &name, 9).unwrap();
        prop_assert_eq!(sql, format!("ALTER TABLE {quoted} ALTER COLUMN {quoted} TYPE VARCHAR(9)"));
    }
}
