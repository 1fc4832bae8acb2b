//! Tables: how they are named, listed and described.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use twinhouse_core::{Error, ErrorKind, Result};

/// The name of a table: up to three parts, each as it is, without quotes.
///
/// What is left out is the warehouse's default. The [`Dialect`](crate::Dialect) quotes it; nobody else does.
///
/// ```
/// use twinhouse_warehouse_api::TableRef;
///
/// let table: TableRef = "main.sales.orders".parse()?;
/// assert_eq!(table, TableRef::new("orders").with_schema("sales").with_catalog("main"));
/// assert_eq!(r#"sales."odd.name""#.parse::<TableRef>()?.name(), "odd.name");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableRef {
    catalog: Option<String>,
    schema: Option<String>,
    name: String,
}

impl TableRef {
    /// A table in the default catalog and schema.
    pub fn new(name: impl Into<String>) -> Self {
        Self { catalog: None, schema: None, name: name.into() }
    }

    /// Sets the schema.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Sets the catalog (on Redshift: the database).
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// The table's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema, if given.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The catalog, if given.
    pub fn catalog(&self) -> Option<&str> {
        self.catalog.as_deref()
    }

    /// The parts that are there, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        [self.catalog.as_deref(), self.schema.as_deref(), Some(self.name.as_str())].into_iter().flatten()
    }
}

/// Reads `catalog.schema.name`; a part with dots stands in double quotes or backticks, doubled inside.
impl FromStr for TableRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &'static str| Error::new(ErrorKind::InvalidInput, why).with_context("table", text);
        let mut parts: Vec<String> = Vec::new();
        let mut rest = text.chars().peekable();
        loop {
            let mut part = String::new();
            match rest.peek() {
                Some(&quote @ ('"' | '`')) => {
                    rest.next();
                    loop {
                        match rest.next() {
                            Some(c) if c == quote && rest.peek() == Some(&quote) => {
                                rest.next();
                                part.push(quote);
                            }
                            Some(c) if c == quote => break,
                            Some(c) => part.push(c),
                            None => return Err(bad("a quoted name is not closed")),
                        }
                    }
                }
                _ => {
                    while let Some(c) = rest.next_if(|&c| c != '.') {
                        part.push(c);
                    }
                }
            }
            if part.is_empty() {
                return Err(bad("a part of the table name is empty"));
            }
            parts.push(part);
            match rest.next() {
                None => break,
                Some('.') => {}
                Some(_) => return Err(bad("a dot must follow a quoted name")),
            }
        }
        let mut parts = parts.into_iter().rev();
        let table = Self { name: parts.next().unwrap_or_default(), schema: parts.next(), catalog: parts.next() };
        if parts.next().is_some() { Err(bad("a table name has at most three parts")) } else { Ok(table) }
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts().enumerate() {
            let dot = if index > 0 { "." } else { "" };
            if part.contains(['.', '"', '`']) {
                write!(f, "{dot}\"{}\"", part.replace('"', "\"\""))?;
            } else {
                write!(f, "{dot}{part}")?;
            }
        }
        Ok(())
    }
}

/// What kind of relation it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableKind {
    /// A table whose files the warehouse owns.
    Managed,
    /// A table over files somebody else owns.
    External,
    /// A view.
    View,
    /// Anything else, in the server's own word.
    Other(String),
}

/// One column, as the server describes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColumnInfo {
    /// The column's name, as stored.
    pub name: String,
    /// The Arrow type its values are read as.
    pub data_type: DataType,
    /// The server's own spelling, for example `decimal(12,2)`.
    pub native_type: String,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// Its comment.
    pub comment: Option<String>,
}

impl ColumnInfo {
    /// A nullable column without comment.
    pub fn new(name: impl Into<String>, data_type: DataType, native_type: impl Into<String>) -> Self {
        Self { name: name.into(), data_type, native_type: native_type.into(), nullable: true, comment: None }
    }

    /// Sets whether it may hold nulls.
    #[must_use]
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// Sets its comment.
    #[must_use]
    pub fn with_comment(mut self, comment: Option<String>) -> Self {
        self.comment = comment;
        self
    }
}

/// A table as the server describes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its full name.
    pub table: TableRef,
    /// What kind of relation it is.
    pub kind: TableKind,
    /// Its columns, in order.
    pub columns: Vec<ColumnInfo>,
    /// Its comment.
    pub comment: Option<String>,
    /// Properties in the server's own words.
    pub properties: BTreeMap<String, String>,
}

impl TableInfo {
    /// A description with columns only.
    pub fn new(table: TableRef, kind: TableKind, columns: Vec<ColumnInfo>) -> Self {
        Self { table, kind, columns, comment: None, properties: BTreeMap::new() }
    }

    /// Sets the comment.
    #[must_use]
    pub fn with_comment(mut self, comment: Option<String>) -> Self {
        self.comment = comment;
        self
    }

    /// Sets the properties.
    #[must_use]
    pub fn with_properties(mut self, properties: BTreeMap<String, String>) -> Self {
        self.properties = properties;
        self
    }

    /// The columns as an Arrow schema.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|c| Field::new(&c.name, c.data_type.clone(), c.nullable));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Which tables to list. What is left out is not filtered on, except that a backend may have to confine itself to
/// its default catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableFilter {
    /// Only this catalog (on Redshift: the database).
    pub catalog: Option<String>,
    /// Only this schema.
    pub schema: Option<String>,
    /// Only names that match this `LIKE` pattern: `%` many, `_` one, backslash escapes.
    pub name_like: Option<String>,
}

impl TableFilter {
    /// Only this catalog.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// Only this schema.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Only names that match this `LIKE` pattern.
    #[must_use]
    pub fn with_name_like(mut self, pattern: impl Into<String>) -> Self {
        self.name_like = Some(pattern.into());
        self
    }

    /// Whether a name passes [`name_like`](Self::name_like).
    pub fn matches_name(&self, name: &str) -> bool {
        self.name_like
            .as_deref()
            .is_none_or(|pattern| like(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>()))
    }
}

fn like(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('%', rest)) => (0..=name.len()).any(|skip| like(rest, &name[skip..])),
        Some(('\\', rest)) if !rest.is_empty() => name.first() == rest.first() && like(&rest[1..], &name[1..]),
        Some(('_', rest)) => !name.is_empty() && like(rest, &name[1..]),
        Some((c, rest)) => name.first() == Some(c) && like(rest, &name[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        for table in [
            TableRef::new("t"),
            TableRef::new("odd.name").with_schema("s"),
            TableRef::new("a\"b`c").with_schema("x y").with_catalog("main"),
        ] {
            assert_eq!(table.to_string().parse::<TableRef>().unwrap(), table);
        }
    }

    #[test]
    fn a_malformed_name_says_why() {
        for (text, why) in
            [("a..b", "empty"), ("", "empty"), ("a.b.c.d", "at most three"), ("\"a", "not closed"), ("\"a\"b", "dot")]
        {
            let error = text.parse::<TableRef>().unwrap_err();
            assert!(error.message().contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn like_patterns_escape_and_match() {
        let filter = TableFilter::default().with_name_like("a\\_%z");
        assert!(filter.matches_name("a_z") && filter.matches_name("a_bcz"));
        assert!(!filter.matches_name("abz") && !filter.matches_name("a_"));
    }
}
