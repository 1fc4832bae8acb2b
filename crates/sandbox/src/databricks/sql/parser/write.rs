//! `INSERT`, `UPDATE`, `DELETE` and `TRUNCATE`

use datafusion::sql::sqlparser::{ast::Expr, tokenizer::Token};

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::{Insert, InsertMode, ObjectPath, Statement};

impl StatementParser {
    pub(super) fn insert(&mut self) -> Parsed<Statement> {
        self.words(&["INSERT"])?;
        let schema_evolution = self.accept(&["WITH", "SCHEMA", "EVOLUTION"]);
        let mut mode = if self.accept(&["OVERWRITE"]) {
            self.accept(&["INTO"]);
            InsertMode::Overwrite
        } else {
            self.words(&["INTO"])?;
            InsertMode::Append
        };
        self.accept(&["TABLE"]);
        let table = self.path()?;
        if self.accept(&["PARTITION"]) {
            return refuse("INSERT … PARTITION");
        }
        let columns = if self.starts_column_list() { self.names()? } else { Vec::new() };
        let by_name = self.accept(&["BY", "NAME"]);
        if self.accept(&["REPLACE", "WHERE"]) {
            mode = InsertMode::ReplaceWhere(Box::new(self.inner.parse_expr()?));
        } else if self.peek_word(0, "REPLACE") {
            return refuse("INSERT … REPLACE USING and REPLACE ON");
        }
        let source = self.query()?;
        Ok(Statement::Insert(Box::new(Insert { table, mode, columns, by_name, schema_evolution, source })))
    }

    /// `(a, b) SELECT …` but not `(SELECT …)`.
    fn starts_column_list(&self) -> bool {
        self.inner.peek_token().token == Token::LParen
            && !["SELECT", "WITH", "VALUES", "FROM", "TABLE"].iter().any(|word| self.peek_word(1, word))
            && self.inner.peek_nth_token(1).token != Token::LParen
    }

    pub(super) fn update(&mut self) -> Parsed<Statement> {
        self.words(&["UPDATE"])?;
        let (table, alias) = self.target(&["SET"])?;
        self.words(&["SET"])?;
        let assignments = self.assignments()?;
        if self.peek_word(0, "FROM") {
            return refuse("UPDATE … FROM");
        }
        let predicate = if self.accept(&["WHERE"]) { Some(self.inner.parse_expr()?) } else { None };
        Ok(Statement::Update { table, alias, assignments, predicate })
    }

    pub(super) fn delete(&mut self) -> Parsed<Statement> {
        self.words(&["DELETE", "FROM"])?;
        let (table, alias) = self.target(&["WHERE"])?;
        let predicate = if self.accept(&["WHERE"]) { Some(self.inner.parse_expr()?) } else { None };
        Ok(Statement::Delete { table, alias, predicate })
    }

    /// A table with an optional alias, which is none of the words that may follow.
    pub(super) fn target(&mut self, follow: &[&str]) -> Parsed<(ObjectPath, Option<String>)> {
        let table = self.path()?;
        let named = self.accept(&["AS"]);
        let next = self.inner.peek_token().token;
        let alias = match next {
            Token::Word(word)
                if named
                    || word.quote_style.is_some()
                    || !follow.iter().any(|follow| word.value.eq_ignore_ascii_case(follow)) =>
            {
                Some(self.inner.parse_identifier()?.value)
            }
            _ => None,
        };
        Ok((table, alias))
    }

    pub(super) fn assignments(&mut self) -> Parsed<Vec<(String, Expr)>> {
        let mut assignments = Vec::new();
        loop {
            // `t.c = …` names the column by its last part; a nested field cannot be set alone.
            let column = self.path()?.0;
            self.inner.expect_token(&Token::Eq)?;
            let value = self.inner.parse_expr()?;
            assignments.push((column.into_iter().next_back().unwrap_or_default(), value));
            if !self.inner.consume_token(&Token::Comma) {
                return Ok(assignments);
            }
        }
    }

    pub(super) fn truncate(&mut self) -> Parsed<Statement> {
        self.words(&["TRUNCATE", "TABLE"])?;
        Ok(Statement::Truncate { table: self.path()? })
    }
}
