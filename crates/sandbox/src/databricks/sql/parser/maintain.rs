//! `OPTIMIZE`, `VACUUM` and what else looks after a table

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::{ObjectPath, Statement};

/// The words with which these statements begin.
pub(super) const MAINTENANCE: &[&str] = &["ANALYZE", "CONVERT", "GENERATE", "OPTIMIZE", "REORG", "RESTORE", "VACUUM"];

impl StatementParser {
    pub(super) fn maintain(&mut self, word: &str) -> Parsed<Statement> {
        refuse(word)
    }

    /// `DESCRIBE HISTORY t` and `DESCRIBE DETAIL t`, from the word after DESCRIBE.
    pub(super) fn describe_delta(&mut self, word: &str) -> Parsed<Statement> {
        refuse(&format!("DESCRIBE {word}"))
    }

    /// `CREATE TABLE t [SHALLOW | DEEP] CLONE s`, from the word after the name.
    pub(super) fn create_clone(
        &mut self,
        _name: ObjectPath,
        _or_replace: bool,
        _if_not_exists: bool,
    ) -> Parsed<Statement> {
        refuse("CREATE TABLE … CLONE")
    }
}
