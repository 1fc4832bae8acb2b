//! CLONE: a new table from a version of another.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use serde::Deserialize;
use serde_json::Value;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{CallOptions, StatementRequest, TableRef};

use super::answer::{moment_literal, rows};
use crate::table::DeltaTable;

/// What happens if the target is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloneMode {
    /// It is an error.
    #[default]
    Create,
    /// Nothing is done.
    CreateIfNotExists,
    /// It is replaced; its earlier versions stay readable.
    CreateOrReplace,
}

/// What to clone.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CloneOptions {
    /// What happens if the target is there already.
    pub mode: CloneMode,
    /// The version to clone; the latest unless set.
    pub version: Option<u64>,
    /// The moment whose version to clone. Not together with [`version`](Self::version).
    pub timestamp: Option<DateTime<Utc>>,
    /// Properties of the target, over those of the source.
    pub properties: BTreeMap<String, String>,
    /// Deadline and label of the statement.
    pub call: CallOptions,
}

impl CloneOptions {
    /// Sets [`mode`](Self::mode).
    #[must_use]
    pub fn with_mode(mut self, mode: CloneMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets [`version`](Self::version).
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets [`timestamp`](Self::timestamp).
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: DateTime<Utc>) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Adds one of the [`properties`](Self::properties).
    #[must_use]
    pub fn with_property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Sets [`call`](Self::call).
    #[must_use]
    pub fn with_call(mut self, call: CallOptions) -> Self {
        self.call = call;
        self
    }
}

/// What CLONE did, by the server's own names. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CloneReport {
    /// The size of the version that was cloned.
    pub source_table_size: u64,
    /// Its files.
    pub source_num_of_files: u64,
    /// Files of the target that went.
    pub num_removed_files: u64,
    /// Files that were copied; none for a shallow clone.
    pub num_copied_files: u64,
    /// The size of those that went.
    pub removed_files_size: u64,
    /// The size of those that were copied.
    pub copied_files_size: u64,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl DeltaTable {
    /// Makes a table that shares this one's files. It breaks when [`vacuum`](Self::vacuum) deletes them here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if both a version and a timestamp are given, before anything is sent;
    /// [`ErrorKind::AlreadyExists`] if the target is there and the mode does not allow it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: the clone is there, whole, or not at all.
    pub async fn clone_shallow(&self, target: &TableRef, options: CloneOptions) -> Result<CloneReport> {
        self.clone_to("SHALLOW", target, &options).await
    }

    /// Makes a table with copies of this one's files. It stands on its own.
    ///
    /// # Errors
    ///
    /// As [`clone_shallow`](Self::clone_shallow).
    ///
    /// # Cancellation
    ///
    /// As [`clone_shallow`](Self::clone_shallow).
    pub async fn clone_deep(&self, target: &TableRef, options: CloneOptions) -> Result<CloneReport> {
        self.clone_to("DEEP", target, &options).await
    }

    async fn clone_to(&self, depth: &str, target: &TableRef, options: &CloneOptions) -> Result<CloneReport> {
        let request = self.clone_request(depth, target, options)?;
        // A clone that was there already has nothing to report.
        let reports: Vec<CloneReport> = rows(self.warehouse().as_ref(), request).await?.try_collect().await?;
        Ok(reports.into_iter().next().unwrap_or_default())
    }

    fn clone_request(&self, depth: &str, target: &TableRef, options: &CloneOptions) -> Result<StatementRequest> {
        let warehouse = self.warehouse().as_ref();
        let dialect = &warehouse.info().dialect;
        let (create, guard) = match options.mode {
            CloneMode::Create => ("CREATE TABLE", ""),
            CloneMode::CreateIfNotExists => ("CREATE TABLE", " IF NOT EXISTS"),
            CloneMode::CreateOrReplace => ("CREATE OR REPLACE TABLE", ""),
        };
        let mut sql = format!("{create}{guard} {} {depth} CLONE {}", dialect.table(target)?, self.sql_name()?);
        match (options.version, options.timestamp) {
            (Some(_), Some(_)) => {
                return Err(Error::new(ErrorKind::InvalidInput, "clone a version or a timestamp, not both"));
            }
            (Some(version), None) => sql.push_str(&format!(" VERSION AS OF {version}")),
            (None, Some(moment)) => sql.push_str(&format!(" TIMESTAMP AS OF {}", moment_literal(warehouse, moment)?)),
            (None, None) => {}
        }
        if !options.properties.is_empty() {
            let pairs = options.properties.iter();
            let pairs = pairs.map(|(key, value)| Ok(format!("{} = {}", dialect.string(key)?, dialect.string(value)?)));
            sql.push_str(&format!(" TBLPROPERTIES ({})", pairs.collect::<Result<Vec<_>>>()?.join(", ")));
        }
        Ok(StatementRequest::write(sql).with_options(options.call.clone()))
    }
}
