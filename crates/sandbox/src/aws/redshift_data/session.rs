//! Sessions that outlive their statements.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;
use serde_json::{Value, json};

use super::super::{answer::Failure, credentials::epoch};
use crate::redshift::Visitor;

/// The most sessions at a time.
const MOST: usize = 500;

/// Those that are alive.
#[derive(Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<String, Kept>>>);

struct Kept {
    /// None while a statement runs in it.
    visitor: Option<Visitor>,
    database: String,
    keep_alive: Duration,
    idle_since: Instant,
    created: SystemTime,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("busy", &self.visitor.is_none()).finish_non_exhaustive()
    }
}

impl Kept {
    fn is_over(&self) -> bool {
        self.visitor.is_some() && self.idle_since.elapsed() >= self.keep_alive
    }
}

impl Sessions {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Kept>) -> T) -> T {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, kept| !kept.is_over());
        work(&mut sessions)
    }

    /// Makes room for a session whose first statement is about to run.
    pub(super) fn open(&self, database: &str, keep_alive: Duration) -> Result<String, Failure> {
        self.with(|sessions| {
            if sessions.len() >= MOST {
                let message = format!("Active sessions exceeded the allowed quota ({MOST}).");
                return Err(Failure::new("ActiveSessionsExceededException", StatusCode::BAD_REQUEST, message));
            }
            let id = uuid::Uuid::new_v4().to_string();
            let database = database.to_owned();
            let (idle_since, created) = (Instant::now(), SystemTime::now());
            sessions.insert(id.clone(), Kept { visitor: None, database, keep_alive, idle_since, created });
            Ok(id)
        })
    }

    /// The session for one statement, and its database.
    pub(super) fn take(&self, id: &str, keep_alive: Option<Duration>) -> Result<(Visitor, String), Failure> {
        self.with(|sessions| {
            let gone = || Failure::invalid(format!("Session {id} is not available."));
            let kept = sessions.get_mut(id).ok_or_else(gone)?;
            let busy = || Failure::invalid(format!("Session {id} is busy: it runs one statement at a time."));
            let visitor = kept.visitor.take().ok_or_else(busy)?;
            kept.keep_alive = keep_alive.unwrap_or(kept.keep_alive);
            Ok((visitor, kept.database.clone()))
        })
    }

    /// The statement is over. A connection that is lost ends its session.
    pub(super) fn give_back(&self, id: &str, visitor: Option<Visitor>) {
        let keep_alive = self.with(|sessions| {
            let Some(visitor) = visitor else {
                sessions.remove(id);
                return None;
            };
            let kept = sessions.get_mut(id)?;
            (kept.visitor, kept.idle_since) = (Some(visitor), Instant::now());
            Some(kept.keep_alive)
        });
        // What it holds open in the database must not wait for the next call.
        if let Some(keep_alive) = keep_alive {
            let sessions = Self(Arc::clone(&self.0));
            tokio::spawn(async move {
                tokio::time::sleep(keep_alive).await;
                sessions.with(|_| ());
            });
        }
    }

    pub(super) fn list(&self) -> Result<Value, Failure> {
        let all = self.with(|sessions| {
            let sessions = sessions.iter().map(|(id, kept)| {
                json!({
                    "SessionId": id,
                    "Database": kept.database,
                    "Status": if kept.visitor.is_none() { "BUSY" } else { "AVAILABLE" },
                    "SessionAliveSeconds": kept.keep_alive.as_secs(),
                    "CreatedAt": epoch(kept.created),
                })
            });
            sessions.collect::<Vec<_>>()
        });
        Ok(json!({ "Sessions": all }))
    }
}
