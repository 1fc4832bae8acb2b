//! The JSON of the service, as it is sent and as it comes.
//!
//! What comes is read tolerantly: fields that are zero may be missing, numbers may be text, and every enumeration is
//! open.

mod catalog;
mod number;
mod statement;

pub(crate) use catalog::{Column, SchemaPage, Table, TablePage};
pub(crate) use number::nullable;
pub(crate) use statement::{
    ExecuteStatement, ExternalLink, Manifest, Parameter, QueryTag, ResultColumn, ResultData, State, Statement, Status,
};

#[cfg(test)]
pub(crate) use statement::StatusError;
