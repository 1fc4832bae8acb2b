//! Which statement gets which answer.

use std::{fmt, sync::Arc, time::Duration};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::StatementRequest;

/// Which statements a line of the script is for. Runs of white space count as one blank.
///
/// A plain `&str` is the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Is(String),
    Contains(String),
    Any,
}

impl Sql {
    /// Statements of exactly this text.
    pub fn is(text: &str) -> Self {
        Self(Pattern::Is(one_line(text)))
    }

    /// Statements that contain this text.
    pub fn contains(text: &str) -> Self {
        Self(Pattern::Contains(one_line(text)))
    }

    /// Every statement.
    pub fn any() -> Self {
        Self(Pattern::Any)
    }

    fn matches(&self, sql: &str) -> bool {
        match &self.0 {
            Pattern::Is(text) => one_line(sql) == *text,
            Pattern::Contains(text) => one_line(sql).contains(text.as_str()),
            Pattern::Any => true,
        }
    }
}

impl From<&str> for Sql {
    fn from(text: &str) -> Self {
        Self::is(text)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What becomes of a statement.
#[derive(Clone)]
#[must_use = "a reply does nothing until it is in a script"]
pub struct Reply {
    pub(super) outcome: Outcome,
    pub(super) delay: Duration,
}

type Compute = dyn Fn(&StatementRequest) -> Result<Reply> + Send + Sync;

#[derive(Clone)]
pub(super) enum Outcome {
    Rows { schema: SchemaRef, batches: Vec<RecordBatch>, then: Option<Error> },
    Affected(u64),
    Failed(Error),
    Hangs,
    Computed(Arc<Compute>),
}

impl Reply {
    fn new(outcome: Outcome) -> Self {
        Self { outcome, delay: Duration::ZERO }
    }

    /// These rows, in one batch.
    pub fn rows(batch: RecordBatch) -> Self {
        Self::batches(batch.schema(), vec![batch])
    }

    /// These rows. The schema stands even if there is no batch.
    pub fn batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self::new(Outcome::Rows { schema, batches, then: None })
    }

    /// No rows, and a count of rows that were changed.
    pub fn affected(rows: u64) -> Self {
        Self::new(Outcome::Affected(rows))
    }

    /// The statement fails.
    pub fn error(error: Error) -> Self {
        Self::new(Outcome::Failed(error))
    }

    /// The statement goes on until somebody stops it.
    pub fn hang() -> Self {
        Self::new(Outcome::Hangs)
    }

    /// Whatever the closure says, given the statement with its parameters.
    pub fn computed(answer: impl Fn(&StatementRequest) -> Result<Self> + Send + Sync + 'static) -> Self {
        Self::new(Outcome::Computed(Arc::new(answer)))
    }

    /// Lets this much time pass, on tokio's clock, before the statement is done.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// After its rows the result breaks off with this error. Only rows can break off.
    pub fn then_error(mut self, error: Error) -> Self {
        if let Outcome::Rows { then, .. } = &mut self.outcome {
            *then = Some(error);
        }
        self
    }

    /// Calls closures until there is an answer. They may use the warehouse: no lock is held.
    pub(super) fn resolve(mut self, request: &StatementRequest) -> Result<Self> {
        while let Outcome::Computed(answer) = &self.outcome {
            let delay = self.delay;
            self = answer(request)?;
            self.delay += delay;
        }
        Ok(self)
    }

    /// What a statement without rows has for a schema.
    pub(super) fn no_columns() -> SchemaRef {
        Arc::new(Schema::empty())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Outcome::Rows { batches, .. } => {
                format!("{} rows", batches.iter().map(RecordBatch::num_rows).sum::<usize>())
            }
            Outcome::Affected(rows) => format!("{rows} affected"),
            Outcome::Failed(error) => format!("fails: {error}"),
            Outcome::Hangs => "hangs".to_owned(),
            Outcome::Computed(_) => "computed".to_owned(),
        };
        f.debug_struct("Reply").field("outcome", &outcome).field("delay", &self.delay).finish()
    }
}

#[derive(Default)]
pub(super) struct Script(Vec<Line>);

struct Line {
    sql: Sql,
    reply: Reply,
    /// None: it is never spent.
    left: Option<u32>,
}

impl Script {
    pub(super) fn add(&mut self, sql: Sql, reply: Reply, left: Option<u32>) {
        self.0.push(Line { sql, reply, left });
    }

    /// The answer to a statement; a line that answers once is spent.
    pub(super) fn reply(&mut self, request: &StatementRequest) -> Result<Reply> {
        let line = self.0.iter_mut().find(|line| line.left != Some(0) && line.sql.matches(request.sql()));
        let Some(line) = line else {
            // The text is the test's own; without it nobody finds the missing line.
            return Err(Error::new(ErrorKind::InvalidInput, "the script has no answer to this statement")
                .with_context("sql", one_line(request.sql())));
        };
        line.left = line.left.map(|left| left - 1);
        Ok(line.reply.clone())
    }

    /// What was to be asked once and was not.
    pub(super) fn left(&self) -> Vec<Sql> {
        self.0.iter().filter(|line| line.left.is_some_and(|left| left > 0)).map(|line| line.sql.clone()).collect()
    }
}
