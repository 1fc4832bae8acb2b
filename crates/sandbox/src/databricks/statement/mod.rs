//! Statements as the service keeps them: states, results on disk, links.

mod answer;
mod arrow_file;
mod json;
mod registry;
mod run;
mod spool;

pub(crate) use self::{
    answer::{Answer, Body},
    registry::{Entry, Origin, State, StatementReport, Statements, Tag},
    run::{Runner, Submission},
    spool::{Disposition, Format, Shape},
};
