//! Answers whose bodies go wrong on the way.

use std::{io, time::Duration};

use axum::{
    body::{Body, HttpBody, to_bytes},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::socket::Switch;

/// A slow body comes in this many pieces.
const SLOW_PIECES: usize = 8;
/// What an LZ4 frame begins with.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4D, 0x18];

/// Sends the head, half of the body, and then an end that is none.
pub(super) fn truncated(response: Response, switch: &Switch) -> Response {
    let (mut parts, body) = response.into_parts();
    let total = declared_length(&mut parts.headers, &body);
    if total == Some(0) {
        switch.reset();
        return Response::from_parts(parts, Body::empty());
    }
    let left = total.map(|total| (total / 2) as usize);
    let half = body.into_data_stream().scan(left, |left, chunk| {
        let kept = match chunk {
            Ok(chunk) => {
                let room = left.get_or_insert(chunk.len() / 2);
                let kept = chunk.slice(..chunk.len().min(*room));
                *room -= kept.len();
                (!kept.is_empty()).then_some(Ok(kept))
            }
            Err(error) => Some(Err(io::Error::other(error))),
        };
        std::future::ready(kept)
    });
    let cut = stream::once(async {
        // The server flushes what it has before it looks at the body again.
        tokio::task::yield_now().await;
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Response::from_parts(parts, Body::from_stream(half.chain(cut)))
}

pub(super) fn slow(response: Response, pause: Duration) -> Response {
    let (mut parts, body) = response.into_parts();
    declared_length(&mut parts.headers, &body);
    let pieces = body.into_data_stream().flat_map(move |chunk| {
        let pieces: Vec<_> = match chunk {
            Ok(chunk) => {
                let size = chunk.len().div_ceil(SLOW_PIECES).max(1);
                (0..chunk.len()).step_by(size).map(|at| Ok(chunk.slice(at..chunk.len().min(at + size)))).collect()
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    let paused = pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    });
    Response::from_parts(parts, Body::from_stream(paused))
}

/// Promises twice the bytes that there are.
pub(super) fn wrong_length(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let total = declared_length(&mut parts.headers, &body).unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(total.saturating_mul(2).max(64)));
    let late = stream::once(async {
        // The server flushes what it has before it finds that there is no more, and closes the connection.
        tokio::task::yield_now().await;
        Ok(Bytes::new())
    });
    Response::from_parts(parts, Body::from_stream(body.into_data_stream().chain(late)))
}

/// Cuts the content, and says the length of what is left: only its reader can find out.
pub(super) async fn cut(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if !parts.status.is_success() {
        return Response::from_parts(parts, body);
    }
    let Ok(whole) = to_bytes(body, usize::MAX).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let left = whole.slice(..seam(&whole));
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left.len()));
    Response::from_parts(parts, Body::from(left))
}

/// Where the last of several LZ4 frames begins, which no decompressor misses; else the middle.
fn seam(bytes: &[u8]) -> usize {
    let last = bytes.windows(LZ4_FRAME.len()).rposition(|window| window == LZ4_FRAME).filter(|at| *at > 0);
    last.unwrap_or(bytes.len() / 2)
}

/// Writes the length into the head, where a body that is turned into a stream would lose it.
fn declared_length(headers: &mut HeaderMap, body: &Body) -> Option<u64> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let total = declared.or_else(|| body.size_hint().exact())?;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_between_and_other_files_in_the_middle() {
        let frame = |content: &[u8]| [&LZ4_FRAME, content].concat();
        let two = [frame(b"first"), frame(b"second")].concat();
        assert_eq!(seam(&two), frame(b"first").len());
        assert_eq!(seam(&frame(b"only")), 4);
        assert_eq!(seam(b"0123456789"), 5);
        assert_eq!(seam(b""), 0);
    }
}
