#![doc = include_str!("../README.md")]

#[cfg(feature = "iam")]
mod aws;
mod cluster;
mod config;
mod copy;
mod credentials;
mod cursor;
mod decode;
mod error;
mod health;
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

pub use config::{Auth, RedshiftBuilder, RedshiftConfig, SslMode, StagingPrefix};
pub use copy::{
    Compression, CopyCommand, CopyFormat, CopyManifest, CopyOption, CopyReport, CopySource, Encoding, FieldMapping,
    LoadError, LoadErrorFilter, ManifestFile, Presence, Role, Simplify,
};
pub use health::Health;
pub use pool::PoolStatus;
pub use prepared::{ParameterType, PreparedStatement};
pub use script::{ScriptOptions, ScriptResult};
pub use settings::SessionSettings;
pub use statement::StatementProgress;
pub use transaction::{RedshiftTransaction, lock_tables};
pub use unload::{UnloadCommand, UnloadFormat, UnloadManifest, UnloadOption, UnloadReport, UnloadedFile};
pub use warehouse::RedshiftWarehouse;
pub use wire::Notice;
