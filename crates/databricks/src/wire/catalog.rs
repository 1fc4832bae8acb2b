//! `/api/2.1/unity-catalog`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::number::nullable;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Schema {
    pub(crate) name: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) catalog_name: String,
    pub(crate) schema_name: String,
    /// Another table of the same name has another id.
    pub(crate) table_id: Option<String>,
    pub(crate) table_type: Option<String>,
    pub(crate) data_source_format: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) columns: Vec<Column>,
    pub(crate) comment: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) properties: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) type_text: Option<String>,
    #[serde(default)]
    pub(crate) type_name: Option<String>,
    /// The exact form of the type.
    #[serde(default)]
    pub(crate) type_json: Option<String>,
    #[serde(default, deserialize_with = "super::number::count")]
    pub(crate) type_precision: Option<u64>,
    #[serde(default, deserialize_with = "super::number::count")]
    pub(crate) type_scale: Option<u64>,
    #[serde(default)]
    pub(crate) type_interval_type: Option<String>,
    #[serde(default, deserialize_with = "super::number::count")]
    pub(crate) position: Option<u64>,
    /// The column's place among those that the table is partitioned by.
    #[serde(default, deserialize_with = "super::number::count")]
    pub(crate) partition_index: Option<u64>,
    #[serde(default)]
    pub(crate) nullable: Option<bool>,
    #[serde(default)]
    pub(crate) comment: Option<String>,
    #[serde(default)]
    pub(crate) mask: Option<Mask>,
}

/// The function behind which a column's values are hidden.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Mask {
    #[serde(deserialize_with = "nullable")]
    pub(crate) function_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) using_column_names: Vec<String>,
}
