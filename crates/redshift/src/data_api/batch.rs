//! Several statements in one submission.

use aws_sdk_redshiftdata::types::{ExecutionMode, StatementStatusString, SubStatementData};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, StatementId, StatementRequest, StatementStatus, submit_in_task,
};

use super::{
    client::{Client, SendingBatch},
    statement::{self, Statement},
};
use crate::transaction::refuse_barred;

/// The most statements that the service takes at a time.
const MOST: usize = 40;

/// Whether the statements of a batch stand and fall together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchMode {
    /// One transaction: all of them, or none.
    #[default]
    Transaction,
    /// Each for itself; the first that fails ends the batch.
    Each,
}

/// Several statements to be run one after the other, on the server, without us.
///
/// ```
/// use twinhouse_redshift::data_api::{BatchMode, BatchRequest};
/// use twinhouse_warehouse_api::StatementRequest;
///
/// let nightly = BatchRequest::new([
///     StatementRequest::write("delete from totals where day = :day").bind("day", "2026-11-20"),
///     StatementRequest::write("insert into totals select * from staged"),
/// ])
/// .with_name("nightly")
/// .with_mode(BatchMode::Transaction);
/// assert_eq!(nightly.len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct BatchRequest {
    statements: Vec<StatementRequest>,
    name: Option<String>,
    mode: BatchMode,
}

impl BatchRequest {
    /// These statements, as one transaction.
    pub fn new(statements: impl IntoIterator<Item = StatementRequest>) -> Self {
        Self { statements: statements.into_iter().collect(), name: None, mode: BatchMode::Transaction }
    }

    /// Names it in the service's own history: up to 2,048 bytes.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says whether the statements stand and fall together.
    #[must_use]
    pub fn with_mode(mut self, mode: BatchMode) -> Self {
        self.mode = mode;
        self
    }

    /// How many statements.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The parts that the service takes: one, or several of forty statements named `name/1`, `name/2`, ….
    fn parts(&self, most_bytes: usize) -> Result<Vec<SendingBatch>> {
        let bad = |why: &'static str| Error::new(ErrorKind::InvalidInput, why);
        if self.statements.is_empty() {
            return Err(bad("a batch needs at least one statement"));
        }
        let mut sqls = Vec::with_capacity(self.len());
        for (index, request) in self.statements.iter().enumerate() {
            let number = || (index + 1).to_string();
            let (sql, words) = statement::text(request, most_bytes).map_err(|e| e.with_context("number", number()))?;
            if self.mode == BatchMode::Transaction {
                refuse_barred(&words).map_err(|error| error.with_context("number", number()))?;
            }
            sqls.push(sql);
        }
        let mode = match self.mode {
            BatchMode::Transaction => ExecutionMode::Transaction,
            BatchMode::Each => ExecutionMode::AutoCommit,
        };
        if sqls.len() <= MOST {
            return Ok(vec![SendingBatch { sqls, name: self.name.clone(), mode }]);
        }
        if self.mode == BatchMode::Transaction {
            return Err(bad(
                "a batch of more than 40 statements cannot be one transaction; use `begin`, or `BatchMode::Each`",
            )
            .with_context("statements", sqls.len().to_string()));
        }
        let parts = sqls.chunks(MOST).enumerate().map(|(part, sqls)| SendingBatch {
            sqls: sqls.to_vec(),
            name: self.name.as_ref().map(|name| format!("{name}/{}", part + 1)),
            mode: mode.clone(),
        });
        Ok(parts.collect())
    }
}

/// One statement of a batch, as the service left it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchStatement {
    /// The service's name for it: that of the batch, a colon and a number.
    pub id: StatementId,
    /// Where it stands. In a transaction that failed, those before the culprit may be called successful all the same.
    pub status: StatementStatus,
    /// Rows that it gave or changed, where the service says.
    pub rows: Option<u64>,
    /// Whether it has rows to be read.
    pub has_rows: bool,
}

/// What became of a batch that went through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchOutcome {
    /// Its statements, in order.
    pub statements: Vec<BatchStatement>,
    client: Client,
}

impl BatchOutcome {
    /// The rows of the statement with this number, counted from 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such statement; those of reading.
    ///
    /// # Cancellation
    ///
    /// Dropping the future or the stream loses nothing: the service keeps the rows for 24 hours.
    pub async fn rows(&self, number: usize) -> Result<BatchStream> {
        let Some(statement) = self.statements.get(number) else {
            return Err(Error::new(ErrorKind::NotFound, "the batch has no statement of that number")
                .with_context("number", number.to_string())
                .with_context("statements", self.statements.len().to_string()));
        };
        let changed = statement.rows.and_then(|rows| i64::try_from(rows).ok()).unwrap_or(-1);
        statement::rows(self.client.clone(), statement.id.as_str(), statement.has_rows, changed).await
    }
}

/// Runs a batch to its end.
pub(super) async fn run(client: Client, request: BatchRequest) -> Result<BatchOutcome> {
    let mut statements = Vec::with_capacity(request.len());
    for part in request.parts(client.config().max_statement_bytes)? {
        statements.extend(one(&client, part).await.map_err(|error| {
            // What went before in a batch of several parts is done.
            error.with_context("completed", statements.len().to_string())
        })?);
    }
    Ok(BatchOutcome { statements, client })
}

async fn one(client: &Client, part: SendingBatch) -> Result<Vec<BatchStatement>> {
    let submission = Statement::submit_batch(client.clone(), part);
    let handle = submit_in_task(CallOptions::default(), submission).await?;
    let ended = handle.ready().await;
    let seen = client.describe(handle.id().as_str(), false).await;
    if let Err(error) = ended {
        let parts = seen.as_ref().map(|seen| seen.sub_statements()).unwrap_or_default();
        let culprit = parts.iter().position(|part| part.status() == Some(&StatementStatusString::Failed));
        return Err(match culprit {
            Some(index) => error.with_context("number", (index + 1).to_string()),
            None => error,
        });
    }
    let seen = seen.map_err(|error| error.with_statement_id(handle.id().as_str()))?;
    handle.detach();
    Ok(seen.sub_statements().iter().map(BatchStatement::of).collect())
}

impl BatchStatement {
    fn of(sub: &SubStatementData) -> Self {
        Self {
            id: StatementId::new(sub.id()),
            status: statement::status(sub.status().map(StatementStatusString::as_str), sub.error(), sub.id()),
            rows: u64::try_from(sub.result_rows()).ok(),
            has_rows: sub.has_result_set() == Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(count: usize) -> Vec<StatementRequest> {
        (0..count).map(|n| StatementRequest::write(format!("insert into t values ({n})"))).collect()
    }

    #[test]
    fn more_than_forty_statements_are_split_by_name_if_each_stands_for_itself() {
        let parts = BatchRequest::new(many(81)).with_name("night").with_mode(BatchMode::Each).parts(1000).unwrap();
        let seen: Vec<_> = parts.iter().map(|part| (part.name.as_deref().unwrap(), part.sqls.len())).collect();
        assert_eq!(seen, [("night/1", 40), ("night/2", 40), ("night/3", 1)]);
        assert_eq!(
            BatchRequest::new(many(40)).with_name("night").parts(1000).unwrap()[0].name.as_deref(),
            Some("night")
        );
    }

    #[test]
    fn a_transaction_is_never_split() {
        let error = BatchRequest::new(many(41)).parts(1000).unwrap_err();
        assert_eq!((error.kind(), error.context("statements")), (ErrorKind::InvalidInput, Some("41")));
    }

    #[test]
    fn what_cannot_be_sent_names_its_number() {
        for (bad, kind) in [
            ("vacuum t", ErrorKind::Unsupported),
            ("select 1; select 2", ErrorKind::InvalidInput),
            ("select :missing", ErrorKind::InvalidInput),
            ("  ", ErrorKind::InvalidInput),
        ] {
            let batch = BatchRequest::new([StatementRequest::write("select 1"), StatementRequest::write(bad)]);
            let error = batch.parts(1000).unwrap_err();
            assert_eq!((error.kind(), error.context("number")), (kind, Some("2")), "{bad}");
        }
        assert_eq!(BatchRequest::new([]).parts(1000).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
