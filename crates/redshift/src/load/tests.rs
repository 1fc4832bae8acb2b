mod files;
mod server;

use std::{sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use futures::{FutureExt as _, StreamExt as _, stream};
use twinhouse_core::{Effect, Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, CallOptions, Expression, LoadMode, LoadRequest, LoadToken, TableInfo, TableKind, TableRef,
};

use self::server::{Mishap, Server, staged};
use super::load;
use crate::{
    cluster::Cluster,
    staging::Staging,
    testing::{Say, cluster},
    wire::script::Log,
};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]))
}

fn batch(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    let ids: Vec<i64> = ids.into_iter().collect();
    let names: Vec<String> = ids.iter().map(|id| format!("n{id}")).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(StringArray::from(names))];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn request(batches: Vec<RecordBatch>, token: &str) -> LoadRequest {
    LoadRequest::append(
        TableRef::new("Orders"),
        BatchStream::from_batches(schema(), batches),
        LoadToken::new(token).unwrap(),
    )
}

fn start(server: &Server) -> (Arc<Cluster>, Log) {
    let log = Log::default();
    let staging = Staging::over(server.store.clone(), "s3://bucket/stage".parse().unwrap());
    let sessions = server.clone();
    (cluster(&log, Some(staging), move || sessions.session()), log)
}

fn counts(report: &BulkReport) -> (u64, bool) {
    (report.rows, report.replayed)
}

#[tokio::test]
async fn rows_arrive_once_and_nothing_stays_behind() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    let report = load(&cluster, request(vec![batch(0..5), batch(5..9)], "t-1")).await.unwrap();
    assert_eq!((counts(&report), report.files), ((9, false), 1));
    assert_eq!(server.rows(), (0..9).collect::<Vec<_>>());
    assert_eq!(server.entries(), 1);
    assert!(staged(&server.store).await.is_empty());
    let said = log.all();
    let copy = said.iter().find(|line| line.contains("COPY")).unwrap();
    assert!(
        copy.contains("COPY \"public\".\"orders\" (\"id\", \"name\") FROM 's3://bucket/stage/t-public-orders/t-1/"),
        "{copy}"
    );
    assert!(copy.contains("/manifest' IAM_ROLE 'arn:aws:iam::1:role/r' FORMAT AS PARQUET MANIFEST"), "{copy}");
    let order =
        ["BEGIN", "LOCK TABLE", "pg_class", "\"attempt\" FROM", "COPY", "pg_last_copy_count", "INSERT INTO", "COMMIT"];
    let from = said.iter().rposition(|line| line.contains("BEGIN")).unwrap();
    assert!(said[from..].iter().zip(order).all(|(line, word)| line.contains(word)), "{said:?}");
}

#[tokio::test]
async fn the_same_token_changes_nothing_whatever_rows_come() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap();
    let report = load(&cluster, request(vec![batch(7..20)], "t")).await.unwrap();
    assert_eq!((counts(&report), report.files), ((0, true), 0));
    assert_eq!((server.rows().len(), log.count("COPY")), (5, 1));
    assert!(staged(&server.store).await.is_empty());
}

#[tokio::test]
async fn a_token_is_known_per_table_and_a_table_made_anew_is_another() {
    let server = Server::new();
    let (cluster, _) = start(&server);
    load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap();
    server.remake_table();
    assert_eq!(counts(&load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap()), (5, false));
    assert_eq!((server.rows().len(), server.entries()), (5, 2));
}

#[tokio::test]
async fn two_loads_of_one_token_at_once_add_one() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    let one = || load(&cluster, request(vec![batch(0..50)], "t"));
    let (first, second, third) = tokio::join!(one(), one(), one());
    let mut reports = [first, second, third].map(|report| counts(&report.unwrap()));
    reports.sort_unstable();
    assert_eq!(reports, [(0, true), (0, true), (50, false)]);
    assert_eq!((server.rows().len(), server.entries(), log.count("COPY")), (50, 1, 1));
    assert!(staged(&server.store).await.is_empty());
}

#[tokio::test]
async fn a_ledger_that_somebody_else_creates_meanwhile_will_do() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    // Another load wins the race: its table is there, ours is refused.
    load(&cluster, request(vec![batch(0..1)], "first")).await.unwrap();
    server.fail("LOCK TABLE", Mishap::Refused("42P01", "relation \"twinhouse_loads\" does not exist".to_owned()));
    server.fail("CREATE TABLE", Mishap::Refused("23505", "duplicate key value violates unique constraint".to_owned()));
    assert_eq!(counts(&load(&cluster, request(vec![batch(1..3)], "second")).await.unwrap()), (2, false));
    assert_eq!((server.rows(), log.count("CREATE TABLE")), (vec![0, 1, 2], 2));
}

#[tokio::test]
async fn a_ledger_that_may_not_be_created_is_the_error() {
    let server = Server::new();
    let (cluster, _) = start(&server);
    server.fail("CREATE TABLE", Mishap::Refused("42501", "permission denied for schema public".to_owned()));
    let error = load(&cluster, request(vec![batch(0..3)], "t")).await.unwrap_err();
    assert_eq!((error.kind(), error.context("token")), (ErrorKind::PermissionDenied, Some("t")));
    assert!(server.rows().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_anywhere_repeats_the_whole() {
    for statement in ["LOCK TABLE", "COPY", "INSERT INTO", "COMMIT"] {
        for (code, text) in [("XX000", "1023"), ("40P01", "deadlock detected")] {
            let server = Server::new();
            let (cluster, log) = start(&server);
            server.fail(statement, Mishap::Refused(code, text.to_owned()));
            server.fail(statement, Mishap::Refused(code, text.to_owned()));
            let report = load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap();
            assert_eq!(
                (counts(&report), server.rows().len(), server.entries()),
                ((5, false), 5, 1),
                "{statement} {code}"
            );
            assert!(log.count("BEGIN") >= 3, "{statement} {code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_never_ends_is_reported_in_the_end() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    for _ in 0..100 {
        server.fail("COPY", Mishap::Refused("XX000", "1023".to_owned()));
    }
    let error = load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Conflict, Effect::None));
    assert!(error.attempts() > 1 && error.attempts() < 20 && log.count("COPY") == error.attempts() as usize);
    assert!(server.rows().is_empty() && staged(&server.store).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_loses_and_doubles_nothing_wherever_it_strikes() {
    for statement in ["BEGIN", "LOCK TABLE", "COPY", "SELECT pg_last_copy_count", "INSERT INTO", "COMMIT"] {
        for mishap in [Mishap::HangUpBefore, Mishap::HangUpAfter] {
            let server = Server::new();
            let (cluster, _) = start(&server);
            load(&cluster, request(vec![batch(100..101)], "before")).await.unwrap();
            server.fail(statement, mishap.clone());
            let report = load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap();
            // The rows are this call's, also where the answer to COMMIT was lost.
            assert_eq!(
                (counts(&report), server.rows().len(), server.entries()),
                ((5, false), 6, 2),
                "{statement} {mishap:?}"
            );
        }
    }
}

fn modes() -> [(LoadMode, bool); 4] {
    let below = LoadMode::ReplaceWhere(Expression::new("id < :most").bind("most", 100_i64));
    [(LoadMode::Overwrite, true), (below, true), (LoadMode::Create, false), (LoadMode::CreateOrReplace, true)]
}

#[tokio::test(start_paused = true)]
async fn whatever_the_mode_a_lost_connection_loses_and_doubles_nothing() {
    let statements = [
        "BEGIN",
        "LOCK TABLE",
        "DELETE",
        "DROP TABLE",
        "CREATE TABLE \"",
        "COPY",
        "UPDATE",
        "SELECT COUNT(*) FROM \"public",
        "INSERT INTO",
        "COMMIT",
    ];
    for (mode, exists) in modes() {
        for statement in statements {
            for mishap in [Mishap::HangUpBefore, Mishap::HangUpAfter] {
                let server = if exists { Server::new() } else { Server::empty() };
                let (cluster, log) = start(&server);
                if exists {
                    load(&cluster, request(vec![batch(50..51)], "before")).await.unwrap();
                }
                server.fail(statement, mishap.clone());
                let now = request(vec![batch(0..5)], "t").with_mode(mode.clone());
                let report = load(&cluster, now).await.unwrap_or_else(|error| panic!("{mode:?} {statement}: {error}"));
                let what = format!("{mode:?} {statement} {mishap:?}");
                assert_eq!((counts(&report), server.rows()), ((5, false), (0..5).collect()), "{what}");
                assert_eq!(log.count("TRUNCATE"), 0);
                // The token is used up, and that of the load before is not forgotten.
                for token in ["t", "before"].into_iter().take(1 + usize::from(exists)) {
                    let again = request(vec![batch(7..9)], token).with_mode(mode.clone());
                    assert_eq!(counts(&load(&cluster, again).await.unwrap()), (0, true), "{what} {token}");
                }
                assert_eq!(server.rows(), (0..5).collect::<Vec<_>>(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_load_of_nothing_still_takes_away_what_gives_way() {
    for (mode, exists) in modes() {
        let server = if exists { Server::new() } else { Server::empty() };
        let (cluster, log) = start(&server);
        if exists {
            load(&cluster, request(vec![batch(50..51)], "before")).await.unwrap();
        }
        let report = load(&cluster, request(vec![], "t").with_mode(mode.clone())).await.unwrap();
        assert_eq!((counts(&report), server.rows().len()), ((0, false), 0), "{mode:?}");
        assert_eq!(log.count("COPY \""), usize::from(exists), "{mode:?}");
        assert!(load(&cluster, request(vec![batch(0..5)], "t").with_mode(mode)).await.unwrap().replayed);
    }
}

#[tokio::test]
async fn a_row_outside_of_the_predicate_takes_everything_back() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    load(&cluster, request(vec![batch(50..51)], "before")).await.unwrap();
    let outside = request(vec![batch(98..102)], "t").with_mode(LoadMode::ReplaceWhere("id < 100".into()));
    let error = load(&cluster, outside).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.fault().effect, error.context("outside")),
        (ErrorKind::Constraint, Effect::None, Some("2"))
    );
    assert_eq!((server.rows(), server.entries(), log.count("COMMIT")), (vec![50], 1, 1));
}

#[tokio::test]
async fn a_table_that_is_there_is_not_made_again() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    let error = load(&cluster, request(vec![batch(0..5)], "t").with_mode(LoadMode::Create)).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::AlreadyExists, Effect::None));
    assert_eq!((log.count("CREATE TABLE \"public\".\"Orders\""), log.count("COMMIT")), (0, 0));
    let twice: Vec<(&str, ArrayRef)> =
        vec![("a", Arc::new(Int64Array::from(vec![1]))), ("A", Arc::new(Int64Array::from(vec![1])))];
    let twice = RecordBatch::try_from_iter(twice).unwrap();
    let batches = BatchStream::from_batches(twice.schema(), vec![twice]);
    let request = LoadRequest::append(TableRef::new("orders"), batches, LoadToken::new("u").unwrap());
    let error = load(&cluster, request.with_mode(LoadMode::Create)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::InvalidInput, Some("A")));
}

#[tokio::test]
async fn another_number_of_rows_than_was_staged_is_taken_back() {
    for (count, loaded) in [("4", "4"), ("-1", "unknown"), ("<null>", "unknown")] {
        let server = Server::new();
        let (cluster, log) = start(&server);
        server.fail("SELECT pg_last_copy_count", Mishap::Instead(Say::row(&[count])));
        let error = load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Data, false));
        assert_eq!((error.context("staged rows"), error.context("loaded rows")), (Some("5"), Some(loaded)));
        assert_eq!((server.rows().len(), server.entries(), log.count("COMMIT")), (0, 0, 0));
    }
}

#[tokio::test]
async fn what_the_server_wrote_down_about_an_error_is_told() {
    let refuse = |server: &Server| {
        let text = "Load into table 'orders' failed.  Check 'stl_load_errors' system table for details.";
        server.fail("COPY", Mishap::Refused("XX000", text.to_owned()));
    };
    let row = Say::row(&[
        "s3://bucket/stage/x/part-00000.parquet  ",
        "3",
        "name   ",
        "1204",
        "String length exceeds DDL length  ",
    ]);

    for views in [1, 2] {
        let server = Server::new();
        let (cluster, log) = start(&server);
        refuse(&server);
        if views == 2 {
            server.fail("SELECT file_name", Mishap::Refused("42501", "permission denied".to_owned()));
            server.fail("SELECT filename", Mishap::Instead(row.clone()));
        } else {
            server.fail("SELECT file_name", Mishap::Instead(row.clone()));
        }
        let error = load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.vendor_code(), error.sqlstate()),
            (ErrorKind::Data, Some("1204"), Some("XX000"))
        );
        assert!(error.message().starts_with("Load into table 'orders' failed"), "{error}");
        assert_eq!((error.context("line"), error.context("copy column")), (Some("3"), Some("name")));
        assert_eq!(error.context("reason"), Some("String length exceeds DDL length"));
        // The files stay where the error says.
        let place = error.context("staged").unwrap().strip_prefix("s3://bucket/").unwrap();
        let left = staged(&server.store).await;
        assert!(left.len() == 2 && left.iter().all(|name| name.starts_with(place)), "{left:?}");
        assert!(
            log.all().iter().rposition(|line| line.ends_with("ROLLBACK"))
                < log.all().iter().position(|line| line.contains("file_name"))
        );
        // And the token is not used up.
        assert_eq!(counts(&load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap()), (5, false));
    }
    let server = Server::new();
    let (cluster, _) = start(&server);
    refuse(&server);
    let error = load(&cluster, request(vec![batch(0..5)], "t")).await.unwrap_err();
    assert!(error.message().starts_with("Load into table 'orders' failed") && error.vendor_code().is_none(), "{error}");
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_nothing() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    let broken = Error::new(ErrorKind::Data, "the source broke");
    let batches = BatchStream::new(schema(), stream::iter([Ok(batch(0..5000)), Err(broken)]));
    let request = LoadRequest::append(TableRef::new("orders"), batches, LoadToken::new("t").unwrap())
        .with_target_file_bytes(1000);
    let error = load(&cluster, request).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Data, "the source broke"));
    assert!(staged(&server.store).await.is_empty() && server.rows().is_empty());
    assert_eq!((log.count("BEGIN"), log.count("COPY")), (0, 0));
}

#[tokio::test]
async fn a_load_that_is_dropped_takes_its_files_along() {
    let server = Server::new();
    let (cluster, _) = start(&server);
    let reached = Arc::new(tokio::sync::Notify::new());
    let note = reached.clone();
    let stalls = async move {
        note.notify_one();
        std::future::pending::<Result<RecordBatch>>().await
    };
    let source = stream::iter([Ok(batch(0..20_000))]).chain(stream::once(stalls.boxed()));
    let request =
        LoadRequest::append(TableRef::new("orders"), BatchStream::new(schema(), source), LoadToken::new("t").unwrap())
            .with_target_file_bytes(1000);
    let work = tokio::spawn({
        let cluster = cluster.clone();
        async move { load(&cluster, request).await }
    });
    reached.notified().await;
    while staged(&server.store).await.is_empty() {
        tokio::task::yield_now().await;
    }
    work.abort();
    assert!(work.await.unwrap_err().is_cancelled());
    while !staged(&server.store).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(server.rows().is_empty());
}

#[tokio::test]
async fn no_rows_need_no_transaction() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    for batches in [vec![], vec![batch([]), batch([])]] {
        assert_eq!(counts(&load(&cluster, request(batches, "t")).await.unwrap()), (0, false));
    }
    assert_eq!(log.count("BEGIN"), 0);
    assert_eq!(
        counts(&load(&cluster, request(vec![batch([]), batch(0..2), batch([])], "t")).await.unwrap()),
        (2, false)
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_is_staged() {
    let refuse = async |server: Server, columns: Vec<(&str, ArrayRef)>| {
        let (cluster, log) = start(&server);
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let batches = BatchStream::from_batches(batch.schema(), vec![batch]);
        let request = LoadRequest::append(TableRef::new("orders"), batches, LoadToken::new("t").unwrap());
        let error = load(&cluster, request).await.unwrap_err();
        assert!(staged(&server.store).await.is_empty() && log.count("COPY") == 0);
        error
    };
    let ids = || ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef);
    let texts = |name: &'static str, text: &str| (name, Arc::new(StringArray::from(vec!["ok", text])) as ArrayRef);

    let error = refuse(Server::new(), vec![ids(), texts("surplus", "x")]).await;
    assert!(error.kind() == ErrorKind::InvalidInput && error.message().contains("surplus"), "{error}");
    // Six characters, twelve bytes.
    let error = refuse(Server::new(), vec![ids(), texts("name", "éééééé")]).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let facts = ["column", "row", "bytes", "limit", "table"].map(|key| error.context(key).unwrap());
    assert_eq!(facts, ["name", "1", "12", "10", "dev.public.orders"]);
    assert!(!error.to_string().contains("ééé"), "values stay out of messages: {error}");
    let error = refuse(Server::new(), vec![ids(), texts("name", "a\0b")]).await;
    assert!(error.message().contains("NUL"), "{error}");
    let error = refuse(Server::new().with_column("doc", "geometry", "<null>"), vec![ids(), texts("doc", "{}")]).await;
    assert_eq!((error.kind(), error.context("columns")), (ErrorKind::Unsupported, Some("`doc` geometry")));
    let number = ("n", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef);
    let numbered = Server::new().with_column("n", "bigint", "\"identity\"(1, 2, '1,1'::text)");
    let error = refuse(numbered, vec![ids(), number]).await;
    assert_eq!((error.kind(), error.context("columns")), (ErrorKind::Unsupported, Some("`n`")));
}

#[tokio::test]
async fn without_a_staging_place_nothing_is_asked() {
    let log = Log::default();
    let server = Server::new();
    let cluster = cluster(&log, None, move || server.session());
    let error = load(&cluster, request(vec![batch(0..2)], "t")).await.unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Unsupported, Some("staging")));
    assert!(log.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_load_that_runs_out_of_time_stops_the_server() {
    let server = Server::new();
    let (cluster, log) = start(&server);
    server.fail("COPY", Mishap::Silence);
    let limit = CallOptions::default().with_timeout(Duration::from_secs(30));
    let error = load(&cluster, request(vec![batch(0..5)], "t").with_options(limit)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("deadline")));
    log.wait_for("cancel").await;
    assert!(server.rows().is_empty());
}

#[test]
fn a_view_is_not_loaded_into() {
    let columns = vec![twinhouse_warehouse_api::ColumnInfo::new("id", DataType::Int64, "bigint")];
    for (kind, is_local, fine) in [
        (TableKind::Managed, true, true),
        (TableKind::View, true, false),
        (TableKind::External, true, false),
        (TableKind::Managed, false, false),
    ] {
        let info = TableInfo::new(TableRef::new("t"), kind, columns.clone());
        let checked = crate::tables::Described { info, columns: Vec::new(), is_local }.check_writable();
        assert_eq!(checked.map_err(|error| error.kind()), if fine { Ok(()) } else { Err(ErrorKind::Unsupported) });
    }
}
