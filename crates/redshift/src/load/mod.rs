//! Loading many rows, exactly once.
//!
//! # How a load goes
//!
//! 1. The rows' columns are checked against the table, before anything is sent.
//! 2. The rows are written as Parquet of the table's own types, `part-00000.parquet` and so on, or as CSV if there is a
//!    SUPER, TIME or TIMETZ among them, into a folder of this attempt's own: `<staging>/<table>/<token>/<attempt>`. There
//!    are as many files as the server's slices can share evenly. Values that are too long for their column are refused
//!    here. Meanwhile the *ledger* is asked whether the token is known; if so, nothing more is staged.
//! 3. `manifest`, with exactly these parts and their measured sizes, is written last.
//! 4. One transaction on one session: lock the ledger, look for the token, delete what gives way (or make the table),
//!    COPY from the manifest, compare the rows that
//!    the server counted with those that were staged, write the token into the ledger, commit.
//! 5. The parts are deleted.
//!
//! The ledger is the table `twinhouse_loads` beside the target. The lock makes two loads with one token wait for each
//! other: the ledger's key could not, because Redshift enforces none.
//!
//! # Where it can break off
//!
//! | when | what is left | the next load with the token |
//! |---|---|---|
//! | while parts are written | at most some objects in the attempt's folder | begins anew in a folder of its own |
//! | in the transaction | the objects, named by the error; nothing in the table | the same |
//! | the answer to COMMIT is lost | the same, or rows and ledger entry | finds the entry, or not |
//! | before the parts are deleted | the objects | is a replay |
//!
//! A table that is made anew under its old name is another table: the ledger knows tables by their ids.

mod check;
mod copy;
mod csv;
mod ledger;
mod manifest;
mod mode;
mod place;
mod run;
mod slices;
mod split;
mod tail;
mod upload;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    check::{Limits, check_loadable},
    copy::{copy, explain},
    ledger::table_id_of,
    place::{Place, readable},
    run::{Call, UNBOUNDED, commit, load},
    slices::{Slices, slices},
    upload::{Format, Rows, Staged, stage},
};
