//! Moves runs from their beginning to their end: one task of tokio's for each run.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use serde_json::Value;
use tokio::{runtime::Handle, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    graph::{Done, Verdict, conclude, judge},
    run::{Parameter, Repair, Run, TaskRun},
    spec::Task,
    state::{Ending, Outcome, Phase},
    store::{Admission, Entered, Store, finish, now_ms},
    work::Work,
};
use crate::faults::{FaultKind, struck};

/// How long a run that is stopped is told to be terminating: clients must keep polling.
const SETTLE: Duration = Duration::from_millis(200);
/// How many tasks work at once, in all runs together.
const SLOTS: usize = 16;

/// Starts, stops and repairs runs. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Arc<Store>,
    pub(super) work: Arc<dyn Work>,
    pub(super) slots: Semaphore,
    pub(super) workspace_url: String,
    runtime: Handle,
    driven: Mutex<HashMap<u64, Driven>>,
    turns: AtomicU64,
}

#[derive(Debug)]
struct Driven {
    /// A run that is repaired is driven again.
    turn: u64,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

/// A run that shall begin.
#[derive(Debug)]
pub(crate) struct Begin {
    /// `None` for tasks that were submitted without a job.
    pub(crate) job: Option<u64>,
    pub(crate) name: String,
    pub(crate) settings: Value,
    pub(crate) tasks: Vec<Value>,
    pub(crate) token: Option<String>,
    pub(crate) parameters: BTreeMap<String, Parameter>,
    pub(crate) overrides: Value,
    pub(crate) trigger: &'static str,
    pub(crate) ancestors: Vec<u64>,
}

impl Scheduler {
    /// Runs live on `runtime`.
    pub(super) fn new(store: Arc<Store>, work: Arc<dyn Work>, workspace_url: String, runtime: Handle) -> Self {
        Self(Arc::new(Inner {
            store,
            work,
            slots: Semaphore::new(SLOTS),
            workspace_url,
            runtime,
            driven: Mutex::default(),
            turns: AtomicU64::default(),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Begins a run and answers its number, or the number of the run that the token belongs to. `None`: that run was
    /// deleted.
    pub(crate) fn begin(&self, begin: Begin) -> io::Result<Option<u64>> {
        let store = &self.0.store;
        let (id, now) = (store.new_id(), now_ms());
        let tasks = begin.tasks.into_iter().map(|spec| {
            let key = spec["task_key"].as_str().unwrap_or_default().to_owned();
            let waits = spec["depends_on"].as_array().is_some_and(|before| !before.is_empty());
            let phase = if waits { Phase::Blocked } else { Phase::Pending };
            TaskRun::new(store.new_id(), &key, 0, spec, phase, now)
        });
        let run = Run {
            id,
            sequence: 0,
            job_id: begin.job.unwrap_or_else(|| store.new_id()),
            number_in_job: 0,
            name: begin.name,
            kind: if begin.job.is_some() { "JOB_RUN" } else { "SUBMIT_RUN" }.to_owned(),
            trigger: begin.trigger.to_owned(),
            token: begin.token,
            settings: begin.settings,
            parameters: begin.parameters,
            overrides: begin.overrides,
            ancestors: begin.ancestors,
            phase: Phase::Pending,
            start_time: now,
            begun: None,
            end_time: None,
            tasks: tasks.collect(),
            iterations: Vec::new(),
            repairs: Vec::new(),
        };
        match store.enter(run)? {
            Entered::New => {
                self.drive(id, struck() == Some(FaultKind::JobStuck));
                Ok(Some(id))
            }
            Entered::Existing(id) => Ok(Some(id)),
            Entered::Deleted => Ok(None),
        }
    }

    /// Asks a run to stop. What is over stays as it is.
    pub(crate) fn cancel(&self, id: u64) {
        self.0.store.change(id, |run| {
            if !run.is_over() {
                run.phase = Phase::Terminating;
            }
        });
        if let Some(driven) = self.driven().get(&id) {
            driven.cancel.cancel();
        }
    }

    /// Tries the last tries at these tasks again. `None`: the run is not over, or another repair was quicker.
    pub(crate) fn repair(&self, id: u64, keys: &[String], parameters: &BTreeMap<String, String>) -> Option<u64> {
        let repair = self.0.store.new_id();
        let ids: Vec<u64> = keys.iter().map(|_| self.0.store.new_id()).collect();
        let begun = self.0.store.change(id, |run| {
            if !run.is_over() {
                return false;
            }
            let now = now_ms();
            for (key, id) in keys.iter().zip(&ids) {
                let Some(before) = run.latest(key) else { continue };
                let task = TaskRun::new(*id, key, before.attempt + 1, before.spec.clone(), Phase::Pending, now);
                run.tasks.push(task);
            }
            for (name, value) in parameters {
                let entry = run.parameters.entry(name.clone());
                let parameter = entry.or_insert_with(|| Parameter { default: String::new(), value: None });
                parameter.value = Some(value.clone());
            }
            run.phase = Phase::Pending;
            run.end_time = None;
            run.repairs.push(Repair {
                id: repair,
                start_time: now,
                end_time: None,
                task_runs: ids.clone(),
                phase: Phase::Pending,
            });
            true
        })?;
        begun.then(|| {
            self.drive(id, false);
            repair
        })
    }

    /// Stops everything; runs that were active are said to be broken off.
    pub(crate) async fn stop(&self) {
        let driven: Vec<Driven> = self.driven().drain().map(|(_, driven)| driven).collect();
        for driven in &driven {
            driven.task.abort();
        }
        for driven in driven {
            let _ = driven.task.await;
        }
        self.0.store.interrupt("The sandbox stopped while the run was active.");
    }

    /// The same without waiting.
    pub(crate) fn abandon(&self) {
        for (_, driven) in self.driven().drain() {
            driven.task.abort();
        }
    }

    fn drive(&self, id: u64, stuck: bool) {
        let cancel = CancellationToken::new();
        // Whoever is entered here is found by `cancel`, so the lock is held until it is.
        let mut driven = self.driven();
        let turn = self.0.turns.fetch_add(1, Ordering::Relaxed);
        let (scheduler, token) = (self.clone(), cancel.clone());
        let task = self.0.runtime.spawn(async move {
            scheduler.live(id, &token, stuck).await;
            let mut driven = scheduler.driven();
            if driven.get(&id).is_some_and(|found| found.turn == turn) {
                driven.remove(&id);
            }
        });
        driven.insert(id, Driven { turn, cancel, task });
    }

    /// A run that is `stuck` gets no work done until somebody stops it, or its time is over.
    async fn live(&self, id: u64, cancel: &CancellationToken, stuck: bool) {
        let store = &self.0.store;
        let Some(settings) = store.look(id, |run| (run.kind == "JOB_RUN").then(|| run.settings.clone())) else {
            return;
        };
        let settings = settings.unwrap_or_default();
        let limit = settings["max_concurrent_runs"].as_u64().unwrap_or(1);
        let limit = if settings.is_null() { u64::MAX } else { limit };
        let queue = settings["queue"]["enabled"].as_bool().unwrap_or(false);
        let mut changes = store.changes();
        loop {
            changes.mark_unchanged();
            match store.admit(id, limit, queue) {
                Admission::Begin => break,
                Admission::Skip => {
                    let text = "Skipping this run because the limit of maximum concurrent runs has been reached.";
                    store.change(id, |run| {
                        finish(run, &Ending::new(Outcome::MaximumReached, text), Outcome::MaximumReached);
                    });
                    return;
                }
                Admission::Queue => {
                    tokio::select! {
                        _ = changes.changed() => {}
                        () = cancel.cancelled() => return self.end_stopped(id, &canceled(), Outcome::Canceled).await,
                    }
                }
            }
        }
        let seconds = store.look(id, |run| run.settings["timeout_seconds"].as_u64()).flatten();
        tokio::select! {
            biased;
            () = cancel.cancelled() => self.end_stopped(id, &canceled(), Outcome::Canceled).await,
            () = after(seconds) => self.end_stopped(id, &timed_out(), Outcome::TimedOut).await,
            ending = self.work_through(id), if !stuck => {
                store.change(id, |run| finish(run, &ending, Outcome::Canceled));
            }
        }
    }

    /// The work has been dropped; now everybody is told, after a moment.
    async fn end_stopped(&self, id: u64, ending: &Ending, rest: Outcome) {
        self.0.store.change(id, |run| {
            run.phase = Phase::Terminating;
            for task in run.all_tasks_mut().filter(|task| !task.phase.is_over()) {
                task.phase = Phase::Terminating;
            }
        });
        tokio::time::sleep(SETTLE).await;
        self.0.store.change(id, |run| finish(run, ending, rest));
    }

    /// Runs every task that is to run, in the order of their dependencies.
    async fn work_through(&self, id: u64) -> Ending {
        let store = &self.0.store;
        let read = store.look(id, |run| {
            let keys = run.keys();
            let tasks: Result<Vec<Task>, String> =
                keys.iter().filter_map(|key| run.latest(key)).map(|task| Task::of(&task.spec)).collect();
            let over = keys.iter().filter_map(|key| Some((key.clone(), done_of(run.latest(key)?)?))).collect();
            tasks.map(|tasks| (tasks, over))
        });
        let (tasks, mut done): (Vec<Task>, HashMap<String, Done>) = match read {
            Some(Ok(read)) => read,
            Some(Err(error)) => return Ending::new(Outcome::Broken, error),
            None => return Ending::new(Outcome::Broken, "The run is gone."),
        };
        let mut waiting: Vec<&Task> = tasks.iter().filter(|task| !done.contains_key(&task.task_key)).collect();
        let mut working = FuturesUnordered::new();
        loop {
            let mut moved = true;
            while moved {
                moved = false;
                let mut still = Vec::new();
                for task in std::mem::take(&mut waiting) {
                    match judge(task, &done) {
                        Verdict::Wait => still.push(task),
                        Verdict::Run => {
                            let first = store.look(id, |run| run.latest(&task.task_key).map(|task| task.id)).flatten();
                            let Some(first) = first else { continue };
                            let tries = self.tries(id, first, None);
                            working.push(async move { (task.task_key.clone(), tries.await) });
                        }
                        Verdict::Skip(ending) => {
                            let found =
                                Done { outcome: ending.outcome, condition: None, message: ending.message.clone() };
                            store.change(id, |run| {
                                let latest = run.tasks.iter_mut().rev().find(|found| found.key == task.task_key);
                                if let Some(latest) = latest {
                                    latest.phase = Phase::Ended(ending);
                                    latest.end_time = Some(now_ms());
                                }
                            });
                            done.insert(task.task_key.clone(), found);
                            moved = true;
                        }
                    }
                }
                waiting = still;
            }
            match working.next().await {
                Some((key, found)) => drop(done.insert(key, found)),
                None => return conclude(&tasks, &done),
            }
        }
    }

    fn driven(&self) -> MutexGuard<'_, HashMap<u64, Driven>> {
        self.0.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the others may know of a task run that is over.
pub(super) fn done_of(task: &TaskRun) -> Option<Done> {
    let ending = task.phase.ending()?;
    Some(Done { outcome: ending.outcome, condition: task.output.condition, message: ending.message.clone() })
}

fn canceled() -> Ending {
    Ending::new(Outcome::Canceled, "Run cancelled.")
}

pub(super) fn timed_out() -> Ending {
    Ending::new(Outcome::TimedOut, "Run exceeded its time limit and was stopped.")
}

/// Waits so many seconds; for ever without a limit.
pub(super) async fn after(seconds: Option<u64>) {
    match seconds.filter(|seconds| *seconds > 0) {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}
