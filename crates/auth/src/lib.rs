#![doc = include_str!("../README.md")]

mod cached;
mod credential;
mod error;
mod provider;
mod source;
pub mod sources;

pub use cached::{CacheOptions, Cached};
pub use credential::{Credential, Proof};
pub use provider::{CredentialProvider, Generation};
pub use source::CredentialSource;
