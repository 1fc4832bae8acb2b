//! Several statements from one text, one after the other on one session.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::StreamExt as _;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{
    CallOptions, Dialect as _, Params, RedshiftDialect, StatementRequest, TransactionOptions,
};

use crate::{
    cluster::Cluster,
    statement::{Plan, Source, text},
    transaction::{self, RedshiftTransaction, Seat, in_transaction, refuse_barred},
};

/// How a script is run; see [`RedshiftWarehouse::run_script`](crate::RedshiftWarehouse::run_script).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptOptions {
    /// Whether all of it is one transaction, or each statement its own.
    pub transaction: bool,
    /// How many rows of one statement are kept; more are an error, because they would not stream.
    pub max_rows: usize,
    /// For each statement.
    pub call: CallOptions,
}

impl Default for ScriptOptions {
    /// One transaction, 10,000 rows.
    fn default() -> Self {
        Self { transaction: true, max_rows: 10_000, call: CallOptions::default() }
    }
}

impl ScriptOptions {
    /// Says whether all of it is one transaction, or each statement its own.
    #[must_use]
    pub fn with_transaction(mut self, transaction: bool) -> Self {
        self.transaction = transaction;
        self
    }

    /// Says how many rows of one statement are kept.
    #[must_use]
    pub fn with_max_rows(mut self, rows: usize) -> Self {
        self.max_rows = rows;
        self
    }

    /// Sets limit and label of each statement.
    #[must_use]
    pub fn with_call(mut self, call: CallOptions) -> Self {
        self.call = call;
        self
    }
}

/// What one statement of a script did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScriptResult {
    /// Which one it was, counted from 1.
    pub number: usize,
    /// What it was told to do: `SELECT`, `CREATE`.
    pub verb: String,
    /// How many rows it changed, where the server says.
    pub rows_affected: Option<u64>,
    /// The columns of its rows; none if it gave no rows.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
}

struct Step {
    number: usize,
    plan: Plan,
}

pub(crate) async fn run(cluster: &Arc<Cluster>, sql: &str, options: &ScriptOptions) -> Result<Vec<ScriptResult>> {
    let steps = plan(sql, options)?;
    let mut results = Vec::with_capacity(steps.len());
    if options.transaction {
        let transaction = transaction::begin(cluster.clone(), TransactionOptions::default()).await?;
        for step in steps {
            let number = step.number;
            let result = one(transaction.seat(), step, options).await;
            results.push(result.map_err(|error| at(in_transaction(error), number))?);
        }
        commit(transaction).await?;
        return Ok(results);
    }
    let session = Session(Seat::take(cluster.clone(), TransactionOptions::default()).await?);
    for step in steps {
        let number = step.number;
        let result = one(&session.0, step, options).await;
        results.push(result.map_err(|error| {
            // Those before it are done: the script must not be repeated as a whole.
            let effect = if number > 1 { Effect::Unknown } else { error.fault().effect };
            let fault = Fault { effect, ..error.fault() };
            at(error.with_fault(fault), number)
        })?);
    }
    Ok(results)
}

async fn commit(transaction: RedshiftTransaction) -> Result<()> {
    transaction.end("COMMIT").await.map_err(|error| error.with_operation("transaction.commit"))
}

/// A session that is given back whatever happens.
struct Session(Seat);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The statements, all of them checked before the first is sent.
fn plan(sql: &str, options: &ScriptOptions) -> Result<Vec<Step>> {
    // What is not closed, and markers that nothing is bound to, with their places in the whole text.
    RedshiftDialect.bind(sql, &Params::new())?;
    let statements = text::statements(sql).into_iter().enumerate();
    let step = |(index, span): (usize, std::ops::Range<usize>)| {
        let (number, written) = (index + 1, &sql[span.clone()]);
        let step = || {
            let mut plan = Plan::of(&StatementRequest::write(written))?;
            plan.source = Arc::new(Source::new(written, &plan.sql).after(&sql[..span.start]));
            if options.transaction { refuse_barred(&plan.words) } else { plan.refuse_transaction_control() }?;
            Ok(Step { number, plan })
        };
        step().map_err(|error| at(error, number))
    };
    statements.map(step).collect()
}

async fn one(seat: &Seat, step: Step, options: &ScriptOptions) -> Result<ScriptResult> {
    let verb = step.plan.words.verb().to_owned();
    let mut stream = seat.query(step.plan, &options.call, None).await?;
    let (mut batches, mut rows) = (Vec::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > options.max_rows {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the statement gives more rows than a script keeps: query it",
            )
            .with_context("max_rows", options.max_rows.to_string()));
        }
        batches.push(batch);
    }
    let (schema, rows_affected) = (stream.schema().clone(), stream.rows_affected());
    Ok(ScriptResult { number: step.number, verb, rows_affected, schema, batches })
}

fn at(error: Error, number: usize) -> Error {
    error.with_context("statement number", number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str, transaction: bool) -> Error {
        match plan(sql, &ScriptOptions::default().with_transaction(transaction)) {
            Ok(_) => panic!("taken: {sql}"),
            Err(error) => error,
        }
    }

    #[test]
    fn statements_are_told_apart_where_they_end() {
        let sql = "-- one; two\nselect ';', \"a;b\", 'it\\'s;' /* ; */; ;\n\
                   create procedure p() as $$ begin; end; $$ language plpgsql;\n insert into t values ($$;$$) ;";
        let found: Vec<_> = text::statements(sql).into_iter().map(|span| &sql[span]).collect();
        assert_eq!(
            found,
            [
                "select ';', \"a;b\", 'it\\'s;'",
                "create procedure p() as $$ begin; end; $$ language plpgsql",
                "insert into t values ($$;$$)"
            ]
        );
        assert!(text::statements(" -- nothing\n;;").is_empty());
    }

    #[test]
    fn what_cannot_run_is_refused_with_its_number_before_anything_is_sent() {
        let error = refused("select 1; vacuum t", true);
        assert_eq!((error.kind(), error.context("statement number")), (ErrorKind::Unsupported, Some("2")));
        assert_eq!(plan("select 1; vacuum t", &ScriptOptions::default().with_transaction(false)).unwrap().len(), 2);
        for both in [true, false] {
            assert_eq!(refused("select 1; select 2; commit", both).context("statement number"), Some("3"));
            let open = refused("select 1;\nselect 'x", both);
            assert_eq!((open.kind(), open.context("position")), (ErrorKind::Syntax, Some("line 2, column 8")));
        }
    }
}
