//! A pointer to a warehouse is a warehouse.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
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

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<W: Warehouse + ?Sized> Warehouse for $pointer<W> {
            fn info(&self) -> &WarehouseInfo {
                (**self).info()
            }
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
                (**self).submit(request).await
            }
            async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
                (**self).attach(id).await
            }
            async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
                (**self).load(request).await
            }
            async fn unload(&self, request: UnloadRequest) -> Result<BulkReport> {
                (**self).unload(request).await
            }
            async fn merge(&self, request: MergeRequest) -> Result<MergeReport> {
                (**self).merge(request).await
            }
            async fn table(&self, table: &TableRef) -> Result<TableInfo> {
                (**self).table(table).await
            }
            fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
                (**self).tables(filter)
            }
            async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>> {
                (**self).begin(options).await
            }
            async fn close(&self) -> Result<()> {
                (**self).close().await
            }
        }
    };
}

forward!(Box);
forward!(Arc);
