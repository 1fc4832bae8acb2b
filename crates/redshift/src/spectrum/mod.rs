//! Spectrum: tables whose rows lie elsewhere, in S3 or in another database.

mod create;
mod list;
mod partition;
mod scan;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;
use twinhouse_core::Result;
use twinhouse_warehouse_api::{StatementRequest, TableFilter, TableRef};

pub use self::{
    create::{CreateExternalSchema, CreateExternalTable, ExternalFormat, ExternalSource},
    list::{ExternalColumn, ExternalSchema, ExternalTable, ExternalTableDetail, SchemaKind},
    partition::{ExternalPartition, NewPartition},
    scan::{ExternalQuery, ScanStats},
};
use crate::{RedshiftWarehouse, cluster::Cluster, command};

/// External schemas, tables and partitions, and queries over them; see [`RedshiftWarehouse::spectrum`].
///
/// Lists ask the catalogs behind the schemas (Glue, Hive, other databases): they can be slow, and fail on their own.
///
/// ```no_run
/// use futures::TryStreamExt as _;
/// use twinhouse_redshift::{NewPartition, RedshiftWarehouse};
/// use twinhouse_warehouse_api::StatementRequest;
///
/// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
/// let spectrum = warehouse.spectrum();
/// let partition = NewPartition::new("s3://lake/sales/day=2026-01-31/").with_value("day", "2026-01-31");
/// spectrum.add_partitions(&"lake.sales".parse()?, &[partition], true).await?;
///
/// let mut query = spectrum.query(StatementRequest::read("select count(*) from lake.sales")).await?;
/// while let Some(batch) = query.stream().try_next().await? {
///     println!("{} rows", batch.num_rows());
/// }
/// println!("scanned: {:?}", query.finish().await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Spectrum(Arc<Cluster>);

impl RedshiftWarehouse {
    /// External schemas and tables.
    pub fn spectrum(&self) -> Spectrum {
        Spectrum(self.cluster().clone())
    }
}

impl Spectrum {
    /// The external schemas of this database, in the order of their names.
    pub fn schemas(&self) -> BoxStream<'static, Result<ExternalSchema>> {
        list::schemas(self.0.clone())
    }

    /// The external tables. The filter's `schema` and `name_like` count; name the schema to ask one catalog only.
    pub fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<ExternalTable>> {
        list::tables(self.0.clone(), &filter)
    }

    /// The external tables, each with its columns and partitions. A table takes two looks more.
    pub fn table_details(&self, filter: TableFilter) -> BoxStream<'static, Result<ExternalTableDetail>> {
        list::details(self.0.clone(), &filter)
    }

    /// The columns of an external table, in order. Empty: there is no such table.
    pub fn columns(&self, table: &TableRef) -> BoxStream<'static, Result<ExternalColumn>> {
        list::columns(self.0.clone(), table)
    }

    /// The partitions of an external table.
    pub fn partitions(&self, table: &TableRef) -> BoxStream<'static, Result<ExternalPartition>> {
        partition::partitions(self.0.clone(), table)
    }

    /// Makes an external schema.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for settings that do not go together.
    pub async fn create_schema(&self, request: &CreateExternalSchema) -> Result<()> {
        command::run(&self.0, "spectrum.create_schema", &[&request.sql()?]).await.map(drop)
    }

    /// Makes an external table over files that are there, or will be. It cannot run inside a transaction.
    ///
    /// # Errors
    ///
    /// As [`create_schema`](Self::create_schema).
    pub async fn create_table(&self, request: &CreateExternalTable) -> Result<()> {
        command::run(&self.0, "spectrum.create_table", &[&request.sql()?]).await.map(drop)
    }

    /// Tells an external table of partitions, a hundred at a time: Redshift takes no more in one statement. With
    /// `skip_known`, those that it knows already are no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for a partition without values, before anything
    /// is sent. When a later statement fails, the partitions of those before it stay: call again with `skip_known`.
    pub async fn add_partitions(&self, table: &TableRef, partitions: &[NewPartition], skip_known: bool) -> Result<()> {
        let statements = partition::add_sql(table, partitions, skip_known)?;
        for sql in &statements {
            command::run(&self.0, "spectrum.add_partitions", &[sql]).await?;
        }
        Ok(())
    }

    /// Takes a partition off an external table. Its files stay.
    ///
    /// # Errors
    ///
    /// As [`add_partitions`](Self::add_partitions).
    pub async fn drop_partition(&self, table: &TableRef, partition: &NewPartition) -> Result<()> {
        command::run(&self.0, "spectrum.drop_partition", &[&partition::drop_sql(table, partition)?]).await.map(drop)
    }

    /// Runs a query and says afterwards what Spectrum scanned for it.
    ///
    /// # Errors
    ///
    /// Those of the query.
    ///
    /// # Cancellation
    ///
    /// Dropping what it answers cancels the query.
    pub async fn query(&self, request: StatementRequest) -> Result<ExternalQuery> {
        scan::query(&self.0, request).await
    }

    /// What Spectrum scanned for a query of this number; nothing is known of queries that read no external table.
    ///
    /// # Errors
    ///
    /// Those of a connection.
    pub async fn scan_stats(&self, query: i64) -> Result<ScanStats> {
        self.0.check_open()?;
        scan::stats(&self.0, query).await
    }

    #[cfg(test)]
    pub(crate) fn over(cluster: Arc<Cluster>) -> Self {
        Self(cluster)
    }
}
