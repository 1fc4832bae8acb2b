//! What is due.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    log::{State, elapsed},
    policy::{MaintenancePolicy, OptimizePolicy},
};

/// Something that can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MaintenanceTask {
    /// OPTIMIZE.
    Optimize,
    /// VACUUM.
    Vacuum,
    /// ANALYZE TABLE.
    Analyze,
}

impl MaintenanceTask {
    /// The order in which a table's tasks are done: what OPTIMIZE leaves behind is for a later VACUUM, and statistics
    /// are those of the files that stay.
    pub(super) const ALL: [Self; 3] = [Self::Optimize, Self::Vacuum, Self::Analyze];
}

/// Why something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There are many files, and small ones.
    SmallFiles {
        /// How many.
        files: u64,
        /// Their mean size in bytes.
        average: u64,
    },
    /// Rows were written so often since the last time.
    Writes(u64),
    /// It was last done so long ago.
    Elapsed(Duration),
    /// It was never done, as far as the records go.
    Never,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmallFiles { files, average } => write!(f, "{files} files of {average} bytes on average"),
            Self::Writes(writes) => write!(f, "{writes} writes since the last time"),
            Self::Elapsed(time) => write!(f, "last done {} hours ago", time.as_secs() / 3600),
            Self::Never => f.write_str("never done"),
        }
    }
}

/// A task and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DueTask {
    /// What is due.
    pub task: MaintenanceTask,
    /// Why.
    pub reason: Reason,
}

/// Whether a task is due, and why.
pub(super) fn due(
    task: MaintenanceTask,
    policy: &MaintenancePolicy,
    state: &State,
    now: DateTime<Utc>,
) -> Option<Reason> {
    match task {
        MaintenanceTask::Optimize => optimize(policy.optimize.as_ref()?, state, now),
        MaintenanceTask::Vacuum => {
            let every = policy.vacuum.as_ref()?.every;
            let age = state.detail.created_at.or(state.log.oldest).map(|made| elapsed(made, now));
            match state.log.last_vacuum {
                Some(last) => (elapsed(last, now) >= every).then(|| Reason::Elapsed(elapsed(last, now))),
                None => age.is_some_and(|age| age >= every).then_some(Reason::Never),
            }
        }
        MaintenanceTask::Analyze => {
            let every = policy.analyze.as_ref()?.every;
            if state.log.writes_since_analyze == 0 {
                return None;
            }
            match state.analyzed {
                Some((_, last)) => (elapsed(last, now) >= every).then(|| Reason::Elapsed(elapsed(last, now))),
                None => Some(Reason::Never),
            }
        }
    }
}

fn optimize(policy: &OptimizePolicy, state: &State, now: DateTime<Utc>) -> Option<Reason> {
    let (detail, log) = (&state.detail, &state.log);
    if log.writes_since_optimize == 0 || detail.num_files < 2 {
        return None;
    }
    let average = detail.average_file_size()?;
    if detail.num_files >= policy.min_files && average < policy.small_file {
        return Some(Reason::SmallFiles { files: detail.num_files, average });
    }
    if policy.max_writes.is_some_and(|most| log.writes_since_optimize >= most) {
        return Some(Reason::Writes(log.writes_since_optimize));
    }
    let every = policy.every?;
    match log.last_optimize {
        Some(last) => (elapsed(last, now) >= every).then(|| Reason::Elapsed(elapsed(last, now))),
        None => log.oldest.is_some_and(|oldest| elapsed(oldest, now) >= every).then_some(Reason::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        maintain::{TableDetail, TableOperation},
        scheduler::{
            log::Log,
            policy::{AnalyzePolicy, VacuumPolicy},
        },
    };

    const HOUR: i64 = 3600;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + hours * HOUR, 0).unwrap()
    }

    /// Operations with the hours at which they were made, oldest first.
    fn state(files: u64, bytes: u64, history: &[(&str, i64)], analyzed: Option<(u64, i64)>) -> State {
        let analyzed = analyzed.map(|(version, hour)| (version, at(hour)));
        let mut log = Log::default();
        for (version, (operation, hour)) in history.iter().enumerate().rev() {
            let entry = serde_json::json!({
                "version": version, "timestamp": at(*hour).to_rfc3339(), "operation": operation,
            });
            log.add(&serde_json::from_value(entry).unwrap(), analyzed.map(|(version, _)| version));
        }
        let detail = TableDetail { num_files: files, size_in_bytes: bytes, ..TableDetail::default() };
        State { detail, log, analyzed }
    }

    #[test]
    fn optimize_is_due_for_small_files_but_not_twice_for_the_same() {
        let policy = MaintenancePolicy::default();
        let due = |state: &State| due(MaintenanceTask::Optimize, &policy, state, at(10));
        let many = [("CREATE TABLE", 0), ("WRITE", 1), ("MERGE", 2)];
        assert_eq!(due(&state(16, 1600, &many, None)), Some(Reason::SmallFiles { files: 16, average: 100 }));
        assert_eq!(due(&state(15, 1600, &many, None)), None);
        assert_eq!(due(&state(16, 16 << 26, &many, None)), None);
        assert_eq!(due(&state(16, 1600, &[("WRITE", 1), ("OPTIMIZE", 2), ("VACUUM END", 3)], None)), None);
        assert!(due(&state(16, 1600, &[("OPTIMIZE", 1), ("WRITE", 2)], None)).is_some());
    }

    #[test]
    fn optimize_is_due_after_so_many_writes_or_so_much_time() {
        let every = Duration::from_secs(5 * HOUR as u64);
        let optimize = OptimizePolicy::default().with_max_writes(3).with_every(every);
        let policy = MaintenancePolicy::default().with_optimize(optimize);
        let due = |history: &[(&str, i64)], now| {
            due(MaintenanceTask::Optimize, &policy, &state(2, 1 << 40, history, None), at(now))
        };
        let two = [("OPTIMIZE", 0), ("WRITE", 1), ("WRITE", 2)];
        assert_eq!(due(&two, 4), None);
        assert_eq!(due(&two, 5), Some(Reason::Elapsed(every)));
        assert_eq!(due(&[("OPTIMIZE", 0), ("WRITE", 1), ("DELETE", 2), ("UPDATE", 3)], 4), Some(Reason::Writes(3)));
        assert_eq!(due(&[("WRITE", 0)], 5), Some(Reason::Never));
        assert_eq!(due(&[("OPTIMIZE", 0)], 500), None);
    }

    #[test]
    fn vacuum_is_due_by_the_clock_and_counts_a_tables_birth() {
        let vacuum = VacuumPolicy::default().with_every(Duration::from_secs(5 * HOUR as u64));
        let policy = MaintenancePolicy::default().with_vacuum(vacuum);
        let due =
            |history: &[(&str, i64)], now| due(MaintenanceTask::Vacuum, &policy, &state(1, 1, history, None), at(now));
        assert_eq!(due(&[("WRITE", 0)], 4), None);
        assert_eq!(due(&[("WRITE", 0)], 5), Some(Reason::Never));
        assert_eq!(due(&[("WRITE", 0), ("VACUUM START", 3), ("VACUUM END", 3)], 7), None);
        assert!(matches!(due(&[("WRITE", 0), ("VACUUM START", 3), ("VACUUM END", 3)], 8), Some(Reason::Elapsed(_))));
        // One that was begun and never ended does not count.
        assert_eq!(due(&[("WRITE", 0), ("VACUUM START", 5)], 6), Some(Reason::Never));
    }

    #[test]
    fn analyze_is_due_when_rows_changed_since_and_time_has_passed() {
        let analyze = AnalyzePolicy::default().with_every(Duration::from_secs(5 * HOUR as u64));
        let policy = MaintenancePolicy::default().with_analyze(analyze);
        let due = |history: &[(&str, i64)], analyzed, now| {
            due(MaintenanceTask::Analyze, &policy, &state(1, 1, history, analyzed), at(now))
        };
        let history = [("WRITE", 0), ("SET TBLPROPERTIES", 1), ("WRITE", 2)];
        assert_eq!(due(&history, None, 3), Some(Reason::Never));
        assert_eq!(due(&history, Some((0, 1)), 5), None);
        assert!(matches!(due(&history, Some((0, 1)), 6), Some(Reason::Elapsed(_))));
        assert_eq!(due(&history[..2], Some((0, 1)), 600), None);
    }

    #[test]
    fn a_policy_without_a_task_never_has_it_due() {
        let none = MaintenancePolicy::default().with_optimize(None).with_vacuum(None);
        let state = state(1000, 1000, &[("WRITE", 0)], None);
        for task in MaintenanceTask::ALL {
            assert_eq!(due(task, &none, &state, at(100_000)), None);
        }
    }

    #[test]
    fn an_unknown_operation_counts_as_a_write() {
        assert!(TableOperation::from("NEW THING").changes_data());
        assert_eq!(state(1, 1, &[("OPTIMIZE", 0), ("NEW THING", 1)], None).log.writes_since_optimize, 1);
    }
}
