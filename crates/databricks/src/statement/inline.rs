//! The route of JSON in the answer itself, which may be in several chunks too.

use ::arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{Stream, stream};
use twinhouse_core::Result;
use twinhouse_warehouse_api::StatementId;

use super::{chunk, json};
use crate::{api::Client, wire::ResultData};

/// The rows of all chunks, in order.
pub(super) fn batches(
    client: Client,
    id: StatementId,
    first: ResultData,
    chunk_count: Option<u64>,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let chunks = Chunks { client, id, chunk_count, schema, at: 0, next: Some(Next::Here(first)) };
    stream::try_unfold(chunks, |mut chunks| async move { Ok(chunks.batch().await?.map(|batch| (batch, chunks))) })
}

struct Chunks {
    client: Client,
    id: StatementId,
    chunk_count: Option<u64>,
    schema: SchemaRef,
    at: u64,
    next: Option<Next>,
}

enum Next {
    Here(ResultData),
    Ask(u64),
}

impl Chunks {
    async fn batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let data = match self.next.take() {
                None => return Ok(None),
                Some(Next::Here(data)) => data,
                Some(Next::Ask(chunk)) => {
                    self.at = chunk;
                    self.client.chunk(self.id.as_str(), chunk).await?
                }
            };
            chunk::check_number(data.chunk_index, self.at)?;
            let counted = || self.at.checked_add(1).filter(|next| self.chunk_count.is_some_and(|count| *next < count));
            self.next = data.next_chunk_index.filter(|next| *next > self.at).or_else(counted).map(Next::Ask);
            let rows = data.data_array.unwrap_or_default();
            if !rows.is_empty() {
                return json::batch(&rows, &self.schema).map(Some);
            }
        }
    }
}
