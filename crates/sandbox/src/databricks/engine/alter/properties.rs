//! Table properties.

use std::collections::HashMap;

use serde_json::json;

use super::columns::map_existing;
use crate::databricks::{
    engine::{
        Engine,
        ddl::{MAPPING, check_property, is_mapped, table_text},
        metadata::{CLUSTERING, CONSTRAINT, Definition},
        tables::Opened,
    },
    error::{SqlError, SqlResult},
};

impl Engine {
    pub(super) async fn set_properties(&self, opened: &Opened, properties: &[(String, String)]) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        for (key, value) in properties {
            if key.to_lowercase().starts_with(CONSTRAINT) {
                return Err(SqlError::new(
                    "DELTA_ADD_CONSTRAINTS",
                    "0A000",
                    "Please use ALTER TABLE ADD CONSTRAINT to add CHECK constraints.",
                ));
            }
            check_property(key, value)?;
            if key == MAPPING {
                set_mapping(&mut definition, value)?;
            }
            definition.properties.insert(key.clone(), value.clone());
        }
        let given: HashMap<&String, &String> = properties.iter().map(|(key, value)| (key, value)).collect();
        self.commit_definition(opened, &definition, "SET TBLPROPERTIES", json!({ "properties": given })).await
    }

    pub(super) async fn unset_properties(&self, opened: &Opened, keys: &[String], if_exists: bool) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        let mut removed = false;
        for key in keys {
            let own = key.starts_with(CONSTRAINT) || key.starts_with("delta.columnMapping.") || key == CLUSTERING;
            if own && definition.properties.contains_key(key) {
                return Err(SqlError::unsupported(format_args!("UNSET TBLPROPERTIES of '{key}'")));
            }
            match definition.properties.remove(key) {
                Some(_) => removed = true,
                None if if_exists => {}
                None => {
                    let text = format!(
                        "Attempted to unset non-existent property '{key}' in table {}.",
                        table_text(&opened.name)
                    );
                    return Err(SqlError::new("DELTA_UNSET_NON_EXISTENT_PROPERTY", "42616", text));
                }
            }
        }
        if !removed {
            return Ok(());
        }
        let parameters = json!({ "properties": keys, "ifExists": if_exists });
        self.commit_definition(opened, &definition, "UNSET TBLPROPERTIES", parameters).await
    }
}

/// Column mapping can be switched on, and not off again.
fn set_mapping(definition: &mut Definition, mode: &str) -> SqlResult<()> {
    let present = definition.properties.get(MAPPING).map_or("none", String::as_str).to_owned();
    match (present.as_str(), mode) {
        (present, mode) if present == mode => Ok(()),
        ("none", "name") if !is_mapped(&definition.properties) => {
            map_existing(definition);
            Ok(())
        }
        (present, mode) => {
            let text = format!("Changing column mapping mode from '{present}' to '{mode}' is not supported.");
            Err(SqlError::new("DELTA_UNSUPPORTED_COLUMN_MAPPING_MODE_CHANGE", "0AKDC", text))
        }
    }
}
