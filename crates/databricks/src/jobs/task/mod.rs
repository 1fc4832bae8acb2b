//! What a run does: tasks, and which of them wait for which.

mod kind;
mod kinds;
mod spec;

pub use kind::TaskKind;
pub use kinds::{
    ConditionOp, ConditionTask, DbtTask, ForEachTask, NotebookTask, PipelineTask, PythonWheelTask, RunJobTask,
    SparkJarTask, SparkPythonTask, SparkSubmitTask, SqlTask, SqlTaskAlert, SqlTaskDashboard, SqlTaskFile, SqlTaskQuery,
    SqlTaskSubscription,
};
pub use spec::{Compute, RunIf, Task, TaskDependency};
