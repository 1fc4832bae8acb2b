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

#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) partitions: Vec<Identifier>,
    pub(crate) clustering: Vec<FieldPath>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) comment: Option<String>,
    pub(crate) query: Option<Box<Query>>,
    /// The table whose columns it takes.
    pub(crate) like: Option<ObjectPath>,
}
