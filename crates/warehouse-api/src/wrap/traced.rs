//! A span and a log line around every call.

use async_trait::async_trait;
use futures::stream::BoxStream;
use tracing::{Instrument as _, Span, field::Empty, info_span};
use twinhouse_core::Result;

use crate::{
    bulk::{BulkReport, LoadRequest, UnloadRequest},
    capability::Capabilities,
    merge::{MergeReport, MergeRequest},
    statement::{StatementHandle, StatementId, StatementRequest},
    table::{TableFilter, TableInfo, TableRef},
    transaction::{Transaction, TransactionOptions},
    warehouse::{Warehouse, WarehouseInfo},
};

/// Opens a [`tracing`] span around every call of the warehouse inside. Spans carry names, sizes and ids; never SQL
/// text, values or credentials.
#[derive(Clone, Debug)]
pub struct Traced<W>(W);

impl<W: Warehouse> Traced<W> {
    /// Wraps a warehouse.
    pub fn new(inner: W) -> Self {
        Self(inner)
    }

    fn span(&self, operation: &'static str) -> Span {
        let info = self.0.info();
        info_span!(
            "warehouse",
            otel.name = operation,
            backend = info.backend,
            host = info.host,
            table = Empty,
            statement = Empty,
            rows = Empty,
            error = Empty
        )
    }
}

async fn watched<T>(span: Span, call: impl Future<Output = Result<T>>, note: impl FnOnce(&Span, &T)) -> Result<T> {
    let outcome = call.instrument(span.clone()).await;
    match &outcome {
        Ok(done) => note(&span, done),
        Err(error) => {
            span.record("error", error.kind().as_str());
            tracing::debug!(parent: &span, %error, "failed");
        }
    }
    outcome
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<W: Warehouse> Warehouse for Traced<W> {
    fn info(&self) -> &WarehouseInfo {
        self.0.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        watched(self.span("submit"), self.0.submit(request), |span, handle| {
            span.record("statement", handle.id().as_str());
        })
        .await
    }

    async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        watched(self.span("attach"), self.0.attach(id), |span, _| {
            span.record("statement", id.as_str());
        })
        .await
    }

    async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
        let span = self.span("load");
        span.record("table", request.table().to_string());
        watched(span, self.0.load(request), |span, report| {
            span.record("rows", report.rows);
        })
        .await
    }

    async fn unload(&self, request: UnloadRequest) -> Result<BulkReport> {
        watched(self.span("unload"), self.0.unload(request), |span, report| {
            span.record("rows", report.rows);
        })
        .await
    }

    async fn merge(&self, request: MergeRequest) -> Result<MergeReport> {
        let span = self.span("merge");
        span.record("table", request.target.to_string());
        watched(span, self.0.merge(request), |span, report| {
            span.record("rows", report.affected());
        })
        .await
    }

    async fn table(&self, table: &TableRef) -> Result<TableInfo> {
        let span = self.span("table");
        span.record("table", table.to_string());
        watched(span, self.0.table(table), |_, _| {}).await
    }

    fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
        self.0.tables(filter)
    }

    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>> {
        watched(self.span("begin"), self.0.begin(options), |_, _| {}).await
    }

    async fn close(&self) -> Result<()> {
        watched(self.span("close"), self.0.close(), |_, ()| {}).await
    }
}
