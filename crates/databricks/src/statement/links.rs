//! The route of presigned links: bounded, ordered, parallel.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use tokio::task::JoinHandle;
use twinhouse_core::{Error, ErrorKind, Result, http::Link};
use twinhouse_warehouse_api::StatementId;

use super::{
    arrow, json,
    plan::{Part, Plan, Step},
};
use crate::{api::Client, wire::ExternalLink};

/// A link is not used in the last part of its life: the storage's clock decides, not ours.
const EXPIRY_BUFFER: TimeDelta = TimeDelta::seconds(30);
/// How often a refused link is replaced before the refusal counts.
const REFRESHES: u32 = 3;

/// What is in the files behind the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Arrow,
    Json,
}

/// The rows behind the links, in order. At most `downloads` files are held or on their way at once.
pub(super) fn batches(
    client: Client,
    id: StatementId,
    plan: Plan,
    downloads: usize,
    content: Content,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    files(client, id, plan, downloads)
        .map_ok(move |(file, rows)| decode(content, file, rows, schema.clone()))
        .try_flatten()
        .fuse()
}

/// The rows of one file: exactly `rows` of them where that is known.
pub(super) fn decode(
    content: Content,
    file: Bytes,
    rows: Option<u64>,
    schema: SchemaRef,
) -> BoxStream<'static, Result<RecordBatch>> {
    match content {
        Content::Arrow => arrow::batches(file, rows, schema).boxed(),
        Content::Json => stream::once(json::file(file, rows, schema)).boxed(),
    }
}

/// The files behind the links, in order and as they are, each with how many of its rows count.
pub(super) fn files(
    client: Client,
    id: StatementId,
    plan: Plan,
    downloads: usize,
) -> impl Stream<Item = Result<(Bytes, Option<u64>)>> + Send {
    let (asking, asked) = (client.clone(), id.clone());
    let parts = stream::try_unfold(plan, move |mut plan| {
        let (client, id) = (asking.clone(), asked.clone());
        async move {
            loop {
                match plan.step() {
                    Step::Fetch(part) => return Ok(Some((*part, plan))),
                    Step::Done => return Ok(None),
                    Step::Ask(chunk) => {
                        let answer = client.chunk(id.as_str(), chunk).await?;
                        plan.accept(chunk, answer.external_links.unwrap_or_default())?;
                    }
                }
            }
        }
    });
    parts
        .map_ok(move |part| {
            let rows = part.rows;
            // In tasks of their own: files come in while the caller is busy with the rows of an earlier one.
            let file = Download::start(fetch(client.clone(), id.clone(), part));
            async move { Ok((file.await?, rows)) }
        })
        .try_buffered(downloads.max(1))
}

pub(super) async fn fetch(client: Client, id: StatementId, part: Part) -> Result<Bytes> {
    let mut link = part.link.clone();
    let mut refreshes = 0;
    // A fresh link is tried even if our clock says that it has expired.
    if is_expired(&link, Utc::now()) {
        link = refreshed(&client, &id, &part).await?;
        refreshes += 1;
    }
    loop {
        let headers = link.http_headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        let presigned = Link::new(link.external_link.clone()).with_headers(headers);
        match client.download(&presigned).await {
            // Expired, revoked or signed for another hour: the service signs a new one.
            Err(error)
                if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound)
                    && refreshes < REFRESHES =>
            {
                tracing::debug!(statement = %id, chunk = part.chunk, "a result link was refused, asking for another");
                link = refreshed(&client, &id, &part).await?;
                refreshes += 1;
            }
            Err(error) => {
                return Err(error.with_statement_id(id.as_str()).with_context("chunk", part.chunk.to_string()));
            }
            Ok(file) => return Ok(file),
        }
    }
}

async fn refreshed(client: &Client, id: &StatementId, part: &Part) -> Result<ExternalLink> {
    let at = |link: &ExternalLink| (link.chunk_index.unwrap_or(0), link.row_offset.unwrap_or(0));
    let answer = client.chunk(id.as_str(), part.chunk).await.map_err(|error| error.with_statement_id(id.as_str()))?;
    answer.external_links.unwrap_or_default().into_iter().find(|link| at(link) == at(&part.link)).ok_or_else(|| {
        Error::new(ErrorKind::Protocol, "the service did not sign a new link for a part of the result")
            .with_statement_id(id.as_str())
            .with_context("chunk", part.chunk.to_string())
    })
}

/// A time that cannot be read is none: the storage will say.
fn is_expired(link: &ExternalLink, now: DateTime<Utc>) -> bool {
    let end = link.expiration.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    end.is_some_and(|end| end.to_utc() - EXPIRY_BUFFER <= now)
}

/// A task that ends with whoever waits for it.
struct Download(JoinHandle<Result<Bytes>>);

impl Download {
    fn start(work: impl Future<Output = Result<Bytes>> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Future for Download {
    type Output = Result<Bytes>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(
            ready!(Pin::new(&mut self.0).poll(cx)).unwrap_or_else(|cause| {
                Err(Error::new(ErrorKind::Internal, "a download broke off").with_source(cause))
            }),
        )
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_expires_half_a_minute_early() {
        let link = |expiration: &str| ExternalLink { expiration: Some(expiration.to_owned()), ..link() };
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        assert!(is_expired(&link("2026-01-01T00:00:30Z"), now));
        assert!(!is_expired(&link("2026-01-01T00:00:31Z"), now));
        assert!(!is_expired(&link("2026-01-01T02:00:01+02:00"), now - TimeDelta::seconds(60)));
        assert!(!is_expired(&link("soon"), now));
    }

    fn link() -> ExternalLink {
        serde_json::from_str(r#"{"external_link":"https://x/y"}"#).unwrap()
    }
}
