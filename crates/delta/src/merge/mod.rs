//! Merging rows into a table by key.

mod builder;
mod plan;

pub use builder::{MergeBuilder, MergeInput};
pub use plan::MergePlan;
