//! Delta tables on the sandbox: every statement of the `delta` crate against a real engine.

mod change;
mod dry_run;
mod exactly_once;
mod ground;
mod history;
mod lake;
mod maintain;
mod merge;
mod read;
mod readers;
mod restore;
mod scheduler;
mod write;
