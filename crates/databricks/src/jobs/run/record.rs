//! A run, its tasks, and the job that it is of.

use std::time::Duration;

use serde_json::Value;

use super::{RunOutcome, RunResult, RunState, RunStatus};
use crate::jobs::{
    JobId, RepairId, RunId,
    macros::{record, words},
    settings::JobSettings,
    task::{RunIf, TaskDependency},
};

words! {
    /// Where a run comes from.
    RunType {
        /// A job.
        JobRun = "JOB_RUN",
        /// A one-time submission.
        SubmitRun = "SUBMIT_RUN",
        /// A notebook that another has called.
        WorkflowRun = "WORKFLOW_RUN",
    }
}

record! {
    /// The cluster that a run has.
    ClusterInstance {
        ;
        /// Its id.
        cluster_id: Option<String>,
        /// The context that it works in.
        spark_context_id: Option<String>,
    }
}

record! {
    /// A task's part of a run. Fields that this crate does not know, the task's own among them, are in `rest`.
    RunTask {
        ;
        /// The run of this task: what [`get_run_output`](crate::jobs::Jobs::get_run_output) takes.
        run_id: RunId,
        /// The task.
        task_key: String,
        /// Which try this is; 0 is the first.
        attempt_number: Option<u64>,
        /// Where it stands, in the older way.
        state: Option<RunState>,
        /// Where it stands, in the newer way.
        status: Option<RunStatus>,
        /// What it waits for.
        depends_on: Vec<TaskDependency>,
        /// How that must have come out.
        run_if: Option<RunIf>,
        /// What it is for.
        description: Option<String>,
        /// Begun, in milliseconds since 1970.
        start_time: Option<u64>,
        /// Over, in milliseconds since 1970.
        end_time: Option<u64>,
        /// How long it was being prepared, in milliseconds.
        setup_duration: Option<u64>,
        /// How long it was at work, in milliseconds.
        execution_duration: Option<u64>,
        /// How long it was tidied up after, in milliseconds.
        cleanup_duration: Option<u64>,
        /// How long it waited for its turn, in milliseconds.
        queue_duration: Option<u64>,
        /// Where a browser finds it.
        run_page_url: Option<String>,
        /// The cluster that it has.
        cluster_instance: Option<ClusterInstance>,
        ..rest
    }
}

impl RunTask {
    /// How it came out; `None` while it is not over.
    pub fn result(&self) -> Option<RunResult> {
        RunResult::of(self.state.as_ref(), self.status.as_ref(), self.end_time)
    }

    /// What the service says about it, for people.
    pub fn message(&self) -> Option<&str> {
        message(self.state.as_ref(), self.status.as_ref())
    }

    /// Of a condition: how it came out, `true` or `false`.
    pub fn condition_outcome(&self) -> Option<&str> {
        self.rest.get("condition_task")?.get("outcome")?.as_str()
    }
}

record! {
    /// A repair of a run, or its first try.
    RepairHistoryItem {
        ;
        /// The repair; none for the first try.
        id: Option<RepairId>,
        /// `ORIGINAL` or `REPAIR`.
        r#type: Option<String>,
        /// Where it stands, in the older way.
        state: Option<RunState>,
        /// Where it stands, in the newer way.
        status: Option<RunStatus>,
        /// Begun, in milliseconds since 1970.
        start_time: Option<u64>,
        /// Over, in milliseconds since 1970.
        end_time: Option<u64>,
        /// The runs of tasks that belong to it.
        task_run_ids: Vec<RunId>,
    }
}

record! {
    /// A run. Fields that this crate does not know are in `rest`.
    Run {
        ;
        /// Its id.
        run_id: RunId,
        /// The job.
        job_id: Option<JobId>,
        /// Of a task's run: the run that it is part of.
        job_run_id: Option<RunId>,
        /// What it is called.
        run_name: Option<String>,
        /// Where it comes from.
        run_type: Option<RunType>,
        /// Its tasks, each try of each.
        tasks: Vec<RunTask>,
        /// Of a task for each of many values: its runs.
        iterations: Vec<RunTask>,
        /// Where it stands, in the older way.
        state: Option<RunState>,
        /// Where it stands, in the newer way.
        status: Option<RunStatus>,
        /// Which try this is; 0 is the first.
        attempt_number: Option<u64>,
        /// The first try.
        original_attempt_run_id: Option<RunId>,
        /// Begun, in milliseconds since 1970.
        start_time: Option<u64>,
        /// Over, in milliseconds since 1970.
        end_time: Option<u64>,
        /// How long it took, in milliseconds.
        run_duration: Option<u64>,
        /// How long it was being prepared, in milliseconds. Of runs with one task.
        setup_duration: Option<u64>,
        /// How long it was at work, in milliseconds. Of runs with one task.
        execution_duration: Option<u64>,
        /// How long it was tidied up after, in milliseconds. Of runs with one task.
        cleanup_duration: Option<u64>,
        /// How long it waited for its turn, in milliseconds.
        queue_duration: Option<u64>,
        /// Where a browser finds it.
        run_page_url: Option<String>,
        /// Who started it.
        creator_user_name: Option<String>,
        /// What started it.
        trigger: Option<String>,
        /// The cluster that it has.
        cluster_instance: Option<ClusterInstance>,
        /// What it was given.
        job_parameters: Vec<Value>,
        /// Its repairs.
        repair_history: Vec<RepairHistoryItem>,
        /// In a list: there is more of it than is here; [`get_run`](crate::jobs::Jobs::get_run) has all.
        has_more: Option<bool>,
        /// The rest of its tasks. `get_run` follows it.
        next_page_token: Option<String>,
        ..rest
    }
}

impl Run {
    /// How it came out; `None` while it is not over.
    pub fn result(&self) -> Option<RunResult> {
        RunResult::of(self.state.as_ref(), self.status.as_ref(), self.end_time)
    }

    /// Whether it is over, however it came out.
    pub fn is_over(&self) -> bool {
        self.result().is_some()
    }

    /// How it came out, with all about it; the run itself while it is not over.
    ///
    /// # Errors
    ///
    /// The run, if it is not over.
    #[allow(clippy::result_large_err)] // It is the run, given back.
    pub fn into_outcome(self) -> Result<RunOutcome, Self> {
        RunOutcome::new(self)
    }

    /// Where it stands, in the service's own word.
    pub fn phase(&self) -> &str {
        let newer = self.status.as_ref().and_then(|status| status.state.as_ref()).map(|state| state.as_str());
        let older = || self.state.as_ref()?.life_cycle_state.as_ref().map(|state| state.as_str());
        newer.or_else(older).unwrap_or_default()
    }

    /// What the service says about it, for people.
    pub fn message(&self) -> Option<&str> {
        message(self.state.as_ref(), self.status.as_ref())
    }

    /// Its task of this key, in its last try.
    pub fn task(&self, key: &str) -> Option<&RunTask> {
        self.latest_tasks().into_iter().find(|task| task.task_key == key)
    }

    /// Its tasks, each in its last try, in the order in which they are first named.
    pub fn latest_tasks(&self) -> Vec<&RunTask> {
        let mut latest: Vec<&RunTask> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for task in &self.tasks {
            match places.entry(task.task_key.as_str()) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(latest.len());
                    latest.push(task);
                }
                std::collections::hash_map::Entry::Occupied(place) => {
                    let known = &mut latest[*place.get()];
                    let age = |task: &RunTask| (task.attempt_number, task.start_time);
                    if age(task) >= age(known) {
                        *known = task;
                    }
                }
            }
        }
        latest
    }

    /// From its beginning to its end.
    pub fn duration(&self) -> Option<Duration> {
        let (start, end) = (self.start_time?, self.end_time.filter(|end| *end > 0)?);
        Some(Duration::from_millis(end.saturating_sub(start)))
    }

    /// What changes when something has happened to it.
    pub(in crate::jobs) fn position(&self) -> Vec<(RunId, String)> {
        let phase = |state: Option<&RunState>, status: Option<&RunStatus>| {
            let older = state.and_then(|state| state.life_cycle_state.as_ref()).map_or("", |state| state.as_str());
            let newer = status.and_then(|status| status.state.as_ref()).map_or("", |state| state.as_str());
            format!("{older}/{newer}")
        };
        let own = (self.run_id, phase(self.state.as_ref(), self.status.as_ref()));
        let tasks = self.tasks.iter().map(|task| (task.run_id, phase(task.state.as_ref(), task.status.as_ref())));
        std::iter::once(own).chain(tasks).collect()
    }
}

fn message<'a>(state: Option<&'a RunState>, status: Option<&'a RunStatus>) -> Option<&'a str> {
    let newer = status.and_then(|status| status.termination_details.as_ref()?.message.as_deref());
    let older = || state.and_then(|state| state.state_message.as_deref());
    newer.filter(|text| !text.is_empty()).or_else(older).filter(|text| !text.is_empty())
}

record! {
    /// A job. Fields that this crate does not know are in `rest`.
    Job {
        ;
        /// Its id.
        job_id: JobId,
        /// What it is.
        settings: Option<JobSettings>,
        /// Made, in milliseconds since 1970.
        created_time: Option<u64>,
        /// Who made it.
        creator_user_name: Option<String>,
        /// In whose name it works.
        run_as_user_name: Option<String>,
        /// In a list: there is more of it than is here; [`get`](crate::jobs::Jobs::get) has all.
        has_more: Option<bool>,
        /// The rest of its tasks. `get` follows it.
        next_page_token: Option<String>,
        ..rest
    }
}
