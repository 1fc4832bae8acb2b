//! A piece of SQL with its values.

use crate::{params::Params, value::Value};

/// A predicate or a value that the warehouse computes, in its own SQL, with `:name` markers for values.
///
/// The text is trusted as a statement's text is: values belong in [`bind`](Self::bind), never in the text.
///
/// ```
/// use twinhouse_warehouse_api::Expression;
///
/// let since = Expression::new("o_orderdate >= :since").bind("since", "1998-01-01");
/// assert_eq!(since.sql(), "o_orderdate >= :since");
/// assert_eq!(since.params().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    sql: String,
    params: Params,
}

impl Expression {
    /// This SQL, with no values yet.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Params::new() }
    }

    /// Binds `:name`. A name bound twice keeps its last value.
    #[must_use]
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params = self.params.bind(name, value);
        self
    }

    /// The text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The values.
    pub fn params(&self) -> &Params {
        &self.params
    }
}

/// A text without values.
impl From<&str> for Expression {
    fn from(sql: &str) -> Self {
        Self::new(sql)
    }
}

/// A text without values.
impl From<String> for Expression {
    fn from(sql: String) -> Self {
        Self::new(sql)
    }
}
