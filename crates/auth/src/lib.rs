#![doc = include_str!("../README.md")]

mod cached;
mod caller;
mod command;
mod credential;
mod endpoint;
mod error;
mod provider;
mod source;
pub mod sources;
mod token;

pub use cached::{CacheOptions, Cached};
pub use credential::{Credential, Proof};
pub use endpoint::TokenEndpoint;
pub use provider::{CredentialProvider, Generation};
pub use source::CredentialSource;
