//! A session that outlives its statements, and the transaction that lives in one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::sync::Mutex;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Report, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, StatementHandle, StatementRequest, Transaction, TransactionOptions, submit_in_task,
};

use super::{
    client::{Client, Sending},
    statement::{self, Statement},
};
use crate::transaction::refuse_barred;

/// A session of the server that lives on between statements: what they set, and their temporary tables, stay.
///
/// The service runs one statement of a session at a time. There is no call to end one: it ends when nothing was sent for
/// its keep-alive time, or after 24 hours.
///
/// ```no_run
/// # async fn example(warehouse: &twinhouse_redshift::data_api::DataApiWarehouse) -> twinhouse_core::Result<()> {
/// use std::time::Duration;
///
/// let mut session = warehouse.session(Duration::from_secs(60)).await?;
/// session.execute("create temp table t as select 1 as a").await?;
/// let rows = session.query("select a from t").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DataApiSession {
    client: Client,
    id: String,
    keep_alive: Duration,
}

impl DataApiSession {
    pub(super) async fn open(client: Client, keep_alive: Duration, first: &str) -> Result<Self> {
        // The service's own range.
        if !(1..=86_400).contains(&keep_alive.as_secs()) {
            return Err(Error::new(ErrorKind::InvalidInput, "a session is kept from 1 to 86,400 seconds")
                .with_context("setting", "keep_alive"));
        }
        let sending = Sending { sql: first.to_owned(), keep_alive: Some(keep_alive), ..Sending::default() };
        let answer = client.execute(sending).await?;
        let first = Arc::new(Statement::named(client.clone(), super::id_of(answer.id())?));
        let session = answer.session_id().map(str::to_owned);
        let id = session.ok_or_else(|| Error::new(ErrorKind::Protocol, "the Data API named no session"))?;
        StatementHandle::new(first, &CallOptions::default()).finish().await?;
        Ok(Self { client, id, keep_alive })
    }

    /// The service's name for it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs a statement and streams its rows, which the service keeps for 24 hours: the session is free for the next.
    ///
    /// # Errors
    ///
    /// The statement's own; [`ErrorKind::NotFound`] or [`ErrorKind::InvalidInput`] if the session has ended meanwhile.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement on the server.
    pub async fn query(&mut self, request: impl Into<StatementRequest>) -> Result<BatchStream> {
        self.run(request.into()).await
    }

    /// Runs a statement to its end and answers how many rows it changed, where the service says.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancellation
    ///
    /// As [`query`](Self::query).
    pub async fn execute(&mut self, request: impl Into<StatementRequest>) -> Result<Option<u64>> {
        let mut rows = self.run(request.into()).await?;
        while let Some(batch) = rows.next().await {
            batch?;
        }
        Ok(rows.rows_affected())
    }

    async fn run(&self, request: StatementRequest) -> Result<BatchStream> {
        let (sql, _) = statement::text(&request, self.client.config().max_statement_bytes)?;
        let options = request.options().clone();
        let sending = Sending {
            sql,
            name: options.label.clone(),
            session: Some(self.id.clone()),
            keep_alive: Some(self.keep_alive),
        };
        let handle = submit_in_task(options, Statement::submit(self.client.clone(), sending)).await?;
        handle.stream().await
    }
}

/// How long a transaction that nobody goes on with stays open on the server.
const IDLE: Duration = Duration::from_secs(300);

/// A transaction in a session of its own.
#[derive(Debug)]
pub(super) struct SessionTransaction {
    /// None once it has ended.
    session: Option<Arc<Mutex<DataApiSession>>>,
    options: TransactionOptions,
    failed: bool,
}

impl SessionTransaction {
    pub(super) async fn begin(client: Client, options: TransactionOptions) -> Result<Self> {
        if options.isolation.is_some() {
            return Err(Error::unsupported("redshift", "isolation is a setting of the database, not of a transaction"));
        }
        let begin = if options.read_only { "BEGIN READ ONLY" } else { "BEGIN" };
        // A session whose first statement is a setting: BEGIN must not be the one that a lost answer repeats.
        let limit = options.statement_timeout.map_or(0, |limit| limit.as_millis().clamp(1, i32::MAX as u128));
        let first = format!("SET statement_timeout TO {limit}");
        let mut session = DataApiSession::open(client, IDLE, &first).await?;
        session.execute(StatementRequest::write(begin)).await?;
        Ok(Self { session: Some(Arc::new(Mutex::new(session))), options, failed: false })
    }

    fn session(&self) -> Result<&Arc<Mutex<DataApiSession>>> {
        if self.failed {
            return Err(Error::new(ErrorKind::InvalidInput, "a statement of the transaction has failed: roll it back")
                .with_sqlstate("25P02"));
        }
        self.session.as_ref().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the transaction has ended"))
    }

    async fn end(&mut self, statement: &'static str) -> Result<()> {
        let Some(session) = self.session.clone() else { return Ok(()) };
        session.lock().await.execute(StatementRequest::write(statement)).await?;
        // Only now: an end that fails, or that nobody waits for, is followed by a rollback.
        self.session = None;
        Ok(())
    }
}

#[async_trait]
impl Transaction for SessionTransaction {
    async fn query(&mut self, request: StatementRequest) -> Result<BatchStream> {
        let (_, words) = statement::text(&request, usize::MAX)?;
        refuse_barred(&words)?;
        let session = self.session()?.clone();
        let request = match &self.options.label {
            Some(label) if request.options().label.is_none() => {
                let options = request.options().clone().with_label(label.clone());
                request.with_options(options)
            }
            _ => request,
        };
        // A future that is dropped leaves the transaction in doubt: it may only be rolled back.
        self.failed = true;
        let rows = session.lock().await.run(request).await.map_err(undone)?;
        self.failed = false;
        Ok(rows)
    }

    async fn execute(&mut self, request: StatementRequest) -> Result<u64> {
        let mut rows = self.query(request).await?;
        while let Some(batch) = rows.next().await {
            batch.map_err(undone)?;
        }
        Ok(rows.rows_affected().unwrap_or(0))
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.failed {
            self.end("ROLLBACK").await.map_err(undone)?;
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a statement of the transaction had failed: it was rolled back",
            )
            .with_fault(Fault::PERMANENT));
        }
        self.end("COMMIT").await.map_err(|error| error.with_operation("transaction.commit"))
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        self.end("ROLLBACK").await.map_err(|error| undone(error).with_operation("transaction.rollback"))
    }
}

impl Drop for SessionTransaction {
    fn drop(&mut self) {
        let (Some(session), Ok(runtime)) = (self.session.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            let mut session = session.lock().await;
            // The statement it was dropped in may not have stopped yet, and a session runs one at a time.
            for _ in 0..5 {
                match session.execute(StatementRequest::write("ROLLBACK")).await {
                    Ok(_) => return,
                    Err(error) => tracing::debug!(error = %Report(&error), "an abandoned transaction is still open"),
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            // The server does it itself when the session's time is over.
            tracing::warn!("an abandoned transaction could not be rolled back");
        });
    }
}

/// Whatever happened before the commit, the server undoes it.
fn undone(error: Error) -> Error {
    let fault = Fault { effect: Effect::None, ..error.fault() };
    error.with_fault(fault)
}
