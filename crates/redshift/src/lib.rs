#![doc = include_str!("../README.md")]

mod cluster;
mod config;
mod copy;
mod cursor;
mod decode;
mod error;
mod load;
mod merge;
mod pool;
mod prepared;
mod script;
mod settings;
mod staging;
mod statement;
mod tables;
#[cfg(test)]
mod testing;
mod transaction;
mod unload;
mod warehouse;
mod wire;

pub use config::{RedshiftBuilder, RedshiftConfig, SslMode, StagingPrefix};
pub use copy::{
    Compression, CopyCommand, CopyFormat, CopyManifest, CopyOption, CopyReport, CopySource, Encoding, FieldMapping,
    LoadError, LoadErrorFilter, ManifestFile, Presence, Role, Simplify,
};
pub use prepared::{ParameterType, PreparedStatement};
pub use script::{ScriptOptions, ScriptResult};
pub use settings::SessionSettings;
pub use statement::StatementProgress;
pub use transaction::{RedshiftTransaction, lock_tables};
pub use unload::{UnloadCommand, UnloadFormat, UnloadManifest, UnloadOption, UnloadReport, UnloadedFile};
pub use warehouse::RedshiftWarehouse;
