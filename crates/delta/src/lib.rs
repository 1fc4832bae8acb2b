#![doc = include_str!("../README.md")]

mod client;
mod maintain;
mod table;

pub use client::DeltaClient;
pub use maintain::{
    Analyze, AnalyzeOptions, CloneMode, CloneOptions, CloneReport, ConvertOptions, FileSizes, HistoryEntry,
    OperationMetrics, OptimizeOptions, OptimizeReport, RestoreReport, TableDetail, TableOperation, VacuumMode,
    VacuumOptions,
};
pub use table::DeltaTable;
