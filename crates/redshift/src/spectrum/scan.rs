//! Queries over external tables, and what was scanned for them.

use std::sync::Arc;

use futures::TryStreamExt as _;
use twinhouse_core::{Error, ErrorKind, Report, Result};
use twinhouse_warehouse_api::{BatchStream, StatementRequest, Transaction as _, TransactionOptions};

use crate::{
    cluster::Cluster,
    transaction::{self, RedshiftTransaction},
    views::View,
};

const DETAIL: View = View {
    name: "sys_external_query_detail",
    columns: &[
        "SUM(total_partitions)",
        "SUM(qualified_partitions)",
        "SUM(scanned_files)",
        "SUM(returned_rows)",
        "SUM(returned_bytes)",
        "MAX(TRIM(warning_message))",
    ],
    later: &["SUM(s3list_time)", "SUM(get_partition_time)"],
};

/// What Spectrum scanned for a query. All is `None` if the server has no row of it: it read no external table, or the server
/// has not written it down yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanStats {
    /// The number of the query, if it is known.
    pub query: Option<i64>,
    /// How many partitions its tables have.
    pub total_partitions: Option<u64>,
    /// How many of them it had to look into.
    pub qualified_partitions: Option<u64>,
    /// How many files were scanned.
    pub scanned_files: Option<u64>,
    /// How many rows came back from S3.
    pub returned_rows: Option<u64>,
    /// How many bytes came back from S3.
    pub returned_bytes: Option<u64>,
    /// What the server warns of.
    pub warning: Option<String>,
    /// How long listing the files took, in milliseconds, over all slices.
    pub listing_ms: Option<u64>,
    /// How long looking up the partitions took, in milliseconds, over all slices.
    pub partitions_ms: Option<u64>,
}

/// A query over external tables that is being read; see [`Spectrum::query`](super::Spectrum::query).
#[derive(Debug)]
pub struct ExternalQuery {
    cluster: Arc<Cluster>,
    stream: BatchStream,
    // After the stream: dropped first, it would find the session still out.
    transaction: RedshiftTransaction,
}

impl ExternalQuery {
    /// The rows.
    pub fn stream(&mut self) -> &mut BatchStream {
        &mut self.stream
    }

    /// Reads what is left of the rows, and says what was scanned.
    ///
    /// # Errors
    ///
    /// Those of the query. What was scanned is beside the point: if the server does not say, it is `None`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the query.
    pub async fn finish(mut self) -> Result<ScanStats> {
        while self.stream.try_next().await?.is_some() {}
        drop(self.stream);
        // On the same session, whose last query it was.
        let ask = StatementRequest::read("select last_user_query_id()");
        let id = match last_id(&mut self.transaction, ask).await {
            Ok(id) => id,
            Err(error) => {
                tracing::debug!(error = %Report(&error), "the number of the query is not known");
                None
            }
        };
        Box::new(self.transaction).rollback().await?;
        match id {
            Some(id) => stats(&self.cluster, id).await.or_else(|error| {
                tracing::debug!(error = %Report(&error), "what was scanned is not known");
                Ok(ScanStats { query: Some(id), ..ScanStats::default() })
            }),
            None => Ok(ScanStats::default()),
        }
    }
}

async fn last_id(transaction: &mut RedshiftTransaction, ask: StatementRequest) -> Result<Option<i64>> {
    let batches = transaction.query(ask).await?.collect_batches().await?;
    let column = batches.first().and_then(|batch| batch.columns().first().cloned());
    let ids = column.as_ref().and_then(|column| column.as_any().downcast_ref::<arrow::array::Int64Array>());
    Ok(ids.and_then(|ids| ids.iter().next().flatten()).filter(|id| *id > 0))
}

pub(super) async fn query(cluster: &Arc<Cluster>, request: StatementRequest) -> Result<ExternalQuery> {
    cluster.check_open()?;
    let mut transaction =
        transaction::begin(cluster.clone(), TransactionOptions::default().with_read_only(true)).await?;
    let stream = transaction.query(request).await?;
    Ok(ExternalQuery { cluster: cluster.clone(), stream, transaction })
}

pub(super) async fn stats(cluster: &Cluster, id: i64) -> Result<ScanStats> {
    let rows = DETAIL.read(cluster, "spectrum.scan", &format!("WHERE query_id = {id}")).await?;
    let Some(mut row) = rows.into_iter().next() else {
        return Err(Error::new(ErrorKind::Protocol, "a sum has no row"));
    };
    Ok(ScanStats {
        query: Some(id),
        total_partitions: row.count()?,
        qualified_partitions: row.count()?,
        scanned_files: row.count()?,
        returned_rows: row.count()?,
        returned_bytes: row.count()?,
        warning: row.padded()?,
        listing_ms: row.count()?,
        partitions_ms: row.count()?,
    })
}
