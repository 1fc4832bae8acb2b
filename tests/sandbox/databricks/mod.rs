//! The families of the Databricks workspace beside the contract: our clients against the sandbox.

mod replay;
