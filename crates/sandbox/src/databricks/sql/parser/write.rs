//! `INSERT`, `UPDATE`, `DELETE` and `TRUNCATE`

use datafusion::sql::sqlparser::{
    ast::{Expr, Query},
    tokenizer::Token,
};

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::{Insert, InsertMode, ObjectPath, ReplaceOn, Statement};

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
        let target_alias = self.replace_alias()?;
        let partition = if self.accept(&["PARTITION"]) { self.partition()? } else { Vec::new() };
        let columns = if self.starts_column_list() { self.names()? } else { Vec::new() };
        let by_name = self.accept(&["BY", "NAME"]);
        let mut replace_on = None;
        if self.accept(&["REPLACE", "WHERE"]) {
            mode = InsertMode::ReplaceWhere(Box::new(self.inner.parse_expr()?));
        } else if self.accept(&["REPLACE", "USING"]) {
            mode = InsertMode::ReplaceUsing(self.names()?);
        } else if self.accept(&["REPLACE", "ON"]) {
            replace_on = Some(self.inner.parse_expr()?);
        }
        let source = self.source()?;
        if let Some(on) = replace_on {
            self.accept(&["AS"]);
            let named = matches!(self.inner.peek_token().token, Token::Word(_));
            let source_alias = if named { Some(self.inner.parse_identifier()?.value) } else { None };
            mode = InsertMode::ReplaceOn(Box::new(ReplaceOn { target_alias, source_alias, on }));
        }
        Ok(Statement::Insert(Box::new(Insert { table, mode, partition, columns, by_name, schema_evolution, source })))
    }

    /// The alias of the target, which only REPLACE ON has.
    fn replace_alias(&mut self) -> Parsed<Option<String>> {
        let named = self.accept(&["AS"]);
        let follows = |ahead: usize| {
            self.peek_word(ahead, "REPLACE") && self.peek_word(ahead + 1, "ON")
                || self.peek_word(ahead, "BY") && self.peek_word(ahead + 1, "NAME")
        };
        let alias = matches!(self.inner.peek_token().token, Token::Word(_)) && follows(1) && !follows(0);
        if named || alias { self.inner.parse_identifier().map(|name| Some(name.value)) } else { Ok(None) }
    }

    /// `(a = 1, b)`
    fn partition(&mut self) -> Parsed<Vec<(String, Option<Expr>)>> {
        self.inner.expect_token(&Token::LParen)?;
        let columns = self.inner.parse_comma_separated(|parser| {
            let name = parser.parse_identifier()?.value;
            let value = if parser.consume_token(&Token::Eq) { Some(parser.parse_expr()?) } else { None };
            Ok((name, value))
        })?;
        self.inner.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    /// The query of an INSERT, which sees the common table expressions before the statement.
    fn source(&mut self) -> Parsed<Box<Query>> {
        if self.common.is_empty() {
            return self.query();
        }
        if self.peek_word(0, "WITH") {
            return refuse("WITH before an INSERT and again before its query");
        }
        let (first, common) = (self.inner.index(), std::mem::take(&mut self.common));
        let all = self.tokens();
        let mut inner = Self::new(common.into_iter().chain(all[first..].iter().cloned()).collect());
        let query = inner.query()?;
        inner.end()?;
        *self = Self::new(Vec::new());
        Ok(query)
    }

    /// `WITH …` before a query, or before a statement that writes one.
    pub(super) fn with(&mut self) -> Parsed<Statement> {
        let (mut depth, mut ahead) = (0, 0);
        loop {
            match self.inner.peek_nth_token(ahead).token {
                Token::EOF => return self.query().map(Statement::Query),
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            ahead += 1;
            let closed = self.inner.peek_nth_token(ahead - 1).token == Token::RParen;
            if depth > 0 || !closed {
                continue;
            }
            for word in ["INSERT", "MERGE", "UPDATE", "DELETE"] {
                if self.peek_word(ahead, word) {
                    self.common = (0..ahead).map(|_| self.inner.next_token()).collect();
                    return match word {
                        "INSERT" => self.insert(),
                        "MERGE" => self.merge(),
                        _ => refuse(&format!("WITH before {word}")),
                    };
                }
            }
        }
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

    pub(super) fn assignments(&mut self) -> Parsed<Vec<(ObjectPath, Expr)>> {
        let mut assignments = Vec::new();
        loop {
            let column = self.path()?;
            self.inner.expect_token(&Token::Eq)?;
            let value = self.inner.parse_expr()?;
            assignments.push((column, value));
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
