//! The course of a load.

use std::time::Duration;

use futures::future::{Either, select};
use tokio::time::{Instant, timeout};
use twinhouse_core::{Error, ErrorKind, Report, Result, resilience::Operation};
use twinhouse_warehouse_api::{BulkReport, CallOptions, Dialect as _, Fit, LoadMode, LoadRequest, RedshiftDialect};

use super::{
    Format, Limits, Place, Rows, Staged, check_loadable, copy, explain,
    ledger::{Entry, Ledger, TableId},
    mode::{Before, to_be_made},
    readable, slices, stage,
};
use crate::{
    cluster::Cluster,
    error::harmless,
    pool::{Checkout, Extras, Session},
    staging::Staging,
    tables::describe,
};

/// A COPY takes as long as it takes: the caller's time-out bounds it.
pub(crate) const UNBOUNDED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The server's own limit is for a client that is gone: one that is there says itself when time is up.
const GRACE: Duration = Duration::from_secs(5);

/// Loads many rows, exactly once per token.
pub(crate) async fn load(cluster: &Cluster, request: LoadRequest) -> Result<BulkReport> {
    let Some(staging) = cluster.staging() else {
        return Err(Error::unsupported("redshift", "cannot load: no staging place is configured")
            .with_context("setting", "staging"));
    };
    let call = Call::begin(request.options());
    let (table, token) = (request.table().to_string(), request.token().to_string());
    call.within(Box::pin(put(cluster, staging, request, &call))).await.map_err(|error| {
        let error = if error.context("table").is_none() { error.with_context("table", table) } else { error };
        error.with_context("token", token)
    })
}

async fn put(cluster: &Cluster, staging: &Staging, request: LoadRequest, call: &Call) -> Result<BulkReport> {
    let table = match request.mode() {
        LoadMode::Create | LoadMode::CreateOrReplace => to_be_made(cluster, request.table(), request.schema())?,
        _ => describe(cluster, request.table()).await?,
    };
    table.check_writable()?;
    let before = Before::of(request.mode(), &table, request.schema())?;
    let fit = Fit::plan(&table.for_rows_of(request.schema(), true), request.schema())?;
    check_loadable(&table, fit.columns())?;
    let ledger = Ledger::of(&table, request.token())?;
    let columns = fit.columns().map(|name| RedshiftDialect.quote(name)).collect::<Result<_>>()?;

    let folder =
        format!("t-{}-{}", readable(table.info.table.schema().unwrap_or_default()), readable(table.info.table.name()));
    let place = Place::new(staging, &[&folder, request.token().as_str()]);
    let (target, progress) = (request.target_file_bytes(), request.progress().cloned());
    let limits = Limits::of(&table, fit.schema());
    let format = Format::for_columns(&table, &fit);
    let rows = Rows { batches: request.into_batches(), fit, limits, format, slices: slices(cluster).await };
    let staged = {
        let known = Box::pin(is_known(cluster, &ledger, call));
        let staging = Box::pin(stage(&place, rows, target, progress.as_ref()));
        match select(known, staging).await {
            Either::Left((true, _)) => None,
            Either::Left((false, staging)) => Some(staging.await),
            Either::Right((staged, _)) => Some(staged),
        }
    };
    let staged = match staged {
        Some(Ok(staged)) if staged.rows > 0 || before != Before::Nothing => staged,
        // Nothing came and nothing goes, so that there is nothing to remember.
        Some(Ok(_)) => return Ok(BulkReport::default().with_elapsed(call.elapsed())),
        Some(Err(error)) => {
            place.clear().await;
            return Err(error);
        }
        None => return Ok(replayed(&place, call).await),
    };

    let table = table.sql_name()?;
    let job = Job { cluster, call, table, before, columns, ledger, place: &place, staged: &staged };
    let operation = Operation::read("load.transaction").with_class("load").with_attempt_timeout(UNBOUNDED);
    match cluster.transactions().execute(operation, |_| job.attempt()).await {
        Ok(true) => {
            place.clear().await;
            let report = BulkReport::new(staged.rows, staged.bytes, staged.files);
            Ok(report.with_elapsed(call.elapsed()))
        }
        Ok(false) => Ok(replayed(&place, call).await),
        Err(error) => {
            let error = place.keep_if_refused(error);
            place.clear().await;
            Err(error)
        }
    }
}

async fn replayed(place: &Place, call: &Call) -> BulkReport {
    place.clear().await;
    BulkReport::default().with_replayed(true).with_elapsed(call.elapsed())
}

/// Whether the token is known already, as far as can be told without waiting for others in a transaction. A wrong no
/// costs time only: the transaction asks again.
async fn is_known(cluster: &Cluster, ledger: &Ledger, call: &Call) -> bool {
    let look = async {
        let mut session = call.session(cluster).await?;
        let table_id = ledger.table_id(&mut session).await?;
        ledger.find(&mut session, table_id, "").await
    };
    match look.await {
        Ok(entry) => entry != Entry::Missing,
        Err(error) => {
            tracing::debug!(error = %Report(&error), "the ledger of loads cannot be read yet");
            false
        }
    }
}

/// The transaction of a load, to be tried as often as it takes: the ledger keeps it from being done twice.
struct Job<'a> {
    cluster: &'a Cluster,
    call: &'a Call,
    table: String,
    before: Before,
    columns: Vec<String>,
    ledger: Ledger,
    place: &'a Place,
    staged: &'a Staged,
}

/// How far a transaction came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// There is no ledger yet.
    NoLedger,
    /// The token was known.
    Known(Entry),
    /// All is done but the commit.
    ToTheEnd,
}

impl Job<'_> {
    /// Whether this attempt's rows are in the table; they are not if somebody else's are.
    async fn attempt(&self) -> Result<bool> {
        let mut session = self.call.session(self.cluster).await?;
        let mut came = self.work(&mut session).await;
        if matches!(came, Ok(Came::NoLedger)) {
            session.rollback().await.map_err(harmless)?;
            // Somebody else may create it at the same moment; then this fails, and it is there.
            let created = self.ledger.create(&mut session).await;
            came = match (self.work(&mut session).await, created) {
                (Ok(Came::NoLedger), Err(error)) => Err(error),
                (Ok(Came::NoLedger), Ok(())) => {
                    Err(Error::new(ErrorKind::NotFound, "the ledger of loads is gone as soon as it is created"))
                }
                (came, _) => came,
            };
        }
        match came {
            Ok(Came::ToTheEnd) => commit(&mut session).await.map(|()| true),
            Ok(Came::Known(entry)) => {
                // A session that cannot be rolled back does not go back to the pool.
                let _ = session.rollback().await;
                Ok(entry == Entry::Ours)
            }
            Ok(Came::NoLedger) => Err(Error::new(ErrorKind::Internal, "a load came to no end")),
            Err(error) => {
                let error = harmless(error);
                match session.rollback().await {
                    Ok(()) => Err(explain(&mut session, self.place, error).await),
                    Err(_) => Err(error),
                }
            }
        }
    }

    async fn work(&self, session: &mut Session) -> Result<Came> {
        session.ask("BEGIN").await?;
        match self.ledger.lock(session).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Came::NoLedger),
            locked => locked?,
        }
        let attempt = self.place.attempt();
        let found = self.ledger.find_table(session).await?;
        if let Some(id) = found {
            match self.ledger.find(session, id, attempt).await? {
                Entry::Missing => {}
                entry => return Ok(Came::Known(entry)),
            }
        }
        let table_id = self.make_room(session, found).await?;
        copy(session, &self.table, &self.columns, &self.cluster.config().iam_role, self.staged).await?;
        self.check_rows(session).await?;
        self.ledger.write(session, table_id, attempt, self.staged.rows).await?;
        Ok(Came::ToTheEnd)
    }

    /// Takes away what gives way, or makes the table; answers what it is known by from now on.
    async fn make_room(&self, session: &mut Session, found: Option<TableId>) -> Result<TableId> {
        let Self { table, before, .. } = self;
        let there = || {
            found.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "the table is not there any more").with_context("table", table.clone())
            })
        };
        match before {
            Before::Nothing => there(),
            Before::Empty => {
                session.ask(&format!("DELETE FROM {table}")).await?;
                there()
            }
            Before::EmptyWhere(condition) => {
                session.ask(&format!("DELETE FROM {table} WHERE {condition}")).await?;
                there()
            }
            Before::Create(_) if found.is_some() => {
                Err(Error::new(ErrorKind::AlreadyExists, "there is a table of that name"))
            }
            Before::Create(create) => {
                session.ask(create).await?;
                self.ledger.table_id(session).await
            }
            Before::Replace(create) => {
                if found.is_some() {
                    session.ask(&format!("DROP TABLE {table}")).await?;
                }
                session.ask(create).await?;
                let made = self.ledger.table_id(session).await?;
                if let Some(old) = found {
                    self.ledger.hand_down(session, old, made).await?;
                }
                Ok(made)
            }
        }
    }

    /// What was of the predicate is deleted, so that all rows of it are new: there must be as many as came.
    async fn check_rows(&self, session: &mut Session) -> Result<()> {
        let Before::EmptyWhere(condition) = &self.before else { return Ok(()) };
        let counted = session.ask(&format!("SELECT COUNT(*) FROM {} WHERE {condition}", self.table)).await?;
        let within: Option<u64> = counted.value().and_then(|text| text.parse().ok());
        if within == Some(self.staged.rows) {
            return Ok(());
        }
        let outside = within.and_then(|within| self.staged.rows.checked_sub(within));
        Err(Error::new(ErrorKind::Constraint, "a new row lies outside of the predicate")
            .with_context("rows", self.staged.rows.to_string())
            .with_context("outside", outside.map_or_else(|| "unknown".to_owned(), |rows| rows.to_string())))
    }
}

/// Makes it permanent. An error says for certain that nothing was done, unless the connection broke.
pub(crate) async fn commit(session: &mut Session) -> Result<()> {
    match session.ask("COMMIT").await {
        Ok(answer) if answer.tag.as_ref().is_some_and(|tag| tag.0 == "ROLLBACK") => {
            Err(Error::new(ErrorKind::Internal, "the server rolled the transaction back instead of committing it"))
        }
        Ok(_) => Ok(()),
        Err(error) if session.connection().is_broken() => Err(error),
        Err(error) => {
            let _ = session.rollback().await;
            Err(harmless(error))
        }
    }
}

/// When a call began, and how it is to be carried out.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    began: Instant,
    options: CallOptions,
}

impl Call {
    pub(crate) fn begin(options: &CallOptions) -> Self {
        Self { began: Instant::now(), options: options.clone() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Ends the work when its time is up.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(limit) = self.options.timeout else { return work.await };
        timeout(limit, work).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the deadline of the call has passed")
                .with_context("wait", "deadline")
                .with_context("limit", format!("{limit:?}")))
        })
    }

    /// A session with the call's label; the server's own limit is what is left of its time.
    pub(crate) async fn session(&self, cluster: &Cluster) -> Result<Checkout> {
        let mut session = cluster.pool().checkout().await.map_err(harmless)?;
        let timeout = self.options.timeout.map(|limit| limit.saturating_sub(self.elapsed()).saturating_add(GRACE));
        session.apply(&Extras { timeout, label: self.options.label.clone() }).await?;
        Ok(session)
    }
}
