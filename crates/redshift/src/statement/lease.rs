//! A session on loan to one statement, and where it goes afterwards.

use std::sync::Arc;

use twinhouse_warehouse_api::OnDrop;

use super::Control;
use crate::{
    pool::{Checkout, Session},
    transaction::Slot,
    wire::Connection,
};

/// Where a session goes when its statement is over.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// Back to the pool. The option says what becomes of a statement that is not read to its end.
    Pool(OnDrop),
    /// Back to its transaction.
    Transaction(Arc<Slot>),
}

/// A session on loan. Dropped before [`finish`](Self::finish), its statement is stopped, unless it was to go on.
#[derive(Debug)]
pub(crate) struct Lease {
    checkout: Option<Checkout>,
    home: Home,
    control: Arc<Control>,
    /// Whether somebody has begun to read.
    read: bool,
}

impl Lease {
    pub(crate) fn new(checkout: Checkout, home: Home, control: Arc<Control>) -> Self {
        Self { checkout: Some(checkout), home, control, read: false }
    }

    pub(crate) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// From here on, dropping it means that its reader went away.
    pub(crate) fn begin_reading(&mut self) {
        self.read = true;
    }

    /// From here on, dropping it means that its handle was detached.
    pub(crate) fn end_reading(&mut self) {
        self.read = false;
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        match &mut self.checkout {
            Some(checkout) => checkout,
            None => unreachable!("the session leaves only with its lease"),
        }
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.session().connection()
    }

    /// The statement is over and its answer read to the end.
    pub(crate) fn finish(mut self) {
        let Some(checkout) = self.checkout.take() else { return };
        let cancelled = self.control.end();
        match &self.home {
            Home::Pool(_) if cancelled => checkout.retire(),
            Home::Pool(_) => drop(checkout),
            Home::Transaction(slot) => slot.give_back(checkout, cancelled),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(checkout) = self.checkout.take() else { return };
        let already_cancelled = self.control.end();
        match &self.home {
            Home::Transaction(slot) => {
                slot.lose();
                checkout.abandon();
            }
            Home::Pool(_) if already_cancelled => checkout.retire(),
            // A handle that is dropped cancels first; one that let go without a word was detached.
            Home::Pool(OnDrop::Detach) => checkout.finish_alone(),
            Home::Pool(_) if !self.read => checkout.finish_alone(),
            Home::Pool(_) => checkout.abandon(),
        }
    }
}
