//! What an evolution may do.

use crate::schema::FieldPath;

/// What an evolution may do beyond adding columns, allowing nulls and setting comments.
///
/// ```
/// use twinhouse_delta::EvolutionOptions;
///
/// let options = EvolutionOptions::default().with_drops(true).with_rename("customer", "customer_id");
/// assert!(options.widening && options.drops && !options.upgrades);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvolutionOptions {
    /// Types may grow by Delta's type widening. On by default.
    pub widening: bool,
    /// What the wanted schema has not may be dropped. Off by default.
    pub drops: bool,
    /// Nulls may be refused where they were allowed, and new columns may be `NOT NULL`. The server looks at the rows
    /// that are there, and refuses if one of them is in the way. Off by default.
    pub not_null: bool,
    /// The table may be given the features that a step needs (column mapping, type widening). Older readers and
    /// writers are then locked out. Off by default.
    pub upgrades: bool,
    /// What is to be renamed, and to what. A rename whose column is not there any more has been made already.
    pub renames: Vec<(FieldPath, String)>,
}

impl Default for EvolutionOptions {
    fn default() -> Self {
        Self { widening: true, drops: false, not_null: false, upgrades: false, renames: Vec::new() }
    }
}

impl EvolutionOptions {
    /// Allows types to grow, or forbids it.
    #[must_use]
    pub fn with_widening(mut self, widening: bool) -> Self {
        self.widening = widening;
        self
    }

    /// Allows columns and fields to be dropped.
    #[must_use]
    pub fn with_drops(mut self, drops: bool) -> Self {
        self.drops = drops;
        self
    }

    /// Allows nulls to be refused.
    #[must_use]
    pub fn with_not_null(mut self, not_null: bool) -> Self {
        self.not_null = not_null;
        self
    }

    /// Allows the table to be given features.
    #[must_use]
    pub fn with_upgrades(mut self, upgrades: bool) -> Self {
        self.upgrades = upgrades;
        self
    }

    /// Renames a column, or a field inside one, instead of dropping the one and adding the other.
    #[must_use]
    pub fn with_rename(mut self, from: impl Into<FieldPath>, to: impl Into<String>) -> Self {
        self.renames.push((from.into(), to.into()));
        self
    }
}
