//! Recognises statements; what is inside an expression or a query is left to sqlparser.

use datafusion::sql::sqlparser::{
    ast::{Expr, ObjectNamePart, Query, TableFactor},
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};

use super::{
    ast::{Insert, InsertMode, ObjectPath, Statement},
    dialect::Databricks,
    lexer::Lexed,
    types::refused_type,
};
use crate::databricks::error::{SqlError, SqlResult};

mod copy;
mod ddl;
mod merge;
mod show;

/// Statements of Databricks that the sandbox knows and does not run.
const REFUSED: &[&str] = &[
    "ALTER", "ANALYZE", "BEGIN", "CACHE", "CALL", "CLEAR", "CONVERT", "DECLARE", "EXECUTE", "EXPLAIN", "FSCK", "GET",
    "GRANT", "LIST", "LOAD", "MSCK", "OPTIMIZE", "PUT", "REFRESH", "REMOVE", "REORG", "REPAIR", "RESET", "RESTORE",
    "REVOKE", "SYNC", "UNCACHE", "UNDROP", "VACUUM",
];

type Parsed<T> = Result<T, ParserError>;

/// Reads one statement.
pub(crate) fn parse(lexed: &Lexed) -> SqlResult<Statement> {
    let mut parser = StatementParser::new(lexed.tokens.clone());
    let statement = parser.statement().map_err(|error| syntax_error(lexed, &error))?;
    parser.end().map_err(|error| syntax_error(lexed, &error))?;
    Ok(statement)
}

/// A parser of whole statements over sqlparser's parser of expressions.
pub(super) struct StatementParser {
    inner: Parser<'static>,
}

impl StatementParser {
    fn new(tokens: Vec<TokenWithSpan>) -> Self {
        Self { inner: Parser::new(&Databricks).with_tokens_with_locations(tokens) }
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
            "WITH" => self.query().map(Statement::Query),
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "INSERT" => self.insert(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "TRUNCATE" => {
                self.words(&["TRUNCATE", "TABLE"])?;
                Ok(Statement::Truncate { table: self.path()? })
            }
            "MERGE" => self.merge(),
            "COPY" => self.copy(),
            "COMMENT" => self.comment_on(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "USE" => self.use_statement(),
            "SET" => self.set(),
            word if REFUSED.contains(&word) => refuse(word),
            _ => self.inner.expected("a statement", first),
        }
    }

    fn query(&mut self) -> Parsed<Box<Query>> {
        self.inner.parse_query()
    }

    fn insert(&mut self) -> Parsed<Statement> {
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

    fn update(&mut self) -> Parsed<Statement> {
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

    fn delete(&mut self) -> Parsed<Statement> {
        self.words(&["DELETE", "FROM"])?;
        let (table, alias) = self.target(&["WHERE"])?;
        let predicate = if self.accept(&["WHERE"]) { Some(self.inner.parse_expr()?) } else { None };
        Ok(Statement::Delete { table, alias, predicate })
    }

    /// A table with an optional alias, which is none of the words that may follow.
    fn target(&mut self, follow: &[&str]) -> Parsed<(ObjectPath, Option<String>)> {
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

    fn assignments(&mut self) -> Parsed<Vec<(String, Expr)>> {
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

    fn use_statement(&mut self) -> Parsed<Statement> {
        self.words(&["USE"])?;
        if self.accept(&["CATALOG"]) || self.accept(&["SET", "CATALOG"]) {
            return Ok(Statement::UseCatalog { name: self.inner.parse_identifier()?.value });
        }
        if !self.accept(&["SCHEMA"]) {
            self.accept(&["DATABASE"]);
        }
        Ok(Statement::UseSchema { name: self.path()? })
    }

    fn set(&mut self) -> Parsed<Statement> {
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

/// The words by which [`syntax_error`] knows a refusal after the parser has carried it.
const REFUSAL: &str = "unsupported statement ";

fn refuse<T>(what: &str) -> Parsed<T> {
    Err(ParserError::ParserError(format!("{REFUSAL}{what}")))
}

/// Turns the parser's words into the service's: the token and its place.
fn syntax_error(lexed: &Lexed, error: &ParserError) -> SqlError {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            return SqlError::new("FAILED_TO_PARSE_TOO_COMPLEX", "54001", "The statement was too complex to parse.");
        }
    };
    if let Some((_, what)) = text.split_once(REFUSAL) {
        return SqlError::unsupported(what);
    }
    if let Some(name) = refused_type(text) {
        return SqlError::unsupported(format_args!("the data type {name}"));
    }
    let place = text.rsplit_once(" at Line: ").and_then(|(_, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((line.parse::<u64>().ok()?, column.trim().parse::<u64>().ok()?))
    });
    let token = place.and_then(|(line, column)| {
        lexed.tokens.iter().find(|token| token.span.start.line == line && token.span.start.column == column)
    });
    match (token, place) {
        (Some(token), Some((line, column))) => {
            let near = match &token.token {
                Token::Word(word) => word.value.clone(),
                other => other.to_string(),
            };
            SqlError::syntax(&lexed.text, Some(&near), line, column.saturating_sub(1))
        }
        _ => {
            let end = lexed.tokens.last().map(|token| token.span.end);
            let (line, column) = end.map_or((1, 1), |end| (end.line, end.column));
            SqlError::syntax(&lexed.text, None, line, column.saturating_sub(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ast::MergeAction, lexer::lex},
        *,
    };

    fn read(sql: &str) -> SqlResult<Statement> {
        parse(&lex(sql)?)
    }

    #[test]
    fn a_wrong_word_is_named_with_its_place() {
        let message = |sql: &str| read(sql).unwrap_err().message();
        assert!(message("INSER INTO t").contains("at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)"));
        assert!(
            message("SELECT 1\nFROM t WHERE").contains("at or near end of input. SQLSTATE: 42601 (line 2, pos 12)")
        );
        assert!(message("SELECT 1; SELECT 2").contains("at or near 'SELECT'. SQLSTATE: 42601 (line 1, pos 10)"));
        assert!(message("SELECT * FORM t x").contains("at or near"));
    }

    #[test]
    fn what_is_known_but_not_run_is_refused_by_name() {
        for sql in [
            "OPTIMIZE t",
            "VACUUM t RETAIN 168 HOURS",
            "ALTER TABLE t ADD COLUMN c INT",
            "CREATE VIEW v AS SELECT 1",
            "SELECT CAST(1 AS VARIANT)",
            "DESCRIBE HISTORY t",
        ] {
            let error = read(sql).unwrap_err();
            assert_eq!((error.class(), error.sqlstate()), ("UNSUPPORTED_FEATURE", "0A000"), "{sql}");
        }
    }

    #[test]
    fn every_statement_of_the_grammar_is_recognised() {
        for sql in [
            "CREATE OR REPLACE TABLE main.s.`t x` (a INT NOT NULL COMMENT 'k', b DECIMAL(10,2)) USING DELTA PARTITIONED BY (a) COMMENT 'c' TBLPROPERTIES ('delta.appendOnly' = 'true', x.y = 1);",
            "CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a",
            "CREATE SCHEMA IF NOT EXISTS main.s COMMENT 'x'",
            "DROP SCHEMA IF EXISTS s CASCADE",
            "CREATE VOLUME IF NOT EXISTS main.s.v",
            "INSERT INTO t VALUES (1, 'a'), (2, NULL)",
            "INSERT INTO TABLE t (a, b) SELECT 1, 2",
            "INSERT INTO t (SELECT 1)",
            "INSERT OVERWRITE t TABLE u",
            "INSERT INTO t BY NAME SELECT 1 AS a",
            "INSERT INTO t REPLACE WHERE a > 3 SELECT * FROM u",
            "UPDATE t AS x SET a = a + 1, x.b = :v WHERE a IN (1, 2)",
            "DELETE FROM t WHERE a = 1",
            "TRUNCATE TABLE t",
            "COPY INTO t FROM '/Volumes/main/s/v/d' FILEFORMAT = PARQUET PATTERN = '*.parquet' COPY_OPTIONS ('force' = 'true')",
            "COPY INTO t (a, b) FROM (SELECT a, b::INT FROM '/Volumes/m/s/v') FILEFORMAT = PARQUET FILES = ('x', 'y') FORMAT_OPTIONS ('mergeSchema' = 'true')",
            "SHOW TABLES IN CATALOG main SCHEMA LIKE 'default' LIKE '*'",
            "SHOW SCHEMAS IN main",
            "SHOW CATALOGS",
            "SHOW VOLUMES IN main.default",
            "SHOW TABLES IN main.default",
            "DESCRIBE TABLE EXTENDED t",
            "DESCRIBE QUERY SELECT 1",
            "USE CATALOG main",
            "USE main.default",
            "SELECT * FROM t VERSION AS OF 3 AS x JOIN u TIMESTAMP AS OF '2024-01-01' ON x.a = u.a",
            "WITH a AS (SELECT 1 x) SELECT a.x, count(*) FROM a GROUP BY ALL",
            "SELECT l_a FROM t WHERE d <= date '1998-12-01' - interval '90' day AND extract(year from d) = 1 AND s LIKE 'a%'",
        ] {
            read(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }

    #[test]
    fn a_merge_knows_all_its_clauses() {
        let sql = "MERGE WITH SCHEMA EVOLUTION INTO t AS x USING (SELECT 1 AS a) s ON x.a = s.a \
            WHEN MATCHED AND s.d THEN DELETE WHEN MATCHED THEN UPDATE SET * \
            WHEN NOT MATCHED BY TARGET THEN INSERT (a, b) VALUES (s.a, 2) WHEN NOT MATCHED THEN INSERT * EXCEPT (c) \
            WHEN NOT MATCHED BY SOURCE AND x.a > 3 THEN UPDATE SET b = 0 WHEN NOT MATCHED BY SOURCE THEN DELETE";
        let Statement::Merge(merge) = read(sql).unwrap() else { panic!() };
        assert_eq!((merge.target_alias.as_deref(), merge.source_alias.as_str()), (Some("x"), "s"));
        assert_eq!(merge.clauses.len(), 6);
        assert!(merge.schema_evolution && matches!(merge.clauses[1].action, MergeAction::UpdateAll { .. }));
    }
}
