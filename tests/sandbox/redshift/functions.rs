use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::WarehouseExt as _;

use super::support::{failed, one, rows, table, warehouse};

/// Redshift's functions with Redshift's meaning, nulls and edges among them.
#[tokio::test]
async fn redshifts_functions_mean_what_they_mean_there() {
    let warehouse = warehouse().await;
    for (sql, wanted) in [
        ("concat('a', null)", "NULL"),
        ("concat('a', 'b')", "ab"),
        ("len('häß  ')", "5"),
        ("charindex('z', 'abc')", "0"),
        ("nvl(null, 'x')", "x"),
        ("nvl2(null, 1, 2)", "2"),
        ("decode(null, null, 'none', 'some')", "none"),
        ("decode(1, null, 'none', 'some')", "some"),
        ("decode(2, 1, 'a')", "NULL"),
        ("strtol('0xff', 16)", "255"),
        ("strtol('-1010', 2)", "-10"),
        ("strtol(null, 10)", "NULL"),
        ("regexp_replace('a.b.c', '\\\\.', '-')", "a-b-c"),
        ("regexp_replace('abcabc', 'b')", "acac"),
        ("regexp_replace('ABC', 'b', 'x', 1, 'i')", "AxC"),
        ("regexp_substr('me@host.org', '@[^.]*')", "@host"),
        ("regexp_substr('abc', 'z')", ""),
        ("regexp_substr('key=value', 'key=(.*)', 1, 1, 'e')", "value"),
        ("regexp_count('abcabc', 'B', 1, 'i')", "2"),
        ("regexp_count('abc', 'z')", "0"),
        ("split_part('a,b', ',', 2)", "b"),
        ("split_part('a,b', ',', 3)", ""),
        ("md5('x')", "9dd4e461268c8034f5c8564e155c67a6"),
        ("sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("func_sha1('')", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("sha2('abc', 256)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("months_between('2024-03-31', '2024-02-29')", "1.0"),
        ("months_between('1969-01-18', '1969-03-18')", "-2.0"),
        ("months_between('2024-01-15', '2024-03-01')", "-1.5483870967741935"),
        ("months_between(null, '2024-03-01')", "NULL"),
        ("add_months('2024-02-29'::date, 1)", "2024-03-31T00:00:00"),
        ("add_months('2024-01-31'::date, 1)", "2024-02-29T00:00:00"),
        ("last_day('2023-02-03')", "2023-02-28"),
        ("next_day('2014-08-20', 'Tuesday')", "2014-08-26"),
        ("dateadd(month, 1, '2024-01-31'::date)", "2024-02-29T00:00:00"),
        ("dateadd(day, null, '2024-01-31'::date)", "NULL"),
        ("datediff(month, '2024-01-31'::date, '2024-02-01'::date)", "1"),
        ("datediff(hour, '2024-01-01 00:59:59'::timestamp, '2024-01-01 01:00:00'::timestamp)", "1"),
        ("datediff(day, '2024-03-01'::date, '2024-02-28'::date)", "-2"),
        ("date_trunc('month', '2024-03-15 10:11:12'::timestamp)", "2024-03-01T00:00:00"),
        ("trunc('2024-03-15 10:11:12'::timestamp)", "2024-03-15"),
        ("convert_timezone('Europe/Berlin', '2024-07-01 12:00:00'::timestamp)", "2024-07-01T14:00:00"),
        ("convert_timezone('Europe/Berlin', 'UTC', '2024-07-01 12:00:00'::timestamp)", "2024-07-01T10:00:00"),
        ("date_part_year('2024-07-01'::date)", "2024"),
        ("date_cmp('2024-07-01'::date, '2024-07-02'::date)", "-1"),
        ("getdate() = date_trunc('second', getdate())", "true"),
        ("json_extract_path_text('{\"a\": {\"b\": [1, 2]}}', 'a', 'b')", "[1, 2]"),
        ("json_extract_path_text('{\"a\": 1}', 'z')", "NULL"),
        ("json_extract_path_text('no json', 'a', true)", "NULL"),
        ("json_extract_array_element_text('[1, \"x\", null]', 1)", "x"),
        ("json_extract_array_element_text('[1]', 1)", "NULL"),
        ("json_extract_array_element_text('[1]', -1)", "NULL"),
        ("json_extract_array_element_text('no json', 0, true)", "NULL"),
        ("json_array_length('[1, 2]')", "2"),
        ("is_valid_json('{\"a\": 1}')", "true"),
        ("is_valid_json('{a}')", "false"),
        ("is_valid_json_array('{}')", "false"),
        ("can_json_parse('1')", "true"),
        ("json_serialize(json_parse('{\"b\": [1, {\"c\": \"x, y\"}]}'))", r#"{"b":[1,{"c":"x, y"}]}"#),
        ("to_char('2024-07-01 13:05:00'::timestamp, 'YYYY-MM-DD HH12:MI AM')", "2024-07-01 01:05 PM"),
    ] {
        assert_eq!(one(&warehouse, &format!("select {sql} as v")).await, wanted, "{sql}");
    }
}

#[tokio::test]
async fn aggregates_and_windows_answer_as_there() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "g varchar(5), n int").await;
    let sql = format!("insert into {table} values ('a', 1), ('a', 3), ('b', 2), ('b', null), ('b', 6)");
    warehouse.execute(sql).await.expect("rows");
    for (sql, wanted) in [
        ("select median(n) from T", "2.5"),
        ("select percentile_cont(0.5) within group (order by n) from T", "2.5"),
        ("select approximate count(distinct g) from T", "2"),
        ("select listagg(g, '+') within group (order by n) from T where n is not null", "a+b+a+b"),
        ("select listagg(distinct g) within group (order by g) from T", "ab"),
        ("select listagg(g, ',') from T where n > 100", "NULL"),
        ("select avg(n) from T", "3"),
        ("select top 1 n from T where n is not null order by n desc", "6"),
        ("select count(*) from (select top 2 n from T order by n) as x", "2"),
        ("select round(max(r), 2) from (select ratio_to_report(n) over (partition by g) as r from T) as x", "0.75"),
    ] {
        assert_eq!(one(&warehouse, &sql.replace('T', &table)).await, wanted, "{sql}");
    }
    let sql = format!("select decode(n, null, 'none', 1, 'one', 'many') from {table} order by n");
    assert_eq!(rows(&warehouse, sql.as_str()).await, [["one"], ["many"], ["many"], ["many"], ["none"]]);
}

#[tokio::test]
async fn what_is_not_imitated_is_refused_by_name() {
    let warehouse = warehouse().await;
    for (sql, kind, word) in [
        ("select checksum('a')", ErrorKind::Unsupported, "CHECKSUM"),
        ("select st_x(st_point(1, 2))", ErrorKind::Unsupported, "ST_X"),
        ("select 1 as a qualify row_number() over (order by 1) = 1", ErrorKind::Unsupported, "QUALIFY"),
        ("select regexp_replace('a', '(a)', '$1')", ErrorKind::Unsupported, "back-references"),
        ("select * from (select 1 as a) pivot (sum(a) for a in (1))", ErrorKind::Unsupported, "PIVOT"),
        ("select json_extract_path_text('no json', 'a')", ErrorKind::Internal, "JSON parsing error"),
        ("select strtol('9', 8)", ErrorKind::InvalidInput, "base 8"),
        ("select string_agg('a', ',')", ErrorKind::Syntax, "string_agg"),
        ("select array[1]", ErrorKind::Syntax, "["),
        ("select E'a'", ErrorKind::NotFound, "\"e\""),
        ("listen x", ErrorKind::Unsupported, "listen"),
        ("discard all", ErrorKind::Syntax, "discard"),
        ("copy t from stdin", ErrorKind::Unsupported, "S3"),
    ] {
        let error = failed(warehouse.execute(sql).await);
        assert_eq!(error.kind(), kind, "{sql}: {error:?}");
        assert!(error.message().contains(word), "{sql}: {error}");
    }
}

#[tokio::test]
async fn text_and_names_follow_redshifts_rules() {
    let warehouse = warehouse().await;
    // stripe-archive/mosql#38, sqlalchemy/sqlalchemy#9494: a backslash always escapes.
    assert_eq!(one(&warehouse, r"select 'a\\b\'c'").await, r"a\b'c");
    let table = table(&warehouse, "\"MixedCase\" int").await;
    assert_eq!(rows(&warehouse, format!("select MIXEDCASE, \"mixedcase\" from {table}").as_str()).await.len(), 0);
    let settings = twinhouse_redshift::SessionSettings::default().with_case_sensitive_names(true);
    let strict = warehouse.with_settings(settings).expect("settings");
    let error = failed(strict.execute(format!("select \"MixedCase\" from {table}")).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "it was created folded");
}
