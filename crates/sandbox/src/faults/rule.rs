//! What shall go wrong, at which call.

use std::{fmt, time::Duration};

use twinhouse_core::{Error, Result};

/// Where the external links of the Databricks workspace lead to.
const LINKS: &str = "/links/";

/// A server of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Front {
    /// The Databricks workspace.
    Databricks,
    /// The Redshift cluster.
    Redshift,
    /// The S3 store for staging.
    S3,
    /// AWS around the cluster: credentials and secrets.
    Aws,
}

impl Front {
    /// The name as it stands in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Databricks => "databricks",
            Self::Redshift => "redshift",
            Self::S3 => "s3",
            Self::Aws => "aws",
        }
    }
}

impl fmt::Display for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// On which side of the work the fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// Nothing was done.
    #[default]
    Before,
    /// Everything was done, and only the answer is lost.
    After,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// 429 (S3: 503 `SlowDown`). Nothing was done.
    Throttled {
        /// Sent as `Retry-After`, rounded up to whole seconds; left out if `None`.
        retry_after: Option<Duration>,
    },
    /// 503.
    Unavailable {
        /// Before or after the work.
        when: When,
        /// Sent as `Retry-After`, rounded up to whole seconds; left out if `None`.
        retry_after: Option<Duration>,
    },
    /// The connection is reset (TCP RST) instead of an answer.
    Reset {
        /// Before or after the work.
        when: When,
    },
    /// The answer stops half-way through its body, and the connection is reset.
    Truncated,
    /// The body of the answer comes in small pieces.
    Slow {
        /// The wait before each piece.
        pause: Duration,
    },
    /// The link is answered as a store answers one that has run out: 403, in XML. Only downloads count as calls.
    ExpiredLink,
    /// The disk is full: an upload is taken in and then refused, a statement fails.
    DiskFull,
    /// The answer arrives in full; then the connection dies without a word, as behind a load balancer.
    DropIdle,
    /// The PostgreSQL process behind the session is terminated while the statement runs.
    KillBackend,
    /// The statement fails with Redshift's serialization conflict: SQLSTATE XX000, message `1023`.
    SerializationConflict,
}

impl FaultKind {
    /// The name as it stands in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Reset { .. } => "reset",
            Self::Truncated => "truncated",
            Self::Slow { .. } => "slow",
            Self::ExpiredLink => "expired link",
            Self::DiskFull => "disk full",
            Self::DropIdle => "drop idle",
            Self::KillBackend => "kill backend",
            Self::SerializationConflict => "serialization conflict",
        }
    }

    fn fits(self, front: Front) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::Truncated | Self::Slow { .. } => {
                front != Front::Redshift
            }
            Self::ExpiredLink => front == Front::Databricks,
            Self::Reset { .. } | Self::DropIdle => true,
            Self::DiskFull => front != Front::Aws,
            Self::KillBackend | Self::SerializationConflict => front == Front::Redshift,
        }
    }
}

/// One scheduled fault: where, at which of the matching calls, and what.
///
/// ```
/// use twinhouse_sandbox::{FaultKind, FaultRule};
///
/// // The second and third submit of an INSERT are turned away.
/// let rule = FaultRule::databricks(FaultKind::Throttled { retry_after: None })
///     .with_method("POST")
///     .with_path("/api/2.0/sql/statements")
///     .with_sql("INSERT INTO")
///     .on_call(2)
///     .times(2);
/// # let _ = rule;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until it is scheduled"]
pub struct FaultRule {
    pub(super) front: Front,
    pub(super) kind: FaultKind,
    method: Option<String>,
    path: Option<String>,
    sql: Option<String>,
    first: u64,
    times: u64,
}

impl FaultRule {
    /// The first call to this front fails, once; the setters narrow it down.
    pub fn new(front: Front, kind: FaultKind) -> Self {
        Self { front, kind, method: None, path: None, sql: None, first: 1, times: 1 }
    }

    /// A fault of the Databricks workspace.
    pub fn databricks(kind: FaultKind) -> Self {
        Self::new(Front::Databricks, kind)
    }

    /// A fault of the downloads behind the workspace's external links.
    pub fn links(kind: FaultKind) -> Self {
        Self::databricks(kind).with_path(LINKS)
    }

    /// A fault of the Redshift cluster.
    pub fn redshift(kind: FaultKind) -> Self {
        Self::new(Front::Redshift, kind)
    }

    /// A fault of the S3 store.
    pub fn s3(kind: FaultKind) -> Self {
        Self::new(Front::S3, kind)
    }

    /// A fault of AWS around the cluster.
    pub fn aws(kind: FaultKind) -> Self {
        Self::new(Front::Aws, kind)
    }

    /// Only requests with this HTTP method, in any case.
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only requests whose path contains this.
    pub fn with_path(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Only statements whose text contains this, as written.
    pub fn with_sql(mut self, part: impl Into<String>) -> Self {
        self.sql = Some(part.into());
        self
    }

    /// Strikes first at the `n`-th matching call; 1 is the first.
    pub fn on_call(mut self, n: u64) -> Self {
        self.first = n;
        self
    }

    /// Strikes at this many matching calls in a row.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Strikes at every matching call from the first on.
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    pub(super) fn check(&self) -> Result<()> {
        if !self.kind.fits(self.front) {
            return Err(Error::unsupported(
                "sandbox",
                format!("{} cannot fail with `{}`", self.front, self.kind.as_str()),
            ));
        }
        if self.front == Front::Redshift && (self.method.is_some() || self.path.is_some()) {
            return Err(Error::unsupported("sandbox", "redshift has neither HTTP methods nor paths to filter by"));
        }
        if matches!(self.front, Front::S3 | Front::Aws) && self.sql.is_some() {
            return Err(Error::unsupported("sandbox", format!("{} has no SQL to filter by", self.front)));
        }
        if self.first == 0 {
            return Err(Error::bad_setting("on_call", "fault rule", "1 or more"));
        }
        Ok(())
    }

    pub(super) fn reads_sql(&self) -> bool {
        self.sql.is_some()
    }

    pub(super) fn matches(&self, call: &Call<'_>) -> bool {
        self.front == call.front
            && (self.kind != FaultKind::ExpiredLink || call.path.starts_with(LINKS))
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(call.method))
            && self.path.as_ref().is_none_or(|part| call.path.contains(part.as_str()))
            && self.sql.as_ref().is_none_or(|part| call.sql.is_some_and(|sql| sql.contains(part.as_str())))
    }

    /// Where the `seen`-th matching call lies.
    pub(super) fn strikes(&self, seen: u64) -> bool {
        seen >= self.first && seen - self.first < self.times
    }

    pub(super) fn is_spent(&self, seen: u64) -> bool {
        seen.saturating_add(1) >= self.first.saturating_add(self.times)
    }
}

/// One call as a front sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) front: Front,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) sql: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A statement on the PostgreSQL wire.
    pub(crate) fn statement(sql: &'a str) -> Self {
        Self { front: Front::Redshift, method: "", path: "", sql: Some(sql) }
    }
}
