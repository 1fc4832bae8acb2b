use super::*;

#[tokio::test]
async fn tables_and_columns_are_found_in_the_metadata_views() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create schema s").await;
    run(
        &client,
        "create table s.t (id bigint identity(1, 1), k varchar(20) not null default 'x' encode zstd, n decimal(12, 2), \
         j super, v varbyte(100), d timestamp) distkey (k) compound sortkey (n, k)",
    )
    .await;
    run(&client, "create view s.w as select k from s.t").await;
    let database = cluster.database.as_str();
    assert_eq!(
        rows(&client, "select database_name, schema_name, table_name, table_type from svv_all_tables order by 3").await,
        [[database, "s", "t", "TABLE"], [database, "s", "w", "VIEW"]]
    );
    assert_eq!(
        rows(
            &client,
            "select column_name, ordinal_position, data_type, character_maximum_length, numeric_precision, numeric_scale, \
             is_nullable from svv_all_columns where table_name = 't' order by ordinal_position"
        )
        .await,
        [
            ["id", "1", "bigint", "NULL", "64", "0", "NO"],
            ["k", "2", "character varying", "20", "NULL", "NULL", "NO"],
            ["n", "3", "numeric", "NULL", "12", "2", "YES"],
            ["j", "4", "super", "NULL", "NULL", "NULL", "YES"],
            ["v", "5", "binary varying", "100", "NULL", "NULL", "YES"],
            ["d", "6", "timestamp without time zone", "NULL", "NULL", "NULL", "YES"],
        ]
    );
    assert_eq!(
        rows(
            &client,
            "select column_name, data_type, encoding, distkey, sortkey from svv_redshift_columns where table_name = 't' \
             and ordinal_position <= 3 order by ordinal_position"
        )
        .await,
        [
            ["id", "bigint", "none", "f", "0"],
            ["k", "character varying(20)", "zstd", "t", "2"],
            ["n", "numeric(12,2)", "none", "f", "1"],
        ]
    );
    assert_eq!(value(&client, "select count(*) from svv_table_info").await, "0", "empty tables are left out");
    run(&client, "insert into s.t (k) values ('a'), ('b')").await;
    let info = "select \"schema\", \"table\", diststyle, sortkey1, tbl_rows from svv_table_info";
    assert_eq!(rows(&client, info).await, [["s", "t", "KEY(k)", "n", "2"]]);
    assert_eq!(rows(&client, "select tablename from pg_table_def").await, [[""; 0]; 0].map(Vec::from));
    run(&client, "set search_path to s").await;
    assert_eq!(value(&client, "select count(*) from pg_table_def where tablename = 't'").await, "6");
    assert_eq!(
        value(&client, "select database_isolation_level from svv_redshift_databases limit 1").await,
        "Serializable"
    );
    assert!(rows(&client, "select schema_name from svv_all_schemas").await.contains(&vec!["s".to_owned()]));
    for view in ["svv_external_schemas", "svv_external_tables", "svv_external_columns"] {
        assert_eq!(value(&client, &format!("select count(*) from {view}")).await, "0");
    }
    assert_eq!(failure(&client, "select * from stl_scan").await.0, "42P01");
}

/// Whoever looks around in a transaction sees tables that others have dropped meanwhile.
#[tokio::test]
async fn a_table_that_is_dropped_meanwhile_spoils_no_view() {
    let cluster = Cluster::start().await;
    let (client, other) = (cluster.connect().await, cluster.connect().await);
    run(
        &client,
        "create schema s; create table stays as select 1 as a; create table s.goes (id bigint identity(1, 1))",
    )
    .await;
    run(&client, "insert into s.goes default values").await;
    run(&client, "begin").await;
    assert_eq!(value(&client, "select count(*) from stays").await, "1");
    run(&other, "drop table s.goes; drop schema s").await;
    assert_eq!(rows(&client, "select \"table\", tbl_rows from svv_table_info").await, [["stays", "1"]]);
    for view in ["svv_all_columns", "svv_redshift_columns", "svv_columns", "svv_all_tables", "svv_redshift_tables"] {
        run(&client, &format!("select * from {view}")).await;
    }
    run(&client, "commit").await;
}

#[tokio::test]
async fn tables_with_keys_are_dropped_side_by_side() {
    let cluster = Cluster::start().await;
    let clients = [cluster.connect().await, cluster.connect().await];
    for (n, client) in clients.iter().enumerate() {
        run(client, &format!("create table t{n} (a int) distkey (a) sortkey (a)")).await;
    }
    for (n, client) in clients.iter().enumerate() {
        run(client, "begin").await;
        run(client, &format!("drop table t{n}")).await;
    }
    for client in &clients {
        run(client, "commit").await;
    }
    assert_eq!(value(&clients[0], "select count(*) from svv_redshift_tables").await, "0");
}

#[tokio::test]
async fn queries_are_recorded_with_label_outcome_and_session() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "set query_group to 'labelled'").await;
    assert_eq!(value(&client, "select 1 as one").await, "1");
    let id = value(&client, "select pg_last_query_id()").await;
    failure(&client, "select wrong").await;
    let sql = "select query_id, trim(status), trim(query_type), trim(query_text), trim(username) from sys_query_history \
               where query_label = 'labelled' and session_id = pg_backend_pid() \
               and query_text in ('select 1 as one', 'select wrong') order by query_id";
    let found = rows(&client, sql).await;
    assert_eq!(found[0], [id.as_str(), "success", "SELECT", "select 1 as one", USER]);
    assert_eq!(found[1][1], "failed");
    assert_eq!(value(&client, "select count(*) from stl_query where querytxt = 'select 1 as one'").await, "1");
    assert_eq!(
        value(&client, "select count(*) from stv_recents where status = 'Running' and pid = pg_backend_pid()").await,
        "1"
    );
    assert_eq!(value(&client, "select count(*) from stv_sessions where process = pg_backend_pid()").await, "1");
    assert_eq!(value(&client, "select count(*) from stv_inflight where pid = pg_backend_pid()").await, "1");
}

#[tokio::test]
async fn another_user_sees_only_what_is_granted() {
    let cluster = Cluster::start().await;
    let owner = cluster.connect().await;
    run(&owner, "create table t (a int)").await;
    let mut config = cluster.config();
    config.user("reader").password("reads");
    let reader = cluster.connect_with(&config).await.expect("connected");
    assert_eq!(value(&reader, "select current_user").await, "reader");
    assert_eq!(failure(&reader, "select * from t").await.0, "42501");
    run(&owner, "grant select on t to reader").await;
    assert_eq!(value(&reader, "select count(*) from t").await, "0");
    assert_eq!(failure(&reader, "select pg_read_file('/etc/passwd')").await.0, "42501");
    assert_eq!(failure(&owner, "select pg_read_file('/etc/passwd')").await.0, "42501");
}

#[tokio::test]
async fn foreign_keys_are_told_and_not_enforced_and_go_with_either_table() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table parent (a int, b int, primary key (a, b))").await;
    run(
        &client,
        "create table child (x int, y int, constraint both_of foreign key (x, y) references parent) distkey(y)",
    )
    .await;
    run(&client, "create table alone (k int primary key, up int references alone (k))").await;
    let keys = "select conname, pg_get_constraintdef(oid) from pg_constraint where contype = 'f' order by 1";
    assert_eq!(
        rows(&client, keys).await,
        [
            ["alone_up_fkey", "FOREIGN KEY (up) REFERENCES alone(k)"],
            ["both_of", "FOREIGN KEY (x, y) REFERENCES parent(a, b)"],
        ]
    );
    run(&client, "insert into child values (1, 2)").await;
    let style = "select c.reldiststyle, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid \
                 where a.attisdistkey and c.relname = 'child'";
    assert_eq!(rows(&client, style).await, [["1", "y"]]);
    let shown = rows(&client, "show constraints foreign keys from table public.child").await;
    assert_eq!(
        shown.iter().map(|row| [&row[3][..], &row[7][..], &row[8][..]]).collect::<Vec<_>>(),
        [["a", "x", "1"], ["b", "y", "2"]]
    );
    run(&client, "drop table parent").await;
    run(&client, "drop table alone").await;
    assert!(rows(&client, keys).await.is_empty());
    let (code, message) = failure(&client, "create table orphan (x int references nowhere)").await;
    assert_eq!((&code[..], &message[..]), ("42P01", "relation \"nowhere\" does not exist"));
}
