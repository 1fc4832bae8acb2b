//! Updating and deleting rows.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Assignment, CallOptions, Expression, StatementRequest, WarehouseExt as _};

use crate::{
    filter::{enclosed, where_clause},
    table::DeltaTable,
};

/// An update of rows. Made by [`DeltaTable::update`].
///
/// ```no_run
/// # async fn example(orders: &twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
/// use twinhouse_warehouse_api::Expression;
///
/// let updated = orders
///     .update()
///     .set("price", Expression::new("price * :factor").bind("factor", 2))
///     .with_filter(Expression::new("region = :region").bind("region", "EU"))
///     .run()
///     .await?;
/// println!("{updated} rows");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an update does nothing until it is run"]
pub struct UpdateBuilder {
    table: DeltaTable,
    set: Vec<Assignment>,
    filters: Vec<Expression>,
    everything: bool,
    options: CallOptions,
}

impl DeltaTable {
    /// Updates rows. Nothing is sent yet.
    pub fn update(&self) -> UpdateBuilder {
        UpdateBuilder {
            table: self.clone(),
            set: Vec::new(),
            filters: Vec::new(),
            everything: false,
            options: CallOptions::default(),
        }
    }

    /// Deletes the rows for which the filter holds, and answers how many there were.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for an empty filter, before anything is sent; [`ErrorKind::Conflict`] if another
    /// writer has changed the same files: nothing was deleted, and it may be tried again.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: the rows are gone or all there.
    pub async fn delete(&self, filter: impl Into<Expression> + Send) -> Result<u64> {
        let filter = [filter.into()];
        let sql = format!("DELETE FROM {}{}", self.sql_name()?, where_clause(self.dialect(), &filter)?);
        self.warehouse().execute(StatementRequest::write(sql)).await
    }

    /// Deletes all rows, and answers how many there were. [`truncate`](Self::truncate) is cheaper and does not count.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    ///
    /// # Cancellation
    ///
    /// As [`delete`](Self::delete).
    pub async fn delete_all(&self) -> Result<u64> {
        self.warehouse().execute(StatementRequest::write(format!("DELETE FROM {}", self.sql_name()?))).await
    }

    /// Empties the table by its log alone. Answers how many rows there were where the server says, which is seldom.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    ///
    /// # Cancellation
    ///
    /// As [`delete`](Self::delete).
    pub async fn truncate(&self) -> Result<Option<u64>> {
        let request = StatementRequest::write(format!("TRUNCATE TABLE {}", self.sql_name()?));
        self.warehouse().submit(request).await?.finish().await
    }
}

impl UpdateBuilder {
    /// Sets a column, to a value or to what the warehouse computes from the row.
    pub fn set(mut self, column: impl Into<String>, value: impl Into<Expression>) -> Self {
        self.set.push(Assignment::new(column, value));
        self
    }

    /// Only rows for which this holds. Said several times, all must hold.
    pub fn with_filter(mut self, filter: impl Into<Expression>) -> Self {
        self.filters.push(filter.into());
        self
    }

    /// All rows: without a filter this must be said.
    pub fn everything(mut self) -> Self {
        self.everything = true;
        self
    }

    /// Replaces the call options.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Carries it out, and answers how many rows were updated.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for no columns to set, a column set twice, or neither filter nor
    /// [`everything`](Self::everything), before anything is sent; [`ErrorKind::Conflict`] if another writer has changed
    /// the same files: nothing was updated, and it may be tried again.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: the rows are updated or as before.
    pub async fn run(self) -> Result<u64> {
        self.table.warehouse().execute(self.request()?).await
    }

    fn request(&self) -> Result<StatementRequest> {
        let wrong = |why: &'static str| {
            Error::new(ErrorKind::InvalidInput, why).with_context("table", self.table.table_ref().to_string())
        };
        if self.set.is_empty() {
            return Err(wrong("no columns to set"));
        }
        if self.everything != self.filters.is_empty() {
            return Err(wrong("an update wants a filter, or `everything` and none"));
        }
        let dialect = self.table.dialect();
        let mut set = Vec::with_capacity(self.set.len());
        for (at, one) in self.set.iter().enumerate() {
            if self.set[..at].iter().any(|other| other.column.to_lowercase() == one.column.to_lowercase()) {
                return Err(wrong("a column is set twice").with_context("column", &one.column));
            }
            let value = enclosed(dialect, &one.value).map_err(|error| error.with_context("column", &one.column))?;
            set.push(format!("{} = {value}", dialect.quote(&one.column)?));
        }
        let filter = where_clause(dialect, &self.filters)?;
        let sql = format!("UPDATE {} SET {}{filter}", self.table.sql_name()?, set.join(", "));
        Ok(StatementRequest::write(sql).with_options(self.options.clone()))
    }
}
