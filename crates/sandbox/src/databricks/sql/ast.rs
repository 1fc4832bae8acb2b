//! The statements that the sandbox runs.

mod alter;
mod create;
mod maintain;
mod show;
mod view;
mod write;

use std::fmt;

use datafusion::sql::sqlparser::ast::{Expr, Query};

pub(crate) use self::{
    alter::{AddedColumn, ColumnChange, FieldPath, Position, TableChange},
    create::{ColumnSpec, CommentKind, CreateFunction, CreateTable, KeySpec},
    maintain::{CloneTable, Maintain, Statistics},
    show::{CatalogFilter, DescribeForm, SchemaFilter, Show, TableFilter},
    view::{CreateView, ExplainMode},
    write::{CopyInto, CopySource, Insert, InsertMode, Merge, MergeAction, MergeClause, MergeKind, ReplaceOn},
};

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
    AlterTable {
        table: ObjectPath,
        change: Box<TableChange>,
    },
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
    CreateFunction(Box<CreateFunction>),
    DropFunction {
        name: ObjectPath,
        if_exists: bool,
    },
    Insert(Box<Insert>),
    Update {
        table: ObjectPath,
        alias: Option<Identifier>,
        assignments: Vec<(ObjectPath, Expr)>,
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
    Maintain(Box<Maintain>),
    DescribeTable {
        table: ObjectPath,
        form: DescribeForm,
    },
    DescribeQuery(Box<Query>),
    Explain {
        mode: ExplainMode,
        query: Box<Query>,
    },
    CreateView(Box<CreateView>),
    DropView {
        name: ObjectPath,
        if_exists: bool,
    },
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

/// Beside what else a statement may change a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Changes some rows: many may at once.
    Rows,
    /// Moves rows between files, or takes all of them away: alone.
    Files,
    /// As `Files`, and makes the table if there is none.
    Whole,
}

impl Statement {
    /// The table whose rows or files the statement changes, and how.
    pub(crate) fn changed_table(&self) -> Option<(&ObjectPath, Turn)> {
        match self {
            Self::Insert(insert) => Some((&insert.table, Turn::Rows)),
            Self::Update { table, .. } | Self::Delete { table, .. } | Self::Truncate { table } => {
                Some((table, Turn::Rows))
            }
            Self::Merge(merge) => Some((&merge.target, Turn::Rows)),
            Self::CopyInto(copy) => Some((&copy.table, Turn::Rows)),
            Self::CreateTable(create) if create.or_replace => Some((&create.name, Turn::Whole)),
            Self::Maintain(maintain) => match maintain.as_ref() {
                Maintain::Optimize { table, .. } | Maintain::Restore { table, .. } => Some((table, Turn::Files)),
                Maintain::Clone(clone) if clone.or_replace => Some((&clone.name, Turn::Whole)),
                _ => None,
            },
            _ => None,
        }
    }
}
