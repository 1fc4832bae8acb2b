//! The storage behind the volumes, as an object store serves it: by links, in XML, without tokens.

use std::io::{self, Seek as _, SeekFrom, Write as _};

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
    // The file is taken out while it is written to: one piece at a time.
    let (path, overwrite, file, received) = {
        let mut uploads = transfers.uploads();
        let upload = uploads.get_mut(token).ok_or_else(no_such_upload)?;
        match &mut upload.kind {
            Kind::Pieces(Pieces::Complete) => return Ok(StatusCode::OK.into_response()),
            Kind::Pieces(Pieces::Coming { file, received }) => {
                (upload.path.clone(), upload.overwrite, file.take(), *received)
            }
            Kind::Parts(_) => return Err(no_such_upload()),
        }
    };
    let engine = transfers.0.engine.clone();
    let worked = blocking(move || Ok(append(&engine, file, received, &piece, draft).map(|grown| (grown, piece)))).await;
    let ((file, received), piece) = match worked.map_err(internal) {
        Ok(Ok(grown)) => grown,
        Ok(Err(refusal)) | Err(refusal) => return Err(refusal),
    };
    let complete = piece.total == Some(received);
    let file = if complete {
        let engine = transfers.0.engine.clone();
        finish(engine, path, file, overwrite).await?;
        None
    } else {
        file
    };
    if let Some(upload) = transfers.uploads().get_mut(token) {
        upload.kind = Kind::Pieces(if complete { Pieces::Complete } else { Pieces::Coming { file, received } });
    }
    let status = if complete { StatusCode::OK } else { StatusCode::PERMANENT_REDIRECT };
    let mut answer = status.into_response();
    if !complete && received > 0 {
        let range = format!("bytes=0-{}", received - 1).parse().map_err(internal)?;
        answer.headers_mut().insert(header::RANGE, range);
    }
    Ok(answer)
}

type Grown = (Option<NamedTempFile>, u64);

/// Appends a piece that begins where the last ended, or says how far that was.
fn append(
    engine: &Engine,
    file: Option<NamedTempFile>,
    received: u64,
    piece: &Piece,
    draft: Option<(NamedTempFile, u64, String)>,
) -> Result<Grown, Refusal> {
    let (Some((first, end)), Some((draft, size, _))) = (piece.range, draft) else { return Ok((file, received)) };
    if size != end - first {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", "The body is not as long as its range"));
    }
    if first > received || end <= received {
        return Ok((file, received));
    }
    let last = piece.total == Some(end);
    let keep = if last { end } else { (end / GRAIN * GRAIN).max(received) };
    let write = || -> io::Result<NamedTempFile> {
        let mut file = match file {
            Some(file) => file,
            None => {
                NamedTempFile::new_in(engine.uploads().map_err(|error| io::Error::other(error.text().to_owned()))?)?
            }
        };
        let mut from = draft.reopen()?;
        from.seek(SeekFrom::Start(received - first))?;
        file.as_file_mut().seek(SeekFrom::Start(received))?;
        io::copy(&mut io::Read::take(from, keep - received), file.as_file_mut())?;
        file.as_file_mut().flush()?;
        Ok(file)
    };
    Ok((Some(write().map_err(internal)?), keep))
}

async fn finish(engine: Engine, path: VolumePath, file: Option<NamedTempFile>, overwrite: bool) -> Result<(), Refusal> {
    let placed = blocking(move || {
        let file = match file {
            Some(file) => file,
            None => NamedTempFile::new_in(engine.uploads()?)?,
        };
        place(&engine, &path, file, overwrite)
    })
    .await;
    placed.map_err(|error| {
        if error.is_conflict() {
            let text = "At least one of the pre-conditions you specified did not hold.";
            return Refusal::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text);
        }
        internal(error)
    })
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
