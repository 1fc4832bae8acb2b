//! `table_changes('t', start[, end])`: the change data feed of a table.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider, view::ViewTable},
    common::{
        Result as EngineResult,
        tree_node::{Transformed, TransformedResult as _, TreeNode as _},
    },
    datasource::provider_as_source,
    logical_expr::{Expr as Plan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, cast, ident},
    physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, empty::EmptyExec, union::UnionExec},
    sql::sqlparser::ast::Expr,
};
use deltalake::{delta_datafusion::DeltaCdfTableProvider, kernel::Version};
use serde_json::Value;

use super::{
    Engine,
    catalog::Place,
    folders::Folder,
    tables::Opened,
    time_travel::{Commits, Moment, Side},
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

/// The property that makes a table record its changes.
const ENABLED: &str = "delta.enableChangeDataFeed";

impl Engine {
    /// The changes of a table between two boundaries, both included.
    pub(super) async fn changes(
        &self,
        path: &ObjectPath,
        boundaries: &[Expr],
        place: &Place,
    ) -> SqlResult<Arc<dyn TableProvider>> {
        let opened = self.open_table(path, place).await?;
        let latest = opened.table.version().unwrap_or_default();
        let commits = Commits::of(&opened.table).await?;
        let [from, to @ ..] = boundaries else {
            let text = "No startingVersion or startingTimestamp provided for CDC read.";
            return Err(SqlError::new("DELTA_NO_START_FOR_CDC_READ", "42601", text));
        };
        let start = match self.boundary(from, place).await? {
            Moment::Version(version) => version,
            Moment::Micros(micros) => commits.beside(micros, Side::After, &opened)?,
        };
        let end = match to.first() {
            None => latest,
            Some(to) => match self.boundary(to, place).await? {
                Moment::Version(version) => version,
                Moment::Micros(micros) => commits.beside(micros, Side::Before, &opened)?,
            },
        };
        if start > latest {
            let text = format!(
                "Provided start version({start}) for reading change data is invalid. Start version cannot be greater than the latest version of the table({latest})."
            );
            return Err(SqlError::new("DELTA_CDC_START_VERSION_AFTER_LATEST", "22003", text));
        }
        if end < start {
            let text = format!("CDC range from start {start} to end {end} was invalid. End cannot be before start.");
            return Err(SqlError::new("DELTA_INVALID_CDC_RANGE", "22003", text));
        }
        commits.check(start)?;
        let end = end.min(latest);
        check_recorded(&opened, start, end).await?;
        let load = opened.table.clone().scan_cdf().with_starting_version(start).with_ending_version(end);
        let provider = DeltaCdfTableProvider::try_new(load)?;
        shaped(Arc::new(Feed { inner: provider, _folder: opened.folder }))
    }
}

/// A feed whose plan has no branches without files: the planner cannot sort those.
#[derive(Debug)]
struct Feed {
    inner: DeltaCdfTableProvider,
    /// Keeps the files.
    _folder: Arc<Folder>,
}

#[async_trait]
impl TableProvider for Feed {
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
        filters: &[Plan],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let plan = self.inner.scan(session, projection, filters, limit).await?;
        let files = |plan: &Arc<dyn ExecutionPlan>| plan.output_partitioning().partition_count() > 0;
        plan.transform_up(|node| {
            if node.name() != "UnionExec" {
                return Ok(Transformed::no(node));
            }
            let branches: Vec<_> = node.children().into_iter().filter(|branch| files(branch)).cloned().collect();
            Ok(Transformed::yes(match branches.is_empty() {
                true => Arc::new(EmptyExec::new(node.schema())),
                false => UnionExec::try_new(branches)?,
            }))
        })
        .data()
    }

    fn supports_filters_pushdown(&self, filters: &[&Plan]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }
}

/// Refuses a range in which the table has not always recorded its changes.
async fn check_recorded(opened: &Opened, start: Version, end: Version) -> SqlResult<()> {
    let missing = |version: Version| {
        let text = format!(
            "Error getting change data for range [{start} , {end}] as change data was not recorded for version [{version}]. If you've enabled change data feed on this table, use `DESCRIBE HISTORY` to see when it was first enabled. Otherwise, to start recording change data, use `ALTER TABLE table_name SET TBLPROPERTIES ({ENABLED}=true)`."
        );
        SqlError::new("DELTA_MISSING_CHANGE_DATA", "KD002", text)
    };
    let mut first = opened.table.clone();
    first.load_version(start).await?;
    let on = |value: Option<&str>| value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !on(first.snapshot()?.metadata().configuration().get(ENABLED).map(String::as_str)) {
        return Err(missing(start));
    }
    let log = opened.table.log_store();
    for version in start + 1..=end {
        let Some(entry) = log.read_commit_entry(version).await? else { return Err(missing(version)) };
        for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: Value = serde_json::from_slice(line).map_err(SqlError::internal)?;
            if let Some(metadata) = action.get("metaData")
                && !on(metadata["configuration"][ENABLED].as_str())
            {
                return Err(missing(version));
            }
        }
    }
    Ok(())
}

/// The feed in the service's types.
fn shaped(provider: Arc<dyn TableProvider>) -> SqlResult<Arc<dyn TableProvider>> {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns: Vec<_> = provider
        .schema()
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            name @ "_commit_version" => cast(ident(name), DataType::Int64).alias(name),
            name @ "_commit_timestamp" => cast(ident(name), moment.clone()).alias(name),
            name => ident(name),
        })
        .collect();
    let plan = LogicalPlanBuilder::scan("__changes", provider_as_source(provider), None)?.project(columns)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
