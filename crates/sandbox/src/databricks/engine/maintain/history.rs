//! DESCRIBE HISTORY: the log in the service's words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    super::{Engine, Outcome, catalog::Place},
    answer::{answer, booleans, longs, maps, moments, nulls, texts},
    log::{Commit, METRICS, OPERATION, PARAMETERS, commit, versions},
};
use crate::databricks::{error::SqlResult, sql::ObjectPath};

impl Engine {
    pub(super) async fn history(&self, table: &ObjectPath, limit: Option<usize>, place: &Place) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let folder = self.0.root.join(&opened.entry.folder);
        let isolation = opened.table.snapshot()?.metadata().configuration().get("delta.isolationLevel").cloned();
        let limit = limit.unwrap_or(usize::MAX);
        let mut commits: Vec<Entry> = Vec::new();
        for version in versions(&folder).await? {
            // Beyond the limit only what shifts the times of those within it.
            let apart = match commits.as_slice() {
                [.., newer, older] => newer.timestamp > older.timestamp + CLOSE,
                _ => false,
            };
            if commits.len() >= limit && (limit == 0 || commits.len() > limit && apart) {
                break;
            }
            commits.push(Entry::of(commit(&folder, version).await?));
        }
        // Times never run backwards: a commit counts as one millisecond later than the one before at least.
        for index in (1..commits.len()).rev() {
            commits[index - 1].timestamp = commits[index - 1].timestamp.max(commits[index].timestamp + 1);
        }
        commits.truncate(limit);
        let text = |key: &'static str| texts(commits.iter().map(|entry| entry.text(key)));
        let isolation = |entry: &Entry| match entry.operation.as_str() {
            "OPTIMIZE" | "VACUUM START" | "VACUUM END" => "SnapshotIsolation".to_owned(),
            _ => isolation.clone().unwrap_or_else(|| "WriteSerializable".to_owned()),
        };
        let count = commits.len();
        answer(vec![
            ("version", longs(commits.iter().map(|entry| i64::try_from(entry.commit.version).ok()))),
            ("timestamp", moments(commits.iter().map(|entry| Some(entry.timestamp)))),
            ("userId", text("userId")),
            ("userName", text("userName")),
            ("operation", texts(commits.iter().map(|entry| Some(&entry.operation)))),
            ("operationParameters", maps(commits.iter().map(|entry| &entry.parameters))?),
            ("job", nulls(&["jobId", "jobName", "jobRunId", "runId", "jobOwnerId", "triggerType"], count)),
            ("notebook", nulls(&["notebookId"], count)),
            ("clusterId", nulls(&[], count)),
            ("readVersion", longs(commits.iter().map(|entry| entry.commit.info.get("readVersion")?.as_i64()))),
            ("isolationLevel", texts(commits.iter().map(|entry| Some(isolation(entry))))),
            ("isBlindAppend", booleans(commits.iter().map(Entry::is_blind_append))),
            ("operationMetrics", maps(commits.iter().map(|entry| &entry.metrics))?),
            ("userMetadata", text("userMetadata")),
            ("engineInfo", text("engineInfo")),
        ])
    }
}

/// Commits that are less apart, in milliseconds, may shift each other's times.
const CLOSE: i64 = 1000;

struct Entry {
    commit: Commit,
    /// In milliseconds since 1970.
    timestamp: i64,
    operation: String,
    parameters: BTreeMap<String, String>,
    metrics: BTreeMap<String, String>,
}

impl Entry {
    fn of(commit: Commit) -> Self {
        let operation = commit.info.get(OPERATION).or_else(|| commit.info.get("operation"));
        let operation = match operation.and_then(Value::as_str).unwrap_or_default() {
            "ADD COLUMN" => "ADD COLUMNS",
            known => known,
        };
        let operation = operation.to_owned();
        let parameters = parameters(&commit, &operation);
        let metrics = metrics(&commit, &operation);
        let time = commit.info.get("inCommitTimestamp").or_else(|| commit.info.get("timestamp"));
        let timestamp = time.and_then(Value::as_i64).unwrap_or_default();
        Self { commit, timestamp, operation, parameters, metrics }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.commit.info.get(key)?.as_str()
    }

    /// What the engine says; if it is silent, a commit that took files away has certainly read some.
    fn is_blind_append(&self) -> Option<bool> {
        let said = self.commit.info.get("isBlindAppend").and_then(Value::as_bool);
        said.or_else(|| (!self.commit.removed.is_empty()).then_some(false))
    }
}

/// Texts as they are, everything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn parameters(commit: &Commit, operation: &str) -> BTreeMap<String, String> {
    let object = |key: &str| commit.info.get(key).and_then(Value::as_object).into_iter().flatten();
    let mut parameters: BTreeMap<String, String> =
        object("operationParameters").map(|(key, value)| (key.clone(), plain(value))).collect();
    match operation {
        "RESTORE" => {
            let moment = parameters.remove("datetime").and_then(|millis| millis.parse().ok());
            let moment = moment.and_then(chrono::DateTime::from_timestamp_millis);
            parameters.extend(moment.map(|moment| ("timestamp".to_owned(), moment.format("%F %T%.3f").to_string())));
        }
        "MERGE" => {
            // What it calls the predicate is what it derived from it to skip files.
            let said = parameters.remove("mergePredicate").unwrap_or_default();
            parameters.insert("predicate".to_owned(), predicates(&said));
        }
        "DELETE" => {
            let said = parameters.remove("predicate").unwrap_or_default();
            parameters.insert("predicate".to_owned(), predicates(&said));
        }
        _ if operation.contains("TABLE") && operation.contains("CREATE") => {
            // delta-rs puts whole actions here.
            let metadata = commit.metadata.as_ref().unwrap_or(&Value::Null);
            parameters = BTreeMap::from([
                ("isManaged".to_owned(), "true".to_owned()),
                ("partitionBy".to_owned(), metadata["partitionColumns"].to_string().replace("null", "[]")),
                ("description".to_owned(), metadata["description"].as_str().unwrap_or_default().to_owned()),
                ("properties".to_owned(), plain(&metadata["configuration"])),
            ]);
        }
        _ => {}
    }
    parameters.extend(object(PARAMETERS).map(|(key, value)| (key.clone(), plain(value))));
    parameters
}

/// A condition as the service lists it: in brackets, in a list of its own.
fn predicates(said: &str) -> String {
    if said.is_empty() { "[]".to_owned() } else { json!([format!("({said})")]).to_string() }
}

/// The service's names for what delta-rs counts.
const RENAMED: &[(&str, &[(&str, &str)])] = &[
    ("WRITE", &[("numAddedFiles", "numFiles"), ("numAddedRows", "numOutputRows")]),
    ("COPY INTO", &[("numAddedFiles", "numFiles"), ("numAddedRows", "numOutputRows")]),
    ("CREATE TABLE AS SELECT", &[("numAddedFiles", "numFiles"), ("numAddedRows", "numOutputRows")]),
    ("CREATE OR REPLACE TABLE AS SELECT", &[("numAddedFiles", "numFiles"), ("numAddedRows", "numOutputRows")]),
    ("RESTORE", &[("numRemovedFile", "numRemovedFiles"), ("numRestoredFile", "numRestoredFiles")]),
];

/// What delta-rs counts and the service does not.
const OMITTED: &[&str] = &["numRetries", "numPartitions", "numBatches", "skippedRowGroups"];

fn metrics(commit: &Commit, operation: &str) -> BTreeMap<String, String> {
    let object = |key: &str| commit.info.get(key).and_then(Value::as_object).into_iter().flatten();
    let mut metrics = BTreeMap::new();
    if operation == "OPTIMIZE" {
        metrics.extend(optimize(commit));
    } else {
        let renamed = RENAMED.iter().find(|(known, _)| *known == operation).map_or(&[][..], |(_, names)| names);
        for (key, value) in object("operationMetrics") {
            let key = camel(key);
            let name = renamed.iter().find(|(from, _)| *from == key).map_or(key.as_str(), |(_, to)| to);
            if !OMITTED.contains(&name) {
                metrics.insert(name.to_owned(), plain(value));
            }
        }
        let added = commit.added.iter().sum::<i64>();
        let removed = commit.removed.iter().sum::<i64>();
        let mut put = |name: &str, value: i64| metrics.insert(name.to_owned(), value.to_string());
        match operation {
            "WRITE" | "COPY INTO" | "CREATE TABLE AS SELECT" | "CREATE OR REPLACE TABLE AS SELECT" => {
                put("numOutputBytes", added);
                if commit.removed.is_empty() {
                    metrics.remove("numRemovedFiles");
                } else {
                    put("numRemovedFiles", commit.removed.len() as i64);
                    put("numRemovedBytes", removed);
                }
            }
            "DELETE" | "UPDATE" => {
                put("numAddedBytes", added);
                put("numRemovedBytes", removed);
            }
            "TRUNCATE" => {
                metrics.retain(|name, _| name == "executionTimeMs");
                metrics.insert("numRemovedFiles".to_owned(), commit.removed.len().to_string());
            }
            "MERGE" => {
                put("numTargetBytesAdded", added);
                put("numTargetBytesRemoved", removed);
            }
            "RESTORE" => {
                put("restoredFilesSize", added);
                put("removedFilesSize", removed);
            }
            _ => {}
        }
    }
    metrics.extend(object(METRICS).map(|(key, value)| (key.clone(), plain(value))));
    metrics
}

fn optimize(commit: &Commit) -> BTreeMap<String, String> {
    let mut sizes = commit.added.clone();
    sizes.sort_unstable();
    let at = |share: f64| sizes.get(((sizes.len().saturating_sub(1)) as f64 * share) as usize).copied().unwrap_or(0);
    let counts = json!({
        "numAddedFiles": commit.added.len(),
        "numRemovedFiles": commit.removed.len(),
        "numAddedBytes": commit.added.iter().sum::<i64>(),
        "numRemovedBytes": commit.removed.iter().sum::<i64>(),
        "numDeletionVectorsRemoved": 0,
        "minFileSize": at(0.0),
        "p25FileSize": at(0.25),
        "p50FileSize": at(0.5),
        "p75FileSize": at(0.75),
        "maxFileSize": at(1.0),
    });
    counts.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), plain(value))).collect()
}

/// `num_added_files` as `numAddedFiles`.
pub(super) fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}
