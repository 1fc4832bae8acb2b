//! When a table is due for what.

use std::time::Duration;

use twinhouse_warehouse_api::Expression;

use crate::maintain::{Analyze, VacuumMode};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MIB: u64 = 1 << 20;

/// What is done for one table, and when. By default it is optimized and vacuumed, and not analyzed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MaintenancePolicy {
    /// When files are rewritten; `None`: never.
    pub optimize: Option<OptimizePolicy>,
    /// When old files are deleted; `None`: never.
    pub vacuum: Option<VacuumPolicy>,
    /// When statistics are computed; `None`: never.
    pub analyze: Option<AnalyzePolicy>,
}

impl Default for MaintenancePolicy {
    fn default() -> Self {
        Self { optimize: Some(OptimizePolicy::default()), vacuum: Some(VacuumPolicy::default()), analyze: None }
    }
}

impl MaintenancePolicy {
    /// Sets [`optimize`](Self::optimize).
    #[must_use]
    pub fn with_optimize(mut self, optimize: impl Into<Option<OptimizePolicy>>) -> Self {
        self.optimize = optimize.into();
        self
    }

    /// Sets [`vacuum`](Self::vacuum).
    #[must_use]
    pub fn with_vacuum(mut self, vacuum: impl Into<Option<VacuumPolicy>>) -> Self {
        self.vacuum = vacuum.into();
        self
    }

    /// Sets [`analyze`](Self::analyze).
    #[must_use]
    pub fn with_analyze(mut self, analyze: impl Into<Option<AnalyzePolicy>>) -> Self {
        self.analyze = analyze.into();
        self
    }
}

/// When a table's files are rewritten: as soon as one of the conditions holds, if rows were written since the last time
/// and there is more than one file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OptimizePolicy {
    /// So many files must there be for small ones to matter. 16.
    pub min_files: u64,
    /// A mean file size below this, in bytes, makes it due. 64 MiB.
    pub small_file: u64,
    /// So many writes since the last OPTIMIZE make it due. `None`: any number is fine.
    pub max_writes: Option<u64>,
    /// So much time since the last OPTIMIZE makes it due. `None`: any time is fine.
    pub every: Option<Duration>,
    /// The columns to Z-order by; none for a plain compaction.
    pub z_order: Vec<String>,
    /// The partitions to look at; `None` for all.
    pub filter: Option<Expression>,
}

impl Default for OptimizePolicy {
    fn default() -> Self {
        Self { min_files: 16, small_file: 64 * MIB, max_writes: None, every: None, z_order: Vec::new(), filter: None }
    }
}

impl OptimizePolicy {
    /// Sets [`min_files`](Self::min_files).
    #[must_use]
    pub fn with_min_files(mut self, files: u64) -> Self {
        self.min_files = files;
        self
    }

    /// Sets [`small_file`](Self::small_file).
    #[must_use]
    pub fn with_small_file(mut self, bytes: u64) -> Self {
        self.small_file = bytes;
        self
    }

    /// Sets [`max_writes`](Self::max_writes).
    #[must_use]
    pub fn with_max_writes(mut self, writes: impl Into<Option<u64>>) -> Self {
        self.max_writes = writes.into();
        self
    }

    /// Sets [`every`](Self::every).
    #[must_use]
    pub fn with_every(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.every = every.into();
        self
    }

    /// Sets [`z_order`](Self::z_order).
    #[must_use]
    pub fn with_z_order<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.z_order = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`filter`](Self::filter).
    #[must_use]
    pub fn with_filter(mut self, filter: impl Into<Expression>) -> Self {
        self.filter = Some(filter.into());
        self
    }
}

/// When a table's old files are deleted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VacuumPolicy {
    /// So much time since the last VACUUM, or since the table was made. 7 days.
    pub every: Duration,
    /// How long removed files stay; `None`: as the table says.
    pub retain: Option<Duration>,
    /// How files are found.
    pub mode: VacuumMode,
}

impl Default for VacuumPolicy {
    fn default() -> Self {
        Self { every: 7 * DAY, retain: None, mode: VacuumMode::default() }
    }
}

impl VacuumPolicy {
    /// Sets [`every`](Self::every).
    #[must_use]
    pub fn with_every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Sets [`retain`](Self::retain).
    #[must_use]
    pub fn with_retain(mut self, retain: impl Into<Option<Duration>>) -> Self {
        self.retain = retain.into();
        self
    }

    /// Sets [`mode`](Self::mode).
    #[must_use]
    pub fn with_mode(mut self, mode: VacuumMode) -> Self {
        self.mode = mode;
        self
    }
}

/// When a table's statistics are computed: after so much time, if rows were written since.
///
/// ANALYZE leaves no trace in the table's history. So that a restart knows of it, the scheduler writes the version and
/// the time into the property `twinhouse.analyzed`: one more version of the table, which to a writer at that very
/// moment is a conflict.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AnalyzePolicy {
    /// So much time since the last ANALYZE of a scheduler. 1 day.
    pub every: Duration,
    /// Which statistics.
    pub what: Analyze,
}

impl Default for AnalyzePolicy {
    fn default() -> Self {
        Self { every: DAY, what: Analyze::default() }
    }
}

impl AnalyzePolicy {
    /// Sets [`every`](Self::every).
    #[must_use]
    pub fn with_every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Sets [`what`](Self::what).
    #[must_use]
    pub fn with_what(mut self, what: Analyze) -> Self {
        self.what = what;
        self
    }
}
