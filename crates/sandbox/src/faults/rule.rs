//! What shall go wrong, at which call.

use std::{fmt, time::Duration};

use twinhouse_core::{Error, Result};

/// Where the external links of the Databricks workspace lead to.
const LINKS: &str = "/links/";
/// The paths of links to files of volumes, and to parts of them.
const STORAGE: &str = "/storage/";
/// Where statements are submitted and asked about, and what answers with links.
const STATEMENTS: &str = "/sql/statements";
/// What starts a run of a job: `runs/submit` and `run-now`.
const RUNS: [&str; 2] = ["/jobs/runs/submit", "/jobs/run-now"];

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
    pub(super) const ALL: [Self; 4] = [Self::Databricks, Self::Redshift, Self::S3, Self::Aws];

    /// The name as it stands in messages and schedules.
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
    /// The answer is whole, but its head promises more bytes than there are; then the connection is closed in order.
    WrongLength,
    /// A link's file is cut short, in an answer that is whole as HTTP: behind an LZ4 frame where there are several,
    /// half-way where there is one. Only downloads count as calls.
    TruncatedArrow,
    /// The link is answered as a store answers one that has run out: 403, in XML. Only downloads count as calls.
    ExpiredLink,
    /// The links in the answer die earlier than they say. Only calls of statements count.
    EarlyLink {
        /// How long they live after all.
        after: Duration,
    },
    /// The token of this call is revoked: refused now and ever after, until the schedule is cleared. Only calls of the
    /// workspace's API count, not those that ask for a token.
    TokenRevoked,
    /// The temporary credentials of this call have run out: `ExpiredToken` in the words of the service. Only this call
    /// is refused.
    CredentialExpired,
    /// The warehouse is starting: the statement is taken and stays pending. Only submissions count as calls.
    WarehouseStarting {
        /// How long it takes.
        pause: Duration,
    },
    /// The run that this call starts never comes to an end by itself; a cancel ends it. Only calls that start a run
    /// count.
    JobStuck,
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
    /// The name as it stands in messages and schedules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Reset { .. } => "reset",
            Self::Truncated => "truncated",
            Self::Slow { .. } => "slow",
            Self::WrongLength => "wrong_length",
            Self::TruncatedArrow => "truncated_arrow",
            Self::ExpiredLink => "expired_link",
            Self::EarlyLink { .. } => "early_link",
            Self::TokenRevoked => "token_revoked",
            Self::CredentialExpired => "credential_expired",
            Self::WarehouseStarting { .. } => "warehouse_starting",
            Self::JobStuck => "job_stuck",
            Self::DiskFull => "disk_full",
            Self::DropIdle => "drop_idle",
            Self::KillBackend => "kill_backend",
            Self::SerializationConflict => "serialization_conflict",
        }
    }

    /// One of each, with its parameters at rest.
    pub(super) const ALL: [Self; 17] = [
        Self::Throttled { retry_after: None },
        Self::Unavailable { when: When::Before, retry_after: None },
        Self::Reset { when: When::Before },
        Self::Truncated,
        Self::Slow { pause: Duration::ZERO },
        Self::WrongLength,
        Self::TruncatedArrow,
        Self::ExpiredLink,
        Self::EarlyLink { after: Duration::ZERO },
        Self::TokenRevoked,
        Self::CredentialExpired,
        Self::WarehouseStarting { pause: Duration::ZERO },
        Self::JobStuck,
        Self::DiskFull,
        Self::DropIdle,
        Self::KillBackend,
        Self::SerializationConflict,
    ];

    /// The keys that a schedule may give it.
    pub(super) fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Throttled { .. } => &["retry_after"],
            Self::Unavailable { .. } => &["when", "retry_after"],
            Self::Reset { .. } => &["when"],
            Self::Slow { .. } | Self::WarehouseStarting { .. } => &["pause"],
            Self::EarlyLink { .. } => &["after"],
            _ => &[],
        }
    }

    fn fits(self, front: Front) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::Truncated
            | Self::Slow { .. }
            | Self::WrongLength => front != Front::Redshift,
            Self::TruncatedArrow
            | Self::ExpiredLink
            | Self::EarlyLink { .. }
            | Self::TokenRevoked
            | Self::WarehouseStarting { .. }
            | Self::JobStuck => front == Front::Databricks,
            Self::CredentialExpired => matches!(front, Front::S3 | Front::Aws),
            Self::Reset { .. } | Self::DropIdle => true,
            Self::DiskFull => front != Front::Aws,
            Self::KillBackend | Self::SerializationConflict => front == Front::Redshift,
        }
    }

    /// Whether this is a call that can fail in this way at all.
    fn concerns(self, call: &Call<'_>) -> bool {
        match self {
            Self::ExpiredLink => call.path.starts_with(LINKS) || call.path.starts_with(STORAGE),
            Self::TruncatedArrow => call.path.starts_with(LINKS),
            Self::EarlyLink { .. } => call.path.contains(STATEMENTS),
            Self::WarehouseStarting { .. } => {
                call.method == "POST" && call.path.trim_end_matches('/').ends_with(STATEMENTS)
            }
            Self::JobStuck => call.method == "POST" && RUNS.iter().any(|path| call.path.ends_with(path)),
            Self::TokenRevoked => call.path.starts_with("/api/"),
            _ => true,
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
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until it is scheduled"]
pub struct FaultRule {
    pub(super) front: Front,
    pub(super) kind: FaultKind,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) sql: Option<String>,
    pub(super) first: u64,
    pub(super) times: u64,
    pub(super) chance: Option<Chance>,
}

/// A throw of dice that falls the same way every time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chance {
    pub(super) of: f64,
    pub(super) seed: u32,
}

impl Chance {
    /// Whether the `seen`-th call is hit: the same for the same seed, whatever happened in between.
    fn hits(self, seen: u64) -> bool {
        // SplitMix64: neighbours in, no pattern out.
        let mut state = (u64::from(self.seed) << 32 ^ seen).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let share = ((state ^ (state >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        share < self.of
    }
}

impl FaultRule {
    /// The first call to this front fails, once; the setters narrow it down.
    pub fn new(front: Front, kind: FaultKind) -> Self {
        Self { front, kind, method: None, path: None, sql: None, first: 1, times: 1, chance: None }
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

    /// Only requests whose path contains this. AWS has one path: there it is the operation, such as
    /// `RedshiftData.ExecuteStatement` or `GetClusterCredentials`.
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

    /// Strikes only at a share of those calls, 0 to 1; which ones is drawn by the seed, and the same in every run.
    pub fn with_chance(mut self, of: f64, seed: u32) -> Self {
        self.chance = Some(Chance { of, seed });
        self
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
        if self.chance.is_some_and(|chance| !(0.0..=1.0).contains(&chance.of)) {
            return Err(Error::bad_setting("chance", "fault rule", "between 0 and 1"));
        }
        Ok(())
    }

    pub(super) fn reads_bodies(&self) -> bool {
        self.sql.is_some() || self.front == Front::Aws && self.path.is_some()
    }

    pub(super) fn matches(&self, call: &Call<'_>) -> bool {
        self.front == call.front
            && self.kind.concerns(call)
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(call.method))
            && self.path.as_ref().is_none_or(|part| call.path.contains(part.as_str()))
            && self.sql.as_ref().is_none_or(|part| call.sql.is_some_and(|sql| sql.contains(part.as_str())))
    }

    /// Where the `seen`-th matching call lies.
    pub(super) fn strikes(&self, seen: u64) -> bool {
        seen >= self.first && seen - self.first < self.times && self.chance.is_none_or(|chance| chance.hits(seen))
    }

    /// Whether no call after the `seen`-th can be struck.
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
