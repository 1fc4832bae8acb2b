//! Reading a table: its rows, as they are or were, and what has changed between two versions.

mod builder;
mod changes;
mod version;

pub use builder::ReadBuilder;
pub use changes::{Change, ChangeKind, ChangeRange, ChangeStream, ChangesBuilder};
pub use version::AsOf;
