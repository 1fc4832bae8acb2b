//! Keys that open one folder of this machine, as a part of one bucket, for a while.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use twinhouse_core::Secret;

/// The bucket that only such keys open. It has no folder among the other buckets'.
pub(super) const BUCKET: &str = "unity-catalog";

/// How far a key reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Read,
    Write,
}

/// A key that was given out.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    pub(crate) token: Secret,
    pub(crate) expires: SystemTime,
    /// `s3://…`, what it opens.
    pub(crate) url: String,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    id: String,
    pub(super) secret: Secret,
    pub(super) token: Secret,
    expires: SystemTime,
    /// What keys of its objects begin with, without a slash at the end.
    prefix: String,
    reach: Reach,
}

impl Session {
    pub(super) fn has_expired(&self) -> bool {
        self.expires <= SystemTime::now()
    }

    pub(super) fn may_write(&self) -> bool {
        self.reach == Reach::Write
    }

    /// Whether the object is among those that it opens.
    pub(super) fn opens(&self, key: &str) -> bool {
        key.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The keys that were given out, and the folders behind them. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct SessionKeys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// A link for each folder: what the bucket holds.
    views: PathBuf,
    lifetime: Duration,
    sessions: Mutex<Vec<Session>>,
}

impl SessionKeys {
    /// Keys of the store over `root` that live so long.
    pub(crate) fn new(root: &Path, lifetime: Duration) -> Self {
        let views = root.join(super::files::HIDDEN).join("views");
        Self(Arc::new(Inner { views, lifetime, sessions: Mutex::default() }))
    }

    /// A key to what is in `folder` (only to what is `below` there), which appears in the bucket under `prefix`.
    pub(crate) fn issue(&self, prefix: &str, folder: &Path, below: &str, reach: Reach) -> io::Result<Issued> {
        self.link(prefix, folder)?;
        let word = || uuid::Uuid::new_v4().simple().to_string();
        let prefix = if below.is_empty() { prefix.to_owned() } else { format!("{prefix}/{below}") };
        let session = Session {
            id: format!("ASIA{}", &word().to_uppercase()[..16]),
            secret: Secret::new(format!("{}{}", word(), &word()[..8])),
            token: Secret::new(format!("{}{}", word(), word())),
            expires: SystemTime::now() + self.0.lifetime,
            prefix,
            reach,
        };
        let issued = Issued {
            id: session.id.clone(),
            secret: session.secret.clone(),
            token: session.token.clone(),
            expires: session.expires,
            url: format!("s3://{BUCKET}/{}", session.prefix),
        };
        let mut sessions = self.sessions();
        // Long after their end nobody asks any more why a key does not open.
        let day = Duration::from_secs(24 * 3600);
        sessions.retain(|known| known.expires + day > SystemTime::now());
        sessions.push(session);
        Ok(issued)
    }

    /// Has the folder appear under `prefix`.
    fn link(&self, prefix: &str, folder: &Path) -> io::Result<()> {
        let link = self.0.views.join(prefix);
        if fs::read_link(&link).is_ok_and(|target| target == folder) {
            return Ok(());
        }
        if let Some(parent) = link.parent() {
            fs::create_dir_all(parent)?;
        }
        // Made beside and moved into place: another request may do the same.
        let draft = link.with_file_name(format!(".{}", uuid::Uuid::new_v4().simple()));
        std::os::unix::fs::symlink(folder, &draft)?;
        fs::rename(&draft, &link)
    }

    /// The session of a key's id.
    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.sessions().iter().find(|session| session.id == id).cloned()
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
