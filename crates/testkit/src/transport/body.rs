//! The body of a request, read.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Body, Request},
};

/// All of it, of a request that goes nowhere.
pub(super) async fn of(request: &Request) -> Result<Bytes> {
    match request.body().as_bytes() {
        Some(bytes) => Ok(Bytes::copy_from_slice(bytes)),
        None => begin(&mut request.body().open(), usize::MAX).await,
    }
}

/// At least the first `limit` bytes, if there are as many, and the request as it was: some bodies can be opened only once,
/// so that what was read of a stream goes before the rest of it.
pub(super) async fn tapped(request: Request, limit: usize) -> Result<(Request, Bytes)> {
    if let Some(bytes) = request.body().as_bytes() {
        let bytes = Bytes::copy_from_slice(&bytes[..bytes.len().min(limit)]);
        return Ok((request, bytes));
    }
    let mut rest = request.body().open();
    let bytes = begin(&mut rest, limit).await?;
    let length = request.body().len();
    let whole = Mutex::new(Some(stream::iter([Ok(bytes.clone())]).chain(rest)));
    let body = Body::stream(length, move || match whole.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(whole) => whole.boxed(),
        None => stream::iter([Err(io::Error::other("the body was sent already"))]).boxed(),
    });
    Ok((request.with_body(body), bytes))
}

async fn begin(stream: &mut BoxStream<'static, io::Result<Bytes>>, limit: usize) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while whole.len() < limit
        && let Some(bytes) = stream.try_next().await.map_err(|cause| {
            Error::new(ErrorKind::InvalidInput, "the body of the request cannot be read").with_source(cause)
        })?
    {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}
