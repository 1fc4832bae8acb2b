//! Looking after many tables: what is due, done with a bound on how much at once.
//!
//! What is due is decided from each table's own history and detail, so that a restart forgets nothing and several
//! schedulers over the same tables agree. The one thing remembered in the process is which version an OPTIMIZE found
//! nothing to do at: it saves asking again, no more.

mod background;
mod decide;
mod health;
mod log;
mod policy;
mod report;
mod run;

pub use background::{MaintenanceHandle, Stop};
pub use decide::{DueTask, MaintenanceTask, Reason};
pub use health::{Finding, HealthThresholds, TableHealth};
pub use policy::{AnalyzePolicy, MaintenancePolicy, OptimizePolicy, VacuumPolicy};
pub use report::{MaintenanceReport, TableReport, TaskOutcome, TaskReport};
pub use run::MaintenanceScheduler;
