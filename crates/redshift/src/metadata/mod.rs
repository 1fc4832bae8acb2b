//! What the catalog says: databases, schemas, tables, columns, keys, datashares, late-binding views.

mod column;
mod database;
mod late_binding;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;
use twinhouse_core::Result;
use twinhouse_warehouse_api::{Expression, TableFilter, TableRef};

pub use self::{
    column::{ColumnDetail, DistStyle, SortKey, TableKeys},
    database::{DatabaseInfo, DatashareInfo, SchemaInfo},
    late_binding::LateBindingColumn,
    table::{TableDetail, TableStats},
};
use crate::{RedshiftWarehouse, cluster::Cluster};

/// What the catalog says beyond the contract's `table` and `tables`; see [`RedshiftWarehouse::metadata`].
///
/// Lists are streams, read page by page. External tables are listed by [`Spectrum`](crate::Spectrum): their catalogs are
/// slow and can fail, and must not make a list of local tables fail with them.
///
/// ```no_run
/// use futures::TryStreamExt as _;
/// use twinhouse_redshift::RedshiftWarehouse;
/// use twinhouse_warehouse_api::TableFilter;
///
/// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
/// let metadata = warehouse.metadata();
/// let mut tables = metadata.table_stats(TableFilter::default().with_schema("sales"));
/// while let Some(stats) = tables.try_next().await? {
///     if stats.unsorted_percent.is_some_and(|percent| percent > 20.0) {
///         println!("{} wants a vacuum", stats.table);
///     }
/// }
/// let keys = metadata.keys(&"sales.orders".parse()?).await?;
/// println!("distributed by {:?}, sorted by {:?}", keys.dist_key, keys.sort_key);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Metadata(Arc<Cluster>);

impl RedshiftWarehouse {
    /// What the catalog says.
    pub fn metadata(&self) -> Metadata {
        Metadata(self.cluster().clone())
    }
}

impl Metadata {
    /// The databases, local and made from datashares, in the order of their names.
    pub fn databases(&self) -> BoxStream<'static, Result<DatabaseInfo>> {
        database::databases(self.0.clone())
    }

    /// The schemas: local, external and shared. The filter's `catalog` and `schema` count.
    pub fn schemas(&self, filter: TableFilter) -> BoxStream<'static, Result<SchemaInfo>> {
        database::schemas(self.0.clone(), &filter)
    }

    /// The tables and views that are not external, with owner and comment.
    pub fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableDetail>> {
        table::tables(self.0.clone(), &filter)
    }

    /// The columns of a table or view that is not external, with encodings and their part in the keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none of this name.
    pub async fn columns(&self, table: &TableRef) -> Result<Vec<ColumnDetail>> {
        self.0.check_open()?;
        column::columns(&self.0, table).await
    }

    /// How a table is distributed and sorted.
    ///
    /// # Errors
    ///
    /// As [`columns`](Self::columns).
    pub async fn keys(&self, table: &TableRef) -> Result<TableKeys> {
        self.0.check_open()?;
        column::keys(&self.0, table).await
    }

    /// Size, order and statistics of the tables of this database, from `SVV_TABLE_INFO`: empty tables have no row there, and
    /// only superusers see it unless it was granted. The filter's `schema` and `name_like` count.
    pub fn table_stats(&self, filter: TableFilter) -> BoxStream<'static, Result<TableStats>> {
        table::stats(self.0.clone(), &filter)
    }

    /// The datashares that this namespace offers or was offered, as far as the user may see them.
    pub fn datashares(&self) -> BoxStream<'static, Result<DatashareInfo>> {
        database::datashares(self.0.clone())
    }

    /// The columns of the late-binding views of this database. The filter's `schema` and `name_like` count.
    pub fn late_binding_columns(&self, filter: TableFilter) -> BoxStream<'static, Result<LateBindingColumn>> {
        late_binding::columns(self.0.clone(), &filter)
    }

    /// Makes a view that looks for its tables only when it is read: they may be external, and may be dropped and made anew.
    /// The query must name the schema of each.
    ///
    /// ```no_run
    /// use twinhouse_redshift::RedshiftWarehouse;
    /// use twinhouse_warehouse_api::Expression;
    ///
    /// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
    /// let select = Expression::new("select day, amount from spectrum.sales where region = :region").bind("region", "eu");
    /// warehouse.metadata().create_late_binding_view(&"public.eu_sales".parse()?, &select, true).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) if the text is not one query;
    /// [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists) unless an old one is to be replaced.
    pub async fn create_late_binding_view(&self, view: &TableRef, select: &Expression, replace: bool) -> Result<()> {
        late_binding::create(&self.0, view, select, replace).await
    }
}
