//! What the builders for Redshift make, judged by a parser of others: every statement that reaches the cluster, and what
//! the sandbox would refuse anyway.
//!
//! `tests/proof/run` gives the parser, the Python package `sqlfluff`.

use std::{fs::OpenOptions, io::Write as _, num::NonZeroU32, path::Path, process::Command, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use futures::TryStreamExt as _;
use twinhouse_redshift::{
    AnalyzeRequest, AnalyzeScope, AppendColumns, AppendRequest, Compression, CopyCommand, CopyFormat, CopyOption,
    CopySource, CreateExternalSchema, CreateExternalTable, Encoding, ExternalFormat, ExternalSource, FieldMapping,
    MergeStrategy, Presence, QueryFilter, RedshiftWarehouse, Role, UnloadCommand, UnloadFormat, UnloadOption,
    VacuumKind, VacuumRequest, lock_tables,
};
use twinhouse_sandbox::{Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{
    BatchStream, Duplicates, Expression, LoadMode, LoadRequest, LoadToken, MergeRequest, MergeSource, StatementRequest,
    TableFilter, TableRef, TransactionOptions, Warehouse as _, WarehouseExt as _, WhenMatched,
};

use crate::fixtures::{BY_HAND, STATEMENTS, redshift_builder};

const PYTHON: &str = "TWINHOUSE_PROOF_PYTHON";

#[tokio::test]
async fn every_statement_that_the_builders_make_parses() {
    let Some(python) = std::env::var_os(PYTHON) else {
        eprintln!("not run: {PYTHON} is not set; tests/proof/run sets it");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join(STATEMENTS);
    let sandbox = Sandbox::start(SandboxOptions::default().with_fronts([]).with_statement_log(&log)).await;
    let sandbox = sandbox.expect("a sandbox");
    let builder = redshift_builder(sandbox.redshift().await.expect("a cluster"), sandbox.s3()).expect("a URL");
    let warehouse = RedshiftWarehouse::new(builder.build().expect("settings")).expect("a client");
    load_and_merge(&warehouse).await;
    look_around(&warehouse).await;
    keep_house(&warehouse).await;
    cursors_and_unloads(&warehouse, &format!("s3://{}/statements", sandbox.s3().bucket)).await;
    warehouse.close().await.expect("a close");
    sandbox.stop().await.expect("a stop");
    append(&log, &copies().into_iter().chain(unloads()).chain(upkeep()).chain(externals()).collect::<Vec<_>>());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("proof/statements.py");
    let parser = Command::new(python).arg(script).args([log.as_os_str(), "redshift".as_ref()]).status();
    assert!(parser.expect("Python").success(), "the parser does not take the SQL that the crates made");
}

fn append(log: &Path, statements: &[String]) {
    let mut file = OpenOptions::new().append(true).open(log).expect("a log");
    for sql in statements {
        writeln!(file, "{}", serde_json::Value::String(sql.clone())).expect("written");
    }
}

fn batch(ids: std::ops::Range<i64>) -> BatchStream {
    let names = ids.clone().map(|id| format!("it's \\ {id}"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone()))),
        ("name", Arc::new(StringArray::from_iter_values(names))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    BatchStream::from_batches(batch.schema(), vec![batch])
}

fn token() -> LoadToken {
    LoadToken::new(uuid::Uuid::new_v4().to_string()).expect("a token")
}

fn table(name: &str) -> TableRef {
    TableRef::new(name).with_schema("public")
}

async fn by_hand(warehouse: &RedshiftWarehouse, sql: &str) {
    warehouse.execute(format!("{BY_HAND}{sql}")).await.expect(sql);
}

async fn load_and_merge(warehouse: &RedshiftWarehouse) {
    let loaded = table("loaded");
    by_hand(warehouse, "create table public.loaded (id bigint, name varchar(20))").await;
    for mode in [
        LoadMode::Append,
        LoadMode::Overwrite,
        LoadMode::ReplaceWhere(Expression::new("id < :most").bind("most", 100_i64)),
        LoadMode::CreateOrReplace,
    ] {
        let request = LoadRequest::append(loaded.clone(), batch(0..3), token()).with_mode(mode.clone());
        warehouse.load(request).await.unwrap_or_else(|error| panic!("{mode:?}: {error:?}"));
    }
    let created = LoadRequest::append(table("created"), batch(0..3), token()).with_mode(LoadMode::Create);
    warehouse.load(created).await.expect("created");
    for strategy in [MergeStrategy::UpdateInsert, MergeStrategy::DeleteInsert, MergeStrategy::Merge] {
        for duplicates in [Duplicates::default(), Duplicates::KeepGreatest("name".to_owned())] {
            let source = MergeSource::Batches(batch(2..5));
            let request = MergeRequest::upsert(loaded.clone(), source, ["id"]).with_duplicates(duplicates);
            warehouse.merge_by(request, strategy).await.unwrap_or_else(|error| panic!("{strategy:?}: {error:?}"));
        }
    }
    for action in [WhenMatched::UpdateColumns(vec!["name".to_owned()]), WhenMatched::Delete, WhenMatched::Keep] {
        let source = MergeSource::Table(table("created"));
        let request = MergeRequest::upsert(loaded.clone(), source, ["id"]).with_when_matched(action);
        warehouse.merge(request).await.expect("merged");
    }
}

/// Reads a catalog to its end; an answer that this server cannot give was asked for all the same.
async fn drain<T>(stream: impl futures::Stream<Item = twinhouse_core::Result<T>> + Unpin) {
    let _ = stream.try_collect::<Vec<_>>().await;
}

async fn look_around(warehouse: &RedshiftWarehouse) {
    let (metadata, workload, spectrum) = (warehouse.metadata(), warehouse.workload(), warehouse.spectrum());
    let filters = || [TableFilter::default(), TableFilter::default().with_schema("public").with_name_like("load%")];
    warehouse.table(&table("loaded")).await.expect("described");
    drain(metadata.databases()).await;
    for filter in filters() {
        drain(warehouse.tables(filter.clone())).await;
        drain(metadata.schemas(filter.clone())).await;
        drain(metadata.tables(filter.clone())).await;
        drain(metadata.table_stats(filter.clone())).await;
        drain(metadata.late_binding_columns(filter.clone())).await;
        drain(spectrum.tables(filter.clone())).await;
        drain(spectrum.table_details(filter)).await;
    }
    metadata.columns(&table("loaded")).await.expect("columns");
    metadata.keys(&table("loaded")).await.expect("keys");
    drain(metadata.datashares()).await;
    let _ =
        metadata.create_late_binding_view(&table("late"), &Expression::new("select id from public.loaded"), true).await;
    drain(spectrum.schemas()).await;
    drain(spectrum.columns(&table("loaded"))).await;
    drain(spectrum.partitions(&table("loaded"))).await;
    let _ = spectrum.scan_stats(1).await;
    warehouse.deployment().await.expect("a deployment");
    workload.queues().await.expect("queues");
    drain(workload.running_queries(QueryFilter::default())).await;
    drain(workload.recent_queries(QueryFilter::default())).await;
    drain(workload.sessions()).await;
    let _ = workload.query(1).await;
    let _ = workload.query_text(1).await;
    let _ = workload.query_metrics(1).await;
    let _ = workload.cancel_query(1).await;
    let _ = workload.cancel_session(1).await;
    let _ = workload.terminate_session(1).await;
    warehouse.explain(&StatementRequest::read("select id from public.loaded")).await.expect("a plan");
    warehouse.health().await.expect("health");
}

async fn keep_house(warehouse: &RedshiftWarehouse) {
    let house = warehouse.maintenance();
    house.vacuum(VacuumRequest::table(table("loaded"))).await.expect("vacuumed");
    house.analyze(AnalyzeRequest::table(table("loaded"))).await.expect("analyzed");
    house.resize_varchar(&table("loaded"), "name", 40).await.expect("resized");
    by_hand(warehouse, "create table public.appended (like public.loaded)").await;
    house.append(AppendRequest::new(table("appended"), table("loaded"))).await.expect("appended");
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.expect("a transaction");
    transaction.execute(lock_tables(&[table("loaded"), table("appended")]).expect("a lock")).await.expect("locked");
    transaction.commit().await.expect("a commit");
}

async fn cursors_and_unloads(warehouse: &RedshiftWarehouse, prefix: &str) {
    let request = || StatementRequest::read("select id, name from public.appended where id > :least").bind("least", 1);
    let stream = warehouse.cursor(request(), NonZeroU32::new(2).expect("some")).await.expect("a cursor");
    stream.collect_batches().await.expect("rows");
    let stream = warehouse.unload_stream(request()).await.expect("a stream");
    stream.collect_batches().await.expect("rows");
    let unload = UnloadCommand::new(request(), format!("{prefix}/one/"), UnloadFormat::Parquet);
    warehouse.unload_with(unload).await.expect("unloaded");
}

fn copies() -> Vec<String> {
    let role = || Role::arn("arn:aws:iam::123456789012:role/one").then("arn:aws:iam::123456789012:role/two");
    let copy = |source, format| CopyCommand::new(table("t"), source, format).with_role(role());
    let from = || CopySource::s3("s3://b/it's");
    let mut made = vec![
        copy(from(), CopyFormat::Parquet).with_columns(["a", "Select"]),
        copy(CopySource::manifest("s3://b/m"), CopyFormat::Orc).with_role(Role::Default),
        copy(CopySource::Emr { cluster: "j-1".into(), path: "data/*".into() }, CopyFormat::Text),
        copy(CopySource::DynamoDb { table: "d".into(), read_ratio: 50 }, CopyFormat::Text),
        copy(CopySource::Ssh("s3://b/hosts".into()), CopyFormat::Text),
        copy(from(), CopyFormat::Parquet).with(CopyOption::SerializeToJson),
        copy(from(), CopyFormat::FixedWidth(vec![("a".into(), 3), ("b".into(), 4)])),
        copy(from(), CopyFormat::Shapefile(None)),
    ];
    for mapping in [
        FieldMapping::Auto,
        FieldMapping::AutoIgnoreCase,
        FieldMapping::Paths("s3://b/paths".into()),
        FieldMapping::NoShred,
    ] {
        made.push(copy(from(), CopyFormat::Json(mapping.clone())));
        made.push(copy(from(), CopyFormat::Avro(mapping)));
    }
    for option in [
        CopyOption::Delimiter('\t'),
        CopyOption::Compressed(Compression::Gzip),
        CopyOption::Compressed(Compression::Zstd),
        CopyOption::Region("eu-west-1".into()),
        CopyOption::AcceptAnyDate,
        CopyOption::AcceptInvalidChars('?'),
        CopyOption::BlanksAsNull,
        CopyOption::DateFormat("auto".into()),
        CopyOption::EmptyAsNull,
        CopyOption::Encoding(Encoding::Utf16Le),
        CopyOption::Escape,
        CopyOption::ExplicitIds,
        CopyOption::FillRecord,
        CopyOption::IgnoreBlankLines,
        CopyOption::IgnoreHeader(1),
        CopyOption::NullAs("\\N".into()),
        CopyOption::RemoveQuotes,
        CopyOption::RoundDecimals,
        CopyOption::TimeFormat("epochmillisecs".into()),
        CopyOption::TrimBlanks,
        CopyOption::TruncateColumns,
        CopyOption::CompressionRows(100_000),
        CopyOption::CompressionUpdate(Presence::Off),
        CopyOption::StatisticsUpdate(false),
        CopyOption::MaxErrors(10),
        CopyOption::IgnoreAllErrors,
        CopyOption::NoLoad,
    ] {
        made.push(copy(from(), CopyFormat::Text).with(option));
    }
    made.push(copy(from(), CopyFormat::Csv).with(CopyOption::Quote('%')).with(CopyOption::IgnoreHeader(1)));
    made.into_iter().filter_map(|copy| copy.to_sql().ok()).collect()
}

fn unloads() -> Vec<String> {
    let unload =
        |format| UnloadCommand::new("select a, 'it''s' as b from t", "s3://b/k/", format).with_role(Role::Default);
    let mut made = vec![
        unload(UnloadFormat::Csv).with(UnloadOption::Header),
        unload(UnloadFormat::Json),
        unload(UnloadFormat::FixedWidth(vec![("a".into(), 3), ("b".into(), 4)])),
        unload(UnloadFormat::Parquet).with(UnloadOption::RowGroupSize(64)),
        unload(UnloadFormat::Parquet).with(UnloadOption::PartitionBy { columns: vec!["a".into()], include: true }),
        unload(UnloadFormat::Parquet).with(UnloadOption::PartitionBy { columns: vec!["a".into()], include: false }),
    ];
    for option in [
        UnloadOption::Manifest { verbose: true },
        UnloadOption::Manifest { verbose: false },
        UnloadOption::Delimiter('|'),
        UnloadOption::AddQuotes,
        UnloadOption::Escape,
        UnloadOption::NullAs("\\N".into()),
        UnloadOption::Compressed(Compression::Bzip2),
        UnloadOption::Encrypted { kms_key_id: None },
        UnloadOption::Encrypted { kms_key_id: Some("k".into()) },
        UnloadOption::AllowOverwrite,
        UnloadOption::CleanPath,
        UnloadOption::Parallel(false),
        UnloadOption::MaxFileSize(64),
        UnloadOption::Region("eu-west-1".into()),
        UnloadOption::Extension("txt".into()),
    ] {
        made.push(unload(UnloadFormat::Text).with(option));
    }
    made.into_iter().map(|unload| unload.to_sql().expect("an unload")).collect()
}

fn upkeep() -> Vec<String> {
    let mut made = Vec::new();
    for kind in
        [VacuumKind::Full, VacuumKind::SortOnly, VacuumKind::DeleteOnly, VacuumKind::Reindex, VacuumKind::Recluster]
    {
        made.push(VacuumRequest::table(table("t")).with_kind(kind).sql());
    }
    made.push(VacuumRequest::database().sql());
    made.push(VacuumRequest::table(table("t")).with_threshold(90).with_boost(true).sql());
    for scope in [AnalyzeScope::Default, AnalyzeScope::PredicateColumns, AnalyzeScope::AllColumns] {
        made.push(AnalyzeRequest::table(table("t")).with_scope(scope).sql());
    }
    made.push(AnalyzeRequest::table(table("t")).with_columns(["a", "b"]).sql());
    for columns in [AppendColumns::Same, AppendColumns::IgnoreExtra, AppendColumns::FillTarget] {
        made.push(AppendRequest::new(table("t"), table("s")).with_columns(columns).sql());
    }
    made.into_iter().map(|sql| sql.expect("a statement")).collect()
}

fn externals() -> Vec<String> {
    let secret = || "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s".to_owned();
    let sources = [
        ExternalSource::DataCatalog { database: "d".into(), region: Some("eu-west-1".into()), create_database: true },
        ExternalSource::Hive { database: "d".into(), host: "h".into(), port: Some(9083) },
        ExternalSource::Postgres {
            database: "d".into(),
            schema: Some("s".into()),
            host: "h".into(),
            port: Some(5432),
            secret_arn: secret(),
        },
        ExternalSource::MySql { database: "d".into(), host: "h".into(), port: Some(3306), secret_arn: secret() },
        ExternalSource::Redshift { database: "d".into(), schema: Some("s".into()) },
    ];
    let schemas = sources.into_iter().map(|source| {
        let role = !matches!(source, ExternalSource::Redshift { .. });
        let schema = CreateExternalSchema::new("spectrum", source).with_if_not_exists(true);
        if role { schema.with_role(Role::Default).sql() } else { schema.sql() }
    });
    let formats = [
        ExternalFormat::Parquet,
        ExternalFormat::Orc,
        ExternalFormat::Avro,
        ExternalFormat::Delimited(','),
        ExternalFormat::Json,
    ];
    let tables = formats.into_iter().map(|format| {
        CreateExternalTable::new(TableRef::new("t").with_schema("spectrum"), "s3://b/k/", format)
            .with_column("a", "bigint")
            .with_partition_column("day", "date")
            .with_property("numRows", "170000")
            .sql()
    });
    schemas.chain(tables).map(|sql| sql.expect("a statement")).collect()
}
