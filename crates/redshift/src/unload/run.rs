//! The course of an UNLOAD.

use std::time::Duration;

use tokio::time::timeout;
use twinhouse_core::{Error, Result, resilience::Operation};
use twinhouse_warehouse_api::{BulkReport, FileFormat, UnloadRequest};

use super::{UnloadCommand, UnloadFormat, UnloadManifest, UnloadOption};
use crate::{
    RedshiftWarehouse,
    cluster::Cluster,
    copy::Role,
    load::{Call, UNBOUNDED},
    pool::Session,
};

/// Reading what was done must not take longer than to matter.
const LOOK: Duration = Duration::from_secs(10);

/// What an UNLOAD did. What the server does not tell is `None`, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnloadReport {
    /// Rows that were written.
    pub rows: Option<u64>,
    /// Files that were written, without the manifest.
    pub files: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
    /// The list of files, if one was asked for and lies in the bucket that loads are staged in.
    pub manifest: Option<UnloadManifest>,
    /// The unload's number on the server.
    pub query_id: Option<i64>,
    /// How long it took.
    pub elapsed: Duration,
}

impl RedshiftWarehouse {
    /// Has the server write the rows of a query as files, and reports what it wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput), before anything is sent, for what does not go
    /// together. [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists) if there are objects at the
    /// destination and no option says what becomes of them.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement. Files that were written by then stay.
    pub async fn unload_with(&self, command: UnloadCommand) -> Result<UnloadReport> {
        self.cluster().check_open()?;
        run(self.cluster(), command).await
    }
}

/// The contract's unload.
pub(crate) async fn unload(cluster: &Cluster, request: UnloadRequest) -> Result<BulkReport> {
    let format = match request.format {
        FileFormat::Parquet => UnloadFormat::Parquet,
        FileFormat::Csv => UnloadFormat::Csv,
        other => {
            return Err(Error::unsupported("redshift", "cannot unload files of this format")
                .with_context("format", format!("{other:?}")));
        }
    };
    let mut command = UnloadCommand::new(request.query, request.destination, format);
    if request.format == FileFormat::Csv {
        command = command.with(UnloadOption::Header);
    }
    let report = run(cluster, command).await?;
    let known = |count: Option<u64>| count.unwrap_or_default();
    Ok(BulkReport::new(known(report.rows), known(report.bytes), known(report.files)).with_elapsed(report.elapsed))
}

async fn run(cluster: &Cluster, command: UnloadCommand) -> Result<UnloadReport> {
    let call = Call::begin(command.call());
    let command = command.or_role(Role::of_setting(&cluster.config().iam_role));
    let sql = command.to_sql()?;
    let work = async {
        let operation = Operation::write("unload").with_class("load").with_attempt_timeout(UNBOUNDED);
        let written = cluster.policy().execute(operation, |_| ask(cluster, &call, &sql));
        let mut report = written.await?;
        if let (Some(url), Some(staging)) = (command.manifest_url(), cluster.staging())
            && let Some(content) = staging.get(&url).await?
        {
            let manifest = UnloadManifest::parse(&content)?;
            report.files = Some(manifest.files.len() as u64);
            report.bytes = manifest.bytes().or(report.bytes);
            report.manifest = Some(manifest);
        }
        Ok(report)
    };
    let report = call
        .within(Box::pin(work))
        .await
        .map_err(|error| error.with_context("destination", command.destination().escape_debug().to_string()))?;
    Ok(UnloadReport { elapsed: call.elapsed(), ..report })
}

/// Runs the statement, and asks what it did.
pub(super) async fn ask(cluster: &Cluster, call: &Call, sql: &str) -> Result<UnloadReport> {
    let mut session = call.session(cluster).await?;
    let process = session.cancel_key().process();
    session.ask(sql).await?;
    let told = timeout(LOOK, report(&mut session)).await.unwrap_or_default();
    if told.rows.is_some() {
        return Ok(told);
    }
    // What a session did is known after its end, too. The place that it has in the pool may be the only one.
    drop(session);
    Ok(timeout(LOOK, remembered(cluster, call, process)).await.ok().flatten().unwrap_or(told))
}

fn number(row: &[Option<String>], at: usize) -> Option<i64> {
    row.get(at)?.as_deref()?.trim().parse().ok()
}

fn count(row: &[Option<String>], at: usize) -> Option<u64> {
    u64::try_from(number(row, at)?).ok()
}

/// The latest unload of a server process that may be gone.
async fn remembered(cluster: &Cluster, call: &Call, process: i32) -> Option<UnloadReport> {
    let sql = format!(
        "SELECT query_id, unloaded_rows, unloaded_files_count, unloaded_files_size FROM sys_unload_history \
         WHERE session_id = {process} ORDER BY start_time DESC LIMIT 1"
    );
    let answer = call.session(cluster).await.ok()?.ask(&sql).await.ok()?;
    let row = answer.rows.first()?;
    let (query_id, rows, files, bytes) = (number(row, 0), count(row, 1), count(row, 2), count(row, 3));
    Some(UnloadReport { query_id, rows, files, bytes, ..UnloadReport::default() })
}

async fn report(session: &mut Session) -> UnloadReport {
    let mut report = UnloadReport::default();
    let Ok(ids) = session.ask("SELECT pg_last_unload_id(), pg_last_unload_count()").await else { return report };
    let Some(ids) = ids.rows.first() else { return report };
    report.query_id = number(ids, 0).filter(|id| *id >= 0);
    report.rows = count(ids, 1);
    let Some(id) = report.query_id else { return report };
    for sql in [
        format!("SELECT unloaded_files_count, unloaded_files_size FROM sys_unload_history WHERE query_id = {id}"),
        format!("SELECT COUNT(*), SUM(transfer_size) FROM stl_unload_log WHERE query = {id}"),
    ] {
        match session.ask(&sql).await {
            Ok(answer) if !answer.rows.is_empty() => {
                (report.files, report.bytes) = (count(&answer.rows[0], 0), count(&answer.rows[0], 1));
                break;
            }
            _ => {}
        }
    }
    report
}
