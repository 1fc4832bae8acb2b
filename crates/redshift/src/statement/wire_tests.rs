//! Servers that break off, and values that no sandbox has.

use std::{num::NonZeroU32, sync::Arc};

use arrow::array::AsArray as _;
use futures::FutureExt as _;
use twinhouse_core::{Effect, ErrorKind, config::Env};
use twinhouse_warehouse_api::{BatchStream, StatementRequest, WarehouseExt as _};

use crate::{
    RedshiftBuilder, RedshiftWarehouse,
    cluster::Cluster,
    wire::{
        Connector,
        script::{Log, Peer, columns, complete, connector, message, ready, row},
    },
};

fn over(connector: Connector) -> RedshiftWarehouse {
    let config = RedshiftBuilder::from_url("redshift://u:p@scripted/d?sslmode=disable&pool=1").unwrap();
    RedshiftWarehouse::over(Cluster::over(config.env(Env::empty()).build().unwrap(), connector, None).unwrap())
}

/// Answers a statement's eight messages, but hangs up after `cut` of them on the first connection.
async fn cut_after(mut peer: Peer, cut: usize) {
    peer.welcome().await;
    let mut said = if peer.process == 1 { 0 } else { usize::MAX / 2 };
    let mut synced = 0;
    while let Some((tag, _)) = peer.message().await {
        let answers = match tag {
            b'Q' => vec![complete("SET"), ready(b'I')],
            b'P' => vec![message(b'1', b"")],
            b'D' => vec![message(b't', &[0, 0]), columns(&[("t", 25)])],
            b'B' => vec![message(b'2', b"")],
            b'E' => {
                peer.log.note("run");
                vec![row(&[Some(b"x")]), complete("UPDATE 1")]
            }
            b'S' => {
                synced += 1;
                vec![ready(b'I')]
            }
            _ => return,
        };
        for answer in answers {
            if tag != b'Q' {
                if said == cut && synced <= 2 {
                    return;
                }
                said += 1;
            }
            peer.send(&answer).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_cut_off_at_any_message_runs_once_or_says_that_nobody_knows() {
    for cut in 0..8 {
        let log = Log::default();
        let warehouse = over(connector(&log, move |peer| cut_after(peer, cut).boxed()));
        let outcome = warehouse.execute("update t set a = 1").await;
        match outcome {
            // What was only read is sent again.
            Ok(rows) => assert_eq!((rows, cut < 4), (1, true), "cut after {cut}"),
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.fault().effect),
                    (ErrorKind::Connection, Effect::Unknown),
                    "cut after {cut}"
                );
                assert!(cut >= 4, "cut after {cut}: {error:?}");
            }
        }
        assert_eq!(log.count("run"), usize::from(cut != 4), "cut after {cut}");
        assert_eq!(warehouse.execute("update t set a = 2").await.unwrap(), 1, "the next has a connection that works");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_cut_off_at_any_message_gives_all_rows_or_an_error() {
    for cut in 0..8 {
        let log = Log::default();
        let warehouse = over(connector(&log, move |peer| cut_after(peer, cut).boxed()));
        let outcome = async { warehouse.query("select t").await?.collect_batches().await }.await;
        match outcome {
            Ok(batches) => assert_eq!(batches[0].column(0).as_string::<i32>().value(0), "x", "cut after {cut}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Connection, "cut after {cut}: {error:?}"),
        }
    }
}

fn answering(said: Vec<u8>) -> RedshiftWarehouse {
    let said = Arc::new(said);
    let connector = connector(&Log::default(), move |mut peer| {
        let said = said.clone();
        async move {
            peer.welcome().await;
            let rows = |sql: &str| sql.starts_with("FETCH") || sql.starts_with("select");
            peer.serve(|sql| if rows(sql) { said.to_vec() } else { complete("SET") }).await;
        }
        .boxed()
    });
    over(connector)
}

async fn texts(stream: twinhouse_core::Result<BatchStream>) -> twinhouse_core::Result<Vec<String>> {
    let batches = stream?.collect_batches().await?;
    let columns = batches[0].columns().iter();
    Ok(columns.map(|column| column.as_string::<i32>().value(0).to_owned()).collect())
}

#[tokio::test(start_paused = true)]
async fn types_that_only_redshift_has_are_its_own_text_on_every_path() {
    // GEOMETRY, GEOGRAPHY, GEOMETRYHEX, INTERVAL YEAR TO MONTH, INTERVAL DAY TO SECOND, HLLSKETCH: numbers and forms as the
    // official drivers have them; the last one's number is not known, and need not be.
    let types: [(&str, u32, &[u8]); 6] = [
        ("geometry", 3000, b"0101000020E6100000000000000000F03F0000000000000040"),
        ("geography", 3001, b"0101000020E6100000000000000000F03F0000000000000040"),
        ("geometryhex", 3999, b"0101000000000000000000F03F0000000000000040"),
        ("year_to_month", 1188, b"-1 years -2 mons"),
        ("day_to_second", 1190, b"3 days 4 hours 5 mins 6.000007 secs"),
        ("hllsketch", 2_936, br#"{"logm":15,"sparse":{"indices":[4878],"values":[1]}}"#),
    ];
    let described: Vec<_> = types.iter().map(|(name, oid, _)| (*name, *oid)).collect();
    let values: Vec<_> = types.iter().map(|(.., value)| Some(*value)).collect();
    let warehouse = answering([columns(&described), row(&values), complete("SELECT")].concat());
    let wanted: Vec<_> = types.iter().map(|(.., value)| String::from_utf8(value.to_vec()).unwrap()).collect();
    assert_eq!(texts(warehouse.query("select g").await).await.unwrap(), wanted);
    let bound = StatementRequest::read("select g, :a").bind("a", 1);
    assert_eq!(texts(warehouse.query(bound).await).await.unwrap(), wanted);
    let pages = NonZeroU32::new(2).unwrap();
    assert_eq!(texts(warehouse.cursor("select g", pages).await).await.unwrap(), wanted);
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_utf8_is_an_error_that_names_its_column() {
    let warehouse = answering([columns(&[("name", 1043)]), row(&[Some(b"a\xffb")]), complete("SELECT")].concat());
    let error = texts(warehouse.query("select name").await).await.unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::Data, Some("name")));
}
