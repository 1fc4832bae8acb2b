//! Which version of a table is meant.

use chrono::{DateTime, Utc};
use twinhouse_core::Result;
use twinhouse_warehouse_api::{Dialect, Value};

/// A version of a table: by its number, or the one that was the latest at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsOf {
    /// This version. The first is 0.
    Version(u64),
    /// The version that was the latest at this moment.
    Timestamp(DateTime<Utc>),
}

impl AsOf {
    /// What stands behind the table's name. A version takes no parameter there, so both are written into the text.
    pub(crate) fn sql(self, dialect: &dyn Dialect) -> Result<String> {
        Ok(match self {
            Self::Version(version) => format!("VERSION AS OF {version}"),
            Self::Timestamp(moment) => format!("TIMESTAMP AS OF {}", dialect.literal(&Value::from(moment))?),
        })
    }
}

impl From<u64> for AsOf {
    fn from(version: u64) -> Self {
        Self::Version(version)
    }
}

impl From<DateTime<Utc>> for AsOf {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::Timestamp(moment)
    }
}
