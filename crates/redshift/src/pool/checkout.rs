//! The guard around a session that is out.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    time::Duration,
};

use deadpool::managed::Object;
use tokio::{runtime::Handle, time::timeout};

use super::{Pooled, Reason, Session, Sessions, meter::Use, pool::CLEAN_UP};
use crate::wire::TransactionState;

/// How long a session may take to stop what runs on it, with nobody waiting: a statement that hears of no end goes on.
const STOP: Duration = Duration::from_secs(60);
/// How long to wait for a cancelled statement to end before it is cancelled again.
const INSIST: Duration = Duration::from_millis(500);

/// A session that is out. Dropped, it goes back only if it is at rest; an open transaction is rolled back first; one
/// with a query on it is cancelled on the server and closed.
pub(crate) struct Checkout {
    pooled: Option<Object<Sessions>>,
    /// Counts it among those in use until it is back or closed.
    using: Option<Use>,
}

impl Checkout {
    pub(super) fn new(pooled: Object<Sessions>, using: Use) -> Self {
        Self { pooled: Some(pooled), using: Some(using) }
    }

    /// Cancels what runs on it, and closes it.
    pub(crate) fn abandon(mut self) {
        self.close(true);
    }

    /// Closes it: a cancellation is on its way that must not meet its next user.
    pub(crate) fn retire(mut self) {
        self.close(false);
    }

    fn close(&mut self, cancel: bool) {
        let Some(mut pooled) = self.pooled.take().map(Object::take) else { return };
        pooled.life.ends(if cancel { Reason::Abandoned } else { Reason::Retired });
        let using = self.using.take();
        // Outside a runtime the socket just closes; the server notices when it next writes.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if timeout(STOP, stop(&mut pooled, cancel)).await.is_err() {
                let process = pooled.session.cancel_key().process();
                tracing::warn!(process, "closing a session took too long");
            }
            drop((pooled, using));
        });
    }

    /// Reads what is left of its answers in the background, however long that takes, then gives it back.
    pub(crate) fn finish_alone(mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = self.connection().drain().await {
                tracing::debug!(%error, "a detached statement failed");
            }
        });
    }
}

/// Stops what runs on the session and hangs up. A request to cancel that arrives before its statement does is lost, and
/// a server that waits to send does not look for one: what it still says is read, and the request repeated.
async fn stop(pooled: &mut Pooled, mut cancel: bool) {
    let session = &mut pooled.session;
    while !session.is_quiet() {
        if cancel && let Err(error) = session.cancel_key().cancel().await {
            tracing::debug!(process = session.cancel_key().process(), %error, "could not cancel");
            break;
        }
        if session.connection().is_broken() || matches!(timeout(INSIST, session.connection().drain()).await, Ok(Err(_)))
        {
            break;
        }
        cancel = true;
    }
    session.connection().goodbye().await;
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Some(Pooled { session, .. }) = self.pooled.as_deref() else { return };
        if !session.is_quiet() {
            self.close(true);
        } else if session.is_spoiled() {
            self.close(false);
        } else if session.transaction() != TransactionState::None {
            let Some(mut pooled) = self.pooled.take() else { return };
            let using = self.using.take();
            let Ok(runtime) = Handle::try_current() else {
                drop(Object::take(pooled));
                return;
            };
            runtime.spawn(async move {
                if matches!(timeout(CLEAN_UP, pooled.session.rollback()).await, Ok(Ok(()))) {
                    pooled.life.returned();
                } else {
                    drop(Object::take(pooled));
                }
                drop(using);
            });
        } else if let Some(pooled) = &mut self.pooled {
            pooled.life.returned();
        }
    }
}

impl Deref for Checkout {
    type Target = Session;

    fn deref(&self) -> &Session {
        let pooled = self.pooled.as_deref().unwrap_or_else(|| unreachable!("the session leaves only with its guard"));
        &pooled.session
    }
}

impl DerefMut for Checkout {
    fn deref_mut(&mut self) -> &mut Session {
        let pooled =
            self.pooled.as_deref_mut().unwrap_or_else(|| unreachable!("the session leaves only with its guard"));
        &mut pooled.session
    }
}

impl fmt::Debug for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout").field("session", &self.pooled.as_deref()).finish()
    }
}
