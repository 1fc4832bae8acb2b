//! Outputs: they are of tasks, and found by the run.

use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use twinhouse_core::{Error, ErrorKind, Result, http::Method, resilience::Operation};

use super::{
    Jobs, RunId, RunOutput, TaskOutput,
    run::{Run, RunTask},
};
use crate::api::client::JOBS;

/// How many are fetched at once: each may have megabytes.
const AT_ONCE: usize = 4;

impl Jobs {
    /// What a task has left behind, by the run of the task. The run of a whole job has an output if it has one task.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a run of several tasks, with their runs: ask for one of them, or for all with
    /// [`outputs`](Self::outputs).
    pub async fn get_run_output(&self, run: RunId) -> Result<RunOutput> {
        let refused = match self.output_of(run).await {
            Err(error) if is_of_several(&error) => error,
            output => return output,
        };
        let whole = self.get_run(run).await?;
        match whole.latest_tasks()[..] {
            [task] if task.run_id != run && task.run_id.0 != 0 => self.output_of(task.run_id).await,
            ref tasks => {
                let runs = tasks.iter().map(|task| format!("{}={}", task.task_key, task.run_id));
                Err(Error::new(ErrorKind::InvalidInput, "a run of several tasks has an output for each of them")
                    .with_context("field", "run_id")
                    .with_context("run_id", run.to_string())
                    .with_context("tasks", runs.collect::<Vec<_>>().join(", "))
                    .with_source(refused))
            }
        }
    }

    /// What each task of a run has left behind, each in its last try, in the run's order. Also takes the run of a task:
    /// of one for each of many values these are the outputs of its iterations.
    ///
    /// All are in memory at once, up to 5 MB each; [`stream_outputs`](Self::stream_outputs) has a few at a time.
    ///
    /// # Errors
    ///
    /// If the run cannot be looked up. What cannot be had of a task is in its entry.
    pub async fn outputs(&self, run: RunId) -> Result<Vec<TaskOutput>> {
        self.stream_outputs(run).try_collect().await
    }

    /// As [`outputs`](Self::outputs), one after the other.
    ///
    /// # Errors
    ///
    /// Through the stream, which then ends, if the run cannot be looked up.
    pub fn stream_outputs(&self, run: RunId) -> BoxStream<'static, Result<TaskOutput>> {
        let jobs = self.clone();
        let tasks = async move {
            let whole = jobs.get_run(run).await?;
            let fetch = move |(task_key, run_id, result)| {
                let jobs = jobs.clone();
                async move { TaskOutput { task_key, run_id, result, output: jobs.output_of(run_id).await } }
            };
            Ok(stream::iter(sources(&whole)).map(fetch).buffered(AT_ONCE).map(Ok))
        };
        stream::once(tasks).try_flatten().boxed()
    }

    /// The service's own word, for exactly this run.
    async fn output_of(&self, run: RunId) -> Result<RunOutput> {
        let run_id = run.to_string();
        let request = self.call(Method::GET, &["runs", "get-output"]).with_query([("run_id", run_id.as_str())]);
        let output = self.client.json(Operation::read("run.output").with_class(JOBS), request).await;
        output.map_err(|error| error.with_context("run_id", run_id))
    }
}

type Source = (String, RunId, Option<super::RunResult>);

/// The runs that have outputs. A run without tasks is one of a task itself.
fn sources(run: &Run) -> Vec<Source> {
    let source = |task: &RunTask| (task.task_key.clone(), task.run_id, task.result());
    if !run.iterations.is_empty() {
        return run.iterations.iter().map(source).collect();
    }
    if run.tasks.is_empty() {
        return vec![(run.run_name.clone().unwrap_or_default(), run.run_id, run.result())];
    }
    run.latest_tasks().into_iter().map(source).filter(|(_, id, _)| id.0 != 0).collect()
}

fn is_of_several(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidInput && error.message().contains("runs with multiple tasks is not supported")
}
