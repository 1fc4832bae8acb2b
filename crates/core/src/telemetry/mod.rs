//! Names of spans and metrics, and the few helpers that open and count them.
//!
//! Nothing here carries SQL text, bound values, tokens or links: a statement is known by its id and by a hash of its
//! text. Spans go to whatever `tracing` subscriber, and numbers to whatever `metrics` recorder, the program installs;
//! without one they cost next to nothing.

pub mod metric;
pub mod span;
mod statement;

pub use statement::StatementWatch;
