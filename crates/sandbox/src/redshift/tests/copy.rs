use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
        Int32Array, Int64Array, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field},
    record_batch::RecordBatch,
};
use parquet::arrow::ArrowWriter;

use super::*;

fn parquet_file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.expect("a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.into_inner().expect("a file")
}

fn numbers(range: std::ops::Range<i64>) -> Vec<u8> {
    let texts: Vec<String> = range.clone().map(|n| format!("n{n}")).collect();
    parquet_file(vec![("a", Arc::new(Int64Array::from_iter_values(range))), ("b", Arc::new(StringArray::from(texts)))])
}

impl Cluster {
    /// A manifest over these files, with their real sizes.
    fn manifest(&self, key: &str, files: &[&str]) {
        let entries: Vec<_> = files
            .iter()
            .map(|file| {
                let size = std::fs::metadata(self.object(file)).map(|meta| meta.len()).unwrap_or_default();
                serde_json::json!({
                    "url": format!("s3://{BUCKET}/{file}"), "mandatory": true, "meta": { "content_length": size }
                })
            })
            .collect();
        self.put(key, serde_json::json!({ "entries": entries }).to_string());
    }
}

fn copy(table: &str, key: &str, options: &str) -> String {
    format!("copy {table} from 's3://{BUCKET}/{key}' iam_role '{ROLE}' {options}")
}

#[tokio::test]
async fn parquet_files_of_a_manifest_are_loaded_and_reported_by_a_notice() {
    let cluster = Cluster::start().await;
    let (client, mut notices) = cluster.connect_with_notices().await;
    run(&client, "create table t (a bigint, b varchar(20))").await;
    cluster.put("load/1.parquet", numbers(0..1000));
    cluster.put("load/2.parquet", numbers(1000..1500));
    cluster.manifest("load/x.manifest", &["load/1.parquet", "load/2.parquet"]);
    let answered =
        client.simple_query(&copy("t", "load/x.manifest", "format as parquet manifest")).await.expect("loaded");
    // The tag has no count: a client reads 0.
    assert!(matches!(answered[..], [SimpleQueryMessage::CommandComplete(0)]), "{answered:?}");
    let notice = notices.recv().await.expect("a notice");
    assert_eq!(notice, "INFO: Load into table 't' completed, 1500 record(s) loaded successfully.");
    assert_eq!(rows(&client, "select count(*), sum(a), max(b) from t").await, [["1500", "1124250", "n999"]]);
    assert_eq!(value(&client, "select pg_last_copy_count()").await, "1500");
    assert_ne!(value(&client, "select pg_last_copy_id()").await, "-1");
}

#[tokio::test]
async fn every_type_arrives_with_its_extremes() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(
        &client,
        "create table t (b bool, i2 smallint, i4 int, i8 bigint, f4 real, f8 float, n decimal(38, 10), s varchar(100), \
         c char(4), d date, ts timestamp, tz timestamptz, tm time, j super, v varbyte)",
    )
    .await;
    let nested = StructArray::from(vec![
        (Arc::new(Field::new("x", DataType::Int32, true)), Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef),
        (
            Arc::new(Field::new("y", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["a \"b\"", "ü"])) as ArrayRef,
        ),
    ]);
    let most = 10_i128.pow(38) - 1;
    let numeric = Decimal128Array::from(vec![Some(most), Some(-1)]).with_precision_and_scale(38, 10).expect("fits");
    let zoned = TimestampMicrosecondArray::from(vec![Some(-1), Some(253_402_300_799_999_999)]).with_timezone("UTC");
    let file = parquet_file(vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false)]))),
        ("i2", Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX]))),
        ("i4", Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX]))),
        ("i8", Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        ("f4", Arc::new(Float32Array::from(vec![f32::NAN, f32::MAX]))),
        ("f8", Arc::new(Float64Array::from(vec![f64::NEG_INFINITY, f64::MIN_POSITIVE]))),
        ("n", Arc::new(numeric)),
        ("s", Arc::new(StringArray::from(vec!["", "a\tb\\N\n'\"€𝄞"]))),
        ("c", Arc::new(StringArray::from(vec!["ab", "abcd"]))),
        ("d", Arc::new(Date32Array::from(vec![-719_162, 2_932_896]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![-1, 253_402_300_799_999_999]))),
        ("tz", Arc::new(zoned)),
        ("tm", Arc::new(Time64MicrosecondArray::from(vec![0, 86_399_999_999]))),
        ("j", Arc::new(nested)),
        ("v", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], &b""[..]]))),
    ]);
    cluster.put("all.parquet", file);
    run(&client, &copy("t", "all.parquet", "parquet serializetojson")).await;
    run(&client, "set extra_float_digits to 2").await;
    let found = rows(&client, "select * from t order by i2").await;
    assert_eq!(
        found[0],
        [
            "t",
            "-32768",
            "-2147483648",
            "-9223372036854775808",
            "NaN",
            "-Infinity",
            "9999999999999999999999999999.9999999999",
            "",
            "ab  ",
            "0001-01-01",
            "1969-12-31 23:59:59.999999",
            "1969-12-31 23:59:59.999999+00",
            "00:00:00",
            r#"{"x":1,"y":"a \"b\""}"#,
            "00ff"
        ]
    );
    assert_eq!(
        found[1],
        [
            "f",
            "32767",
            "2147483647",
            "9223372036854775807",
            "3.4028235e+38",
            "2.2250738585072014e-308",
            "-0.0000000001",
            "a\tb\\N\n'\"€𝄞",
            "abcd",
            "9999-12-31",
            "9999-12-31 23:59:59.999999",
            "9999-12-31 23:59:59.999999+00",
            "23:59:59.999999",
            r#"{"x":null,"y":"ü"}"#,
            ""
        ]
    );
}

#[tokio::test]
async fn decimals_of_every_scale_keep_every_digit() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    for scale in 0..=9_i8 {
        run(&client, &format!("drop table if exists d; create table d (k int, n decimal(38, {scale}))")).await;
        let values: Vec<i128> =
            vec![0, 1, -1, 10_000, 12_345_678, 10_i128.pow(38) - 1, 99_999_999_999_999_999, -10_i128.pow(20)];
        let keys: Vec<i32> = (0..8).collect();
        let array = Decimal128Array::from(values.clone()).with_precision_and_scale(38, scale).expect("fits");
        cluster.put(
            "d.parquet",
            parquet_file(vec![("k", Arc::new(Int32Array::from(keys))), ("n", Arc::new(array.clone()))]),
        );
        run(&client, &copy("d", "d.parquet", "format parquet")).await;
        let found: Vec<String> = rows(&client, "select n from d order by k").await.into_iter().flatten().collect();
        let expected: Vec<String> = (0..values.len()).map(|i| array.value_as_string(i)).collect();
        assert_eq!(found, expected, "scale {scale}");
    }
}

#[tokio::test]
async fn a_load_belongs_to_the_clients_own_transaction() {
    let cluster = Cluster::start().await;
    let (client, other) = (cluster.connect().await, cluster.connect().await);
    run(&client, "create table t (a bigint, b varchar(20)); create table ledger (token varchar(50))").await;
    cluster.put("f.parquet", numbers(0..10));
    let load = copy("t", "f.parquet", "format parquet");
    run(&client, "begin").await;
    run(&client, "insert into ledger values ('one')").await;
    run(&client, &load).await;
    assert_eq!(value(&client, "select count(*) from t").await, "10");
    assert_eq!(value(&other, "select count(*) from t").await, "0");
    run(&client, "rollback").await;
    assert_eq!(rows(&client, "select (select count(*) from t), (select count(*) from ledger)").await, [["0", "0"]]);

    run(&client, &format!("begin; insert into ledger values ('one'); {load}; commit")).await;
    assert_eq!(rows(&other, "select (select count(*) from t), (select count(*) from ledger)").await, [["10", "1"]]);
}

#[tokio::test]
async fn a_temporary_table_can_be_loaded_and_merged_from() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a bigint, b varchar(20)); insert into t values (1, 'old'), (100, 'kept')").await;
    cluster.put("f.parquet", numbers(0..10));
    run(&client, "begin").await;
    run(&client, "create temp table stage (like t)").await;
    run(&client, &copy("stage", "f.parquet", "format parquet")).await;
    run(&client, "delete from t using stage where t.a = stage.a").await;
    run(&client, "insert into t (a, b) select a, b from stage").await;
    run(&client, "commit").await;
    assert_eq!(rows(&client, "select count(*), min(b), max(b) from t").await, [["11", "kept", "n9"]]);
    run(&client, "create table #s (a bigint, b varchar(20))").await;
    run(&client, &copy("#s", "f.parquet", "format parquet")).await;
    assert_eq!(value(&client, "select count(*) from #s").await, "10");
}

/// SQLSTATE, message and detail of a load that must fail, and proof that nothing was loaded.
async fn failed_load(cluster: &Cluster, sql: &str) -> (String, String, String) {
    let client = cluster.connect().await;
    let before = value(&client, "select count(*) from t").await;
    let error = client.batch_execute(sql).await.expect_err(sql);
    let db = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    let found = (db.code().code().to_owned(), db.message().to_owned(), db.detail().unwrap_or_default().to_owned());
    assert_eq!(value(&client, "select count(*) from t").await, before, "{sql} loaded something");
    found
}

#[tokio::test]
async fn files_that_do_not_fit_are_refused_before_anything_is_loaded() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a bigint, b varchar(5))").await;
    cluster.put("good.parquet", numbers(0..10));
    let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let narrow: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["äöü"]));
    cluster.put("few.parquet", parquet_file(vec![("a", Arc::clone(&one))]));
    cluster.put("narrow.parquet", parquet_file(vec![("a", narrow), ("b", Arc::clone(&text))]));
    cluster.put("long.parquet", parquet_file(vec![("a", one), ("b", text)]));
    cluster.put("broken.parquet", "PAR1 this is not it");

    let load = |file: &str| copy("t", file, "format parquet");
    let (code, message, detail) = failed_load(&cluster, &load("few.parquet")).await;
    assert_eq!((code.as_str(), message.as_str()), ("XX000", "Spectrum Scan Error"));
    assert!(detail.contains("code:      15007"), "{detail}");
    assert!(
        detail.contains("Unmatched number of columns between table and file. Table columns: 2, Data columns: 1"),
        "{detail}"
    );
    let (_, _, detail) = failed_load(&cluster, &load("narrow.parquet")).await;
    assert!(
        detail.contains("incompatible Parquet schema for column 's3://staging/narrow.parquet.a'. Column type: BIGINT"),
        "{detail}"
    );
    assert!(detail.contains("optional int32 a") || detail.contains("OPTIONAL INT32 a"), "{detail}");
    // Six bytes in three characters.
    let (_, _, detail) = failed_load(&cluster, &load("long.parquet")).await;
    assert!(detail.contains("code:      15001"), "{detail}");
    assert!(detail.contains("The length of the data column b is longer than the length defined in the table. Table: 5, Data: 6, File name: "), "{detail}");
    let (code, _, detail) = failed_load(&cluster, &load("broken.parquet")).await;
    assert!(code == "XX000" && detail.contains("invalid format"), "{detail}");

    // A good file before the bad one in the same load is not kept either.
    cluster.manifest("m", &["good.parquet", "long.parquet"]);
    failed_load(&cluster, &copy("t", "m", "format parquet manifest")).await;
}

#[tokio::test]
async fn a_columnar_manifest_must_state_the_real_size_of_files_that_exist() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a bigint, b varchar(5))").await;
    cluster.put("f.parquet", numbers(0..10));
    let load = copy("t", "m", "format parquet manifest");
    let manifest =
        |meta: &str, file: &str| format!(r#"{{"entries":[{{"url":"s3://{BUCKET}/{file}","mandatory":true{meta}}}]}}"#);

    cluster.put("m", manifest("", "f.parquet"));
    let (code, _, detail) = failed_load(&cluster, &load).await;
    assert!(code == "XX000" && detail.contains("content_length"), "{detail}");
    cluster.put("m", manifest(r#","meta":{"content_length":17}"#, "f.parquet"));
    let (_, message, detail) = failed_load(&cluster, &load).await;
    assert!(message == "Spectrum Scan Error" && detail.contains("the manifest says 17"), "{detail}");
    cluster.put("m", manifest(r#","meta":{"content_length":17}"#, "missing.parquet"));
    let (_, message, _) = failed_load(&cluster, &load).await;
    assert!(message.contains("mandatory file s3://staging/missing.parquet was not found"), "{message}");
    cluster.put("m", "{ not json");
    assert!(failed_load(&cluster, &load).await.1.contains("not in correct json format"));
    assert!(failed_load(&cluster, &copy("t", "none", "format parquet manifest")).await.1.contains("NoSuchKey"));
    assert!(
        failed_load(&cluster, &copy("t", "none", "format parquet")).await.1.contains("prefix 'none' does not exist")
    );
    let elsewhere = format!("copy t from 's3://other/f' iam_role '{ROLE}' format parquet");
    assert!(failed_load(&cluster, &elsewhere).await.1.contains("Status 404"));
}

#[tokio::test]
async fn only_the_sandboxs_role_and_keys_may_load() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a bigint, b varchar(5))").await;
    cluster.put("f.parquet", numbers(0..10));
    let load = |authorization: &str| format!("copy t from 's3://{BUCKET}/f.parquet' {authorization} format parquet");
    let keys = |id: &str, secret: &str| load(&format!("access_key_id '{id}' secret_access_key '{secret}'"));
    for stranger in [load("iam_role 'arn:aws:iam::1:role/other'"), keys(KEY_ID, "wrong"), keys("wrong", KEY_SECRET)] {
        assert_eq!(failed_load(&cluster, &stranger).await.0, "XX000");
    }
    for known in [load("iam_role default"), load(&format!("iam_role '{ROLE}'")), keys(KEY_ID, KEY_SECRET)] {
        run(&client, &known).await;
    }
    assert_eq!(value(&client, "select count(*) from t").await, "30");
}

#[tokio::test]
async fn an_error_in_a_load_aborts_the_transaction_it_is_in() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a bigint)").await;
    cluster.put("f.parquet", numbers(0..10));
    run(&client, "begin; insert into t values (1)").await;
    assert_eq!(failure(&client, &copy("t", "f.parquet", "format parquet")).await.0, "XX000");
    assert_eq!(failure(&client, "select 1").await.0, "25P02");
    assert_eq!(failure(&client, &copy("t", "f.parquet", "format parquet")).await.0, "25P02");
    run(&client, "rollback").await;
    assert_eq!(value(&client, "select count(*) from t").await, "0");
    assert_eq!(failure(&client, &copy("missing", "f.parquet", "format parquet")).await.0, "42P01");
    assert_eq!(failure(&client, &copy("t (a, z)", "f.parquet", "format parquet")).await.0, "42703");
}

#[tokio::test]
async fn identity_columns_fill_themselves_unless_their_values_are_given() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (id bigint identity(100, 10), b varchar(5))").await;
    cluster.put("f.parquet", numbers(0..2));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    cluster.put("b.parquet", parquet_file(vec![("b", text)]));
    run(&client, &copy("t (b)", "b.parquet", "format parquet")).await;
    assert_eq!(failure(&client, &copy("t (id, b)", "f.parquet", "format parquet")).await.0, "42601");
    run(&client, &copy("t", "f.parquet", "format parquet explicit_ids")).await;
    assert_eq!(
        rows(&client, "select id, b from t order by id").await,
        [["0", "n0"], ["1", "n1"], ["100", "x"], ["110", "y"]]
    );
}

#[tokio::test]
async fn csv_is_loaded_and_its_bad_rows_are_found_in_the_error_views() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int, b varchar(5), d date)").await;
    cluster.put("ok.csv", "a,b,d\n1,\"x,\"\"y\",2024-02-29\n2,,\n3,\"\",\n");
    run(&client, &copy("t", "ok.csv", "csv ignoreheader 1")).await;
    assert_eq!(
        rows(&client, "select a, b, d from t order by a").await,
        [["1", "x,\"y", "2024-02-29"], ["2", "", "NULL"], ["3", "", "NULL"]]
    );
    for (file, content, line, column, code) in [
        ("long.csv", "1,x,\n2,äöü,\n", "2", "b", "1204"),
        ("digit.csv", "1,x,\nzwei,x,\n", "2", "a", "1207"),
        ("date.csv", "1,x,2024-02-30\n", "1", "d", "1205"),
        ("more.csv", "1,x,,\n", "1", "", "1202"),
        ("fewer.csv", "1,x\n", "1", "d", "1203"),
    ] {
        cluster.put(file, content);
        let (sqlstate, message) = failure(&client, &copy("t", file, "csv")).await;
        assert_eq!(sqlstate, "XX000");
        assert_eq!(message, "Load into table 't' failed.  Check 'stl_load_errors' system table for details.");
        let sql = "select trim(filename), line_number, trim(colname), err_code from stl_load_errors \
                   where query = pg_last_copy_id()";
        assert_eq!(
            rows(&client, sql).await,
            [[format!("s3://{BUCKET}/{file}").as_str(), line, column, code]],
            "{file}"
        );
        let sql = "select line_number, trim(column_name), error_code from sys_load_error_detail order by query_id desc limit 1";
        assert_eq!(rows(&client, sql).await, [[line, column, code]], "{file}");
    }
    assert_eq!(value(&client, "select count(*) from t").await, "3");
}

#[tokio::test]
async fn a_text_of_several_statements_with_a_load_is_one_transaction() {
    let cluster = Cluster::start().await;
    let (client, mut notices) = cluster.connect_with_notices().await;
    run(&client, "create table t (a bigint, b varchar(20)); create table wrong (a int)").await;
    cluster.put("f.parquet", numbers(0..10));
    let (good, bad) = (copy("t", "f.parquet", "format parquet"), copy("wrong", "f.parquet", "format parquet"));
    assert_eq!(failure(&client, &format!("{good}; {bad}; select 1")).await.0, "XX000");
    assert_eq!(value(&client, "select count(*) from t").await, "0");
    // The transaction was the text's own: nothing has to be rolled back.
    run(&client, &format!("insert into t values (-1, 'x'); {good}; delete from t where a < 5")).await;
    assert_eq!(value(&client, "select count(*) from t").await, "5");
    run(&client, &format!("begin; {good}; rollback")).await;
    assert_eq!(value(&client, "select count(*) from t").await, "5");
    // TRUNCATE has committed by the time the load after it fails.
    assert_eq!(failure(&client, &format!("truncate t; {bad}")).await.0, "XX000");
    assert_eq!(value(&client, "select count(*) from t").await, "0");
    drop(client);
    while let Some(notice) = notices.recv().await {
        assert!(notice.starts_with("INFO: Load into table 't' completed, 10 record(s)"), "{notice}");
    }
}
