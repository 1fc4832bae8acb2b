//! Merging rows into a table by key, in one `MERGE INTO`.
//!
//! `MERGE INTO` notices two source rows with one key only where both match a target row that would change. The others
//! are looked for first, by a query. For rows from memory the two statements read the same staged files; a table or
//! query that changes in between is the caller's to hold still.

use twinhouse_core::{Effect, Error, ErrorKind, Report, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, DatabricksDialect, Dialect as _, Fit, LoadRequest, MergeReport, MergeRequest,
    MergeSource, Params, StatementRequest, TableInfo, WhenMatched,
    arrow::{array::AsArray as _, datatypes::Int64Type},
};
use uuid::Uuid;

use crate::load::{self, Loader, Staged};

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

struct Column {
    target: String,
    source: String,
}

impl Loader {
    pub(crate) async fn merge(&self, request: MergeRequest) -> Result<MergeReport> {
        let table = self.tables.describe(&request.target).await?.info;
        let MergeRequest { source, keys, when_matched, insert_unmatched, delete_unmatched_by_source, options, .. } =
            request;
        let options = label_only(&options);
        let Source { rows, columns, params } = self.source(source, &table).await?;
        let plan = Plan::new(&table, &columns, &keys, &when_matched, insert_unmatched, delete_unmatched_by_source)?;
        let (relation, scratch) = match rows {
            Rows::Relation(relation) => (relation, None),
            Rows::Memory(batches, fit) => match self.scratch(batches, fit).await? {
                Some(scratch) => (format!("parquet.{}", SQL.quote(&scratch.directory)?), Some(scratch)),
                None if !delete_unmatched_by_source => return Ok(MergeReport::new(Some(0), Some(0), Some(0))),
                // No rows, but of the right types.
                None => (format!("(SELECT * FROM {} WHERE FALSE)", SQL.table(&table.table)?), None),
            },
        };
        let done = async {
            let source = select(&columns, &relation)?;
            self.refuse_duplicates(&plan, &source, &params, &options).await?;
            let request =
                StatementRequest::write(plan.merge(&source)?).with_params(params.clone()).with_options(options.clone());
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

    async fn source(&self, source: MergeSource, table: &TableInfo) -> Result<Source> {
        Ok(match source {
            MergeSource::Batches(batches) => {
                let fit = Fit::plan(table, batches.schema())?;
                let columns = fit.columns().map(|name| Column { target: name.into(), source: name.into() }).collect();
                Source { rows: Rows::Memory(batches, fit), columns, params: Params::new() }
            }
            MergeSource::Table(from) => {
                let from = self.tables.describe(&from).await?.info;
                let names: Vec<_> = from.columns.iter().map(|column| column.name.clone()).collect();
                let rows = Rows::Relation(SQL.table(&from.table)?);
                Source { rows, columns: columns(table, &names)?, params: Params::new() }
            }
            MergeSource::Query(query) => {
                // On lines of its own: it may end with a comment.
                let relation = format!("(\n{}\n)", query.sql().trim().trim_end_matches(';'));
                let params = query.params().clone();
                let probe = StatementRequest::read(format!("SELECT * FROM {relation} AS s WHERE FALSE"));
                let rows = self.statements.submit(probe.with_params(params.clone())).await?.stream().await?;
                let names: Vec<_> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
                rows.collect_batches().await?;
                Source { rows: Rows::Relation(relation), columns: columns(table, &names)?, params }
            }
            other => {
                return Err(Error::unsupported(crate::error::BACKEND, "cannot merge from this kind of source")
                    .with_context("source", format!("{other:?}")));
            }
        })
    }

    /// Stages the rows; `None` if there are none.
    async fn scratch(&self, batches: BatchStream, fit: Fit) -> Result<Option<Scratch>> {
        let mut scratch = Scratch::new(self);
        let directory = scratch.directory.clone();
        self.client.create_directory(&directory).await?;
        let bytes = LoadRequest::DEFAULT_FILE_BYTES;
        scratch.staged = load::stage(&self.client, &directory, batches, fit, bytes, None)
            .await
            .map_err(|error| error.with_context("staging", &directory))?;
        if scratch.staged.parts.is_empty() {
            scratch.remove().await;
            return Ok(None);
        }
        Ok(Some(scratch))
    }

    async fn refuse_duplicates(
        &self,
        plan: &Plan<'_>,
        source: &str,
        params: &Params,
        options: &CallOptions,
    ) -> Result<()> {
        let request =
            StatementRequest::read(plan.duplicates(source)?).with_params(params.clone()).with_options(options.clone());
        let batches = self.statements.submit(request).await?.stream().await?.collect_batches().await?;
        let found = batches.iter().find(|batch| batch.num_rows() > 0);
        let count =
            found.and_then(|batch| batch.column(0).as_primitive_opt::<Int64Type>()).map(|counts| counts.value(0));
        match count {
            Some(0) => Ok(()),
            Some(keys) => Err(Error::new(ErrorKind::Conflict, "the source has several rows with the same key")
                .with_context("keys", plan.keys.iter().map(|key| key.target.as_str()).collect::<Vec<_>>().join(", "))
                .with_context("duplicated", keys.to_string())),
            None => Err(Error::new(ErrorKind::Protocol, "the service did not count the duplicate keys")),
        }
    }
}

/// What the statement says, with every name resolved.
struct Plan<'a> {
    target: String,
    columns: &'a [Column],
    keys: Vec<&'a Column>,
    set: Vec<&'a Column>,
    delete_matched: bool,
    insert: bool,
    delete_unmatched: bool,
}

impl<'a> Plan<'a> {
    fn new(
        table: &TableInfo,
        columns: &'a [Column],
        keys: &[String],
        when_matched: &WhenMatched,
        insert: bool,
        delete_unmatched: bool,
    ) -> Result<Self> {
        let find = |name: &String| {
            let found = one_of(name, columns.iter().map(|column| column.target.as_str()))
                .or_else(|| one_of(name, columns.iter().map(|column| column.source.as_str())));
            found.map(|at| &columns[at]).ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "the source of the merge lacks a column that the merge names")
                    .with_context("column", name)
                    .with_context("table", table.table.to_string())
            })
        };
        let keys = keys.iter().map(find).collect::<Result<Vec<_>>>()?;
        let is_key = |column: &Column| keys.iter().any(|key| key.target == column.target);
        let set = match when_matched {
            WhenMatched::Update => columns.iter().filter(|column| !is_key(column)).collect(),
            WhenMatched::UpdateColumns(names) => names.iter().map(find).collect::<Result<Vec<_>>>()?,
            _ => Vec::new(),
        };
        let delete_matched = *when_matched == WhenMatched::Delete;
        if set.is_empty() && !delete_matched && !insert && !delete_unmatched {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "this merge would change nothing: the source has only keys",
            )
            .with_context("table", table.table.to_string()));
        }
        Ok(Self { target: SQL.table(&table.table)?, columns, keys, set, delete_matched, insert, delete_unmatched })
    }

    fn merge(&self, source: &str) -> Result<String> {
        let names = |columns: &mut dyn Iterator<Item = &Column>| {
            columns.map(|column| SQL.quote(&column.target)).collect::<Result<Vec<_>>>()
        };
        let keys = names(&mut self.keys.iter().copied())?;
        let on: Vec<_> = keys.iter().map(|key| format!("t.{key} = s.{key}")).collect();
        let mut sql = format!("MERGE INTO {} AS t USING ({}) AS s ON {}", self.target, source, on.join(" AND "));
        if self.delete_matched {
            sql.push_str(" WHEN MATCHED THEN DELETE");
        } else if !self.set.is_empty() {
            let set: Vec<_> =
                names(&mut self.set.iter().copied())?.iter().map(|name| format!("{name} = s.{name}")).collect();
            sql.push_str(&format!(" WHEN MATCHED THEN UPDATE SET {}", set.join(", ")));
        }
        if self.insert {
            // Named one by one: `*` would change its meaning with the table.
            let all = names(&mut self.columns.iter())?;
            let values: Vec<_> = all.iter().map(|name| format!("s.{name}")).collect();
            sql.push_str(&format!(" WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})", all.join(", "), values.join(", ")));
        }
        if self.delete_unmatched {
            sql.push_str(" WHEN NOT MATCHED BY SOURCE THEN DELETE");
        }
        Ok(sql)
    }

    /// How many keys occur more than once. A null equals nothing, not even itself.
    fn duplicates(&self, source: &str) -> Result<String> {
        let keys = self.keys.iter().map(|key| SQL.quote(&key.target)).collect::<Result<Vec<_>>>()?;
        let present: Vec<_> = keys.iter().map(|key| format!("s.{key} IS NOT NULL")).collect();
        let by: Vec<_> = keys.iter().map(|key| format!("s.{key}")).collect();
        Ok(format!(
            "SELECT count(*) AS duplicates FROM (SELECT count(*) AS copies FROM ({}) AS s WHERE {} GROUP BY {} \
             HAVING count(*) > 1) AS d",
            source,
            present.join(" AND "),
            by.join(", ")
        ))
    }
}

/// The source's columns under the target's names.
fn select(columns: &[Column], relation: &str) -> Result<String> {
    let columns = columns.iter().map(|column| {
        let name = SQL.quote(&column.source)?;
        Ok(if column.source == column.target { name } else { format!("{name} AS {}", SQL.quote(&column.target)?) })
    });
    Ok(format!("SELECT {} FROM {}", columns.collect::<Result<Vec<_>>>()?.join(", "), relation))
}

/// Matches a source's columns with the target's, exactly or without regard to case.
fn columns(table: &TableInfo, names: &[String]) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    for name in names {
        let at = one_of(name, table.columns.iter().map(|column| column.name.as_str()));
        let target =
            at.map(|at| table.columns[at].name.clone()).filter(|name| columns.iter().all(|c| c.target != *name));
        let target = target.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "a column of the source is none of the table's, or not of one alone")
                .with_context("column", name)
                .with_context("table", table.table.to_string())
        })?;
        columns.push(Column { target, source: name.clone() });
    }
    Ok(columns)
}

/// The one that is exactly so called, else the only one that is so called in another case.
fn one_of<'a>(name: &str, among: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let mut exact = among.clone().enumerate().filter(|(_, other)| *other == name).map(|(at, _)| at);
    exact.next().or_else(|| {
        let folded = name.to_lowercase();
        let mut alike = among.enumerate().filter(|(_, other)| other.to_lowercase() == folded).map(|(at, _)| at);
        alike.next().filter(|_| alike.next().is_none())
    })
}

fn label_only(options: &CallOptions) -> CallOptions {
    match &options.label {
        Some(label) => CallOptions::default().with_label(label),
        None => CallOptions::default(),
    }
}

/// A directory for the files of one merge, deleted at its end whatever happens.
struct Scratch {
    loader: Option<Loader>,
    directory: String,
    staged: Staged,
}

impl Scratch {
    fn new(loader: &Loader) -> Self {
        let directory = format!("{}/merge-{}", loader.staging, Uuid::new_v4());
        Self { loader: Some(loader.clone()), directory, staged: Staged::default() }
    }

    async fn remove(mut self) {
        if let Some(loader) = self.loader.take() {
            sweep(loader, std::mem::take(&mut self.directory), std::mem::take(&mut self.staged)).await;
        }
    }

    /// Leaves the files where they are, and says where.
    fn keep(mut self) -> String {
        self.loader = None;
        std::mem::take(&mut self.directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (Some(loader), Ok(runtime)) = (self.loader.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(sweep(loader, std::mem::take(&mut self.directory), std::mem::take(&mut self.staged)));
    }
}

async fn sweep(loader: Loader, directory: String, staged: Staged) {
    let swept = async {
        load::remove(&loader.client, &directory, &staged).await?;
        loader.client.delete_directory(&directory).await
    };
    if let Err(error) = swept.await {
        tracing::warn!(directory, error = %Report(&error), "the files of a merge could not be deleted");
    }
}
