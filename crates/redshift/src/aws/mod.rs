//! Calls to AWS: who we are there, and signed requests to the few operations that a connection needs.
//!
//! Not through the SDK's crates of these services: four calls are not worth their weight (`docs/adr/0004-aws-calls.md`).

mod client;
mod error;
mod identity;

pub(crate) use self::{
    client::{AwsClient, Service},
    identity::Identity,
};
