//! What a person may see of a sandbox: its status page, its log, and how to connect.
//!
//! Secrets are shown to whoever has one already, or holds the link that the program printed when it started; nobody
//! else sees more than names. What others wrote is shown as text, never as markup.

mod board;
mod journal;
mod mask;
mod page;
mod routes;
mod snippets;
#[cfg(test)]
mod tests;

pub use self::snippets::Snippet;
pub(crate) use self::{
    board::{Board, Exhibit, Run, Runs, Shown, State},
    journal::{Line, statement},
    routes::{is_own, routes},
    snippets::{Contact, snippets},
};
