//! The rows of a table.

use serde::{Deserialize, de::DeserializeOwned};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{BatchStream, CallOptions, Expression, RowStream, StatementRequest, WarehouseExt as _};

use super::version::AsOf;
use crate::{
    filter::{name_list, where_clause},
    table::DeltaTable,
};

/// A reading of a table: which columns, which rows, as of when. Made by [`DeltaTable::read`].
///
/// ```no_run
/// # async fn example(orders: &twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
/// use serde::Deserialize;
/// use twinhouse_warehouse_api::Expression;
///
/// #[derive(Deserialize)]
/// struct Order {
///     id: i64,
///     region: String,
/// }
///
/// let since = Expression::new("day >= :day").bind("day", "2026-01-01");
/// let rows = orders.read().with_columns(["id", "region"]).with_filter(since).as_of(12).rows::<Order>().await?;
/// for order in rows.collect_rows().await? {
///     println!("{} {}", order.id, order.region);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a reading does nothing until its rows are asked for"]
pub struct ReadBuilder {
    table: DeltaTable,
    columns: Option<Vec<String>>,
    filters: Vec<Expression>,
    as_of: Option<AsOf>,
    limit: Option<u64>,
    options: CallOptions,
}

impl DeltaTable {
    /// Reads the table: all columns of all rows of the latest version, unless more is said. Nothing is sent yet.
    pub fn read(&self) -> ReadBuilder {
        ReadBuilder {
            table: self.clone(),
            columns: None,
            filters: Vec::new(),
            as_of: None,
            limit: None,
            options: CallOptions::default(),
        }
    }
}

impl ReadBuilder {
    /// Only these columns, in this order.
    pub fn with_columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Only rows for which this holds. Said several times, all must hold.
    pub fn with_filter(mut self, filter: impl Into<Expression>) -> Self {
        self.filters.push(filter.into());
        self
    }

    /// The table as it was: at a version's number, or at a moment.
    pub fn as_of(mut self, version: impl Into<AsOf>) -> Self {
        self.as_of = Some(version.into());
        self
    }

    /// At most so many rows; which ones, the warehouse decides.
    pub fn with_limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Replaces the call options.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// The rows as Arrow batches.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for no columns or a filter whose markers and values do not agree, before anything
    /// is sent; [`ErrorKind::NotFound`] for a table, a column or a version that does not exist.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement.
    pub async fn batches(&self) -> Result<BatchStream> {
        self.table.warehouse().query(self.request("")?).await
    }

    /// The rows as `T`, matched by column name.
    ///
    /// # Errors
    ///
    /// As [`batches`](Self::batches); [`ErrorKind::Data`] through the stream if a row does not fit `T`.
    ///
    /// # Cancellation
    ///
    /// As [`batches`](Self::batches).
    pub async fn rows<T: DeserializeOwned + Send + 'static>(&self) -> Result<RowStream<T>> {
        Ok(self.batches().await?.rows())
    }

    /// How many rows there are.
    ///
    /// # Errors
    ///
    /// As [`batches`](Self::batches).
    ///
    /// # Cancellation
    ///
    /// As [`batches`](Self::batches).
    pub async fn count(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Count {
            n: i64,
        }
        let counted: Count = self.table.warehouse().fetch_one(self.request("SELECT count(*) AS n FROM ")?).await?;
        u64::try_from(counted.n).map_err(|_| Error::new(ErrorKind::Protocol, "the service counted less than no rows"))
    }

    /// The query, or what asks something of the query.
    fn request(&self, asked: &str) -> Result<StatementRequest> {
        let dialect = self.table.dialect();
        let columns = match &self.columns {
            None => "*".to_owned(),
            Some(names) if names.is_empty() => {
                return Err(Error::new(ErrorKind::InvalidInput, "no columns to read; leave them out to read all")
                    .with_context("table", self.table.table_ref().to_string()));
            }
            Some(names) => name_list(dialect, names.iter().map(String::as_str))?,
        };
        let mut sql = format!("SELECT {columns} FROM {}", self.table.sql_name()?);
        if let Some(as_of) = self.as_of {
            sql.push(' ');
            sql.push_str(&as_of.sql(dialect)?);
        }
        sql.push_str(&where_clause(dialect, &self.filters)?);
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        if !asked.is_empty() {
            sql = format!("{asked}({sql}) AS r");
        }
        Ok(StatementRequest::read(sql).with_options(self.options.clone()))
    }
}
