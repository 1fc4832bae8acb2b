//! Where in a schema something is.

use std::fmt;

use twinhouse_core::Result;
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _};

use super::types::Plain;

/// The way to a column or into one: field names, and `element`, `key` and `value` into arrays and maps.
///
/// ```
/// use twinhouse_delta::schema::FieldPath;
///
/// let path = FieldPath::from("items").then("element").then("unit price");
/// assert_eq!(path.to_string(), "items.element.`unit price`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// One step further in.
    #[must_use]
    pub fn then(&self, name: impl Into<String>) -> Self {
        let mut parts = self.0.clone();
        parts.push(name.into());
        Self(parts)
    }

    /// The names on the way, the column first.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// The column.
    pub fn column(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether it goes into a column.
    pub fn is_nested(&self) -> bool {
        self.0.len() > 1
    }

    /// The way to what holds it.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        (!parent.is_empty()).then(|| Self(parent.to_vec()))
    }

    /// The same but for the case of its names.
    pub(crate) fn same_names(&self, other: &Self) -> bool {
        let lower = |path: &Self| path.0.iter().map(|part| part.to_lowercase()).collect::<Vec<_>>();
        lower(self) == lower(other)
    }

    /// As it stands in a statement, each part quoted.
    pub(crate) fn sql(&self) -> Result<String> {
        Ok(self.0.iter().map(|part| DatabricksDialect.quote(part)).collect::<Result<Vec<_>>>()?.join("."))
    }
}

/// A column, dots and all: the name is taken as it is.
impl From<&str> for FieldPath {
    fn from(column: &str) -> Self {
        Self(vec![column.to_owned()])
    }
}

/// A column, dots and all: the name is taken as it is.
impl From<String> for FieldPath {
    fn from(column: String) -> Self {
        Self(vec![column])
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", Plain(part))?;
        }
        Ok(())
    }
}
