//! The builder of queries.
//!
//! Names are quoted, values are bound, and what is given as SQL is kept to its place: nothing in it can end the part
//! that it stands in. What cannot be said is refused by [`QueryBuilder::build`], with the field's name.

mod builder;
mod condition;
mod render;
mod source;
mod text;

#[cfg(test)]
mod tests;

pub use builder::{Nulls, QueryBuilder};
pub use condition::{Column, Condition, col, expr};
pub use source::{Join, Source};
