//! Scans that keep their limits.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, Statistics},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::projection::ProjectionExpr,
    physical_plan::{ExecutionPlan, projection::ProjectionExec},
};

use super::folders::Folder;

/// A Delta table of which at least one column is read. The scan that the engine makes for none, from the log alone,
/// takes a limit and then forgets it.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) inner: Arc<dyn TableProvider>,
    /// Keeps the files.
    pub(super) _folder: Arc<Folder>,
}

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        self.inner.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if projection.is_none_or(|columns| !columns.is_empty()) {
            return self.inner.scan(session, projection, filters, limit).await;
        }
        let one = self.inner.scan(session, Some(&vec![0]), filters, limit).await?;
        Ok(Arc::new(ProjectionExec::try_new(Vec::<ProjectionExpr>::new(), one)?))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.inner.statistics()
    }
}
