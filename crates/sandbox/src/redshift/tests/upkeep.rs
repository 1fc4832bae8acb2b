use super::*;

#[tokio::test]
async fn vacuum_and_analyze_take_redshifts_forms_and_stand_alone() {
    let cluster = Cluster::start().await;
    let (client, mut notices) = cluster.connect_with_notices().await;
    run(&client, "create schema s; create table s.t (a int, b int)").await;
    run(&client, "insert into s.t values (1, 2)").await;
    assert_eq!(value(&client, "select stats_off from svv_table_info").await, "100.00", "nobody has looked at it");
    for sql in [
        "vacuum",
        "vacuum full s.t",
        "vacuum sort only s.t to 99 percent boost",
        "vacuum reindex \"s\".\"T\"",
        "analyze",
        "analyze s.t (a) predicate columns",
        "analyze verbose s.t all columns",
    ] {
        run(&client, sql).await;
    }
    assert_eq!(value(&client, "select stats_off from svv_table_info").await, "0.00");
    run(&client, "begin").await;
    assert_eq!(failure(&client, "vacuum s.t").await.0, "25001");
    run(&client, "rollback").await;
    assert_eq!(failure(&client, "vacuum reindex").await.0, "0A000");
    drop(client);
    while let Some(notice) = notices.recv().await {
        assert!(!notice.contains("pg_"), "of the engine's own catalog: {notice}");
    }
}

#[tokio::test]
async fn who_may_not_vacuum_is_told_so_in_a_notice_and_the_statement_succeeds() {
    let cluster = Cluster::start().await;
    let owner = cluster.connect().await;
    run(&owner, "create table t (a int)").await;
    let mut config = cluster.config();
    config.user("reader").password("reads");
    let (client, mut connection) = config.connect(NoTls).await.expect("connected");
    let (sender, mut notices) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message {
                let _ = sender.send(notice.message().to_owned());
            }
        }
    });
    for (sql, what) in [("vacuum t", "vacuum"), ("analyze t", "analyze")] {
        run(&client, sql).await;
        let notice = notices.recv().await.expect("a notice");
        assert_eq!(notice, format!("skipping \"t\" --- only table or database owner can {what} it"));
    }
}

#[tokio::test]
async fn an_append_moves_all_rows_and_must_stand_alone() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(
        &client,
        "create table target (a int, b varchar(5), c int default 7); create table same (b varchar(5), a int, c int)",
    )
    .await;
    run(&client, "create table less (a int); create table wide (a int, b varchar(9))").await;
    run(&client, "insert into same values ('x', 1, 2), ('y', 3, 4)").await;
    run(&client, "insert into less values (5)").await;
    run(&client, "begin").await;
    assert_eq!(failure(&client, "alter table target append from same").await.0, "25001");
    run(&client, "rollback").await;
    run(&client, "alter table target append from same").await;
    assert_eq!(failure(&client, "alter table target append from less").await.0, "0A000");
    run(&client, "alter table target append from less filltarget").await;
    assert_eq!(failure(&client, "alter table target append from wide filltarget").await.0, "0A000");
    assert_eq!(failure(&client, "alter table target append from target").await.0, "0A000");
    assert_eq!(
        rows(&client, "select * from target order by a").await,
        [["1", "x", "2"], ["3", "y", "4"], ["5", "NULL", "7"]]
    );
    assert_eq!(value(&client, "select (select count(*) from same) + (select count(*) from less)").await, "0");
}

#[tokio::test]
async fn plans_are_the_engines_in_redshifts_words_on_both_protocols() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table a (i int); create table b (i int)").await;
    let sql = "explain select count(*) from a join b on a.i = b.i where a.i > 3";
    let simple: Vec<String> = rows(&client, sql).await.into_iter().flatten().collect();
    assert!(simple[0].starts_with("XN ") && simple[0].contains("(cost="), "{simple:?}");
    assert!(simple.iter().any(|line| line.contains("Join DS_DIST_ALL_NONE  (cost=")), "{simple:?}");
    assert!(
        simple.iter().filter(|line| line.contains("Scan on")).all(|line| line.contains("XN Seq Scan on")),
        "{simple:?}"
    );
    let extended = client.query(sql, &[]).await.expect("a plan");
    let extended: Vec<String> = extended.iter().map(|row| row.get(0)).collect();
    assert_eq!(extended, simple);
    let catalog = value(&client, "explain select * from pg_class").await;
    assert!(catalog.starts_with("LD Seq Scan on pg_class"), "{catalog}");
    assert_eq!(failure(&client, "explain analyze select 1").await.0, "42601");
}

#[tokio::test]
async fn an_interleaved_key_has_alternating_signs() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int, b int, c int) diststyle even interleaved sortkey (c, a)").await;
    let sql = "select column_name, sortkey from svv_redshift_columns where table_name = 't' order by ordinal_position";
    assert_eq!(rows(&client, sql).await, [["a", "-2"], ["b", "0"], ["c", "1"]]);
}

#[tokio::test]
async fn a_serverless_workgroup_keeps_the_views_of_clusters_to_itself() {
    let cluster = Cluster::serverless().await;
    let client = cluster.connect().await;
    for view in ["stv_recents", "STL_QUERY", "svl_qlog"] {
        let (code, message) = failure(&client, &format!("select * from {view}")).await;
        assert_eq!(
            (code.as_str(), message),
            ("42501", format!("permission denied for relation {}", view.to_lowercase()))
        );
    }
    run(&client, "select 1 as one").await;
    let sql =
        "select service_class_id, trim(service_class_name) from sys_query_history where query_text = 'select 1 as one'";
    assert_eq!(rows(&client, sql).await, [["-1", "serverless"]]);
}
