//! The pool, and the guard around a session that is out.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    time::Duration,
};

use deadpool::managed::{self, Object, PoolError, TimeoutType};
use tokio::{runtime::Handle, time::timeout};
use twinhouse_core::{Error, ErrorKind, Result};

use super::{Session, Sessions};
use crate::{config::PoolOptions, error, settings::SessionSettings, wire::TransactionState};

/// How long a session that nobody waits for may take to get clean.
const CLEAN_UP: Duration = Duration::from_secs(10);
/// How long to wait for a cancelled statement to end before it is cancelled again.
const INSIST: Duration = Duration::from_millis(500);

/// Sessions on one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    pool: managed::Pool<Sessions>,
    options: PoolOptions,
    settings: SessionSettings,
}

impl Pool {
    pub(crate) fn new(sessions: Sessions, options: PoolOptions) -> Result<Self> {
        let pool = managed::Pool::builder(sessions)
            .max_size(options.size)
            .wait_timeout(Some(options.checkout))
            .create_timeout(Some(options.connect))
            .recycle_timeout(Some(options.recycle))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|cause| Error::new(ErrorKind::Internal, "no pool of connections").with_source(cause))?;
        Ok(Self { pool, options, settings: SessionSettings::default() })
    }

    /// The same sessions, for calls that run with these settings.
    pub(crate) fn with_settings(&self, settings: SessionSettings) -> Self {
        Self { settings, ..self.clone() }
    }

    /// A session that is clean and alive.
    pub(crate) async fn checkout(&self) -> Result<Checkout> {
        let mut session =
            self.pool.get().await.map_err(|error| match error {
                PoolError::Timeout(TimeoutType::Wait) => error::pool_wait("checkout", self.options.checkout)
                    .with_context("pool", self.options.size.to_string()),
                PoolError::Timeout(TimeoutType::Create) => error::pool_wait("connect", self.options.connect),
                PoolError::Timeout(TimeoutType::Recycle) => error::pool_wait("recycle", self.options.recycle),
                PoolError::Backend(error) => error,
                PoolError::Closed => error::closed(),
                other => Error::new(ErrorKind::Internal, "the pool gave no connection")
                    .with_context("why", other.to_string()),
            })?;
        session.wish(self.settings.clone());
        Ok(Checkout { session: Some(session) })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    /// Hands out no more sessions and says goodbye on those that nobody uses.
    pub(crate) async fn close(&self) {
        let idle = self.pool.retain(|_, _| false).removed;
        self.pool.close();
        for mut session in idle {
            let _ = timeout(CLEAN_UP, session.connection().goodbye()).await;
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.pool.status();
        f.debug_struct("Pool").field("size", &status.size).field("max_size", &status.max_size).finish()
    }
}

/// A session that is out. Dropped, it goes back only if it is at rest; an open transaction is rolled back first; one
/// with a query on it is cancelled on the server and closed.
pub(crate) struct Checkout {
    session: Option<Object<Sessions>>,
}

impl Checkout {
    /// Cancels what runs on it, and closes it.
    pub(crate) fn abandon(mut self) {
        self.close(true);
    }

    /// Closes it: a cancellation is on its way that must not meet its next user.
    pub(crate) fn retire(mut self) {
        self.close(false);
    }

    fn close(&mut self, cancel: bool) {
        let Some(mut session) = self.session.take().map(Object::take) else { return };
        // Outside a runtime the socket just closes; the server notices when it next writes.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if timeout(CLEAN_UP, stop(&mut session, cancel)).await.is_err() {
                tracing::warn!(process = session.cancel_key().process(), "closing a session took too long");
            }
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
async fn stop(session: &mut Session, mut cancel: bool) {
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
        let Some(session) = &self.session else { return };
        if !session.is_quiet() {
            self.close(true);
        } else if session.is_spoiled() {
            self.close(false);
        } else if session.transaction() != TransactionState::None {
            let Some(mut session) = self.session.take() else { return };
            let Ok(runtime) = Handle::try_current() else {
                drop(Object::take(session));
                return;
            };
            runtime.spawn(async move {
                if !matches!(timeout(CLEAN_UP, session.rollback()).await, Ok(Ok(()))) {
                    drop(Object::take(session));
                }
            });
        }
    }
}

impl Deref for Checkout {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_deref().unwrap_or_else(|| unreachable!("the session leaves only with its guard"))
    }
}

impl DerefMut for Checkout {
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_deref_mut().unwrap_or_else(|| unreachable!("the session leaves only with its guard"))
    }
}

impl fmt::Debug for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout").field("session", &self.session.as_deref()).finish()
    }
}
