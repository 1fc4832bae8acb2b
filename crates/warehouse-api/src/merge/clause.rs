//! One clause of a merge.

use crate::expression::Expression;

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
