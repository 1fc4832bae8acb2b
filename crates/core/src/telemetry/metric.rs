//! Names of the counters, histograms and gauges, and the labels they carry.

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge, histogram};

/// Calls made through a policy, by `outcome` (`ok` or the kind of the error). Counter.
pub const CALLS: &str = "twinhouse_calls_total";
/// Attempts made; a call without retries is one attempt. Counter.
pub const ATTEMPTS: &str = "twinhouse_attempts_total";
/// Attempts after the first. Counter.
pub const RETRIES: &str = "twinhouse_retries_total";
/// Retries not made because the budget was empty. Counter.
pub const RETRIES_REFUSED: &str = "twinhouse_retries_refused_total";
/// Times a server asked us to slow down. Counter.
pub const THROTTLES: &str = "twinhouse_throttles_total";
/// State of a breaker: 0 closed, 1 half-open, 2 open. Gauge.
pub const BREAKER_STATE: &str = "twinhouse_breaker_state";
/// Calls a breaker turned away. Counter.
pub const BREAKER_REFUSALS: &str = "twinhouse_breaker_refusals_total";
/// Requests per second that a limiter allows at the moment. Gauge.
pub const LIMITER_RATE: &str = "twinhouse_limiter_rate";
/// Time spent waiting for a limiter. Histogram, seconds.
pub const LIMITER_WAIT: &str = "twinhouse_limiter_wait_seconds";
/// Time of a whole call, waits included. Histogram, seconds.
pub const CALL_SECONDS: &str = "twinhouse_call_seconds";
/// Time of a statement from its submission until its last row was read or nobody wanted more, by `outcome`: `ok`, the kind
/// of the error, or `dropped` where nobody waited for results. Histogram, seconds.
pub const STATEMENT_SECONDS: &str = "twinhouse_statement_seconds";
/// Rows read from, or written to, a warehouse. Counter.
pub const ROWS: &str = "twinhouse_rows_total";
/// Bytes read from, or written to, a warehouse. Counter.
pub const BYTES: &str = "twinhouse_bytes_total";

/// Which backend: `databricks`, `redshift`.
pub const BACKEND: &str = "backend";
/// Which server.
pub const HOST: &str = "host";
/// Which class of endpoints.
pub const CLASS: &str = "class";
/// Which operation, for example `statement.status`.
pub const OPERATION: &str = "operation";
/// How it ended: `ok`, or the name of the error's kind.
pub const OUTCOME: &str = "outcome";
/// `in` for what was read, `out` for what was written.
pub const DIRECTION: &str = "direction";

/// Which way data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the warehouse to us.
    Read,
    /// From us to the warehouse.
    Written,
}

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "in",
            Self::Written => "out",
        }
    }
}

/// Counts rows and bytes that went over the wire.
pub fn transferred(backend: &'static str, direction: Direction, rows: u64, bytes: u64) {
    counter!(ROWS, BACKEND => backend, DIRECTION => direction.as_str()).increment(rows);
    counter!(BYTES, BACKEND => backend, DIRECTION => direction.as_str()).increment(bytes);
}

/// The labels of everything that is counted for one class of endpoints of one server.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) backend: &'static str,
    pub(crate) host: Arc<str>,
    pub(crate) class: &'static str,
}

impl Labels {
    pub(crate) fn count(&self, name: &'static str) {
        counter!(name, BACKEND => self.backend, HOST => self.host.clone(), CLASS => self.class).increment(1);
    }

    pub(crate) fn set(&self, name: &'static str, value: f64) {
        gauge!(name, BACKEND => self.backend, HOST => self.host.clone(), CLASS => self.class).set(value);
    }

    pub(crate) fn waited(&self, name: &'static str, time: Duration) {
        histogram!(name, BACKEND => self.backend, HOST => self.host.clone(), CLASS => self.class).record(time);
    }

    pub(crate) fn called(&self, operation: &'static str, outcome: &'static str, time: Duration) {
        counter!(CALLS, BACKEND => self.backend, HOST => self.host.clone(), OPERATION => operation, OUTCOME => outcome)
            .increment(1);
        histogram!(CALL_SECONDS, BACKEND => self.backend, HOST => self.host.clone(), OPERATION => operation)
            .record(time);
    }
}
