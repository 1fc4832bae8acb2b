//! Columns, and what is said of them.

use std::ops::Not;

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Expression, Value};

use super::{QueryBuilder, render::Render};

/// The deepest nesting of conditions.
const DEEPEST: usize = 200;

/// A column, by its name as it is: dots and backticks in it are part of the name.
///
/// ```
/// use twinhouse_databricks::sql::col;
///
/// let price = col("price").of("o"); // `o`.`price`
/// let city = col("address").field("city"); // `address`.`city`
/// # let _ = (price, city);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column(Vec<String>);

/// A column, by its name as it is.
pub fn col(name: impl Into<String>) -> Column {
    Column(vec![name.into()])
}

/// A piece of SQL with `:name` markers. Values belong in [`Expression::bind`], never in the text.
pub fn expr(sql: impl Into<String>) -> Expression {
    Expression::new(sql)
}

impl Column {
    /// The column of this table, by the alias or the name that the query gives it.
    #[must_use]
    pub fn of(mut self, table: impl Into<String>) -> Self {
        self.0.insert(0, table.into());
        self
    }

    /// A field inside the column.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.0.push(name.into());
        self
    }

    /// It is equal to this value. NULL is refused: see [`is_null`](Self::is_null).
    pub fn eq(self, value: impl Into<Value>) -> Condition {
        Condition::compare(self, "=", value)
    }

    /// It is another than this value, and not NULL.
    pub fn ne(self, value: impl Into<Value>) -> Condition {
        Condition::compare(self, "<>", value)
    }

    /// It is below this value.
    pub fn lt(self, value: impl Into<Value>) -> Condition {
        Condition::compare(self, "<", value)
    }

    /// It is this value or below.
    pub fn le(self, value: impl Into<Value>) -> Condition {
        Condition::compare(self, "<=", value)
    }

    /// It is above this value.
    pub fn gt(self, value: impl Into<Value>) -> Condition {
        Condition::compare(self, ">", value)
    }

    /// It is this value or above.
    pub fn ge(self, value: impl Into<Value>) -> Condition {
        Condition::compare(self, ">=", value)
    }

    /// It is equal to another column.
    pub fn eq_column(self, other: impl Into<Column>) -> Condition {
        Condition(Kind::Columns(self, other.into()))
    }

    /// It lies between these values, both included.
    pub fn between(self, low: impl Into<Value>, high: impl Into<Value>) -> Condition {
        Condition(Kind::Between(self, low.into(), high.into()))
    }

    /// It is one of these values; of none, if there are none.
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Condition {
        Condition(Kind::In(self, values.into_iter().map(Into::into).collect()))
    }

    /// It is among the rows of a query of one column.
    pub fn is_in_query(self, query: QueryBuilder) -> Condition {
        Condition(Kind::InQuery(self, Box::new(query)))
    }

    /// It matches this pattern: `%` many, `_` one, backslash escapes.
    pub fn like(self, pattern: impl Into<String>) -> Condition {
        Condition::compare(self, "LIKE", pattern.into())
    }

    /// It is NULL.
    pub fn is_null(self) -> Condition {
        Condition(Kind::Null(self))
    }

    /// It is not NULL.
    pub fn is_not_null(self) -> Condition {
        !self.is_null()
    }

    pub(super) fn sql(&self, render: &Render) -> Result<String> {
        let parts = self.0.iter().map(|part| render.name(part)).collect::<Result<Vec<_>>>()?;
        Ok(parts.join("."))
    }
}

/// One name, as it is.
impl From<&str> for Column {
    fn from(name: &str) -> Self {
        col(name)
    }
}

/// One name, as it is.
impl From<String> for Column {
    fn from(name: String) -> Self {
        col(name)
    }
}

/// What must hold of a row.
///
/// ```
/// use twinhouse_databricks::sql::{col, expr};
///
/// let wanted = col("region").is_in(["EU", "US"]).and(col("price").gt(100).or(expr("length(note) > :n").bind("n", 9)));
/// let unwanted = !wanted;
/// # let _ = unwanted;
/// ```
#[derive(Clone, Debug)]
pub struct Condition(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Compare(Column, &'static str, Value),
    Columns(Column, Column),
    Between(Column, Value, Value),
    In(Column, Vec<Value>),
    InQuery(Column, Box<QueryBuilder>),
    Null(Column),
    Exists(Box<QueryBuilder>),
    Sql(Expression),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    fn compare(column: Column, operator: &'static str, value: impl Into<Value>) -> Self {
        Self(Kind::Compare(column, operator, value.into()))
    }

    /// A query gives a row.
    pub fn exists(query: QueryBuilder) -> Self {
        Self(Kind::Exists(Box::new(query)))
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: impl Into<Condition>) -> Self {
        match self.0 {
            Kind::All(mut all) => {
                all.push(other.into());
                Self(Kind::All(all))
            }
            _ => Self(Kind::All(vec![self, other.into()])),
        }
    }

    /// One of them holds, or both.
    #[must_use]
    pub fn or(self, other: impl Into<Condition>) -> Self {
        match self.0 {
            Kind::Any(mut any) => {
                any.push(other.into());
                Self(Kind::Any(any))
            }
            _ => Self(Kind::Any(vec![self, other.into()])),
        }
    }

    pub(super) fn sql(&self, render: &mut Render, field: &'static str, depth: usize) -> Result<String> {
        if depth > DEEPEST {
            return Err(Error::new(ErrorKind::InvalidInput, "the conditions are nested too deeply")
                .with_context("field", field));
        }
        let value = |render: &mut Render, value: &Value| {
            if *value == Value::Null {
                return Err(Error::new(ErrorKind::InvalidInput, "nothing compares with NULL: ask is_null")
                    .with_context("field", field));
            }
            Ok(render.value(value))
        };
        Ok(match &self.0 {
            Kind::Compare(column, operator, to) => {
                format!("{} {operator} {}", column.sql(render)?, value(render, to)?)
            }
            Kind::Columns(one, other) => format!("{} = {}", one.sql(render)?, other.sql(render)?),
            Kind::Between(column, low, high) => {
                let column = column.sql(render)?;
                format!("{column} BETWEEN {} AND {}", value(render, low)?, value(render, high)?)
            }
            // There is no empty list in SQL.
            Kind::In(_, values) if values.is_empty() => "FALSE".to_owned(),
            Kind::In(column, values) => {
                let column = column.sql(render)?;
                let values = values.iter().map(|v| value(render, v)).collect::<Result<Vec<_>>>()?;
                format!("{column} IN ({})", values.join(", "))
            }
            Kind::InQuery(column, query) => {
                let column = column.sql(render)?;
                format!("{column} IN ({})", query.sql(render, depth + 1)?)
            }
            Kind::Null(column) => format!("{} IS NULL", column.sql(render)?),
            Kind::Exists(query) => format!("EXISTS ({})", query.sql(render, depth + 1)?),
            Kind::Sql(expression) => render.expression(expression, field)?,
            Kind::All(parts) => joined(parts, " AND ", render, field, depth)?,
            Kind::Any(parts) => joined(parts, " OR ", render, field, depth)?,
            Kind::Not(inner) => format!("NOT ({})", inner.sql(render, field, depth + 1)?),
        })
    }
}

fn joined(parts: &[Condition], word: &str, render: &mut Render, field: &'static str, depth: usize) -> Result<String> {
    let parts = parts.iter().map(|part| Ok(format!("({})", part.sql(render, field, depth + 1)?)));
    Ok(parts.collect::<Result<Vec<_>>>()?.join(word))
}

impl Not for Condition {
    type Output = Self;

    fn not(self) -> Self {
        Self(Kind::Not(Box::new(self)))
    }
}

impl From<Expression> for Condition {
    fn from(expression: Expression) -> Self {
        Self(Kind::Sql(expression))
    }
}

/// SQL without values.
impl From<&str> for Condition {
    fn from(sql: &str) -> Self {
        Expression::new(sql).into()
    }
}

/// SQL without values.
impl From<String> for Condition {
    fn from(sql: String) -> Self {
        Expression::new(sql).into()
    }
}
