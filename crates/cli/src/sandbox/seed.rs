//! TPC-H tables in both warehouses, with the types that the warehouses have for them.
//!
//! A load is repeated with the same token until it is done, so a kill half-way neither loses nor doubles a row; a note
//! in the data folder says what was begun and whether it is done.

use std::{fs, path::Path};

use twinhouse::{
    Error, ErrorKind, LoadRequest, LoadToken, Result, TableRef, Warehouse, WarehouseExt as _,
    sandbox::{Sandbox, SandboxConfig as _},
};

use super::banner;
use crate::{
    args::Seed,
    demo::{TABLES, generate},
};

/// In the data folder.
const NOTE: &str = "seed";
const DONE: &str = "done";

/// Loads what is not loaded yet.
pub(super) async fn load(sandbox: &Sandbox, Seed { scale }: Seed) -> Result<()> {
    let wish = format!("tpch:{scale}");
    let note = sandbox.data_folder().join(NOTE);
    let kept = fs::read_to_string(&note).unwrap_or_default();
    let mut lines = kept.lines();
    match (lines.next(), lines.next()) {
        (Some(kept), Some(DONE)) if kept == wish => return Ok(()),
        (Some(kept), _) if kept != wish => {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the data folder is seeded with something else; --reset empties it",
            )
            .with_context("has", kept)
            .with_context("wish", wish));
        }
        _ => {}
    }
    keep(&note, &wish)?;
    let databricks = twinhouse::databricks::DatabricksWarehouse::new(sandbox.databricks_config().await?)?;
    let redshift = twinhouse::redshift::RedshiftWarehouse::new(sandbox.redshift_config().await?)?;
    for table in TABLES {
        let loaded = tokio::try_join!(fill(&databricks, table, scale), fill(&redshift, table, scale))?;
        banner::say(&format!("seed: {table} {} rows\n", loaded.0.max(loaded.1)));
    }
    databricks.close().await?;
    redshift.close().await?;
    keep(&note, &format!("{wish}\n{DONE}"))
}

/// Replaces the note in one step.
fn keep(note: &Path, text: &str) -> Result<()> {
    let draft = note.with_extension("draft");
    fs::write(&draft, format!("{text}\n")).and_then(|()| fs::rename(&draft, note)).map_err(|cause| {
        Error::new(ErrorKind::Config, "cannot write to the data folder")
            .with_context("file", note.display().to_string())
            .with_source(cause)
    })
}

async fn fill(warehouse: &dyn Warehouse, table: &str, scale: f64) -> Result<u64> {
    let batches = generate(table, scale);
    let dialect = &warehouse.info().dialect;
    let columns = batches
        .schema()
        .fields()
        .iter()
        .map(|f| Ok(format!("{} {} not null", dialect.quote(f.name())?, dialect.type_name(f.data_type())?)))
        .collect::<Result<Vec<_>>>()?
        .join(", ");
    warehouse.execute(format!("create table if not exists {} ({columns})", dialect.quote(table)?)).await?;
    let token = LoadToken::new(format!("seed-tpch-{scale}-{table}"))?;
    let report = warehouse.load(LoadRequest::append(TableRef::new(table), batches.into_stream(), token)).await?;
    Ok(report.rows)
}
