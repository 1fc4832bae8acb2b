//! The kinds of tasks, one type each.

use std::collections::BTreeMap;

use serde::Serialize;
use twinhouse_core::{Error, ErrorKind, Result};

use super::Task;
use crate::jobs::{
    JobId,
    macros::{record, setters, words},
    settings::Source,
};

record! {
    /// A notebook.
    NotebookTask {
        /// Its path: absolute in the workspace, relative in a repository.
        notebook_path: String,
        ;
        /// What its widgets are set to. A run's own parameters go before these.
        base_parameters: BTreeMap<String, String>,
        /// Where it comes from.
        source: Option<Source>,
        /// The SQL warehouse of a notebook that has SQL cells only.
        warehouse_id: Option<String>,
        ..rest
    }
}

impl NotebookTask {
    setters! {
        /// What a widget is set to.
        with_parameter(base_parameters: pair);
        /// What widgets are set to.
        with_parameters(base_parameters: pairs);
        /// Where it comes from.
        with_source(source: some Source);
        /// The SQL warehouse of a notebook that has SQL cells only.
        with_warehouse(warehouse_id: some String);
    }
}

record! {
    /// A class of a JAR. The JAR is one of the task's [libraries](Task::with_library).
    SparkJarTask {
        /// The class that has `main`, with its package.
        main_class_name: String,
        ;
        /// What `main` is given.
        parameters: Vec<String>,
        ..rest
    }
}

impl SparkJarTask {
    setters! {
        /// What `main` is given.
        with_parameters(parameters: all String);
    }
}

record! {
    /// A Python file.
    SparkPythonTask {
        /// Where it is: `/Workspace/…`, `/Volumes/…`, `dbfs:/…`, `s3://…`, or a path in a repository.
        python_file: String,
        ;
        /// What it finds in `sys.argv`.
        parameters: Vec<String>,
        /// Where it comes from.
        source: Option<Source>,
        ..rest
    }
}

impl SparkPythonTask {
    setters! {
        /// What it finds in `sys.argv`.
        with_parameters(parameters: all String);
        /// Where it comes from.
        with_source(source: some Source);
    }
}

record! {
    /// The command line of `spark-submit`. It needs a new cluster.
    SparkSubmitTask {
        ;
        /// The command line, word by word.
        parameters: Vec<String>,
        ..rest
    }
}

impl SparkSubmitTask {
    setters! {
        /// The command line, word by word.
        with_parameters(parameters: all String);
    }
}

record! {
    /// An entry point of a Python wheel. The wheel is one of the task's libraries, or of its environment's.
    PythonWheelTask {
        /// The package.
        package_name: String,
        /// The entry point, by the name that the package's metadata gives it.
        entry_point: String,
        ;
        /// What it is given, in order. Not together with `named_parameters`.
        parameters: Vec<String>,
        /// What it is given, as `--name=value`.
        named_parameters: BTreeMap<String, String>,
        ..rest
    }
}

impl PythonWheelTask {
    setters! {
        /// What it is given, in order.
        with_parameters(parameters: all String);
        /// What it is given, as `--name=value`.
        with_named_parameters(named_parameters: pairs);
    }
}

record! {
    /// A query that is kept in the workspace.
    SqlTaskQuery {
        /// Its id.
        query_id: String,
        ;
    }
}

record! {
    /// A file with SQL.
    SqlTaskFile {
        /// Its path: absolute in the workspace, relative in a repository.
        path: String,
        ;
        /// Where it comes from.
        source: Option<Source>,
    }
}

record! {
    /// Who gets a dashboard or an alert: a user, or a destination that an administrator has made.
    SqlTaskSubscription {
        ;
        /// A user.
        user_name: Option<String>,
        /// A destination, by its id.
        destination_id: Option<String>,
    }
}

record! {
    /// A dashboard to be refreshed and sent.
    SqlTaskDashboard {
        /// Its id.
        dashboard_id: String,
        ;
        /// Who gets it.
        subscriptions: Vec<SqlTaskSubscription>,
        /// Sends it to nobody.
        pause_subscriptions: Option<bool>,
        /// The subject of the message.
        custom_subject: Option<String>,
    }
}

record! {
    /// An alert to be looked at.
    SqlTaskAlert {
        /// Its id.
        alert_id: String,
        ;
        /// Who is told.
        subscriptions: Vec<SqlTaskSubscription>,
        /// Tells nobody.
        pause_subscriptions: Option<bool>,
    }
}

record! {
    /// SQL on a warehouse: one of a query, a file, a dashboard and an alert.
    ///
    /// Its output names the statements, not their rows; for rows, send the statement to the
    /// [warehouse](crate::DatabricksClient::warehouse).
    SqlTask {
        /// The SQL warehouse.
        warehouse_id: String,
        ;
        /// A query that is kept in the workspace.
        query: Option<SqlTaskQuery>,
        /// A file with SQL.
        file: Option<SqlTaskFile>,
        /// A dashboard to be refreshed and sent.
        dashboard: Option<SqlTaskDashboard>,
        /// An alert to be looked at.
        alert: Option<SqlTaskAlert>,
        /// Values of the parameters of the query or file.
        parameters: BTreeMap<String, String>,
        ..rest
    }
}

impl SqlTask {
    setters! {
        /// Values of parameters.
        with_parameters(parameters: pairs);
    }

    /// A query that is kept in the workspace, by its id.
    pub fn query(warehouse_id: impl Into<String>, query_id: impl Into<String>) -> Self {
        Self { query: Some(SqlTaskQuery::new(query_id)), ..Self::new(warehouse_id) }
    }

    /// A file with SQL.
    pub fn file(warehouse_id: impl Into<String>, path: impl Into<String>) -> Self {
        Self { file: Some(SqlTaskFile::new(path)), ..Self::new(warehouse_id) }
    }

    /// A dashboard to be refreshed and sent, by its id.
    pub fn dashboard(warehouse_id: impl Into<String>, dashboard_id: impl Into<String>) -> Self {
        Self { dashboard: Some(SqlTaskDashboard::new(dashboard_id)), ..Self::new(warehouse_id) }
    }

    /// An alert to be looked at, by its id.
    pub fn alert(warehouse_id: impl Into<String>, alert_id: impl Into<String>) -> Self {
        Self { alert: Some(SqlTaskAlert::new(alert_id)), ..Self::new(warehouse_id) }
    }
}

record! {
    /// Commands of dbt. The project comes from a repository or the workspace.
    DbtTask {
        /// The commands, each beginning with `dbt`.
        commands: Vec<String>,
        ;
        /// Where the project is: absolute in the workspace, relative in a repository.
        project_directory: Option<String>,
        /// Where the profiles are. Not together with `warehouse_id`.
        profiles_directory: Option<String>,
        /// The SQL warehouse that runs the models.
        warehouse_id: Option<String>,
        /// The catalog of the models.
        catalog: Option<String>,
        /// The schema of the models.
        schema: Option<String>,
        /// Where the project comes from.
        source: Option<Source>,
        ..rest
    }
}

impl DbtTask {
    /// These commands, each beginning with `dbt`.
    pub fn of(commands: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(commands.into_iter().map(Into::into).collect::<Vec<String>>())
    }

    setters! {
        /// Where the project is.
        with_project(project_directory: some String);
        /// Where the profiles are.
        with_profiles(profiles_directory: some String);
        /// The SQL warehouse that runs the models.
        with_warehouse(warehouse_id: some String);
        /// The catalog of the models.
        with_catalog(catalog: some String);
        /// The schema of the models.
        with_schema(schema: some String);
        /// Where the project comes from.
        with_source(source: some Source);
    }
}

record! {
    /// A run of another job.
    RunJobTask {
        /// The job.
        job_id: JobId,
        ;
        /// Its parameters.
        job_parameters: BTreeMap<String, String>,
        ..rest
    }
}

impl RunJobTask {
    setters! {
        /// Its parameters.
        with_parameters(job_parameters: pairs);
    }
}

words! {
    /// How a condition compares. Equality is of text; the others take numbers.
    ConditionOp {
        /// Equal, as text.
        EqualTo = "EQUAL_TO",
        /// Not equal, as text.
        NotEqual = "NOT_EQUAL",
        /// Greater, as numbers.
        GreaterThan = "GREATER_THAN",
        /// Not less, as numbers.
        GreaterThanOrEqual = "GREATER_THAN_OR_EQUAL",
        /// Less, as numbers.
        LessThan = "LESS_THAN",
        /// Not greater, as numbers.
        LessThanOrEqual = "LESS_THAN_OR_EQUAL",
    }
}

record! {
    /// A question: tasks that depend on it say on which [outcome](Task::after_outcome).
    ConditionTask {
        /// One side: a text, or a reference such as `{{tasks.load.values.rows}}`.
        left: String,
        /// How they are compared.
        op: ConditionOp,
        /// The other side.
        right: String,
        ;
    }
}

record! {
    /// A task for each of many values.
    ForEachTask {
        /// The values: a JSON array, or a reference to one such as `{{tasks.list.values.days}}`.
        inputs: String,
        /// The task. `{{input}}` in it is the value.
        task: Box<Task>,
        ;
        /// How many at once, 1 to 100. Default 1.
        concurrency: Option<u64>,
        ..rest
    }
}

impl ForEachTask {
    setters! {
        /// How many at once, 1 to 100.
        with_concurrency(concurrency: value u64);
    }

    /// The task for each of these values.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if they cannot be written as JSON.
    pub fn over<T: Serialize>(values: &[T], task: Task) -> Result<Self> {
        let inputs = serde_json::to_string(values).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the `inputs` of a task for each cannot be written as JSON")
                .with_context("field", "for_each_task.inputs")
                .with_source(error)
        })?;
        Ok(Self::new(inputs, task))
    }
}

record! {
    /// An update of a declarative pipeline.
    PipelineTask {
        /// The pipeline.
        pipeline_id: String,
        ;
        /// Computes everything anew.
        full_refresh: Option<bool>,
        ..rest
    }
}

impl PipelineTask {
    setters! {
        /// Computes everything anew.
        with_full_refresh(full_refresh: value bool);
    }
}
