//! Commits that change what a table is and not what it holds.

use std::collections::{HashMap, HashSet};

use deltalake::{
    kernel::{
        Action, CommitInfo, DataType, Metadata, MetadataValue, PrimitiveType, Protocol, StructField, StructType,
        transaction::CommitBuilder,
    },
    protocol::DeltaOperation,
};
use serde_json::{Value, json};

use super::{Engine, commit::commit_properties, ddl::is_mapped, tables::Opened};
use crate::databricks::error::{SqlError, SqlResult};

/// Where Spark keeps the expression of a generated column.
pub(super) const GENERATED: &str = "delta.generationExpression";
/// Properties of this name are CHECK constraints.
pub(super) const CONSTRAINT: &str = "delta.constraints.";
/// Where the columns of liquid clustering are kept: a list of paths in JSON, as Spark's catalog has them. delta-rs
/// does not write tables with Delta's own feature for it.
pub(super) const CLUSTERING: &str = "clusteringColumns";

/// The metadata of a table's next version.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    id: String,
    name: Option<String>,
    created: Option<i64>,
    pub(super) description: Option<String>,
    pub(super) schema: StructType,
    pub(super) partitions: Vec<String>,
    pub(super) properties: HashMap<String, String>,
}

impl Definition {
    pub(super) fn of(opened: &Opened) -> SqlResult<Self> {
        let metadata = opened.table.snapshot()?.metadata();
        Ok(Self {
            id: metadata.id().to_owned(),
            name: metadata.name().map(str::to_owned),
            created: metadata.created_time(),
            description: metadata.description().map(str::to_owned),
            schema: opened.fields()?,
            partitions: metadata.partition_columns().to_vec(),
            properties: metadata.configuration().clone(),
        })
    }

    /// The columns by which the table is clustered.
    pub(super) fn clustering(&self) -> Vec<Vec<String>> {
        self.properties.get(CLUSTERING).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    pub(super) fn set_clustering(&mut self, columns: &[Vec<String>]) -> SqlResult<()> {
        if columns.is_empty() {
            self.properties.remove(CLUSTERING);
        } else {
            let text = serde_json::to_string(columns).map_err(SqlError::internal)?;
            self.properties.insert(CLUSTERING.to_owned(), text);
        }
        Ok(())
    }

    /// Each CHECK constraint with its expression, in the order of their names.
    pub(super) fn constraints(&self) -> Vec<(&str, &str)> {
        let found =
            self.properties.iter().filter_map(|(key, check)| Some((key.strip_prefix(CONSTRAINT)?, check.as_str())));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }

    fn action(&self) -> SqlResult<Action> {
        let metadata: Metadata = serde_json::from_value(json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": serde_json::to_string(&self.schema).map_err(SqlError::internal)?,
            "partitionColumns": self.partitions,
            "configuration": self.properties,
            "createdTime": self.created,
        }))
        .map_err(SqlError::internal)?;
        Ok(Action::Metadata(metadata))
    }
}

/// A feature, and the legacy version of writers that has it.
type Feature = (&'static str, Option<u64>);

/// The features that readers and writers of a table must know.
fn features<'a>(fields: impl Iterator<Item = &'a StructField>, properties: &HashMap<String, String>) -> Vec<Feature> {
    let fields: Vec<_> = fields.collect();
    let on = |key: &str| properties.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    [
        ("appendOnly", Some(2), on("delta.appendOnly")),
        ("checkConstraints", Some(3), properties.keys().any(|key| key.starts_with(CONSTRAINT))),
        ("changeDataFeed", Some(4), on("delta.enableChangeDataFeed")),
        ("generatedColumns", Some(4), fields.iter().any(|field| field.metadata.contains_key(GENERATED))),
        ("columnMapping", Some(5), is_mapped(properties)),
        ("timestampNtz", None, fields.iter().any(|field| has_ntz(field.data_type()))),
        ("deletionVectors", None, on("delta.enableDeletionVectors")),
    ]
    .into_iter()
    .filter_map(|(name, legacy, wanted)| wanted.then_some((name, legacy)))
    .collect()
}

/// The protocol of a table that is made, which is not below that of the one it replaces.
pub(super) fn first_protocol(
    base: Option<&Protocol>,
    fields: &[StructField],
    properties: &HashMap<String, String>,
) -> SqlResult<Protocol> {
    let lowest = serde_json::from_value(json!({ "minReaderVersion": 1, "minWriterVersion": 2 }));
    let base = base.cloned().map_or(lowest, Ok).map_err(SqlError::internal)?;
    Ok(upgraded(&base, &features(fields.iter(), properties))?.unwrap_or(base))
}

/// Features that bind readers too.
const READERS: &[&str] = &["columnMapping", "timestampNtz", "deletionVectors"];
/// What each legacy writer version stands for, beyond those before it.
const LEGACY: &[(u64, &[&str])] = &[
    (2, &["appendOnly", "invariants"]),
    (3, &["checkConstraints"]),
    (4, &["changeDataFeed", "generatedColumns"]),
    (5, &["columnMapping"]),
];

fn has_ntz(data_type: &DataType) -> bool {
    match data_type {
        DataType::Primitive(primitive) => *primitive == PrimitiveType::TimestampNtz,
        DataType::Array(array) => has_ntz(array.element_type()),
        DataType::Map(map) => has_ntz(map.key_type()) || has_ntz(map.value_type()),
        DataType::Struct(fields) => fields.fields().any(|field| has_ntz(field.data_type())),
        DataType::Variant(_) => false,
    }
}

/// The protocol that has the features, if the present one has not. It never goes down.
fn upgraded(protocol: &Protocol, needed: &[Feature]) -> SqlResult<Option<Protocol>> {
    let before = serde_json::to_value(protocol).map_err(SqlError::internal)?;
    let version = |key: &str| before[key].as_u64().unwrap_or(1);
    let listed = |key: &str| -> HashSet<String> {
        let names = before[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    let (mut reader, mut writer) = (version("minReaderVersion"), version("minWriterVersion"));
    let (mut readers, mut writers) = (listed("readerFeatures"), listed("writerFeatures"));
    let modern = writer >= 7 || needed.iter().any(|(_, legacy)| legacy.is_none());
    if modern {
        let implied = LEGACY.iter().filter(|(version, _)| writer < 7 && *version <= writer);
        writers.extend(implied.flat_map(|(_, names)| *names).map(|name| (*name).to_owned()));
        if reader == 2 {
            readers.insert("columnMapping".to_owned());
        }
        writer = 7;
        writers.extend(needed.iter().map(|(name, _)| (*name).to_owned()));
        readers.extend(needed.iter().map(|(name, _)| *name).filter(|name| READERS.contains(name)).map(str::to_owned));
        if !readers.is_empty() {
            reader = 3;
        }
    } else {
        writer = needed.iter().filter_map(|(_, legacy)| *legacy).fold(writer, u64::max);
        if needed.iter().any(|(name, _)| *name == "columnMapping") {
            reader = reader.max(2);
        }
    }
    let mut after = json!({ "minReaderVersion": reader, "minWriterVersion": writer });
    let sorted = |names: HashSet<String>| {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        Value::from(names)
    };
    if reader >= 3 {
        after["readerFeatures"] = sorted(readers);
    }
    if writer >= 7 {
        after["writerFeatures"] = sorted(writers);
    }
    let after: Protocol = serde_json::from_value(after).map_err(SqlError::internal)?;
    let same = |protocol: &Protocol| {
        let names = |features: Option<&[_]>| {
            features.into_iter().flatten().map(|feature| format!("{feature:?}")).collect::<HashSet<_>>()
        };
        let versions = (protocol.min_reader_version(), protocol.min_writer_version());
        (versions, names(protocol.reader_features()), names(protocol.writer_features()))
    };
    Ok((same(&after) != same(protocol)).then_some(after))
}

impl Engine {
    /// Commits the definition as the table's next version.
    pub(super) async fn commit_definition(
        &self,
        opened: &Opened,
        definition: &Definition,
        operation: &str,
        parameters: Value,
    ) -> SqlResult<()> {
        let snapshot = opened.table.snapshot()?;
        let mut actions = Vec::with_capacity(3);
        actions.push(Action::CommitInfo(commit_info(operation, parameters, snapshot.version())));
        let features = features(definition.schema.fields(), &definition.properties);
        actions.extend(upgraded(snapshot.protocol(), &features)?.map(Action::Protocol));
        actions.push(definition.action()?);
        let known = DeltaOperation::SetTableProperties { properties: HashMap::new() };
        CommitBuilder::from(commit_properties())
            .with_actions(actions)
            .build(Some(snapshot), opened.table.log_store(), known)
            .await?;
        Ok(())
    }
}

/// What a commit says of itself: delta-rs has no names for most changes of a definition.
pub(super) fn commit_info(operation: &str, parameters: Value, version: u64) -> CommitInfo {
    let text = |value: Value| if value.is_string() { value } else { Value::String(value.to_string()) };
    let parameters = match parameters {
        Value::Object(parameters) => parameters.into_iter().map(|(key, value)| (key, text(value))).collect(),
        _ => HashMap::new(),
    };
    CommitInfo {
        timestamp: Some(chrono::Utc::now().timestamp_millis()),
        operation: Some(operation.to_owned()),
        operation_parameters: Some(parameters),
        read_version: Some(version),
        ..CommitInfo::default()
    }
}

/// The text under a key of a field's metadata.
pub(super) fn text_of<'a>(field: &'a StructField, key: &str) -> Option<&'a str> {
    match field.metadata.get(key) {
        Some(MetadataValue::String(text)) => Some(text),
        _ => None,
    }
}
