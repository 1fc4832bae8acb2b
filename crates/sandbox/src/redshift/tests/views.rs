use super::*;

#[tokio::test]
async fn a_query_is_seen_while_it_runs_and_after() {
    let cluster = Cluster::start().await;
    let (busy, holder, watcher) = (cluster.connect().await, cluster.connect().await, cluster.connect().await);
    run(&busy, "create table t (a int)").await;
    run(&holder, "begin; lock t").await;
    run(&busy, "set query_group to 'nightly'").await;
    let pid = value(&busy, "select pg_backend_pid()").await;
    let waiting = tokio::spawn(async move {
        let counted = value(&busy, "select count(*) as waiting from t").await;
        (busy, counted)
    });
    let inflight = format!("select query from stv_inflight where pid = {pid}");
    while rows(&watcher, &inflight).await.is_empty() {}
    let sql = format!("select trim(status), trim(query), trim(user_name) from stv_recents where pid = {pid}");
    assert_eq!(rows(&watcher, &sql).await, [["Running", "select count(*) as waiting from t", USER]]);
    let sql = format!(
        "select trim(state), service_class from stv_wlm_query_state s join stv_inflight i on i.query = s.query where pid = {pid}"
    );
    assert_eq!(rows(&watcher, &sql).await, [["Running", "100"]]);
    let sql = format!(
        "select trim(status), trim(query_label), end_time from sys_query_history where session_id = {pid} and status = 'running'"
    );
    assert_eq!(rows(&watcher, &sql).await, [["running", "nightly", "NULL"]]);
    let executing = "select num_executing_queries from stv_wlm_service_class_state where service_class = 100";
    assert_eq!(value(&watcher, executing).await, "2", "the one that waits, and this one");
    run(&holder, "commit").await;
    let (busy, counted) = waiting.await.expect("it ends");
    assert_eq!(counted, "0");
    let id = value(&busy, "select pg_last_query_id()").await;
    let sql = format!("select aborted, trim(label), trim(querytxt) from stl_query where query = {id}");
    assert_eq!(rows(&watcher, &sql).await, [["0", "nightly", "select count(*) as waiting from t"]]);
    let sql = format!("select trim(final_state), trim(service_class_name) from stl_wlm_query where query = {id}");
    assert_eq!(rows(&watcher, &sql).await, [["Completed", "Default queue"]]);
    let sql = format!("select returned_rows, returned_bytes > 0 from sys_query_history where query_id = {id}");
    assert_eq!(rows(&watcher, &sql).await, [["1", "t"]]);
    assert!(rows(&watcher, &inflight).await.is_empty());
}

#[tokio::test]
async fn statements_of_one_transaction_share_its_number() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "begin").await;
    run(&client, "select 1 as first").await;
    run(&client, "select 2 as second").await;
    run(&client, "commit").await;
    run(&client, "select 3 as third").await;
    let sql = "select count(*), count(distinct transaction_id) from sys_query_history \
               where query_text like 'select _ as %' and session_id = pg_backend_pid()";
    assert_eq!(rows(&client, sql).await, [["3", "2"]]);
}

#[tokio::test]
async fn long_texts_come_in_pieces_with_their_line_ends_written_out() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let long = format!("select\n'{}' as long", "x".repeat(5000));
    run(&client, &long).await;
    let id = value(&client, "select pg_last_query_id()").await;
    let sql = format!("select sequence, len(trim(text)) from sys_query_text where query_id = {id} order by 1");
    assert_eq!(rows(&client, &sql).await, [["0", "4000"], ["1", "1018"]]);
    let sql = format!("select substring(text, 1, 10) from stl_querytext where query = {id} and sequence = 0");
    assert_eq!(value(&client, &sql).await, "select\\n'x");
}

#[tokio::test]
async fn another_user_sees_neither_the_queries_of_others_nor_the_queues() {
    let cluster = Cluster::start().await;
    let owner = cluster.connect().await;
    run(&owner, "select 'secret' as owners").await;
    let mut config = cluster.config();
    config.user("reader").password("reads");
    let reader = cluster.connect_with(&config).await.expect("connected");
    run(&reader, "select 'mine' as readers").await;
    for (view, user) in [
        ("sys_query_history", "trim(username)"),
        ("stv_recents", "trim(user_name)"),
        ("stv_sessions", "trim(user_name)"),
    ] {
        assert_eq!(rows(&reader, &format!("select distinct {user} from {view}")).await, [["reader"]], "{view}");
        assert_eq!(value(&owner, &format!("select count(distinct {user}) from {view}")).await, "2", "{view}");
    }
    assert_eq!(value(&reader, "select count(*) from stv_wlm_service_class_config").await, "0");
    assert_eq!(
        rows(&owner, "select service_class, trim(name), num_query_tasks from stv_wlm_service_class_config where service_class > 5").await,
        [["100", "Default queue", "-1"]]
    );
}

#[tokio::test]
async fn sessions_are_listed_while_they_are_open() {
    let cluster = Cluster::start().await;
    let (client, other) = (cluster.connect().await, cluster.connect().await);
    let pid = value(&other, "select pg_backend_pid()").await;
    let open = format!("select count(*) from stv_sessions where process = {pid}");
    assert_eq!(value(&client, &open).await, "1");
    drop(other);
    while value(&client, &open).await != "0" {}
    let sql = format!("select trim(status), end_time >= start_time from sys_session_history where session_id = {pid}");
    assert_eq!(rows(&client, &sql).await, [["closed", "t"]]);
}

#[tokio::test]
async fn prepared_statements_see_what_happened_before_they_were_bound() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let sql = "select count(*) from sys_query_history where query_text = 'select 17 as again'";
    let statement = client.prepare(sql).await.expect("prepared");
    for expected in 0..2_i64 {
        assert_eq!(client.query_one(&statement, &[]).await.expect("run").get::<_, i64>(0), expected);
        run(&client, "select 17 as again").await;
    }
}
