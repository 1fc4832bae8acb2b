//! CREATE TABLE.

use std::collections::BTreeMap;

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Expression, TableRef};

use super::properties::{CONSTRAINT, MAPPING, mapping_of, pairs};
use crate::{
    client::DeltaClient,
    schema::{Column, FieldPath, TableSchema, inlined},
    table::DeltaTable,
};

/// The most columns by which a table is clustered.
const MOST_CLUSTERING: usize = 4;

/// What to do if there is a table of that name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenExists {
    /// Fail with [`ErrorKind::AlreadyExists`].
    #[default]
    Fail,
    /// Leave it as it is, whatever it looks like.
    Keep,
    /// Replace it in one version of the same table: its history, and the way back, stay.
    Replace,
}

/// A table to be made. [`run`](Self::run) makes it.
///
/// ```
/// # use std::sync::Arc;
/// # use twinhouse_warehouse_api::Warehouse;
/// # async fn example(warehouse: Arc<dyn Warehouse>) -> twinhouse_core::Result<()> {
/// use twinhouse_delta::{DeltaClient, WhenExists, schema::{Column, DeltaType}};
///
/// let delta = DeltaClient::new(warehouse)?.with_catalog("main").with_schema("sales");
/// let orders = delta
///     .create("orders")
///     .with_column(Column::new("id", DeltaType::Long).not_null())
///     .with_column(Column::new("sold_at", DeltaType::Timestamp))
///     .with_column(Column::new("day", DeltaType::Date).generated_as("cast(sold_at as date)"))
///     .partitioned_by(["day"])
///     .with_constraint("positive", "id > 0")
///     .with_property("delta.enableChangeDataFeed", "true")
///     .when_exists(WhenExists::Keep)
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `run`"]
pub struct CreateTable {
    table: DeltaTable,
    columns: Vec<Column>,
    like: Option<TableRef>,
    when_exists: WhenExists,
    partitions: Vec<String>,
    clustering: Vec<FieldPath>,
    comment: Option<String>,
    properties: BTreeMap<String, String>,
    constraints: Vec<(String, Expression)>,
}

impl DeltaClient {
    /// Begins a new table. Nothing is sent before [`CreateTable::run`].
    pub fn create(&self, name: impl Into<String>) -> CreateTable {
        CreateTable {
            table: self.table(name),
            columns: Vec::new(),
            like: None,
            when_exists: WhenExists::default(),
            partitions: Vec::new(),
            clustering: Vec::new(),
            comment: None,
            properties: BTreeMap::new(),
            constraints: Vec::new(),
        }
    }
}

impl CreateTable {
    /// Adds a column.
    pub fn with_column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// Adds the columns of a schema.
    pub fn with_columns(mut self, schema: &TableSchema) -> Self {
        self.columns.extend_from_slice(schema.columns());
        self
    }

    /// Takes columns, partitioning and properties of another table, and none of its rows.
    pub fn like(mut self, source: TableRef) -> Self {
        self.like = Some(source);
        self
    }

    /// Says what to do if there is a table of that name.
    pub fn when_exists(mut self, when_exists: WhenExists) -> Self {
        self.when_exists = when_exists;
        self
    }

    /// Keeps rows apart by the values of these columns, outermost first. Not with clustering.
    pub fn partitioned_by(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.partitions = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Keeps like rows together by liquid clustering, over at most four columns. Not with partitions.
    pub fn clustered_by(mut self, columns: impl IntoIterator<Item = impl Into<FieldPath>>) -> Self {
        self.clustering = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the comment.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Sets a table property.
    pub fn with_property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Lets columns have any name, be renamed and be dropped (`delta.columnMapping.mode`). Older readers cannot read
    /// such a table.
    pub fn with_column_mapping(self) -> Self {
        self.with_property(MAPPING, "name")
    }

    /// Refuses rows for which the condition is not true.
    pub fn with_constraint(mut self, name: impl Into<String>, check: impl Into<Expression>) -> Self {
        self.constraints.push((name.into(), check.into()));
        self
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] or [`ErrorKind::Unsupported`], naming what no table can have.
    pub fn sql(&self) -> Result<String> {
        let wrong = |why: &'static str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("table", self.table.table_ref().to_string()))
        };
        let schema = TableSchema::new(self.columns.iter().cloned());
        if self.like.is_some() {
            if !self.columns.is_empty() || !self.partitions.is_empty() || !self.clustering.is_empty() {
                return wrong("a table like another has that table's columns and layout: give none");
            }
        } else {
            schema.check(mapping_of(&self.properties))?;
        }
        if !self.partitions.is_empty() && !self.clustering.is_empty() {
            return wrong("a table is partitioned or clustered, not both");
        }
        self.check_layout(&schema)?;
        let dialect = self.table.dialect();
        let (verb, exists) = match self.when_exists {
            WhenExists::Fail => ("CREATE TABLE", ""),
            WhenExists::Keep => ("CREATE TABLE", " IF NOT EXISTS"),
            WhenExists::Replace => ("CREATE OR REPLACE TABLE", ""),
        };
        let mut sql = format!("{verb}{exists} {}", self.table.sql_name()?);
        match &self.like {
            Some(source) => sql += &format!(" LIKE {}", dialect.table(source)?),
            None => {
                let columns = self.columns.iter().map(Column::sql).collect::<Result<Vec<_>>>()?;
                sql += &format!(" ({})", columns.join(", "));
            }
        }
        sql += " USING DELTA";
        if !self.partitions.is_empty() {
            let names = self.partitions.iter().map(|name| dialect.quote(name)).collect::<Result<Vec<_>>>()?;
            sql += &format!(" PARTITIONED BY ({})", names.join(", "));
        }
        if !self.clustering.is_empty() {
            sql += &format!(" CLUSTER BY ({})", clustering_sql(&self.clustering)?);
        }
        if let Some(comment) = &self.comment {
            sql += &format!(" COMMENT {}", dialect.string(comment)?);
        }
        let properties = self.all_properties()?;
        if !properties.is_empty() {
            sql += &format!(" TBLPROPERTIES ({})", pairs(dialect, &properties)?);
        }
        Ok(sql)
    }

    /// Makes the table.
    ///
    /// # Errors
    ///
    /// As [`sql`](Self::sql), before anything is sent; [`ErrorKind::AlreadyExists`] if there is one and it is to
    /// [`Fail`](WhenExists::Fail).
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement; the table is there whole or not at all.
    pub async fn run(self) -> Result<DeltaTable> {
        let sql = self.sql()?;
        self.table.define("delta.create", sql).await?;
        Ok(self.table)
    }

    /// CHECK constraints are properties in a table's definition, so that it never stands there without them.
    fn all_properties(&self) -> Result<BTreeMap<String, String>> {
        let mut properties = self.properties.clone();
        for (name, check) in &self.constraints {
            super::alter::check_constraint_name(name)?;
            let key = format!("{CONSTRAINT}{}", name.to_lowercase());
            if properties.insert(key, inlined(check)?).is_some() {
                return Err(Error::new(ErrorKind::InvalidInput, "two constraints have the same name")
                    .with_context("constraint", name));
            }
        }
        Ok(properties)
    }

    fn check_layout(&self, schema: &TableSchema) -> Result<()> {
        if self.like.is_some() {
            return Ok(());
        }
        let missing = |name: String| {
            Error::new(ErrorKind::InvalidInput, "the table has no such column to be laid out by")
                .with_context("column", name)
        };
        if let Some(name) = self.partitions.iter().find(|name| schema.column(name).is_none()) {
            return Err(missing(name.clone()));
        }
        if !self.partitions.is_empty() && self.partitions.len() >= schema.columns().len() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a table needs a column beside those it is partitioned by",
            ));
        }
        if let Some(path) = self.clustering.iter().find(|path| schema.data_type(path).is_none()) {
            return Err(missing(path.to_string()));
        }
        check_clustering(&self.clustering)
    }
}

/// Refuses too many columns to cluster by.
pub(super) fn check_clustering(columns: &[FieldPath]) -> Result<()> {
    if columns.len() > MOST_CLUSTERING {
        return Err(Error::new(ErrorKind::InvalidInput, "a table is clustered by at most four columns")
            .with_context("columns", columns.len().to_string()));
    }
    Ok(())
}

pub(super) fn clustering_sql(columns: &[FieldPath]) -> Result<String> {
    Ok(columns.iter().map(FieldPath::sql).collect::<Result<Vec<_>>>()?.join(", "))
}
