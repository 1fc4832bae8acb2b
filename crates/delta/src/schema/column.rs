//! Columns, and all of a table's.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _, Expression, TableInfo};

use super::{
    names::{self, ColumnMapping},
    path::FieldPath,
    types::{DeltaType, suffix},
};

/// One column of a table.
///
/// ```
/// use twinhouse_delta::schema::{Column, DeltaType};
///
/// let id = Column::new("id", DeltaType::Long).not_null().with_comment("from the till");
/// let day = Column::new("day", DeltaType::Date).generated_as("cast(sold_at as date)");
/// assert!(!id.nullable && day.generated.is_some());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// Its name, without quotes.
    pub name: String,
    /// Its type.
    pub data_type: DeltaType,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// The value of rows that give none. Not read back from the server.
    pub default: Option<Expression>,
    /// How the table computes it from the other columns. Not read back from the server.
    pub generated: Option<Expression>,
}

impl Column {
    /// A nullable column.
    pub fn new(name: impl Into<String>, data_type: DeltaType) -> Self {
        Self { name: name.into(), data_type, nullable: true, comment: None, default: None, generated: None }
    }

    /// Refuses nulls.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// Sets the comment.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Sets the value of rows that give none. The table needs the feature `allowColumnDefaults`.
    #[must_use]
    pub fn with_default(mut self, default: impl Into<Expression>) -> Self {
        self.default = Some(default.into());
        self
    }

    /// Has the table compute it.
    #[must_use]
    pub fn generated_as(mut self, expression: impl Into<Expression>) -> Self {
        self.generated = Some(expression.into());
        self
    }

    /// As it stands in a `CREATE TABLE` or an `ADD COLUMNS`.
    pub(crate) fn sql(&self) -> Result<String> {
        let mut sql = format!("{} {}", DatabricksDialect.quote(&self.name)?, self.data_type.sql()?);
        if let Some(generated) = &self.generated {
            sql += &format!(" GENERATED ALWAYS AS ({})", inlined(generated)?);
        }
        if let Some(default) = &self.default {
            sql += &format!(" DEFAULT {}", inlined(default)?);
        }
        Ok(sql + &suffix(self.nullable, self.comment.as_deref())?)
    }

    /// Refuses what no table can have, before anything is sent.
    pub(crate) fn check(&self, mapping: ColumnMapping) -> Result<()> {
        if self.default.is_some() && self.generated.is_some() {
            return Err(Error::new(ErrorKind::InvalidInput, "a column is generated or has a default, not both")
                .with_context("column", &self.name));
        }
        names::check(&self.name, mapping)?;
        check_type(&self.data_type, mapping).map_err(|error| error.with_context("in column", &self.name))
    }
}

/// Expressions stand in DDL, where the wire takes no parameters.
pub(crate) fn inlined(expression: &Expression) -> Result<String> {
    if expression.sql().trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "an expression must not be empty"));
    }
    DatabricksDialect.inline(expression.sql(), expression.params())
}

fn check_type(data_type: &DeltaType, mapping: ColumnMapping) -> Result<()> {
    match data_type {
        DeltaType::Interval { .. } => {
            return Err(Error::unsupported("databricks", "a Delta table does not store intervals")
                .with_context("type", data_type.to_string()));
        }
        DeltaType::Decimal { precision, scale } if *precision == 0 || *precision > 38 || scale > precision => {
            return Err(Error::new(ErrorKind::InvalidInput, "a decimal has 1 to 38 digits, the scale among them")
                .with_context("type", data_type.to_string()));
        }
        DeltaType::Struct(fields) => {
            if fields.is_empty() {
                return Err(Error::new(ErrorKind::InvalidInput, "a struct in a table needs a field"));
            }
            fields.iter().try_for_each(|field| names::check(&field.name, mapping))?;
            names::check_distinct(fields.iter().map(|field| field.name.as_str()))?;
        }
        _ => {}
    }
    data_type.children().into_iter().try_for_each(|(_, child)| check_type(child, mapping))
}

/// The columns of a table, in order.
///
/// ```
/// use twinhouse_delta::schema::{Column, DeltaType, TableSchema};
///
/// let schema = TableSchema::new([
///     Column::new("id", DeltaType::Long).not_null(),
///     Column::new("tags", DeltaType::array_of(DeltaType::String)),
/// ]);
/// assert_eq!(schema.to_arrow()?.fields().len(), 2);
/// assert!(schema.column("TAGS").is_some());
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableSchema(Vec<Column>);

impl TableSchema {
    /// These columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self(columns.into_iter().collect())
    }

    /// The columns of a table as the server describes them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] or [`ErrorKind::Protocol`] with the column whose type has no form here.
    pub fn of_table(info: &TableInfo) -> Result<Self> {
        let columns = info.columns.iter().map(|described| {
            let data_type = described.native_type.parse().map_err(|error: Error| {
                let unsupported = error.kind() == ErrorKind::Unsupported;
                // What the server says of its own tables is not the caller's mistake.
                let kind = if unsupported { ErrorKind::Unsupported } else { ErrorKind::Protocol };
                Error::new(kind, "the server describes a column with a type that is not known here")
                    .with_context("column", &described.name)
                    .with_context("type", &described.native_type)
                    .with_source(error)
            })?;
            let mut column = Column::new(&described.name, data_type);
            column.nullable = described.nullable;
            column.comment.clone_from(&described.comment);
            Ok(column)
        });
        Ok(Self(columns.collect::<Result<_>>()?))
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.0
    }

    /// The column of this name, whatever its case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.0.iter().find(|column| column.name.to_lowercase() == name.to_lowercase())
    }

    /// The type at the end of a path, whatever the case of its names.
    pub fn data_type(&self, path: &FieldPath) -> Option<&DeltaType> {
        let (column, inside) = path.parts().split_first()?;
        inside.iter().try_fold(&self.column(column)?.data_type, |data_type, name| {
            let children = data_type.children().into_iter();
            children.filter(|(child, _)| child.to_lowercase() == name.to_lowercase()).map(|(_, child)| child).next()
        })
    }

    /// The comment of the column or field at the end of a path.
    pub(crate) fn comment(&self, path: &FieldPath) -> Option<String> {
        let Some(parent) = path.parent() else { return self.column(path.column())?.comment.clone() };
        let DeltaType::Struct(fields) = self.data_type(&parent)? else { return None };
        let name = path.parts().last()?.to_lowercase();
        fields.iter().find(|field| field.name.to_lowercase() == name)?.comment.clone()
    }

    /// Refuses what no table can have: no columns, names that are taken or not allowed, types that are not stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] or [`ErrorKind::Unsupported`], naming the column.
    pub fn check(&self, mapping: ColumnMapping) -> Result<()> {
        if self.0.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a table needs a column"));
        }
        self.0.iter().try_for_each(|column| column.check(mapping))?;
        names::check_distinct(self.0.iter().map(|column| column.name.as_str()))
    }
}

impl FromIterator<Column> for TableSchema {
    fn from_iter<I: IntoIterator<Item = Column>>(columns: I) -> Self {
        Self::new(columns)
    }
}
