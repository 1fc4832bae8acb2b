//! What there is to show, collected from the parts as they start.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use twinhouse_core::Secret;

use crate::{
    access::{DatabricksAccess, RedshiftAccess, S3Store},
    faults::Faults,
};

/// A warehouse that can be looked at.
#[async_trait]
pub(crate) trait Exhibit: fmt::Debug + Send + Sync {
    /// The names of its tables, and what each of them is.
    async fn tables(&self) -> Vec<(String, &'static str)>;

    /// Its statements, newest first.
    fn statements(&self) -> Vec<Shown>;
}

/// Something that runs jobs.
pub(crate) trait Runs: fmt::Debug + Send + Sync {
    /// The runs, newest first.
    fn runs(&self) -> Vec<Run>;
}

/// A statement as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) sql: String,
    pub(crate) state: State,
    pub(crate) word: String,
    pub(crate) began: SystemTime,
    pub(crate) ended: Option<SystemTime>,
}

/// A run of a job as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) word: String,
    pub(crate) began: SystemTime,
    pub(crate) ended: Option<SystemTime>,
}

/// How it goes: the colour of the word beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Busy,
    Good,
    Bad,
    Over,
}

impl State {
    /// The state behind a word of either service.
    pub(crate) fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "finished" | "succeeded" | "success" => Self::Good,
            "canceled" | "skipped" | "excluded" | "disabled" => Self::Over,
            bad if ["fail", "timedout", "error", "reached"].iter().any(|sign| bad.contains(sign)) => Self::Bad,
            _ => Self::Busy,
        }
    }
}

/// The board. Clones share it.
#[derive(Clone)]
pub(crate) struct Board(Arc<Inner>);

struct Inner {
    faults: Faults,
    s3: OnceLock<S3Store>,
    aws: OnceLock<String>,
    databricks: OnceLock<(DatabricksAccess, Arc<dyn Exhibit>)>,
    redshift: OnceLock<(RedshiftAccess, Arc<dyn Exhibit>)>,
    runs: OnceLock<Arc<dyn Runs>>,
    /// The word in the link that shows the secrets, until it is used.
    once: Mutex<Option<Secret>>,
}

impl Board {
    pub(crate) fn new(faults: Faults) -> Self {
        let once = Secret::new(uuid::Uuid::new_v4().simple().to_string());
        Self(Arc::new(Inner {
            faults,
            s3: OnceLock::new(),
            aws: OnceLock::new(),
            databricks: OnceLock::new(),
            redshift: OnceLock::new(),
            runs: OnceLock::new(),
            once: Mutex::new(Some(once)),
        }))
    }

    pub(crate) fn show_s3(&self, store: S3Store) {
        let _ = self.0.s3.set(store);
    }

    pub(crate) fn show_aws(&self, endpoint: String) {
        let _ = self.0.aws.set(endpoint);
    }

    pub(crate) fn show_databricks(&self, access: DatabricksAccess, exhibit: Arc<dyn Exhibit>) {
        let _ = self.0.databricks.set((access, exhibit));
    }

    pub(crate) fn show_redshift(&self, access: RedshiftAccess, exhibit: Arc<dyn Exhibit>) {
        let _ = self.0.redshift.set((access, exhibit));
    }

    /// The workspace's jobs; without them the page has no such section.
    pub(crate) fn show_runs(&self, runs: Arc<dyn Runs>) {
        let _ = self.0.runs.set(runs);
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    pub(super) fn s3(&self) -> Option<&S3Store> {
        self.0.s3.get()
    }

    pub(super) fn aws(&self) -> Option<&str> {
        self.0.aws.get().map(String::as_str)
    }

    pub(super) fn databricks(&self) -> Option<&(DatabricksAccess, Arc<dyn Exhibit>)> {
        self.0.databricks.get()
    }

    pub(super) fn redshift(&self) -> Option<&(RedshiftAccess, Arc<dyn Exhibit>)> {
        self.0.redshift.get()
    }

    pub(super) fn runs(&self) -> Option<&Arc<dyn Runs>> {
        self.0.runs.get()
    }

    /// The link that shows the secrets, once.
    pub(crate) fn link(&self, url: &str) -> Option<Secret> {
        let once = self.0.once.lock().unwrap_or_else(PoisonError::into_inner);
        once.as_ref().map(|word| Secret::new(format!("{url}/?once={}", word.expose())))
    }

    /// True for the word of the link, the first time.
    pub(super) fn spend(&self, word: &str) -> bool {
        let mut once = self.0.once.lock().unwrap_or_else(PoisonError::into_inner);
        let right = once.as_ref().is_some_and(|known| is_same(known.expose(), word));
        if right {
            *once = None;
        }
        right
    }

    /// True for the workspace's token.
    pub(super) fn knows(&self, token: &str) -> bool {
        self.databricks().is_some_and(|(access, _)| is_same(access.token.expose(), token))
    }
}

/// Compares digests: the time it takes tells nothing about the letters.
fn is_same(known: &str, given: &str) -> bool {
    Sha256::digest(known) == Sha256::digest(given)
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Board")
    }
}
