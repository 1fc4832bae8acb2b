//! Appending many rows, exactly once.
//!
//! # How a load goes
//!
//! 1. The rows' columns are checked against the table, before anything is sent.
//! 2. If the token's *ledger* (`load.json` in the token's directory) is there, nothing is staged: what it lists is what
//!    the token means, for ever, whatever rows come now.
//! 3. Otherwise the rows are written as Parquet of the table's own types into `part-00000.parquet` and so on. The
//!    directory is `<staging>/<table>/<token>`, where `<table>` holds the table's id, so that a table that is made anew
//!    under its old name is another table.
//! 4. The ledger is created, never over another one. From here on the parts do not change.
//! 5. `COPY INTO … FILES = (…)` with exactly the parts of the ledger. It is one Delta commit, and the table remembers
//!    the files by their paths: to run it again is harmless, so a lost answer is answered by running it again.
//! 6. The ledger is marked as loaded, then the parts are deleted. The ledger stays, a few hundred bytes.
//!
//! # Where it can break off
//!
//! | after | the next load with the token |
//! |---|---|
//! | some parts, no ledger | writes them anew under the same names; `FILES` leaves out any that are one too many |
//! | the ledger | runs COPY INTO with its parts |
//! | COPY INTO, its answer lost | runs it again; the table skips the files, and the report says `replayed` |
//! | COPY INTO, not marked | the same |
//! | the mark, parts not deleted | deletes them; the report says `replayed` |
//!
//! Two memories guard each other: should somebody clear the staging directory, the table still knows the paths, and the
//! same rows are split into the same files wherever the batches between them begin and end. A load that the table
//! refuses for what the rows are (a constraint, a value) gives its token back.

mod landed;
mod ledger;
mod parquet;
mod replace;
mod replacement;
mod run;
mod upload;

pub(crate) use replace::widened;
pub(crate) use run::{Loader, counts, remove};
pub(crate) use upload::{Staged, stage};
