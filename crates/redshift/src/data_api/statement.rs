//! One statement: its text, its course and its rows.

use async_trait::async_trait;
use aws_sdk_redshiftdata::{
    operation::{describe_statement::DescribeStatementOutput, get_statement_result::GetStatementResultOutput},
    types::StatusString,
};
use futures::stream;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, Dialect as _, Outcome, RedshiftDialect, StatementDriver, StatementId, StatementRequest,
    StatementStatus,
};

use super::{
    client::{Client, Sending, SendingBatch},
    error::statement_failed,
    records,
};
use crate::{decode::batch::BatchBuilder, statement::text::Words};

/// The text that is sent: one statement with its values written in.
///
/// The service's own parameters are untyped text, may be neither null nor empty, and do not reach into an UNLOAD; the
/// dialect's literals have none of these holes.
pub(super) fn text(request: &StatementRequest, most: usize) -> Result<(String, Words)> {
    let words = Words::of(request.sql());
    let wrong = |why| Err(Error::new(ErrorKind::InvalidInput, why));
    if words.is_several() {
        return wrong("a request holds one statement; send several as a batch");
    }
    let sql = RedshiftDialect.inline(request.sql(), request.params())?;
    if sql.trim().is_empty() {
        return wrong("the statement is empty");
    }
    if sql.contains('\0') {
        return wrong("a statement cannot contain NUL");
    }
    if sql.len() > most {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the statement is longer than the Data API takes; use the wire",
        )
        .with_context("bytes", sql.len().to_string())
        .with_context("limit", most.to_string()));
    }
    Ok((sql, words))
}

/// A statement that was handed in.
#[derive(Debug)]
pub(super) struct Statement {
    client: Client,
    id: StatementId,
}

impl Statement {
    pub(super) async fn submit(client: Client, sending: Sending) -> Result<Self> {
        let answer = client.execute(sending).await?;
        Ok(Self::held(client, super::id_of(answer.id())?))
    }

    pub(super) async fn submit_batch(client: Client, batch: SendingBatch) -> Result<Self> {
        let id = client.batch(batch).await?;
        Ok(Self::held(client, id))
    }

    /// One that is stopped when the warehouse is closed.
    fn held(client: Client, id: String) -> Self {
        client.held().insert(id.clone());
        Self::named(client, id)
    }

    /// One that the service has just given this name.
    pub(super) fn named(client: Client, id: String) -> Self {
        Self { client, id: StatementId::new(id) }
    }

    /// One that was handed in before, perhaps by another process.
    pub(super) async fn find(client: Client, id: &StatementId) -> Result<Self> {
        client.describe(id.as_str(), false).await.map_err(|error| error.with_statement_id(id.as_str()))?;
        Ok(Self { client, id: id.clone() })
    }

    async fn describe(&self, wait: bool) -> Result<DescribeStatementOutput> {
        let answer = self.client.describe(self.id.as_str(), wait).await;
        answer.map_err(|error| error.with_statement_id(self.id.as_str()))
    }
}

/// Whoever detached it, or found it by its id, has it outlive the warehouse.
impl Drop for Statement {
    fn drop(&mut self) {
        self.client.held().remove(self.id.as_str());
    }
}

/// What the service's word for it means.
pub(super) fn status(word: Option<&str>, error: Option<&str>, id: &str) -> StatementStatus {
    match word.unwrap_or_default() {
        "STARTED" => StatementStatus::Running,
        "FINISHED" => StatementStatus::Succeeded,
        "ABORTED" => StatementStatus::Cancelled,
        "FAILED" => {
            let error = statement_failed(error.unwrap_or("the statement failed, and the service does not say why"));
            StatementStatus::Failed(error.with_statement_id(id))
        }
        // Submitted, picked, and words that do not exist yet.
        _ => StatementStatus::Queued,
    }
}

#[async_trait]
impl StatementDriver for Statement {
    fn id(&self) -> &StatementId {
        &self.id
    }

    async fn status(&self) -> Result<StatementStatus> {
        let seen = self.describe(true).await?;
        Ok(status(seen.status().map(StatusString::as_str), seen.error(), self.id.as_str()))
    }

    async fn cancel(&self) -> Result<()> {
        self.client.cancel(self.id.as_str()).await
    }

    async fn results(&self) -> Result<BatchStream> {
        let seen = self.describe(false).await?;
        rows(self.client.clone(), self.id.as_str(), seen.has_result_set() == Some(true), seen.result_rows()).await
    }
}

/// The rows of a statement that is over, page by page; of one without rows, how many it changed.
pub(super) async fn rows(client: Client, id: &str, has_rows: bool, changed: i64) -> Result<BatchStream> {
    if !has_rows {
        let outcome = Outcome::default();
        if let Ok(changed) = u64::try_from(changed) {
            outcome.note_rows_affected(changed);
        }
        let schema = std::sync::Arc::new(arrow::datatypes::Schema::empty());
        return Ok(BatchStream::from_batches(schema, Vec::new()).with_outcome(outcome));
    }
    let mut page = client.page(id, None).await.map_err(|error| error.with_statement_id(id))?;
    let columns = records::columns(page.column_metadata());
    let mut reader = Reader {
        client,
        id: id.to_owned(),
        builder: BatchBuilder::new(&columns),
        wanted: u64::try_from(page.total_num_rows()).ok(),
        received: 0,
        next: page.next_token.take(),
    };
    reader.take(&page)?;
    let first = if reader.builder.is_open() {
        Some(reader.builder.settle(reader.next.is_none())?)
    } else if reader.builder.is_empty() {
        None
    } else {
        Some(reader.builder.finish()?)
    };
    let schema = reader.builder.schema().clone();
    let first = first.filter(|batch| batch.num_rows() > 0);
    let batches = stream::try_unfold((first, reader), |(first, mut reader)| async move {
        if let Some(batch) = first {
            return Ok(Some((batch, (None, reader))));
        }
        while let Some(token) = reader.next.take() {
            let mut page = reader
                .client
                .page(&reader.id, Some(&token))
                .await
                .map_err(|error| error.with_statement_id(reader.id.clone()))?;
            reader.next = page.next_token.take();
            reader.take(&page)?;
            if !reader.builder.is_empty() {
                return Ok(Some((reader.builder.finish()?, (None, reader))));
            }
        }
        reader.check_complete()?;
        Ok(None)
    });
    Ok(BatchStream::new(schema, batches))
}

/// How far the pages have been read. A page has about a megabyte, and one is held at a time.
struct Reader {
    client: Client,
    id: String,
    builder: BatchBuilder,
    wanted: Option<u64>,
    received: u64,
    next: Option<String>,
}

impl Reader {
    fn take(&mut self, page: &GetStatementResultOutput) -> Result<()> {
        let mut bytes = Vec::new();
        for fields in page.records() {
            records::row(fields, &mut bytes)?;
            self.builder.push(&bytes)?;
            self.received += 1;
        }
        Ok(())
    }

    /// A result that stops short must not pass for a whole one.
    fn check_complete(&self) -> Result<()> {
        match self.wanted {
            Some(wanted) if wanted != self.received => {
                Err(Error::new(ErrorKind::Protocol, "the Data API gave another number of rows than it announced")
                    .with_statement_id(self.id.clone())
                    .with_context("announced", wanted.to_string())
                    .with_context("received", self.received.to_string()))
            }
            _ => Ok(()),
        }
    }
}
