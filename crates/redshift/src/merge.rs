//! Merging rows into a table by key.
//!
//! The source becomes a temporary table of one session: rows in memory go through S3 and COPY, tables and queries
//! through `CREATE TEMP TABLE … AS`. Then one transaction updates or deletes what matches, deletes what the source lacks
//! and inserts what is new. The service's own MERGE is not the default: it always has both branches, tells no counts, and
//! finds two source rows with one key only where a target row matches. [`MergeStrategy`] has it all the same.
//!
//! The transaction locks the target where rows are inserted: two merges that insert one new key at the same time change
//! no row that the other one sees, so that under snapshot isolation nothing else would keep both from inserting it.

mod plan;
mod run;
mod source;
mod strategy;

#[cfg(test)]
mod tests;

pub(crate) use run::merge;
pub use strategy::MergeStrategy;
