//! Files that travel past the workspace: uploads in parts and in pieces, and presigned links to the storage.

mod begin;
mod signer;
mod storage;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use tempfile::NamedTempFile;
use tokio::time::Instant;
use uuid::Uuid;

use self::signer::Signer;
pub(crate) use self::{begin::routes, storage::routes as storage_routes};
use super::{
    files::refusal,
    reply::{ApiError, ApiResult},
};
use crate::databricks::{
    engine::{Engine, VolumePath},
    quirks::Quirks,
};

/// An upload that nobody completes is forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(7 * 86400);

/// The uploads that were begun, and the key that links are signed with. Clones share them.
#[derive(Clone)]
pub(crate) struct Transfers(Arc<Inner>);

struct Inner {
    engine: Engine,
    signer: Signer,
    links_refuse_authorization: bool,
    link_lifetime: Duration,
    resumable: bool,
    uploads: Mutex<HashMap<String, Upload>>,
}

/// One upload.
struct Upload {
    path: VolumePath,
    overwrite: bool,
    begun: Instant,
    kind: Kind,
}

enum Kind {
    Parts(BTreeMap<u64, Part>),
    /// One piece at a time: whoever holds it writes.
    Pieces(Arc<Mutex<Pieces>>),
}

/// One part, as it came.
struct Part {
    file: NamedTempFile,
    size: u64,
    etag: String,
}

/// A file that comes piece by piece.
#[derive(Default)]
struct Pieces {
    file: Option<NamedTempFile>,
    received: u64,
    complete: bool,
}

impl Transfers {
    pub(crate) fn new(engine: Engine, quirks: &Quirks) -> Self {
        Self(Arc::new(Inner {
            engine,
            signer: Signer::new(),
            links_refuse_authorization: quirks.links_refuse_authorization,
            link_lifetime: quirks.link_lifetime,
            resumable: quirks.resumable_uploads,
            uploads: Mutex::default(),
        }))
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload and gives its token.
    fn begin(&self, path: VolumePath, overwrite: bool) -> String {
        let token = Uuid::new_v4().simple().to_string();
        let kind = if self.0.resumable { Kind::Pieces(Arc::default()) } else { Kind::Parts(BTreeMap::new()) };
        let mut uploads = self.uploads();
        uploads.retain(|_, upload| upload.begun.elapsed() < FORGOTTEN);
        uploads.insert(token.clone(), Upload { path, overwrite, begun: Instant::now(), kind });
        token
    }

    /// Looks at the upload of this token, which must be one to this path.
    fn with<T>(&self, token: &str, path: &VolumePath, look: impl FnOnce(&mut Upload) -> ApiResult<T>) -> ApiResult<T> {
        match self.uploads().get_mut(token) {
            Some(upload) if upload.path == *path => look(upload),
            _ => Err(no_upload()),
        }
    }
}

impl fmt::Debug for Transfers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers").field("resumable", &self.0.resumable).finish_non_exhaustive()
    }
}

fn no_upload() -> ApiError {
    let message = "The upload session is not known: it was completed, given up, or never begun.";
    refusal(StatusCode::NOT_FOUND, "NOT_FOUND", message, "FILES_API_UPLOAD_SESSION_NOT_FOUND")
}
