//! The body of a request, read anew: the one that is sent stays as it is.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use twinhouse_core::{Error, ErrorKind, Result, http::Request};

/// The first `limit` bytes.
pub(super) async fn of(request: &Request, limit: usize) -> Result<Bytes> {
    if let Some(bytes) = request.body().as_bytes() {
        return Ok(Bytes::copy_from_slice(&bytes[..bytes.len().min(limit)]));
    }
    let mut stream = request.body().open();
    let mut whole = BytesMut::new();
    while whole.len() < limit
        && let Some(bytes) = stream.try_next().await.map_err(|cause| {
            Error::new(ErrorKind::InvalidInput, "the body of the request cannot be read").with_source(cause)
        })?
    {
        whole.extend_from_slice(&bytes);
    }
    whole.truncate(limit);
    Ok(whole.freeze())
}
