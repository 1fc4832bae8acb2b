//! SQL on one warehouse: submits, waits, reads, stops.

use std::time::Duration;

use arrow::array::RecordBatch;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use twinhouse_core::{Effect, Error, ErrorKind, Result};
use twinhouse_warehouse_api::{BatchStream, Intent, RowStream, StatementHandle, StatementId};

use super::{
    check,
    history::{QueryFilter, QueryHistory},
    request::{CLIENT_ID_TAG, Disposition, Format, QueryTag, SqlRequest},
    response::{ResultManifest, StatementResponse},
    result::{RawResult, StatementResult},
    session::SessionBuilder,
};
use crate::{
    api::Client,
    config::DatabricksConfig,
    statement::{Driver, Statements},
};

/// First and longest pause between two looks into the history.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// By how much the service's clock and ours may differ.
const CLOCKS: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// SQL on one warehouse, or in one session of it. Cheap to clone.
///
/// Rows come as Arrow files behind presigned links unless the settings or the request say otherwise; whichever way they
/// come, they are the announced columns and exactly the announced number of rows, or an error.
///
/// # Cancellation
///
/// Dropping any of its futures, handles and streams before their end cancels the statement on the server, unless the
/// request said [`OnDrop::Detach`](twinhouse_warehouse_api::OnDrop::Detach).
#[derive(Clone, Debug)]
pub struct SqlClient {
    statements: Statements,
    in_session: bool,
}

impl SqlClient {
    pub(super) fn new(client: Client, config: &DatabricksConfig, warehouse_id: String) -> Self {
        Self { statements: Statements::on(client, config, warehouse_id), in_session: false }
    }

    pub(super) fn in_session(&self, session: String) -> Self {
        Self { statements: self.statements.in_session(session), in_session: true }
    }

    pub(super) fn statements(&self) -> &Statements {
        &self.statements
    }

    /// The warehouse.
    pub fn warehouse_id(&self) -> &str {
        self.statements.warehouse_id()
    }

    /// Runs a statement until its result can be read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] naming the field of the request; those of the statement.
    pub async fn execute(&self, request: impl Into<SqlRequest>) -> Result<StatementResult> {
        let (handle, driver) = self.hand_in(request.into()).await?;
        let id = handle.id().clone();
        let batches = handle.stream().await?;
        Ok(StatementResult { id, manifest: manifest(&driver), batches })
    }

    /// As [`execute`](Self::execute), for at most so long: submission, run and reading together. When the time is up,
    /// the statement is cancelled on the server.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute), and [`ErrorKind::Timeout`].
    pub async fn execute_with_timeout(
        &self,
        request: impl Into<SqlRequest>,
        limit: Duration,
    ) -> Result<StatementResult> {
        self.execute(request.into().with_timeout(limit)).await
    }

    /// Runs a statement that changes something, to its end, and answers how many rows it changed (0 where the service
    /// does not say).
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn run(&self, request: impl Into<SqlRequest>) -> Result<u64> {
        let result = self.execute(request.into().with_intent(Intent::Write)).await?;
        Ok(result.finish().await?.unwrap_or(0))
    }

    /// Runs a statement and streams its rows as Arrow batches.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn query(&self, request: impl Into<SqlRequest>) -> Result<BatchStream> {
        Ok(self.execute(request).await?.into_batches())
    }

    /// Runs a statement and streams its rows as `T`.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); [`ErrorKind::Data`] through the stream if a row does not fit `T`.
    pub async fn query_as<T>(&self, request: impl Into<SqlRequest>) -> Result<RowStream<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        Ok(self.execute(request).await?.into_rows())
    }

    /// Runs a statement and collects its rows. Memory grows with the result.
    ///
    /// # Errors
    ///
    /// As [`query_as`](Self::query_as).
    pub async fn fetch_all<T>(&self, request: impl Into<SqlRequest>) -> Result<Vec<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.execute(request).await?.collect_rows().await
    }

    /// Runs a statement and hands out the files of its result as they are: CSV (the default here), JSON or Arrow,
    /// behind links, unpacked.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); [`ErrorKind::InvalidInput`] for an inline result, which has no files.
    pub async fn download(&self, request: impl Into<SqlRequest>) -> Result<RawResult> {
        let request = request.into();
        if request.disposition() == Some(Disposition::Inline) {
            return Err(check::wrong("disposition", "an inline result has no files: ask for EXTERNAL_LINKS"));
        }
        let format = request.format().unwrap_or(Format::Csv);
        let request = request.with_disposition(Disposition::ExternalLinks).with_format(format);
        self.check_warehouse()?;
        let (statement, mut wishes) = request.into_parts(self.in_session)?;
        if let Some(delivery) = &mut wishes.delivery {
            delivery.compression = None;
        }
        let (driver, files) = self.statements.files(statement, wishes).await?;
        let id = twinhouse_warehouse_api::StatementDriver::id(&driver).clone();
        Ok(RawResult { id, manifest: manifest(&driver), files })
    }

    /// Hands a statement to the service and answers its handle as soon as it has an id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] naming the field of the request; those of the service. A statement that failed is
    /// told by its handle.
    pub async fn submit(&self, request: impl Into<SqlRequest>) -> Result<StatementHandle> {
        Ok(self.hand_in(request.into()).await?.0)
    }

    /// As [`submit`](Self::submit), and if the answer is lost, looks for the statement in the history of queries, for
    /// at most `patience`. The request gets a client id of its own unless it has one.
    ///
    /// The statement is never submitted twice. If it is not found, that does not prove that it did not run: the history
    /// may lag.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit). An error after a lost answer has the client id as its context `client_id`, so that
    /// [`recover`](Self::recover) can go on looking.
    pub async fn submit_or_find(&self, request: impl Into<SqlRequest>, patience: Duration) -> Result<StatementHandle> {
        let mut request = request.into();
        let id = match request.client_id() {
            Some(id) => id.to_owned(),
            None => {
                let id = uuid::Uuid::new_v4().to_string();
                request = request.with_client_id(&id);
                id
            }
        };
        let options = request.options();
        let began = chrono::Utc::now();
        let lost = match self.submit(request).await {
            Err(error) if error.fault().effect == Effect::Unknown => error,
            outcome => return outcome,
        };
        // A patience beyond the clock's own end has none.
        let deadline = Instant::now().checked_add(patience);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.recover(&id, began - CLOCKS).await {
                Ok(Some(found)) => {
                    tracing::info!(statement = %found, "found the statement whose id had been lost");
                    match self.statements.adopt(&found, &options).await {
                        Err(error) if error.is_retryable() => {
                            tracing::debug!(%error, "cannot take a lost statement over");
                        }
                        adopted => return adopted.map_err(|error| error.with_context("client_id", id)),
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "cannot look for a lost statement"),
            }
            if deadline.is_some_and(|deadline| Instant::now() + pause > deadline) {
                return Err(lost.with_context("client_id", id));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The statement with this client id among those that began on this warehouse since then, if the history of
    /// queries has it. The service cannot filter by tag: the history of that time is read here, page by page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a time that is more than 30 days ago; those of the service.
    pub async fn recover(&self, client_id: &str, since: chrono::DateTime<chrono::Utc>) -> Result<Option<StatementId>> {
        check::name("client_id", client_id)?;
        let filter =
            QueryFilter::new().with_warehouse(self.warehouse_id()).started_between(since, chrono::Utc::now() + CLOCKS);
        let found = self.history().find_by_tag(&QueryTag::new(CLIENT_ID_TAG, client_id), filter).await?;
        Ok(found.and_then(|query| query.query_id).map(StatementId::new))
    }

    /// Finds a statement again. It is somebody else's: letting go of the handle changes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for an id that the service does not know, or no more.
    pub async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        check::id("statement_id", id.as_str())?;
        self.statements.attach(id).await
    }

    /// Waits until a statement has a result to read, looking at it less and less often, every 5 s at last.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach), and those of the statement.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting, not the statement.
    pub async fn wait(&self, id: &StatementId) -> Result<StatementHandle> {
        let handle = self.attach(id).await?;
        handle.ready().await?;
        Ok(handle)
    }

    /// One look at a statement.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach). A statement that failed is an answer.
    pub async fn status(&self, id: &StatementId) -> Result<StatementResponse> {
        super::Statements::new(self.statements.client().clone()).get(id).await
    }

    /// Asks for a statement to be stopped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for an id that the service does not know.
    pub async fn cancel(&self, id: &StatementId) -> Result<()> {
        super::Statements::new(self.statements.client().clone()).cancel(id).await
    }

    /// Gives a result up.
    ///
    /// # Errors
    ///
    /// As [`cancel`](Self::cancel).
    pub async fn close(&self, id: &StatementId) -> Result<()> {
        super::Statements::new(self.statements.client().clone()).close(id).await
    }

    /// The rows of one chunk of a result, whichever way they come: exactly those of that chunk, wherever it begins.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a number that the result does not have, or a statement without a result;
    /// [`ErrorKind::Protocol`] if the chunk has not as many rows as announced.
    pub async fn fetch_chunk(&self, id: &StatementId, chunk_index: u64) -> Result<Vec<RecordBatch>> {
        check::id("statement_id", id.as_str())?;
        self.statements.chunk(id, chunk_index).await
    }

    /// A session of this warehouse, to be opened.
    pub fn session(&self) -> SessionBuilder {
        SessionBuilder::new(self.clone())
    }

    /// The history of queries.
    pub fn history(&self) -> QueryHistory {
        QueryHistory::new(self.statements.client().clone())
    }

    async fn hand_in(&self, request: SqlRequest) -> Result<(StatementHandle, Driver)> {
        if request.is_text() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "CSV cannot be read as rows: `download` hands it out as it is",
            )
            .with_context("field", "format"));
        }
        self.check_warehouse()?;
        let (statement, wishes) = request.into_parts(self.in_session)?;
        self.statements.submit_with(statement, wishes).await
    }

    fn check_warehouse(&self) -> Result<()> {
        check::id("warehouse_id", self.warehouse_id())
    }
}

fn manifest(driver: &Driver) -> ResultManifest {
    driver.manifest().map(|manifest| ResultManifest::new(&manifest)).unwrap_or_default()
}
