//! USE and SET.

use crate::databricks::{
    engine::{Effect, Engine, Outcome, catalog::Place},
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

impl Engine {
    pub(crate) fn use_catalog(&self, name: &str) -> SqlResult<(Outcome, Effect)> {
        let name = name.to_lowercase();
        self.0
            .catalog
            .read(|listing| listing.get(&name).map(|_| ()).ok_or_else(|| SqlError::catalog_not_found(&name)))?;
        Ok((Outcome::Nothing, Effect::Use { catalog: Some(name), schema: None }))
    }

    pub(crate) fn use_schema(&self, path: &ObjectPath, place: &Place) -> SqlResult<(Outcome, Effect)> {
        let (catalog, schema) = place.resolve_schema(path)?;
        self.0.catalog.schema_exists(&catalog, &schema)?;
        Ok((Outcome::Nothing, Effect::Use { catalog: Some(catalog), schema: Some(schema) }))
    }

    /// Takes settings that say what is so anyway; others would be silently wrong.
    pub(crate) fn set(&self, name: &str, value: &str) -> SqlResult<Outcome> {
        let value = value.to_ascii_uppercase();
        let holds = match name.to_ascii_uppercase().as_str() {
            "ANSI_MODE" => value == "TRUE",
            "TIMEZONE" => matches!(value.as_str(), "UTC" | "ETC/UTC" | "Z" | "GMT"),
            "USE_CACHED_RESULT" | "ENABLE_PHOTON" | "STATEMENT_TIMEOUT" | "QUERY_TAGS" | "MAX_FILE_PARTITION_BYTES" => {
                true
            }
            _ => {
                return Err(SqlError::new(
                    "CONFIG_NOT_AVAILABLE",
                    "42K0I",
                    format!("Configuration {name} is not available."),
                ));
            }
        };
        if holds { Ok(Outcome::Nothing) } else { Err(SqlError::unsupported(format_args!("SET {name} = {value}"))) }
    }
}
