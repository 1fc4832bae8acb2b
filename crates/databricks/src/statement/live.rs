//! Which statements are alive, so that closing the warehouse can stop them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::future::join_all;
use twinhouse_core::{Error, ErrorKind, Result};

use super::driver::{self, Driver};

/// The statements that somebody holds. Clones share.
#[derive(Clone, Debug)]
pub(super) struct Live(Arc<Mutex<Option<Vec<Weak<driver::Live>>>>>);

impl Default for Live {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }
}

impl Live {
    /// False if the warehouse is closed.
    pub(super) fn add(&self, driver: &Driver) -> bool {
        let mut held = self.held();
        let Some(held) = held.as_mut() else { return false };
        held.retain(|known| known.strong_count() > 0);
        held.push(driver.live());
        true
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.held().is_some() { Ok(()) } else { Err(closed()) }
    }

    pub(super) async fn close(&self) {
        let held = self.held().take().unwrap_or_default();
        let stopping = held.iter().filter_map(Weak::upgrade).map(|statement| async move {
            if let Err(error) = statement.cancel().await {
                tracing::warn!(?statement, %error, "could not cancel");
            }
        });
        join_all(stopping).await;
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<Weak<driver::Live>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What calls get after the end.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Cancelled, "the warehouse has been closed")
}
