//! One statement of an evolution.

use std::fmt;

use twinhouse_core::Result;
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _};

use crate::schema::{DeltaType, FieldPath};

/// One change of a table: one statement, one version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EvolutionStep {
    /// Sets the property that gives the table a feature which later steps need.
    Enable {
        /// The property.
        property: &'static str,
        /// Its value.
        value: &'static str,
    },
    /// Renames a column or field.
    Rename {
        /// Its path until now.
        from: FieldPath,
        /// Its name from now on.
        to: String,
    },
    /// Drops a column or field.
    Drop {
        /// Where.
        path: FieldPath,
    },
    /// Adds columns and fields, all at once. They allow nulls.
    Add {
        /// Each with its path, type and comment.
        columns: Vec<(FieldPath, DeltaType, Option<String>)>,
    },
    /// Widens a type.
    Widen {
        /// Where.
        path: FieldPath,
        /// The type until now.
        from: DeltaType,
        /// The type from now on.
        to: DeltaType,
    },
    /// Allows nulls.
    AllowNulls {
        /// Where.
        path: FieldPath,
    },
    /// Sets a comment.
    Comment {
        /// Where.
        path: FieldPath,
        /// The comment; empty for none.
        comment: String,
    },
    /// Refuses nulls.
    RefuseNulls {
        /// Where.
        path: FieldPath,
    },
}

impl EvolutionStep {
    /// What follows `ALTER TABLE t`.
    pub(super) fn change(&self) -> Result<String> {
        let string = |text: &str| DatabricksDialect.string(text);
        Ok(match self {
            Self::Enable { property, value } => {
                format!("SET TBLPROPERTIES ({} = {})", string(property)?, string(value)?)
            }
            Self::Rename { from, to } => {
                format!("RENAME COLUMN {} TO {}", from.sql()?, DatabricksDialect.quote(to)?)
            }
            Self::Drop { path } => format!("DROP COLUMN {}", path.sql()?),
            Self::Add { columns } => {
                let column = |(path, data_type, comment): &(FieldPath, DeltaType, Option<String>)| {
                    let comment = match comment {
                        Some(comment) => format!(" COMMENT {}", string(comment)?),
                        None => String::new(),
                    };
                    Ok(format!("{} {}{comment}", path.sql()?, data_type.sql()?))
                };
                format!("ADD COLUMNS ({})", columns.iter().map(column).collect::<Result<Vec<_>>>()?.join(", "))
            }
            Self::Widen { path, to, .. } => format!("ALTER COLUMN {} TYPE {}", path.sql()?, to.sql()?),
            Self::AllowNulls { path } => format!("ALTER COLUMN {} DROP NOT NULL", path.sql()?),
            Self::Comment { path, comment } => format!("ALTER COLUMN {} COMMENT {}", path.sql()?, string(comment)?),
            Self::RefuseNulls { path } => format!("ALTER COLUMN {} SET NOT NULL", path.sql()?),
        })
    }
}

impl fmt::Display for EvolutionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enable { property, value } => write!(f, "set {property} to {value}"),
            Self::Rename { from, to } => write!(f, "rename {from} to {to}"),
            Self::Drop { path } => write!(f, "drop {path}"),
            Self::Add { columns } => {
                let names: Vec<String> = columns.iter().map(|(path, ..)| path.to_string()).collect();
                write!(f, "add {}", names.join(", "))
            }
            Self::Widen { path, from, to } => write!(f, "widen {path} from {from} to {to}"),
            Self::AllowNulls { path } => write!(f, "allow nulls in {path}"),
            Self::Comment { path, .. } => write!(f, "comment on {path}"),
            Self::RefuseNulls { path } => write!(f, "refuse nulls in {path}"),
        }
    }
}
