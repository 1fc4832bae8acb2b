//! `SHOW` and `DESCRIBE`

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::{
    CatalogFilter, DescribeForm, Maintain, ObjectPath, SchemaFilter, Show, Statement, TableFilter,
};

impl StatementParser {
    pub(super) fn show(&mut self) -> Parsed<Statement> {
        self.words(&["SHOW"])?;
        let kind = self.inner.next_token();
        let show = match kind.token.to_string().to_ascii_uppercase().as_str() {
            "CATALOGS" => Show::Catalogs { like: self.like()? },
            "SCHEMAS" | "DATABASES" => {
                let catalog = if self.in_or_from() {
                    self.accept(&["CATALOG"]);
                    Some(self.inner.parse_identifier()?.value)
                } else {
                    None
                };
                Show::Schemas { catalog, like: self.like()? }
            }
            "TABLES" => self.show_tables()?,
            "COLUMNS" => self.show_columns()?,
            "VOLUMES" => {
                let schema = if self.in_or_from() { Some(self.path()?) } else { None };
                Show::Volumes { schema }
            }
            "TBLPROPERTIES" => {
                let table = self.path()?;
                let key = if self.inner.consume_token(&Token::LParen) {
                    let key = match self.inner.peek_token().token {
                        Token::SingleQuotedString(_) => self.text()?,
                        _ => self.path()?.0.join("."),
                    };
                    self.inner.expect_token(&Token::RParen)?;
                    Some(key)
                } else {
                    None
                };
                Show::Properties { table, key }
            }
            "CREATE" if self.accept(&["TABLE"]) => Show::CreateTable { table: self.path()? },
            "VIEWS" => self.show_views()?,
            "KEYS" => Show::Keys { foreign: false, table: self.keyed_table()? },
            "FOREIGN" => {
                self.words(&["KEYS"])?;
                Show::Keys { foreign: true, table: self.keyed_table()? }
            }
            word @ ("FUNCTIONS" | "PARTITIONS" | "CREATE" | "GRANTS" | "TABLE") => {
                return refuse(&format!("SHOW {word}"));
            }
            _ => return self.inner.expected("CATALOGS, SCHEMAS, TABLES, VIEWS, COLUMNS, KEYS or VOLUMES", kind),
        };
        Ok(Statement::Show(show))
    }

    fn in_or_from(&mut self) -> bool {
        self.accept(&["IN"]) || self.accept(&["FROM"])
    }

    fn like(&mut self) -> Parsed<Option<String>> {
        let named = self.accept(&["LIKE"]);
        let literal = matches!(self.inner.peek_token().token, Token::SingleQuotedString(_));
        if named || literal { self.text().map(Some) } else { Ok(None) }
    }

    /// `IN CATALOG c [SCHEMA LIKE 'p'] [LIKE 'q']`, `IN ALL CATALOGS …` or `IN [c.]s [LIKE 'q']`.
    fn show_tables(&mut self) -> Parsed<Show> {
        if !self.in_or_from() {
            let (catalog, schema) = (CatalogFilter::Current, SchemaFilter::Current);
            return Ok(Show::Tables { catalog, schema, like: self.like()? });
        }
        if let Some(catalog) = self.catalogs()? {
            let schema = if self.accept(&["SCHEMA"]) { self.schema_like()? } else { SchemaFilter::All };
            return Ok(Show::Tables { catalog, schema, like: self.like()? });
        }
        let (catalog, schema) = split(self.path()?);
        let catalog = catalog.map_or(CatalogFilter::Current, CatalogFilter::Named);
        Ok(Show::Tables { catalog, schema: SchemaFilter::Named(schema), like: self.like()? })
    }

    /// `CATALOG c` or `ALL CATALOGS`, where one of them is next.
    fn catalogs(&mut self) -> Parsed<Option<CatalogFilter>> {
        if self.accept(&["ALL", "CATALOGS"]) {
            return Ok(Some(CatalogFilter::All));
        }
        if self.accept(&["CATALOG"]) {
            return Ok(Some(CatalogFilter::Named(self.inner.parse_identifier()?.value)));
        }
        Ok(None)
    }

    /// `[IN [c.]s] [LIKE 'q']`
    fn show_views(&mut self) -> Parsed<Show> {
        if !self.in_or_from() {
            return Ok(Show::Views { catalog: None, schema: SchemaFilter::Current, like: self.like()? });
        }
        let (catalog, schema) = split(self.path()?);
        Ok(Show::Views { catalog, schema: SchemaFilter::Named(schema), like: self.like()? })
    }

    /// `IN CATALOG c IN SCHEMA s IN TABLE t`
    fn keyed_table(&mut self) -> Parsed<ObjectPath> {
        let mut path = Vec::with_capacity(3);
        for word in ["CATALOG", "SCHEMA", "TABLE"] {
            self.words(&["IN", word])?;
            path.push(self.inner.parse_identifier()?.value);
        }
        Ok(ObjectPath(path))
    }

    fn schema_like(&mut self) -> Parsed<SchemaFilter> {
        self.words(&["LIKE"])?;
        self.text().map(SchemaFilter::Like)
    }

    /// `IN CATALOG c [SCHEMA LIKE 'p'] [TABLE LIKE 'q'] [LIKE 'r']` or `IN [[c.]s.]t`.
    fn show_columns(&mut self) -> Parsed<Show> {
        if !self.in_or_from() {
            self.words(&["IN"])?;
        }
        if self.peek_word(0, "ALL") && self.peek_word(1, "CATALOGS") {
            return refuse("SHOW COLUMNS IN ALL CATALOGS");
        }
        if let Some(catalog) = self.catalogs()? {
            let schema = if self.accept(&["SCHEMA"]) { self.schema_like()? } else { SchemaFilter::All };
            let table = if self.accept(&["TABLE"]) {
                self.words(&["LIKE"])?;
                TableFilter::Like(self.text()?)
            } else {
                TableFilter::All
            };
            return Ok(Show::Columns { catalog, schema, table, like: self.like()? });
        }
        let mut parts = self.path()?.0;
        let table = parts.pop().unwrap_or_default();
        let (catalog, schema) = match parts.is_empty() {
            true => (CatalogFilter::Current, SchemaFilter::Current),
            false => {
                let (catalog, schema) = split(ObjectPath(parts));
                (catalog.map_or(CatalogFilter::Current, CatalogFilter::Named), SchemaFilter::Named(schema))
            }
        };
        Ok(Show::Columns { catalog, schema, table: TableFilter::Named(table), like: None })
    }

    pub(super) fn describe(&mut self) -> Parsed<Statement> {
        self.inner.next_token();
        if self.accept(&["QUERY"]) || self.peek_word(0, "SELECT") || self.peek_word(0, "WITH") {
            return self.query().map(Statement::DescribeQuery);
        }
        for word in ["HISTORY", "DETAIL"] {
            if self.peek_word(0, word) && matches!(self.inner.peek_nth_token(1).token, Token::Word(_)) {
                return self.describe_delta(word);
            }
        }
        for word in ["SCHEMA", "DATABASE", "CATALOG", "FUNCTION", "VOLUME"] {
            if self.peek_word(0, word) && matches!(self.inner.peek_nth_token(1).token, Token::Word(_)) {
                return refuse(&format!("DESCRIBE {word}"));
            }
        }
        self.accept(&["TABLE"]);
        let extended = self.accept(&["EXTENDED"]) || self.accept(&["FORMATTED"]);
        let table = self.path()?;
        if extended && !self.peek_word(0, "AS") && matches!(self.inner.peek_token().token, Token::Word(_)) {
            let column = self.inner.parse_identifier()?.value;
            return Ok(Statement::Maintain(Box::new(Maintain::DescribeColumn { table, column })));
        }
        let form = match (extended, self.accept(&["AS", "JSON"])) {
            (true, true) => DescribeForm::Json,
            (true, false) => DescribeForm::Extended,
            (false, false) => DescribeForm::Columns,
            (false, true) => return refuse("DESCRIBE … AS JSON without EXTENDED"),
        };
        Ok(Statement::DescribeTable { table, form })
    }
}

fn split(path: ObjectPath) -> (Option<String>, String) {
    let mut parts = path.0.into_iter().rev();
    let schema = parts.next().unwrap_or_default();
    (parts.next(), schema)
}
