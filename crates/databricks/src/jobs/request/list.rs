//! Which runs and jobs to list.

use twinhouse_core::Result;

use crate::jobs::{JobId, check::invalid, macros::setters};

/// Which runs to list; the newest come first.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ListRuns {
    /// Those of this job.
    pub job_id: Option<JobId>,
    /// Those that are not over.
    pub active_only: bool,
    /// Those that are over.
    pub completed_only: bool,
    /// How many there are in a page, 1 to 24. Default 20.
    pub limit: Option<u64>,
    /// Those of this type: `JOB_RUN`, `SUBMIT_RUN` or `WORKFLOW_RUN`.
    pub run_type: Option<crate::jobs::run::RunType>,
    /// With their tasks.
    pub expand_tasks: bool,
    /// Begun at this time or later, in milliseconds since 1970.
    pub start_time_from: Option<u64>,
    /// Begun at this time or earlier, in milliseconds since 1970.
    pub start_time_to: Option<u64>,
}

impl ListRuns {
    /// Runs in one page: the service refuses 25.
    const MOST: u64 = 24;

    /// All runs.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Those of this job.
        with_job(job_id: some JobId);
        /// Those that are not over.
        with_active_only(active_only: set bool);
        /// Those that are over.
        with_completed_only(completed_only: set bool);
        /// How many there are in a page, 1 to 24.
        with_limit(limit: value u64);
        /// Those of this type.
        with_run_type(run_type: some crate::jobs::run::RunType);
        /// With their tasks: for runs with more than come in a list, one more call each.
        with_expand_tasks(expand_tasks: set bool);
    }

    /// Those that began between these times, in milliseconds since 1970.
    #[must_use]
    pub fn with_started_between(mut self, from: u64, to: u64) -> Self {
        self.start_time_from = Some(from);
        self.start_time_to = Some(to);
        self
    }

    pub(in crate::jobs) fn query(&self) -> Result<Vec<(&'static str, String)>> {
        if self.active_only && self.completed_only {
            return Err(invalid("active_only", "must not be set together with `completed_only`"));
        }
        limit(self.limit, Self::MOST)?;
        if self.start_time_from.zip(self.start_time_to).is_some_and(|(from, to)| from > to) {
            return Err(invalid("start_time_from", "must not be after `start_time_to`"));
        }
        let mut query = Vec::new();
        query.extend(self.job_id.map(|id| ("job_id", id.to_string())));
        query.extend(self.active_only.then(|| ("active_only", "true".to_owned())));
        query.extend(self.completed_only.then(|| ("completed_only", "true".to_owned())));
        query.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        query.extend(self.run_type.as_ref().map(|kind| ("run_type", kind.to_string())));
        query.extend(self.expand_tasks.then(|| ("expand_tasks", "true".to_owned())));
        query.extend(self.start_time_from.map(|time| ("start_time_from", time.to_string())));
        query.extend(self.start_time_to.map(|time| ("start_time_to", time.to_string())));
        Ok(query)
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ListJobs {
    /// Those of this name, whatever its case.
    pub name: Option<String>,
    /// How many there are in a page, 1 to 100. Default 20.
    pub limit: Option<u64>,
    /// With their tasks.
    pub expand_tasks: bool,
}

impl ListJobs {
    const MOST: u64 = 100;

    /// All jobs.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Those of this name, whatever its case.
        with_name(name: some String);
        /// How many there are in a page, 1 to 100.
        with_limit(limit: value u64);
        /// With their tasks: for jobs with more than come in a list, one more call each.
        with_expand_tasks(expand_tasks: set bool);
    }

    pub(in crate::jobs) fn query(&self) -> Result<Vec<(&'static str, String)>> {
        limit(self.limit, Self::MOST)?;
        let mut query = Vec::new();
        query.extend(self.name.clone().map(|name| ("name", name)));
        query.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        query.extend(self.expand_tasks.then(|| ("expand_tasks", "true".to_owned())));
        Ok(query)
    }
}

fn limit(limit: Option<u64>, most: u64) -> Result<()> {
    match limit {
        Some(limit) if !(1..=most).contains(&limit) => Err(invalid("limit", &format!("must be 1 to {most}"))),
        _ => Ok(()),
    }
}
