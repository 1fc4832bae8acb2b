//! `ALTER TABLE`

use datafusion::sql::sqlparser::{
    parser::Parser,
    tokenizer::{Token, TokenWithSpan},
};

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::{
    ast::{AddedColumn, ColumnChange, FieldPath, Position, Statement, TableChange},
    dialect::Databricks,
    print::print_tokens,
    types::parse_type,
};

impl StatementParser {
    pub(super) fn alter(&mut self) -> Parsed<Statement> {
        self.words(&["ALTER"])?;
        if !self.accept(&["TABLE"]) {
            return match self.inner.peek_token().token {
                Token::Word(word) => refuse(&format!("ALTER {}", word.value.to_ascii_uppercase())),
                _ => self.expected("TABLE"),
            };
        }
        let table = self.path()?;
        let change = self.table_change()?;
        Ok(Statement::AlterTable { table, change: Box::new(change) })
    }

    fn table_change(&mut self) -> Parsed<TableChange> {
        if self.accept(&["ADD", "CONSTRAINT"]) {
            let name = self.inner.parse_identifier()?.value;
            if self.accept(&["CHECK"]) {
                return Ok(TableChange::AddConstraint { name, check: self.parenthesised()? });
            }
            return self.key(Some(name)).map(TableChange::AddKey);
        }
        if self.accept(&["DROP", "CONSTRAINT"]) {
            let if_exists = self.accept(&["IF", "EXISTS"]);
            let name = self.inner.parse_identifier()?.value;
            return Ok(TableChange::DropConstraint { name, if_exists, cascade: self.cascade() });
        }
        if self.accept(&["DROP", "PRIMARY", "KEY"]) {
            let if_exists = self.accept(&["IF", "EXISTS"]);
            return Ok(TableChange::DropPrimaryKey { if_exists, cascade: self.cascade() });
        }
        if self.peek_word(0, "ADD") && ["PRIMARY", "FOREIGN"].iter().any(|word| self.peek_word(1, word)) {
            self.words(&["ADD"])?;
            return self.key(None).map(TableChange::AddKey);
        }
        if self.accept(&["ADD", "COLUMNS"]) || self.accept(&["ADD", "COLUMN"]) {
            return self.added_columns().map(TableChange::AddColumns);
        }
        if self.accept(&["ALTER", "COLUMN"]) || self.accept(&["CHANGE", "COLUMN"]) || self.accept(&["ALTER"]) {
            let column = self.path()?.0;
            return Ok(TableChange::AlterColumn { column, change: self.column_change()? });
        }
        if self.accept(&["RENAME", "COLUMN"]) {
            let column = self.path()?.0;
            self.words(&["TO"])?;
            return Ok(TableChange::RenameColumn { column, to: self.inner.parse_identifier()?.value });
        }
        if self.accept(&["RENAME", "TO"]) {
            return self.path().map(TableChange::Rename);
        }
        if self.accept(&["DROP", "COLUMNS"]) || self.accept(&["DROP", "COLUMN"]) {
            let if_exists = self.accept(&["IF", "EXISTS"]);
            let columns =
                if self.inner.peek_token().token == Token::LParen { self.paths()? } else { vec![self.path()?.0] };
            return Ok(TableChange::DropColumns { columns, if_exists });
        }
        if self.accept(&["SET", "TBLPROPERTIES"]) {
            return self.options().map(TableChange::SetProperties);
        }
        if self.accept(&["UNSET", "TBLPROPERTIES"]) {
            let if_exists = self.accept(&["IF", "EXISTS"]);
            return Ok(TableChange::UnsetProperties { keys: self.keys()?, if_exists });
        }
        if self.accept(&["CLUSTER", "BY"]) {
            return self.clustering().map(TableChange::ClusterBy);
        }
        match self.inner.peek_token().token {
            Token::Word(word) if word.quote_style.is_none() => {
                let words = [word.value, self.inner.peek_nth_token(1).token.to_string()].join(" ");
                refuse(&format!("ALTER TABLE … {}", words.to_ascii_uppercase()))
            }
            _ => self.expected("a change of the table"),
        }
    }

    /// `(a INT, b.c INT FIRST)`, or one column without the parentheses.
    fn added_columns(&mut self) -> Parsed<Vec<AddedColumn>> {
        let many = self.inner.consume_token(&Token::LParen);
        let mut columns = Vec::new();
        loop {
            let mut parent = self.path()?.0;
            let name = parent.pop().unwrap_or_default();
            let spec = self.column_spec(name)?;
            columns.push(AddedColumn { parent, spec, position: self.position()? });
            if !many || !self.inner.consume_token(&Token::Comma) {
                break;
            }
        }
        if many {
            self.inner.expect_token(&Token::RParen)?;
        }
        Ok(columns)
    }

    fn column_change(&mut self) -> Parsed<ColumnChange> {
        if self.accept(&["COMMENT"]) {
            return self.text().map(ColumnChange::Comment);
        }
        if self.accept(&["SET", "NOT", "NULL"]) {
            return Ok(ColumnChange::Nullable(false));
        }
        if self.accept(&["DROP", "NOT", "NULL"]) {
            return Ok(ColumnChange::Nullable(true));
        }
        if self.accept(&["TYPE"]) {
            let length = self.declared_length();
            return Ok(ColumnChange::Type { data_type: parse_type(&mut self.inner)?, length });
        }
        if let Some(position) = self.position()? {
            return Ok(ColumnChange::Move(position));
        }
        if self.accept(&["SET", "DEFAULT"]) {
            return Ok(ColumnChange::Default(Some(self.expression_text()?)));
        }
        if self.accept(&["DROP", "DEFAULT"]) {
            return Ok(ColumnChange::Default(None));
        }
        for words in [["SYNC", "IDENTITY"], ["SET", "MASK"], ["SET", "TAGS"]] {
            if self.accept(&words) {
                return refuse(&format!("ALTER COLUMN … {}", words.join(" ")));
            }
        }
        self.expected("COMMENT, TYPE, SET, DROP, FIRST or AFTER")
    }

    fn position(&mut self) -> Parsed<Option<Position>> {
        if self.accept(&["FIRST"]) {
            return Ok(Some(Position::First));
        }
        if self.accept(&["AFTER"]) {
            return Ok(Some(Position::After(self.inner.parse_identifier()?.value)));
        }
        Ok(None)
    }

    /// What follows `CLUSTER BY`.
    pub(super) fn clustering(&mut self) -> Parsed<Vec<FieldPath>> {
        if self.accept(&["NONE"]) {
            return Ok(Vec::new());
        }
        if self.accept(&["AUTO"]) {
            return refuse("CLUSTER BY AUTO");
        }
        self.paths()
    }

    fn paths(&mut self) -> Parsed<Vec<FieldPath>> {
        self.inner.expect_token(&Token::LParen)?;
        let mut paths = vec![self.path()?.0];
        while self.inner.consume_token(&Token::Comma) {
            paths.push(self.path()?.0);
        }
        self.inner.expect_token(&Token::RParen)?;
        Ok(paths)
    }

    /// `('a', b.c)`
    fn keys(&mut self) -> Parsed<Vec<String>> {
        self.inner.expect_token(&Token::LParen)?;
        let mut keys = Vec::new();
        loop {
            keys.push(match self.inner.peek_token().token {
                Token::SingleQuotedString(_) => self.text()?,
                _ => self.path()?.0.join("."),
            });
            if !self.inner.consume_token(&Token::Comma) {
                break;
            }
        }
        self.inner.expect_token(&Token::RParen)?;
        Ok(keys)
    }

    /// The text of an expression in parentheses, which must be one.
    pub(super) fn parenthesised(&mut self) -> Parsed<String> {
        self.inner.expect_token(&Token::LParen)?;
        let mut tokens: Vec<TokenWithSpan> = Vec::new();
        let mut depth = 0;
        loop {
            let next = self.inner.next_token();
            match next.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => break,
                Token::RParen => depth -= 1,
                Token::EOF => return self.inner.expected(")", next),
                _ => {}
            }
            tokens.push(next);
        }
        let mut parser = Parser::new(&Databricks).with_tokens_with_locations(tokens.clone());
        parser.parse_expr()?;
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            return parser.expected("end of the expression", rest);
        }
        kept(print_tokens(tokens.iter().map(|token| &token.token)))
    }

    /// The text of the expression that is next.
    pub(super) fn expression_text(&mut self) -> Parsed<String> {
        let start = self.inner.index();
        self.inner.parse_expr()?;
        let end = self.inner.index();
        while self.inner.index() > start {
            self.inner.prev_token();
        }
        let mut tokens = Vec::new();
        while self.inner.index() < end {
            tokens.push(self.inner.next_token().token);
        }
        kept(print_tokens(&tokens))
    }

    pub(super) fn expected<T>(&self, what: &str) -> Parsed<T> {
        let found = self.inner.peek_token();
        self.inner.expected(what, found)
    }
}

fn kept(text: Option<String>) -> Parsed<String> {
    match text {
        Some(text) => Ok(text),
        None => refuse("quotes and backslashes in literals of an expression that a table keeps"),
    }
}
