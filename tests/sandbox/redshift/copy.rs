//! COPY: what is loaded, what is left out, and what is told of it.

use std::time::Duration;

use twinhouse_core::ErrorKind;
use twinhouse_redshift::{
    CopyCommand, CopyFormat, CopyManifest, CopyOption as Option_, CopySource, FieldMapping, LoadErrorFilter,
    ManifestFile, Role,
};
use twinhouse_sandbox::{Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{TransactionOptions, Warehouse as _, WarehouseExt as _};

use super::files::{put, rows, table, warehouse};
use crate::fixtures::redshift_of;

#[tokio::test]
async fn a_copy_reports_rows_files_and_bytes() {
    let warehouse = warehouse().await;
    let (t, url) = (
        table(&warehouse, "id int, name varchar(20), day date").await,
        put(&warehouse, &["1,\"a,b\",2024-02-29", "2,,"]).await,
    );
    let report =
        warehouse.copy(CopyCommand::new(t.clone(), CopySource::s3(&url), CopyFormat::Csv)).await.expect("loaded");
    assert_eq!((report.rows, report.files, report.rejected), (Some(2), Some(1), Some(0)));
    assert!(report.bytes > Some(20) && report.query_id.is_some() && report.errors.is_empty(), "{report:?}");
    let found = rows(&warehouse, format!("select * from {t} order by id")).await;
    assert_eq!(found, [["1", "a,b", "2024-02-29"], ["2", "", "NULL"]]);
}

#[tokio::test]
async fn conversions_are_made_as_the_options_say() {
    let warehouse = warehouse().await;
    let t = table(
        &warehouse,
        "d date, m timestamp, s varchar(5), e varchar(5), b varchar(5), n decimal(4,1), z varchar(5)",
    )
    .await;
    let url =
        put(&warehouse, &["skipped", "02/29/2024|1709208000|toolong||   |1.25|nil", "", "soon|0|a|b|c|-1.25|d"]).await;
    let copy = CopyCommand::new(t.clone(), CopySource::s3(url), CopyFormat::Text)
        .with(Option_::IgnoreHeader(1))
        .with(Option_::IgnoreBlankLines)
        .with(Option_::DateFormat("MM/DD/YYYY".into()))
        .with(Option_::TimeFormat("epochsecs".into()))
        .with(Option_::AcceptAnyDate)
        .with(Option_::TruncateColumns)
        .with(Option_::EmptyAsNull)
        .with(Option_::BlanksAsNull)
        .with(Option_::RoundDecimals)
        .with(Option_::NullAs("nil".into()));
    assert_eq!(warehouse.copy(copy).await.expect("loaded").rows, Some(2));
    assert_eq!(
        rows(&warehouse, format!("select * from {t} order by d")).await,
        [
            ["2024-02-29", "2024-02-29T12:00:00", "toolo", "NULL", "NULL", "1.3", "NULL"],
            ["NULL", "1970-01-01T00:00:00", "a", "b", "c", "-1.3", "d"],
        ]
    );
}

#[tokio::test]
async fn json_goes_by_name_by_path_or_whole() {
    let warehouse = warehouse().await;
    let documents = [
        "{\"id\": 1, \"Name\": \"it's\", \"more\": {\"a\": [1, 2.50]}}",
        "{\"id\": 12345678901234567890123.5, \"name\": null}",
    ];
    let url = put(&warehouse, &documents).await;
    let copy = |t: &twinhouse_warehouse_api::TableRef, mapping| {
        CopyCommand::new(t.clone(), CopySource::s3(&url), CopyFormat::Json(mapping))
    };
    let columns = "id decimal(38,1), name varchar(10), more super";
    for (mapping, name) in [(FieldMapping::Auto, "NULL"), (FieldMapping::AutoIgnoreCase, "it's")] {
        let t = table(&warehouse, columns).await;
        warehouse.copy(copy(&t, mapping)).await.expect("loaded");
        assert_eq!(
            rows(&warehouse, format!("select * from {t} order by id")).await,
            [["1.0", name, "{\"a\":[1,2.50]}"], ["12345678901234567890123.5", "NULL", "NULL"]]
        );
    }
    let paths = put(&warehouse, &["{\"jsonpaths\": [\"$['more']['a'][1]\", \"$.Name\", \"$.more\"]}"]).await;
    let t = table(&warehouse, columns).await;
    warehouse.copy(copy(&t, FieldMapping::Paths(paths))).await.expect("loaded");
    assert_eq!(rows(&warehouse, format!("select id, name from {t} where id is not null")).await, [["2.5", "it's"]]);
    let t = table(&warehouse, "doc super").await;
    warehouse.copy(copy(&t, FieldMapping::NoShred)).await.expect("loaded");
    let sql = format!(
        "select json_extract_path_text(json_serialize(doc), 'id') as id, json_typeof(doc) from {t} order by id"
    );
    assert_eq!(rows(&warehouse, sql).await, [["1", "object"], ["12345678901234567890123.5", "object"]]);
}

/// Pain point: COPY only says "check stl_load_errors"; file, line, column and reason are wanted at once.
#[tokio::test]
async fn a_failed_copy_says_where_and_why_and_what_stood_there_can_be_asked_for() {
    let warehouse = warehouse().await;
    let t = table(&warehouse, "id int, name varchar(5)").await;
    let url = put(&warehouse, &["1,a", "2,toolong", "drei,c"]).await;
    let copy = CopyCommand::new(t.clone(), CopySource::s3(&url), CopyFormat::Csv);
    let error = warehouse.copy(copy).await.expect_err("a bad row");
    assert_eq!((error.kind(), error.is_retryable(), error.vendor_code()), (ErrorKind::Data, false, Some("1204")));
    assert_eq!(["file", "line", "copy column"].map(|key| error.context(key)), [Some(&*url), Some("2"), Some("name")]);
    assert_eq!(error.context("reason"), Some("String length exceeds DDL length"));
    assert!(!format!("{error:?}").contains("toolong"), "values stay out of errors");
    assert_eq!(rows(&warehouse, format!("select count(*) from {t}")).await, [["0"]]);

    let id = error.context("copy id").and_then(|id| id.parse().ok()).expect("the load's number");
    let filter = LoadErrorFilter::default().of_table(t.clone()).of_query(id).within(Duration::from_secs(3600));
    let found = warehouse.load_errors(filter).await.expect("readable");
    assert_eq!((found.len(), found[0].line, found[0].code), (1, Some(2), Some(1204)));
    assert_eq!((found[0].raw_value.as_deref(), found[0].raw_line.as_deref()), (Some("toolong"), Some("2,toolong")));
    assert_eq!(found[0].column_type.as_deref(), Some("varchar(5)"));
    let other = table(&warehouse, "id int").await;
    assert!(warehouse.load_errors(LoadErrorFilter::default().of_table(other)).await.expect("readable").is_empty());
}

/// Pain point: an STL view used on a serverless workgroup gives 42501.
#[tokio::test]
async fn a_serverless_workgroup_tells_why_but_not_what_stood_there() {
    let options = SandboxOptions::default().with_fronts([]).with_serverless(true);
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let warehouse = redshift_of(&sandbox).await.expect("a workgroup");
    let t = table(&warehouse, "id int, name varchar(5)").await;
    let url = put(&warehouse, &["1,a", "2,toolong"]).await;
    let copy = || CopyCommand::new(t.clone(), CopySource::s3(&url), CopyFormat::Csv);
    let error = warehouse.copy(copy()).await.expect_err("a bad row");
    assert_eq!(
        (error.kind(), error.context("line"), error.context("copy column")),
        (ErrorKind::Data, Some("2"), Some("name"))
    );
    let report = warehouse.copy(copy().with(Option_::MaxErrors(2))).await.expect("one may be bad");
    assert_eq!((report.rows, report.files, report.rejected, report.errors.len()), (Some(1), Some(1), Some(1), 1));
    assert_eq!((report.errors[0].code, report.errors[0].raw_value.as_deref()), (Some(1204), None));
    sandbox.stop().await.expect("stopped");
}

#[tokio::test]
async fn bad_rows_are_left_out_up_to_a_number_and_told() {
    let warehouse = warehouse().await;
    let lines = ["1,a", "zwei,b", "3,c,d", "4,e", "99999999999,f"];
    let url = put(&warehouse, &lines).await;
    let t = table(&warehouse, "id int, name varchar(5)").await;
    let copy = || CopyCommand::new(t.clone(), CopySource::s3(&url), CopyFormat::Csv);
    let report = warehouse.copy(copy().with(Option_::MaxErrors(4))).await.expect("three may be bad");
    assert_eq!((report.rows, report.rejected), (Some(2), Some(3)));
    let told: Vec<_> = report.errors.iter().map(|error| (error.line, error.column.as_deref(), error.code)).collect();
    assert_eq!(
        told,
        [(Some(2), Some("id"), Some(1207)), (Some(3), None, Some(1202)), (Some(5), Some("id"), Some(1222))]
    );
    assert_eq!(warehouse.copy(copy().with(Option_::MaxErrors(3))).await.expect_err("too many").kind(), ErrorKind::Data);
    let all = warehouse.copy(copy().with(Option_::IgnoreAllErrors)).await.expect("however many");
    assert_eq!(all.rows, Some(2));
    let looked = warehouse.copy(copy().with(Option_::NoLoad).with(Option_::MaxErrors(10))).await.expect("checked");
    assert_eq!((looked.rows, looked.rejected), (Some(0), Some(3)));
    assert_eq!(rows(&warehouse, format!("select count(*) from {t}")).await, [["4"]]);
}

#[tokio::test]
async fn what_is_missing_or_forbidden_has_its_own_kind() {
    let warehouse = warehouse().await;
    let t = table(&warehouse, "id int").await;
    let copy = |source| CopyCommand::new(t.clone(), source, CopyFormat::Csv);
    let url = put(&warehouse, &["1"]).await;
    let kind = |outcome: twinhouse_core::Result<_>| {
        outcome.map(|_: twinhouse_redshift::CopyReport| ()).expect_err("refused").kind()
    };
    assert_eq!(kind(warehouse.copy(copy(CopySource::s3(format!("{url}-none")))).await), ErrorKind::NotFound);
    assert_eq!(kind(warehouse.copy(copy(CopySource::manifest(format!("{url}-none")))).await), ErrorKind::NotFound);
    let stranger = copy(CopySource::s3(&url)).with_role(Role::arn("arn:aws:iam::1:role/stranger"));
    assert_eq!(kind(warehouse.copy(stranger).await), ErrorKind::PermissionDenied);
    let manifest =
        CopyManifest::new([ManifestFile::new(format!("{url}-none"))]).to_json(&CopyFormat::Csv).expect("a list");
    let manifest = put(&warehouse, &[&manifest]).await;
    assert_eq!(kind(warehouse.copy(copy(CopySource::manifest(manifest))).await), ErrorKind::NotFound);
    let optional =
        CopyManifest::new([ManifestFile::new(&url), ManifestFile::new(format!("{url}-none")).with_mandatory(false)]);
    let optional = put(&warehouse, &[&optional.to_json(&CopyFormat::Csv).expect("a list")]).await;
    assert_eq!(warehouse.copy(copy(CopySource::manifest(optional))).await.expect("loaded").rows, Some(1));
    // A list of Parquet files without lengths is refused before the server sees it.
    let unmeasured = put(&warehouse, &["{\"entries\":[{\"url\":\"s3://b/f\"}]}"]).await;
    let command = CopyCommand::new(t.clone(), CopySource::manifest(unmeasured), CopyFormat::Parquet);
    assert_eq!(kind(warehouse.copy(command).await), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_copy_inside_of_a_transaction_is_undone_with_it() {
    let warehouse = warehouse().await;
    let (t, url) = (table(&warehouse, "id int").await, put(&warehouse, &["1", "2"]).await);
    let copy = CopyCommand::new(t.clone(), CopySource::s3(url), CopyFormat::Text);
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.expect("begun");
    assert_eq!(transaction.execute(copy.to_statement().expect("a statement")).await.expect("loaded"), 2);
    transaction.rollback().await.expect("undone");
    assert_eq!(rows(&warehouse, format!("select count(*) from {t}")).await, [["0"]]);
}

/// Pain point: no bind parameters in COPY, so everyone concatenates strings unsafely.
#[tokio::test]
async fn hostile_names_and_texts_reach_the_server_as_what_they_are() {
    let warehouse = warehouse().await;
    let url = put(&warehouse, &["it's \\ null'; drop table x; --,7"]).await;
    let name = format!("hostile'\"; --{}", uuid::Uuid::new_v4().simple());
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    warehouse.execute(format!("create table {quoted} (\"a'b\"\"c\" varchar(50), n int)")).await.expect("a table");
    let copy = CopyCommand::new(twinhouse_warehouse_api::TableRef::new(name), CopySource::s3(url), CopyFormat::Csv)
        .with_columns(["a'b\"c", "n"])
        .with(Option_::NullAs("it's \\ null'; drop table x; --".into()));
    assert_eq!(warehouse.copy(copy).await.expect("loaded").rows, Some(1));
    assert_eq!(rows(&warehouse, format!("select * from {quoted}")).await, [["NULL", "7"]]);
}
