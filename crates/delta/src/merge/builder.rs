//! One merge, clause by clause.

use std::fmt;

use serde::Serialize;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    Assignment, BatchStream, CallOptions, Duplicates, Expression, MergeAction, MergeClause, MergeReport, MergeRequest,
    MergeSource, MergeWhen, StatementRequest, TableRef, WhenMatched, arrow::array::RecordBatch,
};

use crate::{table::DeltaTable, write::RowSource};

/// Where the rows of a merge come from: batches, another table, or a query.
pub struct MergeInput(pub(super) Input);

pub(super) enum Input {
    Source(MergeSource),
    Rows(RowSource),
}

impl From<MergeSource> for MergeInput {
    fn from(source: MergeSource) -> Self {
        Self(Input::Source(source))
    }
}

impl From<BatchStream> for MergeInput {
    fn from(batches: BatchStream) -> Self {
        MergeSource::Batches(batches).into()
    }
}

impl From<RecordBatch> for MergeInput {
    fn from(batch: RecordBatch) -> Self {
        BatchStream::from_batches(batch.schema(), vec![batch]).into()
    }
}

impl From<TableRef> for MergeInput {
    fn from(table: TableRef) -> Self {
        MergeSource::Table(table).into()
    }
}

impl From<&DeltaTable> for MergeInput {
    fn from(table: &DeltaTable) -> Self {
        table.table_ref().clone().into()
    }
}

impl From<StatementRequest> for MergeInput {
    fn from(query: StatementRequest) -> Self {
        MergeSource::Query(query).into()
    }
}

impl fmt::Debug for MergeInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Input::Source(source) => source.fmt(f),
            Input::Rows(_) => f.write_str("Rows"),
        }
    }
}

/// A merge: which rows, matched how, and what becomes of them. Made by [`DeltaTable::merge`] and
/// [`DeltaTable::merge_rows`].
///
/// Clauses are tried in the order in which they are said; of each kind, the first whose condition holds is carried
/// out. In conditions and values, `s` is the source row and `t` the target row.
///
/// ```no_run
/// # async fn example(stock: &twinhouse_delta::DeltaTable, delivery: &twinhouse_delta::DeltaTable)
/// # -> twinhouse_core::Result<()> {
/// use twinhouse_warehouse_api::Expression;
///
/// let report = stock
///     .merge(delivery)
///     .on(["item"])
///     .when_matched_delete()
///     .only_if("s.pieces = 0")
///     .when_matched_update([("pieces", Expression::from("t.pieces + s.pieces"))])
///     .when_not_matched_insert_all()
///     .only_if(Expression::new("s.pieces > :least").bind("least", 0))
///     .keep_greatest("delivered_at")
///     .run()
///     .await?;
/// println!("{:?} inserted, {:?} updated, {:?} deleted", report.inserted, report.updated, report.deleted);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a merge does nothing until it is run"]
pub struct MergeBuilder {
    pub(super) table: DeltaTable,
    pub(super) input: MergeInput,
    pub(super) keys: Vec<String>,
    on: Option<Expression>,
    clauses: Vec<MergeClause>,
    duplicates: Duplicates,
    schema_evolution: bool,
    options: CallOptions,
    /// A condition that was said before any clause.
    stray: bool,
}

impl DeltaTable {
    /// Merges rows into this table. Nothing is sent yet.
    pub fn merge(&self, source: impl Into<MergeInput>) -> MergeBuilder {
        MergeBuilder {
            table: self.clone(),
            input: source.into(),
            keys: Vec::new(),
            on: None,
            clauses: Vec::new(),
            duplicates: Duplicates::Refuse,
            schema_evolution: false,
            options: CallOptions::default(),
            stray: false,
        }
    }

    /// Merges rows of a type, as [`write_rows`](Self::write_rows) writes them.
    pub fn merge_rows<T: Serialize + Send + 'static>(&self, rows: Vec<T>) -> MergeBuilder {
        self.merge(MergeInput(Input::Rows(RowSource::new(rows))))
    }
}

impl MergeBuilder {
    /// The columns that must be equal. A null equals nothing.
    pub fn on(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// What must hold for a match beside equal keys.
    pub fn and_on(mut self, condition: impl Into<Expression>) -> Self {
        self.on = Some(condition.into());
        self
    }

    /// Sets these columns of matched rows.
    pub fn when_matched_update<C: Into<String>, V: Into<Expression>>(
        self,
        set: impl IntoIterator<Item = (C, V)>,
    ) -> Self {
        self.when(MergeWhen::Matched, MergeAction::Update(assignments(set)))
    }

    /// Sets every column of matched rows that the source has and that is no key.
    pub fn when_matched_update_all(self) -> Self {
        self.when(MergeWhen::Matched, MergeAction::UpdateAll)
    }

    /// Deletes matched rows.
    pub fn when_matched_delete(self) -> Self {
        self.when(MergeWhen::Matched, MergeAction::Delete)
    }

    /// Inserts a row with these columns for a source row without a match.
    pub fn when_not_matched_insert<C: Into<String>, V: Into<Expression>>(
        self,
        set: impl IntoIterator<Item = (C, V)>,
    ) -> Self {
        self.when(MergeWhen::NotMatched, MergeAction::Insert(assignments(set)))
    }

    /// Inserts a source row without a match as it is.
    pub fn when_not_matched_insert_all(self) -> Self {
        self.when(MergeWhen::NotMatched, MergeAction::InsertAll)
    }

    /// Sets these columns of target rows that the source lacks.
    pub fn when_not_matched_by_source_update<C: Into<String>, V: Into<Expression>>(
        self,
        set: impl IntoIterator<Item = (C, V)>,
    ) -> Self {
        self.when(MergeWhen::NotMatchedBySource, MergeAction::Update(assignments(set)))
    }

    /// Deletes target rows that the source lacks.
    pub fn when_not_matched_by_source_delete(self) -> Self {
        self.when(MergeWhen::NotMatchedBySource, MergeAction::Delete)
    }

    /// Updates what matches and inserts the rest.
    pub fn upsert(self) -> Self {
        self.when_matched_update_all().when_not_matched_insert_all()
    }

    /// Carries out the clause that was said last only where this holds.
    pub fn only_if(mut self, condition: impl Into<Expression>) -> Self {
        match self.clauses.pop() {
            Some(clause) => self.clauses.push(clause.with_condition(condition)),
            None => self.stray = true,
        }
        self
    }

    /// Of source rows that share a key, the one with the greatest value in this column counts. Unless this is said,
    /// they are refused.
    pub fn keep_greatest(mut self, column: impl Into<String>) -> Self {
        self.duplicates = Duplicates::KeepGreatest(column.into());
        self
    }

    /// Adds columns that only the source has to the table.
    pub fn with_schema_evolution(mut self, evolve: bool) -> Self {
        self.schema_evolution = evolve;
        self
    }

    /// Replaces the call options.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Carries it out, all or nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for no keys, no clause, a clause without sense or in the wrong place, or columns that
    /// do not fit, before anything is sent; [`ErrorKind::Conflict`] for source rows that share a key (final), or if
    /// another writer was in the way (it may be tried again): nothing was changed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: the merge is done or not.
    pub async fn run(mut self) -> Result<MergeReport> {
        self.check()?;
        let source = self.source().await?;
        let warehouse = self.table.warehouse().clone();
        warehouse.merge(self.request(source)).await
    }

    fn when(mut self, when: MergeWhen, action: MergeAction) -> Self {
        self.clauses.push(MergeClause::new(when, action));
        self
    }

    /// Refuses what makes no sense, before the rows are looked at.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |why: &'static str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("table", self.table.table_ref().to_string()))
        };
        if self.stray {
            return wrong("`only_if` is about the clause before it, and there is none");
        }
        if self.clauses.is_empty() {
            return wrong("this merge says nothing of what becomes of the rows: add a clause, or `upsert`");
        }
        let unread = self.request(MergeSource::Table(self.table.table_ref().clone()));
        unread.check(&self.table.warehouse().capabilities(), self.table.warehouse().info().backend)
    }

    pub(super) async fn source(&mut self) -> Result<MergeSource> {
        let nothing = MergeInput::from(self.table.table_ref().clone());
        match std::mem::replace(&mut self.input, nothing).0 {
            Input::Source(source) => Ok(source),
            Input::Rows(rows) => {
                let info = self.table.warehouse().table(self.table.table_ref()).await?;
                Ok(MergeSource::Batches(rows.batches(Some(&info))?))
            }
        }
    }

    pub(super) fn request(&self, source: MergeSource) -> MergeRequest {
        let request = MergeRequest::upsert(self.table.table_ref().clone(), source, self.keys.iter().cloned());
        // What every warehouse does is asked for in the way that every warehouse takes.
        let mut request = match self.wishes() {
            Some((matched, insert, delete)) => {
                request.with_when_matched(matched).with_insert_unmatched(insert).with_delete_unmatched_by_source(delete)
            }
            None => request.with_clauses(self.clauses.iter().cloned()),
        };
        request = request
            .with_duplicates(self.duplicates.clone())
            .with_schema_evolution(self.schema_evolution)
            .with_options(self.options.clone());
        request.on.clone_from(&self.on);
        request
    }

    pub(super) fn clauses(&self) -> &[MergeClause] {
        &self.clauses
    }

    /// The clauses as simple wishes, if they are no more than that.
    fn wishes(&self) -> Option<(WhenMatched, bool, bool)> {
        let (mut matched, mut insert, mut delete) = (WhenMatched::Keep, false, false);
        for clause in &self.clauses {
            if clause.condition.is_some() {
                return None;
            }
            match (clause.when, &clause.action) {
                (MergeWhen::Matched, MergeAction::UpdateAll) if matched == WhenMatched::Keep => {
                    matched = WhenMatched::Update;
                }
                (MergeWhen::Matched, MergeAction::Delete) if matched == WhenMatched::Keep => {
                    matched = WhenMatched::Delete;
                }
                (MergeWhen::NotMatched, MergeAction::InsertAll) if !insert => insert = true,
                (MergeWhen::NotMatchedBySource, MergeAction::Delete) if !delete => delete = true,
                _ => return None,
            }
        }
        Some((matched, insert, delete))
    }
}

fn assignments<C: Into<String>, V: Into<Expression>>(set: impl IntoIterator<Item = (C, V)>) -> Vec<Assignment> {
    set.into_iter().map(|(column, value)| Assignment::new(column, value)).collect()
}
