//! The backend against a server that answers from a script: every awkward thing the service does, and the
//! counter-measure that survives it.

mod auth;
mod bench;
mod inline;
mod links;
mod load;
mod merge;
mod merge_clauses;
mod replace;
mod statements;
mod tables;
