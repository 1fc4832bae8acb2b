//! Delta tables on the sandbox: every statement of the `delta` crate against a real engine.

mod change;
mod changes_sql;
mod conflicts;
mod copy_sql;
mod ddl;
mod dry_run;
mod evolve;
mod exactly_once;
mod ground;
mod history;
mod insert_sql;
mod lake;
mod maintain;
mod merge;
mod merge_sql;
mod read;
mod readers;
mod restore;
mod scheduler;
mod schema;
mod sql;
mod time_travel;
mod write;
