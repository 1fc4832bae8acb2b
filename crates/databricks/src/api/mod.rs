//! Typed calls: one function for each endpoint, each through the policy, each with the credential that is good now.

mod catalog;
pub(crate) mod client;
pub(crate) mod copy;
mod credentials;
mod dbfs;
mod files;
pub(crate) mod pages;
mod statements;
pub(crate) mod storage;
pub(crate) mod transfers;
mod workspace;

pub(crate) use client::Client;
pub(crate) use client::{
    CANCEL, CATALOG, DBFS, FILES, JOBS, JOBS_SUBMIT, STATEMENT_SUBMIT, STATEMENTS, WAREHOUSES, WORKSPACE,
};
