//! From the answer of a statement that succeeded to a stream of its rows.

use std::sync::Arc;

use ::arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use futures::{Stream, StreamExt as _, stream, stream::BoxStream};
use tokio_util::sync::CancellationToken;
use twinhouse_core::{
    Error, ErrorKind, Result,
    telemetry::metric::{self, Direction},
};
use twinhouse_warehouse_api::{BatchStream, Outcome, StatementId};

use super::{
    inline,
    links::{self, Content},
    plan::Plan,
};
use crate::{
    api::Client,
    error::BACKEND,
    types,
    wire::{Manifest, ResultColumn, Statement},
};

/// The column in which a statement that changes rows says how many.
const AFFECTED: &str = "num_affected_rows";

/// Reads the result of one statement.
pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) id: StatementId,
    pub(super) downloads: usize,
    pub(super) stop: CancellationToken,
    /// Whether the service is told when the result has been read.
    pub(super) close: bool,
}

impl Reader {
    /// In a task of its own: the rows are there, and the caller need not wait for the service to forget them.
    pub(super) fn close(&self) {
        if !self.close {
            return;
        }
        let (client, id) = (self.client.clone(), self.id.clone());
        tokio::spawn(async move {
            if let Err(error) = client.close(id.as_str()).await {
                tracing::debug!(statement = %id, %error, "the result could not be given up; it lapses by itself");
            }
        });
    }

    pub(super) fn open(self, answer: Statement) -> Result<BatchStream> {
        let mut manifest = answer.manifest.unwrap_or_default();
        let data = answer.result.unwrap_or_default();
        if data.attachment.is_some() {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the service sent the result in a form that was not asked for",
            )
            .with_statement_id(self.id.as_str()));
        }
        let schema = schema(&mut manifest.schema.columns);
        let is_inline = data.data_array.is_some()
            || (data.external_links.is_none() && manifest.format.as_deref() == Some("JSON_ARRAY"));
        let (client, id) = (self.client.clone(), self.id.clone());
        let batches = if is_inline {
            inline::batches(client, id, data, manifest.total_chunk_count, schema.clone()).boxed()
        } else {
            let plan = Plan::new(&manifest, data.external_links.unwrap_or_default())
                .map_err(|error| error.with_statement_id(self.id.as_str()))?;
            let content = content(&manifest).map_err(|error| error.with_statement_id(self.id.as_str()))?;
            links::batches(client, id, plan, self.downloads, content, schema.clone()).boxed()
        };
        Ok(self.watched(schema, &manifest, batches))
    }

    /// Counts what comes, and ends with `None` only when that is everything.
    fn watched(
        self,
        schema: SchemaRef,
        manifest: &Manifest,
        batches: BoxStream<'static, Result<RecordBatch>>,
    ) -> BatchStream {
        let outcome = Outcome::default();
        // A result that was cut short is announced by this flag; its counts are of what was to come.
        let promised = manifest.total_row_count.filter(|_| !manifest.truncated);
        if manifest.truncated {
            outcome.note_truncated();
        }
        let watch = Watch {
            counts: counts_changes(&schema),
            reader: self,
            batches,
            promised,
            received: 0,
            outcome: outcome.clone(),
        };
        BatchStream::new(schema, watch.into_stream()).with_outcome(outcome)
    }
}

struct Watch {
    reader: Reader,
    batches: BoxStream<'static, Result<RecordBatch>>,
    promised: Option<u64>,
    received: u64,
    counts: bool,
    outcome: Outcome,
}

impl Watch {
    fn into_stream(self) -> impl Stream<Item = Result<RecordBatch>> + Send {
        stream::try_unfold(self, |mut watch| async move { Ok(watch.next().await?.map(|batch| (batch, watch))) })
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let id = self.reader.id.as_str();
        let next = tokio::select! {
            biased;
            () = self.reader.stop.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "the statement was cancelled while its rows were read")
                    .with_statement_id(id));
            }
            next = self.batches.next() => next,
        };
        let Some(batch) = next.transpose().map_err(|error| error.with_statement_id(id))? else {
            if let Some(promised) = self.promised.filter(|promised| *promised != self.received) {
                return Err(Error::new(ErrorKind::Protocol, "the result does not have as many rows as announced")
                    .with_statement_id(id)
                    .with_context("announced", promised.to_string())
                    .with_context("received", self.received.to_string()));
            }
            self.reader.close();
            return Ok(None);
        };
        if self.counts && self.received == 0 && batch.num_rows() > 0 {
            let counts = batch.column(0).as_primitive::<Int64Type>();
            if let Ok(rows) = u64::try_from(counts.value(0)) {
                self.outcome.note_rows_affected(rows);
            }
        }
        self.received += batch.num_rows() as u64;
        let bytes = batch.get_array_memory_size() as u64;
        metric::transferred(BACKEND, Direction::Read, batch.num_rows() as u64, bytes);
        Ok(Some(batch))
    }
}

/// What the files behind the links hold, if it can be read as rows here.
pub(super) fn content(manifest: &Manifest) -> Result<Content> {
    match manifest.format.as_deref() {
        Some("JSON_ARRAY") => Ok(Content::Json),
        Some("CSV") => Err(Error::unsupported(
            BACKEND,
            "cannot read CSV as rows: the text does not tell NULL from the word; ask for the chunks as they are",
        )),
        _ => Ok(Content::Arrow),
    }
}

/// The columns in order, with everything nullable: the manifest does not say.
pub(super) fn schema(columns: &mut [ResultColumn]) -> SchemaRef {
    columns.sort_by_key(|column| column.position.unwrap_or(0));
    let fields = columns.iter().map(|column| {
        let data_type = types::of_column(
            column.type_text.as_deref(),
            column.type_name.as_deref(),
            column.type_precision,
            column.type_scale,
            column.type_interval_type.as_deref(),
        );
        Field::new(&column.name, data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Whether this is the answer of a statement that changes rows: `num_affected_rows` first, and only counts after it.
fn counts_changes(schema: &Schema) -> bool {
    schema.fields().first().is_some_and(|field| field.name() == AFFECTED && *field.data_type() == DataType::Int64)
        && schema.fields().iter().all(|field| field.name().starts_with("num_"))
}
