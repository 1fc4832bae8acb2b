use std::sync::Arc;

use twinhouse_core::{ErrorKind, config::Env};
use twinhouse_warehouse_api::{Params, Transaction as _, TransactionOptions};

use crate::{
    RedshiftBuilder, RedshiftWarehouse,
    cluster::Cluster,
    wire::script::{Log, Peer, complete, connector, message, ready},
};

/// A server that keeps named statements, forgets them where it is told to, and fails where a value says `fail`.
async fn serve(mut peer: Peer, forgets: Arc<std::sync::atomic::AtomicBool>) {
    let (mut state, mut failed) = (b'I', false);
    let mut known: Vec<String> = Vec::new();
    peer.welcome().await;
    while let Some((tag, body)) = peer.message().await {
        let parts: Vec<_> = body.split(|&b| b == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        match tag {
            b'Q' => {
                peer.log.note(format!("{} Q {}", peer.process, parts[0]));
                state = match &*parts[0] {
                    "BEGIN" => b'T',
                    "COMMIT" | "ROLLBACK" => b'I',
                    _ => state,
                };
                let verb = parts[0].split(' ').next().unwrap_or_default();
                peer.send(&[complete(verb), ready(state)].concat()).await;
            }
            b'P' => {
                peer.log.note(format!("{} P {} {}", peer.process, parts[0], parts[1]));
                known.push(parts[0].clone());
                peer.send(&message(b'1', b"")).await;
            }
            b'C' => {
                peer.log.note(format!("{} C {}", peer.process, &parts[0][1..]));
                known.retain(|name| *name != parts[0][1..]);
                peer.send(&message(b'3', b"")).await;
            }
            b'D' if parts[0].starts_with('S') => {
                peer.send(&[message(b't', &[0, 0]), message(b'n', b"")].concat()).await
            }
            b'D' | b'E' if failed => {}
            b'D' => peer.send(&message(b'n', b"")).await,
            b'E' => peer.send(&complete("UPDATE 1")).await,
            b'B' if failed => {}
            b'B' => {
                let forgotten = forgets.swap(false, std::sync::atomic::Ordering::SeqCst) || !known.contains(&parts[1]);
                peer.log.note(format!("{} B {}", peer.process, parts[1]));
                if forgotten {
                    known.clear();
                }
                let wrong = body.windows(4).any(|four| four == b"fail");
                failed = forgotten || wrong;
                let code = if wrong { "22P02" } else { "26000" };
                let said = match failed {
                    true => crate::wire::script::error("ERROR", code, "no"),
                    false => message(b'2', b""),
                };
                peer.send(&said).await;
            }
            b'S' => {
                if std::mem::take(&mut failed) && state == b'T' {
                    state = b'E';
                }
                peer.send(&ready(state)).await;
            }
            b'X' => return,
            _ => {}
        }
    }
}

fn warehouse(log: &Log, pool: usize) -> (RedshiftWarehouse, Arc<std::sync::atomic::AtomicBool>) {
    let forgets = Arc::<std::sync::atomic::AtomicBool>::default();
    let told = forgets.clone();
    let connector = connector(log, move |peer| Box::pin(serve(peer, told.clone())));
    let config = RedshiftBuilder::from_url(&format!("redshift://u:p@scripted/d?sslmode=disable&pool={pool}")).unwrap();
    let config = config.env(Env::empty()).build().unwrap();
    (RedshiftWarehouse::over(Cluster::over(config, connector, None).unwrap()), forgets)
}

fn value(text: &str) -> Params {
    Params::new().bind("a", text)
}

#[tokio::test(start_paused = true)]
async fn a_statement_is_prepared_once_for_each_connection_and_survives_its_reset() {
    let log = Log::default();
    let (warehouse, _) = warehouse(&log, 1);
    let update = warehouse.prepare("update t set a = :a", &[("a", crate::ParameterType::Varchar)]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(update.execute(value("x")).await.unwrap(), 1);
    }
    assert_eq!((log.count(" P "), log.count(" B twinhouse_1"), log.count("RESET ALL")), (1, 3, 3), "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn a_statement_the_server_forgot_is_prepared_again_and_runs_once() {
    let log = Log::default();
    let (warehouse, forgets) = warehouse(&log, 1);
    let update = warehouse.prepare("update t set a = :a", &[]).await.unwrap();
    update.execute(value("x")).await.unwrap();
    forgets.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(update.execute(value("x")).await.unwrap(), 1);
    assert!(log.count(" P twinhouse_") >= 2, "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn ddl_and_rollback_make_it_prepared_again() {
    let log = Log::default();
    let (warehouse, _) = warehouse(&log, 1);
    let update = warehouse.prepare("update t set a = :a", &[("a", crate::ParameterType::Varchar)]).await.unwrap();
    for statement in ["ALTER TABLE t ADD COLUMN b int", "DROP TABLE u"] {
        let before = log.count(" P ");
        twinhouse_warehouse_api::WarehouseExt::execute(&warehouse, statement).await.unwrap();
        update.execute(value("x")).await.unwrap();
        assert_eq!(log.count(" P "), before + 1, "{statement}");
    }
    let before = log.count(" P ");
    let transaction = warehouse.begin_transaction(TransactionOptions::default()).await.unwrap();
    Box::new(transaction).rollback().await.unwrap();
    update.execute(value("x")).await.unwrap();
    assert_eq!(log.count(" P "), before + 1, "{:?}", log.all());
    assert!(log.count(" C twinhouse_") >= 3, "old names are closed");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_all_or_nothing_and_says_which_set_failed() {
    let log = Log::default();
    let (warehouse, _) = warehouse(&log, 1);
    let update = warehouse.prepare("update t set a = :a", &[]).await.unwrap();
    assert_eq!(update.execute_batch(["x", "y", "z"].map(value)).await.unwrap(), [1, 1, 1]);
    assert_eq!(log.count("Q COMMIT"), 1);
    let error = update.execute_batch(["x", "fail", "z"].map(value)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("set")), (ErrorKind::Data, Some("2")));
    assert_eq!((log.count("Q COMMIT"), log.count("Q ROLLBACK")), (1, 1), "{:?}", log.all());
    let unbound = update.execute_batch([value("x"), Params::new()]).await.unwrap_err();
    assert_eq!((unbound.kind(), unbound.context("set")), (ErrorKind::InvalidInput, Some("2")));
    assert_eq!(log.count("Q BEGIN"), 2, "nothing was sent for it");
    assert_eq!(update.execute_batch([]).await.unwrap(), [0_u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_not_sent_as_a_query_that_may_be_repeated() {
    let log = Log::default();
    let (warehouse, _) = warehouse(&log, 1);
    let update = warehouse.prepare("update t set a = :a", &[]).await.unwrap();
    assert_eq!(update.query(value("x")).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(log.count(" B "), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_let_go_is_closed_by_the_next_who_prepares_there() {
    let log = Log::default();
    let (warehouse, _) = warehouse(&log, 1);
    warehouse.prepare("update t set a = :a", &[]).await.unwrap().deallocate();
    warehouse.prepare("update u set a = :a", &[]).await.unwrap();
    assert_eq!(log.count("1 C twinhouse_1"), 1, "{:?}", log.all());
}
