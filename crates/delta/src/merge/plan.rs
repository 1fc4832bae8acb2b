//! What a merge would do.

use serde::Deserialize;
use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{
    Assignment, Dialect, Duplicates, Fit, MergeAction, MergeClause, MergeRequest, MergeSource, MergeWhen, Params,
    StatementRequest, TableRef, WarehouseExt as _,
};

use super::builder::MergeBuilder;
use crate::{
    filter::enclosed,
    schema::{SchemaDiff, TableSchema},
    table::DeltaTable,
    write::{Warning, describe_nulls_and_duplicates},
};

/// What a merge would do, found out without changing anything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MergePlan {
    /// The table that would be changed.
    pub table: TableRef,
    /// Why the merge would be refused for its columns or values, if it would.
    pub misfit: Option<Error>,
    /// How the columns of rows from memory differ from the table's; `None` for other sources, and if a type has no
    /// counterpart.
    pub differences: Option<SchemaDiff>,
    /// Rows of the source.
    pub rows: u64,
    /// Their size as Arrow in memory, in bytes; `None` if they are not in memory.
    pub bytes: Option<u64>,
    /// What is allowed and may not be wanted.
    pub warnings: Vec<Warning>,
    /// The statement that would run. The path of staged rows is left out.
    pub statements: Vec<String>,
}

impl MergeBuilder {
    /// Finds out what the merge would do. Reads rows from memory to their end, counts those of a table or query on the
    /// server, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run) for what makes no sense; those of looking at the tables. That the rows do not fit is no error
    /// but [`misfit`](MergePlan::misfit).
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn dry_run(mut self) -> Result<MergePlan> {
        self.check()?;
        let source = self.source().await?;
        let (table, warehouse, dialect) = (self.table.table_ref(), self.table.warehouse(), self.table.dialect());
        let mut plan = MergePlan {
            table: table.clone(),
            misfit: None,
            differences: None,
            rows: 0,
            bytes: None,
            warnings: Vec::new(),
            statements: Vec::new(),
        };
        let relation = match source {
            MergeSource::Batches(batches) => {
                let info = warehouse.table(table).await?;
                let schema = batches.schema().clone();
                let of_rows = TableSchema::from_arrow(&schema);
                plan.differences = TableSchema::of_table(&info)
                    .ok()
                    .and_then(|of_table| Some(SchemaDiff::between(&of_table, of_rows.as_ref().ok()?)));
                let batches = batches.collect_batches().await?;
                if !self.request(MergeSource::Table(table.clone())).schema_evolution {
                    let fit = Fit::plan(&info, &schema);
                    let applied = fit.and_then(|fit| batches.iter().try_for_each(|batch| fit.apply(batch).map(drop)));
                    plan.misfit = applied.err();
                }
                plan.rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
                plan.bytes = Some(batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum());
                plan.warnings = describe_nulls_and_duplicates(&batches, &self.keys)?;
                "parquet.`<staged files>`".to_owned()
            }
            MergeSource::Table(from) => {
                let relation = dialect.table(&from)?;
                count(&self.table, &self.keys, &mut plan, &relation, Params::new()).await?;
                relation
            }
            MergeSource::Query(query) => {
                let relation = format!("(\n{}\n)", query.sql().trim().trim_end_matches(';'));
                count(&self.table, &self.keys, &mut plan, &relation, query.params().clone()).await?;
                relation
            }
            other => {
                return Err(Error::unsupported("databricks", "cannot say what a merge from this source would do")
                    .with_context("source", format!("{other:?}")));
            }
        };
        let request = self.request(MergeSource::Table(table.clone()));
        if request.duplicates != Duplicates::Refuse {
            plan.warnings.retain(|warning| !matches!(warning, Warning::DuplicateKeys(_)));
        }
        if plan.rows == 0 {
            plan.warnings.push(Warning::NoRows);
        }
        plan.statements.push(statement(dialect, &request, self.clauses(), &relation)?);
        Ok(plan)
    }
}

/// Has the server count rows, keys with a null, and keys that come again.
async fn count(
    table: &DeltaTable,
    keys: &[String],
    plan: &mut MergePlan,
    relation: &str,
    params: Params,
) -> Result<()> {
    #[derive(Deserialize)]
    struct Counts {
        n: i64,
        keyed: i64,
        keys: i64,
    }
    let dialect = table.dialect();
    let keys = keys.iter().map(|key| dialect.quote(key)).collect::<Result<Vec<_>>>()?;
    let present: Vec<_> = keys.iter().map(|key| format!("{key} IS NOT NULL")).collect();
    let by = keys.join(", ");
    let sql = format!(
        "SELECT cast(coalesce(sum(copies), 0) AS BIGINT) AS n, \
         cast(coalesce(sum(CASE WHEN {present} THEN copies ELSE 0 END), 0) AS BIGINT) AS keyed, \
         cast(coalesce(sum(CASE WHEN {present} THEN 1 ELSE 0 END), 0) AS BIGINT) AS keys \
         FROM (SELECT {by}, count(*) AS copies FROM {relation} AS r GROUP BY {by}) AS k",
        present = present.join(" AND ")
    );
    let counts: Counts = table.warehouse().fetch_one(StatementRequest::read(sql).with_params(params)).await?;
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    plan.rows = count(counts.n);
    let warnings = [
        (counts.n - counts.keyed, Warning::NullKeys(count(counts.n - counts.keyed))),
        (counts.keyed - counts.keys, Warning::DuplicateKeys(count(counts.keyed - counts.keys))),
    ];
    plan.warnings.extend(warnings.into_iter().filter(|(n, _)| *n > 0).map(|(_, warning)| warning));
    Ok(())
}

/// The shape of the statement. `*` stands for the columns of the source, which the warehouse names one by one.
fn statement(dialect: &dyn Dialect, request: &MergeRequest, clauses: &[MergeClause], relation: &str) -> Result<String> {
    let evolve = if request.schema_evolution { " WITH SCHEMA EVOLUTION" } else { "" };
    let keys = request.keys.iter().map(|key| dialect.quote(key).map(|key| format!("t.{key} = s.{key}")));
    let mut on = keys.collect::<Result<Vec<_>>>()?;
    if let Some(further) = &request.on {
        on.push(enclosed(dialect, further)?);
    }
    let target = dialect.table(&request.target)?;
    let mut sql = format!("MERGE{evolve} INTO {target} AS t USING {relation} AS s ON {}", on.join(" AND "));
    for clause in clauses {
        sql.push_str(match clause.when {
            MergeWhen::Matched => " WHEN MATCHED",
            MergeWhen::NotMatched => " WHEN NOT MATCHED",
            _ => " WHEN NOT MATCHED BY SOURCE",
        });
        if let Some(condition) = &clause.condition {
            sql.push_str(&format!(" AND {}", enclosed(dialect, condition)?));
        }
        sql.push_str(" THEN ");
        sql.push_str(&action(dialect, &clause.action)?);
    }
    Ok(sql)
}

fn action(dialect: &dyn Dialect, action: &MergeAction) -> Result<String> {
    let names = |set: &[Assignment]| set.iter().map(|one| dialect.quote(&one.column)).collect::<Result<Vec<_>>>();
    let values = |set: &[Assignment]| set.iter().map(|one| enclosed(dialect, &one.value)).collect::<Result<Vec<_>>>();
    Ok(match action {
        MergeAction::Update(set) => {
            let set: Vec<_> = names(set)?.iter().zip(values(set)?).map(|(n, v)| format!("{n} = {v}")).collect();
            format!("UPDATE SET {}", set.join(", "))
        }
        MergeAction::UpdateAll => "UPDATE SET *".to_owned(),
        MergeAction::Delete => "DELETE".to_owned(),
        MergeAction::Insert(set) => format!("INSERT ({}) VALUES ({})", names(set)?.join(", "), values(set)?.join(", ")),
        MergeAction::InsertAll => "INSERT *".to_owned(),
        other => {
            return Err(Error::unsupported("databricks", "cannot say what this clause would do")
                .with_context("clause", format!("{other:?}")));
        }
    })
}
