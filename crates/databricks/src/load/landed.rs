//! Whether a statement whose answer was lost has done its work.
//!
//! COPY INTO remembers files; a statement that replaces rows remembers nothing. What remains is the table itself: its
//! history says which commits came after the version that the ledger noted, and how many rows each of them wrote. For
//! those that wrote as many as were staged, the rows decide: if what was to be replaced holds, at that version,
//! exactly the staged rows, then the load has had its effect, whoever brought it about, and must not have it again.

use std::collections::BTreeMap;

use serde::Deserialize;
use twinhouse_core::{Error, ErrorKind, FaultClass, Result};
use twinhouse_warehouse_api::{
    DatabricksDialect, Dialect as _, StatementId, StatementRequest,
    arrow::{array::AsArray as _, datatypes::Int64Type},
};

use super::{ledger::Ledger, run::Course};

/// So many commits are looked through.
const COMMITS: u64 = 500;
/// So many of them are compared: each reads what they have written.
const COMPARED: usize = 10;

/// A line of `DESCRIBE HISTORY`.
#[derive(Debug, Deserialize)]
struct Commit {
    version: i64,
    operation: Option<String>,
    #[serde(rename = "operationMetrics")]
    metrics: Option<BTreeMap<String, Option<String>>>,
}

impl Commit {
    /// Whether it may be a commit that wrote so many rows.
    fn may_have_written(&self, rows: u64) -> bool {
        let count = self.metrics.as_ref().and_then(|metrics| metrics.get("numOutputRows")?.as_deref());
        match count {
            Some(count) => count.parse() == Ok(rows),
            // Those that write rows are called by these words; the others (OPTIMIZE, SET TBLPROPERTIES) do not count.
            None => self.operation.as_deref().is_none_or(|name| {
                let name = name.to_ascii_uppercase();
                ["WRITE", "AS SELECT", "REPLACE", "INSERT", "OVERWRITE"].iter().any(|word| name.contains(word))
            }),
        }
    }
}

impl Course<'_> {
    /// The table's version now; `None` if there is no such table.
    pub(super) async fn version(&self) -> Result<Option<u64>> {
        Ok(self.history(1).await?.first().and_then(|commit| u64::try_from(commit.version).ok()))
    }

    async fn history(&self, limit: u64) -> Result<Vec<Commit>> {
        let sql = format!("DESCRIBE HISTORY {} LIMIT {limit}", DatabricksDialect.table(self.table)?);
        let rows = async { self.loader.statements.submit(StatementRequest::read(sql)).await?.stream().await };
        match rows.await {
            Ok(rows) => rows.rows::<Commit>().collect_rows().await,
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn has_landed(&self, ledger: &Ledger) -> Result<bool> {
        if self.statement_succeeded(ledger).await? {
            return Ok(true);
        }
        let (replacement, rows) = (self.replacement(ledger)?, ledger.staged.rows());
        let commits = self.history(COMMITS).await?;
        let is_new = |commit: &Commit| replacement.before.is_none_or(|before| commit.version > before as i64);
        if commits.len() as u64 == COMMITS && commits.iter().all(is_new) {
            return Err(self.cannot_tell("more commits have come since than can be looked through", None));
        }
        let like_ours: Vec<_> =
            commits.iter().filter(|commit| is_new(commit) && commit.may_have_written(rows)).collect();
        if like_ours.len() > COMPARED {
            return Err(self.cannot_tell("too many commits since have written as many rows", None));
        }
        for commit in like_ours {
            let version = u64::try_from(commit.version).unwrap_or_default();
            let sql = replacement.difference(self.table, version, self.files(ledger).as_deref())?;
            match self.count(&sql).await {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                // Old files may be gone, and some types cannot be compared.
                Err(error) if error.fault().class == FaultClass::Permanent => {
                    let why = "a commit since has written as many rows, and cannot be compared";
                    return Err(self.cannot_tell(why, Some(version)).with_source(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Whether a statement that took its time, and whose sender is gone, has ended well. It is waited for.
    async fn statement_succeeded(&self, ledger: &Ledger) -> Result<bool> {
        let Some(note) = self.loader.client.file(&self.note(ledger)?).await? else { return Ok(false) };
        let id = StatementId::new(String::from_utf8_lossy(&note).trim().to_owned());
        let ended = async { self.loader.statements.attach(&id).await?.finish().await };
        match ended.await {
            Ok(_) => Ok(true),
            // It failed, or the service has forgotten it: the history knows.
            Err(error) if error.fault().class == FaultClass::Permanent => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn count(&self, sql: &str) -> Result<i64> {
        let rows = self.loader.statements.submit(StatementRequest::read(sql)).await?.stream().await?;
        let batches = rows.collect_batches().await?;
        let found = batches.iter().find(|batch| batch.num_rows() > 0);
        found
            .and_then(|batch| batch.column(0).as_primitive_opt::<Int64Type>())
            .map(|counts| counts.value(0))
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the service did not count the rows that differ"))
    }

    fn cannot_tell(&self, why: &'static str, version: Option<u64>) -> Error {
        let mut error =
            Error::new(ErrorKind::Conflict, format!("it cannot be told whether this load has landed: {why}"))
                .with_fault(twinhouse_core::Fault::PERMANENT)
                .with_context("table", self.table.to_string())
                .with_context(
                    "cure",
                    "look at the table: if the rows are in, go on; if not, load them with a new token",
                );
        if let Some(version) = version {
            error = error.with_context("version", version.to_string());
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_that_wrote_other_rows_are_not_compared() {
        let commit = |operation: &str, rows: Option<&str>| Commit {
            version: 1,
            operation: Some(operation.into()),
            metrics: Some(rows.map(|rows| ("numOutputRows".to_owned(), Some(rows.to_owned()))).into_iter().collect()),
        };
        assert!(commit("WRITE", Some("7")).may_have_written(7));
        assert!(!commit("WRITE", Some("8")).may_have_written(7));
        assert!(commit("CREATE OR REPLACE TABLE AS SELECT", None).may_have_written(7));
        assert!(!commit("OPTIMIZE", None).may_have_written(7));
        assert!(!commit("SET TBLPROPERTIES", None).may_have_written(0));
    }
}
