use futures::{TryStreamExt as _, pin_mut};
use tokio_postgres::types::{FromSql, Type};

use super::*;

/// Whatever bytes come.
#[derive(Debug, PartialEq, Eq)]
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test]
async fn prepared_statements_bind_values_and_say_their_types() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a bigint, b varchar(20), n decimal(12, 2), v boolean)").await;
    let insert = client.prepare("insert into t (a, b, v) values ($1, $2, $3)").await.expect("prepared");
    for (a, b) in [(1_i64, "it's \\ one"), (2, "two")] {
        assert_eq!(client.execute(&insert, &[&a, &b, &true]).await.expect("inserted"), 1);
    }
    let select = client.prepare("select \"A\", b, v from t where a = $1").await.expect("prepared");
    let types: Vec<u32> = select.columns().iter().map(|column| column.type_().oid()).collect();
    assert_eq!(types, [20, 1043, 16]);
    let row = client.query_one(&select, &[&1_i64]).await.expect("a row");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1), row.get::<_, bool>(2)), (1, "it's \\ one", true));
    assert_eq!(client.execute("update t set b = $1 where a > $2", &[&"x", &0_i64]).await.expect("updated"), 2);
    assert_eq!(client.execute("delete from t where a = $1", &[&2_i64]).await.expect("deleted"), 1);
}

#[tokio::test]
async fn binary_numeric_has_redshifts_form_and_not_postgresqls() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (n decimal(8, 2), w decimal(38, 4)); insert into t values (12.34, -12.34), (null, 0)")
        .await;
    let found = client.query("select n, w from t order by n", &[]).await.expect("rows");
    assert_eq!(found[0].get::<_, Raw>(0), Raw(1234_i64.to_be_bytes().to_vec()));
    assert_eq!(found[0].get::<_, Raw>(1), Raw((-123_400_i128).to_be_bytes().to_vec()));
    assert_eq!(found[1].get::<_, Option<Raw>>(0), None);
    // As text it is exact.
    assert_eq!(rows(&client, "select n, w from t where n > 0").await, [["12.34", "-12.3400"]]);
}

#[tokio::test]
async fn the_lookup_of_an_unknown_type_fails_and_aborts_an_open_transaction() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (j super); insert into t values (json_parse('{\"a\": [1, 2]}'))").await;
    run(&client, "begin").await;
    // The first lookup asks for pg_range, which is not there; its second try meets an aborted transaction.
    let error = client.prepare("select j from t").await.expect_err("looked up inside a transaction");
    assert_eq!(error.code().map(|code| code.code()), Some("25P02"));
    assert_eq!(failure(&client, "select 1").await.0, "25P02");
    run(&client, "rollback").await;
    // Outside of one it works, by the way round.
    let statement = client.prepare("select j from t").await.expect("prepared");
    assert_eq!((statement.columns()[0].type_().oid(), statement.columns()[0].type_().name()), (4000, "super"));
    assert_eq!(failure(&client, "select * from pg_catalog.pg_range").await.0, "42P01");
    assert_eq!(failure(&client, "select * from pg_enum").await.0, "42P01");
}

#[tokio::test]
async fn an_error_in_a_batch_leaves_the_session_usable() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int)").await;
    for sql in
        ["select e'x'", "insert into t values (1) returning a", "select wrong from t", "select $1::int from nowhere"]
    {
        client.prepare(sql).await.expect_err(sql);
        assert_eq!(client.query_one("select 1", &[]).await.expect("alive").get::<_, i32>(0), 1);
    }
    // Sent together: the first fails, the second has its own fate.
    let (bad, good) = tokio::join!(client.query("select wrong", &[]), client.query_one("select 2", &[]));
    assert_eq!(bad.expect_err("no such column").code().map(|code| code.code()), Some("42703"));
    assert_eq!(good.expect("a row").get::<_, i32>(0), 2);
}

#[tokio::test]
async fn copy_unload_and_cursors_are_for_the_simple_protocol() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int)").await;
    let copy = format!("copy t from 's3://{BUCKET}/x' iam_role default format parquet");
    let error = refusal(client.prepare(&copy).await.expect_err("prepared a COPY"));
    assert!(error.0 == "XX000" && error.1.contains("extended query protocol"), "{error:?}");
    let error = refusal(client.prepare("declare c cursor for select 1").await.expect_err("prepared a cursor"));
    assert_eq!(error.0, "57014");
}

#[tokio::test]
async fn a_portal_with_rows_left_takes_no_new_statement() {
    let cluster = Cluster::start().await;
    let mut client = cluster.connect().await;
    let transaction = client.transaction().await.expect("begun");
    let statement = transaction.prepare("select * from generate_series(1, 10)").await.expect("prepared");
    let portal = transaction.bind(&statement, &[]).await.expect("bound");
    assert_eq!(transaction.query_portal(&portal, 3).await.expect("three rows").len(), 3);
    let error = refusal(transaction.prepare("select 2").await.expect_err("parsed while suspended"));
    assert_eq!(error, ("XX000".to_owned(), "Invalid protocol sequence 'P' while in PortalSuspended state.".to_owned()));
}

#[tokio::test]
async fn truncate_commits_in_either_protocol() {
    let cluster = Cluster::start().await;
    let (client, other) = (cluster.connect().await, cluster.connect().await);
    run(&client, "create table t (a int); create table u (a int)").await;
    for extended in [false, true] {
        run(&client, "insert into t values (1); begin; insert into u values (1)").await;
        if extended {
            client.execute("truncate t", &[]).await.expect("truncated");
        } else {
            run(&client, "truncate t").await;
        }
        run(&client, "rollback").await;
        assert_eq!(value(&other, "select count(*) from t").await, "0", "extended: {extended}");
    }
    assert_eq!(value(&other, "select count(*) from u").await, "2");
}

#[tokio::test]
async fn large_results_stream_with_back_pressure_through_both_protocols() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let sql = "select i::bigint, repeat('x', 100) from generate_series(1, 200000) i";
    let stream = client.query_raw(sql, Vec::<i32>::new()).await.expect("begun");
    pin_mut!(stream);
    let mut sum = 0;
    while let Some(row) = stream.try_next().await.expect("a row") {
        sum += row.get::<_, i64>(0);
    }
    assert_eq!(sum, 200_000 * 200_001 / 2);
    assert_eq!(rows(&client, sql).await.len(), 200_000);
}

#[tokio::test]
async fn a_running_query_is_cancelled_and_the_session_lives_on() {
    let cluster = Cluster::start().await;
    for secure in [false, true] {
        let client = cluster.connect().await;
        let token = client.cancel_token();
        let slow = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";
        let running = async { client.batch_execute(slow).await };
        let cancelling = async {
            while !cluster.front.activity().iter().any(|query| query.query_text == slow) {
                tokio::task::yield_now().await;
            }
            // A cancel that comes before the engine has begun is lost, there as here: until it is heard.
            loop {
                if secure {
                    token.cancel_query(cluster.tls()).await.expect("sent over TLS");
                } else {
                    token.cancel_query(NoTls).await.expect("sent");
                }
                if cluster.front.activity().is_empty() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let (ended, ()) = tokio::join!(running, cancelling);
        let (code, message) = refusal(ended.expect_err("it was cancelled"));
        assert!(code == "57014" && message.starts_with("Query (") && message.ends_with("cancelled on user's request"));
        assert_eq!(value(&client, "select 1").await, "1");
    }
}

#[tokio::test]
async fn a_cancel_with_a_wrong_secret_is_ignored() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let pid: i32 = value(&client, "select pg_backend_pid()").await.parse().expect("a number");
    let slow = "select count(*) from generate_series(1, 3000000)";
    let guessing = async {
        let mut socket = tokio::net::TcpStream::connect(cluster.front.address()).await.expect("connected");
        let mut packet = Vec::new();
        for number in [16, 80_877_102, pid, 12345] {
            packet.extend_from_slice(&number.to_be_bytes());
        }
        socket.write_all(&packet).await.expect("sent");
        assert_eq!(socket.read(&mut [0; 16]).await.expect("closed"), 0);
    };
    let (counted, ()) = tokio::join!(value(&client, slow), guessing);
    assert_eq!(counted, "3000000");
}
