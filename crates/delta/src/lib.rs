#![doc = include_str!("../README.md")]

mod change;
mod client;
mod ddl;
mod evolve;
mod filter;
mod maintain;
mod merge;
mod read;
mod scheduler;
pub mod schema;
mod table;
mod write;

pub use change::UpdateBuilder;
pub use client::DeltaClient;
pub use ddl::{CreateTable, TableDescription, WhenExists};
pub use evolve::{EvolutionOptions, EvolutionPlan, EvolutionReport, EvolutionStep, Refusal};
pub use maintain::{
    Analyze, AnalyzeOptions, CloneMode, CloneOptions, CloneReport, ConvertOptions, FileSizes, HistoryEntry,
    OperationMetrics, OptimizeOptions, OptimizeReport, RestoreReport, TableDetail, TableOperation, VacuumMode,
    VacuumOptions,
};
pub use merge::{MergeBuilder, MergeInput, MergePlan};
pub use read::{AsOf, Change, ChangeKind, ChangeRange, ChangeStream, ChangesBuilder, ReadBuilder};
pub use scheduler::{
    AnalyzePolicy, DueTask, Finding, HealthThresholds, MaintenanceHandle, MaintenancePolicy, MaintenanceReport,
    MaintenanceScheduler, MaintenanceTask, OptimizePolicy, Reason, Stop, TableHealth, TableReport, TaskOutcome,
    TaskReport, VacuumPolicy,
};
pub use table::DeltaTable;
pub use write::{Route, StreamReport, StreamWriter, Warning, WriteBuilder, WritePlan, WriteReport};

/// The guide to this crate, so that its example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/delta.md")]
struct Guide;
