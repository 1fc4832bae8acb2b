//! Merging rows into a table by key, in one `MERGE INTO`.
//!
//! `MERGE INTO` notices two source rows with one key only where both match a target row that would change. The others
//! are looked for first, by a query. For rows from memory the two statements read the same staged files; a table or
//! query that changes in between is the caller's to hold still.

mod columns;
mod plan;

use twinhouse_core::{Effect, Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, DatabricksDialect, Dialect as _, Fit, LoadRequest, MergeReport, MergeRequest,
    MergeSource, Params, StatementRequest, TableInfo,
    arrow::{array::AsArray as _, datatypes::Int64Type},
};
use uuid::Uuid;

use self::{
    columns::{Column, columns},
    plan::{Plan, Wishes},
};
use crate::load::{self, Loader, Scratch};

const SQL: DatabricksDialect = DatabricksDialect;

/// What is known of the source before anything is staged.
struct Source {
    rows: Rows,
    /// The target's columns that it brings, and what it calls them.
    columns: Vec<Column>,
    params: Params,
}

enum Rows {
    Memory(BatchStream, Fit),
    /// A relation to select from.
    Relation(String),
}

impl Loader {
    pub(crate) async fn merge(&self, mut request: MergeRequest) -> Result<MergeReport> {
        let table = self.tables.describe(&request.target).await?.info;
        let source = std::mem::replace(&mut request.source, MergeSource::Table(table.table.clone()));
        let options = label_only(&request.options);
        let wishes = Wishes::of(request);
        let Source { rows, mut columns, params } = self.source(source, &table, wishes.evolve).await?;
        let plan = Plan::new(&table, &columns, &wishes)?;
        let (relation, scratch) = match rows {
            Rows::Relation(relation) => (relation, None),
            Rows::Memory(batches, fit) => match self.scratch(batches, fit).await? {
                Some(scratch) => (format!("parquet.{}", SQL.quote(scratch.directory())?), Some(scratch)),
                None if !wishes.looks_at_all() => return Ok(MergeReport::new(Some(0), Some(0), Some(0))),
                // No rows, but of the right types.
                None => {
                    columns.retain(|column| !column.is_new);
                    (format!("(SELECT * FROM {} WHERE FALSE)", SQL.table(&table.table)?), None)
                }
            },
        };
        let done = async {
            let source = plan.source(&columns, &relation)?;
            self.refuse_duplicates(&plan, &source, &params, &options).await?;
            let request =
                StatementRequest::write(plan.merge(&source)).with_params(params.clone()).with_options(options.clone());
            let counts = load::counts(self.statements.submit(request).await?).await?;
            let count = |name: &str| counts.get(name).copied();
            Ok(MergeReport::new(count("num_inserted_rows"), count("num_updated_rows"), count("num_deleted_rows")))
        }
        .await;
        let Some(scratch) = scratch else { return done };
        match done {
            // The statement may still be reading.
            Err(error) if error.fault().effect == Effect::Unknown => Err(error.with_context("staging", scratch.keep())),
            done => {
                scratch.remove().await;
                done
            }
        }
    }

    async fn source(&self, source: MergeSource, table: &TableInfo, evolve: bool) -> Result<Source> {
        Ok(match source {
            MergeSource::Batches(batches) => {
                let wider = if evolve { load::widened(table, batches.schema())? } else { table.clone() };
                let fit = Fit::plan(&wider, batches.schema())?;
                let names: Vec<_> = fit.columns().map(str::to_owned).collect();
                let columns = columns(table, &names, evolve)?;
                Source { rows: Rows::Memory(batches, fit), columns, params: Params::new() }
            }
            MergeSource::Table(from) => {
                let from = self.tables.describe(&from).await?.info;
                let names: Vec<_> = from.columns.iter().map(|column| column.name.clone()).collect();
                let rows = Rows::Relation(SQL.table(&from.table)?);
                Source { rows, columns: columns(table, &names, evolve)?, params: Params::new() }
            }
            MergeSource::Query(query) => {
                // On lines of its own: it may end with a comment.
                let relation = format!("(\n{}\n)", query.sql().trim().trim_end_matches(';'));
                let params = query.params().clone();
                let probe = StatementRequest::read(format!("SELECT * FROM {relation} AS s WHERE FALSE"));
                let rows = self.statements.submit(probe.with_params(params.clone())).await?.stream().await?;
                let names: Vec<_> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
                rows.collect_batches().await?;
                Source { rows: Rows::Relation(relation), columns: columns(table, &names, evolve)?, params }
            }
            other => {
                return Err(Error::unsupported(crate::error::BACKEND, "cannot merge from this kind of source")
                    .with_context("source", format!("{other:?}")));
            }
        })
    }

    /// Stages the rows; `None` if there are none.
    async fn scratch(&self, batches: BatchStream, fit: Fit) -> Result<Option<Scratch>> {
        let scratch = Scratch::create(&self.client, format!("{}/merge-{}", self.staging, Uuid::new_v4())).await?;
        let (directory, bytes) = (scratch.directory(), LoadRequest::DEFAULT_FILE_BYTES);
        let staged = load::stage(&self.client, directory, batches, fit, bytes, None).await;
        match staged.map_err(|error| error.with_context("staging", directory)) {
            Ok(staged) if !staged.parts.is_empty() => Ok(Some(scratch)),
            staged => {
                scratch.remove().await;
                staged.map(|_| None)
            }
        }
    }

    async fn refuse_duplicates(&self, plan: &Plan, source: &str, params: &Params, options: &CallOptions) -> Result<()> {
        let Some(sql) = plan.duplicates(source) else { return Ok(()) };
        let request = StatementRequest::read(sql).with_params(params.clone()).with_options(options.clone());
        let batches = self.statements.submit(request).await?.stream().await?.collect_batches().await?;
        let found = batches.iter().find(|batch| batch.num_rows() > 0);
        let count =
            found.and_then(|batch| batch.column(0).as_primitive_opt::<Int64Type>()).map(|counts| counts.value(0));
        match count {
            Some(0) => Ok(()),
            Some(keys) => Err(Error::new(ErrorKind::Conflict, "the source has several rows with the same key")
                .with_context("keys", plan.key_names.join(", "))
                .with_context("duplicated", keys.to_string())),
            None => Err(Error::new(ErrorKind::Protocol, "the service did not count the duplicate keys")),
        }
    }
}

fn label_only(options: &CallOptions) -> CallOptions {
    match &options.label {
        Some(label) => CallOptions::default().with_label(label),
        None => CallOptions::default(),
    }
}
