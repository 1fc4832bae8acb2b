//! Names as this API writes them: parts joined by periods, which no part can have.

use super::Unity;
use crate::databricks::{
    api::reply::{ApiError, ApiResult, Query},
    engine::FullName,
};

/// The name as this API writes it.
pub(in super::super) fn full_name(name: &FullName) -> String {
    format!("{}.{}.{}", name.catalog, name.schema, name.name)
}

/// Reads such a name of three parts.
pub(in super::super) fn three_parts(text: &str) -> ApiResult<FullName> {
    let parts: Vec<String> = text.split('.').map(str::to_lowercase).collect();
    match <[String; 3]>::try_from(parts) {
        Ok([catalog, schema, name]) if ![&catalog, &schema, &name].iter().any(|part| part.is_empty()) => {
            Ok(FullName { catalog, schema, name })
        }
        _ => Err(ApiError::invalid(format!("'{text}' is not a name of the form catalog.schema.name"))),
    }
}

pub(in super::super) fn two_parts(text: &str) -> ApiResult<(String, String)> {
    let lower = text.to_lowercase();
    match lower.split_once('.') {
        Some((catalog, schema)) if !catalog.is_empty() && !schema.is_empty() && !schema.contains('.') => {
            Ok((catalog.to_owned(), schema.to_owned()))
        }
        _ => Err(ApiError::invalid(format!("'{text}' is not a name of the form catalog.schema"))),
    }
}

pub(in super::super) fn no_catalog(name: &str) -> ApiError {
    absent("Catalog", name)
}

pub(in super::super) fn no_schema(catalog: &str, name: &str) -> ApiError {
    absent("Schema", &format!("{catalog}.{name}"))
}

pub(in super::super) fn absent(kind: &str, name: &str) -> ApiError {
    let code = format!("{}_DOES_NOT_EXIST", kind.to_uppercase());
    ApiError::new(http::StatusCode::NOT_FOUND, &code, format!("{kind} '{name}' does not exist."))
}

/// The names in a schema, told apart from a schema that does not exist.
pub(in super::super) fn names_in(
    unity: &Unity,
    query: &Query,
    names: impl Fn(&FullName) -> Vec<String>,
) -> ApiResult<(FullName, Vec<String>)> {
    let catalog = query.required("catalog_name")?.to_lowercase();
    let schema = query.required("schema_name")?.to_lowercase();
    unity.schema(&catalog, &schema)?;
    let place = FullName { catalog, schema, name: String::new() };
    let names = names(&place);
    Ok((place, names))
}
