//! Sessions that are open.

use std::{sync::Arc, time::SystemTime};

use futures::stream::BoxStream;
use twinhouse_core::{Error, ErrorKind, Result};

use crate::{
    cluster::Cluster,
    views::{Listing, View},
};

const SESSIONS: View = View {
    name: "sys_session_history",
    columns: &["session_id", "user_id", "database_name", "start_time"],
    later: &[],
};

/// A session on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its process, as `pg_backend_pid()` has it.
    pub process: i32,
    /// Whose it is.
    pub user_id: Option<String>,
    /// The database it is in.
    pub database: Option<String>,
    /// Since when it is open.
    pub started: Option<SystemTime>,
}

pub(super) fn sessions(cluster: Arc<Cluster>) -> BoxStream<'static, Result<SessionInfo>> {
    Listing {
        operation: "sessions.list",
        view: SESSIONS,
        wanted: vec!["TRIM(status) = 'active'".to_owned()],
        order: &["session_id"],
        descending: false,
        key: |session: &SessionInfo| Ok(vec![session.process.to_string()]),
        read: |row| {
            Ok(SessionInfo {
                process: row.number()?.ok_or_else(|| Error::new(ErrorKind::Protocol, "a session has no process"))?,
                user_id: row.padded()?,
                database: row.padded()?,
                started: row.time()?,
            })
        },
    }
    .stream(cluster)
}
