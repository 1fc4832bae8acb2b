//! How a table is doing.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use twinhouse_warehouse_api::TableRef;

use super::log::{State, elapsed};

/// From where on something is worth a remark.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HealthThresholds {
    /// A mean file size below this, in bytes, is small. 64 MiB.
    pub small_file: u64,
    /// So many files must there be for small ones to matter. 16.
    pub min_files: u64,
    /// So many writes since the last OPTIMIZE are many. 10.
    pub writes: u64,
    /// A largest file so many times the median is skew, as the last OPTIMIZE left them. 10.
    pub skew: u64,
    /// So long without VACUUM is long. 14 days.
    pub vacuum_age: Duration,
    /// So many versions in the log are many. 1,000.
    pub versions: u64,
    /// So many writes since the last ANALYZE make statistics stale. 10.
    pub stale_writes: u64,
}

impl Default for HealthThresholds {
    fn default() -> Self {
        Self {
            small_file: 64 << 20,
            min_files: 16,
            writes: 10,
            skew: 10,
            vacuum_age: Duration::from_secs(14 * 24 * 3600),
            versions: 1000,
            stale_writes: 10,
        }
    }
}

impl HealthThresholds {
    /// Sets [`small_file`](Self::small_file).
    #[must_use]
    pub fn with_small_file(mut self, bytes: u64) -> Self {
        self.small_file = bytes;
        self
    }

    /// Sets [`min_files`](Self::min_files).
    #[must_use]
    pub fn with_min_files(mut self, files: u64) -> Self {
        self.min_files = files;
        self
    }

    /// Sets [`writes`](Self::writes).
    #[must_use]
    pub fn with_writes(mut self, writes: u64) -> Self {
        self.writes = writes;
        self
    }

    /// Sets [`skew`](Self::skew).
    #[must_use]
    pub fn with_skew(mut self, times: u64) -> Self {
        self.skew = times;
        self
    }

    /// Sets [`vacuum_age`](Self::vacuum_age).
    #[must_use]
    pub fn with_vacuum_age(mut self, age: Duration) -> Self {
        self.vacuum_age = age;
        self
    }

    /// Sets [`versions`](Self::versions).
    #[must_use]
    pub fn with_versions(mut self, versions: u64) -> Self {
        self.versions = versions;
        self
    }

    /// Sets [`stale_writes`](Self::stale_writes).
    #[must_use]
    pub fn with_stale_writes(mut self, writes: u64) -> Self {
        self.stale_writes = writes;
        self
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Many small files: OPTIMIZE.
    SmallFiles {
        /// How many files.
        files: u64,
        /// Their mean size in bytes.
        average: u64,
    },
    /// Many writes since the last OPTIMIZE.
    ManyWrites {
        /// How many.
        writes: u64,
    },
    /// Files of very different sizes: think about the partition columns.
    Skew {
        /// The largest file in bytes.
        largest: u64,
        /// The median in bytes.
        median: u64,
    },
    /// No VACUUM for long, or never: old files are stored and paid for.
    NotVacuumed {
        /// For how long.
        age: Duration,
        /// Whether there never was one, as far as the log goes.
        never: bool,
    },
    /// Statistics are older than the rows, or were never computed by a scheduler: ANALYZE.
    StaleStatistics {
        /// Writes since.
        writes: u64,
        /// Whether there never were any.
        never: bool,
    },
    /// The log is long: every reader pays for it. Write less often, or keep less history.
    ManyVersions {
        /// How many versions the log has.
        versions: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmallFiles { files, average } => write!(f, "{files} files of {average} bytes on average"),
            Self::ManyWrites { writes } => write!(f, "{writes} writes since the last OPTIMIZE"),
            Self::Skew { largest, median } => {
                write!(f, "the largest file has {largest} bytes, the median one {median}")
            }
            Self::NotVacuumed { age, never: true } => write!(f, "never vacuumed in {} days", days(*age)),
            Self::NotVacuumed { age, never: false } => write!(f, "last vacuumed {} days ago", days(*age)),
            Self::StaleStatistics { never: true, .. } => f.write_str("never analyzed by a scheduler"),
            Self::StaleStatistics { writes, never: false } => write!(f, "{writes} writes since the last ANALYZE"),
            Self::ManyVersions { versions } => write!(f, "{versions} versions in the log"),
        }
    }
}

fn days(time: Duration) -> u64 {
    time.as_secs() / (24 * 3600)
}

/// How a table is doing, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TableHealth {
    /// The table.
    pub table: TableRef,
    /// Its latest version.
    pub version: u64,
    /// Its files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Writes since the last OPTIMIZE.
    pub writes_since_optimize: u64,
    /// When it was last optimized.
    pub last_optimize: Option<DateTime<Utc>>,
    /// When it was last vacuumed.
    pub last_vacuum: Option<DateTime<Utc>>,
    /// When a scheduler last analyzed it.
    pub last_analyze: Option<DateTime<Utc>>,
    /// What is not as it should be; empty for a healthy table.
    pub findings: Vec<Finding>,
}

impl TableHealth {
    /// True if there is nothing to remark.
    pub fn is_healthy(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether OPTIMIZE would help.
    pub fn needs_optimize(&self) -> bool {
        self.findings.iter().any(|f| matches!(f, Finding::SmallFiles { .. } | Finding::ManyWrites { .. }))
    }

    /// Whether VACUUM would help.
    pub fn needs_vacuum(&self) -> bool {
        self.findings.iter().any(|f| matches!(f, Finding::NotVacuumed { .. }))
    }

    /// Whether ANALYZE would help.
    pub fn needs_analyze(&self) -> bool {
        self.findings.iter().any(|f| matches!(f, Finding::StaleStatistics { .. }))
    }
}

/// The verdict over a table.
pub(super) fn judge(table: &TableRef, state: &State, thresholds: &HealthThresholds, now: DateTime<Utc>) -> TableHealth {
    let State { detail, log, analyzed } = state;
    let mut findings = Vec::new();
    if let Some(average) = detail.average_file_size()
        && detail.num_files >= thresholds.min_files
        && average < thresholds.small_file
    {
        findings.push(Finding::SmallFiles { files: detail.num_files, average });
    }
    if log.writes_since_optimize >= thresholds.writes {
        findings.push(Finding::ManyWrites { writes: log.writes_since_optimize });
    }
    if let Some(optimized) = &log.optimized
        && let (Some(largest), Some(median)) = (optimized.number("maxFileSize"), optimized.number("p50FileSize"))
        && median > 0
        && largest / median >= thresholds.skew
    {
        findings.push(Finding::Skew { largest, median });
    }
    let since = log.last_vacuum.or(detail.created_at).or(log.oldest);
    if let Some(age) = since.map(|since| elapsed(since, now)).filter(|age| *age >= thresholds.vacuum_age) {
        findings.push(Finding::NotVacuumed { age, never: log.last_vacuum.is_none() });
    }
    let (writes, never) = (log.writes_since_analyze, analyzed.is_none());
    if writes > 0 && (never || writes >= thresholds.stale_writes) {
        findings.push(Finding::StaleStatistics { writes, never });
    }
    if log.versions >= thresholds.versions {
        findings.push(Finding::ManyVersions { versions: log.versions });
    }
    TableHealth {
        table: table.clone(),
        version: log.version,
        files: detail.num_files,
        bytes: detail.size_in_bytes,
        writes_since_optimize: log.writes_since_optimize,
        last_optimize: log.last_optimize,
        last_vacuum: log.last_vacuum,
        last_analyze: analyzed.map(|(_, moment)| moment),
        findings,
    }
}
