//! USE and SET.

use crate::databricks::{
    engine::{Effect, Engine, Outcome, catalog::Place},
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

/// The longest time that a statement may be given: two days.
const MOST_SECONDS: u64 = 172_800;

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

    /// Takes settings that are kept, and those that say what is so anyway; others would be silently wrong.
    pub(crate) fn conf(&self, name: &str, value: &str) -> SqlResult<Effect> {
        let name = name.to_ascii_uppercase();
        let upper = value.trim().to_ascii_uppercase();
        let (holds, wish) = match name.as_str() {
            "ANSI_MODE" => (upper == "TRUE", "true"),
            "ENABLE_PHOTON" | "USE_CACHED_RESULT" => (matches!(upper.as_str(), "TRUE" | "FALSE"), "true or false"),
            "READ_ONLY_EXTERNAL_METASTORE" => (upper == "FALSE", "false"),
            "LEGACY_TIME_PARSER_POLICY" => (matches!(upper.as_str(), "EXCEPTION" | "CORRECTED"), "EXCEPTION"),
            "TIMEZONE" => (matches!(upper.as_str(), "UTC" | "ETC/UTC" | "Z" | "GMT" | "+00:00"), "UTC"),
            "STATEMENT_TIMEOUT" => (upper.parse::<u64>().is_ok_and(|seconds| seconds <= MOST_SECONDS), "0 to 172800"),
            "QUERY_TAGS" | "MAX_FILE_PARTITION_BYTES" => (true, ""),
            _ => {
                let text = format!("Configuration {name} is not available.");
                return Err(SqlError::new("CONFIG_NOT_AVAILABLE", "42K0I", text));
            }
        };
        if holds {
            return Ok(Effect::Set { name, value: value.trim().to_owned() });
        }
        match name.as_str() {
            "STATEMENT_TIMEOUT" | "ENABLE_PHOTON" | "USE_CACHED_RESULT" => {
                let text = format!("The value '{value}' in the config \"{name}\" is invalid: it must be {wish}.");
                Err(SqlError::new("INVALID_CONF_VALUE", "22022", text))
            }
            _ => Err(SqlError::unsupported(format_args!("{name} = {value}; it is {wish} here"))),
        }
    }
}
