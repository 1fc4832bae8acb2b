//! Recognises statements; what is inside an expression or a query is left to sqlparser.

mod alter;
mod copy;
mod create;
mod error;
mod function;
mod maintain;
mod merge;
mod session;
mod show;
mod versions;
mod view;
mod write;

use datafusion::sql::sqlparser::{
    ast::{Expr, ObjectNamePart, Query, TableFactor},
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};

use self::{
    error::{refuse, syntax_error},
    maintain::MAINTENANCE,
};
use super::{
    ast::{ObjectPath, Statement},
    dialect::Databricks,
    lexer::{Lexed, lex},
};
use crate::databricks::error::SqlResult;

/// Statements of Databricks that the sandbox knows and does not run.
const REFUSED: &[&str] = &[
    "BEGIN", "CACHE", "CALL", "CLEAR", "DECLARE", "EXECUTE", "FSCK", "GET", "GRANT", "LIST", "LOAD", "MSCK", "PUT",
    "REFRESH", "REMOVE", "REPAIR", "RESET", "REVOKE", "SYNC", "UNCACHE", "UNDROP",
];

type Parsed<T> = Result<T, ParserError>;

/// Reads one statement.
pub(crate) fn parse(lexed: &Lexed) -> SqlResult<Statement> {
    let mut parser = StatementParser::new(versions::normalise(lexed)?);
    let mut statement = parser.statement().map_err(|error| syntax_error(lexed, &error))?;
    parser.end().map_err(|error| syntax_error(lexed, &error))?;
    if let Statement::CreateView(create) = &mut statement {
        create.text =
            lexed.text_from(create.begins).trim_end_matches(|c: char| c == ';' || c.is_whitespace()).to_owned();
    }
    Ok(statement)
}

/// Reads a name that stands in a text: `main.s.t`, with or without backticks.
pub(crate) fn path_of_text(text: &str) -> SqlResult<ObjectPath> {
    let lexed = lex(text)?;
    let mut parser = StatementParser::new(lexed.tokens.clone());
    let path = parser.path().map_err(|error| syntax_error(&lexed, &error))?;
    parser.end().map_err(|error| syntax_error(&lexed, &error))?;
    Ok(path)
}

/// Reads an expression that stands in a text.
pub(crate) fn expr_of_text(text: &str) -> SqlResult<Expr> {
    let lexed = lex(text)?;
    let mut parser = StatementParser::new(lexed.tokens.clone());
    let expr = parser.inner.parse_expr().map_err(|error| syntax_error(&lexed, &error))?;
    parser.end().map_err(|error| syntax_error(&lexed, &error))?;
    Ok(expr)
}

/// A parser of whole statements over sqlparser's parser of expressions.
pub(super) struct StatementParser {
    inner: Parser<'static>,
    /// The common table expressions that stand before a statement which is not a query.
    common: Vec<TokenWithSpan>,
}

impl StatementParser {
    fn new(tokens: Vec<TokenWithSpan>) -> Self {
        Self { inner: Parser::new(&Databricks).with_tokens_with_locations(tokens), common: Vec::new() }
    }

    fn end(&mut self) -> Parsed<()> {
        while self.inner.consume_token(&Token::SemiColon) {}
        let next = self.inner.peek_token();
        if next.token == Token::EOF { Ok(()) } else { self.inner.expected("end of statement", next) }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let first = self.inner.peek_token();
        let word = match &first.token {
            Token::LParen => return self.query().map(Statement::Query),
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
            _ => return self.inner.expected("a statement", first),
        };
        match word.as_str() {
            "SELECT" | "VALUES" | "FROM" | "TABLE" => self.query().map(Statement::Query),
            "WITH" => self.with(),
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "INSERT" => self.insert(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "TRUNCATE" => self.truncate(),
            "ALTER" => self.alter(),
            word if MAINTENANCE.contains(&word) => self.maintain(word),
            "MERGE" => self.merge(),
            "COPY" => self.copy(),
            "COMMENT" => self.comment_on(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "USE" => self.use_statement(),
            "SET" => self.set(),
            "EXPLAIN" => self.explain(),
            word if REFUSED.contains(&word) => refuse(word),
            _ => self.inner.expected("a statement", first),
        }
    }

    /// All tokens, also those that have been read; the parser is at its end afterwards.
    fn tokens(&mut self) -> Vec<TokenWithSpan> {
        std::mem::replace(&mut self.inner, Self::new(Vec::new()).inner).into_tokens()
    }

    fn query(&mut self) -> Parsed<Box<Query>> {
        self.inner.parse_query()
    }

    fn path(&mut self) -> Parsed<ObjectPath> {
        let mut parts = vec![self.inner.parse_identifier()?.value];
        while self.inner.consume_token(&Token::Period) {
            parts.push(self.inner.parse_identifier()?.value);
        }
        Ok(ObjectPath(parts))
    }

    fn names(&mut self) -> Parsed<Vec<String>> {
        self.inner.expect_token(&Token::LParen)?;
        let names = self.inner.parse_comma_separated(|parser| Ok(parser.parse_identifier()?.value))?;
        self.inner.expect_token(&Token::RParen)?;
        Ok(names)
    }

    fn text(&mut self) -> Parsed<String> {
        self.inner.parse_literal_string()
    }

    fn peek_word(&self, ahead: usize, expected: &str) -> bool {
        match self.inner.peek_nth_token(ahead).token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
            _ => false,
        }
    }

    /// Takes the words if all of them are next.
    fn accept(&mut self, words: &[&str]) -> bool {
        let all = words.iter().enumerate().all(|(ahead, word)| self.peek_word(ahead, word));
        if all {
            for _ in words {
                self.inner.next_token();
            }
        }
        all
    }

    fn words(&mut self, words: &[&str]) -> Parsed<()> {
        for word in words {
            if !self.accept(&[word]) {
                let found = self.inner.peek_token();
                return self.inner.expected(word, found);
            }
        }
        Ok(())
    }

    /// The alias of a source: what was given, else the last part of a table's name.
    fn alias_of(factor: &TableFactor) -> Option<String> {
        let (alias, name) = match factor {
            TableFactor::Table { alias, name, .. } => (alias, Some(name)),
            TableFactor::Derived { alias, .. } => (alias, None),
            _ => return None,
        };
        alias.as_ref().map(|alias| alias.name.value.clone()).or_else(|| match name?.0.last()? {
            ObjectNamePart::Identifier(ident) => Some(ident.value.clone()),
            ObjectNamePart::Function(_) => None,
        })
    }
}

#[cfg(test)]
mod tests;
