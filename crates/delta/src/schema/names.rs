//! Which names columns may have.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _};

/// Whether columns have other names in the files than in SQL (`delta.columnMapping.mode`).
///
/// Only with it may names hold blanks and the signs ``,;{}()=``, and columns be renamed or dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnMapping {
    /// The names in the files are those in SQL.
    #[default]
    Off,
    /// By name or by id: SQL's names are free.
    On,
}

/// Characters that columns cannot have without column mapping.
const MAPPED: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// Names of columns that Delta itself adds to a change data feed.
const OWN: &[&str] = &["_change_type", "_commit_version", "_commit_timestamp"];

/// Whether SQL reads the name differently where it stands without quotes.
///
/// Everything here quotes its names; this is for people who will type them: a plan and a schema warn of such names.
/// The list holds the words that Databricks reserves itself and those of standard SQL that its ANSI mode names.
pub fn is_reserved_word(name: &str) -> bool {
    RESERVED.binary_search(&name.to_ascii_uppercase().as_str()).is_ok()
}

/// Refuses a name that a column cannot have.
pub(super) fn check(name: &str, mapping: ColumnMapping) -> Result<()> {
    DatabricksDialect.quote(name)?;
    let refused = |why: String| {
        Err(Error::new(ErrorKind::InvalidInput, why).with_context("column", name.escape_debug().to_string()))
    };
    if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return refused("Delta keeps this column name for its change data feed: choose another".to_owned());
    }
    match name.chars().find(|c| MAPPED.contains(c)) {
        Some(c) if mapping == ColumnMapping::Off => {
            refused(format!("a column name with {c:?} needs column mapping: set `delta.columnMapping.mode` to `name`"))
        }
        _ => Ok(()),
    }
}

/// Refuses a name that is there twice, whatever its case.
pub(super) fn check_distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name.to_lowercase()) {
            return Err(Error::new(ErrorKind::InvalidInput, "two columns have the same name; case does not matter")
                .with_context("column", name.escape_debug().to_string()));
        }
    }
    Ok(())
}

/// Whether people write the name without quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word && !is_reserved_word(name)
}

/// In alphabetical order.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "ALL", "ALTER", "AND", "ANTI", "ANY", "ARRAY", "AS", "AT", "AUTHORIZATION", "BETWEEN", "BOTH", "BY", "CASE", "CAST",
    "CHECK", "COLLATE", "COLUMN", "COMMIT", "CONSTRAINT", "CREATE", "CROSS", "CUBE", "CURRENT", "CURRENT_DATE",
    "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DEFAULT", "DELETE", "DESCRIBE", "DISTINCT", "DROP", "ELSE",
    "END", "ESCAPE", "EXCEPT", "EXISTS", "EXTERNAL", "EXTRACT", "FALSE", "FETCH", "FILTER", "FOR", "FOREIGN", "FROM",
    "FULL", "FUNCTION", "GLOBAL", "GRANT", "GROUP", "GROUPING", "HAVING", "IN", "INNER", "INSERT", "INTERSECT",
    "INTERVAL", "INTO", "IS", "JOIN", "LATERAL", "LEADING", "LEFT", "LIKE", "LOCAL", "NATURAL", "NO", "NOT", "NULL",
    "OF", "ON", "ONLY", "OR", "ORDER", "OUT", "OUTER", "OVERLAPS", "PARTITION", "POSITION", "PRIMARY", "RANGE",
    "REFERENCES", "REVOKE", "RIGHT", "ROLLBACK", "ROLLUP", "ROW", "ROWS", "SELECT", "SEMI", "SESSION_USER", "SET",
    "SOME", "START", "TABLE", "TABLESAMPLE", "THEN", "TIME", "TO", "TRAILING", "TRUE", "TRUNCATE", "UNION", "UNIQUE",
    "UNKNOWN", "UPDATE", "USER", "USING", "VALUES", "WHEN", "WHERE", "WINDOW", "WITH",
];
