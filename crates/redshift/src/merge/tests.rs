use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use async_trait::async_trait;
use object_store::memory::InMemory;
use twinhouse_core::{Effect, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, Capabilities, ColumnInfo, Duplicates, MergeReport, MergeRequest, MergeSource, StatementRequest,
    TableInfo, TableKind, TableRef, WhenMatched,
};

use super::{
    MergeStrategy, merge,
    plan::{Counts, Plan, Wish},
    source::Relation,
};
use crate::{
    cluster::Cluster,
    staging::Staging,
    tables::Described,
    testing::{Answers, Say, cluster},
    wire::script::Log,
};

const HOSTILE: &str = "a'b\"\\; --";

fn schema(names: &[&str]) -> Schema {
    Schema::new(names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect::<Vec<_>>())
}

fn target(name: &str, columns: &[&str]) -> Described {
    let columns = columns.iter().map(|name| ColumnInfo::new(*name, DataType::Int64, "bigint")).collect();
    let table = TableRef::new(name).with_schema("s").with_catalog("dev");
    Described { info: TableInfo::new(table, TableKind::Managed, columns), columns: Vec::new(), is_local: true }
}

fn upsert(keys: &[&str]) -> MergeRequest {
    MergeRequest::upsert(TableRef::new("t"), MergeSource::Table(TableRef::new("u")), keys.iter().copied())
}

fn plan(request: MergeRequest) -> Result<Plan> {
    Plan::new(
        &Wish::of(request, MergeStrategy::default()).0,
        &target("t", &["k", "l", "v"]),
        &schema(&["k", "l", "v"]),
        "stage",
    )
}

fn said(request: MergeRequest) -> Vec<String> {
    plan(request).unwrap().transaction().into_iter().map(|(_, sql)| sql).collect()
}

#[test]
fn an_upsert_updates_before_it_inserts() {
    let plan = plan(upsert(&["k", "l"])).unwrap();
    assert_eq!(
        plan.find_duplicate(),
        "SELECT 1 FROM \"stage\" WHERE \"k\" IS NOT NULL AND \"l\" IS NOT NULL GROUP BY \"k\", \"l\" HAVING COUNT(*) > 1 LIMIT 1"
    );
    assert_eq!(
        plan.transaction(),
        [
            (Counts::Nothing, "LOCK TABLE \"s\".\"t\"".to_owned()),
            (
                Counts::Updated,
                "UPDATE \"s\".\"t\" SET \"v\" = \"stage\".\"v\" FROM \"stage\" \
                 WHERE \"t\".\"k\" = \"stage\".\"k\" AND \"t\".\"l\" = \"stage\".\"l\""
                    .to_owned()
            ),
            (
                Counts::Inserted,
                "INSERT INTO \"s\".\"t\" (\"k\", \"l\", \"v\") SELECT \"stage\".\"k\", \"stage\".\"l\", \"stage\".\"v\" \
                 FROM \"stage\" WHERE NOT EXISTS (SELECT 1 FROM \"s\".\"t\" \
                 WHERE \"t\".\"k\" = \"stage\".\"k\" AND \"t\".\"l\" = \"stage\".\"l\")"
                    .to_owned()
            ),
        ]
    );
    assert_eq!(
        plan.create_like_target(),
        "CREATE TEMP TABLE \"stage\" AS SELECT \"k\", \"l\", \"v\" FROM \"s\".\"t\" WHERE 1 = 0"
    );
}

#[test]
fn only_what_is_asked_for_is_said() {
    assert_eq!(said(upsert(&["k"]).with_insert_unmatched(false)).len(), 1, "nothing is inserted: no lock");
    let kept = said(upsert(&["k"]).with_when_matched(WhenMatched::Keep));
    assert!(kept.len() == 2 && kept[1].starts_with("INSERT"), "{kept:?}");
    let some = said(upsert(&["k"]).with_when_matched(WhenMatched::UpdateColumns(vec!["V".to_owned()])));
    assert!(some[1].contains("SET \"v\" = \"stage\".\"v\" FROM"), "{some:?}");
    // Nothing but keys comes: there is nothing to set.
    assert!(said(upsert(&["k", "l", "v"])).iter().all(|sql| !sql.starts_with("UPDATE")));
}

#[test]
fn rows_that_the_source_lacks_go_before_new_ones_come() {
    let all = said(upsert(&["k"]).with_delete_unmatched_by_source(true));
    let verbs: Vec<_> = all.iter().map(|sql| sql.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["LOCK", "UPDATE", "DELETE", "INSERT"]);
    assert_eq!(
        all[2],
        "DELETE FROM \"s\".\"t\" WHERE NOT EXISTS (SELECT 1 FROM \"stage\" WHERE \"t\".\"k\" = \"stage\".\"k\")"
    );
}

#[test]
fn what_was_deleted_for_its_match_is_not_inserted_again() {
    let request = upsert(&["k"]).with_when_matched(WhenMatched::Delete);
    let all = said(request);
    let verbs: Vec<_> = all.iter().map(|sql| sql.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["LOCK", "CREATE", "DELETE", "INSERT", "DROP"]);
    assert!(
        all[1].starts_with("CREATE TEMP TABLE \"stage_new\" AS SELECT \"stage\".\"k\"")
            && all[1].contains("NOT EXISTS")
    );
    assert_eq!(all[2], "DELETE FROM \"s\".\"t\" USING \"stage\" WHERE \"t\".\"k\" = \"stage\".\"k\"");
    assert!(
        all[3].ends_with("SELECT \"stage_new\".\"k\", \"stage_new\".\"l\", \"stage_new\".\"v\" FROM \"stage_new\"")
    );
}

#[test]
fn hostile_names_stay_names() {
    let request = MergeRequest::upsert(TableRef::new(HOSTILE), MergeSource::Table(TableRef::new("u")), [HOSTILE]);
    let columns = schema(&[HOSTILE, "x\"y"]);
    let plan = Plan::new(
        &Wish::of(request, MergeStrategy::default()).0,
        &target(HOSTILE, &[HOSTILE, "x\"y"]),
        &columns,
        "stage",
    )
    .unwrap();
    let quoted = "\"a'b\"\"\\; --\"";
    let all: Vec<_> = plan.transaction().into_iter().map(|(_, sql)| sql).collect();
    assert_eq!(
        all[1],
        format!(
            "UPDATE \"s\".{quoted} SET \"x\"\"y\" = \"stage\".\"x\"\"y\" FROM \"stage\" WHERE {quoted}.{quoted} = \"stage\".{quoted}"
        )
    );
    let relation = Relation::new("\"u\" AS \"source\"", schema(&["X\"Y", HOSTILE]));
    assert_eq!(
        relation.create_stage("\"stage\"", &columns).unwrap(),
        format!(
            "CREATE TEMP TABLE \"stage\" AS SELECT \"source\".{quoted} AS {quoted}, \"source\".\"X\"\"Y\" AS \"x\"\"y\" \
             FROM \"u\" AS \"source\""
        )
    );
}

#[test]
fn columns_that_make_no_sense_are_named() {
    let set = |columns: &[&str]| WhenMatched::UpdateColumns(columns.iter().map(|name| (*name).to_owned()).collect());
    for (request, column) in [
        (upsert(&["nope"]), "nope"),
        (upsert(&["k", "K"]), "k"),
        (upsert(&["k"]).with_when_matched(set(&["nope"])), "nope"),
        (upsert(&["k"]).with_when_matched(set(&["K"])), "k"),
        (upsert(&["k"]).with_when_matched(set(&["v", "V"])), "v"),
    ] {
        let error = plan(request).unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::InvalidInput, Some(column)), "{error}");
    }
}

#[test]
fn each_strategy_has_its_own_statements_and_says_what_it_cannot_do() {
    let by = |request: MergeRequest, strategy| {
        let wish = Wish::of(request, strategy).0;
        wish.check()?;
        let all = ["k", "l", "v"];
        Plan::new(&wish, &target("t", &all), &schema(&all), "stage").map(|plan| plan.transaction())
    };
    let said = |strategy| by(upsert(&["k"]), strategy).unwrap().into_iter().map(|(_, sql)| sql).collect::<Vec<_>>();
    assert_eq!(
        said(MergeStrategy::DeleteInsert),
        [
            "LOCK TABLE \"s\".\"t\"",
            "DELETE FROM \"s\".\"t\" USING \"stage\" WHERE \"t\".\"k\" = \"stage\".\"k\"",
            "INSERT INTO \"s\".\"t\" (\"k\", \"l\", \"v\") SELECT \"stage\".\"k\", \"stage\".\"l\", \"stage\".\"v\" FROM \"stage\"",
        ]
    );
    assert_eq!(
        said(MergeStrategy::Merge)[1],
        "MERGE INTO \"s\".\"t\" USING \"stage\" ON \"t\".\"k\" = \"stage\".\"k\" WHEN MATCHED THEN UPDATE SET \
         \"l\" = \"stage\".\"l\", \"v\" = \"stage\".\"v\" WHEN NOT MATCHED THEN INSERT (\"k\", \"l\", \"v\") VALUES \
         (\"stage\".\"k\", \"stage\".\"l\", \"stage\".\"v\")"
    );
    for (request, strategy) in [
        (upsert(&["k"]).with_insert_unmatched(false), MergeStrategy::Merge),
        (upsert(&["k"]).with_when_matched(WhenMatched::Keep), MergeStrategy::Merge),
        (upsert(&["k"]).with_delete_unmatched_by_source(true), MergeStrategy::Merge),
        (upsert(&["k"]).with_delete_unmatched_by_source(true), MergeStrategy::DeleteInsert),
        (upsert(&["k"]).with_when_matched(WhenMatched::Delete), MergeStrategy::DeleteInsert),
        (upsert(&["k"]).with_insert_unmatched(false), MergeStrategy::DeleteInsert),
    ] {
        let error = by(request, strategy).unwrap_err();
        assert_eq!(
            (error.kind(), error.context("strategy")),
            (ErrorKind::Unsupported, Some(&*format!("{strategy:?}")))
        );
    }
    // A column that does not come would be lost with the row.
    let wish = Wish::of(upsert(&["k"]), MergeStrategy::DeleteInsert).0;
    let error = Plan::new(&wish, &target("t", &["k", "v"]), &schema(&["k"]), "stage").unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::Unsupported, Some("v")));
}

#[test]
fn the_greatest_of_the_rows_of_a_key_is_picked_and_nulls_are_the_least() {
    let plan = self::plan(upsert(&["k", "l"]).with_duplicates(Duplicates::KeepGreatest("V".to_owned()))).unwrap();
    assert_eq!(plan.filled(), "\"stage_all\"");
    assert_eq!(
        plan.pick().unwrap(),
        "CREATE TEMP TABLE \"stage\" AS SELECT \"k\", \"l\", \"v\" FROM (SELECT \"k\", \"l\", \"v\", ROW_NUMBER() OVER \
         (PARTITION BY \"k\", \"l\" ORDER BY \"v\" DESC NULLS LAST) AS \"twinhouse_rank\" FROM \"stage_all\") AS \"ranked\" \
         WHERE \"twinhouse_rank\" = 1 OR \"k\" IS NULL OR \"l\" IS NULL"
    );
    assert_eq!(plan.drop_stage(), "DROP TABLE \"stage\", \"stage_all\"");
    let error = self::plan(upsert(&["k"]).with_duplicates(Duplicates::KeepGreatest("nope".to_owned()))).unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::InvalidInput, Some("nope")));
}

type Mishaps = Arc<Mutex<VecDeque<(&'static str, Say)>>>;

/// A server that takes everything and goes wrong as told.
struct Session(Mishaps);

#[async_trait]
impl Answers for Session {
    async fn answer(&mut self, sql: &str) -> Say {
        {
            let mut mishaps = self.0.lock().unwrap();
            let at = mishaps.iter().position(|(statement, _)| sql.starts_with(statement));
            if let Some((_, say)) = at.and_then(|at| mishaps.remove(at)) {
                return say;
            }
        }
        let column = |name, data_type| [name, data_type, "<null>", "<null>", "<null>", "YES", "<null>", "<null>"];
        if sql.contains("current_database()") {
            Say::row(&["dev", "{public}"])
        } else if sql.contains("svv_all_tables") {
            let name = if sql.contains("'other'") { "other" } else { "orders" };
            Say::row(&["dev", "public", name, "TABLE", "<null>"])
        } else if sql.contains("svv_all_columns") {
            Say::rows(&[&column("id", "bigint"), &column("name", "character varying")])
        } else if sql.contains("pg_last_copy_count") {
            Say::row(&["3"])
        } else {
            match sql.split(' ').next() {
                Some("UPDATE") => Say::done("UPDATE 2"),
                Some("INSERT") => Say::done("INSERT 0 1"),
                Some("DELETE") => Say::done("DELETE 4"),
                Some("SELECT") => Say::none(),
                _ => Say::done(sql.split(' ').next().unwrap_or_default()),
            }
        }
    }

    fn describe(&self, sql: &str) -> Vec<(&'static str, u32)> {
        if sql.starts_with("update") { Vec::new() } else { vec![("id", 20), ("name", 1043)] }
    }
}

fn start(mishaps: &[(&'static str, Say)]) -> (Arc<Cluster>, Log, Arc<InMemory>) {
    let (log, store) = (Log::default(), Arc::new(InMemory::new()));
    let mishaps: Mishaps = Arc::new(Mutex::new(mishaps.iter().cloned().collect()));
    let staging = Staging::over(store.clone(), "s3://bucket/stage".parse().unwrap());
    (cluster(&log, Some(staging), move || Session(mishaps.clone())), log, store)
}

fn can() -> Capabilities {
    let mut can = Capabilities::default();
    (can.merge, can.merge_delete_matched, can.merge_not_matched_by_source) = (true, true, true);
    can
}

fn rows() -> MergeSource {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("name", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    MergeSource::Batches(BatchStream::from_batches(batch.schema(), vec![batch]))
}

async fn run(cluster: &Cluster, source: MergeSource) -> Result<MergeReport> {
    merge(cluster, &can(), MergeRequest::upsert(TableRef::new("orders"), source, ["ID"]), MergeStrategy::default())
        .await
}

fn verbs(log: &Log) -> Vec<String> {
    let of_catalogue =
        |line: &String| ["svv_", "current_database", "stv_slices"].iter().any(|word| line.contains(word));
    let word = |line: String| line.split(' ').nth(1).unwrap_or_default().to_owned();
    log.all().into_iter().filter(|line| !of_catalogue(line)).map(word).collect()
}

async fn left(store: &InMemory) -> usize {
    use futures::TryStreamExt as _;
    object_store::ObjectStore::list(store, None).try_collect::<Vec<_>>().await.unwrap().len()
}

#[tokio::test]
async fn rows_in_memory_go_through_the_staging_place() {
    let (cluster, log, store) = start(&[]);
    let report = run(&cluster, rows()).await.unwrap();
    assert_eq!(report, MergeReport::new(Some(1), Some(2), Some(0)));
    let order = ["CREATE", "COPY", "SELECT", "SELECT", "BEGIN", "LOCK", "UPDATE", "INSERT", "COMMIT", "DROP"];
    assert_eq!(verbs(&log), order);
    let said = log.all();
    let copy = said.iter().find(|line| line.contains("COPY")).unwrap();
    assert!(
        copy.contains("COPY \"twinhouse_stage_")
            && copy.contains("(\"id\", \"name\") FROM 's3://bucket/stage/m-public-orders/")
    );
    assert_eq!(left(&store).await, 0);

    // The session went back clean: the next merge is on it again.
    run(&cluster, rows()).await.unwrap();
    assert!(log.all().iter().all(|line| line.starts_with("1 ")), "{:?}", log.all());
}

#[tokio::test]
async fn a_table_or_a_query_is_staged_by_the_server() {
    let (cluster, log, store) = start(&[]);
    run(&cluster, MergeSource::Table(TableRef::new("other"))).await.unwrap();
    let create = "CREATE TEMP TABLE \"twinhouse_stage_";
    let said = log.all();
    let line = said.iter().find(|line| line.contains(create)).unwrap();
    assert!(line.ends_with("\" AS SELECT \"source\".\"id\" AS \"id\", \"source\".\"name\" AS \"name\" FROM \"public\".\"other\" AS \"source\""), "{line}");
    assert_eq!((log.count("COPY"), left(&store).await), (0, 0));

    let (cluster, log, _) = start(&[]);
    let query = StatementRequest::read("select id, name from x where name <> :n -- all\n;").bind("n", "it's");
    run(&cluster, MergeSource::Query(query)).await.unwrap();
    let said = log.all();
    let line = said.iter().find(|line| line.contains(create)).unwrap();
    assert!(line.contains("FROM (\nselect id, name from x where name <> 'it''s' -- all\n\n) AS \"source\""), "{line}");

    let (cluster, _, _) = start(&[]);
    let error = run(&cluster, MergeSource::Query(StatementRequest::read("update x set y = 1"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn two_source_rows_of_one_key_stop_the_merge_before_it_begins() {
    let (cluster, log, store) = start(&[("SELECT 1 FROM \"twinhouse_stage_", Say::row(&["1"]))]);
    let error = run(&cluster, rows()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable(), error.context("table")),
        (ErrorKind::Conflict, false, Some("orders"))
    );
    assert_eq!(verbs(&log), ["CREATE", "COPY", "SELECT", "SELECT", "DROP"]);
    assert_eq!(left(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_repeats_the_transaction_and_nothing_else() {
    for statement in ["LOCK", "UPDATE", "INSERT", "COMMIT"] {
        let conflict = Say::Error("XX000", "1023".to_owned());
        let (cluster, log, _) = start(&[(statement, conflict.clone()), (statement, conflict)]);
        assert_eq!(run(&cluster, rows()).await.unwrap(), MergeReport::new(Some(1), Some(2), Some(0)), "{statement}");
        assert_eq!((log.count("BEGIN"), log.count("CREATE"), log.count("COPY \"")), (3, 1, 1), "{statement}");
        assert_eq!(verbs(&log).last().map(String::as_str), Some("DROP"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_not_tried_again_and_says_what_may_have_happened() {
    for (statement, effect) in
        [("CREATE", Effect::None), ("BEGIN", Effect::None), ("UPDATE", Effect::None), ("COMMIT", Effect::Unknown)]
    {
        let (cluster, log, store) = start(&[(statement, Say::HangUp)]);
        let error = run(&cluster, rows()).await.unwrap_err();
        assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Connection, effect), "{statement}");
        assert!(log.count("BEGIN") <= 1, "{statement}");
        assert_eq!(left(&store).await, 0);
    }
}

#[tokio::test]
async fn an_error_takes_everything_back_and_the_session_stays_usable() {
    let refused = Say::Error("23502", "null value in column \"x\" violates not-null constraint".to_owned());
    let (cluster, log, _) = start(&[("INSERT", refused)]);
    let error = run(&cluster, rows()).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Constraint, Effect::None));
    let all = verbs(&log);
    assert_eq!(all[all.len() - 3..], ["INSERT", "ROLLBACK", "DROP"]);
    run(&cluster, rows()).await.unwrap();
    assert!(log.all().iter().all(|line| line.starts_with("1 ")));
}

#[tokio::test]
async fn a_stage_that_stays_does_not_go_back_to_the_pool() {
    let (cluster, log, _) = start(&[("DROP", Say::Error("42501", "no".to_owned()))]);
    run(&cluster, rows()).await.unwrap();
    log.wait_for("1 goodbye").await;
    run(&cluster, rows()).await.unwrap();
    assert!(log.all().last().unwrap().starts_with("2 "));
}

#[tokio::test]
async fn files_that_the_server_refuses_are_named() {
    let refused = Say::Error("XX000", "Load into table 'x' failed.  Check 'sys_load_error_detail'".to_owned());
    let (cluster, log, store) = start(&[("COPY", refused)]);
    let error = run(&cluster, rows()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.context("staged").unwrap().starts_with("s3://bucket/stage/m-public-orders/"));
    assert_eq!((left(&store).await, log.count("BEGIN")), (2, 0));
}

#[tokio::test]
async fn wishes_are_checked_before_anything_is_sent() {
    let (cluster, log, _) = start(&[]);
    let request = MergeRequest::upsert(TableRef::new("orders"), rows(), Vec::<String>::new());
    assert_eq!(
        merge(&cluster, &can(), request, MergeStrategy::default()).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    let request = MergeRequest::upsert(TableRef::new("orders"), rows(), ["id"]);
    let error = merge(&cluster, &Capabilities::NONE, request, MergeStrategy::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(log.all().is_empty());
}
