//! One session that several statements use in turn.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use tokio::time::Instant;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{BatchStream, CallOptions, TransactionOptions};

use super::Slot;
use crate::{
    cluster::Cluster,
    cursor,
    pool::Extras,
    statement::{Home, Page, Plan, extras, send},
    wire::TransactionState,
};

/// How long after its limit a statement may still be read: the server's own limit comes first.
const GRACE: Duration = Duration::from_secs(5);

/// The one cursor that a session may have open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CursorPlace {
    #[default]
    Free,
    Open,
    /// Nobody reads it any more; it is closed before the next statement.
    Left,
}

/// A session that is pinned, in the hands of all who may use it in turn. Its owner lets it go with [`leave`](Self::leave).
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    cluster: Arc<Cluster>,
    slot: Arc<Slot>,
    options: TransactionOptions,
    cursor: Arc<Mutex<CursorPlace>>,
}

impl Seat {
    pub(crate) async fn take(cluster: Arc<Cluster>, options: TransactionOptions) -> Result<Self> {
        cluster.check_open()?;
        let mut checkout = cluster.pool().checkout().await?;
        checkout.apply(&Extras { timeout: options.statement_timeout, label: options.label.clone() }).await?;
        Ok(Self { cluster, slot: Arc::new(Slot::new(checkout)), options, cursor: Arc::default() })
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn options(&self) -> &TransactionOptions {
        &self.options
    }

    pub(crate) fn cursor(&self) -> MutexGuard<'_, CursorPlace> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the session go, and rolls back what is open on it.
    pub(crate) fn leave(&self) {
        // One that is still read goes home to nobody, which does the same.
        self.slot.leave();
    }

    /// Runs a statement and streams its rows; the session comes back when they are read.
    pub(crate) async fn query(&self, plan: Plan, call: &CallOptions, page_of: Option<Page>) -> Result<BatchStream> {
        self.cluster.check_not_over()?;
        let mut checkout = self.slot.take()?;
        let place = *self.cursor();
        let verb = plan.words.verb();
        let refusal = if checkout.transaction() == TransactionState::Failed {
            Some(failed())
        } else if verb == "DECLARE" && place == CursorPlace::Open {
            Some(second_cursor())
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.slot.give_back(checkout, false);
            return Err(refusal);
        }
        if place == CursorPlace::Left {
            if let Err(error) = checkout.ask(cursor::CLOSE).await {
                self.slot.lose();
                return Err(error);
            }
            *self.cursor() = CursorPlace::Free;
        }
        let mut extras = extras(call);
        extras.timeout = [self.options.statement_timeout, extras.timeout].into_iter().flatten().min();
        extras.label = extras.label.or_else(|| self.options.label.clone());
        let limit = extras.timeout;
        let mut started = send(checkout, &plan, extras, None, Home::Transaction(self.slot.clone())).await?;
        self.cluster.running().add(started.lease.control());
        started.deadline =
            limit.and_then(|limit| Some((Instant::now().checked_add(limit.saturating_add(GRACE))?, limit)));
        started.page_of = page_of;
        let answer = started.open().await?;
        match plan.words.verb() {
            "DECLARE" => *self.cursor() = CursorPlace::Open,
            "CLOSE" => *self.cursor() = CursorPlace::Free,
            _ => {}
        }
        Ok(answer)
    }

    /// Runs a statement to its end.
    pub(crate) async fn execute(&self, plan: Plan, call: &CallOptions) -> Result<Option<u64>> {
        let mut stream = self.query(plan, call, None).await?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        Ok(stream.rows_affected())
    }
}

fn failed() -> Error {
    Error::new(ErrorKind::InvalidInput, "a statement of the transaction has failed: roll it back")
        .with_sqlstate("25P02")
}

fn second_cursor() -> Error {
    let wish = "has one cursor in a transaction: read the open one to its end, or drop it";
    Error::unsupported("redshift", wish).with_context("statement", "DECLARE")
}
