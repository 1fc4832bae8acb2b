//! One column, or a field inside one.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::Expression;

use crate::{
    schema::{Column, ColumnMapping, DeltaType, FieldPath, inlined},
    table::DeltaTable,
};

impl DeltaTable {
    /// Adds columns behind those that are there, all in one version. The rows that are there have nulls in them.
    ///
    /// ```no_run
    /// # async fn example(orders: twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
    /// use twinhouse_delta::schema::{Column, DeltaType};
    ///
    /// orders.add_columns([Column::new("note", DeltaType::String).with_comment("by hand")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], before anything is sent, for none, for `NOT NULL`, for a default (see
    /// [`set_default`](Self::set_default)) and for a generated column; [`ErrorKind::AlreadyExists`] for a name.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: all of it is done or nothing.
    pub async fn add_columns(&self, columns: impl IntoIterator<Item = Column>) -> Result<()> {
        let mut definitions = Vec::new();
        for column in columns {
            // Only the server knows whether the table maps its columns.
            column.check(ColumnMapping::On)?;
            let why = if !column.nullable {
                "a new column holds nulls in the rows that are there: add it, fill it, then `set_not_null`"
            } else if column.default.is_some() {
                "a new column cannot have a default at once: add it, then `set_default`"
            } else if column.generated.is_some() {
                "only a new table can have a generated column"
            } else {
                definitions.push(column.sql()?);
                continue;
            };
            return Err(Error::new(ErrorKind::InvalidInput, why).with_context("column", column.name));
        }
        if definitions.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "there is no column to add"));
        }
        self.alter("delta.add_columns", format!("ADD COLUMNS ({})", definitions.join(", "))).await
    }

    /// Renames a column, or a field inside one. The table needs column mapping; no file is rewritten.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] without column mapping; [`ErrorKind::NotFound`] for the old name and
    /// [`ErrorKind::AlreadyExists`] for the new one.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn rename_column(&self, column: impl Into<FieldPath>, to: &str) -> Result<()> {
        let (column, to) = (column.into().sql()?, self.dialect().quote(to)?);
        self.alter("delta.rename_column", format!("RENAME COLUMN {column} TO {to}")).await
    }

    /// Drops a column, or a field inside one. The table needs column mapping; the values stay in its files until those
    /// are rewritten.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] without column mapping, and for a column that the table is laid out by.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn drop_column(&self, column: impl Into<FieldPath>) -> Result<()> {
        self.alter("delta.drop_column", format!("DROP COLUMN {}", column.into().sql()?)).await
    }

    /// Widens the type of a column, or of a field inside one; see [`DeltaType::widening`]. The table needs
    /// `delta.enableTypeWidening`, unless only a length grows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a change that is no widening, or that the table has not enabled.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn set_type(&self, column: impl Into<FieldPath>, data_type: &DeltaType) -> Result<()> {
        self.alter_column(column.into(), &format!("TYPE {}", data_type.sql()?)).await
    }

    /// Sets the comment of a column, or of a field inside one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such column.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn set_column_comment(&self, column: impl Into<FieldPath>, comment: &str) -> Result<()> {
        self.alter_column(column.into(), &format!("COMMENT {}", self.dialect().string(comment)?)).await
    }

    /// Refuses nulls in a column from now on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Constraint`] if a row that is there holds one.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn set_not_null(&self, column: impl Into<FieldPath>) -> Result<()> {
        self.alter_column(column.into(), "SET NOT NULL").await
    }

    /// Allows nulls in a column, or in a field inside one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such column.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn drop_not_null(&self, column: impl Into<FieldPath>) -> Result<()> {
        self.alter_column(column.into(), "DROP NOT NULL").await
    }

    /// Sets the value of rows that give none, from now on. The table needs the property
    /// `delta.feature.allowColumnDefaults` = `supported`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the table does not allow defaults.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn set_default(&self, column: impl Into<FieldPath>, default: impl Into<Expression>) -> Result<()> {
        self.alter_column(column.into(), &format!("SET DEFAULT {}", inlined(&default.into())?)).await
    }

    /// Takes the default of a column away: rows that give no value hold a null.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such column.
    ///
    /// # Cancellation
    ///
    /// As [`add_columns`](Self::add_columns).
    pub async fn drop_default(&self, column: impl Into<FieldPath>) -> Result<()> {
        self.alter_column(column.into(), "DROP DEFAULT").await
    }

    async fn alter_column(&self, column: FieldPath, change: &str) -> Result<()> {
        self.alter("delta.alter_column", format!("ALTER COLUMN {} {change}", column.sql()?)).await
    }
}
