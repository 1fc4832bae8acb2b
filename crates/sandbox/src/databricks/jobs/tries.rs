//! One task: try after try, each of its kind.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use serde_json::{Value, json};

use super::{
    begin::job_run,
    graph::Done,
    references::Scope,
    run::{Output, Run, TaskRun},
    scheduler::{Scheduler, after, done_of, timed_out},
    spec::{ConditionTask, ForEachTask, RunJobTask, Task},
    state::{Ending, Outcome, Phase},
    store::now_ms,
    work::{Assignment, Finished},
};
use crate::databricks::api::WORKSPACE_ID;

/// The most iterations of a for-each task.
const ITERATIONS: usize = 5000;

impl Scheduler {
    /// Tries a task as often as it may be tried, and says what came of the last try.
    pub(super) fn tries<'a>(&'a self, run: u64, first: u64, input: Option<&'a Value>) -> BoxFuture<'a, Done> {
        self.tries_of(run, first, input).boxed()
    }

    async fn tries_of(&self, run: u64, first: u64, input: Option<&Value>) -> Done {
        let store = &self.0.store;
        let mut current = first;
        loop {
            let read = store.look(run, |found| found.task(current).map(|task| (Task::of(&task.spec), task.attempt)));
            let Some((Ok(task), attempt)) = read.flatten() else {
                return Done { outcome: Outcome::Broken, condition: None, message: "The task is gone.".to_owned() };
            };
            let finished = self.attempt(run, current, &task, attempt, input).await;
            let ending = finished.ending.clone();
            let over = store.change(run, |found| {
                let task = found.task_mut(current)?;
                task.output = Output { resolved: task.output.resolved.take(), ..finished.output };
                task.phase = Phase::Ended(finished.ending);
                task.end_time = Some(now_ms());
                done_of(task)
            });
            let done = over.flatten().unwrap_or(Done {
                outcome: ending.outcome,
                condition: None,
                message: ending.message.clone(),
            });
            // A repair starts to count again.
            let tried = store.look(run, |found| tried(found, current)).unwrap_or_default();
            let again = match ending.outcome {
                Outcome::Failed => true,
                Outcome::TimedOut => task.retry_on_timeout,
                _ => false,
            };
            if !again || (task.max_retries >= 0 && tried > task.max_retries) {
                return done;
            }
            let next = store.new_id();
            store.change(run, |found| {
                let Some(before) = found.task(current).cloned() else { return };
                let (key, spec) = (before.key.as_str(), before.spec.clone());
                let mut task = TaskRun::new(next, key, before.attempt + 1, spec, Phase::Waiting, now_ms());
                task.parent = before.parent;
                match before.parent {
                    Some(_) => found.iterations.push(task),
                    None => found.tasks.push(task),
                }
            });
            tokio::time::sleep(Duration::from_millis(task.min_retry_interval_millis)).await;
            current = next;
        }
    }

    async fn attempt(&self, run: u64, id: u64, task: &Task, attempt: u32, input: Option<&Value>) -> Finished {
        let store = &self.0.store;
        let resolved = store.look(run, |found| {
            let scope = Scope {
                run: found,
                task_key: &task.task_key,
                task_run: id,
                attempt,
                input,
                workspace_url: &self.0.workspace_url,
                workspace_id: WORKSPACE_ID,
            };
            resolve(&scope, found.task(id)?)
        });
        let task = match resolved.flatten() {
            Some(Ok((task, resolved))) => {
                store.change(run, |found| found.task_mut(id).map(|task| task.output.resolved = resolved));
                task
            }
            Some(Err(error)) => return refused(error),
            None => return refused("The task is gone.".to_owned()),
        };
        let limit = u64::try_from(task.timeout_seconds).ok();
        let work = async {
            if let Some(condition) = &task.condition_task {
                self.begun(run, id);
                return compare(condition);
            }
            if let Some(for_each) = &task.for_each_task {
                self.begun(run, id);
                return self.for_each(run, id, for_each).await;
            }
            if let Some(run_job) = &task.run_job_task {
                self.begun(run, id);
                return self.run_job(run, id, run_job).await;
            }
            store.change(run, |found| found.task_mut(id).map(|task| task.phase = Phase::Pending));
            let Ok(_slot) = self.0.slots.acquire().await else { return refused("The sandbox stops.".to_owned()) };
            self.begun(run, id);
            let folder = store.task_folder(run, id);
            let Some(assignment) = store.look(run, |found| assignment(found, id, &task, folder)) else {
                return refused("The run is gone.".to_owned());
            };
            let work = Arc::clone(&self.0.work);
            tokio::select! {
                biased;
                finished = work.run(assignment) => finished,
                () = after(limit) => Finished { ending: timed_out(), output: Output::default() },
            }
        };
        work.await
    }

    fn begun(&self, run: u64, id: u64) {
        self.0.store.change(run, |found| {
            if let Some(task) = found.task_mut(id) {
                task.phase = Phase::Running;
                task.begun = Some(now_ms());
            }
        });
    }

    async fn for_each(&self, run: u64, id: u64, task: &ForEachTask) -> Finished {
        let inputs = match serde_json::from_str::<Value>(&task.inputs) {
            Ok(Value::Array(inputs)) if inputs.len() <= ITERATIONS => inputs,
            Ok(Value::Array(inputs)) => {
                return refused(format!("{} iterations are more than {ITERATIONS}.", inputs.len()));
            }
            _ => return refused(format!("The inputs of the for-each task are not a JSON array: {}", task.inputs)),
        };
        let store = &self.0.store;
        let read = store.look(run, |found| {
            let nested = found.task(id)?.spec.pointer("/for_each_task/task")?.clone();
            Some(nested)
        });
        let Some(nested) = read.flatten() else { return refused("The task is gone.".to_owned()) };
        let ids: Vec<u64> = inputs.iter().map(|_| store.new_id()).collect();
        store.change(run, |found| {
            for (index, iteration) in ids.iter().enumerate() {
                let key = format!("{}_{index}", task.task.task_key);
                let mut new = TaskRun::new(*iteration, &key, 0, nested.clone(), Phase::Pending, now_ms());
                new.parent = Some(id);
                found.iterations.push(new);
            }
        });
        let concurrency = task.concurrency.and_then(|count| usize::try_from(count).ok()).unwrap_or(1).max(1);
        let mut tries = Vec::with_capacity(ids.len());
        for (iteration, input) in ids.iter().zip(&inputs) {
            tries.push(self.tries(run, *iteration, Some(input)));
        }
        let outcomes: Vec<Done> = stream::iter(tries).buffer_unordered(concurrency).collect().await;
        let failed = outcomes.iter().filter(|done| !done.outcome.is_success()).count();
        let ending = if failed == 0 {
            Ending::success()
        } else {
            Ending::new(Outcome::Failed, format!("{failed} of {} iterations failed", outcomes.len()))
        };
        Finished { ending, output: Output::default() }
    }

    async fn run_job(&self, run: u64, id: u64, task: &RunJobTask) -> Finished {
        let store = &self.0.store;
        let Some(mut ancestors) = store.look(run, |found| {
            let mut ancestors = found.ancestors.clone();
            ancestors.push(found.job_id);
            ancestors
        }) else {
            return refused("The run is gone.".to_owned());
        };
        ancestors.dedup();
        if ancestors.contains(&task.job_id) {
            return refused(format!("Job {} runs itself through run-job tasks.", task.job_id));
        }
        let Some(job) = store.job(task.job_id) else {
            return refused(format!("Job {} does not exist.", task.job_id));
        };
        let begin = job_run(&job, &task.job_parameters, ancestors);
        let begun = match self.begin(begin) {
            Ok(Some(begun)) => begun,
            _ => return refused(format!("The run of job {} did not begin.", task.job_id)),
        };
        let guard = CancelOnDrop { scheduler: self, run: Some(begun) };
        store.change(run, |found| found.task_mut(id).map(|task| task.output.run = Some(begun)));
        let mut changes = store.changes();
        let ending = loop {
            changes.mark_unchanged();
            match store.look(begun, |found| found.phase.ending().cloned()) {
                Some(Some(ending)) => break ending,
                Some(None) => {}
                None => break Ending::new(Outcome::Failed, format!("Run {begun} was deleted.")),
            }
            if changes.changed().await.is_err() {
                break Ending::new(Outcome::Broken, "The sandbox stops.");
            }
        };
        guard.disarm();
        let output = Output { run: Some(begun), ..Output::default() };
        let ending = match ending.outcome {
            Outcome::Success | Outcome::SuccessWithFailures => Ending::success(),
            Outcome::Canceled => Ending::new(Outcome::Canceled, format!("Run {begun} was canceled.")),
            _ => Ending::new(Outcome::Failed, format!("Run {begun} of job {} failed: {}", job.id, ending.message)),
        };
        Finished { ending, output }
    }
}

/// A run that somebody waits for ends with him.
struct CancelOnDrop<'a> {
    scheduler: &'a Scheduler,
    run: Option<u64>,
}

impl CancelOnDrop<'_> {
    fn disarm(mut self) {
        self.run = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.run {
            self.scheduler.cancel(run);
        }
    }
}

/// How many tries there were since the run began or was repaired last.
fn tried(run: &Run, current: u64) -> i64 {
    let Some(task) = run.task(current) else { return 0 };
    let repaired = run.repairs.iter().rev().flat_map(|repair| &repair.task_runs);
    let first = repaired.filter_map(|id| run.task(*id)).find(|first| first.key == task.key);
    i64::from(task.attempt - first.map_or(0, |first| first.attempt)) + 1
}

/// The task with its references resolved, and the parameters that had any.
fn resolve(scope: &Scope<'_>, task: &TaskRun) -> Option<Result<(Task, Option<Value>), String>> {
    let (kind, body) = task.spec.as_object()?.iter().find(|(name, _)| super::spec::RUN.contains(&name.as_str()))?;
    let resolved = if kind == "for_each_task" {
        let mut body = body.clone();
        // The inner task's references are each iteration's own.
        match scope.resolve(body["inputs"].as_str().unwrap_or_default()) {
            Ok(inputs) => body["inputs"] = json!(inputs),
            Err(error) => return Some(Err(error)),
        }
        body
    } else {
        match scope.resolve_all(body) {
            Ok(body) => body,
            Err(error) => return Some(Err(error)),
        }
    };
    let mut spec = task.spec.clone();
    let changed = (resolved != *body).then(|| json!({ kind: resolved }));
    spec[kind] = resolved;
    Some(Task::of(&spec).map(|task| (task, changed)))
}

fn assignment(run: &Run, id: u64, task: &Task, folder: std::path::PathBuf) -> Assignment {
    let values = run.keys().into_iter().filter_map(|key| {
        let latest = run.latest(&key)?;
        Some((key, latest.output.values.clone()))
    });
    let parameters: BTreeMap<String, String> =
        run.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.text().to_owned())).collect();
    Assignment {
        run: run.id,
        job: run.job_id,
        task_run: id,
        task: task.clone(),
        parameters,
        environments: run.settings["environments"].clone(),
        values: values.collect(),
        folder,
    }
}

fn compare(task: &ConditionTask) -> Finished {
    let (left, right) = (task.left.as_str(), task.right.as_str());
    let numbers = || match (left.trim().parse::<f64>(), right.trim().parse::<f64>()) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        _ => Err(format!("{} compares numbers; '{left}' and '{right}' are not.", task.op)),
    };
    let outcome = match task.op.as_str() {
        "EQUAL_TO" => Ok(left == right),
        "NOT_EQUAL" => Ok(left != right),
        "GREATER_THAN" => numbers().map(|(left, right)| left > right),
        "GREATER_THAN_OR_EQUAL" => numbers().map(|(left, right)| left >= right),
        "LESS_THAN" => numbers().map(|(left, right)| left < right),
        "LESS_THAN_OR_EQUAL" => numbers().map(|(left, right)| left <= right),
        other => Err(format!("{other} is no comparison.")),
    };
    match outcome {
        Ok(outcome) => {
            Finished { ending: Ending::success(), output: Output { condition: Some(outcome), ..Output::default() } }
        }
        Err(error) => refused(error),
    }
}

fn refused(message: String) -> Finished {
    let output = Output { error: Some(message.clone()), ..Output::default() };
    Finished { ending: Ending::new(Outcome::Failed, message).with_code("INVALID_RUN_CONFIGURATION"), output }
}
