//! The log: a line for each request and each statement, for whoever switches it on.
//!
//! Lines are events of `tracing` whose target is [`TARGET`]. Query strings are left out, for links are signed in them,
//! and so are headers and bodies; statements are masked.

use std::time::Instant;

use http::StatusCode;
use tracing::Level;

use super::mask::masked;
use crate::faults::{Call, FaultKind, Front};

/// The target of the events.
const TARGET: &str = "twinhouse_sandbox::log";
/// The longest statement that is logged whole.
const LONGEST: usize = 2_000;

/// A request that is being answered.
pub(crate) struct Line {
    front: Front,
    call: String,
    fault: Option<FaultKind>,
    began: Instant,
}

impl Line {
    /// Nothing, unless somebody listens.
    pub(crate) fn begin(call: &Call<'_>, fault: Option<FaultKind>) -> Option<Self> {
        tracing::enabled!(target: TARGET, Level::INFO).then(|| Self {
            front: call.front,
            call: format!("{} {}", call.method, call.path),
            fault,
            began: Instant::now(),
        })
    }

    pub(crate) fn end(self, status: StatusCode) {
        let took = self.began.elapsed();
        let fault = self.fault.map_or(String::new(), |kind| format!(" (fault: {})", kind.as_str()));
        tracing::info!(target: TARGET, "{} {} {} {took:.1?}{fault}", self.front, status.as_u16(), self.call);
    }
}

/// A statement that was taken.
pub(crate) fn statement(front: Front, sql: &str) {
    if tracing::enabled!(target: TARGET, Level::INFO) {
        let shown: String = masked(sql).chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
        tracing::info!(target: TARGET, "{front} SQL {shown}");
    }
}
