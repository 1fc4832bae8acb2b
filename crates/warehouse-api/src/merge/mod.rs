//! Merging rows into a table by key.

mod check;
mod clause;

use std::fmt;

pub use self::clause::{Assignment, MergeAction, MergeClause, MergeWhen};
use crate::{
    batches::BatchStream,
    expression::Expression,
    statement::{CallOptions, StatementRequest},
    table::TableRef,
};

/// Where the rows of a merge come from.
#[derive(Debug)]
#[non_exhaustive]
pub enum MergeSource {
    /// Rows in memory; they are staged first.
    Batches(BatchStream),
    /// A table of the same warehouse.
    Table(TableRef),
    /// A query on the same warehouse.
    Query(StatementRequest),
}

/// What happens to a target row that a source row matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenMatched {
    /// All columns of the source that are not keys are set.
    Update,
    /// These columns are set.
    UpdateColumns(Vec<String>),
    /// The target row is deleted.
    Delete,
    /// The target row stays.
    Keep,
}

/// What becomes of source rows that share a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duplicates {
    /// The merge is refused with [`ErrorKind::Conflict`](twinhouse_core::ErrorKind::Conflict) and nothing is changed.
    #[default]
    Refuse,
    /// Of the rows with one key, the one with the greatest value in this column counts (null is the least); among
    /// equals, any one.
    KeepGreatest(String),
}

/// Rows to merge into a table by key.
///
/// Keys are compared with `=`: a null key matches nothing and is inserted. Two source rows with one key are refused
/// with [`ErrorKind::Conflict`](twinhouse_core::ErrorKind::Conflict) and nothing is changed, unless
/// [`duplicates`](Self::duplicates) says which one counts.
///
/// ```
/// use twinhouse_warehouse_api::{
///     Assignment, Expression, MergeAction, MergeClause, MergeRequest, MergeSource, MergeWhen, TableRef,
/// };
///
/// // Sold out is gone; what became cheaper is noted; what is new comes in.
/// let request = MergeRequest::upsert(TableRef::new("stock"), MergeSource::Table(TableRef::new("delivery")), ["item"])
///     .with_clauses([
///         MergeClause::new(MergeWhen::Matched, MergeAction::Delete).with_condition("s.left = 0"),
///         MergeClause::new(
///             MergeWhen::Matched,
///             MergeAction::Update(vec![
///                 Assignment::new("price", "s.price"),
///                 Assignment::new("note", Expression::new(":note").bind("note", "it's cheaper")),
///             ]),
///         )
///         .with_condition("s.price < t.price"),
///         MergeClause::new(MergeWhen::NotMatched, MergeAction::InsertAll),
///     ]);
/// assert_eq!(request.clauses.len(), 3);
/// ```
pub struct MergeRequest {
    /// The table that is changed.
    pub target: TableRef,
    /// Where the rows come from.
    pub source: MergeSource,
    /// The columns that must be equal.
    pub keys: Vec<String>,
    /// What must hold for a match beside equal keys, over `s` and `t`. A date of the target's partitions here spares
    /// the warehouse the others.
    pub on: Option<Expression>,
    /// What happens to matched rows.
    pub when_matched: WhenMatched,
    /// Whether source rows without a match are inserted.
    pub insert_unmatched: bool,
    /// Whether target rows that the source lacks are deleted.
    pub delete_unmatched_by_source: bool,
    /// If not empty, these clauses in this order take the place of the three wishes above.
    pub clauses: Vec<MergeClause>,
    /// What becomes of source rows that share a key.
    pub duplicates: Duplicates,
    /// Whether columns that only the source has are added to the target.
    pub schema_evolution: bool,
    /// How the call is carried out.
    pub options: CallOptions,
}

impl MergeRequest {
    /// Updates matched rows and inserts the others.
    pub fn upsert(target: TableRef, source: MergeSource, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            target,
            source,
            keys: keys.into_iter().map(Into::into).collect(),
            on: None,
            when_matched: WhenMatched::Update,
            insert_unmatched: true,
            delete_unmatched_by_source: false,
            clauses: Vec::new(),
            duplicates: Duplicates::Refuse,
            schema_evolution: false,
            options: CallOptions::default(),
        }
    }

    /// Says what must hold for a match beside equal keys.
    #[must_use]
    pub fn with_on(mut self, condition: impl Into<Expression>) -> Self {
        self.on = Some(condition.into());
        self
    }

    /// Says what happens to matched rows.
    #[must_use]
    pub fn with_when_matched(mut self, action: WhenMatched) -> Self {
        self.when_matched = action;
        self
    }

    /// Says whether source rows without a match are inserted.
    #[must_use]
    pub fn with_insert_unmatched(mut self, insert: bool) -> Self {
        self.insert_unmatched = insert;
        self
    }

    /// Says whether target rows that the source lacks are deleted.
    #[must_use]
    pub fn with_delete_unmatched_by_source(mut self, delete: bool) -> Self {
        self.delete_unmatched_by_source = delete;
        self
    }

    /// Carries out these clauses, in this order, instead of the simple wishes.
    #[must_use]
    pub fn with_clauses(mut self, clauses: impl IntoIterator<Item = MergeClause>) -> Self {
        self.clauses = clauses.into_iter().collect();
        self
    }

    /// Says what becomes of source rows that share a key.
    #[must_use]
    pub fn with_duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Adds columns that only the source has to the target.
    #[must_use]
    pub fn with_schema_evolution(mut self, evolve: bool) -> Self {
        self.schema_evolution = evolve;
        self
    }

    /// Replaces the call options.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }
}

impl fmt::Debug for MergeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeRequest")
            .field("target", &self.target)
            .field("source", &self.source)
            .field("keys", &self.keys)
            .field("when_matched", &self.when_matched)
            .field("insert_unmatched", &self.insert_unmatched)
            .field("delete_unmatched_by_source", &self.delete_unmatched_by_source)
            .field("clauses", &self.clauses.len())
            .field("duplicates", &self.duplicates)
            .field("schema_evolution", &self.schema_evolution)
            .finish_non_exhaustive()
    }
}

/// What a merge did. A count that the server does not give is `None`, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// Rows inserted.
    pub inserted: Option<u64>,
    /// Rows updated.
    pub updated: Option<u64>,
    /// Rows deleted.
    pub deleted: Option<u64>,
}

impl MergeReport {
    /// Counts as the server gave them.
    pub fn new(inserted: Option<u64>, updated: Option<u64>, deleted: Option<u64>) -> Self {
        Self { inserted, updated, deleted }
    }

    /// All rows changed, if every count is known.
    pub fn affected(&self) -> Option<u64> {
        Some(self.inserted? + self.updated? + self.deleted?)
    }
}
