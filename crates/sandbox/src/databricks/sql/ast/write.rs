//! Statements that write rows.

use datafusion::sql::sqlparser::ast::{Expr, Query};

use super::{Identifier, ObjectPath};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InsertMode {
    Append,
    Overwrite,
    ReplaceWhere(Box<Expr>),
    /// `REPLACE USING (…)`: rows go whose columns equal those of a new row.
    ReplaceUsing(Vec<Identifier>),
    /// `REPLACE ON …`: rows go that match a new row.
    ReplaceOn(Box<ReplaceOn>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplaceOn {
    pub(crate) target_alias: Option<Identifier>,
    pub(crate) source_alias: Option<Identifier>,
    pub(crate) on: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) table: ObjectPath,
    pub(crate) mode: InsertMode,
    /// `PARTITION (a = 1, b)`: columns with a value are not in the source.
    pub(crate) partition: Vec<(Identifier, Option<Expr>)>,
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
    Update(Vec<(ObjectPath, Expr)>),
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
    pub(crate) by_position: bool,
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
