//! The shared HTTP client, on reqwest.
//!
//! Two clients with the same TLS and proxy settings: [`Http`] talks to the service and sends the credential it is
//! given with each request; [`PlainHttp`] follows presigned [`Link`]s, carries no credential and never shows where it
//! goes. Neither repeats a request nor follows a redirect: [`Policy`](crate::resilience::Policy) does the one, nobody
//! the other.
//!
//! An answer with an error status is an answer, not an `Err`: what it means is for the backend's own table. Failures
//! of the road are `Err`, and say whether the server may have done something: a connection that was never made has
//! [`Effect::None`](crate::Effect::None), everything later is [`Effect::Unknown`](crate::Effect::Unknown).

mod body;
mod client;
mod error;
mod plain;
mod request;
mod response;
mod retry_after;
mod transport;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use body::Body;
pub use client::{Http, HttpBuilder};
pub use plain::{Link, PlainHttp};
pub use request::Request;
pub use response::{BodyStream, Response};
pub use retry_after::retry_after;
pub use transport::Transport;
pub use url::Url;
