//! `OPTIMIZE`, `VACUUM` and what else looks after a table

use datafusion::sql::sqlparser::ast::{Expr, TableVersion};

use deltalake::kernel::DataType;

use super::{Identifier, ObjectPath};

#[derive(Clone, Debug)]
pub(crate) enum Maintain {
    Optimize {
        table: ObjectPath,
        full: bool,
        predicate: Option<Expr>,
        z_order: Vec<Identifier>,
    },
    Vacuum {
        table: ObjectPath,
        lite: bool,
        retain_hours: Option<u64>,
        dry_run: bool,
    },
    History {
        table: ObjectPath,
        limit: Option<usize>,
    },
    Detail {
        table: ObjectPath,
    },
    Restore {
        table: ObjectPath,
        to: TableVersion,
    },
    Clone(CloneTable),
    /// The files of a folder: ``CONVERT TO DELTA parquet.`path` ``.
    Convert {
        path: String,
        partitions: Vec<(Identifier, DataType)>,
    },
    Generate {
        table: ObjectPath,
    },
    Analyze {
        table: ObjectPath,
        statistics: Statistics,
    },
    /// `DESCRIBE EXTENDED t c`
    DescribeColumn {
        table: ObjectPath,
        column: Identifier,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct CloneTable {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) shallow: bool,
    pub(crate) source: ObjectPath,
    pub(crate) version: Option<TableVersion>,
    pub(crate) properties: Vec<(String, String)>,
}

/// What ANALYZE computes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statistics {
    /// The size only.
    NoScan,
    /// Size and rows, and more of these columns.
    Of(Vec<Identifier>),
    /// Size and rows, and more of every column.
    OfAll,
}
