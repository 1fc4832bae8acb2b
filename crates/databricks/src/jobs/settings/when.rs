//! When a job runs by itself.

use twinhouse_core::Result;

use crate::jobs::{
    check::{invalid, not_empty},
    macros::{record, setters, words},
};

words! {
    /// Whether a schedule or trigger is at work.
    PauseStatus {
        /// It is not.
        Paused = "PAUSED",
        /// It is.
        Unpaused = "UNPAUSED",
    }
}

words! {
    /// How soon serverless compute begins.
    PerformanceTarget {
        /// At once.
        PerformanceOptimized = "PERFORMANCE_OPTIMIZED",
        /// Later, and cheaper.
        Standard = "STANDARD",
    }
}

record! {
    /// Runs that cannot begin wait instead of being skipped.
    QueueSettings {
        /// Whether they do.
        enabled: bool,
        ;
    }
}

record! {
    /// Fixed times.
    CronSchedule {
        /// In Quartz's notation, which begins with seconds: `0 30 5 * * ?`.
        quartz_cron_expression: String,
        /// The time zone, as Java calls it: `Europe/Lisbon`.
        timezone_id: String,
        ;
        /// Whether it is at work.
        pause_status: Option<PauseStatus>,
        ..rest
    }
}

impl CronSchedule {
    setters! {
        /// Whether it is at work.
        with_pause_status(pause_status: some PauseStatus);
    }

    pub(crate) fn check(&self) -> Result<()> {
        let fields = self.quartz_cron_expression.split_whitespace().count();
        if !(6..=7).contains(&fields) {
            return Err(invalid(
                "schedule.quartz_cron_expression",
                "must have the 6 or 7 fields of Quartz: seconds come first",
            ));
        }
        not_empty("schedule.timezone_id", &self.timezone_id)
    }
}

record! {
    /// Runs that follow each other without end.
    Continuous {
        ;
        /// Whether it is at work.
        pause_status: Option<PauseStatus>,
        ..rest
    }
}

impl Continuous {
    setters! {
        /// Whether it is at work.
        with_pause_status(pause_status: some PauseStatus);
    }
}

record! {
    /// New files.
    FileArrival {
        /// Where: a volume, or an external location.
        url: String,
        ;
        /// Not more often than this, in seconds.
        min_time_between_triggers_seconds: Option<u64>,
        /// Not before nothing new has come for this long, in seconds.
        wait_after_last_change_seconds: Option<u64>,
    }
}

words! {
    /// Which of several tables must have changed.
    Condition {
        /// One of them.
        AnyUpdated = "ANY_UPDATED",
        /// All of them.
        AllUpdated = "ALL_UPDATED",
    }
}

record! {
    /// Changed tables.
    TableUpdate {
        ;
        /// Their full names.
        table_names: Vec<String>,
        /// Which of them.
        condition: Option<Condition>,
        /// Not more often than this, in seconds.
        min_time_between_triggers_seconds: Option<u64>,
        /// Not before nothing has changed for this long, in seconds.
        wait_after_last_change_seconds: Option<u64>,
    }
}

impl TableUpdate {
    setters! {
        /// One more table.
        with_table(table_names: push String);
        /// Which of them must have changed.
        with_condition(condition: some Condition);
    }
}

words! {
    /// A unit of time.
    PeriodicUnit {
        /// Minutes.
        Minutes = "MINUTES",
        /// Hours.
        Hours = "HOURS",
        /// Days.
        Days = "DAYS",
        /// Weeks.
        Weeks = "WEEKS",
    }
}

record! {
    /// Every so often.
    Periodic {
        /// So many units.
        interval: u64,
        /// The unit.
        unit: PeriodicUnit,
        ;
    }
}

record! {
    /// What makes a job run by itself: one of new files, changed tables, and the passing of time.
    TriggerSettings {
        ;
        /// New files.
        file_arrival: Option<FileArrival>,
        /// Changed tables.
        table_update: Option<TableUpdate>,
        /// Every so often.
        periodic: Option<Periodic>,
        /// Whether it is at work.
        pause_status: Option<PauseStatus>,
        ..rest
    }
}

impl TriggerSettings {
    setters! {
        /// Whether it is at work.
        with_pause_status(pause_status: some PauseStatus);
    }

    /// New files there.
    pub fn on_files(url: impl Into<String>) -> Self {
        Self { file_arrival: Some(FileArrival::new(url)), ..Self::new() }
    }

    /// Changed tables.
    pub fn on_tables(tables: TableUpdate) -> Self {
        Self { table_update: Some(tables), ..Self::new() }
    }

    /// Every so often.
    pub fn every(interval: u64, unit: PeriodicUnit) -> Self {
        Self { periodic: Some(Periodic::new(interval, unit)), ..Self::new() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let kinds = [self.file_arrival.is_some(), self.table_update.is_some(), self.periodic.is_some()];
        let kinds = kinds.into_iter().filter(|set| *set).count();
        if kinds > 1 || (kinds == 0 && self.rest.is_empty()) {
            return Err(invalid("trigger", "must have one of `file_arrival`, `table_update` and `periodic`"));
        }
        if let Some(files) = &self.file_arrival {
            not_empty("trigger.file_arrival.url", &files.url)?;
            at_least_a_minute("file_arrival.min_time", files.min_time_between_triggers_seconds)?;
        }
        if let Some(tables) = &self.table_update {
            if tables.table_names.is_empty() {
                return Err(invalid("trigger.table_update.table_names", "must not be empty"));
            }
            at_least_a_minute("table_update.min_time", tables.min_time_between_triggers_seconds)?;
        }
        match &self.periodic {
            Some(periodic) if periodic.interval == 0 => Err(invalid("trigger.periodic.interval", "must be 1 or more")),
            _ => Ok(()),
        }
    }
}

fn at_least_a_minute(field: &str, seconds: Option<u64>) -> Result<()> {
    match seconds {
        Some(seconds) if seconds < 60 => {
            Err(invalid(format!("trigger.{field}_between_triggers_seconds"), "must be 60 or more"))
        }
        _ => Ok(()),
    }
}
