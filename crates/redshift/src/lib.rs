#![doc = include_str!("../README.md")]

#[cfg(feature = "iam")]
mod aws;
mod cluster;
mod command;
mod config;
mod copy;
mod credentials;
mod cursor;
#[cfg(feature = "data-api")]
pub mod data_api;
mod decode;
mod error;
mod explain;
mod health;
mod load;
mod maintenance;
mod merge;
mod metadata;
mod pool;
mod prepared;
mod script;
mod settings;
mod spectrum;
mod staging;
mod statement;
mod tables;
#[cfg(test)]
mod testing;
mod transaction;
mod unload;
mod views;
mod warehouse;
mod wire;
mod workload;

pub use config::{Auth, RedshiftBuilder, RedshiftConfig, SslMode, StagingPrefix};
pub use copy::{
    Compression, CopyCommand, CopyFormat, CopyManifest, CopyOption, CopyReport, CopySource, Encoding, FieldMapping,
    LoadError, LoadErrorFilter, ManifestFile, Presence, Role, Simplify,
};
pub use explain::{Cost, Distribution, PlanNode, PlanSite, PlanWarning, QueryPlan};
pub use health::Health;
pub use maintenance::{
    AnalyzeRequest, AnalyzeScope, AppendColumns, AppendRequest, Maintenance, MaintenanceOutcome, MaintenanceReport,
    VacuumKind, VacuumRequest,
};
pub use merge::MergeStrategy;
pub use metadata::{
    ColumnDetail, DatabaseInfo, DatashareInfo, DistStyle, LateBindingColumn, Metadata, SchemaInfo, SortKey,
    TableDetail, TableKeys, TableStats,
};
pub use pool::PoolStatus;
pub use prepared::{ParameterType, PreparedStatement};
pub use script::{ScriptOptions, ScriptResult};
pub use settings::SessionSettings;
pub use spectrum::{
    CreateExternalSchema, CreateExternalTable, ExternalColumn, ExternalFormat, ExternalPartition, ExternalQuery,
    ExternalSchema, ExternalSource, ExternalTable, ExternalTableDetail, NewPartition, ScanStats, SchemaKind, Spectrum,
};
pub use statement::StatementProgress;
pub use transaction::{RedshiftTransaction, lock_tables};
pub use unload::{UnloadCommand, UnloadFormat, UnloadManifest, UnloadOption, UnloadReport, UnloadedFile};
pub use warehouse::RedshiftWarehouse;
pub use wire::Notice;
pub use workload::{
    Deployment, QueryFilter, QueryInfo, QueryMetrics, QueryState, QueueState, SessionInfo, StepMetrics, Workload,
};
