use super::*;

#[tokio::test]
async fn ddl_dml_and_transactions_work_and_tags_are_those_of_8_0() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create schema \"Sales\"").await;
    run(
        &client,
        "create table sales.\"Orders\" (id int not null primary key, who varchar(20)) diststyle key distkey (id)",
    )
    .await;
    let inserted = client.simple_query("insert into sales.orders values (1, 'a'), (2, 'b')").await.expect("inserted");
    assert!(matches!(inserted[..], [SimpleQueryMessage::CommandComplete(2)]));
    let selected = client.simple_query("select * from sales.orders").await.expect("selected");
    assert!(matches!(selected.last(), Some(SimpleQueryMessage::CommandComplete(0))), "SELECT has no count");
    run(&client, "begin; delete from sales.orders; rollback").await;
    assert_eq!(value(&client, "select count(*) from sales.orders").await, "2");
    run(&client, "drop table sales.orders").await;
    assert_eq!(failure(&client, "select * from sales.orders").await.0, "42P01");
}

#[tokio::test]
async fn quoted_names_fold_unless_the_session_is_case_sensitive() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table \"Mixed\" (\"Key\" int)").await;
    run(&client, "insert into MIXED (\"KEY\") values (1)").await;
    assert_eq!(
        client.prepare("select \"Key\" as \"Alias\" from mixed").await.expect("ok").columns()[0].name(),
        "alias"
    );
    run(&client, "set enable_case_sensitive_identifier to true").await;
    run(&client, "create table \"Mixed\" (\"Key\" varchar(10))").await;
    run(&client, "insert into \"Mixed\" values ('x')").await;
    assert_eq!(value(&client, "select \"Key\" from \"Mixed\"").await, "x");
    run(&client, "reset all").await;
    assert_eq!(value(&client, "select \"Key\" from \"Mixed\"").await, "1");
}

#[tokio::test]
async fn a_backslash_in_a_plain_literal_is_an_escape() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    assert_eq!(value(&client, r"select 'a\\b\'c\n' || 'd''e'").await, "a\\b'c\nd'e");
    // What only doubles quotes is an injection hole here too: the literal is still open.
    assert_eq!(value(&client, r"select 'x\' as a, '").await, "x' as a, ");
    assert_eq!(failure(&client, r"select 'x\' as a").await.0, "42601");
}

#[tokio::test]
async fn lengths_are_counted_in_bytes() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a varchar(5), b char(3), c varchar)").await;
    run(&client, "insert into t values ('abcde', 'abc', 'x')").await;
    let too_long = ("22001".to_owned(), "value too long for type character varying(5)".to_owned());
    assert_eq!(failure(&client, "insert into t (a) values ('äöü')").await, too_long);
    assert_eq!(failure(&client, "insert into t (a) values ('abcdef')").await, too_long);
    assert_eq!(failure(&client, "insert into t (b) values ('äö')").await.0, "22001");
    assert_eq!(failure(&client, &format!("insert into t (c) values ('{}')", "x".repeat(257))).await.0, "22001");
    run(&client, "create table u (like t)").await;
    assert_eq!(failure(&client, "insert into u (a) values ('äöü')").await, too_long);
    run(&client, "alter table u alter column a type varchar(6)").await;
    run(&client, "insert into u (a) values ('äöü')").await;
    run(&client, "alter table u add column d varchar(2)").await;
    assert_eq!(failure(&client, "insert into u (d) values ('äö')").await.0, "22001");
}

#[tokio::test]
async fn keys_are_information_and_not_null_is_a_rule() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(
        &client,
        "create table o (id int primary key, u int unique); create table t (id int references o (id), k int not null)",
    )
    .await;
    run(&client, "insert into o values (1, 1), (1, 1); insert into t values (7, 1)").await;
    assert_eq!(value(&client, "select count(*) from o where id = 1").await, "2");
    assert_eq!(value(&client, "select count(*) from o a join o b on a.id = b.id").await, "4");
    assert_eq!(failure(&client, "insert into t values (1, null)").await.0, "23502");
    let sql = "select constraint_type from information_schema.table_constraints where table_name = 'o' \
               and constraint_type like '%KEY' order by 1";
    assert_eq!(rows(&client, sql).await, [["PRIMARY KEY"]]);
}

#[tokio::test]
async fn redshifts_functions_answer() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int, b varchar(10)); insert into t values (1, 'x'), (2, 'y'), (2, null)").await;
    for (sql, expected) in [
        ("select nvl(b, '-') from t where b is null", "-"),
        ("select nvl2(b, 'some', 'none') from t where b is null", "none"),
        ("select decode(max(a), 1, 'one', 2, 'two', 'many') from t", "two"),
        ("select listagg(distinct a, '+') within group (order by a) from t", "1+2"),
        ("select listagg(b, ',') from t", "x,y"),
        ("select median(a) from t", "2"),
        ("select avg(a) from t", "1"),
        ("select len('häß')", "3"),
        ("select dateadd(month, 1, '2024-01-31'::date)", "2024-02-29 00:00:00"),
        ("select datediff(day, '2024-02-28'::date, '2024-03-01'::date)", "2"),
        ("select datediff(hour, '2024-01-01 00:59:59'::timestamp, '2024-01-01 01:00:00'::timestamp)", "1"),
        ("select datediff(year, '2023-12-31'::date, '2024-01-01'::date)", "1"),
        ("select date_trunc('month', dateadd(day, -1, '2024-03-01'::timestamp))", "2024-02-01 00:00:00"),
        ("select convert_timezone('UTC', 'Europe/Berlin', '2024-07-01 12:00:00'::timestamp)", "2024-07-01 14:00:00"),
        ("select last_day('2024-02-03'::date)", "2024-02-29"),
        ("select getdate() - sysdate < interval '1 minute'", "t"),
        ("select json_serialize(json_parse('{\"b\": [1, {\"c\": \"x, y\"}]}'))", r#"{"b":[1,{"c":"x, y"}]}"#),
        ("select json_parse('[1, 2]')", "[1,2]"),
        ("select json_extract_path_text('{\"a\": {\"b\": \"c\"}}', 'a', 'b')", "c"),
        ("select to_varbyte('00ff', 'hex')", "00ff"),
        ("select from_hex('41')::varbyte", "41"),
        ("select from_varbyte(to_varbyte('häß', 'utf8'), 'utf8')", "häß"),
        ("select sha2('', 256)", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("select charindex('b', 'abc')", "2"),
        ("select 1 union select 2 minus select 2", "1"),
    ] {
        assert_eq!(value(&client, sql).await, expected, "{sql}");
    }
    for sql in [
        "select pg_sleep(1)",
        "select string_agg(b, ',') from t",
        "select array_agg(b) from t",
        "select pg_advisory_lock(1)",
    ] {
        assert_eq!(failure(&client, sql).await.0, "42883", "{sql}");
    }
}

#[tokio::test]
async fn merge_follows_redshifts_rules() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (id int, v varchar(10)); insert into t values (1, 'a'), (2, 'b')").await;
    run(&client, "create temp table s (id int, v varchar(10)); insert into s values (2, 'B'), (3, 'C')").await;
    let merge = "merge into t using s on t.id = s.id when matched then update set v = s.v \
                 when not matched then insert (id, v) values (s.id, s.v)";
    run(&client, merge).await;
    assert_eq!(rows(&client, "select * from t order by id").await, [["1", "a"], ["2", "B"], ["3", "C"]]);
    run(&client, "insert into s values (2, 'again')").await;
    let duplicate = ("XX000".to_owned(), "Found multiple matches to update the same tuple.".to_owned());
    assert_eq!(failure(&client, merge).await, duplicate);
}

#[tokio::test]
async fn settings_are_kept_undone_and_reset_as_the_service_does() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "set query_group to 'nightly load'; set statement_timeout to 60000; set extra_float_digits = 2").await;
    assert_eq!(value(&client, "show query_group").await, "nightly load");
    assert_eq!(value(&client, "select current_setting('query_group')").await, "nightly load");
    run(&client, "begin; set local query_group to 'other'; commit").await;
    assert_eq!(value(&client, "show query_group").await, "nightly load");
    run(&client, "set enable_result_cache_for_session to off; set search_path to public; set datestyle to 'ISO'").await;
    assert_eq!(value(&client, "select 0.1::float8 + 0.2").await, "0.30000000000000004");
    run(&client, "reset all").await;
    assert_eq!(value(&client, "show query_group").await, "unset");
    assert_eq!(value(&client, "select 0.1::float8 + 0.2").await, "0.3");
    assert_eq!(failure(&client, "set work_mem to '1MB'").await.0, "42704");
    run(&client, "begin isolation level read committed").await;
    assert_eq!(value(&client, "show transaction_isolation").await, "serializable");
    run(&client, "rollback").await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_cancelled_by_the_server() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "set statement_timeout to 50").await;
    let slow = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let (code, message) = failure(&client, slow).await;
    assert!(code == "57014" && message.ends_with("cancelled on user's request"), "{message}");
}

#[tokio::test]
async fn one_cursor_at_a_time_and_only_in_a_transaction() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    assert_eq!(failure(&client, "declare c cursor for select 1").await.0, "25P01");
    run(&client, "begin; declare c cursor for select * from generate_series(1, 5)").await;
    assert_eq!(rows(&client, "fetch forward 2 from c").await, [["1"], ["2"]]);
    failure(&client, "declare d cursor for select 1").await;
    run(&client, "rollback; begin; declare c cursor for select 1; close c; declare d cursor for select 2").await;
    assert_eq!(rows(&client, "fetch all from d").await, [["2"]]);
    run(&client, "commit").await;
}

#[tokio::test]
async fn errors_point_into_the_clients_own_text() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    for sql in ["select nvl(1, 2), decode(1, 2, 3, 4), \"ÄWrong\" from t", "select 'ä', len('x'), wrong"] {
        let error = client.batch_execute(sql).await.expect_err(sql);
        let Some(tokio_postgres::error::ErrorPosition::Original(position)) =
            error.as_db_error().and_then(|e| e.position())
        else {
            panic!("no position: {error:?}")
        };
        let rest: String = sql.chars().skip(usize::try_from(*position).expect("small") - 1).collect();
        assert!(rest.starts_with("t") || rest.starts_with("wrong"), "{sql}: {rest}");
    }
}

#[tokio::test]
async fn two_transactions_that_cannot_be_ordered_end_in_1023() {
    let cluster = Cluster::start().await;
    let (one, two) = (cluster.connect().await, cluster.connect().await);
    run(&one, "create table t (a int); create table u (a int)").await;
    run(&one, "begin; select count(*) from u").await;
    run(&two, "begin; select count(*) from t").await;
    run(&one, "insert into t values (1)").await;
    run(&two, "insert into u values (1)").await;
    run(&one, "commit").await;
    let error = two.batch_execute("commit").await.expect_err("both committed");
    let db = error.as_db_error().expect("of the server");
    assert_eq!((db.code().code(), db.message()), ("XX000", "1023"));
    assert!(db.detail().is_some_and(|detail| detail.starts_with("Serializable isolation violation on table - ")));
    // The whole of it again succeeds.
    run(&two, "begin; select count(*) from t; insert into u values (1); commit").await;
}

#[tokio::test]
async fn statements_barred_from_a_transaction_say_so() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a varchar(10))").await;
    run(&client, "vacuum t").await;
    run(&client, "analyze t").await;
    assert_eq!(failure(&client, "vacuum t; analyze t").await.0, "25001");
    run(&client, "begin").await;
    assert_eq!(failure(&client, "vacuum t").await.0, "25001");
    run(&client, "rollback; begin").await;
    assert_eq!(failure(&client, "alter table t alter column a type varchar(20)").await.0, "25001");
    run(&client, "rollback").await;
    assert_eq!(failure(&client, "select 1; alter table t alter column a type varchar(20)").await.0, "25001");
}

#[tokio::test]
async fn two_that_create_the_same_table_at_once_get_the_services_word_for_it() {
    let cluster = Cluster::start().await;
    let (one, two) = (cluster.connect().await, cluster.connect().await);
    run(&one, "begin; create table t (a int)").await;
    let waiting = two.batch_execute("create table t (a int)");
    let finishing = async {
        let other = cluster.connect().await;
        // The engine's own list says when the second one waits for the first.
        let waits =
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while value(&other, waits).await != "1" {}
        run(&one, "commit").await;
    };
    let (waited, ()) = tokio::join!(waiting, finishing);
    let message = "could not complete because of conflict with concurrent transaction";
    assert_eq!(refusal(waited.expect_err("both made it")), ("XX000".to_owned(), message.to_owned()));
    run(&two, "create table if not exists t (a int)").await;
}
