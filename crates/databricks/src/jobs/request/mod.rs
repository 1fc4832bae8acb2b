//! What is asked for.

mod again;
mod list;
mod submit;

pub use again::{RepairRun, RunNow, RunParameters};
pub use list::{ListJobs, ListRuns};
pub use submit::SubmitRun;
