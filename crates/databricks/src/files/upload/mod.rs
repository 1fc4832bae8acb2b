//! Files on their way into a volume: in one request, in parts, or as a stream that can be taken up again.

mod feed;
mod parts;
mod resumable;
mod session;
mod single;

use bytes::Bytes;
use twinhouse_core::{Error, ErrorKind, Result};

use self::{feed::Feed, session::Session};
use super::{
    options::{LARGEST_REQUEST, TransferOptions},
    path::VolumePath,
    source::{Again, Kind, Once, UploadSource},
};
use crate::api::Client;

/// Reasons for which the service gives no links although it would take the file itself.
const NO_LINKS: [&str; 2] = ["FILES_API_API_IS_NOT_ENABLED", "FILES_API_REQUESTER_NETWORK_ZONE_UNKNOWN"];

/// A file to be made.
///
/// ```
/// use twinhouse_databricks::files::UploadRequest;
///
/// let request = UploadRequest::new("/Volumes/main/default/landing/a.csv", "a,b\n1,2\n").with_overwrite(true);
/// # let _ = request;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct UploadRequest {
    /// Where: `/Volumes/<catalog>/<schema>/<volume>/…`. Directories on the way are made.
    pub path: String,
    /// What.
    pub source: UploadSource,
    /// Whether a file that is there is replaced. Otherwise it is an error, [`ErrorKind::AlreadyExists`], and stays.
    pub overwrite: bool,
}

impl UploadRequest {
    /// This file, with these bytes. A file that is there stays.
    pub fn new(path: impl Into<String>, source: impl Into<UploadSource>) -> Self {
        Self { path: path.into(), source: source.into(), overwrite: false }
    }

    /// Replaces a file that is there.
    #[must_use]
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }
}

/// Which way an upload took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UploadRoute {
    /// One request to the workspace.
    Single,
    /// Parts, to the storage behind the volume.
    Multipart,
    /// Pieces of one stream, to the storage behind the volume.
    Resumable,
}

/// A file that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadReport {
    /// Its length.
    pub bytes: u64,
    /// Which way it took.
    pub route: UploadRoute,
    /// In how many parts, or pieces; 1 for a single request.
    pub parts: u64,
}

/// What all ways of uploading need to know.
#[derive(Clone)]
struct Target {
    client: Client,
    path: VolumePath,
    overwrite: bool,
    options: TransferOptions,
}

/// What became of an upload past the workspace.
enum Outcome {
    Done(UploadReport),
    /// Nothing has arrived, and nothing will: the workspace may take the file itself.
    Barred {
        why: Error,
        feed: Feed,
        first: Bytes,
    },
}

pub(super) async fn upload(client: Client, options: TransferOptions, request: UploadRequest) -> Result<UploadReport> {
    options.check()?;
    let target = Target { client, path: VolumePath::file(&request.path)?, overwrite: request.overwrite, options };
    let feed = match request.source.0 {
        Kind::Path(path) => Feed::again(Again::file(path).await?),
        Kind::Again(again) => Feed::again(again),
        Kind::Once { length, stream } => Feed::once(Once::new(length, stream)),
    };
    let part_size = target.options.part_size(feed.length())?;
    match feed {
        Feed::Again { source, .. } => {
            let sent = match source.length() < target.options.multipart_from {
                true => single::again(&target, &source).await,
                false => in_parts(&target, Feed::again(source.clone()), part_size, None).await,
            };
            match sent {
                // What broke off under way looks like a lost connection, whoever broke it off.
                Err(error) if error.kind() == ErrorKind::Connection => {
                    source.check_unchanged().await.map_err(|changed| changed.with_source(error.clone()))?;
                    Err(error)
                }
                sent => sent,
            }
        }
        Feed::Once { mut source, .. } => {
            let (first, last) = source.part(part_size).await?;
            if last {
                // Held whole already, so that it can be sent again.
                return single::again(&target, &Again::Bytes(first)).await;
            }
            in_parts(&target, Feed::once(source), part_size, Some(first)).await
        }
    }
}

async fn in_parts(target: &Target, feed: Feed, part_size: u64, first: Option<Bytes>) -> Result<UploadReport> {
    let feed = feed.with_parts(part_size, first);
    match begin(target, feed).await? {
        Outcome::Done(report) => Ok(report),
        Outcome::Barred { why, feed, first } => {
            let path = target.path.as_str();
            tracing::debug!(path, error = %why, "no way to the storage behind the volume, sending through the workspace");
            let too_large = |why: Error| {
                Err(Error::new(
                    why.kind(),
                    "the storage behind the volume cannot be reached, and the file is too large \
                    for one request to the workspace: it takes 5 GiB",
                )
                .with_context("path", path)
                .with_source(why))
            };
            match feed {
                Feed::Again { source, .. } if source.length() > LARGEST_REQUEST => too_large(why),
                Feed::Again { source, .. } => single::again(target, &source).await,
                Feed::Once { source, .. } => match source.length() {
                    None => Err(Error::new(
                        why.kind(),
                        "the storage behind the volume cannot be reached, and without a \
                        length the source cannot be sent through the workspace: say `with_length`",
                    )
                    .with_context("path", path)
                    .with_source(why)),
                    Some(length) if length > LARGEST_REQUEST => too_large(why),
                    Some(length) => single::once(target, source, first, length).await,
                },
            }
        }
    }
}

async fn begin(target: &Target, feed: Feed) -> Result<Outcome> {
    let begun = target.client.initiate_upload(target.path.as_str(), target.overwrite).await;
    let (begun, date) = match begun {
        Ok(begun) => begun,
        Err(why) if is_barred(&why) => return Ok(feed.barred(why)),
        Err(error) => return Err(error),
    };
    match (begun.multipart_upload, begun.resumable_upload) {
        (Some(upload), _) => parts::upload(Session::parts(target, upload.session_token, date), feed).await,
        (None, Some(upload)) => resumable::upload(Session::resumable(target, upload.session_token), feed).await,
        (None, None) => Err(Error::new(
            ErrorKind::Protocol,
            "the service began an upload neither in parts nor as a resumable stream",
        )),
    }
}

/// True if the service says that it gives no links here.
fn is_barred(error: &Error) -> bool {
    error.context("reason").is_some_and(|reason| NO_LINKS.contains(&reason))
}

/// True if the storage is out of reach, as seen by the first thing that was sent there.
fn is_unreachable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Connection)
        || (error.kind() == ErrorKind::Timeout && error.context("wait") == Some("connect"))
}
