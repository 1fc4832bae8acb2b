//! Primary and foreign keys. They inform; the service does not enforce them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use twinhouse_core::{Result, http::Method};

use super::{
    Calls, Repeat,
    name::{OBJECT, bad, check_full, check_part},
    pages::Query,
};
use crate::setters::setters;

/// What a table says of its rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TableConstraint {
    /// A primary key.
    PrimaryKey(PrimaryKeyConstraint),
    /// A foreign key.
    ForeignKey(ForeignKeyConstraint),
    /// One of which only the name is told.
    Named(String),
    /// One that is newer than this code, as it came.
    Other(Value),
}

/// Columns whose values together say which row it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PrimaryKeyConstraint {
    /// The name.
    pub name: String,
    /// The columns.
    pub child_columns: Vec<String>,
    /// Those of them that are times.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::wire::nullable")]
    pub timeseries_columns: Vec<String>,
    /// Whether the optimiser may believe it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rely: Option<bool>,
}

impl PrimaryKeyConstraint {
    /// These columns are the key.
    pub fn new<C: Into<String>>(name: impl Into<String>, columns: impl IntoIterator<Item = C>) -> Self {
        let child_columns = columns.into_iter().map(Into::into).collect();
        Self { name: name.into(), child_columns, ..Self::default() }
    }

    setters! {
        /// Lets the optimiser believe it.
        with_rely(rely: value bool);
    }
}

/// Columns whose values together are the key of a row of another table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ForeignKeyConstraint {
    /// The name.
    pub name: String,
    /// The columns here.
    pub child_columns: Vec<String>,
    /// The full name of the other table.
    pub parent_table: String,
    /// The columns there, in the same order.
    pub parent_columns: Vec<String>,
    /// Whether the optimiser may believe it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rely: Option<bool>,
}

impl ForeignKeyConstraint {
    /// These columns are those of that table.
    pub fn new<C: Into<String>, P: Into<String>>(
        name: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
        parent_table: impl Into<String>,
        parent_columns: impl IntoIterator<Item = P>,
    ) -> Self {
        Self {
            name: name.into(),
            child_columns: columns.into_iter().map(Into::into).collect(),
            parent_table: parent_table.into(),
            parent_columns: parent_columns.into_iter().map(Into::into).collect(),
            rely: None,
        }
    }

    setters! {
        /// Lets the optimiser believe it.
        with_rely(rely: value bool);
    }
}

impl TableConstraint {
    /// The name, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::PrimaryKey(key) => Some(&key.name),
            Self::ForeignKey(key) => Some(&key.name),
            Self::Named(name) => Some(name),
            Self::Other(_) => None,
        }
    }

    fn check(&self) -> Result<()> {
        let columns = |field: &'static str, columns: &[String]| {
            if columns.is_empty() || columns.iter().any(String::is_empty) {
                return Err(bad(field, "must name at least one column, and none without a name"));
            }
            let mut sorted: Vec<_> = columns.iter().collect();
            sorted.sort_unstable();
            sorted.dedup();
            if sorted.len() < columns.len() { Err(bad(field, "names a column twice")) } else { Ok(()) }
        };
        match self {
            Self::PrimaryKey(key) => {
                check_part("name", &key.name)?;
                columns("child_columns", &key.child_columns)?;
                match key.timeseries_columns.iter().find(|name| !key.child_columns.contains(name)) {
                    Some(_) => Err(bad("timeseries_columns", "must be among `child_columns`")),
                    None => Ok(()),
                }
            }
            Self::ForeignKey(key) => {
                check_part("name", &key.name)?;
                columns("child_columns", &key.child_columns)?;
                columns("parent_columns", &key.parent_columns)?;
                check_full("parent_table", &key.parent_table, OBJECT)?;
                if key.child_columns.len() != key.parent_columns.len() {
                    return Err(bad("parent_columns", "must be as many as `child_columns`"));
                }
                Ok(())
            }
            Self::Named(_) | Self::Other(_) => Err(bad("constraint", "must be a primary or a foreign key")),
        }
    }
}

impl From<PrimaryKeyConstraint> for TableConstraint {
    fn from(key: PrimaryKeyConstraint) -> Self {
        Self::PrimaryKey(key)
    }
}

impl From<ForeignKeyConstraint> for TableConstraint {
    fn from(key: ForeignKeyConstraint) -> Self {
        Self::ForeignKey(key)
    }
}

impl Serialize for TableConstraint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::PrimaryKey(key) => json!({ "primary_key_constraint": key }),
            Self::ForeignKey(key) => json!({ "foreign_key_constraint": key }),
            Self::Named(name) => json!({ "named_table_constraint": { "name": name } }),
            Self::Other(value) => value.clone(),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for TableConstraint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut all = Map::deserialize(from)?;
        let mut take = |key: &str| all.remove(key).filter(|value| !value.is_null());
        if let Some(key) = take("primary_key_constraint") {
            return serde_json::from_value(key).map(Self::PrimaryKey).map_err(D::Error::custom);
        }
        if let Some(key) = take("foreign_key_constraint") {
            return serde_json::from_value(key).map(Self::ForeignKey).map_err(D::Error::custom);
        }
        match take("named_table_constraint") {
            Some(named) => Ok(Self::Named(named["name"].as_str().unwrap_or_default().to_owned())),
            None => Ok(Self::Other(all.into())),
        }
    }
}

/// Primary and foreign keys. See [`UnityCatalog::table_constraints`](super::UnityCatalog::table_constraints).
///
/// Those that a table has are in [`TableInfo::table_constraints`](super::TableInfo::table_constraints).
#[derive(Clone, Debug)]
pub struct TableConstraints {
    calls: Calls,
}

impl TableConstraints {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// Adds a key to the table `catalog.schema.table`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) before anything is sent, naming the field;
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) without the table.
    pub async fn create(&self, full_name: &str, constraint: impl Into<TableConstraint>) -> Result<TableConstraint> {
        let constraint = constraint.into();
        check_full("full_name_arg", full_name, OBJECT)?;
        constraint.check()?;
        let body = json!({ "full_name_arg": full_name, "constraint": constraint });
        self.calls.send(("constraint.create", Repeat::Never), Method::POST, &["constraints"], &body).await
    }

    /// Takes a key away from the table; with `cascade`, also the foreign keys that need it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) if a foreign key needs it and `cascade` is not
    /// set; [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) without table or key.
    pub async fn delete(&self, full_name: &str, constraint_name: &str, cascade: bool) -> Result<()> {
        check_full("full_name", full_name, OBJECT)?;
        check_part("constraint_name", constraint_name)?;
        let query = Query::default()
            .text("constraint_name", constraint_name)
            .text("cascade", if cascade { "true" } else { "false" });
        self.calls.delete("constraint.delete", &["constraints", full_name], query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_the_future_is_kept() {
        let json = r#"[{"primary_key_constraint":{"name":"pk","child_columns":["id"],"timeseries_columns":null}},
                       {"foreign_key_constraint":null,"named_table_constraint":{"name":"c"}},{"moon_constraint":{"x":1}}]"#;
        let all: Vec<TableConstraint> = serde_json::from_str(json).unwrap();
        assert_eq!(all[0], PrimaryKeyConstraint::new("pk", ["id"]).into());
        assert_eq!(all[1].name(), Some("c"));
        assert_eq!(all[2], TableConstraint::Other(json!({ "moon_constraint": { "x": 1 } })));
        assert!(serde_json::from_str::<TableConstraint>(r#"{"primary_key_constraint":7}"#).is_err());
    }

    #[test]
    fn keys_are_checked_before_they_are_sent() {
        let field = |constraint: TableConstraint| constraint.check().unwrap_err().context("field").map(str::to_owned);
        let none: [&str; 0] = [];
        assert_eq!(field(PrimaryKeyConstraint::new("pk", none).into()).as_deref(), Some("child_columns"));
        assert_eq!(field(PrimaryKeyConstraint::new("pk", ["a", "a"]).into()).as_deref(), Some("child_columns"));
        let key = ForeignKeyConstraint::new("fk", ["a"], "m.s.t", ["x", "y"]);
        assert_eq!(field(key.into()).as_deref(), Some("parent_columns"));
        let key = ForeignKeyConstraint::new("fk", ["a"], "t", ["x"]);
        assert_eq!(field(key.into()).as_deref(), Some("parent_table"));
    }
}
