//! Where the clients of one server find the budget, limiter and breaker that they share.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{Breaker, BreakerOptions, Budget, BudgetOptions, Limiter, Rate};
use crate::telemetry::metric::Labels;

/// State shared by every policy for the same backend, host and class of endpoints.
///
/// Who asks first decides the settings; later policies for the same server join what is there. Entries are kept: a
/// program that makes a new client for each call is limited like one that keeps its client.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<HashMap<Key, Arc<Shared>>>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    backend: &'static str,
    host: Arc<str>,
    class: &'static str,
}

/// What the clients of one class of endpoints of one server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) budget: Budget,
    pub(super) limiter: Limiter,
    pub(super) breaker: Breaker,
    pub(super) labels: Labels,
}

impl Registry {
    /// An empty registry of one's own, for tests and for programs that want servers kept apart.
    pub fn new() -> Self {
        Self::default()
    }

    /// The registry of the whole process.
    pub fn global() -> Self {
        static GLOBAL: OnceLock<Registry> = OnceLock::new();
        GLOBAL.get_or_init(Self::new).clone()
    }

    pub(super) fn shared(
        &self,
        backend: &'static str,
        host: &Arc<str>,
        class: &'static str,
        settings: (BudgetOptions, Rate, BreakerOptions),
    ) -> Arc<Shared> {
        let key = Key { backend, host: host.clone(), class };
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (budget, rate, breaker) = settings;
        let new = || {
            Arc::new(Shared {
                budget: Budget::new(budget),
                limiter: Limiter::new(rate),
                breaker: Breaker::new(breaker),
                labels: Labels { backend, host: host.clone(), class },
            })
        };
        servers.entry(key).or_insert_with(new).clone()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(servers.keys()).finish()
    }
}
