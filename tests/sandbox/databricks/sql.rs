//! SQL on a warehouse of one's choice, sessions, history, and what the builder of queries makes, on the real engine.

use std::time::Duration;

use arrow::{
    array::{Array as _, AsArray as _},
    datatypes::TimestampMicrosecondType,
};
use chrono::{NaiveDate, TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde::Deserialize;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_databricks::{
    DatabricksClient,
    sql::{
        CLIENT_ID_TAG, Disposition, ExecuteStatementRequest, Format, Join, OnWaitTimeout, QueryBuilder, QueryFilter,
        QueryStatus, QueryTag, Source, SqlClient, SqlRequest, StatementParameter, StatementState, col, expr,
    },
};
use twinhouse_sandbox::{Front, Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{Decimal, OnDrop, TableRef, Value};

use crate::fixtures::{BY_HAND, PATIENCE, databricks_builder, shared, soon};

async fn client() -> DatabricksClient {
    let access = shared().await.unwrap().databricks().await.unwrap();
    databricks_builder(access).wait(Duration::ZERO).client().unwrap()
}

async fn sql() -> SqlClient {
    let client = client().await;
    let warehouse = client.config().warehouse_id().unwrap().to_owned();
    client.sql(warehouse)
}

/// A table that no other test has, with three versions: one row, two rows, three rows.
async fn versioned(sql: &SqlClient) -> TableRef {
    let table = TableRef::new(format!("sql_{}", uuid::Uuid::new_v4().simple())).with_schema("default");
    sql.run(format!("create table default.{} (id int, name string) using delta", table.name())).await.unwrap();
    for (id, name) in [(1, "one"), (2, "it's two"), (3, "three")] {
        let insert = SqlRequest::write(format!("insert into default.{} values (:id, :name)", table.name()));
        assert_eq!(sql.run(insert.bind("id", id).bind("name", name)).await.unwrap(), 1);
    }
    table
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> ErrorKind {
    outcome.map_err(|error: Error| error.kind()).unwrap_err()
}

#[tokio::test]
async fn every_disposition_and_format_gives_the_same_rows() {
    let sql = sql().await;
    let text = "select id as n, concat('row ', cast(id as string)) as t from range(2500) order by id";
    for (disposition, format) in [
        (Disposition::Inline, Format::JsonArray),
        (Disposition::ExternalLinks, Format::JsonArray),
        (Disposition::ExternalLinks, Format::ArrowStream),
    ] {
        let request = SqlRequest::read(text).with_disposition(disposition).with_format(format);
        let result = sql.execute(request).await.unwrap();
        assert_eq!(result.manifest().total_row_count, Some(2500));
        assert_eq!(result.manifest().format.as_deref(), Some(format.as_str()));
        let rows: Vec<(i64, String)> = result.collect_rows().await.unwrap();
        assert_eq!((rows.len(), &rows[2499]), (2500, &(2499, "row 2499".to_owned())));
    }
    let files: Vec<_> = sql.download(text).await.unwrap().try_collect().await.unwrap();
    let whole = String::from_utf8(files.concat()).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2500]), (2501, "n,t", "2499,row 2499"));
}

#[tokio::test]
async fn text_has_its_header_once_however_many_chunks_there_are() {
    let options = SandboxOptions::default().with_fronts([Front::Databricks]).with_chunk_rows(10);
    let sandbox = Sandbox::start(options).await.unwrap();
    let access = sandbox.databricks().await.unwrap();
    let sql = databricks_builder(access).client().unwrap().sql(&access.warehouse_id);
    let result = sql.download("select id as n, cast(null as string) as t from range(25)").await.unwrap();
    assert_eq!(result.manifest().total_chunk_count, Some(3));
    let files: Vec<_> = result.try_collect().await.unwrap();
    assert_eq!(files.len(), 3);
    let whole = String::from_utf8(files.concat()).unwrap();
    assert_eq!(whole.lines().count(), 26);
    assert_eq!(whole.matches("n,t").count(), 1);
    assert!(whole.ends_with("24,null\r\n"), "{whole}");
    // A chunk by its number, both ways.
    for disposition in [Disposition::Inline, Disposition::ExternalLinks] {
        let request = SqlRequest::read("select id as n from range(25) order by id")
            .with_disposition(disposition)
            .with_on_drop(OnDrop::Detach);
        let handle = sql.submit(request).await.unwrap();
        handle.ready().await.unwrap();
        let second = sql.fetch_chunk(handle.id(), 1).await.unwrap();
        let first = second[0].column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0);
        assert_eq!((first, second.iter().map(|batch| batch.num_rows()).sum::<usize>()), (10, 10));
        sql.close(handle.id()).await.unwrap();
    }
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_limit_cuts_the_result_and_says_so() {
    let sql = sql().await;
    let request = SqlRequest::read("select id from range(100)").with_row_limit(7);
    let result = sql.execute(request).await.unwrap();
    assert!(result.manifest().truncated);
    assert_eq!(result.collect_rows::<(i64,)>().await.unwrap().len(), 7);
    let request = SqlRequest::read("select id from range(7)").with_row_limit(7);
    assert!(!sql.execute(request).await.unwrap().manifest().truncated);
    let request = SqlRequest::read("select id from range(100000)").with_byte_limit(1000);
    let result = sql.execute(request).await.unwrap();
    assert!(result.manifest().truncated);
    assert!(result.collect_rows::<(i64,)>().await.unwrap().len() < 100_000);
}

/// Each value comes back as it went, in the type that it was given.
#[tokio::test]
async fn parameters_of_every_type_come_back_as_they_went() {
    let sql = sql().await;
    let day = NaiveDate::from_ymd_opt(1999, 12, 31).unwrap();
    let values: Vec<(Value, &str, &str)> = vec![
        (Value::Bool(true), "boolean", "true"),
        (Value::Int(-7), "int", "-7"),
        (Value::Long(i64::MIN), "bigint", "-9223372036854775808"),
        (Value::Float(0.5), "float", "0.5"),
        (Value::Double(f64::INFINITY), "double", "Infinity"),
        (
            Value::Decimal(Decimal::parse("12345678901234567890.12").unwrap()),
            "decimal(22,2)",
            "12345678901234567890.12",
        ),
        (Value::Text("it's \\ a \"t\"'; --\u{1F600}".into()), "string", "it's \\ a \"t\"'; --\u{1F600}"),
        (Value::Date(day), "date", "1999-12-31"),
        (Value::Timestamp(1), "timestamp", "1970-01-01 00:00:00.000001"),
        (Value::TimestampNtz(-1), "timestamp_ntz", "1969-12-31 23:59:59.999999"),
    ];
    for (value, type_name, text) in values {
        let request = SqlRequest::read("select typeof(:v), cast(:v as string)").bind("v", value);
        let rows: Vec<(String, String)> = sql.fetch_all(request).await.unwrap();
        assert_eq!(rows, [(type_name.to_owned(), text.to_owned())]);
    }
    for (type_name, value, wanted) in [
        ("TINYINT", Some("-128"), "tinyint"),
        ("SMALLINT", Some("32767"), "smallint"),
        ("DECIMAL(5,1)", Some("1.5"), "decimal(5,1)"),
        ("BIGINT", None, "bigint"),
        ("DATE", None, "date"),
    ] {
        let request = SqlRequest::read("select typeof(:v), :v is null").bind_typed("v", type_name, value);
        let rows: Vec<(String, bool)> = sql.fetch_all(request).await.unwrap();
        assert_eq!(rows, [(wanted.to_owned(), value.is_none())], "{type_name}");
    }
    let null = SqlRequest::read("select :v is null, coalesce(:v, 7)").bind("v", None::<i32>);
    assert_eq!(sql.fetch_all::<(bool, i32)>(null).await.unwrap(), [(true, 7)]);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped_on_the_server() {
    let (sql, sandbox) = (sql().await, shared().await.unwrap());
    let mut limit = Duration::from_millis(300);
    let (marker, id) = loop {
        let marker = uuid::Uuid::new_v4().to_string();
        let slow =
            format!("select /* {marker} */ sum((a.id * b.id) % 7) from range(10000000) a cross join range(1000000) b");
        let error = sql.execute_with_timeout(slow, limit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        if let Some(id) = error.statement_id() {
            break (marker, id.to_owned());
        }
        // Not even handed in within that time, which a slow machine can need.
        limit *= 4;
        assert!(limit < PATIENCE, "{error:?}");
    };
    soon("it is stopped", async || !sandbox.is_running(&marker)).await;
    let filter = QueryFilter::new().with_statement(&twinhouse_warehouse_api::StatementId::new(id));
    let told: Vec<_> = sql.history().list(filter).try_collect().await.unwrap();
    assert_eq!(told[0].status, Some(QueryStatus::Canceled));
}

#[tokio::test]
async fn the_service_cancels_what_does_not_end_within_the_wait_if_it_is_told_to() {
    let client = client().await;
    let warehouse = client.config().warehouse_id().unwrap();
    let slow = "select sum((a.id * b.id) % 7) from range(10000000) a cross join range(1000000) b";
    let request = ExecuteStatementRequest::new(warehouse, slow)
        .with_wait_timeout(Duration::from_secs(5))
        .with_on_wait_timeout(OnWaitTimeout::Cancel);
    let answer = client.statements().execute(&request).await.unwrap();
    assert_eq!(answer.state, StatementState::Canceled);
}

#[tokio::test]
async fn the_low_level_calls_take_a_statement_from_submission_to_its_end() {
    let client = client().await;
    let statements = client.statements();
    let warehouse = client.config().warehouse_id().unwrap();
    let request = ExecuteStatementRequest::new(warehouse, "select :n as n, cast(:d as string) as d")
        .with_parameter(StatementParameter::named("n", "TINYINT", Some("7")))
        .with_parameter(StatementParameter::of("d", Decimal::parse("1.50").unwrap()).unwrap())
        .with_wait_timeout(Duration::from_secs(50))
        .with_result(Disposition::Inline, Format::JsonArray);
    let answer = statements.execute(&request).await.unwrap();
    assert_eq!(answer.state, StatementState::Succeeded);
    assert_eq!(answer.manifest.unwrap().columns[0].type_text.as_deref(), Some("TINYINT"));
    let rows = answer.result.unwrap().data_array.unwrap();
    assert_eq!(rows, [vec![serde_json::json!("7"), serde_json::json!("1.50")]]);
    let id = answer.statement_id;
    assert_eq!(statements.get_result_chunk(&id, 0).await.unwrap().row_count, Some(1));
    statements.cancel(&id).await.unwrap();
    statements.close(&id).await.unwrap();
    assert_eq!(statements.get(&id).await.unwrap().state, StatementState::Closed);
    assert_eq!(kind(statements.get_result_chunk(&id, 0).await), ErrorKind::NotFound);

    let request = ExecuteStatementRequest::new(warehouse, "select 1 as n")
        .with_wait_timeout(Duration::from_secs(50))
        .with_result(Disposition::ExternalLinks, Format::Csv);
    let answer = statements.execute(&request).await.unwrap();
    let link = &answer.result.unwrap().external_links[0];
    assert_eq!(&statements.download(link).await.unwrap()[..], b"n\r\n1\r\n");
    let nowhere = ExecuteStatementRequest::new("nope", "select 1");
    assert_eq!(kind(statements.execute(&nowhere).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_session_keeps_schema_views_settings_and_takes_question_marks() {
    let sql = sql().await;
    let schema = format!("s_{}", uuid::Uuid::new_v4().simple());
    sql.run(format!("create schema {schema}")).await.unwrap();
    let tag = QueryTag::new("team", &schema);
    let session = sql.session().with_query_tags([tag.clone()]).open().await.unwrap();
    let inside = session.sql();
    inside.run(format!("use {schema}")).await.unwrap();
    assert_eq!(inside.fetch_all::<(String,)>("select current_schema()").await.unwrap(), [(schema.clone(),)]);
    inside.run("create temporary view small as select id from range(3)").await.unwrap();
    assert_eq!(inside.fetch_all::<(i64,)>("select sum(id) from small").await.unwrap(), [(3,)]);
    assert_eq!(kind(sql.execute("select * from small").await), ErrorKind::NotFound);
    let request = SqlRequest::read(format!("{BY_HAND}select ? + 1, ?")).bind_next(41).bind_next("it's");
    assert_eq!(inside.fetch_all::<(i32, String)>(request).await.unwrap(), [(42, "it's".to_owned())]);

    inside.run("set statement_timeout = 1").await.unwrap();
    let slow = "select sum((a.id * b.id) % 7) from range(10000000) a cross join range(1000000) b";
    let error = inside.execute(slow).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Timeout, Some("QUERY_EXECUTION_TIMEOUT_EXCEEDED")));

    let now = Utc::now();
    let filter = QueryFilter::new().started_between(now - TimeDelta::minutes(5), now + TimeDelta::minutes(1));
    let tagged = sql.history().find_by_tag(&tag, filter).await.unwrap().unwrap();
    assert_eq!(tagged.session_id.as_deref(), Some(session.id()));
    let id = session.id().to_owned();
    session.close().await.unwrap();
    let again = sql.session().open().await.unwrap();
    assert_ne!(again.id(), id);
    again.close().await.unwrap();
}

#[tokio::test]
async fn settings_that_the_engine_cannot_follow_are_refused_not_ignored() {
    let sql = sql().await;
    for (name, value) in
        [("TIMEZONE", "Europe/Berlin"), ("ANSI_MODE", "false"), ("NO_SUCH_CONF", "1"), ("STATEMENT_TIMEOUT", "soon")]
    {
        let error = sql.session().with_conf(name, value).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}");
        assert!(error.message().to_uppercase().contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_statement_whose_id_was_lost_is_found_by_its_tag_and_goes_on() {
    let sql = sql().await;
    let client_id = uuid::Uuid::new_v4().to_string();
    let request = SqlRequest::read("select 7 as n").with_client_id(&client_id).with_on_drop(OnDrop::Detach);
    let known = sql.submit(request).await.unwrap().detach();
    let found = sql.recover(&client_id, Utc::now() - TimeDelta::minutes(5)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&known));
    let handle = sql.wait(&found.unwrap()).await.unwrap();
    let rows: Vec<(i32,)> = handle.stream().await.unwrap().rows().collect_rows().await.unwrap();
    assert_eq!(rows, [(7,)]);
    assert_eq!(sql.recover("nobody", Utc::now() - TimeDelta::minutes(5)).await.unwrap(), None);
    let filter = QueryFilter::new().with_statement(&known);
    let told: Vec<_> = sql.history().list(filter).try_collect().await.unwrap();
    assert_eq!((told[0].status.clone(), told[0].rows_produced), (Some(QueryStatus::Finished), Some(1)));
    assert_eq!(told[0].query_tags, [QueryTag::new(CLIENT_ID_TAG, &client_id)]);
    assert_eq!(told[0].query_text.as_deref(), Some("select 7 as n"));
}

#[tokio::test]
async fn the_history_pages_and_filters() {
    let sql = sql().await;
    let tag = QueryTag::new("pages", uuid::Uuid::new_v4().to_string());
    for n in 0..5 {
        sql.fetch_all::<(i32,)>(SqlRequest::read(format!("select {n}")).with_tag(tag.clone())).await.unwrap();
    }
    let failed = sql.execute(SqlRequest::read("select nothing").with_tag(tag.clone())).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NotFound);
    let mut filter = QueryFilter::new();
    filter.page_size = Some(2);
    let mine: Vec<_> = sql
        .history()
        .list(filter)
        .try_filter(|query| std::future::ready(query.query_tags.contains(&tag)))
        .take(6)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(mine.len(), 6);
    assert_eq!(mine[0].status, Some(QueryStatus::Failed));
    assert!(mine[0].error_message.as_deref().unwrap().contains("UNRESOLVED_COLUMN"));
    assert!(mine.windows(2).all(|pair| pair[0].query_start_time_ms >= pair[1].query_start_time_ms));
    let only = QueryFilter::new().with_status(QueryStatus::Failed);
    let statuses: Vec<_> = sql.history().list(only).take(3).try_collect().await.unwrap();
    assert!(statuses.iter().all(|query| query.status == Some(QueryStatus::Failed)));
}

#[tokio::test]
async fn views_are_kept_read_replaced_and_dropped() {
    let sql = sql().await;
    let table = versioned(&sql).await;
    let (t, v) = (table.name().to_owned(), format!("v_{}", table.name()));
    sql.run(format!("create view default.{v} (key, label comment 'what it says') as select id, upper(name) from default.{t} where id > 1;")).await.unwrap();
    let rows: Vec<(i32, String)> = sql.fetch_all(format!("select * from default.{v} order by key")).await.unwrap();
    assert_eq!(rows, [(2, "IT'S TWO".to_owned()), (3, "THREE".to_owned())]);
    // A view of a view, joined with its table, sees what is written later.
    sql.run(format!(
        "create view default.{v}_2 as select v.label from default.{v} v join default.{t} t on v.key = t.id"
    ))
    .await
    .unwrap();
    sql.run(format!("insert into default.{t} values (4, 'four')")).await.unwrap();
    assert_eq!(sql.fetch_all::<(i64,)>(format!("select count(*) from default.{v}_2")).await.unwrap(), [(3,)]);
    let described: Vec<(String, String, Option<String>)> =
        sql.fetch_all(format!("describe default.{v}")).await.unwrap();
    assert_eq!(described[1], ("label".to_owned(), "string".to_owned(), Some("what it says".to_owned())));
    let listed: Vec<(String, String)> = sql
        .fetch_all(format!(
            "select table_name, table_type from information_schema.tables where table_name like '%{t}' order by 1"
        ))
        .await
        .unwrap();
    assert_eq!(listed, [(t.clone(), "MANAGED".to_owned()), (v.clone(), "VIEW".to_owned())]);

    for (text, class) in [
        (format!("create view default.{v} as select 1 as a"), "TABLE_OR_VIEW_ALREADY_EXISTS"),
        (format!("create table default.{v} (a int)"), "TABLE_OR_VIEW_ALREADY_EXISTS"),
        (format!("insert into default.{v} values (1, 'x')"), "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE"),
        (format!("drop table default.{v}"), "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE"),
        (format!("drop view default.{t}"), "WRONG_COMMAND_FOR_OBJECT_TYPE"),
        (format!("drop view default.{v}_none"), "TABLE_OR_VIEW_NOT_FOUND"),
        (format!("create view default.{v}_3 as select 1 as a, 2 as A"), "COLUMN_ALREADY_EXISTS"),
        (
            format!("create view default.{v}_3 (a, b) as select 1"),
            "CREATE_VIEW_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS",
        ),
        (format!("create view default.{v}_3 as select * from default.{v}_none"), "TABLE_OR_VIEW_NOT_FOUND"),
        (format!("select * from default.{v} version as of 0"), "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE"),
    ] {
        let error = sql.run(text.clone()).await.unwrap_err();
        assert_eq!(error.vendor_code(), Some(class), "{text}: {error}");
    }
    sql.run(format!("create or replace view default.{v} as select 1 as one")).await.unwrap();
    assert_eq!(sql.fetch_all::<(i32,)>(format!("select * from default.{v}")).await.unwrap(), [(1,)]);
    // The other view read a column that is gone.
    assert_eq!(kind(sql.execute(format!("select * from default.{v}_2")).await), ErrorKind::NotFound);
    sql.run(format!("create or replace view default.{v} as select * from default.{v}_2")).await.unwrap_err();
    for name in [format!("{v}_2"), v] {
        sql.run(format!("drop view default.{name}")).await.unwrap();
    }
}

#[tokio::test]
async fn a_query_is_explained_by_the_engines_plan_and_a_wrong_one_by_its_error() {
    let sql = sql().await;
    let plan: Vec<(String,)> = sql.fetch_all("explain select sum(id) from range(10)").await.unwrap();
    assert!(plan[0].0.starts_with("== Physical Plan ==") && plan[0].0.contains("sum"), "{}", plan[0].0);
    let plan: Vec<(String,)> = sql.fetch_all("explain extended select 1").await.unwrap();
    assert!(plan[0].0.contains("== Optimized Logical Plan =="));
    let wrong: Vec<(String,)> = sql.fetch_all("explain select * from nowhere_at_all").await.unwrap();
    assert!(wrong[0].0.contains("TABLE_OR_VIEW_NOT_FOUND"), "{}", wrong[0].0);
    assert_eq!(kind(sql.execute("explain insert into t values (1)").await), ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_information_schema_tells_what_there_is() {
    let sql = sql().await;
    let t = format!("info_{}", uuid::Uuid::new_v4().simple());
    sql.run(format!(
        "create table default.{t} (id bigint not null comment 'the key', tags array<string>, d decimal(10,2))"
    ))
    .await
    .unwrap();
    let columns: Vec<(String, i32, String, String, String, Option<String>)> = sql
        .fetch_all(format!(
            "select column_name, ordinal_position, is_nullable, full_data_type, data_type, comment \
             from main.information_schema.columns where table_name = '{t}' order by ordinal_position"
        ))
        .await
        .unwrap();
    let row = |name: &str, at, null: &str, full: &str, kind: &str, comment: Option<&str>| {
        (name.to_owned(), at, null.to_owned(), full.to_owned(), kind.to_owned(), comment.map(str::to_owned))
    };
    assert_eq!(
        columns,
        [
            row("id", 0, "NO", "bigint", "LONG", Some("the key")),
            row("tags", 1, "YES", "array<string>", "ARRAY", None),
            row("d", 2, "YES", "decimal(10,2)", "DECIMAL", None),
        ]
    );
    let all: Vec<(i64,)> = sql
        .fetch_all(format!("select count(*) from system.information_schema.tables where table_name = '{t}'"))
        .await
        .unwrap();
    assert_eq!(all, [(1,)]);
    let schemata: Vec<(String,)> = sql
        .fetch_all("select schema_name from information_schema.schemata where schema_name = 'default'")
        .await
        .unwrap();
    assert_eq!(schemata, [("default".to_owned(),)]);
    assert_eq!(kind(sql.execute("select * from information_schema.no_such_thing").await), ErrorKind::NotFound);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Named {
    id: i32,
    name: String,
}

#[tokio::test]
async fn what_the_builder_makes_is_what_the_engine_answers() {
    let sql = sql().await;
    let table = versioned(&sql).await;
    let all = || QueryBuilder::new().select(["id", "name"]).from(table.clone()).order_by("id");
    let ids = async |query: &QueryBuilder| -> Vec<i32> {
        let rows: Vec<Named> = sql.fetch_all(query.build().unwrap()).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    };
    assert_eq!(ids(&all()).await, [1, 2, 3]);
    assert_eq!(ids(&all().version_as_of(1)).await, [1]);
    assert_eq!(ids(&all().version_as_of(2)).await, [1, 2]);
    // As of the last commit that there is, and of the one before.
    let history = sql.query(format!("describe history default.{} limit 2", table.name())).await.unwrap();
    let commits = history.collect_batches().await.unwrap();
    let moments = commits[0].column_by_name("timestamp").unwrap().as_primitive::<TimestampMicrosecondType>();
    for (commit, wanted) in [(0, 3), (1, 2)] {
        let moment = chrono::DateTime::from_timestamp_micros(moments.value(commit)).unwrap();
        assert_eq!(ids(&all().timestamp_as_of(moment)).await.len(), wanted);
    }
    assert_eq!(ids(&all().where_(col("name").eq("it's two"))).await, [2]);
    assert_eq!(ids(&all().where_(col("id").is_in([1, 3])).where_(col("name").ne("one"))).await, [3]);
    assert_eq!(ids(&all().where_(col("id").is_in(Vec::<i32>::new()))).await, Vec::<i32>::new());
    assert_eq!(ids(&all().where_(!col("name").like("%t%"))).await, [1]);
    assert_eq!(ids(&all().where_(col("id").between(2, 9).and(col("name").is_not_null()))).await, [2, 3]);
    assert_eq!(ids(&all().where_(expr("length(name) > :n").bind("n", 4))).await, [2, 3]);
    assert_eq!(ids(&all().limit(1).offset(1)).await, [2]);
    let inner = QueryBuilder::new().select(["id"]).from(table.clone()).where_(col("id").lt(3));
    assert_eq!(ids(&all().where_(col("id").is_in_query(inner.clone()))).await, [1, 2]);

    // Joined with its own past: what came since.
    let since = QueryBuilder::new()
        .select([col("id").of("now"), col("name").of("now")])
        .from(Source::from(table.clone()).alias("now"))
        .join(
            Join::LeftAnti,
            Source::from(table.clone()).version_as_of(1).alias("then"),
            col("id").of("now").eq_column(col("id").of("then")),
        )
        .order_by(col("id").of("now"));
    assert_eq!(ids(&since).await, [2, 3]);

    #[derive(Debug, Deserialize, PartialEq)]
    struct Group {
        length: i32,
        many: i64,
    }
    let grouped = QueryBuilder::new()
        .with("wide", inner.clone().select(["name"]))
        .select_as("length(name)", "length")
        .select_as("count(*)", "many")
        .from("wide")
        .group_by_sql("length(name)")
        .having("count(*) > 0")
        .order_by_desc("length");
    let groups: Vec<Group> = sql.fetch_all(grouped.build().unwrap()).await.unwrap();
    assert_eq!(groups, [Group { length: 8, many: 1 }, Group { length: 3, many: 1 }]);
    let distinct = QueryBuilder::new().select_as("id > 1", "more").from(table.clone()).distinct().order_by("more");
    assert_eq!(sql.fetch_all::<(bool,)>(distinct.build().unwrap()).await.unwrap(), [(false,), (true,)]);
}

/// Names and values that break naive SQL come back from the engine as they went in.
#[tokio::test]
async fn hostile_names_and_values_go_through_the_engine_unharmed() {
    let sql = sql().await;
    let piece = prop::sample::select(vec![
        "'",
        "\"",
        "\\",
        "`",
        ";",
        "--",
        "/*",
        "${x}",
        ":v",
        "\n",
        " or 1=1 ",
        "é",
        "\u{1F600}",
        "x",
    ]);
    let text = prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    for _ in 0..40 {
        let (alias, value, other) = (
            text.new_tree(&mut runner).unwrap().current(),
            text.new_tree(&mut runner).unwrap().current(),
            text.new_tree(&mut runner).unwrap().current(),
        );
        let inner = QueryBuilder::new().select_as(expr(":v").bind("v", value.clone()), alias.clone());
        let query = QueryBuilder::new()
            .select([col(alias.clone())])
            .from(Source::query(inner).alias(other.clone()))
            .where_(col(alias.clone()).of(other).eq(value.clone()))
            .where_(col(alias.clone()).is_in([value.clone()]))
            .limit(5);
        let batches = sql.query(query.build().unwrap()).await.unwrap().collect_batches().await.unwrap();
        assert_eq!(batches[0].schema().field(0).name(), &alias);
        assert_eq!(batches[0].column(0).as_string::<i32>().value(0), value);
        assert_eq!(batches[0].column(0).len(), 1);
    }
}
