//! The course of a COPY.

use std::time::Duration;

use tokio::time::timeout;
use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation};

use super::{
    CopyCommand, CopyManifest, CopyReport, CopySource, LoadError, LoadErrorFilter, Role, Sought, errors, look,
};
use crate::{
    RedshiftWarehouse,
    cluster::Cluster,
    load::{Call, UNBOUNDED},
    pool::{Answer, Session},
};

/// Reading what was done must not take longer than to matter.
const LOOK: Duration = Duration::from_secs(10);

impl RedshiftWarehouse {
    /// Has the server load files, and reports what it loaded and what it left out.
    ///
    /// Unlike [`load`](twinhouse_warehouse_api::Warehouse::load) it is not exactly-once: what is carried out twice is loaded
    /// twice.
    ///
    /// ```no_run
    /// use twinhouse_redshift::{CopyCommand, CopyFormat, CopyOption, CopySource, RedshiftWarehouse};
    /// use twinhouse_warehouse_api::TableRef;
    ///
    /// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
    /// let files = CopySource::s3("s3://lake/orders/2026-11-");
    /// let copy = CopyCommand::new(TableRef::new("orders"), files, CopyFormat::Csv).with(CopyOption::MaxErrors(10));
    /// let report = warehouse.copy(copy).await?;
    /// for error in &report.errors {
    ///     eprintln!("left out: {} line {:?}: {}", error.file, error.line, error.reason);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], before anything is sent, for what does not go together.
    /// [`ErrorKind::NotFound`] for a missing file, [`ErrorKind::PermissionDenied`] where the role may not read it,
    /// [`ErrorKind::Data`] for rows that cannot be loaded, with `file`, `line`, `copy column` and `reason` of the first
    /// in its context; [`load_errors`](Self::load_errors) has the others.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement; nothing is loaded, unless it was done already.
    pub async fn copy(&self, command: CopyCommand) -> Result<CopyReport> {
        let cluster = self.cluster();
        cluster.check_open()?;
        let call = Call::begin(command.call());
        let command = command.or_role(Role::of_setting(&cluster.config().iam_role));
        let sql = command.to_sql()?;
        let run = async {
            check_manifest(cluster, &command).await?;
            let operation = Operation::write("copy").with_class("load").with_attempt_timeout(UNBOUNDED);
            cluster.policy().execute(operation, |_| copy(cluster, &sql, &call)).await
        };
        let report = call.within(Box::pin(run)).await.map_err(|error| {
            if error.context("table").is_some() {
                error
            } else {
                error.with_context("table", command.table().to_string())
            }
        })?;
        Ok(CopyReport { elapsed: call.elapsed(), ..report })
    }

    /// What the server wrote down about rows that it could not load, newest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for a table that is not there. Views that the server does not have, or does not show to
    /// this user, hold nothing.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn load_errors(&self, filter: LoadErrorFilter) -> Result<Vec<LoadError>> {
        self.cluster().check_open()?;
        errors::load_errors(self.cluster(), filter).await
    }
}

/// Finds a manifest that the server would refuse, where it lies where we can read.
async fn check_manifest(cluster: &Cluster, command: &CopyCommand) -> Result<()> {
    let (CopySource::Manifest(url), true, Some(staging)) =
        (command.source(), command.format().is_columnar(), cluster.staging())
    else {
        return Ok(());
    };
    match staging.get(url).await {
        Ok(Some(content)) => CopyManifest::check(&content, command.format()),
        // The server says what is wrong with it, and may see what we do not.
        Ok(None) | Err(_) => Ok(()),
    }
}

async fn copy(cluster: &Cluster, sql: &str, call: &Call) -> Result<CopyReport> {
    let mut session = call.session(cluster).await?;
    match session.ask(sql).await {
        Ok(answer) => Ok(timeout(LOOK, report(&mut session, &answer)).await.unwrap_or_else(|_| noticed(&answer))),
        Err(error) if session.connection().is_broken() => Err(error),
        Err(error) => Err(explain(&mut session, error).await),
    }
}

fn noticed(answer: &Answer) -> CopyReport {
    let rows = answer.notices.iter().find_map(crate::wire::Notice::rows_loaded);
    CopyReport { rows, ..CopyReport::default() }
}

async fn report(session: &mut Session, answer: &Answer) -> CopyReport {
    let mut report = noticed(answer);
    let number = |row: &[Option<String>], at: usize| row.get(at)?.as_deref()?.trim().parse::<i64>().ok();
    let count = |row: &[Option<String>], at: usize| u64::try_from(number(row, at)?).ok();
    let Ok(ids) = session.ask("SELECT pg_last_copy_id(), pg_last_copy_count()").await else { return report };
    let Some(ids) = ids.rows.first() else { return report };
    report.query_id = number(ids, 0).filter(|id| *id >= 0);
    report.rows = count(ids, 1).or(report.rows);
    let Some(id) = report.query_id else { return report };
    for sql in [
        format!("SELECT source_file_count, source_file_bytes, error_count FROM sys_load_history WHERE query_id = {id}"),
        format!("SELECT COUNT(DISTINCT filename), NULL, SUM(errors) FROM stl_load_commits WHERE query = {id}"),
    ] {
        match session.ask(&sql).await {
            Ok(answer) if !answer.rows.is_empty() => {
                let row = &answer.rows[0];
                (report.files, report.bytes, report.rejected) = (count(row, 0), count(row, 1), count(row, 2));
                break;
            }
            _ => {}
        }
    }
    if report.rejected != Some(0) {
        report.errors = look(session, &Sought::of_query(id), true).await;
    }
    report
}

/// Adds to an error what the server wrote down about the load.
async fn explain(session: &mut Session, error: Error) -> Error {
    if error.sqlstate().is_none()
        || !matches!(error.kind(), ErrorKind::Data | ErrorKind::Constraint | ErrorKind::Internal)
    {
        return error;
    }
    let id = timeout(LOOK, session.ask("SELECT pg_last_copy_id()")).await;
    let id = id.ok().and_then(Result::ok).and_then(|answer| answer.value()?.trim().parse().ok()).filter(|id| *id >= 0);
    let Some(id) = id else { return error };
    let errors = look(session, &Sought::of_query(id), false).await;
    let Some(first) = errors.first() else { return error };
    first.add_to(error).with_context("copy id", id.to_string()).with_context("load errors", errors.len().to_string())
}
