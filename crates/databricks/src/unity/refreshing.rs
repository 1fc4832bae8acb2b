//! A temporary credential that is renewed before it ends.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Report, Result};

use super::{CredentialScope, TemporaryCredentials, TemporaryCredentialsClient};

/// A credential is renewed this long before it ends.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// After a renewal failed, the credential that is still good is handed out for so long before the next try.
const PAUSE: Duration = Duration::from_secs(60);
/// With less than this left, a credential is not handed out: a request that is begun with it may not arrive in time.
const LAST: Duration = Duration::from_secs(30);

/// A key to storage that is always good: kept while it is, and renewed once for everybody who waits, five minutes before
/// it ends (or in the last half of its life, if that is shorter). Cheap to clone; clones share.
///
/// A renewal runs in a task of its own: a caller that goes away does not stop it for the others. If the service does
/// not renew a credential that is still good, callers get the old one until half a minute before its end.
///
/// ```no_run
/// use twinhouse_databricks::{DatabricksClient, unity::{CredentialScope, TableOperation, TemporaryCredential}};
///
/// # async fn example() -> twinhouse_core::Result<()> {
/// let catalog = DatabricksClient::from_env()?.catalog();
/// let table = catalog.tables().get("main.sales.orders").await?;
/// let scope = CredentialScope::table(table.table_id.unwrap_or_default(), TableOperation::Read);
/// let keys = catalog.temporary_credentials().refreshing(scope);
///
/// // Before each request to storage, as `CredentialProvider::get_credential` of the `object_store` crate does:
/// match &keys.current().await?.credential {
///     TemporaryCredential::Aws { access_key_id, secret_access_key, session_token, .. } => {
///         // AwsCredential { key_id: access_key_id.clone(), secret_key: secret_access_key.expose().into(), … }
/// #       let _ = (access_key_id, secret_access_key, session_token);
///     }
///     // Which cloud it is, the table says: the others have kinds of their own.
///     _ => {}
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RefreshingCredentials(Arc<Inner>);

struct Inner {
    client: TemporaryCredentialsClient,
    scope: CredentialScope,
    margin: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    flight: Option<Flight>,
    paused_until: Option<Instant>,
}

/// A credential, and when it is to be renewed and no longer handed out; `None`: never.
#[derive(Clone)]
struct Held {
    credentials: Arc<TemporaryCredentials>,
    until: Option<(Instant, Instant)>,
}

type Flight = watch::Receiver<Option<Result<Arc<TemporaryCredentials>>>>;

impl Held {
    fn new(credentials: Arc<TemporaryCredentials>, margin: Duration) -> Self {
        let until = credentials.time_left().map(|left| {
            let before = |margin: Duration| Instant::now() + left.saturating_sub(margin.min(left / 2));
            (before(margin), before(LAST))
        });
        Self { credentials, until }
    }

    fn is_fresh(&self) -> bool {
        self.until.is_none_or(|(renew, _)| Instant::now() < renew)
    }

    fn is_good(&self) -> bool {
        self.until.is_none_or(|(_, last)| Instant::now() < last)
    }
}

impl RefreshingCredentials {
    pub(super) fn new(client: TemporaryCredentialsClient, scope: CredentialScope) -> Self {
        Self(Arc::new(Inner { client, scope, margin: MARGIN, state: Mutex::default() }))
    }

    /// Renews so long before the end, in place of five minutes. What was fetched before is not shared with the result.
    #[must_use]
    pub fn with_margin(self, margin: Duration) -> Self {
        let Inner { client, scope, .. } = &*self.0;
        Self(Arc::new(Inner { client: client.clone(), scope: scope.clone(), margin, state: Mutex::default() }))
    }

    /// What it opens.
    pub fn scope(&self) -> &CredentialScope {
        &self.0.scope
    }

    /// A credential that is good now, and for a while.
    ///
    /// # Errors
    ///
    /// As [`TemporaryCredentialsClient::generate`], if there is none that is still good.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves a renewal that is under way to others.
    pub async fn current(&self) -> Result<Arc<TemporaryCredentials>> {
        let mut flight = {
            let mut state = self.0.state();
            let paused = state.paused_until.is_some_and(|until| Instant::now() < until);
            let usable = |held: &&Held| held.is_fresh() || (paused && held.is_good());
            if let Some(held) = state.held.as_ref().filter(usable) {
                return Ok(Arc::clone(&held.credentials));
            }
            self.flight(&mut state)
        };
        let landed = flight.wait_for(Option::is_some).await.map(|landed| landed.clone());
        let renewed = match landed {
            Ok(Some(renewed)) => renewed,
            // The value cannot be absent; the channel closes when the task ends without a word.
            Ok(None) | Err(_) => Err(Error::new(ErrorKind::Internal, "obtaining a credential was broken off")
                .with_fault(Fault::transient(Effect::None))),
        };
        match renewed {
            Ok(credentials) => Ok(credentials),
            Err(error) => {
                let state = self.0.state();
                let held = state.held.as_ref().filter(|held| held.is_good()).ok_or_else(|| error.clone())?;
                tracing::warn!(error = %Report(&error), "a temporary credential is not renewed yet");
                Ok(Arc::clone(&held.credentials))
            }
        }
    }

    /// Gives up a credential that storage has refused: the next call fetches another. One that was renewed in the
    /// meantime stays.
    pub fn invalidate(&self, refused: &Arc<TemporaryCredentials>) {
        let mut state = self.0.state();
        if state.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.credentials, refused)) {
            state.held = None;
        }
    }

    /// The renewal under way, or a new one.
    fn flight(&self, state: &mut State) -> Flight {
        // A task that ended without a word leaves a closed channel behind.
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (done, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let fetched = inner.client.generate(&inner.scope).await.map(Arc::new);
            {
                let mut state = inner.state();
                state.flight = None;
                state.paused_until = fetched.is_err().then(|| Instant::now() + PAUSE);
                if let Ok(credentials) = &fetched {
                    state.held = Some(Held::new(Arc::clone(credentials), inner.margin));
                }
            }
            done.send_replace(Some(fetched));
        });
        flight
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RefreshingCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshingCredentials")
            .field("scope", &self.0.scope)
            .field("margin", &self.0.margin)
            .finish_non_exhaustive()
    }
}
