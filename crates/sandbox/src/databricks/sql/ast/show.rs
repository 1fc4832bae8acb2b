//! What SHOW lists.

use super::{Identifier, ObjectPath};

/// Patterns are Hive's: `*` stands for many characters, `.` for one, `|` for a choice.
#[derive(Clone, Debug)]
pub(crate) enum Show {
    Catalogs {
        like: Option<String>,
    },
    Schemas {
        catalog: Option<Identifier>,
        like: Option<String>,
    },
    Tables {
        catalog: CatalogFilter,
        schema: SchemaFilter,
        like: Option<String>,
    },
    Views {
        catalog: Option<Identifier>,
        schema: SchemaFilter,
        like: Option<String>,
    },
    /// Primary keys, or foreign ones.
    Keys {
        foreign: bool,
        table: ObjectPath,
    },
    Columns {
        catalog: CatalogFilter,
        schema: SchemaFilter,
        table: TableFilter,
        like: Option<String>,
    },
    Volumes {
        schema: Option<ObjectPath>,
    },
    Properties {
        table: ObjectPath,
        key: Option<String>,
    },
    CreateTable {
        table: ObjectPath,
    },
}

/// Which catalogs a SHOW lists.
#[derive(Clone, Debug)]
pub(crate) enum CatalogFilter {
    Current,
    Named(Identifier),
    All,
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

/// How much a DESCRIBE TABLE says, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DescribeForm {
    Columns,
    Extended,
    Json,
}
