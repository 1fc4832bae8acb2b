//! What users call, written once on top of the contract.

use std::{future::Future, time::Duration};

use futures::{StreamExt as _, future::BoxFuture};
use serde::de::DeserializeOwned;
use twinhouse_core::{Error, ErrorKind, Result};

use crate::{
    batches::BatchStream,
    merge::{MergeReport, MergeRequest, MergeSource},
    rows::RowStream,
    statement::{Intent, StatementRequest},
    table::TableRef,
    transaction::{Transaction, TransactionOptions},
    warehouse::Warehouse,
};

const TRANSACTION_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Everyday calls for every [`Warehouse`], `dyn Warehouse` included.
///
/// ```no_run
/// # async fn example(warehouse: &dyn twinhouse_warehouse_api::Warehouse) -> twinhouse_core::Result<()> {
/// use serde::Deserialize;
/// use twinhouse_warehouse_api::{StatementRequest, WarehouseExt};
///
/// #[derive(Deserialize)]
/// struct Region {
///     region: String,
///     orders: i64,
/// }
///
/// let request = StatementRequest::read("select region, count(*) as orders from sales where year = :year group by region")
///     .bind("year", 2026);
/// for row in warehouse.fetch_all::<Region>(request).await? {
///     println!("{} {}", row.region, row.orders);
/// }
/// # Ok(())
/// # }
/// ```
pub trait WarehouseExt: Warehouse {
    /// Runs a statement and streams its rows as Arrow batches.
    ///
    /// # Errors
    ///
    /// As [`Warehouse::submit`] and [`StatementHandle::stream`](crate::StatementHandle::stream).
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement on the server.
    fn query(&self, request: impl Into<StatementRequest> + Send) -> impl Future<Output = Result<BatchStream>> + Send {
        let request = request.into();
        async move { self.submit(request).await?.stream().await }
    }

    /// Runs a statement that changes something, to its end, and answers how many rows it affected (0 where the
    /// server does not say, as for DDL). Plain text is a write here.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement on the server; what it had done by then depends on the server.
    fn execute(&self, request: impl Into<StatementRequest> + Send) -> impl Future<Output = Result<u64>> + Send {
        let request = request.into().with_intent(Intent::Write);
        async move { Ok(self.submit(request).await?.finish().await?.unwrap_or(0)) }
    }

    /// Runs a statement and streams its rows as `T`.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query); [`ErrorKind::Data`] through the stream if a row does not fit `T`.
    fn query_as<T>(
        &self,
        request: impl Into<StatementRequest> + Send,
    ) -> impl Future<Output = Result<RowStream<T>>> + Send
    where
        T: DeserializeOwned + Send + 'static,
    {
        let request = request.into();
        async move { Ok(self.query(request).await?.rows()) }
    }

    /// Runs a statement and collects its rows. Memory grows with the result.
    ///
    /// # Errors
    ///
    /// As [`query_as`](Self::query_as).
    fn fetch_all<T>(&self, request: impl Into<StatementRequest> + Send) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: DeserializeOwned + Send + 'static,
    {
        let request = request.into();
        async move { self.query_as(request).await?.collect_rows().await }
    }

    /// Runs a statement that must give exactly one row.
    ///
    /// # Errors
    ///
    /// As [`query_as`](Self::query_as); [`ErrorKind::NotFound`] for no row, [`ErrorKind::Data`] for more than one.
    fn fetch_one<T>(&self, request: impl Into<StatementRequest> + Send) -> impl Future<Output = Result<T>> + Send
    where
        T: DeserializeOwned + Send + 'static,
    {
        let request = request.into();
        async move {
            let row = self.fetch_optional(request).await?;
            row.ok_or_else(|| Error::new(ErrorKind::NotFound, "the query gave no row where one was wanted"))
        }
    }

    /// Runs a statement that gives one row or none.
    ///
    /// # Errors
    ///
    /// As [`query_as`](Self::query_as); [`ErrorKind::Data`] for more than one row.
    fn fetch_optional<T>(
        &self,
        request: impl Into<StatementRequest> + Send,
    ) -> impl Future<Output = Result<Option<T>>> + Send
    where
        T: DeserializeOwned + Send + 'static,
    {
        let request = request.into();
        async move {
            let mut rows = self.query_as::<T>(request).await?;
            let Some(first) = rows.next().await.transpose()? else { return Ok(None) };
            match rows.next().await.transpose()? {
                None => Ok(Some(first)),
                Some(_) => Err(Error::new(ErrorKind::Data, "the query gave more than one row where one was wanted")),
            }
        }
    }

    /// Updates the rows whose keys are there and inserts the others, all or nothing.
    ///
    /// # Errors
    ///
    /// As [`Warehouse::merge`].
    fn upsert(
        &self,
        target: TableRef,
        batches: BatchStream,
        keys: &[&str],
    ) -> impl Future<Output = Result<MergeReport>> + Send {
        let request = MergeRequest::upsert(target, MergeSource::Batches(batches), keys.iter().copied());
        async move { self.merge(request).await }
    }

    /// Runs `work` in a transaction and commits it. On a conflict with another transaction, seen in `work` or at the
    /// commit, the whole is tried again, after a pause, a bounded number of times; on nothing else.
    ///
    /// # Errors
    ///
    /// Those of `work` and of the transaction; the last [`ErrorKind::Conflict`] when the tries are used up.
    ///
    /// # Cancellation
    ///
    /// Dropping the future rolls the open transaction back.
    fn in_transaction<T, F>(&self, options: TransactionOptions, mut work: F) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: for<'t> FnMut(&'t mut dyn Transaction) -> BoxFuture<'t, Result<T>> + Send,
    {
        async move {
            let most = options.max_attempts.unwrap_or(TRANSACTION_ATTEMPTS).max(1);
            let mut pause = FIRST_PAUSE;
            let mut attempt = 1;
            loop {
                let mut transaction = self.begin(options.clone()).await?;
                let outcome = match work(transaction.as_mut()).await {
                    Ok(done) => transaction.commit().await.map(|()| done),
                    Err(error) => {
                        // The error of the work is what the caller must see; a failed rollback only ends the connection.
                        if let Err(rollback) = transaction.rollback().await {
                            tracing::debug!(error = %rollback, "rollback failed");
                        }
                        Err(error)
                    }
                };
                match outcome {
                    Err(error) if error.kind() == ErrorKind::Conflict && error.is_retryable() && attempt < most => {
                        tracing::debug!(attempt, %error, "transaction conflict, trying again");
                    }
                    Err(error) => return Err(error.with_attempts(attempt)),
                    Ok(done) => return Ok(done),
                }
                tokio::time::sleep(pause.mul_f64(0.5 + f64::from(attempt % 4) / 8.0)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                attempt += 1;
            }
        }
    }
}

impl<W: Warehouse + ?Sized> WarehouseExt for W {}
