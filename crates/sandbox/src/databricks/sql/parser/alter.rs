//! `ALTER`

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::Statement;

impl StatementParser {
    pub(super) fn alter(&mut self) -> Parsed<Statement> {
        self.words(&["ALTER"])?;
        refuse("ALTER")
    }
}
