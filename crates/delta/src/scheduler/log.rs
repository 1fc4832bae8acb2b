//! What a table's history says of its upkeep.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use twinhouse_core::Result;

use super::policy::MaintenancePolicy;
use crate::{
    maintain::{HistoryEntry, OperationMetrics, TableDetail, TableOperation},
    table::DeltaTable,
};

/// The property in which the last ANALYZE is noted: `<version>@<moment>`.
pub(super) const ANALYZED: &str = "twinhouse.analyzed";

/// So many versions are read at first; most questions are answered by them.
const FIRST_LOOK: u32 = 200;

/// A table as its own records show it.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) detail: TableDetail,
    pub(super) log: Log,
    pub(super) analyzed: Option<(u64, DateTime<Utc>)>,
}

/// The history, newest first, boiled down.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) version: u64,
    pub(super) versions: u64,
    pub(super) oldest: Option<DateTime<Utc>>,
    pub(super) last_optimize: Option<DateTime<Utc>>,
    pub(super) optimized: Option<OperationMetrics>,
    pub(super) last_vacuum: Option<DateTime<Utc>>,
    pub(super) writes_since_optimize: u64,
    pub(super) writes_since_analyze: u64,
    pub(super) last_write: Option<u64>,
}

impl Log {
    pub(super) fn add(&mut self, entry: &HistoryEntry, analyzed: Option<u64>) {
        if self.versions == 0 {
            self.version = entry.version;
        }
        self.versions += 1;
        self.oldest = Some(entry.timestamp);
        match &entry.operation {
            TableOperation::Optimize if self.last_optimize.is_none() => {
                self.last_optimize = Some(entry.timestamp);
                self.optimized = Some(entry.metrics.clone());
            }
            TableOperation::VacuumEnd if self.last_vacuum.is_none() => self.last_vacuum = Some(entry.timestamp),
            operation if operation.changes_data() => {
                self.last_write.get_or_insert(entry.version);
                self.writes_since_optimize += u64::from(self.last_optimize.is_none());
                self.writes_since_analyze += u64::from(analyzed.is_none_or(|version| entry.version > version));
            }
            _ => {}
        }
    }

    /// Whether older versions could not change any decision of this policy.
    fn settles(&self, policy: &MaintenancePolicy, now: DateTime<Utc>) -> bool {
        let beyond = |every: Duration| self.oldest.is_some_and(|oldest| elapsed(oldest, now) >= every);
        let optimize = policy.optimize.as_ref().is_none_or(|optimize| {
            let writes = optimize.max_writes.is_none_or(|most| self.writes_since_optimize >= most);
            self.last_optimize.is_some()
                || self.writes_since_optimize > 0 && writes && optimize.every.is_none_or(beyond)
        });
        let vacuum = policy.vacuum.as_ref().is_none_or(|vacuum| self.last_vacuum.is_some() || beyond(vacuum.every));
        optimize && vacuum && (policy.analyze.is_none() || self.writes_since_analyze > 0)
    }
}

/// The time from a moment to now; none if clocks disagree.
pub(super) fn elapsed(since: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - since).to_std().unwrap_or_default()
}

impl State {
    /// Reads the table's detail, and as much of its history as the policy needs; all of it without a policy.
    pub(super) async fn read(
        table: &DeltaTable,
        policy: Option<&MaintenancePolicy>,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let detail = table.detail().await?;
        let analyzed = detail.properties.get(ANALYZED).and_then(|note| read_note(note));
        let version = analyzed.map(|(version, _)| version);
        let mut log = Log::default();
        if let Some(policy) = policy {
            let newest = table.history(FIRST_LOOK).await?;
            newest.iter().for_each(|entry| log.add(entry, version));
            if newest.len() < FIRST_LOOK as usize || log.settles(policy, now) {
                return Ok(Self { detail, log, analyzed });
            }
            log = Log::default();
        }
        let mut entries = table.history_stream(None).await?;
        while let Some(entry) = entries.next().await {
            log.add(&entry?, version);
        }
        Ok(Self { detail, log, analyzed })
    }
}

/// What stands in the property.
pub(super) fn note(version: u64, moment: DateTime<Utc>) -> String {
    format!("{version}@{}", moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

fn read_note(note: &str) -> Option<(u64, DateTime<Utc>)> {
    let (version, moment) = note.split_once('@')?;
    Some((version.parse().ok()?, DateTime::parse_from_rfc3339(moment).ok()?.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_of_an_analysis_reads_back_and_a_foreign_one_is_none() {
        let moment = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(read_note(&note(7, moment)), Some((7, moment)));
        for odd in ["", "7", "x@2024-01-01T00:00:00Z", "7@yesterday"] {
            assert_eq!(read_note(odd), None, "{odd}");
        }
    }
}
