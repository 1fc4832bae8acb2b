//! DESCRIBE DETAIL, and the manifests of GENERATE.

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::{ArrayRef, Int32Array};

use super::{
    super::{
        Engine, Outcome,
        catalog::Place,
        metadata::{CLUSTERING, Definition},
        tables::Opened,
    },
    answer::{answer, list, long, maps, moments, text, texts},
    log::{commit, versions},
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

impl Engine {
    pub(super) async fn detail(&self, table: &ObjectPath, place: &Place) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let snapshot = opened.table.snapshot()?;
        let (metadata, protocol) = (snapshot.metadata(), snapshot.protocol());
        let files = Files::of(&opened)?;
        let folder = self.0.root.join(&opened.entry.folder);
        let latest = versions(&folder).await?.first().copied();
        let modified = match latest {
            Some(version) => commit(&folder, version).await?.info.get("timestamp").and_then(|millis| millis.as_i64()),
            None => None,
        };
        let clustering = Definition::of(&opened)?.clustering();
        let own = metadata.configuration().iter().filter(|(key, _)| *key != CLUSTERING);
        let properties: BTreeMap<String, String> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut features: Vec<String> = implied(protocol.min_writer_version()).map(str::to_owned).collect();
        let named = protocol.reader_features().unwrap_or_default().iter().map(ToString::to_string);
        features.extend(named.chain(protocol.writer_features().unwrap_or_default().iter().map(ToString::to_string)));
        features.sort();
        features.dedup();
        let number = |value: i32| Arc::new(Int32Array::from(vec![value])) as ArrayRef;
        answer(vec![
            ("format", text("delta")),
            ("id", text(metadata.id())),
            ("name", text(opened.name.to_string().replace('`', ""))),
            ("description", texts([metadata.description()])),
            ("location", text(self.location(&opened)?)),
            ("createdAt", moments([metadata.created_time()])),
            ("lastModified", moments([modified])),
            ("partitionColumns", list(metadata.partition_columns())),
            ("clusteringColumns", list(clustering.iter().map(|column| column.join(".")))),
            ("numFiles", long(files.count)),
            ("sizeInBytes", long(files.bytes)),
            ("properties", maps([&properties])?),
            ("minReaderVersion", number(protocol.min_reader_version())),
            ("minWriterVersion", number(protocol.min_writer_version())),
            ("tableFeatures", list(features)),
        ])
    }

    /// Where a table's files are, as the service writes it.
    pub(super) fn location(&self, opened: &Opened) -> SqlResult<String> {
        Ok(self.table_url(&opened.entry)?.as_str().trim_end_matches('/').to_owned())
    }

    pub(super) async fn generate_manifest(&self, table: &ObjectPath, place: &Place) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        // The engine writes the manifests of today's partitions and leaves those of others.
        let old = self.0.root.join(&opened.entry.folder).join("_symlink_format_manifest");
        match tokio::fs::remove_dir_all(old).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(SqlError::io(error)),
            _ => {}
        }
        opened.table.generate().await?;
        Ok(Outcome::Nothing)
    }
}

/// The files of a table, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Files {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Files {
    pub(super) fn of(opened: &Opened) -> SqlResult<Self> {
        let sizes = opened.table.snapshot()?.log_data().into_iter().map(|file| file.size());
        Ok(sizes.fold(Self::default(), |files, size| files.with(size)))
    }

    pub(super) fn with(self, size: i64) -> Self {
        Self { count: self.count + 1, bytes: self.bytes + u64::try_from(size).unwrap_or_default() }
    }
}

/// The features that the older protocols, which count, bring with them.
fn implied(writer: i32) -> impl Iterator<Item = &'static str> {
    const FEATURES: &[(i32, &str)] = &[
        (2, "appendOnly"),
        (2, "invariants"),
        (3, "checkConstraints"),
        (4, "changeDataFeed"),
        (4, "generatedColumns"),
        (5, "columnMapping"),
        (6, "identityColumns"),
    ];
    FEATURES.iter().filter(move |(since, _)| writer < 7 && *since <= writer).map(|(_, name)| *name)
}
