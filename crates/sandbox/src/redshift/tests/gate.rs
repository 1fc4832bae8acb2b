use super::*;

#[tokio::test]
async fn what_redshift_lacks_is_refused_with_its_codes_and_leaves_the_session_alive() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int)").await;
    for (sql, code) in [
        ("savepoint a", "0A000"),
        ("rollback to savepoint a", "0A000"),
        ("listen x", "0A000"),
        ("unlisten *", "0A000"),
        ("notify x", "0A000"),
        ("discard all", "42601"),
        ("copy t from stdin", "0A000"),
        ("copy t to stdout", "0A000"),
        ("select E'\\n'", "42704"),
        ("insert into t values (1) on conflict do nothing", "42601"),
        ("insert into t values (1) returning a", "42601"),
        ("create index i on t (a)", "0A000"),
        ("create sequence s", "0A000"),
        ("create table u (a serial)", "42704"),
        ("create table u (a int[])", "0A000"),
        ("create table u (a uuid)", "0A000"),
        ("select 1 is distinct from 2", "42601"),
        ("set lc_monetary to 'C'", "42501"),
        ("set extra_float_digits to 3", "22023"),
        ("set intervalstyle to 'postgres'", "42704"),
        ("show server_version_num", "42704"),
        ("create user u password 'p'", "0A000"),
    ] {
        assert_eq!(failure(&client, sql).await.0, code, "{sql}");
        assert_eq!(value(&client, "select 1").await, "1");
    }
    assert_eq!(value(&client, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_statement_of_more_than_16_mb_is_too_large() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let sql = |size: usize| format!("select length('{}')", "x".repeat(size - "select length('')".len()));
    assert_eq!(value(&client, &sql(16 << 20)).await, ((16 << 20) - 17).to_string());
    let error = failure(&client, &sql((16 << 20) + 1)).await;
    let message = "Statement is too large. Statement Size: 16777217 bytes. Maximum Allowed: 16777216 bytes";
    assert_eq!(error, ("42601".to_owned(), message.to_owned()));
    assert_eq!(value(&client, "select 1").await, "1");
}

#[tokio::test]
async fn a_refusal_aborts_the_transaction_and_nothing_of_its_text_runs() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int)").await;
    failure(&client, "insert into t values (1); savepoint a").await;
    assert_eq!(value(&client, "select count(*) from t").await, "0");
    run(&client, "begin; insert into t values (1)").await;
    failure(&client, "savepoint a").await;
    assert_eq!(failure(&client, "select 1").await.0, "25P02");
    assert_eq!(failure(&client, "savepoint b").await.0, "25P02");
    run(&client, "rollback").await;
    assert_eq!(value(&client, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_nested_transaction_of_a_postgresql_client_is_refused() {
    let cluster = Cluster::start().await;
    let mut client = cluster.connect().await;
    let mut transaction = client.transaction().await.expect("begun");
    let error = transaction.transaction().await.err().expect("nested");
    assert_eq!(error.code().map(|code| code.code()), Some("0A000"));
}

#[tokio::test]
async fn start_up_parameters_are_judged_as_the_service_judges_them() {
    let cluster = Cluster::start().await;
    for (options, code) in [
        ("-c lc_monetary=C", "42501"),
        ("-c extra_float_digits=3", "22023"),
        ("-c IntervalStyle=postgres", "42704"),
        ("-c standard_conforming_strings=on", "42704"),
    ] {
        let mut config = cluster.config();
        config.options(options);
        let error = refusal(cluster.connect_with(&config).await.expect_err(options));
        assert_eq!(error.0, code, "{options}");
    }
    let mut config = cluster.config();
    config
        .options("-c statement_timeout=3600000 -c query_group=early --search_path=pg_catalog")
        .application_name("tests");
    let client = cluster.connect_with(&config).await.expect("connected");
    assert_eq!(value(&client, "show statement_timeout").await, "1h");
    assert_eq!(value(&client, "show query_group").await, "early");
}
