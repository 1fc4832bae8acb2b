//! What a version of a table came from.

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// The operation that made a version, in the server's own words.
        ///
        /// ```
        /// use twinhouse_delta::TableOperation;
        ///
        /// let operation: TableOperation = "CREATE TABLE AS SELECT".parse().unwrap();
        /// assert_eq!(operation, TableOperation::CreateTableAsSelect);
        /// assert!(operation.changes_data());
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TableOperation {
            $($(#[$doc])* $variant,)*
            /// One that this version of the library has no name for.
            Other(String),
        }

        impl TableOperation {
            /// The server's word for it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for TableOperation {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        #[cfg(test)]
        const KNOWN: &[TableOperation] = &[$(TableOperation::$variant,)*];
    };
}

operations! {
    /// Rows were written: INSERT, a load, a data frame.
    Write = "WRITE";
    /// Rows were loaded from files.
    CopyInto = "COPY INTO";
    /// A stream wrote a micro-batch.
    StreamingUpdate = "STREAMING UPDATE";
    /// A table without rows.
    CreateTable = "CREATE TABLE";
    /// A table with the rows of a query.
    CreateTableAsSelect = "CREATE TABLE AS SELECT";
    /// A table in the place of another.
    ReplaceTable = "REPLACE TABLE";
    /// A table with the rows of a query, in the place of another.
    ReplaceTableAsSelect = "REPLACE TABLE AS SELECT";
    /// A table, perhaps in the place of another.
    CreateOrReplaceTable = "CREATE OR REPLACE TABLE";
    /// A table with the rows of a query, perhaps in the place of another.
    CreateOrReplaceTableAsSelect = "CREATE OR REPLACE TABLE AS SELECT";
    /// Rows of a source were merged in.
    Merge = "MERGE";
    /// Rows were changed.
    Update = "UPDATE";
    /// Rows were deleted.
    Delete = "DELETE";
    /// All rows were deleted.
    Truncate = "TRUNCATE";
    /// Files were rewritten, the rows stayed.
    Optimize = "OPTIMIZE";
    /// Deletion vectors or dropped columns were purged from the files.
    Reorg = "REORG";
    /// Old files are about to be deleted.
    VacuumStart = "VACUUM START";
    /// Old files were deleted.
    VacuumEnd = "VACUUM END";
    /// The table went back to an earlier version.
    Restore = "RESTORE";
    /// The table was made from another.
    Clone = "CLONE";
    /// A folder of Parquet files became a table.
    Convert = "CONVERT";
    /// Statistics of the files were computed.
    ComputeStats = "COMPUTE STATS";
    /// Properties were set.
    SetProperties = "SET TBLPROPERTIES";
    /// Properties were taken away.
    UnsetProperties = "UNSET TBLPROPERTIES";
    /// Columns were added.
    AddColumns = "ADD COLUMNS";
    /// A column was changed: type, comment, place, nullability.
    ChangeColumn = "CHANGE COLUMN";
    /// A column got another name.
    RenameColumn = "RENAME COLUMN";
    /// Columns were dropped.
    DropColumns = "DROP COLUMNS";
    /// A constraint was added.
    AddConstraint = "ADD CONSTRAINT";
    /// A constraint was dropped.
    DropConstraint = "DROP CONSTRAINT";
    /// The clustering columns were changed.
    ClusterBy = "CLUSTER BY";
    /// The protocol was raised.
    UpgradeProtocol = "UPGRADE PROTOCOL";
    /// Entries of lost files were removed.
    Fsck = "FSCK";
}

impl TableOperation {
    /// Whether the rows of the table may differ after it. What is unknown may have changed them.
    pub fn changes_data(&self) -> bool {
        use TableOperation as Op;
        match self {
            Op::Write
            | Op::CopyInto
            | Op::StreamingUpdate
            | Op::CreateTableAsSelect
            | Op::ReplaceTable
            | Op::ReplaceTableAsSelect
            | Op::CreateOrReplaceTable
            | Op::CreateOrReplaceTableAsSelect
            | Op::Merge
            | Op::Update
            | Op::Delete
            | Op::Truncate
            | Op::Restore
            | Op::Clone
            | Op::Convert
            | Op::Fsck
            | Op::Other(_) => true,
            Op::CreateTable
            | Op::Optimize
            | Op::Reorg
            | Op::VacuumStart
            | Op::VacuumEnd
            | Op::ComputeStats
            | Op::SetProperties
            | Op::UnsetProperties
            | Op::AddColumns
            | Op::ChangeColumn
            | Op::RenameColumn
            | Op::DropColumns
            | Op::AddConstraint
            | Op::DropConstraint
            | Op::ClusterBy
            | Op::UpgradeProtocol => false,
        }
    }
}

impl FromStr for TableOperation {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for TableOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TableOperation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_reads_back_as_it_is_written_and_unknown_ones_are_kept() {
        for operation in KNOWN {
            assert_eq!(TableOperation::from(operation.as_str()), *operation);
        }
        let odd = TableOperation::from("MANUAL UPDATE");
        assert_eq!((odd.to_string().as_str(), odd.changes_data()), ("MANUAL UPDATE", true));
    }
}
