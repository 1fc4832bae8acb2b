use std::{sync::Arc, time::Duration};

use arrow::{
    array::AsArray as _,
    datatypes::{DataType, Int32Type},
};
use futures::StreamExt as _;
use twinhouse_core::{Effect, ErrorKind, config::Env};
use twinhouse_warehouse_api::{
    CallOptions, OnDrop, StatementRequest, StatementStatus, TransactionOptions, Warehouse as _, WarehouseExt as _,
};

use crate::{
    RedshiftBuilder, RedshiftWarehouse,
    cluster::Cluster,
    wire::{
        Connector,
        script::{Log, columns, complete, connector, error, gated, notice, row},
    },
};

const INT: u32 = 23;
const TEXT: u32 = 25;

/// A warehouse with `pool` connections to a server that answers as `answer` says.
fn warehouse(
    log: &Log,
    pool: usize,
    answer: impl Fn(&str) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> RedshiftWarehouse {
    let connector = connector(log, move |mut peer| {
        let answer = answer.clone();
        Box::pin(async move {
            peer.welcome().await;
            peer.serve(|sql| if is_setting(sql) { complete("SET") } else { answer(sql) }).await;
        })
    });
    let config = RedshiftBuilder::from_url(&format!("redshift://u:canary@scripted/d?pool={pool}&sslmode=disable"))
        .and_then(|builder| builder.env(Env::empty()).build())
        .unwrap();
    RedshiftWarehouse::over(Cluster::over(config, connector, None).unwrap())
}

/// A warehouse that goes this way.
fn over(connector: Connector) -> RedshiftWarehouse {
    let config = RedshiftBuilder::from_url("redshift://u:p@scripted/d?sslmode=disable").unwrap();
    RedshiftWarehouse::over(Cluster::over(config.env(Env::empty()).build().unwrap(), connector, None).unwrap())
}

fn is_setting(sql: &str) -> bool {
    sql.starts_with("SET ") || sql.starts_with("RESET ")
}

fn number(n: &str) -> Vec<u8> {
    let bytes = n.parse::<i32>().unwrap().to_be_bytes();
    [columns(&[("n", INT)]), row(&[Some(&bytes)]), complete("SELECT")].concat()
}

/// Rows that begin and never end.
fn endless() -> Vec<u8> {
    let rows: Vec<u8> = (0..9000).flat_map(|_| row(&[Some(b"\0\0\0\x07")])).collect();
    [columns(&[("n", INT)]), rows].concat()
}

#[tokio::test(start_paused = true)]
async fn rows_come_with_their_schema_and_the_session_is_used_again() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |_| number("42"));
    for _ in 0..3 {
        let batches = warehouse.query("select 42 as n").await.unwrap().collect_batches().await.unwrap();
        assert_eq!(batches[0].column(0).as_primitive::<Int32Type>().values(), &[42]);
    }
    assert_eq!(log.count("1 P select 42 as n"), 3);
    assert_eq!(log.count("1 Q RESET ALL"), 2, "each user finds the session as if new");
    assert_eq!(log.count("2 P"), 0, "one connection did for all");
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_early_is_cancelled_and_its_connection_never_used_again() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |sql| if sql.contains("endless") { endless() } else { number("1") });
    let mut stream = warehouse.query("select endless").await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().num_rows(), 8192);
    drop(stream);
    let next = warehouse.query("select 1").await.unwrap().collect_batches().await.unwrap();
    assert_eq!(next[0].num_rows(), 1);
    log.wait_for("cancel 1 42").await;
    log.wait_for("1 gone").await;
    assert_eq!(log.count("1 P select 1"), 0);
    assert_eq!(log.count("2 P select 1"), 1, "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_dropped_cancels_and_one_that_is_detached_does_not() {
    let log = Log::default();
    let warehouse = warehouse(&log, 3, |sql| if sql.contains("endless") { endless() } else { number("1") });
    let handle = warehouse.submit("select endless".into()).await.unwrap();
    assert!(matches!(handle.status().await.unwrap(), StatementStatus::Ready));
    drop(handle);
    log.wait_for("cancel 1 42").await;

    let handle = warehouse.submit("select 1 as detached".into()).await.unwrap();
    handle.detach();
    let options = CallOptions::default().with_on_drop(OnDrop::Detach);
    let mut stream = warehouse.query(StatementRequest::read("select endless").with_options(options)).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.count("cancel"), 1, "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn cancelling_what_is_over_sends_nothing() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |_| number("1"));
    let handle = warehouse.submit("select 1".into()).await.unwrap();
    let canceller = handle.canceller();
    handle.finish().await.unwrap();
    canceller.cancel().await.unwrap();
    warehouse.execute("select 1").await.unwrap();
    assert_eq!(log.count("cancel"), 0, "it would have hit the next statement");
    assert_eq!(log.count("1 P"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_statement_was_cancelled_is_not_used_again() {
    let log = Log::default();
    let refusal = || error("ERROR", "57014", "Query (7) cancelled on user's request");
    let warehouse =
        warehouse(&log, 1, move |sql| if sql.contains("slow") { [refusal()].concat() } else { number("1") });
    let handle = warehouse.submit("select slow".into()).await.unwrap();
    let canceller = handle.canceller();
    canceller.cancel().await.unwrap();
    canceller.cancel().await.unwrap();
    let error = handle.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    warehouse.execute("select 1").await.unwrap();
    assert_eq!(log.count("cancel 1 42"), 1, "nothing was left to cancel the second time");
    assert_eq!((log.count("1 P select 1"), log.count("2 P select 1")), (0, 1), "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn a_request_to_cancel_that_came_too_early_is_repeated() {
    let log = Log::default();
    let connector = {
        let log = log.clone();
        connector(&log.clone(), move |mut peer| {
            let log = log.clone();
            Box::pin(async move {
                peer.welcome().await;
                let seen = log.clone();
                // It hears the second request only.
                let answer = move |sql: &str| match sql {
                    sql if is_setting(sql) => complete("SET"),
                    _ => [columns(&[("n", INT)]), row(&[Some(b"\0\0\0\x01")])].concat(),
                };
                tokio::select! {
                    () = peer.serve(answer) => {}
                    () = seen.wait_for_times("cancel", 2) => log.note("heard"),
                }
            })
        })
    };
    let warehouse = over(connector);
    let handle = warehouse.submit("select forever".into()).await.unwrap();
    let canceller = handle.canceller();
    let reader = tokio::spawn(async move { handle.stream().await?.collect_batches().await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    canceller.cancel().await.unwrap();
    assert!(reader.await.unwrap().is_err());
    assert_eq!(log.count("heard"), 1, "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_requests_to_cancel_is_told_by_a_statement() {
    let log = Log::default();
    let connector = gated(
        &log,
        |before| before != 1,
        |mut peer| {
            Box::pin(async move {
                peer.welcome().await;
                peer.serve(|sql| match sql {
                    sql if is_setting(sql) => complete("SET"),
                    sql if sql.contains("endless") => endless(),
                    _ => number("1"),
                })
                .await;
            })
        },
    );
    let warehouse = over(connector);
    let stream = warehouse.submit("select endless".into()).await.unwrap();
    stream.canceller().cancel().await.unwrap();
    assert_eq!((log.count("cancel 1 42"), log.count("2 Q SELECT pg_cancel_backend(1)")), (0, 1), "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn a_statement_cancelled_between_two_tries_is_not_tried_again() {
    let log = Log::default();
    let warehouse = warehouse(&log, 2, |_| error("ERROR", "XX000", "1023"));
    let handle = warehouse.submit(StatementRequest::write("insert into t values (1)")).await.unwrap();
    let canceller = handle.canceller();
    let outcome = tokio::spawn(handle.finish());
    while log.count("B ") == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    canceller.cancel().await.unwrap();
    assert_eq!(outcome.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(log.count("B "), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_statement_says_which_and_its_session_lives_on() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |sql| {
        if sql.contains("nope") { error("ERROR", "42P01", "relation \"nope\" does not exist") } else { number("1") }
    });
    let error = warehouse.execute("drop table nope").await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::NotFound, Some("42P01")));
    assert!(error.statement_id().unwrap().starts_with("1-"));
    warehouse.execute("select 1").await.unwrap();
    assert_eq!(log.count("1 P select 1"), 1);
}

#[tokio::test(start_paused = true)]
async fn utilities_go_as_text_and_count_rows_by_their_notice() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |_| {
        [notice("Load into table 't' completed, 5 record(s) loaded successfully."), complete("COPY")].concat()
    });
    let request = StatementRequest::write("copy t from :from iam_role default").bind("from", "s3://b/it's");
    assert_eq!(warehouse.execute(request).await.unwrap(), 5);
    assert_eq!(log.count("Q copy t from 's3://b/it''s' iam_role default"), 1, "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn limits_and_labels_are_set_and_gone_for_the_next_user() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |_| number("1"));
    let options = CallOptions::default().with_timeout(Duration::from_secs(9)).with_label("it's");
    warehouse.execute(StatementRequest::write("select 1").with_options(options)).await.unwrap();
    warehouse.execute("select 2").await.unwrap();
    let told = log.all();
    let at =
        |what: &str| told.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {told:?}"));
    let set = at("SET statement_timeout TO 9000; SET query_group TO 'it''s'");
    assert!(set < at("P select 1") && at("P select 1") < at("RESET ALL") && at("RESET ALL") < at("P select 2"));
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_connection_breaks_is_sent_again_and_a_write_is_not() {
    let log = Log::default();
    let broken = |sql: &str| sql.contains("break");
    let warehouse = {
        let log = log.clone();
        let connector = connector(&log.clone(), move |mut peer| {
            Box::pin(async move {
                let first = peer.process == 1;
                peer.welcome().await;
                let fatal = error("FATAL", "57P01", "terminating connection due to administrator command");
                peer.serve(|sql| match sql {
                    sql if is_setting(sql) => complete("SET"),
                    sql if broken(sql) && first => [columns(&[("n", INT)]), fatal.clone()].concat(),
                    _ => number("1"),
                })
                .await;
            })
        });
        over(connector)
    };
    let rows = warehouse.query("select break").await.unwrap().collect_batches().await.unwrap();
    assert_eq!(rows[0].num_rows(), 1);
    assert_eq!((log.count("1 P select break"), log.count("2 P select break")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_may_have_happened_is_not_repeated() {
    let log = Log::default();
    let fatal = || error("FATAL", "57P01", "terminating connection due to administrator command");
    let warehouse = warehouse(&log, 2, move |_| fatal());
    let error = warehouse.execute("insert into t values (1)").await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Unavailable, Effect::Unknown));
    assert_eq!(log.count("B "), 1, "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_certainly_did_nothing_is_repeated() {
    let log = Log::default();
    let seen = log.clone();
    let warehouse = warehouse(&log, 2, move |_| {
        if seen.count("B ") < 2 { [error("ERROR", "XX000", "1023")].concat() } else { complete("INSERT 0 1") }
    });
    assert_eq!(warehouse.execute("insert into t values (1)").await.unwrap(), 1);
    assert_eq!(log.count("B "), 2);
}

#[tokio::test(start_paused = true)]
async fn numbers_of_no_stated_precision_have_a_type_before_the_first_batch() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |_| {
        [
            columns(&[("d", 1700), ("t", TEXT)]),
            row(&[Some(b"1.250"), None]),
            row(&[Some(b"7"), Some(b"x")]),
            complete("SELECT"),
        ]
        .concat()
    });
    let stream = warehouse.query("select d, t").await.unwrap();
    assert_eq!(stream.schema().field(0).data_type(), &DataType::Decimal128(38, 3));
    let batches = stream.collect_batches().await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_used_up_says_which_wait_ran_out() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |_| endless());
    let held = warehouse.submit("select endless".into()).await.unwrap();
    let error = warehouse.submit("select 1".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("checkout")));
    assert_eq!(error.context("limit"), Some("30s"));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_and_says_so() {
    let log = Log::default();
    let connector = connector(&log, |peer| {
        Box::pin(async move {
            let _held = peer;
            std::future::pending().await
        })
    });
    let config = RedshiftBuilder::from_url("redshift://u:p@scripted/d?sslmode=disable&connect_timeout=3").unwrap();
    let cluster = Cluster::over(config.env(Env::empty()).build().unwrap(), connector, None).unwrap();
    let error = RedshiftWarehouse::over(cluster).execute("select 1").await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("connect")), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_answer_when_it_is_reset_is_replaced() {
    let log = Log::default();
    let connector = connector(&log, |mut peer| {
        Box::pin(async move {
            let first = peer.process == 1;
            peer.welcome().await;
            peer.serve(|sql| match sql {
                // An empty answer is none: the server is silent from here on.
                sql if sql.starts_with("RESET ALL") && first => Vec::new(),
                sql if is_setting(sql) => complete("SET"),
                _ => number("1"),
            })
            .await;
        })
    });
    let warehouse = over(connector);
    warehouse.execute("select 1").await.unwrap();
    warehouse.execute("select 1").await.unwrap();
    assert_eq!((log.count("1 P"), log.count("2 P")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_with_a_temporary_table_does_not_go_back() {
    let log = Log::default();
    let warehouse =
        warehouse(&log, 1, |sql| if sql.starts_with("create") { complete("CREATE TABLE") } else { number("1") });
    warehouse.execute("create temp table x (a int)").await.unwrap();
    warehouse.execute("select 1").await.unwrap();
    assert_eq!((log.count("1 P"), log.count("2 P")), (0, 1), "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn close_cancels_what_runs_and_refuses_what_comes() {
    let log = Log::default();
    let warehouse = warehouse(&log, 2, |_| endless());
    let stream = warehouse.query("select endless").await.unwrap();
    warehouse.close().await.unwrap();
    log.wait_for("cancel 1 42").await;
    assert_eq!(warehouse.submit("select 1".into()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(warehouse.begin(TransactionOptions::default()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_printed_on_the_way() {
    let log = Log::default();
    let warehouse = warehouse(&log, 1, |_| error("ERROR", "42601", "syntax error"));
    let handle = warehouse.submit(StatementRequest::read("show :v").bind("v", "canary")).await.unwrap();
    let mut printed = format!("{warehouse:?} {handle:?}");
    let error = handle.finish().await.unwrap_err();
    printed.push_str(&format!("{error} {error:?}"));
    assert!(!printed.contains("canary"), "{printed}");
    let _: Arc<dyn twinhouse_warehouse_api::Warehouse> = Arc::new(warehouse);
}
