//! Retries are paid for, so that a failing server does not get several times the load.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Thousandths of a retry: the ledger is kept in whole numbers, so that nothing is lost to rounding.
const RETRY: u64 = 1000;

/// How many retries a budget holds and what fills it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetOptions {
    /// The most retries it holds; it starts full. Default 100.
    pub capacity: u32,
    /// Retries earned by each call. Default 0.2: in the long run one retry for five calls.
    pub per_call: f64,
    /// Retries earned by each second that passes, so that a program of few calls is not left without. Default 1.
    pub per_second: f64,
}

impl Default for BudgetOptions {
    fn default() -> Self {
        Self { capacity: 100, per_call: 0.2, per_second: 1.0 }
    }
}

impl BudgetOptions {
    /// The most retries it holds.
    #[must_use]
    pub fn with_capacity(mut self, retries: u32) -> Self {
        self.capacity = retries;
        self
    }

    /// Retries earned by each call.
    #[must_use]
    pub fn with_per_call(mut self, retries: f64) -> Self {
        self.per_call = retries;
        self
    }

    /// Retries earned by each second that passes.
    #[must_use]
    pub fn with_per_second(mut self, retries: f64) -> Self {
        self.per_second = retries;
        self
    }
}

/// A token bucket of retries: every call pays in a little, every retry takes one out.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: u64,
    per_call: u64,
    per_second: u64,
    ledger: Mutex<Ledger>,
}

#[derive(Debug)]
struct Ledger {
    balance: u64,
    counted_to: Instant,
}

impl Budget {
    /// A full budget.
    pub fn new(options: BudgetOptions) -> Self {
        let capacity = u64::from(options.capacity) * RETRY;
        Self(Arc::new(Inner {
            capacity,
            per_call: thousandths(options.per_call),
            per_second: thousandths(options.per_second),
            ledger: Mutex::new(Ledger { balance: capacity, counted_to: Instant::now() }),
        }))
    }

    /// Pays in for one call.
    pub fn deposit(&self) {
        self.0.pay_in(self.0.per_call);
    }

    /// Takes one retry out, or refuses. What is not [spent](Withdrawal::spend) goes back.
    pub fn withdraw(&self) -> Option<Withdrawal> {
        let mut ledger = self.0.ledger();
        ledger.balance = ledger.balance.checked_sub(RETRY)?;
        drop(ledger);
        Some(Withdrawal { budget: Some(self.0.clone()) })
    }

    /// Whole retries that could be taken out now.
    pub fn available(&self) -> u64 {
        self.0.ledger().balance / RETRY
    }
}

impl Inner {
    fn pay_in(&self, amount: u64) {
        let mut ledger = self.ledger();
        ledger.balance = (ledger.balance + amount).min(self.capacity);
    }

    /// The ledger with the time that has passed booked in.
    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if self.per_second == 0 || ledger.balance >= self.capacity {
            ledger.counted_to = now;
            return ledger;
        }
        let passed = now.saturating_duration_since(ledger.counted_to).as_nanos();
        let earned = passed * u128::from(self.per_second) / 1_000_000_000;
        if earned > 0 {
            // Only the time that the whole thousandths stand for is used up; the rest counts next time.
            let used = earned * 1_000_000_000 / u128::from(self.per_second);
            ledger.counted_to += Duration::from_nanos(u64::try_from(used).unwrap_or(u64::MAX));
            let earned = u64::try_from(earned).unwrap_or(u64::MAX);
            ledger.balance = ledger.balance.saturating_add(earned).min(self.capacity);
        }
        ledger
    }
}

fn thousandths(retries: f64) -> u64 {
    // `as` saturates, and turns what is not a number into zero.
    (retries * RETRY as f64) as u64
}

/// One retry, taken out of a [`Budget`]. Dropped unspent, it goes back.
#[derive(Debug)]
#[must_use = "a withdrawal that is dropped goes back to the budget"]
pub struct Withdrawal {
    budget: Option<Arc<Inner>>,
}

impl Withdrawal {
    /// The retry is being made.
    pub fn spend(mut self) {
        self.budget = None;
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.pay_in(RETRY);
        }
    }
}
