//! Keeping a table in shape and explaining what happened to it: one verb a file, each an `impl DeltaTable`.

mod analyze;
mod answer;
mod clone;
mod convert;
mod detail;
mod history;
mod manifest;
mod operation;
mod optimize;
mod restore;
mod vacuum;

pub use analyze::{Analyze, AnalyzeOptions};
pub use clone::{CloneMode, CloneOptions, CloneReport};
pub use convert::ConvertOptions;
pub use detail::TableDetail;
pub use history::{HistoryEntry, OperationMetrics};
pub use operation::TableOperation;
pub use optimize::{FileSizes, OptimizeOptions, OptimizeReport};
pub use restore::RestoreReport;
pub use vacuum::{VacuumMode, VacuumOptions};
