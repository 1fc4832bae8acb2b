//! How each warehouse writes names, values and types in SQL, and how `:name` markers become what its wire takes.

mod databricks;
mod lexer;
mod literal;
mod markers;
mod redshift;
mod types;

#[cfg(test)]
mod tests;

use std::fmt;

use arrow::datatypes::DataType;
use twinhouse_core::{Error, ErrorKind, Result};

pub use self::{
    databricks::DatabricksDialect,
    markers::{Bound, MarkerStyle},
    redshift::RedshiftDialect,
};
use crate::{params::Params, table::TableRef, value::Value};

/// The spelling rules of one warehouse's SQL.
///
/// Whoever writes SQL text goes through here: a name is [quoted](Self::quote), a value is [bound](Self::bind), and
/// where the wire takes no parameters it is [inlined](Self::inline) as a [literal](Self::literal).
///
/// ```
/// use twinhouse_warehouse_api::{DatabricksDialect, Dialect, Params, RedshiftDialect};
///
/// let params = Params::new().bind("region", "it's");
/// let sql = "select * from t where region = :region";
///
/// assert_eq!(DatabricksDialect.bind(sql, &params)?.sql, sql);
/// assert_eq!(RedshiftDialect.bind(sql, &params)?.sql, "select * from t where region = $1");
/// assert_eq!(DatabricksDialect.inline(":region", &params)?, r"'it\'s'");
/// assert_eq!(RedshiftDialect.inline(":region", &params)?, "'it''s'");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
pub trait Dialect: fmt::Debug + Send + Sync {
    /// Whose SQL it is: `databricks` or `redshift`.
    fn name(&self) -> &'static str;

    /// What [`bind`](Self::bind) leaves in the text.
    fn marker_style(&self) -> MarkerStyle;

    /// Quotes one part of a name.
    ///
    /// A name that the server's catalog would refuse for other reasons passes: the server says so itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is empty, holds NUL or is longer than the warehouse keeps names.
    fn quote(&self, identifier: &str) -> Result<String>;

    /// Quotes each part of a table's name.
    ///
    /// # Errors
    ///
    /// As [`quote`](Self::quote), and if a catalog is named without a schema.
    fn table(&self, table: &TableRef) -> Result<String>;

    /// Writes text as a string literal.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the warehouse cannot hold it (NUL on Redshift).
    fn string(&self, text: &str) -> Result<String>;

    /// Writes a value as an expression that has exactly its value and its type; text and `NULL` take the type of the
    /// place they stand in. Never begins with a sign, so that it may follow any operator.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the warehouse has no such value (a date out of its range, text with NUL).
    fn literal(&self, value: &Value) -> Result<String>;

    /// The type to create a column with, so that every value of the Arrow type fits. Unsigned integers take the next
    /// wider signed type; a negative scale becomes digits before the point.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`], naming the type, if the warehouse has none.
    fn type_name(&self, data_type: &DataType) -> Result<String>;

    /// Finds the `:name` markers outside of strings, comments and quoted names and turns them into what the wire
    /// takes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if a marker has no value, a value has no marker, or there are more than the wire
    /// takes; [`ErrorKind::Syntax`], with the position, if a string, quoted name or comment is not closed.
    fn bind(&self, sql: &str, params: &Params) -> Result<Bound>;

    /// Writes the values into the text as literals, for statements where the wire takes no parameters.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind) and [`literal`](Self::literal).
    fn inline(&self, sql: &str, params: &Params) -> Result<String>;
}

/// Doubles `quote` inside and puts it around, after the checks that both warehouses share.
fn quoted(identifier: &str, quote: char, too_long: bool, limit: &'static str) -> Result<String> {
    let wrong = if identifier.is_empty() {
        "a name must not be empty"
    } else if identifier.contains('\0') {
        "a name must not contain NUL"
    } else if too_long {
        limit
    } else {
        let mut out = String::with_capacity(identifier.len() + 2);
        out.push(quote);
        for c in identifier.chars() {
            if c == quote {
                out.push(quote);
            }
            out.push(c);
        }
        out.push(quote);
        return Ok(out);
    };
    Err(Error::new(ErrorKind::InvalidInput, wrong).with_context("name", identifier.escape_debug().to_string()))
}

fn quoted_table(dialect: &dyn Dialect, table: &TableRef) -> Result<String> {
    if table.catalog().is_some() && table.schema().is_none() {
        return Err(Error::new(ErrorKind::InvalidInput, "a table with a catalog needs a schema")
            .with_context("table", table.to_string()));
    }
    let parts = table.parts().map(|part| dialect.quote(part)).collect::<Result<Vec<_>>>()?;
    Ok(parts.join("."))
}
