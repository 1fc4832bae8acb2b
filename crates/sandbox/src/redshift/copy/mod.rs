//! COPY from S3: parsed here, and fed into the client's own session and transaction as the engine's COPY FROM STDIN.
//!
//! Files of text are read value by value, so that a bad row can be left out (MAXERROR) and is written down with its file,
//! line, column and reason; Parquet goes to the engine in its binary form.

mod authorization;
mod feed;
mod json;
mod load;
mod moment;
mod open;
mod options;
mod parquet;
mod record;
mod source;
mod target;
mod value;

pub(super) use self::{
    authorization::{authorization, location},
    open::Compressor,
    options::{Compression, CopyStatement},
    source::Location,
};
