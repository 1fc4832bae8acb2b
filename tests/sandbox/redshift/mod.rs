//! Redshift on the sandbox: what the contract does not reach.
