//! The Data API: statements that are handed in, looked after and fetched, over the same database.
//!
//! Every statement runs in a session of its own, or in one that was asked to live on, through the cluster's own front.
//! Results are kept in files for a day, as the service keeps them.

mod answer;
mod batch;
mod metadata;
mod page;
mod parameters;
mod session;
mod statement;
mod submit;

use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use serde_json::Value;

use self::{
    session::Sessions,
    statement::{Format, Statement},
};
use super::{Aws, answer::Failure, call::Call};

pub(super) const NAME: &str = "redshift-data";
pub(super) const TARGET: &str = "RedshiftData";

/// The most statements at work at a time.
const ACTIVE: usize = 500;
/// How long a statement that is over is remembered, and its rows with it.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// How long a token brings the statement that it was handed in with.
const TOKEN_KEPT: Duration = Duration::from_secs(8 * 3600);

/// What was handed in so far.
#[derive(Debug)]
pub(crate) struct DataApi {
    state: Mutex<State>,
    sessions: Sessions,
    /// The folder of the files.
    results: Arc<Path>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of their arrival.
    statements: Vec<Arc<Statement>>,
    by_token: HashMap<String, Arc<Statement>>,
}

impl State {
    fn known(&self, token: &str) -> Option<Arc<Statement>> {
        let fresh = |known: &&Arc<Statement>| known.created.elapsed().is_ok_and(|age| age < TOKEN_KEPT);
        self.by_token.get(token).filter(fresh).cloned()
    }
}

impl DataApi {
    /// Keeps results in this folder, and removes what an earlier run has left there.
    pub(crate) fn new(results: &Path) -> io::Result<Self> {
        match fs::remove_dir_all(results) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(results)?,
        }
        Ok(Self { state: Mutex::default(), sessions: Sessions::default(), results: results.into() })
    }

    /// The statement that this token has brought.
    fn of_token(&self, token: Option<&str>) -> Option<Arc<Statement>> {
        self.lock().known(token?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The statement of this id; of a batch's part, the batch.
    fn find(&self, id: &str) -> Result<(Arc<Statement>, Option<usize>), Failure> {
        let (whole, part) = match id.split_once(':') {
            Some((whole, part)) => (whole, part.parse::<usize>().ok().and_then(|part| part.checked_sub(1))),
            None => (id, None),
        };
        let state = self.lock();
        let found = state.statements.iter().find(|statement| statement.id == whole).cloned();
        let found = found.filter(|statement| !id.contains(':') || part.is_some_and(|at| at < statement.parts.len()));
        found.map(|statement| (statement, part)).ok_or_else(|| not_found("Query does not exist."))
    }

    /// Takes a statement, unless there are too many or its token brought one before.
    fn admit(&self, statement: Statement, token: Option<&str>) -> Result<(Arc<Statement>, bool), Failure> {
        let mut state = self.lock();
        state.statements.retain(|statement| !statement.is_forgotten(KEPT));
        state.by_token.retain(|_, statement| !statement.is_forgotten(KEPT));
        if let Some(known) = token.and_then(|token| state.known(token)) {
            return Ok((known, false));
        }
        if state.statements.iter().filter(|statement| !statement.is_over()).count() >= ACTIVE {
            let message = format!("Active statements exceeded the allowed quota ({ACTIVE}).");
            return Err(Failure::new("ActiveStatementsExceededException", StatusCode::BAD_REQUEST, message));
        }
        let statement = Arc::new(statement);
        state.statements.push(Arc::clone(&statement));
        if let Some(token) = token {
            state.by_token.insert(token.to_owned(), Arc::clone(&statement));
        }
        Ok((statement, true))
    }
}

fn not_found(message: &str) -> Failure {
    Failure::new("ResourceNotFoundException", StatusCode::BAD_REQUEST, message)
}

pub(super) async fn answer(aws: &Arc<Aws>, call: &Call) -> Result<Value, Failure> {
    match call.action.as_str() {
        operation @ ("ExecuteStatement" | "BatchExecuteStatement") => {
            match aws.data_api.of_token(call.text("ClientToken")) {
                // Before anything else: the first call may hold the session that this one names too.
                Some(known) => submit::answer(call, &known).await,
                None if operation == "ExecuteStatement" => submit::execute(aws, call).await,
                None => batch::execute(aws, call).await,
            }
        }
        "DescribeStatement" => answer::describe(aws, call).await,
        "GetStatementResult" => page::page(aws, call, Format::Json),
        "GetStatementResultV2" => page::page(aws, call, Format::Csv),
        "CancelStatement" => answer::cancel(aws, call),
        "ListStatements" => answer::list(aws, call),
        "ListDatabases" => metadata::databases(aws, call).await,
        "ListSchemas" => metadata::schemas(aws, call).await,
        "ListTables" => metadata::tables(aws, call).await,
        "DescribeTable" => metadata::table(aws, call).await,
        "ListSessions" => aws.data_api.sessions.list(),
        _ => Err(call.not_imitated()),
    }
}
