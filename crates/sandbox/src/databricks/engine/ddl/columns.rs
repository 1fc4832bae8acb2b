//! What a definition of a table may say.

use std::collections::{HashMap, HashSet};

use deltalake::kernel::{MetadataValue, StructField};

use crate::databricks::{
    engine::{metadata::GENERATED, prepare::quote},
    error::{SqlError, SqlResult},
    sql::ColumnSpec,
};

/// Where Spark keeps the length of a CHAR or VARCHAR.
pub(crate) const LENGTH: &str = "__CHAR_VARCHAR_TYPE_STRING";
/// Where Spark keeps the value of rows that give none.
pub(crate) const DEFAULT: &str = "CURRENT_DEFAULT";
/// The property under which columns have other names in the files.
pub(crate) const MAPPING: &str = "delta.columnMapping.mode";
/// Characters that columns cannot have without column mapping.
pub(crate) const MAPPED: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];
/// The property that allows columns to have defaults.
const DEFAULTS: &str = "delta.feature.allowColumnDefaults";
/// The most columns by which a table is clustered.
const MOST_CLUSTERING: usize = 4;

/// Whether columns have other names in the files.
pub(crate) fn is_mapped(properties: &HashMap<String, String>) -> bool {
    properties.get(MAPPING).is_some_and(|mode| mode != "none")
}

/// A column as a table's log has it.
pub(crate) fn field(column: &ColumnSpec) -> StructField {
    let entries = [
        ("comment", &column.comment),
        (LENGTH, &column.length),
        (GENERATED, &column.generated),
        (DEFAULT, &column.default),
    ];
    let metadata = entries.into_iter().filter_map(|(key, text)| Some((key, MetadataValue::String(text.clone()?))));
    StructField::new(&column.name, column.data_type.clone(), column.nullable).with_metadata(metadata)
}

pub(super) fn check_columns(columns: &[ColumnSpec], properties: &HashMap<String, String>) -> SqlResult<()> {
    if columns.is_empty() {
        return Err(SqlError::unsupported("a table without columns"));
    }
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.name.to_lowercase()) {
            let text = format!(
                "The column {} already exists. Choose another name or rename the existing column.",
                quote(&column.name)
            );
            return Err(SqlError::new("COLUMN_ALREADY_EXISTS", "42711", text));
        }
        if column.default.is_some() {
            defaults_allowed(properties)?;
        }
    }
    Ok(())
}

/// Refuses a default where the table has not asked for them.
pub(crate) fn defaults_allowed(properties: &HashMap<String, String>) -> SqlResult<()> {
    if properties.get(DEFAULTS).is_some_and(|value| matches!(value.as_str(), "supported" | "enabled")) {
        return Ok(());
    }
    Err(SqlError::new(
        "WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED",
        "0AKDE",
        "Failed to execute the command because it assigned a column DEFAULT value, but the corresponding table feature \
         was not enabled. Please set the table property 'delta.feature.allowColumnDefaults' to 'supported' and try again.",
    ))
}

/// Refuses too many columns to cluster by, and the same one twice.
pub(crate) fn check_clustering(columns: &[Vec<String>]) -> SqlResult<()> {
    if columns.len() > MOST_CLUSTERING {
        let text = format!(
            "CLUSTER BY for Liquid clustering supports up to {MOST_CLUSTERING} clustering columns, but the table has {}.",
            columns.len()
        );
        return Err(SqlError::new("DELTA_CLUSTER_BY_INVALID_NUM_COLUMNS", "54000", text));
    }
    let mut seen = HashSet::new();
    match columns.iter().find(|path| !seen.insert(path.join(".").to_lowercase())) {
        Some(path) => {
            let text = format!("The column {} already exists among the clustering columns.", quote(&path.join(".")));
            Err(SqlError::new("COLUMN_ALREADY_EXISTS", "42711", text))
        }
        None => Ok(()),
    }
}

/// Properties that switch a feature on which delta-rs does not write.
const REFUSED: &[&str] = &[
    "delta.enableTypeWidening",
    "delta.enableRowTracking",
    "delta.enableIcebergCompatV1",
    "delta.enableIcebergCompatV2",
    "delta.enableInCommitTimestamps",
    "delta.universalFormat.enabledFormats",
];

/// The other properties of Delta, which delta-rs obeys or which change nothing that can be seen here.
const KNOWN: &[&str] = &[
    MAPPING,
    DEFAULTS,
    "delta.appendOnly",
    "delta.autoOptimize.autoCompact",
    "delta.autoOptimize.optimizeWrite",
    "delta.checkpoint.writeStatsAsJson",
    "delta.checkpoint.writeStatsAsStruct",
    "delta.checkpointInterval",
    "delta.checkpointPolicy",
    "delta.dataSkippingNumIndexedCols",
    "delta.dataSkippingStatsColumns",
    "delta.deletedFileRetentionDuration",
    "delta.enableChangeDataFeed",
    "delta.enableDeletionVectors",
    "delta.enableExpiredLogCleanup",
    "delta.isolationLevel",
    "delta.logRetentionDuration",
    "delta.minReaderVersion",
    "delta.minWriterVersion",
    "delta.parquet.compression.codec",
    "delta.randomizeFilePrefixes",
    "delta.randomPrefixLength",
    "delta.setTransactionRetentionDuration",
    "delta.targetFileSize",
    "delta.tuneFileSizesForRewrites",
];

/// Refuses what the service does not know, and by name what delta-rs does not write.
pub(crate) fn check_property(key: &str, value: &str) -> SqlResult<()> {
    let Some(name) = key.get(..6).filter(|start| start.eq_ignore_ascii_case("delta.")).map(|_| key) else {
        return Ok(());
    };
    let is = |known: &&&str| known.eq_ignore_ascii_case(name);
    if REFUSED.iter().any(|known| is(&known)) {
        let off = value.eq_ignore_ascii_case("false") || value.is_empty();
        return if off { Ok(()) } else { Err(SqlError::unsupported(format_args!("the table property '{key}'"))) };
    }
    if name.starts_with("delta.feature.") && !name.eq_ignore_ascii_case(DEFAULTS) {
        return Err(SqlError::unsupported(format_args!("the table property '{key}'")));
    }
    if KNOWN.iter().any(|known| is(&known)) || name.starts_with(crate::databricks::engine::metadata::CONSTRAINT) {
        return Ok(());
    }
    Err(SqlError::new("DELTA_UNKNOWN_CONFIGURATION", "F0000", format!("Unknown configuration was specified: {key}.")))
}
