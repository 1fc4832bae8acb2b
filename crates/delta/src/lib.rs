#![doc = include_str!("../README.md")]

mod client;
mod maintain;
pub mod schema;
mod scheduler;
mod table;

pub use client::DeltaClient;
pub use maintain::{
    Analyze, AnalyzeOptions, CloneMode, CloneOptions, CloneReport, ConvertOptions, FileSizes, HistoryEntry,
    OperationMetrics, OptimizeOptions, OptimizeReport, RestoreReport, TableDetail, TableOperation, VacuumMode,
    VacuumOptions,
};
pub use scheduler::{
    AnalyzePolicy, DueTask, Finding, HealthThresholds, MaintenanceHandle, MaintenancePolicy, MaintenanceReport,
    MaintenanceScheduler, MaintenanceTask, OptimizePolicy, Reason, Stop, TableHealth, TableReport, TaskOutcome,
    TaskReport, VacuumPolicy,
};
pub use table::DeltaTable;
