//! One task, in one call.

use twinhouse_core::Result;

use super::{
    Compute, Jobs, RunHandle, SubmitRun, Task,
    settings::{Environment, JobEnvironment},
    task::{NotebookTask, SparkPythonTask, TaskKind},
};

/// The key of a single task, and of its environment.
const TASK: &str = "main";

impl Jobs {
    /// Runs a notebook of the workspace on serverless compute. For anything else, see [`submit`](Self::submit).
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Cancellation
    ///
    /// As [`submit`](Self::submit).
    pub async fn submit_notebook(
        &self,
        path: impl Into<String>,
        parameters: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<RunHandle> {
        let path = path.into();
        let name = path.clone();
        self.submit(single(name, Task::new(TASK, NotebookTask::new(path).with_parameters(parameters)))).await
    }

    /// Runs a class of a JAR on a cluster.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Cancellation
    ///
    /// As [`submit`](Self::submit).
    pub async fn submit_jar(
        &self,
        main_class: impl Into<String>,
        jar: impl Into<String>,
        parameters: impl IntoIterator<Item = impl Into<String>>,
        compute: impl Into<Compute>,
    ) -> Result<RunHandle> {
        let main_class = main_class.into();
        let mut task = Task::spark_jar(TASK, main_class.clone(), jar).on(compute);
        if let TaskKind::SparkJar(jar) = &mut task.kind {
            jar.parameters.extend(parameters.into_iter().map(Into::into));
        }
        self.submit(single(main_class, task)).await
    }

    /// Runs a Python file. On serverless compute it finds Python and its usual libraries.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Cancellation
    ///
    /// As [`submit`](Self::submit).
    pub async fn submit_python(
        &self,
        file: impl Into<String>,
        parameters: impl IntoIterator<Item = impl Into<String>>,
        compute: impl Into<Compute>,
    ) -> Result<RunHandle> {
        let (file, compute) = (file.into(), compute.into());
        let task = Task::new(TASK, SparkPythonTask::new(file.clone()).with_parameters(parameters));
        let run = if compute == Compute::Serverless {
            let environment = Environment::new().with_version(Environment::VERSION_4);
            single(file, task.with_environment(TASK)).with_environment(JobEnvironment::new(TASK).with_spec(environment))
        } else {
            single(file, task.on(compute))
        };
        self.submit(run).await
    }
}

fn single(name: String, task: Task) -> SubmitRun {
    SubmitRun::new(name).with_task(task)
}
