//! `USE` and `SET`

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::Statement;

impl StatementParser {
    pub(super) fn use_statement(&mut self) -> Parsed<Statement> {
        self.words(&["USE"])?;
        if self.accept(&["CATALOG"]) || self.accept(&["SET", "CATALOG"]) {
            return Ok(Statement::UseCatalog { name: self.inner.parse_identifier()?.value });
        }
        if !self.accept(&["SCHEMA"]) {
            self.accept(&["DATABASE"]);
        }
        Ok(Statement::UseSchema { name: self.path()? })
    }

    pub(super) fn set(&mut self) -> Parsed<Statement> {
        self.words(&["SET"])?;
        if self.peek_word(0, "VAR") || self.peek_word(0, "VARIABLE") {
            return refuse("SET VARIABLE");
        }
        let time_zone = self.accept(&["TIME", "ZONE"]);
        let name = if time_zone { "TIMEZONE".to_owned() } else { self.path()?.0.join(".") };
        let _ = self.inner.consume_token(&Token::Eq);
        let value = match self.inner.next_token().token {
            Token::SingleQuotedString(text) => text,
            token => token.to_string(),
        };
        Ok(Statement::Set { name, value })
    }
}
