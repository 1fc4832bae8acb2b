use futures::StreamExt as _;
use twinhouse_core::{Effect, ErrorKind, config::Env};
use twinhouse_warehouse_api::{StatementRequest, TransactionOptions, Warehouse as _, WarehouseExt as _};

use crate::{
    RedshiftBuilder, RedshiftWarehouse,
    cluster::Cluster,
    wire::script::{Log, Peer, columns, complete, connector, error, message, ready, row},
};

/// A server that keeps track of transactions, and fails where the text says `fail`, `conflict` or `hang up`.
async fn serve(mut peer: Peer) {
    let mut state = b'I';
    let mut prepared = String::new();
    peer.welcome().await;
    while let Some((tag, body)) = peer.message().await {
        let text =
            |from: usize| String::from_utf8(body[from..].iter().copied().take_while(|&b| b != 0).collect()).unwrap();
        match tag {
            b'Q' => {
                let sql = text(0);
                peer.log.note(format!("{} Q {sql}", peer.process));
                let (said, next) = match sql.as_str() {
                    "BEGIN" | "BEGIN READ ONLY" => (complete("BEGIN"), b'T'),
                    "COMMIT" if state == b'E' => (complete("ROLLBACK"), b'I'),
                    "COMMIT" if peer.log.count("hang up") > 0 => return,
                    "COMMIT" if peer.log.count("late conflict") > 0 => (error("ERROR", "XX000", "1023"), b'I'),
                    "COMMIT" => (complete("COMMIT"), b'I'),
                    "ROLLBACK" => (complete("ROLLBACK"), b'I'),
                    _ => (complete("SET"), state),
                };
                state = next;
                peer.send(&[said, ready(state)].concat()).await;
            }
            b'P' => {
                prepared = text(1);
                peer.log.note(format!("{} P {prepared}", peer.process));
                peer.send(&message(b'1', b"")).await;
            }
            b'D' => peer.send(&[message(b't', &[0, 0]), columns(&[("t", 25)])].concat()).await,
            b'B' if prepared.contains("fail") => {
                state = b'E';
                peer.send(&error("ERROR", "42703", "no such column")).await;
            }
            b'B' if prepared.contains("many") => {
                let rows: Vec<u8> = (0..9000).flat_map(|_| row(&[Some(b"x")])).collect();
                peer.send(&[message(b'2', b""), rows].concat()).await;
                while peer.message().await.is_some() {}
                return;
            }
            b'B' => peer.send(&[message(b'2', b""), row(&[Some(b"x")]), complete("UPDATE 1")].concat()).await,
            b'S' => peer.send(&ready(state)).await,
            b'X' => {
                peer.log.note(format!("{} X", peer.process));
                return;
            }
            _ => {}
        }
    }
    peer.log.note(format!("{} gone", peer.process));
}

fn warehouse(log: &Log) -> RedshiftWarehouse {
    let connector = connector(log, |peer| Box::pin(serve(peer)));
    let config = RedshiftBuilder::from_url("redshift://u:p@scripted/d?pool=1&sslmode=disable").unwrap();
    RedshiftWarehouse::over(Cluster::over(config.env(Env::empty()).build().unwrap(), connector, None).unwrap())
}

#[tokio::test(start_paused = true)]
async fn everything_goes_over_one_session_that_is_given_back() {
    let log = Log::default();
    let warehouse = warehouse(&log);
    let mut transaction = warehouse.begin(TransactionOptions::default().with_label("l")).await.unwrap();
    assert_eq!(transaction.execute(StatementRequest::write("update a")).await.unwrap(), 1);
    let rows = transaction.query("select b".into()).await.unwrap().collect_batches().await.unwrap();
    assert_eq!(rows[0].num_rows(), 1);
    transaction.commit().await.unwrap();
    warehouse.execute("select after").await.unwrap();
    let told = log.all();
    let at = |what: &str| told.iter().position(|line| line.starts_with("1 ") && line.contains(what));
    let order =
        ["SET query_group TO 'l'", "BEGIN", "update a", "select b", "COMMIT", "RESET ALL", "select after"].map(at);
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_transaction_is_rolled_back_before_anybody_else_gets_its_session() {
    let log = Log::default();
    let warehouse = warehouse(&log);
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.unwrap();
    transaction.execute(StatementRequest::write("update a")).await.unwrap();
    drop(transaction);
    warehouse.execute("select after").await.unwrap();
    let told = log.all();
    let at =
        |what: &str| told.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {told:?}"));
    assert!(at("1 Q ROLLBACK") < at("1 P select after"));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_not_read_keeps_its_transaction_busy_and_dropped_undoes_it() {
    let log = Log::default();
    let warehouse = warehouse(&log);
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.unwrap();
    let mut stream = transaction.query("select many".into()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(transaction.execute("select 1".into()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    drop(stream);
    let lost = transaction.execute("select 1".into()).await.unwrap_err();
    assert_eq!((lost.kind(), lost.is_retryable()), (ErrorKind::Cancelled, false));
    transaction.rollback().await.unwrap();
    log.wait_for("cancel 1 42").await;
    warehouse.execute("select after").await.unwrap();
    assert_eq!(log.count("2 P select after"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_dropped_while_its_result_is_read_is_undone_when_that_ends() {
    let log = Log::default();
    let warehouse = warehouse(&log);
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.unwrap();
    let stream = transaction.query("select b".into()).await.unwrap();
    drop(transaction);
    assert_eq!(stream.collect_batches().await.unwrap().len(), 1);
    warehouse.execute("select after").await.unwrap();
    assert_eq!(log.count("1 Q ROLLBACK"), 1);
}

#[tokio::test(start_paused = true)]
async fn after_an_error_it_only_rolls_back() {
    let log = Log::default();
    let warehouse = warehouse(&log);
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.unwrap();
    let error = transaction.execute(StatementRequest::write("update fail")).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::NotFound, Effect::None));
    let refused = transaction.execute(StatementRequest::write("update more")).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("25P02"));
    assert_eq!(log.count("update more"), 0, "it is not even sent");
    let commit = transaction.commit().await.unwrap_err();
    assert_eq!((commit.kind(), commit.is_retryable()), (ErrorKind::InvalidInput, false));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_at_the_commit_may_be_tried_again_and_a_lost_commit_is_unknown() {
    let log = Log::default();
    let mut transaction = warehouse(&log).begin(TransactionOptions::default()).await.unwrap();
    transaction.execute(StatementRequest::write("update late conflict")).await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable(), error.fault().effect), (ErrorKind::Conflict, true, Effect::None));

    let log = Log::default();
    let mut transaction = warehouse(&log).begin(TransactionOptions::default()).await.unwrap();
    transaction.execute(StatementRequest::write("update hang up")).await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Connection, Effect::Unknown));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_place_in_it_leaves_it_whole() {
    let log = Log::default();
    let mut transaction = warehouse(&log).begin(TransactionOptions::default().with_read_only(true)).await.unwrap();
    for sql in ["savepoint a", "vacuum", "truncate t", "commit"] {
        assert_eq!(transaction.execute(sql.into()).await.unwrap_err().kind(), ErrorKind::Unsupported, "{sql}");
    }
    assert_eq!(transaction.execute("select :x".into()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    transaction.execute("select 1".into()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(log.count("BEGIN READ ONLY"), 1);
    assert_eq!(log.count("savepoint") + log.count("vacuum") + log.count("truncate"), 0);
}
