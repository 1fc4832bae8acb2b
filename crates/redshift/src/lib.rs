#![doc = include_str!("../README.md")]

mod cluster;
mod config;
mod copy;
mod decode;
mod error;
mod load;
mod merge;
mod pool;
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
pub use unload::{UnloadCommand, UnloadFormat, UnloadManifest, UnloadOption, UnloadReport, UnloadedFile};
pub use warehouse::RedshiftWarehouse;
