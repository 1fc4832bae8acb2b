//! A file in one request.

use std::sync::PoisonError;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use twinhouse_core::{Effect, Error, ErrorKind, Result, resilience::Operation};

use super::{
    super::{
        download::{Download, DownloadRequest},
        options::DownloadRoute,
        source::{Again, Once, unreadable},
    },
    Target, UploadReport, UploadRoute,
};

/// Sends what can be read again.
pub(super) async fn again(target: &Target, source: &Again) -> Result<UploadReport> {
    let length = source.length();
    // Writing the same again is harmless; creating it again is told apart.
    let operation = Operation::read(if target.overwrite { "file.put" } else { "file.create" });
    let path = target.path.as_str();
    let sent = target.client.send_file(operation, path, target.overwrite, source.body(0, length)).await;
    match sent {
        Ok(()) => source.check_unchanged().await?,
        Err(error) if may_be_ours(target, &error) => {
            if !is_ours(target, source).await? {
                return Err(error);
            }
            tracing::debug!(path, "the answer to the creation of a file was lost; the file is ours");
        }
        Err(error) => return Err(error),
    }
    Ok(UploadReport { bytes: length, route: UploadRoute::Single, parts: 1 })
}

/// Sends what can be read once, some of which was read already.
pub(super) async fn once(target: &Target, source: Once, first: Bytes, length: u64) -> Result<UploadReport> {
    let (body, flaw) = source.into_body(first, length);
    let operation = Operation::write("file.put");
    let sent = target.client.send_file(operation, target.path.as_str(), target.overwrite, body).await;
    if let Some(flaw) = flaw.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(flaw);
    }
    sent?;
    Ok(UploadReport { bytes: length, route: UploadRoute::Single, parts: 1 })
}

/// True if the file that is in the way may have been made by an attempt whose answer was lost.
fn may_be_ours(target: &Target, error: &Error) -> bool {
    !target.overwrite
        && matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict)
        && error.fault().effect == Effect::Unknown
}

/// Compares the file that is there, byte by byte, with what was to be made.
async fn is_ours(target: &Target, source: &Again) -> Result<bool> {
    let options = target.options.clone().with_download_route(DownloadRoute::Workspace);
    let request = DownloadRequest::new(target.path.as_str());
    let mut theirs = Download::open(target.client.clone(), options, request).await?;
    if theirs.length().is_some_and(|length| length != source.length()) {
        return Ok(false);
    }
    let mut ours = source.open(0, source.length());
    let mut expected = Bytes::new();
    while let Some(mut piece) = theirs.try_next().await? {
        while !piece.is_empty() {
            if expected.is_empty() {
                match ours.next().await {
                    Some(more) => expected = more.map_err(unreadable)?,
                    None => return Ok(false),
                }
            }
            let both = piece.len().min(expected.len());
            if piece.split_to(both) != expected.split_to(both) {
                return Ok(false);
            }
        }
    }
    // Whatever is left of ours is missing there.
    loop {
        if !expected.is_empty() {
            return Ok(false);
        }
        match ours.next().await {
            Some(more) => expected = more.map_err(unreadable)?,
            None => return Ok(true),
        }
    }
}
