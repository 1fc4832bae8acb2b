//! COPY from S3: parsed here, and fed into the client's own session and transaction as the engine's COPY FROM STDIN.

mod csv;
mod load;
mod options;
mod parquet;
mod source;
mod target;

pub(super) use options::CopyStatement;
