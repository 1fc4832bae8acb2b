//! `CREATE` and `DROP`

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::{
    ast::{ColumnSpec, CommentKind, CreateTable, KeySpec, Statement},
    types::parse_type,
};

impl StatementParser {
    pub(super) fn create(&mut self) -> Parsed<Statement> {
        self.words(&["CREATE"])?;
        let or_replace = self.accept(&["OR", "REPLACE"]);
        if self.accept(&["TABLE"]) {
            return self.create_table(or_replace);
        }
        if self.accept(&["FUNCTION"]) {
            return self.create_function(or_replace);
        }
        if let Some(view) = self.create_view(or_replace)? {
            return Ok(view);
        }
        if or_replace {
            return refuse("CREATE OR REPLACE of anything but a table or a function");
        }
        if self.accept(&["CATALOG"]) {
            let (if_not_exists, name) = (self.accept(&["IF", "NOT", "EXISTS"]), self.path()?);
            return Ok(Statement::CreateCatalog { name, if_not_exists, comment: self.comment()? });
        }
        if self.accept(&["SCHEMA"]) || self.accept(&["DATABASE"]) {
            let (if_not_exists, name) = (self.accept(&["IF", "NOT", "EXISTS"]), self.path()?);
            return Ok(Statement::CreateSchema { name, if_not_exists, comment: self.comment()? });
        }
        if self.accept(&["VOLUME"]) {
            let (if_not_exists, name) = (self.accept(&["IF", "NOT", "EXISTS"]), self.path()?);
            return Ok(Statement::CreateVolume { name, if_not_exists, comment: self.comment()? });
        }
        let next = self.inner.peek_token();
        match &next.token {
            Token::Word(word) => refuse(&format!("CREATE {}", word.value.to_ascii_uppercase())),
            _ => self.inner.expected("TABLE, SCHEMA, CATALOG or VOLUME", next),
        }
    }

    /// `COMMENT ON TABLE t IS 'x'`, or `IS NULL` to take it away.
    pub(super) fn comment_on(&mut self) -> Parsed<Statement> {
        self.words(&["COMMENT", "ON"])?;
        let found = self.inner.next_token();
        let kind = match found.token.to_string().to_ascii_uppercase().as_str() {
            "CATALOG" => CommentKind::Catalog,
            "SCHEMA" | "DATABASE" => CommentKind::Schema,
            "TABLE" => CommentKind::Table,
            "COLUMN" => CommentKind::Column,
            "VOLUME" => CommentKind::Volume,
            word @ ("CONNECTION" | "PROVIDER" | "RECIPIENT" | "SHARE") => {
                return refuse(&format!("COMMENT ON {word}"));
            }
            _ => return self.inner.expected("CATALOG, SCHEMA, TABLE or VOLUME", found),
        };
        let name = self.path()?;
        self.words(&["IS"])?;
        let comment = if self.accept(&["NULL"]) { None } else { Some(self.text()?) };
        Ok(Statement::Comment { kind, name, comment })
    }

    pub(super) fn comment(&mut self) -> Parsed<Option<String>> {
        if self.accept(&["COMMENT"]) { self.text().map(Some) } else { Ok(None) }
    }

    fn create_table(&mut self, or_replace: bool) -> Parsed<Statement> {
        let if_not_exists = self.accept(&["IF", "NOT", "EXISTS"]);
        let name = self.path()?;
        if ["SHALLOW", "DEEP", "CLONE"].iter().any(|word| self.peek_word(0, word)) {
            return self.create_clone(name, or_replace, if_not_exists);
        }
        let mut table = CreateTable {
            name,
            or_replace,
            if_not_exists,
            columns: Vec::new(),
            keys: Vec::new(),
            partitions: Vec::new(),
            clustering: Vec::new(),
            properties: Vec::new(),
            comment: None,
            query: None,
            like: None,
        };
        if self.inner.consume_token(&Token::LParen) {
            loop {
                match self.table_key()? {
                    Some(key) => table.keys.push(key),
                    None => table.columns.push(self.column()?),
                }
                if !self.inner.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.inner.expect_token(&Token::RParen)?;
        }
        loop {
            if self.accept(&["USING"]) {
                let format = self.inner.parse_identifier()?.value;
                if !format.eq_ignore_ascii_case("delta") {
                    return refuse(&format!("CREATE TABLE … USING {}", format.to_ascii_uppercase()));
                }
            } else if self.accept(&["PARTITIONED", "BY"]) {
                table.partitions = self.names()?;
            } else if self.accept(&["CLUSTER", "BY"]) {
                table.clustering = self.clustering()?;
            } else if table.columns.is_empty() && self.accept(&["LIKE"]) {
                table.like = Some(self.path()?);
            } else if self.accept(&["COMMENT"]) {
                table.comment = Some(self.text()?);
            } else if self.accept(&["TBLPROPERTIES"]) {
                table.properties = self.options()?;
            } else if self.accept(&["AS"]) || self.peek_word(0, "SELECT") || self.peek_word(0, "WITH") {
                table.query = Some(self.query()?);
                break;
            } else {
                break;
            }
        }
        for word in ["LOCATION", "OPTIONS", "LIKE", "DEFAULT", "COPY"] {
            if self.peek_word(0, word) {
                return refuse(&format!("CREATE TABLE … {word}"));
            }
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// A primary or foreign key among the columns, if that is what is next.
    fn table_key(&mut self) -> Parsed<Option<KeySpec>> {
        let key_at = |ahead: usize| {
            ["PRIMARY", "FOREIGN"].iter().any(|word| self.peek_word(ahead, word)) && self.peek_word(ahead + 1, "KEY")
        };
        if key_at(0) {
            return self.key(None).map(Some);
        }
        if self.peek_word(0, "CONSTRAINT") && key_at(2) {
            self.words(&["CONSTRAINT"])?;
            let name = self.inner.parse_identifier()?.value;
            return self.key(Some(name)).map(Some);
        }
        Ok(None)
    }

    /// `PRIMARY KEY (a, b TIMESERIES)` or `FOREIGN KEY (a) REFERENCES t (b)`.
    pub(super) fn key(&mut self, name: Option<String>) -> Parsed<KeySpec> {
        let mut key = KeySpec { name, columns: Vec::new(), timeseries: Vec::new(), parent: None, rely: false };
        let foreign = self.accept(&["FOREIGN", "KEY"]);
        if !foreign && !self.accept(&["PRIMARY", "KEY"]) {
            return refuse("a constraint of another kind than CHECK, PRIMARY KEY and FOREIGN KEY");
        }
        self.inner.expect_token(&Token::LParen)?;
        loop {
            let column = self.inner.parse_identifier()?.value;
            if !foreign && self.accept(&["TIMESERIES"]) {
                key.timeseries.push(column.clone());
            }
            key.columns.push(column);
            if !self.inner.consume_token(&Token::Comma) {
                break;
            }
        }
        self.inner.expect_token(&Token::RParen)?;
        if foreign {
            self.words(&["REFERENCES"])?;
            let table = self.path()?;
            let columns = if self.inner.peek_token().token == Token::LParen { self.names()? } else { Vec::new() };
            key.parent = Some((table, columns));
        }
        loop {
            if self.accept(&["RELY"]) {
                key.rely = true;
            } else if self.accept(&["MATCH", "FULL"])
                || self.accept(&["ON", "UPDATE", "NO", "ACTION"])
                || self.accept(&["ON", "DELETE", "NO", "ACTION"])
                || self.accept(&["NOT", "ENFORCED"])
                || self.accept(&["DEFERRABLE"])
                || self.accept(&["INITIALLY", "DEFERRED"])
                || self.accept(&["NORELY"])
            {
                // What is so anyway.
            } else {
                return Ok(key);
            }
        }
    }

    fn column(&mut self) -> Parsed<ColumnSpec> {
        for word in ["CONSTRAINT", "PRIMARY", "FOREIGN", "CHECK"] {
            if self.peek_word(0, word) && !matches!(self.inner.peek_nth_token(1).token, Token::Comma | Token::RParen) {
                let key = ["KEY", "("]
                    .iter()
                    .any(|next| self.inner.peek_nth_token(1).token.to_string().eq_ignore_ascii_case(next));
                if key || word == "CONSTRAINT" && self.inner.peek_nth_token(2).token.to_string().len() > 4 {
                    return refuse(&format!("a {word} in CREATE TABLE"));
                }
            }
        }
        let name = self.inner.parse_identifier()?.value;
        self.column_spec(name)
    }

    /// What follows a column's name.
    pub(super) fn column_spec(&mut self, name: String) -> Parsed<ColumnSpec> {
        let length = self.declared_length();
        let data_type = parse_type(&mut self.inner)?;
        let mut column =
            ColumnSpec { name, data_type, length, nullable: true, comment: None, default: None, generated: None };
        loop {
            if self.accept(&["NOT", "NULL"]) {
                column.nullable = false;
            } else if self.accept(&["COMMENT"]) {
                column.comment = Some(self.text()?);
            } else if self.accept(&["GENERATED", "ALWAYS", "AS"]) {
                if self.peek_word(0, "IDENTITY") {
                    return refuse("an IDENTITY column");
                }
                column.generated = Some(self.parenthesised()?);
            } else if self.accept(&["DEFAULT"]) {
                column.default = Some(self.expression_text()?);
            } else {
                break;
            }
        }
        for word in ["GENERATED", "COLLATE", "PRIMARY", "CONSTRAINT", "MASK", "CHECK"] {
            if self.peek_word(0, word) {
                return refuse(&format!("{word} of a column"));
            }
        }
        Ok(column)
    }

    /// `varchar(n)` or `char(n)`, which Delta keeps beside the type STRING.
    pub(super) fn declared_length(&self) -> Option<String> {
        let kind = ["VARCHAR", "CHAR", "CHARACTER"].into_iter().find(|kind| self.peek_word(0, kind))?;
        let kind = if kind == "VARCHAR" { "varchar" } else { "char" };
        match self.inner.peek_nth_token(2).token {
            Token::Number(digits, _) => Some(format!("{kind}({digits})")),
            _ => None,
        }
    }

    pub(super) fn drop(&mut self) -> Parsed<Statement> {
        self.words(&["DROP"])?;
        let kind = self.inner.next_token();
        let name = kind.token.to_string().to_ascii_uppercase();
        let if_exists = self.accept(&["IF", "EXISTS"]);
        match name.as_str() {
            "TABLE" => Ok(Statement::DropTable { name: self.path()?, if_exists }),
            "FUNCTION" => Ok(Statement::DropFunction { name: self.path()?, if_exists }),
            "VOLUME" => Ok(Statement::DropVolume { name: self.path()?, if_exists }),
            "SCHEMA" | "DATABASE" => {
                let name = self.path()?;
                Ok(Statement::DropSchema { name, if_exists, cascade: self.cascade() })
            }
            "CATALOG" => {
                let name = self.path()?;
                Ok(Statement::DropCatalog { name, if_exists, cascade: self.cascade() })
            }
            "VIEW" => Ok(Statement::DropView { name: self.path()?, if_exists }),
            "CONNECTION" | "SHARE" | "RECIPIENT" | "STREAMING" | "MATERIALIZED" => refuse(&format!("DROP {name}")),
            _ => self.inner.expected("TABLE, SCHEMA, CATALOG or VOLUME", kind),
        }
    }

    pub(super) fn cascade(&mut self) -> bool {
        self.accept(&["RESTRICT"]);
        self.accept(&["CASCADE"])
    }
}
