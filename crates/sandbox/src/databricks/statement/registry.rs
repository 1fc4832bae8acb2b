//! The statements of the workspace and their states.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::AbortHandle};

use super::{answer::Answer, spool::Shape};
use crate::databricks::error::SqlError;

/// A running statement that nobody asks about is closed after 15 minutes.
const POLL_EVERY: Duration = Duration::from_secs(15 * 60);
/// Results can be fetched for an hour.
const KEEP_RESULT: Duration = Duration::from_secs(60 * 60);
/// Everything is forgotten after 12 hours.
const KEEP_STATEMENT: Duration = Duration::from_secs(12 * 60 * 60);

#[derive(Clone, Debug)]
pub(crate) enum State {
    Pending,
    Running,
    Succeeded(Arc<Answer>),
    Failed(SqlError),
    Canceled,
    Closed,
}

impl State {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded(_) => "SUCCEEDED",
            Self::Failed(_) => "FAILED",
            Self::Canceled => "CANCELED",
            Self::Closed => "CLOSED",
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// A key, with or without a value, that the history of queries shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

/// Where a statement comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    pub(crate) warehouse_id: String,
    pub(crate) session_id: Option<String>,
    pub(crate) tags: Vec<Tag>,
    /// What the caller calls itself.
    pub(crate) application: Option<String>,
    /// Whether the rows may come from the cache of results, with the names that an older query gave its columns.
    pub(crate) cached: bool,
}

/// What the history and a test may know about a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatementReport {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    /// As the history calls it: what became of a statement, although its result is closed.
    pub(crate) status: &'static str,
    pub(crate) sql: String,
    pub(crate) submitted: SystemTime,
    pub(crate) ended: Option<SystemTime>,
    pub(crate) rows: Option<u64>,
    pub(crate) error: Option<String>,
    pub(crate) origin: Origin,
}

/// One statement.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) sql: String,
    pub(crate) shape: Shape,
    origin: Origin,
    submitted: SystemTime,
    state: watch::Sender<State>,
    times: Mutex<Times>,
    task: Mutex<Option<AbortHandle>>,
    folder: PathBuf,
}

#[derive(Debug)]
struct Times {
    asked: SystemTime,
    ended: Option<Ended>,
}

/// How a statement ended.
#[derive(Clone, Debug)]
struct Ended {
    at: SystemTime,
    status: &'static str,
    rows: Option<u64>,
    error: Option<String>,
}

impl Ended {
    fn of(state: &State) -> Self {
        let (status, rows, error) = match state {
            State::Succeeded(answer) => ("FINISHED", Some(answer.rows()), None),
            State::Failed(error) => ("FAILED", None, Some(error.message())),
            _ => ("CANCELED", None, None),
        };
        Self { at: SystemTime::now(), status, rows, error }
    }
}

impl Entry {
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Moves on, unless the statement has ended already. True if it did.
    pub(super) fn advance(&self, next: State) -> bool {
        let ended = next.is_terminal().then(|| Ended::of(&next));
        // Held until both are written: whoever has seen the end finds it in the report.
        let mut times = lock(&self.times);
        let moved = self.state.send_if_modified(|state| {
            if state.is_terminal() {
                return false;
            }
            *state = next;
            true
        });
        if let (true, Some(ended)) = (moved, ended) {
            times.ended = Some(ended);
        }
        moved
    }

    /// Waits for the end, at most so long.
    pub(crate) async fn wait(&self, limit: Duration) -> State {
        let mut states = self.state.subscribe();
        let ended = tokio::time::timeout(limit, states.wait_for(State::is_terminal)).await;
        match ended {
            Ok(Ok(state)) => state.clone(),
            _ => self.state(),
        }
    }

    pub(super) fn attach(&self, task: AbortHandle) {
        *lock(&self.task) = Some(task);
        if self.state.borrow().is_terminal() {
            self.abort();
        }
    }

    /// Stops the work. What has ended stays as it is.
    pub(crate) fn cancel(&self) {
        self.end(State::Canceled);
    }

    fn end(&self, state: State) {
        if self.advance(state) {
            self.abort();
            self.remove_files();
        }
    }

    /// Ends the statement and forgets its result.
    pub(crate) fn close(&self) {
        self.abort();
        let mut times = lock(&self.times);
        self.state.send_replace(State::Closed);
        // Closed before it ended is stopped.
        times.ended.get_or_insert_with(|| Ended::of(&State::Closed));
        drop(times);
        self.remove_files();
    }

    fn abort(&self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }

    /// The folder of the result's files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn remove_files(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the files of a result stay");
        }
    }

    fn touch(&self) {
        lock(&self.times).asked = SystemTime::now();
    }

    fn report(&self) -> StatementReport {
        let times = lock(&self.times);
        let (state, ended) = (self.state.borrow().name(), times.ended.clone());
        drop(times);
        let status = match &ended {
            Some(ended) => ended.status,
            None if state == "PENDING" => "QUEUED",
            None => "RUNNING",
        };
        StatementReport {
            id: self.id.clone(),
            state,
            status,
            sql: self.sql.clone(),
            submitted: self.submitted,
            rows: ended.as_ref().and_then(|ended| ended.rows),
            error: ended.as_ref().and_then(|ended| ended.error.clone()),
            ended: ended.map(|ended| ended.at),
            origin: self.origin.clone(),
        }
    }
}

/// All statements, newest last.
#[derive(Debug)]
pub(crate) struct Statements {
    folder: PathBuf,
    entries: Mutex<HashMap<String, Arc<Entry>>>,
}

impl Statements {
    /// Results go below `folder`, which is emptied.
    pub(crate) fn new(folder: PathBuf) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(&folder)?,
        }
        Ok(Self { folder, entries: Mutex::default() })
    }

    pub(crate) fn begin(&self, sql: String, shape: Shape, origin: Origin) -> Arc<Entry> {
        // Ids of the service are UUIDs whose first digits are a time.
        let id = uuid::Uuid::now_v7().to_string();
        crate::status::statement(crate::faults::Front::Databricks, &sql);
        let now = SystemTime::now();
        let entry = Arc::new(Entry {
            folder: self.folder.join(&id),
            id: id.clone(),
            sql,
            shape,
            origin,
            submitted: now,
            state: watch::Sender::new(State::Pending),
            times: Mutex::new(Times { asked: now, ended: None }),
            task: Mutex::default(),
        });
        lock(&self.entries).insert(id, Arc::clone(&entry));
        entry
    }

    /// The statement, as someone asks for it.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Entry>> {
        let entry = lock(&self.entries).get(id).cloned();
        if let Some(entry) = &entry {
            entry.touch();
        }
        entry
    }

    /// The statement's state, as nobody asks for it.
    pub(crate) fn peek(&self, id: &str) -> Option<State> {
        lock(&self.entries).get(id).map(|entry| entry.state())
    }

    pub(crate) fn reports(&self) -> Vec<StatementReport> {
        let mut reports: Vec<_> = lock(&self.entries).values().map(|entry| entry.report()).collect();
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        reports
    }

    /// Lets everything fail that a warehouse is at work on, or has waiting, when it is stopped.
    pub(crate) fn warehouse_stopped(&self, id: &str) {
        let entries: Vec<_> = lock(&self.entries).values().cloned().collect();
        for entry in entries.iter().filter(|entry| entry.origin.warehouse_id == id) {
            entry.end(State::Failed(SqlError::plain(format!("Command failed because warehouse {id} was stopped."))));
        }
    }

    /// Ends what was given up and forgets what is old.
    pub(crate) fn sweep(&self, now: SystemTime) {
        let age = |since: SystemTime| now.duration_since(since).unwrap_or_default();
        lock(&self.entries).retain(|_, entry| {
            let (asked, ended) = {
                let times = lock(&entry.times);
                (times.asked, times.ended.as_ref().map(|ended| ended.at))
            };
            match ended {
                None if age(asked) > POLL_EVERY => entry.close(),
                Some(ended) if age(ended) > KEEP_STATEMENT => return false,
                // What failed has no result to lose, and goes on saying that it failed.
                Some(ended) if age(ended) > KEEP_RESULT && matches!(entry.state(), State::Succeeded(_)) => {
                    entry.close();
                }
                _ => {}
            }
            true
        });
    }

    /// Ends everything.
    pub(crate) fn close_all(&self) {
        let entries: Vec<_> = lock(&self.entries).values().cloned().collect();
        for entry in entries {
            entry.cancel();
            entry.remove_files();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{
        super::spool::{Disposition, Format},
        *,
    };

    fn begin() -> (Statements, Arc<Entry>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let statements = Statements::new(folder.path().join("results")).unwrap();
        let shape = Shape {
            disposition: Disposition::Inline,
            format: Format::JsonArray,
            lz4: false,
            row_limit: None,
            byte_limit: None,
        };
        let entry = statements.begin("SELECT 1".to_owned(), shape, Origin::default());
        (statements, entry, folder)
    }

    #[test]
    fn what_has_ended_stays_ended() {
        let (statements, entry, _folder) = begin();
        assert!(entry.advance(State::Running));
        entry.cancel();
        assert!(!entry.advance(State::Succeeded(Arc::new(Answer::nothing()))));
        assert_eq!(statements.reports()[0].state, "CANCELED");
        assert!(statements.reports()[0].ended.is_some());
    }

    #[test]
    fn a_statement_that_failed_says_so_as_long_as_it_is_known() {
        let (statements, entry, _folder) = begin();
        entry.advance(State::Failed(SqlError::table_not_found("t")));
        let now = SystemTime::now();
        statements.sweep(now + KEEP_RESULT + Duration::from_secs(60));
        assert_eq!(entry.state().name(), "FAILED");
        statements.sweep(now + KEEP_STATEMENT + Duration::from_secs(60));
        assert!(statements.find(&entry.id).is_none());
    }

    #[test]
    fn who_stops_asking_loses_the_statement_the_result_and_the_name() {
        let (statements, entry, _folder) = begin();
        let now = SystemTime::now();
        statements.sweep(now + POLL_EVERY - Duration::from_secs(5));
        assert_eq!(entry.state().name(), "PENDING");
        statements.sweep(now + POLL_EVERY + Duration::from_secs(5));
        assert_eq!(entry.state().name(), "CLOSED");
        statements.sweep(now + KEEP_STATEMENT + POLL_EVERY);
        assert!(statements.find(&entry.id).is_none());
    }
}
