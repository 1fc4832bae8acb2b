//! Where a transaction keeps its session while no statement has it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use twinhouse_core::{Error, ErrorKind, Fault, Result};

use crate::pool::Checkout;

/// Holds the session between statements.
#[derive(Debug)]
pub(crate) struct Slot(Mutex<State>);

#[derive(Debug)]
enum State {
    Home(Box<Checkout>),
    /// A statement has it.
    Away,
    /// The session is closed, and the transaction undone.
    Lost,
    /// The transaction is gone: who brings the session back lets go of it.
    Left,
}

impl Slot {
    pub(crate) fn new(checkout: Checkout) -> Self {
        Self(Mutex::new(State::Home(Box::new(checkout))))
    }

    /// Takes the session for a statement.
    pub(crate) fn take(&self) -> Result<Checkout> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Away) {
            State::Home(checkout) => Ok(*checkout),
            State::Away => Err(Error::new(
                ErrorKind::InvalidInput,
                "the result before has not been read to its end: read it, or drop it and roll back",
            )),
            lost => {
                *state = lost;
                Err(Error::new(
                    ErrorKind::Cancelled,
                    "the transaction is undone: a result in it was dropped before its end, or its connection was lost",
                )
                .with_fault(Fault::PERMANENT))
            }
        }
    }

    /// Brings the session back. One that a cancellation may still reach must not be anybody else's afterwards.
    pub(crate) fn give_back(&self, mut checkout: Checkout, cancelled: bool) {
        if cancelled {
            checkout.spoil();
        }
        let mut state = self.state();
        if matches!(*state, State::Away) {
            *state = State::Home(Box::new(checkout));
        } else {
            drop(state);
            drop(checkout);
        }
    }

    /// The session does not come back.
    pub(crate) fn lose(&self) {
        let mut state = self.state();
        if matches!(*state, State::Away) {
            *state = State::Lost;
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(*self.state(), State::Lost)
    }

    /// The transaction goes away.
    pub(crate) fn leave(&self) {
        let left = std::mem::replace(&mut *self.state(), State::Left);
        drop(left);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
