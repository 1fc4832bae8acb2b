//! Typed calls: one function for each endpoint, each through the policy, each with the credential that is good now.

mod catalog;
pub(crate) mod client;
mod files;
mod statements;

pub(crate) use client::Client;
