//! The families of the Databricks workspace beside the contract: our clients against the sandbox.

mod dbfs;
mod files;
mod jobs;
mod login;
mod replay;
mod sql;
mod streaming;
mod unity;
mod warehouses;
mod workspace;
