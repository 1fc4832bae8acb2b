//! Merging rows into a table by key.

use std::fmt;

use crate::{
    batches::BatchStream,
    capability::Capabilities,
    expression::Expression,
    statement::{CallOptions, StatementRequest},
    table::TableRef,
};
use twinhouse_core::{Error, ErrorKind, Result};

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

/// Which rows a clause of a merge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergeWhen {
    /// Target rows that a source row matches.
    Matched,
    /// Source rows that match no target row.
    NotMatched,
    /// Target rows that no source row matches.
    NotMatchedBySource,
}

/// A column and what it is set to. In the value, `s` is the source row and `t` the target row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Assignment {
    /// The target's column.
    pub column: String,
    /// Its new value.
    pub value: Expression,
}

impl Assignment {
    /// Sets `column` to `value`.
    pub fn new(column: impl Into<String>, value: impl Into<Expression>) -> Self {
        Self { column: column.into(), value: value.into() }
    }
}

/// What a clause of a merge does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MergeAction {
    /// Sets these columns.
    Update(Vec<Assignment>),
    /// Sets every column that the source has.
    UpdateAll,
    /// Deletes the target row.
    Delete,
    /// Inserts a row with these columns.
    Insert(Vec<Assignment>),
    /// Inserts the source row.
    InsertAll,
}

/// One clause of a merge: which rows, on what condition, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MergeClause {
    /// Which rows.
    pub when: MergeWhen,
    /// A further condition over `s` and `t`. Of several clauses, the first whose condition holds is carried out.
    pub condition: Option<Expression>,
    /// What becomes of them.
    pub action: MergeAction,
}

impl MergeClause {
    /// A clause without a condition.
    pub fn new(when: MergeWhen, action: MergeAction) -> Self {
        Self { when, condition: None, action }
    }

    /// Adds the condition.
    #[must_use]
    pub fn with_condition(mut self, condition: impl Into<Expression>) -> Self {
        self.condition = Some(condition.into());
        self
    }
}

/// What becomes of source rows that share a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duplicates {
    /// The merge is refused with [`ErrorKind::Conflict`] and nothing is changed.
    #[default]
    Refuse,
    /// Of the rows with one key, the one with the greatest value in this column counts (null is the least); among
    /// equals, any one.
    KeepGreatest(String),
}

/// Rows to merge into a table by key.
///
/// Keys are compared with `=`: a null key matches nothing and is inserted. Two source rows with one key are refused
/// with [`ErrorKind::Conflict`] and nothing is changed, unless [`duplicates`](Self::duplicates) says which one counts.
pub struct MergeRequest {
    /// The table that is changed.
    pub target: TableRef,
    /// Where the rows come from.
    pub source: MergeSource,
    /// The columns that must be equal.
    pub keys: Vec<String>,
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
            when_matched: WhenMatched::Update,
            insert_unmatched: true,
            delete_unmatched_by_source: false,
            clauses: Vec::new(),
            duplicates: Duplicates::Refuse,
            schema_evolution: false,
            options: CallOptions::default(),
        }
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

    /// Refuses what the warehouse does not do and what makes no sense, before anything is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a wish that is not among `can`; [`ErrorKind::InvalidInput`] for no keys, a key
    /// named twice, a key among the columns to set, or a request that would change nothing.
    pub fn check(&self, can: &Capabilities, backend: &'static str) -> Result<()> {
        let bad = |why: &'static str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("table", self.target.to_string()))
        };
        if !can.merge {
            return Err(Error::unsupported(backend, "cannot merge: no staging place is configured"));
        }
        if !self.clauses.is_empty() && !can.merge_clauses {
            return Err(Error::unsupported(backend, "cannot merge by clauses with conditions and set lists"));
        }
        if self.schema_evolution && !can.merge_schema_evolution {
            return Err(Error::unsupported(backend, "cannot add columns to the target while merging"));
        }
        if self.delete_unmatched_by_source && !can.merge_not_matched_by_source {
            return Err(Error::unsupported(backend, "cannot delete rows that the source lacks"));
        }
        if self.when_matched == WhenMatched::Delete && !can.merge_delete_matched {
            return Err(Error::unsupported(backend, "cannot delete matched rows"));
        }
        if self.keys.is_empty() {
            return bad("a merge needs at least one key column");
        }
        if (1..self.keys.len()).any(|i| self.keys[..i].contains(&self.keys[i])) {
            return bad("a key column is named twice");
        }
        if let WhenMatched::UpdateColumns(columns) = &self.when_matched {
            if columns.is_empty() {
                return bad("no columns to set; say `Keep` to leave matched rows as they are");
            }
            if columns.iter().any(|column| self.keys.contains(column)) {
                return bad("a key column cannot be set by the merge that matches on it");
            }
        }
        if self.when_matched == WhenMatched::Keep && !self.insert_unmatched && !self.delete_unmatched_by_source {
            return bad("this merge would change nothing");
        }
        Ok(())
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
