//! What a statement that succeeded has to give.

use std::path::PathBuf;

use arrow::datatypes::{DataType, Schema};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::databricks::{
    engine::{type_name_of_arrow, type_text_of_arrow},
    error::SqlResult,
};

/// One column of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    type_name: &'static str,
    type_text: String,
    precision_and_scale: Option<(u8, i8)>,
}

impl Column {
    /// The columns of a result.
    pub(crate) fn of(schema: &Schema) -> SqlResult<Vec<Self>> {
        let column = |field: &std::sync::Arc<arrow::datatypes::Field>| {
            Ok(Self {
                name: field.name().clone(),
                type_name: type_name_of_arrow(field.data_type()),
                type_text: type_text_of_arrow(field.data_type())?,
                precision_and_scale: match field.data_type() {
                    DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
                    _ => None,
                },
            })
        };
        schema.fields().iter().map(column).collect()
    }

    pub(crate) fn json(&self, position: usize) -> Value {
        let mut column = Map::new();
        column.insert("name".into(), json!(self.name));
        column.insert("type_text".into(), json!(self.type_text));
        column.insert("type_name".into(), json!(self.type_name));
        column.insert("position".into(), json!(position));
        if let Some((precision, scale)) = self.precision_and_scale {
            column.insert("type_precision".into(), json!(precision));
            column.insert("type_scale".into(), json!(scale));
        }
        Value::Object(column)
    }
}

/// One part of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) row_offset: u64,
    pub(crate) row_count: u64,
    /// Uncompressed.
    pub(crate) byte_count: u64,
}

/// Where the parts are.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// DDL: not even columns.
    Nothing,
    /// JSON arrays of rows, one text for each chunk.
    Inline(Vec<Bytes>),
    /// One file for each chunk, named by its number.
    Files(PathBuf),
}

/// The result of a statement.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<Column>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) truncated: bool,
    pub(crate) body: Body,
}

impl Answer {
    pub(crate) fn nothing() -> Self {
        Self { columns: Vec::new(), chunks: Vec::new(), truncated: false, body: Body::Nothing }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.row_count).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.byte_count).sum()
    }
}
