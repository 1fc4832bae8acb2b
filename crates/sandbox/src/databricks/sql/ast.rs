//! The statements that the sandbox runs.

use std::fmt;

use datafusion::sql::sqlparser::ast::{Expr, Query};
use deltalake::kernel::DataType;

/// A name as it was written, without its quotes.
pub(crate) type Identifier = String;

/// One to three names: `[[catalog.]schema.]object`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPath(pub(crate) Vec<Identifier>);

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}`{}`", part.replace('`', "``"))?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Query(Box<Query>),
    CreateTable(Box<CreateTable>),
    DropTable {
        name: ObjectPath,
        if_exists: bool,
    },
    CreateCatalog {
        name: ObjectPath,
        if_not_exists: bool,
        comment: Option<String>,
    },
    DropCatalog {
        name: ObjectPath,
        if_exists: bool,
        cascade: bool,
    },
    CreateSchema {
        name: ObjectPath,
        if_not_exists: bool,
        comment: Option<String>,
    },
    DropSchema {
        name: ObjectPath,
        if_exists: bool,
        cascade: bool,
    },
    CreateVolume {
        name: ObjectPath,
        if_not_exists: bool,
        comment: Option<String>,
    },
    DropVolume {
        name: ObjectPath,
        if_exists: bool,
    },
    Insert(Box<Insert>),
    Update {
        table: ObjectPath,
        alias: Option<Identifier>,
        assignments: Vec<(Identifier, Expr)>,
        predicate: Option<Expr>,
    },
    Delete {
        table: ObjectPath,
        alias: Option<Identifier>,
        predicate: Option<Expr>,
    },
    Truncate {
        table: ObjectPath,
    },
    Merge(Box<Merge>),
    CopyInto(Box<CopyInto>),
    Comment {
        kind: CommentKind,
        name: ObjectPath,
        comment: Option<String>,
    },
    Show(Show),
    DescribeTable {
        table: ObjectPath,
    },
    DescribeQuery(Box<Query>),
    UseCatalog {
        name: Identifier,
    },
    UseSchema {
        name: ObjectPath,
    },
    /// A setting of the session. Only what changes nothing is taken.
    Set {
        name: String,
        value: String,
    },
}

/// What can carry a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentKind {
    Catalog,
    Schema,
    Table,
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
}

#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) partitions: Vec<Identifier>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) comment: Option<String>,
    pub(crate) query: Option<Box<Query>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InsertMode {
    Append,
    Overwrite,
    ReplaceWhere(Box<Expr>),
}

#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) table: ObjectPath,
    pub(crate) mode: InsertMode,
    pub(crate) columns: Vec<Identifier>,
    pub(crate) by_name: bool,
    pub(crate) schema_evolution: bool,
    pub(crate) source: Box<Query>,
}

#[derive(Clone, Debug)]
pub(crate) struct Merge {
    pub(crate) target: ObjectPath,
    pub(crate) target_alias: Option<Identifier>,
    /// `SELECT * FROM <source>`.
    pub(crate) source: Box<Query>,
    pub(crate) source_alias: Identifier,
    pub(crate) on: Expr,
    pub(crate) clauses: Vec<MergeClause>,
    pub(crate) schema_evolution: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MergeKind {
    Matched,
    NotMatched,
    NotMatchedBySource,
}

#[derive(Clone, Debug)]
pub(crate) struct MergeClause {
    pub(crate) kind: MergeKind,
    pub(crate) predicate: Option<Expr>,
    pub(crate) action: MergeAction,
}

#[derive(Clone, Debug)]
pub(crate) enum MergeAction {
    Delete,
    /// `UPDATE SET * [EXCEPT (…)]`
    UpdateAll {
        except: Vec<Identifier>,
    },
    Update(Vec<(Identifier, Expr)>),
    /// `INSERT * [EXCEPT (…)]`
    InsertAll {
        except: Vec<Identifier>,
    },
    Insert {
        columns: Vec<Identifier>,
        values: Vec<Expr>,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum CopySource {
    Directory(String),
    /// A query over the relation [`CopyInto::SOURCE`].
    Select {
        path: String,
        query: Box<Query>,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct CopyInto {
    pub(crate) table: ObjectPath,
    pub(crate) columns: Vec<Identifier>,
    pub(crate) source: CopySource,
    pub(crate) format: String,
    pub(crate) files: Vec<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) format_options: Vec<(String, String)>,
    pub(crate) copy_options: Vec<(String, String)>,
}

impl CopyInto {
    /// What stands for the files in the query of a `COPY INTO … FROM (SELECT …)`.
    pub(crate) const SOURCE: &'static str = "__copy_source";

    pub(crate) fn path(&self) -> &str {
        match &self.source {
            CopySource::Directory(path) | CopySource::Select { path, .. } => path,
        }
    }
}

/// Patterns are Hive's: `*` stands for many characters, `.` for one, `|` for a choice.
#[derive(Clone, Debug)]
pub(crate) enum Show {
    Catalogs { like: Option<String> },
    Schemas { catalog: Option<Identifier>, like: Option<String> },
    Tables { catalog: Option<Identifier>, schema: SchemaFilter, like: Option<String> },
    Columns { catalog: Option<Identifier>, schema: SchemaFilter, table: TableFilter, like: Option<String> },
    Volumes { schema: Option<ObjectPath> },
}

/// Which schemas a SHOW lists.
#[derive(Clone, Debug)]
pub(crate) enum SchemaFilter {
    Current,
    Named(Identifier),
    Like(String),
    All,
}

/// Which tables a SHOW lists.
#[derive(Clone, Debug)]
pub(crate) enum TableFilter {
    Named(Identifier),
    Like(String),
    All,
}
