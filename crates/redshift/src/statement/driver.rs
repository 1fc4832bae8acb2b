//! A statement on a session of the pool, as the contract sees it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, timeout};
use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation, telemetry::StatementWatch};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, Intent, StatementDriver, StatementHandle, StatementId, StatementRequest, StatementStatus,
    submit_watched,
};

use super::{Control, Home, Lease, Plan, Started};
use crate::{
    cluster::Cluster,
    decode::Kind,
    pool::{Checkout, Extras, Session},
    wire::message::WireColumn,
};

/// A statement has no limit per attempt: only its caller knows how long it may take.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long the second way to cancel may take.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// Sends a statement and answers as soon as the server has read it.
pub(crate) async fn submit(cluster: Arc<Cluster>, request: StatementRequest) -> Result<StatementHandle> {
    let plan = Plan::of(&request)?;
    submit_plan(cluster, plan, request).await
}

/// The same for what is planned already.
pub(crate) async fn submit_plan(
    cluster: Arc<Cluster>,
    plan: Plan,
    request: StatementRequest,
) -> Result<StatementHandle> {
    plan.refuse_transaction_control()?;
    let (options, watch) = (request.options().clone(), StatementWatch::new("redshift", request.sql()));
    submit_watched(watch, options, Statement::start(cluster, plan, request)).await
}

struct Statement {
    cluster: Arc<Cluster>,
    plan: Plan,
    request: StatementRequest,
    received: Instant,
    control: Arc<Control>,
    started: Mutex<Option<Started>>,
}

impl Statement {
    async fn start(cluster: Arc<Cluster>, plan: Plan, request: StatementRequest) -> Result<Self> {
        let received = Instant::now();
        // The pool has its own limits and retries; only what follows is repeated here.
        let mut first = Some(cluster.pool().checkout().await?);
        let started = cluster
            .policy()
            .execute(operation("statement.submit", &request), |_| {
                let (first, cluster) = (first.take(), &cluster);
                let (plan, request) = (&plan, &request);
                async move {
                    let checkout = match first {
                        Some(checkout) => checkout,
                        None => cluster.pool().checkout().await?,
                    };
                    send(checkout, plan, extras_left(request, received), None, Home::Pool(request.options().on_drop))
                        .await
                }
            })
            .await?;
        let control = started.lease.control().clone();
        cluster.running().add(&control);
        if let Err(closed) = cluster.check_not_over() {
            // Whoever closed the warehouse meanwhile did not see this one.
            control.cancel().await?;
            return Err(closed);
        }
        Ok(Self { cluster, plan, request, received, control, started: Mutex::new(Some(started)) })
    }

    fn take(&self) -> Option<Started> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The other way to stop it, should the server not take requests to cancel as we send them.
    async fn cancel_by_statement(&self, refused: Error) -> Result<()> {
        let Some(process) = self.control.process() else { return Ok(()) };
        let ask = async {
            let mut session = self.cluster.pool().checkout().await?;
            session.ask(&format!("SELECT pg_cancel_backend({process})")).await
        };
        match timeout(CANCEL_LIMIT, ask).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(refused),
        }
    }

    /// Sends it again, on another session.
    async fn restart(&self) -> Result<Started> {
        let checkout = self.cluster.pool().checkout().await?;
        let home = Home::Pool(self.request.options().on_drop);
        send(checkout, &self.plan, extras_left(&self.request, self.received), Some(&self.control), home).await
    }
}

fn operation(name: &'static str, request: &StatementRequest) -> Operation {
    let operation = match request.intent() {
        Intent::Read => Operation::read(name),
        Intent::Write => Operation::write(name),
    };
    operation.with_class("statement").with_attempt_timeout(NO_LIMIT)
}

/// What a call wants set on its session.
pub(crate) fn extras(options: &CallOptions) -> Extras {
    Extras { timeout: options.timeout, label: options.label.clone() }
}

/// The same; of its time, what is left.
fn extras_left(request: &StatementRequest, received: Instant) -> Extras {
    let all = extras(request.options());
    Extras { timeout: all.timeout.map(|limit| limit.saturating_sub(received.elapsed())), ..all }
}

/// Sends a statement on a session. Until it is run, an error has had no effect.
pub(crate) async fn send(
    mut checkout: Checkout,
    plan: &Plan,
    extras: Extras,
    known: Option<&Arc<Control>>,
    home: Home,
) -> Result<Started> {
    let control = match known {
        Some(control) => {
            control.move_to(checkout.cancel_key().clone())?;
            control.clone()
        }
        None => {
            let id = checkout.new_statement_id();
            Arc::new(Control::new(id, checkout.cancel_key().clone(), extras.timeout))
        }
    };
    // Owned by the lease from here on: whatever happens, its home hears of it.
    let mut lease = Lease::new(checkout, home, control.clone());
    lease.begin_reading();
    match run(lease.session(), plan, &extras).await {
        Ok(columns) => {
            lease.end_reading();
            Ok(Started { lease, columns, deadline: None, page_of: None })
        }
        Err(error) => {
            if lease.session().is_quiet() {
                lease.finish();
            }
            Err(control.explain(error))
        }
    }
}

async fn run(session: &mut Session, plan: &Plan, extras: &Extras) -> Result<Vec<WireColumn>> {
    if plan.words.spoils_session() {
        session.spoil();
    }
    let Some(prepared) = &plan.prepared else {
        session.apply(extras).await?;
        session.connection().explain_with(Some(plan.source.clone()));
        session.send_simple(&plan.sql).await?;
        return Ok(Vec::new());
    };
    session.connection().explain_with(Some(plan.source.clone()));
    if let Some(definition) = &plan.kept {
        let name = session.keep(definition, &prepared.types, extras).await?;
        // Setting what the call wants may have been a statement of its own.
        session.connection().explain_with(Some(plan.source.clone()));
        session.send_kept(&name, &prepared.values).await?;
        return Ok(Vec::new());
    }
    let mut columns = session.prepare_as("", &plan.sql, &prepared.types, extras).await?.unwrap_or_default();
    for column in &mut columns {
        column.format = i16::from(Kind::prefers_binary(column));
    }
    let formats: Vec<_> = columns.iter().map(|column| column.format).collect();
    session.send_prepared(&prepared.values, &formats).await?;
    Ok(columns)
}

#[async_trait]
impl StatementDriver for Statement {
    fn id(&self) -> &StatementId {
        self.control.id()
    }

    async fn status(&self) -> Result<StatementStatus> {
        Ok(self.control.status())
    }

    async fn cancel(&self) -> Result<()> {
        let told = match self.control.cancel().await {
            Err(error) => self.cancel_by_statement(error).await,
            told => told,
        };
        // Nobody will read it now; whoever keeps the means to cancel must not keep the session.
        drop(self.take());
        if told.is_ok() && self.control.is_cancelled() {
            tokio::spawn(self.control.clone().insist());
        }
        told
    }

    async fn results(&self) -> Result<BatchStream> {
        let mut first = self.take();
        if first.is_none() {
            let error = match self.control.is_cancelled() {
                true => Error::new(ErrorKind::Cancelled, "the statement was cancelled"),
                false => Error::new(ErrorKind::Internal, "the results of a statement are read once"),
            };
            return Err(error.with_statement_id(self.control.id().as_str()));
        }
        self.cluster
            .policy()
            .execute(operation("statement.run", &self.request), |_| {
                let first = first.take();
                async move {
                    let started = match first {
                        Some(started) => started,
                        None => self.restart().await?,
                    };
                    started.open().await
                }
            })
            .await
    }
}

impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statement").field("id", self.control.id()).field("plan", &self.plan).finish_non_exhaustive()
    }
}
