//! The one cache in front of a source.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Report, Result};

use crate::{Credential, CredentialProvider, CredentialSource, Generation};

/// When a cached credential is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    /// A credential counts as expired this long before it is. Default 40 s: Azure Databricks refuses tokens with 30 s or
    /// less to live.
    pub expiry_buffer: Duration,
    /// The last part of its life, in which a credential is renewed in the background: half of it, at most this long.
    /// Default 20 min.
    pub stale_window: Duration,
    /// How long to leave the source alone after a background renewal failed. Default 1 min.
    pub failure_pause: Duration,
    /// How long one renewal may take. Default 90 s: the source's own retries end after a minute.
    pub fetch_timeout: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            expiry_buffer: Duration::from_secs(40),
            stale_window: Duration::from_secs(20 * 60),
            failure_pause: Duration::from_secs(60),
            fetch_timeout: Duration::from_secs(90),
        }
    }
}

impl CacheOptions {
    /// A credential counts as expired this long before it is.
    #[must_use]
    pub fn with_expiry_buffer(mut self, time: Duration) -> Self {
        self.expiry_buffer = time;
        self
    }

    /// The longest last part of its life in which a credential is renewed in the background.
    #[must_use]
    pub fn with_stale_window(mut self, time: Duration) -> Self {
        self.stale_window = time;
        self
    }

    /// How long to leave the source alone after a background renewal failed.
    #[must_use]
    pub fn with_failure_pause(mut self, time: Duration) -> Self {
        self.failure_pause = time;
        self
    }

    /// How long one renewal may take.
    #[must_use]
    pub fn with_fetch_timeout(mut self, time: Duration) -> Self {
        self.fetch_timeout = time;
        self
    }
}

/// Keeps a credential while it is good, and renews it once for everybody who waits. Cheap to clone; clones share.
///
/// A renewal runs in a task of its own: a caller that goes away does not stop it for the others. While the credential
/// is stale but good, callers get it at once and the renewal goes on behind them; a renewal that fails then is not
/// tried again for a minute. When it has expired, callers wait.
#[derive(Clone, Debug)]
pub struct Cached(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Box<dyn CredentialSource>,
    options: CacheOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    handed_out: u64,
    flight: Option<Flight>,
    paused_until: Option<Instant>,
}

type Held = (Credential, Generation);
type Flight = watch::Receiver<Option<Result<Held>>>;

enum Life {
    Fresh,
    Stale,
    Expired,
}

impl Cached {
    /// Keeps what this source gives.
    pub fn new(source: impl CredentialSource) -> Self {
        Self::with_options(source, CacheOptions::default())
    }

    /// Keeps what this source gives, renewed as the options say.
    pub fn with_options(source: impl CredentialSource, options: CacheOptions) -> Self {
        Self(Arc::new(Inner { source: Box::new(source), options, state: Mutex::default() }))
    }

    /// What can be handed out at once, or the renewal to wait for.
    fn now_or_flight(&self) -> std::result::Result<Held, Flight> {
        let mut state = self.0.state();
        if let Some((credential, generation)) = &state.held {
            let held = (credential.clone(), *generation);
            match self.0.life(credential) {
                Life::Fresh => return Ok(held),
                Life::Stale => {
                    if state.paused_until.is_none_or(|until| until <= Instant::now()) {
                        self.flight(&mut state);
                    }
                    return Ok(held);
                }
                Life::Expired => {}
            }
        }
        Err(self.flight(&mut state))
    }

    /// The renewal under way, or a new one.
    fn flight(&self, state: &mut State) -> Flight {
        // A task that ended without a word, by panic or with its runtime, leaves a closed channel behind.
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (done, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let inner = self.0.clone();
        tokio::spawn(async move {
            let result = inner.renew().await;
            done.send_replace(Some(result));
        });
        flight
    }
}

impl Inner {
    async fn renew(&self) -> Result<Held> {
        let limit = self.options.fetch_timeout;
        let fetched = match tokio::time::timeout(limit, self.source.fetch()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("no credential within {limit:?}"))
                .with_fault(Fault::transient(Effect::None))
                .with_context("wait", "credential")),
        };
        let mut state = self.state();
        state.flight = None;
        match fetched {
            Ok(credential) => {
                state.handed_out += 1;
                let held = (credential, Generation(state.handed_out));
                state.held = Some(held.clone());
                state.paused_until = None;
                Ok(held)
            }
            Err(error) => {
                state.paused_until = Instant::now().checked_add(self.options.failure_pause);
                tracing::warn!(source = self.source.name(), error = %Report(&error), "no new credential");
                // Whoever wanted it has sent nothing yet, whatever became of the attempts to get it.
                let fault = Fault { effect: Effect::None, ..error.fault() };
                Err(error.with_fault(fault).with_context("credential source", self.source.name()))
            }
        }
    }

    fn life(&self, credential: &Credential) -> Life {
        let Some(expires_at) = credential.expires_at() else { return Life::Fresh };
        let left = expires_at.saturating_duration_since(Instant::now());
        let whole = expires_at.saturating_duration_since(credential.obtained_at());
        if left <= self.options.expiry_buffer {
            Life::Expired
        } else if left <= self.options.stale_window.min(whole / 2) {
            Life::Stale
        } else {
            Life::Fresh
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CredentialProvider for Cached {
    async fn credential(&self) -> Result<(Credential, Generation)> {
        let mut flight = match self.now_or_flight() {
            Ok(held) => return Ok(held),
            Err(flight) => flight,
        };
        match flight.wait_for(Option::is_some).await.map(|landed| landed.clone()) {
            Ok(Some(result)) => result,
            // The value cannot be absent; the channel closes when the task ends without a word.
            Ok(None) | Err(_) => Err(Error::new(ErrorKind::Internal, "obtaining a credential was broken off")
                .with_fault(Fault::transient(Effect::None))
                .with_context("credential source", self.0.source.name())),
        }
    }

    fn invalidate(&self, refused: Generation) {
        let mut state = self.0.state();
        if state.held.as_ref().is_some_and(|(_, held)| *held == refused) {
            state.held = None;
        }
    }

    fn name(&self) -> &'static str {
        self.0.source.name()
    }
}
