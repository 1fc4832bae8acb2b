//! Views.

use datafusion::sql::sqlparser::tokenizer::Location;

use super::{Identifier, ObjectPath};

#[derive(Clone, Debug)]
pub(crate) struct CreateView {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) temporary: bool,
    /// Names and comments in place of the query's.
    pub(crate) columns: Vec<(Identifier, Option<String>)>,
    pub(crate) comment: Option<String>,
    /// Where the query begins.
    pub(crate) begins: Location,
    /// The query, as it is written.
    pub(crate) text: String,
}

/// How much EXPLAIN says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExplainMode {
    Simple,
    Extended,
}
