//! The storage behind the volumes, as an object store serves it: by links, in XML, without tokens.

use std::{
    io::{self, Seek as _, SeekFrom, Write as _},
    sync::{Arc, PoisonError},
};

use axum::{
    Router,
    body::{Body, BodyDataStream},
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get, put},
};
use futures::StreamExt as _;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use super::{
    Kind, Part, Pieces, Transfers,
    signer::{Refusal, hex},
};
use crate::databricks::{
    api::{
        files::{self, blocking, place},
        reply::drain,
    },
    engine::{Engine, VolumePath},
};

/// The most that one part may have.
const LARGEST_PART: u64 = 5 << 30;
/// A piece that is not the last is kept in multiples of this; what is beyond is to be sent again.
const GRAIN: u64 = 256 << 10;

/// What links lead to.
pub(crate) fn routes(transfers: Transfers) -> Router {
    Router::new()
        .route("/storage/parts/{upload}/{part}", put(put_part))
        .route("/storage/parts/{upload}", delete(give_up))
        .route("/storage/pieces/{upload}", put(put_piece).delete(cancel))
        .route("/storage/files/{*path}", get(read))
        .with_state(transfers)
}

type Answer = Result<Response, Refusal>;

impl Transfers {
    /// Only whoever has a good link, and nothing but that.
    fn admit(&self, method: &str, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.0.links_refuse_authorization && headers.contains_key(header::AUTHORIZATION) {
            let text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", text));
        }
        self.0.signer.check(method, uri)
    }
}

fn no_such_upload() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NoSuchUpload", "The specified upload does not exist.")
}

fn internal(error: impl std::fmt::Debug) -> Refusal {
    tracing::warn!(?error, "the storage failed");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error.")
}

async fn put_part(
    State(transfers): State<Transfers>,
    Path((upload, part)): Path<(String, u64)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut body = body.into_data_stream();
    let taken = async {
        transfers.admit("PUT", &uri, &headers)?;
        if !headers.contains_key(header::CONTENT_LENGTH) {
            let text = "You must provide the Content-Length HTTP header.";
            return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", text));
        }
        if !transfers.uploads().contains_key(&upload) {
            return Err(no_such_upload());
        }
        let (file, size, etag) = take(&transfers.0.engine, &mut body).await?;
        let answer = ([(header::ETAG, etag.clone())], StatusCode::OK).into_response();
        match transfers.uploads().get_mut(&upload).map(|upload| &mut upload.kind) {
            Some(Kind::Parts(parts)) => {
                // The same part again replaces it.
                parts.insert(part, Part { file, size, etag });
                Ok(answer)
            }
            _ => Err(no_such_upload()),
        }
    };
    match taken.await {
        Ok(answer) => answer,
        Err(refusal) => {
            drain(&mut body, LARGEST_PART as usize).await;
            refusal.into_response()
        }
    }
}

/// Takes a body in beside the volumes. Dropping the future leaves nothing behind.
async fn take(engine: &Engine, body: &mut BodyDataStream) -> Result<(NamedTempFile, u64, String), Refusal> {
    let folder = engine.uploads().map_err(internal)?;
    let draft = NamedTempFile::new_in(folder).map_err(internal)?;
    let mut file = tokio::fs::File::from_std(draft.as_file().try_clone().map_err(internal)?);
    let (mut size, mut hash) = (0, Sha256::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| {
            let text = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
            Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody", text)
        })?;
        size += chunk.len() as u64;
        if size > LARGEST_PART {
            let text = "Your proposed upload exceeds the maximum allowed size.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "EntityTooLarge", text));
        }
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(internal)?;
    }
    file.flush().await.map_err(internal)?;
    let etag = format!("\"{}\"", &hex(&hash.finalize())[..32]);
    Ok((draft, size, etag))
}

async fn give_up(
    State(transfers): State<Transfers>,
    Path(upload): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    transfers.admit("DELETE", &uri, &headers)?;
    let gone = transfers.uploads().remove(&upload);
    match gone {
        Some(_) => Ok(StatusCode::OK.into_response()),
        None => Err(no_such_upload()),
    }
}

/// That store's word for yes.
async fn cancel(
    State(transfers): State<Transfers>,
    Path(upload): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    transfers.admit("ANY", &uri, &headers)?;
    let gone = transfers.uploads().remove(&upload);
    let status = StatusCode::from_u16(499).map_err(internal)?;
    if gone.is_some() { Ok(status.into_response()) } else { Err(no_such_upload()) }
}

/// What a `Content-Range` says.
struct Piece {
    /// The first byte and the one after the last; `None` only asks.
    range: Option<(u64, u64)>,
    total: Option<u64>,
}

impl Piece {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let (range, total) =
            headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        let range = match range.split_once('-') {
            None if range == "*" => None,
            None => return None,
            Some((first, last)) => {
                let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                (first <= last).then_some(())?;
                Some((first, last + 1))
            }
        };
        Some(Self { range, total })
    }
}

async fn put_piece(
    State(transfers): State<Transfers>,
    Path(upload): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut body = body.into_data_stream();
    match take_piece(&transfers, &upload, &uri, &headers, &mut body).await {
        Ok(answer) => answer,
        Err(refusal) => {
            drain(&mut body, LARGEST_PART as usize).await;
            refusal.into_response()
        }
    }
}

async fn take_piece(
    transfers: &Transfers,
    token: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Answer {
    transfers.admit("ANY", uri, headers)?;
    let bad = |text: &str| Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", text);
    let piece = Piece::of(headers).ok_or_else(|| bad("Content-Range is missing or malformed"))?;
    let draft = match piece.range {
        Some(_) => Some(take(&transfers.0.engine, body).await?),
        None => None,
    };
    if let (Some((first, end)), Some((_, size, _))) = (piece.range, &draft)
        && *size != end - first
    {
        return Err(bad("The body is not as long as its range"));
    }
    let (path, overwrite, pieces) = {
        let uploads = transfers.uploads();
        let upload = uploads.get(token).ok_or_else(no_such_upload)?;
        let Kind::Pieces(pieces) = &upload.kind else { return Err(no_such_upload()) };
        (upload.path.clone(), upload.overwrite, Arc::clone(pieces))
    };
    let engine = transfers.0.engine.clone();
    let draft = draft.map(|(file, ..)| file);
    // On a thread of its own, where it goes on although the client may have gone.
    let work = move || {
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(pieces.take_in(&engine, &piece, draft).and_then(|()| {
            pieces.finish(&engine, &piece, &path, overwrite)?;
            Ok((pieces.complete, pieces.received))
        }))
    };
    let (complete, received) = match blocking(work).await {
        Ok(taken) => taken?,
        Err(error) => return Err(internal(error)),
    };
    if complete {
        return Ok(StatusCode::OK.into_response());
    }
    let mut answer = StatusCode::PERMANENT_REDIRECT.into_response();
    if received > 0 {
        let range = format!("bytes=0-{}", received - 1).parse().map_err(internal)?;
        answer.headers_mut().insert(header::RANGE, range);
    }
    Ok(answer)
}

impl Pieces {
    /// Appends what continues the file. A gap is not filled, and nothing is taken twice.
    fn take_in(&mut self, engine: &Engine, piece: &Piece, draft: Option<NamedTempFile>) -> Result<(), Refusal> {
        let (Some((first, end)), Some(draft), false) = (piece.range, draft, self.complete) else { return Ok(()) };
        if first > self.received || end <= self.received {
            return Ok(());
        }
        let last = piece.total == Some(end);
        let keep = if last { end } else { (end / GRAIN * GRAIN).max(self.received) };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(NamedTempFile::new_in(engine.uploads().map_err(internal)?).map_err(internal)?),
        };
        let mut append = || -> io::Result<()> {
            let mut from = draft.reopen()?;
            from.seek(SeekFrom::Start(self.received - first))?;
            file.as_file_mut().seek(SeekFrom::Start(self.received))?;
            io::copy(&mut io::Read::take(from, keep - self.received), file.as_file_mut())?;
            file.as_file_mut().flush()
        };
        append().map_err(internal)?;
        self.received = keep;
        Ok(())
    }

    /// Makes the file, if this was the last of it.
    fn finish(&mut self, engine: &Engine, piece: &Piece, path: &VolumePath, overwrite: bool) -> Result<(), Refusal> {
        if self.complete || piece.total != Some(self.received) {
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => NamedTempFile::new_in(engine.uploads().map_err(internal)?).map_err(internal)?,
        };
        if let Err(error) = place(engine, path, file, overwrite) {
            // What came is gone with it: such an upload has to be begun again.
            self.received = 0;
            if error.is_conflict() {
                let text = "At least one of the pre-conditions you specified did not hold.";
                return Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text));
            }
            return Err(internal(error));
        }
        self.complete = true;
        Ok(())
    }
}

async fn read(State(transfers): State<Transfers>, method: Method, uri: Uri, headers: HeaderMap) -> Answer {
    transfers.admit(method.as_str(), &uri, &headers)?;
    let path = files::volume_path(&uri, "/storage/files").map_err(internal)?;
    files::send(transfers.0.engine.clone(), path, &headers, true).await.map_err(|error| match error.status() {
        StatusCode::NOT_FOUND => Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist."),
        StatusCode::PRECONDITION_FAILED => {
            let text = "At least one of the pre-conditions you specified did not hold";
            Refusal::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text)
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let text = "The requested range is not satisfiable";
            Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", text)
        }
        _ => internal(error),
    })
}
