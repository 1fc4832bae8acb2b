//! How long to wait between attempts.

use std::time::Duration;

/// Exponential back-off with full jitter: the wait before retry `n` is drawn evenly from zero to
/// `base * 2^(n-1)`, at most `cap`.
///
/// Full jitter spreads clients that failed together more evenly than a fixed wait with a little noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Back-off that starts at `base` and never waits longer than `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The longest wait before this retry; `retry` counts from 1.
    pub fn ceiling(&self, retry: u32) -> Duration {
        let factor = 1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// Draws the wait before this retry; `retry` counts from 1.
    pub fn draw(&self, retry: u32, random: &mut fastrand::Rng) -> Duration {
        self.ceiling(retry).mul_f64(random.f64())
    }
}

impl Default for Backoff {
    /// 100 ms, at most 10 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_never_overflows() {
        let backoff = Backoff::default();
        assert_eq!(backoff.ceiling(1), Duration::from_millis(100));
        assert_eq!(backoff.ceiling(2), Duration::from_millis(200));
        assert_eq!(backoff.ceiling(7), Duration::from_millis(6400));
        assert_eq!(backoff.ceiling(8), Duration::from_secs(10));
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(10));
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let backoff = Backoff::default();
        let mut random = fastrand::Rng::with_seed(7);
        let draws: Vec<_> = (0..1000).map(|_| backoff.draw(3, &mut random)).collect();
        assert!(draws.iter().all(|wait| *wait <= backoff.ceiling(3)));
        assert!(draws.iter().any(|wait| *wait < Duration::from_millis(40)));
        assert!(draws.iter().any(|wait| *wait > Duration::from_millis(360)));
    }
}
