//! Loading many rows, exactly once.
//!
//! # How rows are added
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
//! 6. The ledger is marked as loaded, then whatever else is in the directory is deleted. The ledger stays, a few hundred
//!    bytes.
//!
//! # How rows are replaced, and tables made
//!
//! As above, but for this:
//!
//! - The parts go into a directory of the attempt's own below the token's: the statement reads a whole directory, and
//!   what an attempt that died has left must not be in it. The directory of a load that makes its table is named for the
//!   table's name alone.
//! - The ledger also holds what is replaced, the columns, and the table's version before.
//! - The statement is one `INSERT OVERWRITE`, `INSERT … REPLACE WHERE`, `INSERT … REPLACE USING` or
//!   `CREATE [OR REPLACE] TABLE … AS`: one commit, so that nobody sees half of it. None of them remembers anything. To
//!   run one twice leaves the right rows, but undoes what others have written in between. So whoever is not certain that
//!   it was never sent [looks first](landed).
//! - The id of a statement that takes its time is noted beside the files, so that after a crash its end can be waited
//!   for.
//!
//! # Where it can break off
//!
//! | after | the next load with the token adds | or replaces |
//! |---|---|---|
//! | some parts, no ledger | writes them anew under the same names; `FILES` leaves out any that are one too many, and in the end they go too | writes them anew in a directory of its own; the old one is deleted by whoever made it, or in the end |
//! | the ledger | runs COPY INTO with its parts | looks, finds nothing, runs the statement |
//! | the statement, its answer lost | runs it again; the table skips the files, and the report says `replayed` | looks, finds it, and the report says `replayed` |
//! | the statement, not marked | the same | the same |
//! | the mark, parts not deleted | deletes them; the report says `replayed` | the same |
//!
//! Two memories guard an append: should somebody clear the staging directory, the table still knows the paths, and the
//! same rows are split into the same files wherever the batches between them begin and end. A load that the table
//! refuses for what the rows are (a constraint, a value) gives its token back, and its files go.

mod landed;
mod ledger;
mod parquet;
mod replace;
mod replacement;
mod run;
mod scratch;
mod upload;

pub(crate) use replace::widened;
pub(crate) use run::{Loader, counts};
pub(crate) use scratch::Scratch;
pub(crate) use upload::{Staged, stage};
