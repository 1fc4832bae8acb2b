//! What the front remembers of loads and unloads.

use serde::Serialize;

/// Who did it, and in what.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Doer {
    pub(super) query_id: i64,
    pub(super) transaction_id: i64,
    pub(super) session_id: i32,
    pub(super) username: String,
    pub(super) database_name: String,
    /// Microseconds since 1970.
    pub(super) start_time: i64,
    pub(super) end_time: i64,
}

/// One row of one of the views; `catalog/bulk.sql` knows the names.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", content = "row", rename_all = "snake_case")]
pub(super) enum Bulk {
    /// A load that was begun.
    Load {
        #[serde(flatten)]
        doer: Doer,
        /// `completed` or `aborted`.
        status: &'static str,
        table_name: String,
        data_source: String,
        file_format: &'static str,
        loaded_rows: i64,
        source_file_bytes: i64,
        source_file_count: i64,
        error_count: i64,
    },
    /// A file that a load read.
    LoadFile {
        #[serde(flatten)]
        doer: Doer,
        file_name: String,
        file_format: &'static str,
        bytes: i64,
        lines: i64,
        errors: i64,
    },
    /// A row that did not fit.
    LoadError {
        #[serde(flatten)]
        doer: Doer,
        table_id: u32,
        file_name: String,
        line_number: i64,
        column_name: String,
        column_type: String,
        column_length: String,
        raw_line: String,
        raw_field_value: String,
        error_code: i32,
        error_message: String,
    },
    /// An unload that was begun.
    Unload {
        #[serde(flatten)]
        doer: Doer,
        /// `completed` or `aborted`.
        status: &'static str,
        file_format: &'static str,
        compression_type: &'static str,
        location: String,
        rows: i64,
        files: i64,
        bytes: i64,
        error_message: String,
    },
    /// A file that an unload wrote.
    UnloadFile {
        #[serde(flatten)]
        doer: Doer,
        path: String,
        slice: i64,
        lines: i64,
        bytes: i64,
        file_format: &'static str,
    },
}
