//! Tables and what they are made of.

use datafusion::sql::sqlparser::ast::Query;
use deltalake::kernel::DataType;

use super::{FieldPath, Identifier, ObjectPath};

/// What can carry a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentKind {
    Catalog,
    Schema,
    Table,
    Column,
    Volume,
}

#[derive(Clone, Debug)]
pub(crate) struct ColumnSpec {
    pub(crate) name: Identifier,
    pub(crate) data_type: DataType,
    /// `varchar(5)` or `char(5)`: a STRING with a length.
    pub(crate) length: Option<String>,
    pub(crate) nullable: bool,
    pub(crate) comment: Option<String>,
    /// The value of rows that give none, as it is written.
    pub(crate) default: Option<String>,
    /// The expression of a generated column, as it is written.
    pub(crate) generated: Option<String>,
}

/// A primary key, or a foreign one if it refers to another table.
#[derive(Clone, Debug)]
pub(crate) struct KeySpec {
    pub(crate) name: Option<Identifier>,
    pub(crate) columns: Vec<Identifier>,
    /// The columns that are times.
    pub(crate) timeseries: Vec<Identifier>,
    /// The other table, and its columns unless they are its primary key.
    pub(crate) parent: Option<(ObjectPath, Vec<Identifier>)>,
    /// Whether the optimiser may believe it.
    pub(crate) rely: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) keys: Vec<KeySpec>,
    pub(crate) partitions: Vec<Identifier>,
    pub(crate) clustering: Vec<FieldPath>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) comment: Option<String>,
    pub(crate) query: Option<Box<Query>>,
    /// The table whose columns it takes.
    pub(crate) like: Option<ObjectPath>,
}

/// A scalar function of SQL.
#[derive(Clone, Debug)]
pub(crate) struct CreateFunction {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    /// Name, type, comment.
    pub(crate) parameters: Vec<(Identifier, DataType, Option<String>)>,
    pub(crate) returns: DataType,
    pub(crate) deterministic: bool,
    pub(crate) comment: Option<String>,
    /// The expression, as it is written.
    pub(crate) body: String,
}
