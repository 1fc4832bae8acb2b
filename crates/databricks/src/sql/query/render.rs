//! Turns the parts of a query into text, and keeps the values.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _, Expression, Params, TableRef, Value};

use super::text;

/// How the names begin that the builder gives.
const OWN: &str = "__q";

/// The values of one query, however deeply it is nested, under names that differ.
#[derive(Debug, Default)]
pub(super) struct Render {
    params: Params,
    bound: usize,
}

impl Render {
    /// A name in its quotes.
    pub(super) fn name(&self, name: &str) -> Result<String> {
        DatabricksDialect.quote(name)
    }

    pub(super) fn table(&self, table: &TableRef) -> Result<String> {
        DatabricksDialect.table(table)
    }

    pub(super) fn literal(&self, value: &Value) -> Result<String> {
        DatabricksDialect.literal(value)
    }

    /// The marker of a value.
    pub(super) fn value(&mut self, value: &Value) -> String {
        self.bound += 1;
        let name = format!("{OWN}{}", self.bound);
        let marker = format!(":{name}");
        self.params = std::mem::take(&mut self.params).bind(name, value.clone());
        marker
    }

    /// Somebody's SQL, in brackets, with its values.
    pub(super) fn expression(&mut self, expression: &Expression, field: &'static str) -> Result<String> {
        text::check(expression.sql(), field)?;
        self.bind(expression.params(), field)?;
        Ok(format!("({})", expression.sql()))
    }

    /// Somebody's values. One name may be bound twice to one value, not to two.
    pub(super) fn bind(&mut self, params: &Params, field: &'static str) -> Result<()> {
        for (name, value) in params.iter() {
            let wrong = match self.params.find(name) {
                _ if name.starts_with(OWN) => "a name that begins so is the builder's own",
                Some(known) if known != value => "two values have the same name",
                _ => {
                    self.params = std::mem::take(&mut self.params).bind(name, value.clone());
                    continue;
                }
            };
            return Err(Error::new(ErrorKind::InvalidInput, wrong)
                .with_context("field", field)
                .with_context("parameter", name));
        }
        Ok(())
    }

    pub(super) fn into_params(self) -> Params {
        self.params
    }
}
