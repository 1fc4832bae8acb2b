//! What is made and changed, as requests say it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::quoted_text;
use crate::databricks::{
    api::reply::{ApiError, ApiResult, body_of},
    engine::{Governance, check_name},
    sql::ObjectPath,
};

/// Refuses wishes that are not known here: leaving one out quietly would be worse than not having it.
pub(in super::super) fn refuse_others(others: &Map<String, Value>) -> ApiResult<()> {
    match others.iter().find(|(_, value)| !is_nothing(value)) {
        Some((wish, _)) => Err(ApiError::not_implemented(format_args!("the field {wish}"))),
        None => Ok(()),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    }
}

pub(in super::super) fn needed<'a>(value: Option<&'a String>, name: &str) -> ApiResult<&'a str> {
    value
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| ApiError::invalid(format!("Missing required field: {name}")))
}

/// A catalog, schema or volume that is to be made.
#[derive(Deserialize)]
pub(super) struct Create {
    pub(super) name: String,
    #[serde(default)]
    pub(super) catalog_name: Option<String>,
    #[serde(default)]
    pub(super) schema_name: Option<String>,
    #[serde(default)]
    pub(super) volume_type: Option<String>,
    #[serde(default)]
    pub(super) comment: Option<String>,
    #[serde(default)]
    pub(super) properties: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Create {
    pub(super) fn read(body: &Bytes) -> ApiResult<Self> {
        let create: Self = body_of(body)?;
        refuse_others(&create.others)?;
        Ok(create)
    }

    pub(super) fn statement(&self, kind: &str, path: &[&str]) -> String {
        let path = ObjectPath(path.iter().map(|part| (*part).to_owned()).collect());
        let comment =
            self.comment.as_ref().map_or_else(String::new, |comment| format!(" COMMENT {}", quoted_text(comment)));
        format!("CREATE {kind} {path}{comment}")
    }
}

/// Changes to something that is there. What is left out stays.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Change {
    pub(super) new_name: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) properties: Option<BTreeMap<String, String>>,
    isolation_mode: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Change {
    /// Reads a change of which these fields may be given.
    pub(in super::super) fn read(body: &Bytes, allowed: &[&str]) -> ApiResult<Self> {
        let change: Self = body_of(body)?;
        refuse_others(&change.others)?;
        let given = [
            ("new_name", change.new_name.is_some()),
            ("comment", change.comment.is_some()),
            ("owner", change.owner.is_some()),
            ("properties", change.properties.is_some()),
            ("isolation_mode", change.isolation_mode.is_some()),
        ];
        if let Some((field, _)) = given.iter().find(|(field, given)| *given && !allowed.contains(field)) {
            return Err(ApiError::not_implemented(format_args!("a change of {field} here")));
        }
        if given.iter().all(|(_, given)| !given) {
            return Err(ApiError::invalid("At least one field must be changed"));
        }
        if change.isolation_mode.as_deref().is_some_and(|mode| mode != "OPEN") {
            return Err(ApiError::not_implemented("catalogs that only some workspaces see"));
        }
        if change.owner.as_deref().is_some_and(str::is_empty) {
            return Err(ApiError::invalid("owner cannot be empty"));
        }
        if let Some(name) = &change.new_name {
            check_name(&name.to_lowercase())?;
        }
        Ok(change)
    }

    /// The new name, if it is another one.
    pub(super) fn renamed(&self, name: &str) -> Option<String> {
        self.new_name.as_ref().map(|new| new.to_lowercase()).filter(|new| new != name)
    }

    /// Everything but the name.
    pub(in super::super) fn apply(&self, comment: &mut Option<String>, governance: &mut Governance) {
        if let Some(text) = &self.comment {
            *comment = Some(text.clone()).filter(|text| !text.is_empty());
        }
        if let Some(owner) = &self.owner {
            governance.set_owner(owner.clone());
        }
        if let Some(properties) = &self.properties {
            governance.properties.clone_from(properties);
        }
        governance.touch();
    }
}
