//! Runs without any work behind them, on a clock that jumps.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{runtime::Handle, time::Instant};

use super::{
    begin::{of_job, split},
    run::{Output, Run},
    scheduler::{Begin, Scheduler},
    state::{Ending, Outcome, Phase},
    store::Store,
    validate,
    work::{Assignment, Finished, Work},
};

mod lifecycle;
mod rules;

/// Work that takes its time and ends as it was told, task by task and try by try.
#[derive(Debug, Default)]
struct Pretence {
    script: HashMap<&'static str, Vec<(u64, Outcome)>>,
    log: Mutex<Vec<String>>,
    working: Arc<Mutex<(usize, usize)>>,
}

/// Somebody at work, as long as it lives.
struct AtWork(Arc<Mutex<(usize, usize)>>);

impl AtWork {
    fn begin(working: &Arc<Mutex<(usize, usize)>>) -> Self {
        let mut count = working.lock().unwrap();
        count.0 += 1;
        count.1 = count.1.max(count.0);
        Self(Arc::clone(working))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

#[async_trait]
impl Work for Pretence {
    async fn run(&self, assignment: Assignment) -> Finished {
        let _at_work = AtWork::begin(&self.working);
        let key = assignment.task.task_key.clone();
        let tried = {
            let mut log = self.log.lock().unwrap();
            log.push(key.clone());
            log.iter().filter(|done| **done == key).count()
        };
        let script = self.script.get(key.as_str());
        let (seconds, outcome) =
            script.and_then(|script| script.get(tried - 1).or(script.last()).copied()).unwrap_or((1, Outcome::Success));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let values = assignment.task.notebook_task.map(|task| task.base_parameters).unwrap_or_default();
        let output = Output {
            values: values.into_iter().map(|(name, value)| (name, json!(value))).collect(),
            ..Output::default()
        };
        Finished { ending: Ending::new(outcome, if outcome.is_success() { "" } else { "it broke" }), output }
    }
}

/// A scheduler, its store, and what its work did.
struct World {
    scheduler: Scheduler,
    work: Arc<Pretence>,
    folder: tempfile::TempDir,
}

impl World {
    fn new<const N: usize>(script: [(&'static str, &[(u64, Outcome)]); N]) -> Self {
        Self::within(tempfile::tempdir().unwrap(), script)
    }

    fn within<const N: usize>(folder: tempfile::TempDir, script: [(&'static str, &[(u64, Outcome)]); N]) -> Self {
        let script = script.into_iter().map(|(key, tries)| (key, tries.to_vec())).collect();
        let work = Arc::new(Pretence { script, ..Pretence::default() });
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let scheduler = Scheduler::new(store, Arc::clone(&work) as _, "http://w".to_owned(), Handle::current());
        Self { scheduler, work, folder }
    }

    fn begin(&self, mut settings: Value) -> Option<u64> {
        validate::submission(&mut settings, self.scheduler.store()).unwrap();
        let (settings, tasks) = split(&settings);
        let begin = Begin {
            job: None,
            name: "run".to_owned(),
            token: settings["idempotency_token"].as_str().map(str::to_owned),
            settings,
            tasks,
            parameters: BTreeMap::new(),
            overrides: Value::Null,
            trigger: "ONE_TIME",
            ancestors: Vec::new(),
        };
        self.scheduler.begin(begin).unwrap()
    }

    fn submit(&self, tasks: Value) -> u64 {
        self.begin(json!({ "tasks": tasks })).unwrap()
    }

    fn job(&self, mut settings: Value) -> u64 {
        validate::job(&mut settings, self.scheduler.store(), None).unwrap();
        self.scheduler.store().create_job(settings).unwrap()
    }

    fn run_job(&self, id: u64) -> u64 {
        let job = self.scheduler.store().job(id).unwrap();
        self.scheduler.begin(of_job(&job, &BTreeMap::new(), Value::Null)).unwrap().unwrap()
    }

    fn look(&self, id: u64) -> Run {
        self.scheduler.store().look(id, Clone::clone).unwrap()
    }

    async fn end(&self, id: u64) -> Run {
        let mut changes = self.scheduler.store().changes();
        loop {
            changes.mark_unchanged();
            let run = self.look(id);
            if run.is_over() {
                return run;
            }
            changes.changed().await.unwrap();
        }
    }

    fn log(&self) -> Vec<String> {
        self.work.log.lock().unwrap().clone()
    }

    /// How many work now, and how many did at most.
    fn working(&self) -> (usize, usize) {
        *self.work.working.lock().unwrap()
    }
}

fn outcome(run: &Run) -> Outcome {
    run.phase.ending().unwrap().outcome
}

fn note(key: &str) -> Value {
    json!({ "task_key": key, "notebook_task": { "notebook_path": "/n" } })
}

fn with(mut task: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        task[name] = value.clone();
    }
    task
}

fn after(key: &str, before: &[&str]) -> Value {
    let before: Vec<Value> = before.iter().map(|key| json!({ "task_key": key })).collect();
    with(note(key), json!({ "depends_on": before }))
}
