//! A server that is down is left alone for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::fault::FaultClass;

/// When a breaker opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// Transient faults in a row that open it. Default 10.
    pub faults: u32,
    /// How long it stays open before one probe is let through. Default 15 s.
    pub open_for: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { faults: 10, open_for: Duration::from_secs(15) }
    }
}

impl BreakerOptions {
    /// Transient faults in a row that open it; at least one.
    #[must_use]
    pub fn with_faults(mut self, faults: u32) -> Self {
        self.faults = faults.max(1);
        self
    }

    /// How long it stays open before one probe is let through.
    #[must_use]
    pub fn with_open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }
}

/// What a breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Lets it through.
    Closed,
    /// Lets one probe through at a time.
    HalfOpen,
    /// Turns it away.
    Open,
}

impl BreakerState {
    pub(super) fn gauge(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

/// The call was turned away; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// How long until a probe may go; `None` while one is under way.
    pub retry_after: Option<Duration>,
}

/// A circuit breaker: transient faults in a row open it; after a while one probe decides whether it closes again.
///
/// Only transient faults count. An error that the server took the trouble to explain shows that it is there.
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: BreakerOptions,
    circuit: Mutex<Circuit>,
}

#[derive(Debug)]
struct Circuit {
    state: State,
    /// Counts the changes of state, so that calls from before a change do not decide after it.
    era: u64,
}

#[derive(Debug)]
enum State {
    Closed { faults: u32 },
    Open { until: Instant },
    HalfOpen { probing: bool },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(options: BreakerOptions) -> Self {
        Self(Arc::new(Inner { options, circuit: Mutex::new(Circuit { state: State::Closed { faults: 0 }, era: 0 }) }))
    }

    /// Refuses what [`enter`](Self::enter) would refuse now, without taking the probe.
    ///
    /// # Errors
    ///
    /// [`Refusal`] while the breaker is open or its probe is under way.
    pub fn check(&self) -> Result<(), Refusal> {
        self.0.circuit().gate()
    }

    /// Lets a call through; in the half-open state as the one probe.
    ///
    /// # Errors
    ///
    /// [`Refusal`] while the breaker is open or its probe is under way.
    pub fn enter(&self) -> Result<Pass, Refusal> {
        let mut circuit = self.0.circuit();
        circuit.gate()?;
        let probe = match &mut circuit.state {
            State::HalfOpen { probing } => {
                *probing = true;
                true
            }
            State::Closed { .. } | State::Open { .. } => false,
        };
        let era = circuit.era;
        drop(circuit);
        Ok(Pass { breaker: self.0.clone(), era, probe, settled: false })
    }

    /// What it would do with the next call.
    pub fn state(&self) -> BreakerState {
        match self.0.circuit().state {
            State::Closed { .. } => BreakerState::Closed,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }
}

impl Inner {
    /// The circuit, with an open state that has lasted long enough turned half-open.
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(circuit.state, State::Open { until } if until <= Instant::now()) {
            circuit.change(State::HalfOpen { probing: false });
        }
        circuit
    }

    fn open(&self, circuit: &mut Circuit) {
        let now = Instant::now();
        let until = now.checked_add(self.options.open_for).unwrap_or(now);
        circuit.change(State::Open { until });
    }
}

impl Circuit {
    fn change(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }

    fn gate(&self) -> Result<(), Refusal> {
        match self.state {
            State::Closed { .. } | State::HalfOpen { probing: false } => Ok(()),
            State::HalfOpen { probing: true } => Err(Refusal { retry_after: None }),
            State::Open { until } => {
                Err(Refusal { retry_after: Some(until.saturating_duration_since(Instant::now())) })
            }
        }
    }
}

/// Leave to make one call. Dropped unsettled, it teaches nothing, and gives the probe back if it was one.
#[derive(Debug)]
#[must_use = "a pass must be settled with what became of the call"]
pub struct Pass {
    breaker: Arc<Inner>,
    era: u64,
    probe: bool,
    settled: bool,
}

impl Pass {
    /// Teaches the breaker how the call ended: `None` for success.
    pub fn settle(mut self, fault: Option<FaultClass>) {
        self.settled = true;
        let breaker = self.breaker.clone();
        let mut circuit = breaker.circuit();
        if circuit.era != self.era {
            return;
        }
        let failed = fault == Some(FaultClass::Transient);
        match &mut circuit.state {
            State::Closed { faults } if failed => {
                *faults += 1;
                if *faults >= breaker.options.faults {
                    breaker.open(&mut circuit);
                }
            }
            State::Closed { faults } => *faults = 0,
            State::HalfOpen { .. } if failed => breaker.open(&mut circuit),
            State::HalfOpen { .. } => circuit.change(State::Closed { faults: 0 }),
            State::Open { .. } => {}
        }
    }

    /// True if this call is the one probe of a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.probe
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.settled || !self.probe {
            return;
        }
        let mut circuit = self.breaker.circuit();
        if circuit.era == self.era
            && let State::HalfOpen { probing } = &mut circuit.state
        {
            *probing = false;
        }
    }
}
