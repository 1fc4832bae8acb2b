//! VACUUM: deletes files that no version within the retention needs.

use std::time::Duration;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use serde::Deserialize;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{CallOptions, StatementRequest};

use super::answer::{done, rows};
use crate::table::DeltaTable;

/// How files that are not needed are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VacuumMode {
    /// By listing the table's folder: finds leftovers of failed writes too.
    #[default]
    Full,
    /// From the log alone: faster, and only what the log has removed.
    Lite,
}

/// What to delete.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VacuumOptions {
    /// How long removed files stay, for time travel and for readers at work; whole hours. `None`: as the table says,
    /// 7 days unless `delta.deletedFileRetentionDuration` is set.
    pub retain: Option<Duration>,
    /// How files are found.
    pub mode: VacuumMode,
    /// Deadline and label of the statement.
    pub call: CallOptions,
}

impl VacuumOptions {
    /// Sets [`retain`](Self::retain).
    #[must_use]
    pub fn with_retain(mut self, retain: Duration) -> Self {
        self.retain = Some(retain);
        self
    }

    /// Sets [`mode`](Self::mode).
    #[must_use]
    pub fn with_mode(mut self, mode: VacuumMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets [`call`](Self::call).
    #[must_use]
    pub fn with_call(mut self, call: CallOptions) -> Self {
        self.call = call;
        self
    }
}

#[derive(Deserialize)]
struct Answer {
    path: String,
}

impl DeltaTable {
    /// Deletes the files that no version within the retention needs. How many they were stands in the
    /// [`history`](Self::history), under `VACUUM END`. Older versions cannot be read or restored afterwards.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the retention is no whole number of hours, before anything is sent, or if it is
    /// below the table's safety limit, in the server's words.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement. Files that were deleted stay deleted.
    pub async fn vacuum(&self, options: VacuumOptions) -> Result<()> {
        done(self.warehouse().as_ref(), self.vacuum_request(&options, false)?).await
    }

    /// Streams the files that [`vacuum`](Self::vacuum) would delete, and deletes none. The server may cut a long list.
    ///
    /// # Errors
    ///
    /// As [`vacuum`](Self::vacuum); errors on the way come through the stream.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement.
    pub async fn vacuum_dry_run(&self, options: VacuumOptions) -> Result<BoxStream<'static, Result<String>>> {
        let request = self.vacuum_request(&options, true)?;
        let files = rows::<Answer>(self.warehouse().as_ref(), request).await?.map(|row| row.map(|row| row.path));
        // A server with nothing to list answers one empty path.
        Ok(files.flat_map(|file| stream::iter((!matches!(&file, Ok(path) if path.is_empty())).then_some(file))).boxed())
    }

    fn vacuum_request(&self, options: &VacuumOptions, dry_run: bool) -> Result<StatementRequest> {
        let mut sql = format!("VACUUM {}", self.sql_name()?);
        if options.mode == VacuumMode::Lite {
            sql.push_str(" LITE");
        }
        if let Some(retain) = options.retain {
            let hours = retain.as_secs() / 3600;
            if Duration::from_secs(hours * 3600) != retain {
                return Err(Error::new(ErrorKind::InvalidInput, "the retention must be a whole number of hours")
                    .with_context("retain", format!("{retain:?}")));
            }
            sql.push_str(&format!(" RETAIN {hours} HOURS"));
        }
        if dry_run {
            sql.push_str(" DRY RUN");
        }
        let request = if dry_run { StatementRequest::read(sql) } else { StatementRequest::write(sql) };
        Ok(request.with_options(options.call.clone()))
    }
}
