//! `CREATE VIEW` and `EXPLAIN`

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::{CreateView, ExplainMode, Statement};

impl StatementParser {
    /// After `CREATE [OR REPLACE]`: `[GLOBAL] [TEMP[ORARY]] VIEW [IF NOT EXISTS] v [(c [COMMENT '…'], …)] … AS query`.
    /// `None` if this is about something else.
    pub(super) fn create_view(&mut self, or_replace: bool) -> Parsed<Option<Statement>> {
        for word in ["MATERIALIZED", "STREAMING"] {
            if self.peek_word(0, word) {
                return refuse(&format!("CREATE {word} …"));
            }
        }
        if self.peek_word(0, "GLOBAL") {
            return refuse("a global temporary view");
        }
        let temporary = self.accept(&["TEMPORARY"]) || self.accept(&["TEMP"]);
        if !self.accept(&["VIEW"]) {
            return if temporary { refuse("CREATE TEMPORARY of anything but a view") } else { Ok(None) };
        }
        let if_not_exists = self.accept(&["IF", "NOT", "EXISTS"]);
        let name = self.path()?;
        let mut columns = Vec::new();
        if self.inner.consume_token(&Token::LParen) {
            loop {
                let column = self.inner.parse_identifier()?.value;
                columns.push((column, self.comment()?));
                if !self.inner.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.inner.expect_token(&Token::RParen)?;
        }
        let mut comment = None;
        loop {
            if self.accept(&["COMMENT"]) {
                comment = Some(self.text()?);
            } else if self.accept(&["TBLPROPERTIES"]) {
                self.options()?;
            } else if self.peek_word(0, "WITH") || self.peek_word(0, "DEFAULT") || self.peek_word(0, "USING") {
                return refuse("this clause of CREATE VIEW");
            } else {
                break;
            }
        }
        self.words(&["AS"])?;
        let begins = self.inner.peek_token().span.start;
        // It must be a query; its text is what counts.
        self.query()?;
        Ok(Some(Statement::CreateView(Box::new(CreateView {
            name,
            or_replace,
            if_not_exists,
            temporary,
            columns,
            comment,
            begins,
            text: String::new(),
        }))))
    }

    /// `EXPLAIN [EXTENDED | FORMATTED] query`.
    pub(super) fn explain(&mut self) -> Parsed<Statement> {
        self.words(&["EXPLAIN"])?;
        let mode = if self.accept(&["EXTENDED"]) {
            ExplainMode::Extended
        } else if self.peek_word(0, "CODEGEN") || self.peek_word(0, "COST") {
            return refuse("EXPLAIN CODEGEN and EXPLAIN COST");
        } else {
            self.accept(&["FORMATTED"]);
            ExplainMode::Simple
        };
        match self.inner.peek_token().token {
            Token::LParen => {}
            _ if ["SELECT", "WITH", "VALUES", "FROM", "TABLE"].iter().any(|word| self.peek_word(0, word)) => {}
            _ => return refuse("EXPLAIN of anything but a query"),
        }
        Ok(Statement::Explain { mode, query: self.query()? })
    }
}
