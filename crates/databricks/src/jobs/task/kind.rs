//! Which kind of task: one of those that are known, or one that is kept as it came.

use serde_json::{Map, Value};

use super::{
    ConditionTask, DbtTask, ForEachTask, NotebookTask, PipelineTask, PythonWheelTask, RunJobTask, SparkJarTask,
    SparkPythonTask, SparkSubmitTask, SqlTask,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident($type:ty) = $field:literal, $short:literal;)*) => {
        /// What a task does.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum TaskKind {
            $($(#[$doc])* $variant($type),)*
            /// A kind, or a shape of one, that this crate does not know.
            Other {
                /// The field that has it, such as `clean_rooms_notebook_task`; empty if there was none.
                field: String,
                /// What it says.
                value: Value,
            },
        }

        impl TaskKind {
            /// The field that has it, such as `notebook_task`.
            pub fn field(&self) -> &str {
                match self {
                    $(Self::$variant(_) => $field,)*
                    Self::Other { field, .. } => field,
                }
            }

            /// A word for it in logs and metrics.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $short,)*
                    Self::Other { .. } => "other",
                }
            }

            pub(super) fn to_value(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$variant(task) => serde_json::to_value(task),)*
                    Self::Other { value, .. } => Ok(value.clone()),
                }
            }

            /// None at all.
            pub(super) fn none() -> Self {
                Self::Other { field: String::new(), value: Value::Null }
            }

            /// Takes the kind out of a task's fields.
            pub(super) fn take(fields: &mut Map<String, Value>) -> Self {
                let known = [$($field),*];
                let set = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
                let unknown = || fields.keys().map(String::as_str).find(|name| name.ends_with("_task") && set(name));
                let found = known.into_iter().find(|name| set(name)).or_else(unknown).map(str::to_owned);
                let Some(field) = found else { return Self::none() };
                let value = fields.remove(&field).unwrap_or_default();
                match field.as_str() {
                    $($field => match serde_json::from_value(value.clone()) {
                        Ok(task) => Self::$variant(task),
                        Err(_) => Self::Other { field, value },
                    },)*
                    _ => Self::Other { field, value },
                }
            }
        }

        $(
            impl From<$type> for TaskKind {
                fn from(task: $type) -> Self {
                    Self::$variant(task)
                }
            }
        )*
    };
}

kinds! {
    /// Runs a notebook.
    Notebook(NotebookTask) = "notebook_task", "notebook";
    /// Runs a class of a JAR.
    SparkJar(SparkJarTask) = "spark_jar_task", "spark_jar";
    /// Runs a Python file.
    SparkPython(SparkPythonTask) = "spark_python_task", "spark_python";
    /// Runs `spark-submit`.
    SparkSubmit(SparkSubmitTask) = "spark_submit_task", "spark_submit";
    /// Runs an entry point of a Python wheel.
    PythonWheel(PythonWheelTask) = "python_wheel_task", "python_wheel";
    /// Runs SQL on a warehouse.
    Sql(SqlTask) = "sql_task", "sql";
    /// Runs commands of dbt.
    Dbt(DbtTask) = "dbt_task", "dbt";
    /// Runs another job.
    RunJob(RunJobTask) = "run_job_task", "run_job";
    /// Asks a question.
    Condition(ConditionTask) = "condition_task", "condition";
    /// Runs a task for each of many values.
    ForEach(ForEachTask) = "for_each_task", "for_each";
    /// Updates a declarative pipeline.
    Pipeline(PipelineTask) = "pipeline_task", "pipeline";
}
