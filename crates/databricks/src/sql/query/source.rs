//! Where rows come from.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{TableRef, Value};

use super::{QueryBuilder, render::Render};

/// A table at a version, or a query; under a name of the query's own or not.
///
/// ```
/// use twinhouse_databricks::sql::Source;
///
/// let yesterday = Source::from("main.sales.orders").version_as_of(41).alias("before");
/// # let _ = yesterday;
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    from: From_,
    alias: Option<String>,
}

#[derive(Clone, Debug)]
enum From_ {
    Table(TableRef, Option<Version>),
    Query(Box<QueryBuilder>),
    /// What could not be read as a table's name, or makes no sense.
    Wrong(Error),
}

#[derive(Clone, Debug)]
enum Version {
    Number(u64),
    Moment(Value),
}

/// How rows of two sources come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Join {
    /// Those that match.
    Inner,
    /// All of the left.
    Left,
    /// All of the right.
    Right,
    /// All of both.
    Full,
    /// Those of the left that have a match.
    LeftSemi,
    /// Those of the left that have none.
    LeftAnti,
}

impl Join {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Inner => "INNER JOIN",
            Self::Left => "LEFT JOIN",
            Self::Right => "RIGHT JOIN",
            Self::Full => "FULL JOIN",
            Self::LeftSemi => "LEFT SEMI JOIN",
            Self::LeftAnti => "LEFT ANTI JOIN",
        }
    }
}

impl Source {
    /// A query in the place of a table. It needs an [`alias`](Self::alias).
    pub fn query(query: QueryBuilder) -> Self {
        Self { from: From_::Query(Box::new(query)), alias: None }
    }

    /// The name by which the query calls it.
    #[must_use]
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.alias = Some(name.into());
        self
    }

    /// The table as it was at this version. The first is 0.
    #[must_use]
    pub fn version_as_of(self, version: u64) -> Self {
        self.at("version_as_of", Version::Number(version))
    }

    /// The table as it was at this moment: a time, a date, or text that the service reads as one.
    #[must_use]
    pub fn timestamp_as_of(self, moment: impl Into<Value>) -> Self {
        self.at("timestamp_as_of", Version::Moment(moment.into()))
    }

    fn at(self, field: &'static str, version: Version) -> Self {
        let refuse = |why| From_::Wrong(Error::new(ErrorKind::InvalidInput, why).with_context("field", field));
        let from = match self.from {
            From_::Table(table, None) => From_::Table(table, Some(version)),
            From_::Table(_, Some(_)) => refuse("a table is read at one version"),
            From_::Query(_) => refuse("a query has no versions: only a table has"),
            wrong @ From_::Wrong(_) => wrong,
        };
        Self { from, ..self }
    }

    pub(super) fn sql(&self, render: &mut Render, depth: usize) -> Result<String> {
        let mut sql = match &self.from {
            From_::Wrong(error) => return Err(error.clone()),
            From_::Query(_) if self.alias.is_none() => {
                return Err(Error::new(ErrorKind::InvalidInput, "a query in the place of a table needs an alias")
                    .with_context("field", "from"));
            }
            From_::Query(query) => format!("({})", query.sql(render, depth + 1)?),
            From_::Table(table, version) => {
                let mut sql = render.table(table)?;
                match version {
                    None => {}
                    // Neither takes a parameter before runtime 18: both are written into the text.
                    Some(Version::Number(version)) if *version <= i64::MAX as u64 => {
                        sql += &format!(" VERSION AS OF {version}");
                    }
                    Some(Version::Number(_)) => {
                        return Err(Error::new(ErrorKind::InvalidInput, "no table has so many versions")
                            .with_context("field", "version_as_of"));
                    }
                    Some(Version::Moment(moment)) => {
                        if !matches!(
                            moment,
                            Value::Text(_) | Value::Date(_) | Value::Timestamp(_) | Value::TimestampNtz(_)
                        ) {
                            return Err(Error::new(ErrorKind::InvalidInput, "this is no moment")
                                .with_context("field", "timestamp_as_of")
                                .with_context("type", moment.type_name()));
                        }
                        sql += &format!(" TIMESTAMP AS OF {}", render.literal(moment)?);
                    }
                }
                sql
            }
        };
        if let Some(alias) = &self.alias {
            sql += &format!(" AS {}", render.name(alias)?);
        }
        Ok(sql)
    }
}

impl From<TableRef> for Source {
    fn from(table: TableRef) -> Self {
        Self { from: From_::Table(table, None), alias: None }
    }
}

/// `catalog.schema.name`, or fewer parts; a part with dots stands in backticks. What cannot be read as that is refused
/// when the query is built.
impl From<&str> for Source {
    fn from(name: &str) -> Self {
        let from = match name.parse() {
            Ok(table) => From_::Table(table, None),
            Err(error) => From_::Wrong(error),
        };
        Self { from, alias: None }
    }
}

impl From<String> for Source {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}
