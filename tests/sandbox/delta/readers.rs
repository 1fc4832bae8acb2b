//! Programs of others judge what the tests of this folder write: every table is read at every version, and the rows must
//! be those that the sandbox answers; every statement that the crates made is parsed.
//!
//! `tests/proof/run` gives them: the Python packages `deltalake`, `duckdb` and `sqlfluff`. Without it there is nothing
//! to ask.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use futures::TryStreamExt as _;
use parquet::arrow::ArrowWriter;
use serde::{Deserialize, Serialize};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_databricks::DatabricksWarehouse;
use twinhouse_sandbox::{Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{StatementRequest, TableRef, Warehouse as _, WarehouseExt as _};

use crate::fixtures::{KEEP, STATEMENTS, databricks_of};

/// Names the Python that has the readers.
const PYTHON: &str = "TWINHOUSE_PROOF_PYTHON";

#[derive(Debug, Serialize)]
struct Table {
    name: String,
    path: String,
    versions: Vec<Version>,
}

#[derive(Debug, Serialize)]
struct Version {
    version: i64,
    /// A Parquet file of what the sandbox answered.
    rows: PathBuf,
}

#[tokio::test]
async fn every_version_of_every_table_is_the_same_to_other_readers_and_every_statement_parses() {
    let Some(python) = std::env::var_os(PYTHON) else {
        eprintln!("not run: {PYTHON} is not set; tests/proof/run sets it");
        return;
    };
    let (kept, answers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tests = Command::new(std::env::current_exe().unwrap())
        .args(["delta::", "databricks::sql::", "--skip", "delta::readers", "--test-threads", "2"])
        .env(KEEP, kept.path())
        .env_remove(PYTHON)
        .status();
    let options = SandboxOptions::default().with_fronts([]).with_data_folder(kept.path());
    let sandbox = Sandbox::start(options).await.unwrap();
    let warehouse = databricks_of(&sandbox).await.unwrap();
    let (mut tables, mut unreadable) = (Vec::new(), 0);
    for name in names(&warehouse).await.unwrap() {
        let (table, gone) = answered(&warehouse, &name, answers.path(), tables.len()).await.unwrap();
        unreadable += gone;
        tables.push(table);
    }
    println!("{unreadable} versions were vacuumed and are no more");
    let manifest = answers.path().join("manifest.json");
    serde_json::to_writer(File::create(&manifest).unwrap(), &tables).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("proof/readers.py");
    let readers = Command::new(&python).arg(script).arg(&manifest).status();
    assert!(readers.unwrap().success(), "the readers see other rows");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("proof/statements.py");
    let parser = Command::new(&python).arg(script).arg(kept.path().join(STATEMENTS)).status();
    assert!(parser.unwrap().success(), "the parser does not take the SQL that the crates made");
    sandbox.stop().await.unwrap();
    assert!(tests.unwrap().success(), "the tests that write the tables fail");
}

/// All tables of the catalog.
async fn names(warehouse: &DatabricksWarehouse) -> Result<Vec<TableRef>> {
    #[derive(Deserialize)]
    struct Row {
        namespace: String,
        #[serde(rename = "tableName")]
        name: String,
    }
    let rows: Vec<Row> = warehouse.fetch_all(StatementRequest::read("show tables in catalog main")).await?;
    Ok(rows.into_iter().map(|row| TableRef::new(row.name).with_schema(row.namespace).with_catalog("main")).collect())
}

/// What the sandbox answers for every version of a table, and how many versions it has no more.
async fn answered(
    warehouse: &DatabricksWarehouse,
    name: &TableRef,
    folder: &Path,
    number: usize,
) -> Result<(Table, usize)> {
    #[derive(Deserialize)]
    struct Detail {
        location: String,
    }
    #[derive(Deserialize)]
    struct Commit {
        version: i64,
    }
    let shown = warehouse.info().dialect.table(name)?;
    let detail: Detail = warehouse.fetch_one(StatementRequest::read(format!("describe detail {shown}"))).await?;
    let commits: Vec<Commit> = warehouse.fetch_all(StatementRequest::read(format!("describe history {shown}"))).await?;
    let (mut versions, mut gone) = (Vec::new(), 0);
    for Commit { version } in commits {
        let rows = folder.join(format!("{number}-{version}.parquet"));
        let request = StatementRequest::read(format!("select * from {shown} version as of {version}"));
        match write(warehouse, request, &rows).await {
            Ok(()) => versions.push(Version { version, rows }),
            Err(error) if error.kind() == ErrorKind::NotFound => gone += 1,
            Err(error) => return Err(error),
        }
    }
    let path = detail.location.trim_start_matches("file://").to_owned();
    Ok((Table { name: shown, path, versions }, gone))
}

async fn write(warehouse: &DatabricksWarehouse, request: StatementRequest, path: &Path) -> Result<()> {
    let mut stream = warehouse.query(request).await?;
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), Arc::clone(stream.schema()), None).unwrap();
    while let Some(batch) = stream.try_next().await? {
        writer.write(&batch).unwrap();
    }
    writer.close().unwrap();
    Ok(())
}
