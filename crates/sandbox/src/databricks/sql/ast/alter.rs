use deltalake::kernel::DataType;

use super::{ColumnSpec, Identifier, KeySpec, ObjectPath};

/// The way to a column or into one; `element`, `key` and `value` lead into arrays and maps.
pub(crate) type FieldPath = Vec<Identifier>;

/// Where a column is to stand among its own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    First,
    After(Identifier),
}

/// One column of an `ADD COLUMNS`; the spec's name is the last of the path.
#[derive(Clone, Debug)]
pub(crate) struct AddedColumn {
    pub(crate) parent: FieldPath,
    pub(crate) spec: ColumnSpec,
    pub(crate) position: Option<Position>,
}

/// What `ALTER COLUMN` changes.
#[derive(Clone, Debug)]
pub(crate) enum ColumnChange {
    Comment(String),
    Nullable(bool),
    /// `None` takes it away.
    Default(Option<String>),
    Type {
        data_type: DataType,
        length: Option<String>,
    },
    Move(Position),
}

/// What `ALTER TABLE` changes.
#[derive(Clone, Debug)]
pub(crate) enum TableChange {
    AddColumns(Vec<AddedColumn>),
    AlterColumn {
        column: FieldPath,
        change: ColumnChange,
    },
    RenameColumn {
        column: FieldPath,
        to: Identifier,
    },
    DropColumns {
        columns: Vec<FieldPath>,
        if_exists: bool,
    },
    /// The expression as it is written, as in the fields of [`ColumnSpec`].
    AddConstraint {
        name: Identifier,
        check: String,
    },
    AddKey(KeySpec),
    DropConstraint {
        name: Identifier,
        if_exists: bool,
        cascade: bool,
    },
    DropPrimaryKey {
        if_exists: bool,
        cascade: bool,
    },
    SetProperties(Vec<(String, String)>),
    UnsetProperties {
        keys: Vec<String>,
        if_exists: bool,
    },
    Rename(ObjectPath),
    /// No columns: `CLUSTER BY NONE`.
    ClusterBy(Vec<FieldPath>),
}
