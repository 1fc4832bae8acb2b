//! One chunk of a result, by its number; and a result's files as they are.

use ::arrow::array::RecordBatch;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use tokio::time::{Instant, timeout_at};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{StatementHandle, StatementId};

use super::{
    driver::Driver,
    json, links,
    plan::{Part, Plan},
    results,
};
use crate::{
    api::Client,
    error,
    wire::{ExternalLink, Manifest, State},
};

/// The rows of one chunk: exactly as many as the manifest announces for it.
pub(super) async fn rows(client: &Client, id: &StatementId, index: u64) -> Result<Vec<RecordBatch>> {
    let answer = client.statement(id.as_str()).await?;
    let mut manifest = match answer.status.state {
        State::Succeeded => answer.manifest.unwrap_or_default(),
        State::Failed => return Err(error::from_status(&answer.status, id.as_str())),
        state => {
            return Err(Error::new(ErrorKind::InvalidInput, "the statement has no result to fetch a chunk of")
                .with_context("state", state.as_str()));
        }
    };
    if let Some(count) = manifest.total_chunk_count.filter(|count| index >= *count) {
        return Err(Error::new(ErrorKind::InvalidInput, "the result has no such chunk")
            .with_context("field", "chunk_index")
            .with_context("chunk_index", index.to_string())
            .with_context("chunks", count.to_string()));
    }
    let promised = rows_of(&manifest, index);
    let schema = results::schema(&mut manifest.schema.columns);
    let data = client.chunk(id.as_str(), index).await?;
    check_number(data.chunk_index, index)?;
    let batches: Vec<RecordBatch> = match (data.data_array, data.external_links) {
        (Some(rows), _) => vec![json::batch(&rows, &schema)?],
        (None, None) => Vec::new(),
        (None, Some(links)) => {
            let content = results::content(&manifest)?;
            let other = links.first().and_then(|link| link.chunk_index);
            let parts = parts_of(links, index, promised);
            if parts.is_empty() {
                check_number(other, index)?;
            }
            let files = stream::iter(parts).then(|part| {
                let rows = part.rows;
                let file = links::fetch(client.clone(), id.clone(), part);
                async move { Ok::<_, Error>((file.await?, rows)) }
            });
            let batches = files.map_ok(|(file, rows)| links::decode(content, file, rows, schema.clone()));
            batches.try_flatten().try_collect().await?
        }
    };
    let received: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    match promised.filter(|promised| *promised != received) {
        None => Ok(batches),
        Some(promised) => Err(Error::new(ErrorKind::Protocol, "the chunk does not have as many rows as announced")
            .with_context("chunk_index", index.to_string())
            .with_context("announced", promised.to_string())
            .with_context("received", received.to_string())),
    }
}

/// What has no number is the chunk that was asked for.
pub(super) fn check_number(number: Option<u64>, asked: u64) -> Result<()> {
    if number.is_none_or(|number| number == asked) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Protocol, "the service sent another chunk than was asked for")
        .with_context("asked", asked.to_string()))
}

fn rows_of(manifest: &Manifest, index: u64) -> Option<u64> {
    let chunk = manifest.chunks.iter().find(|chunk| chunk.chunk_index.unwrap_or(0) == index)?;
    Some(chunk.row_count.unwrap_or(0))
}

/// The files of this chunk, each once and in order; an answer may hold links to later chunks too.
fn parts_of(mut links: Vec<ExternalLink>, index: u64, promised: Option<u64>) -> Vec<Part> {
    links.retain(|link| link.chunk_index.unwrap_or(0) == index);
    links.sort_by_key(|link| link.row_offset.unwrap_or(0));
    links.dedup_by_key(|link| link.row_offset.unwrap_or(0));
    let single = links.len() == 1;
    let part = |link: ExternalLink| {
        let rows = link.row_count.or(promised.filter(|_| single));
        Part { link, chunk: index, rows }
    };
    links.into_iter().map(part).collect()
}

/// The files of a result, in order and as they are. The statement is given up when they have all come, and stopped if
/// the stream is dropped before.
pub(super) async fn files(
    driver: Driver,
    handle: StatementHandle,
    deadline: Option<Instant>,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    handle.ready().await?;
    let (reader, answer) = driver.reader().await?;
    let manifest = answer.manifest.unwrap_or_default();
    let data = answer.result.unwrap_or_default();
    if data.data_array.is_some() {
        return Err(Error::new(ErrorKind::Protocol, "the service sent the rows in the answer, and not by links")
            .with_statement_id(reader.id.as_str()));
    }
    let plan = Plan::new(&manifest, data.external_links.unwrap_or_default())
        .map_err(|error| error.with_statement_id(reader.id.as_str()))?;
    let files = links::files(reader.client.clone(), reader.id.clone(), plan, reader.downloads);
    let state = Files { files: Box::pin(files.map_ok(|(file, _)| file)), reader, handle, deadline };
    Ok(state.into_stream().boxed())
}

struct Files {
    files: BoxStream<'static, Result<Bytes>>,
    reader: results::Reader,
    handle: StatementHandle,
    deadline: Option<Instant>,
}

impl Files {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send {
        // An error ends the stream and drops the handle, which tells the service.
        stream::unfold(Some(self), |state| async move {
            let mut state = state?;
            match state.next().await {
                Ok(Some(file)) => Some((Ok(file), Some(state))),
                Ok(None) => {
                    state.reader.close();
                    state.handle.detach();
                    None
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let id = self.reader.id.as_str();
        let next = async {
            tokio::select! {
                biased;
                () = self.reader.stop.cancelled() => {
                    Err(Error::new(ErrorKind::Cancelled, "the statement was cancelled while its result was read"))
                }
                next = self.files.next() => next.transpose(),
            }
        };
        let next = match self.deadline {
            None => next.await,
            Some(deadline) => timeout_at(deadline, next).await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Timeout, "the statement ran out of time").with_context("wait", "statement"))
            }),
        };
        next.map_err(|error| error.with_statement_id(id))
    }
}
