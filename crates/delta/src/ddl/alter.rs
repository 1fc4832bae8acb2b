//! The table as a whole: constraints, layout, comment, name, end.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Expression, StatementRequest, TableRef, WarehouseExt as _};

use super::create::{check_clustering, clustering_sql};
use crate::{
    schema::{FieldPath, inlined},
    table::DeltaTable,
};

/// A constraint's name becomes part of a property's.
pub(super) fn check_constraint_name(name: &str) -> Result<()> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if plain {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, "a constraint's name is made of letters, digits, `_` and `-`")
        .with_context("constraint", name.escape_debug().to_string()))
}

impl DeltaTable {
    /// Sends a statement of definition.
    pub(crate) async fn define(&self, operation: &'static str, sql: String) -> Result<()> {
        let done = self.warehouse().execute(StatementRequest::write(sql)).await;
        let named = |error: Error| error.with_operation(operation).with_context("table", self.table_ref().to_string());
        done.map(|_| ()).map_err(named)
    }

    pub(crate) async fn alter(&self, operation: &'static str, change: String) -> Result<()> {
        self.define(operation, format!("ALTER TABLE {} {change}", self.sql_name()?)).await
    }

    /// Refuses rows for which the condition is not true, from now on. The rows that are there are looked at first.
    ///
    /// ```no_run
    /// # async fn example(orders: twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
    /// use twinhouse_warehouse_api::Expression;
    ///
    /// orders.add_constraint("cheap", Expression::new("price < :most").bind("most", 1000)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Constraint`] if a row that is there violates it; [`ErrorKind::AlreadyExists`] for its name.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement.
    pub async fn add_constraint(&self, name: &str, check: impl Into<Expression>) -> Result<()> {
        check_constraint_name(name)?;
        let (name, check) = (self.dialect().quote(name)?, inlined(&check.into())?);
        self.alter("delta.add_constraint", format!("ADD CONSTRAINT {name} CHECK ({check})")).await
    }

    /// Drops a CHECK constraint, if it is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the table is not there.
    ///
    /// # Cancellation
    ///
    /// As [`add_constraint`](Self::add_constraint).
    pub async fn drop_constraint(&self, name: &str) -> Result<()> {
        check_constraint_name(name)?;
        self.alter("delta.drop_constraint", format!("DROP CONSTRAINT IF EXISTS {}", self.dialect().quote(name)?)).await
    }

    /// Sets the table's comment, or takes it away.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the table is not there.
    ///
    /// # Cancellation
    ///
    /// As [`add_constraint`](Self::add_constraint).
    pub async fn set_comment(&self, comment: Option<&str>) -> Result<()> {
        let comment = comment.map_or_else(|| Ok("NULL".to_owned()), |comment| self.dialect().string(comment))?;
        self.define("delta.comment", format!("COMMENT ON TABLE {} IS {comment}", self.sql_name()?)).await
    }

    /// Clusters the table by these columns from now on; by none (an empty list), no longer. Files that are there are
    /// clustered by the next `OPTIMIZE FULL`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for more than four, before anything is sent. A partitioned table is refused by the
    /// server.
    ///
    /// # Cancellation
    ///
    /// As [`add_constraint`](Self::add_constraint).
    pub async fn cluster_by(&self, columns: impl IntoIterator<Item = impl Into<FieldPath>>) -> Result<()> {
        let columns: Vec<FieldPath> = columns.into_iter().map(Into::into).collect();
        check_clustering(&columns)?;
        let change = match columns.as_slice() {
            [] => "CLUSTER BY NONE".to_owned(),
            columns => format!("CLUSTER BY ({})", clustering_sql(columns)?),
        };
        self.alter("delta.cluster_by", change).await
    }

    /// Gives the table another name, and answers the table under it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if the name is taken.
    ///
    /// # Cancellation
    ///
    /// As [`add_constraint`](Self::add_constraint).
    pub async fn rename(&self, to: TableRef) -> Result<Self> {
        self.alter("delta.rename", format!("RENAME TO {}", self.dialect().table(&to)?)).await?;
        Ok(Self::new(self.warehouse().clone(), to))
    }

    /// Drops the table with its rows and its history.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the table is not there; see [`drop_if_exists`](Self::drop_if_exists).
    ///
    /// # Cancellation
    ///
    /// As [`add_constraint`](Self::add_constraint).
    pub async fn drop_table(&self) -> Result<()> {
        self.define("delta.drop", format!("DROP TABLE {}", self.sql_name()?)).await
    }

    /// Drops the table if it is there.
    ///
    /// # Errors
    ///
    /// Of the server, but for a missing table.
    ///
    /// # Cancellation
    ///
    /// As [`add_constraint`](Self::add_constraint).
    pub async fn drop_if_exists(&self) -> Result<()> {
        self.define("delta.drop", format!("DROP TABLE IF EXISTS {}", self.sql_name()?)).await
    }

    /// Brings a dropped table back, as long as the service keeps it (seven days, unless configured otherwise).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none to bring back; [`ErrorKind::AlreadyExists`] if there is a new one.
    ///
    /// # Cancellation
    ///
    /// As [`add_constraint`](Self::add_constraint).
    pub async fn undrop(&self) -> Result<()> {
        self.define("delta.undrop", format!("UNDROP TABLE {}", self.sql_name()?)).await
    }
}
