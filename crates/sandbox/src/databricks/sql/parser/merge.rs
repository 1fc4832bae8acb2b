//! `MERGE INTO`

use datafusion::sql::sqlparser::{
    ast::Query,
    parser::ParserError,
    tokenizer::{Token, TokenWithSpan},
};

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::{Merge, MergeAction, MergeClause, MergeKind, Statement};

impl StatementParser {
    pub(super) fn merge(&mut self) -> Parsed<Statement> {
        self.words(&["MERGE"])?;
        let schema_evolution = self.accept(&["WITH", "SCHEMA", "EVOLUTION"]);
        self.words(&["INTO"])?;
        let (target, target_alias) = self.target(&["USING"])?;
        self.words(&["USING"])?;
        let first = self.inner.index();
        let factor = self.inner.parse_table_factor()?;
        let Some(source_alias) = Self::alias_of(&factor) else {
            return refuse("a MERGE source that is neither a table nor a query");
        };
        let source = self.select_all(first)?;
        let source_alias = if source_alias.is_empty() { "__source".to_owned() } else { source_alias };
        self.words(&["ON"])?;
        let on = self.inner.parse_expr()?;
        let mut clauses = Vec::new();
        while self.accept(&["WHEN"]) {
            clauses.push(self.merge_clause()?);
        }
        if clauses.is_empty() {
            self.words(&["WHEN"])?;
        }
        Ok(Statement::Merge(Box::new(Merge {
            target,
            target_alias,
            source,
            source_alias,
            on,
            clauses,
            schema_evolution,
        })))
    }

    /// `SELECT * FROM` the tokens since `first`, with the common table expressions before the statement.
    fn select_all(&mut self, first: usize) -> Parsed<Box<Query>> {
        let last = self.inner.index();
        let mut tokens = std::mem::take(&mut self.common);
        let select = [Token::make_word("SELECT", None), Token::Mul, Token::make_word("FROM", None)];
        tokens.extend(select.into_iter().map(TokenWithSpan::wrap));
        let all = self.tokens();
        tokens.extend_from_slice(&all[first..last]);
        let query = Self::new(tokens).query();
        *self = Self::new(all);
        for _ in 0..last {
            self.inner.next_token();
        }
        query
    }

    fn merge_clause(&mut self) -> Parsed<MergeClause> {
        let kind = if self.accept(&["MATCHED"]) {
            MergeKind::Matched
        } else {
            self.words(&["NOT", "MATCHED"])?;
            if self.accept(&["BY", "SOURCE"]) {
                MergeKind::NotMatchedBySource
            } else {
                self.accept(&["BY", "TARGET"]);
                MergeKind::NotMatched
            }
        };
        let predicate = if self.accept(&["AND"]) { Some(self.inner.parse_expr()?) } else { None };
        self.words(&["THEN"])?;
        let action = if kind == MergeKind::NotMatched {
            self.words(&["INSERT"])?;
            self.insert_action()?
        } else if self.accept(&["DELETE"]) {
            MergeAction::Delete
        } else {
            self.words(&["UPDATE", "SET"])?;
            if kind == MergeKind::Matched && self.inner.consume_token(&Token::Mul) {
                MergeAction::UpdateAll { except: self.except()? }
            } else {
                MergeAction::Update(self.assignments()?)
            }
        };
        Ok(MergeClause { kind, predicate, action })
    }

    fn insert_action(&mut self) -> Parsed<MergeAction> {
        if self.inner.consume_token(&Token::Mul) {
            return Ok(MergeAction::InsertAll { except: self.except()? });
        }
        self.inner.expect_token(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            columns.extend(self.path()?.0.into_iter().next_back());
            if !self.inner.consume_token(&Token::Comma) {
                break;
            }
        }
        self.inner.expect_token(&Token::RParen)?;
        self.words(&["VALUES"])?;
        self.inner.expect_token(&Token::LParen)?;
        let values = self.inner.parse_comma_separated(|parser| parser.parse_expr())?;
        self.inner.expect_token(&Token::RParen)?;
        if columns.len() != values.len() {
            return Err(ParserError::ParserError("the columns and the values differ in number".to_owned()));
        }
        Ok(MergeAction::Insert { columns, values })
    }

    fn except(&mut self) -> Parsed<Vec<String>> {
        if self.accept(&["EXCEPT"]) { self.names() } else { Ok(Vec::new()) }
    }
}
