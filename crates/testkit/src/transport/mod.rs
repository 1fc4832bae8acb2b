//! What goes over HTTP: recorded, replayed, or answered from a script, without a server (feature `transport`).
//!
//! Each is a [`Transport`](twinhouse_core::http::Transport) that a backend's builder takes in the network's stead:
//!
//! - [`Recorder`] stands between a client and the network and keeps what goes to and fro, without secrets
//! - [`Replayer`] answers from what was recorded, strictly or loosely
//! - [`ScriptedTransport`] answers from a script, and lets any call fail, before its work or after it
//!
//! ```
//! use serde_json::json;
//! use twinhouse_core::http::{Http, Request};
//! use twinhouse_testkit::{
//!     Answer,
//!     transport::{Recorder, Replayer, ScriptedTransport},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> twinhouse_core::Result<()> {
//! let server = ScriptedTransport::new();
//! server.once("GET", "/state", Answer::json(json!({ "state": "RUNNING", "access_token": "hunter2" })));
//!
//! let recorder = Recorder::new(server);
//! let http = Http::builder().transport(recorder.clone()).build()?;
//! let state = "https://example.com/state".parse().expect("an address");
//! http.send(Request::get(state)).await?.into_bytes(1 << 20).await?;
//!
//! let cassette = recorder.cassette();
//! assert!(!cassette.to_json().contains("hunter2"));
//! let replayed = Http::builder().transport(Replayer::strict(cassette)).build()?;
//! let state = "https://elsewhere.example/state".parse().expect("an address");
//! let answer = replayed.send(Request::get(state)).await?.into_bytes(1 << 20).await?;
//! assert!(std::str::from_utf8(&answer).is_ok_and(|text| text.contains("RUNNING")));
//! # Ok(())
//! # }
//! ```

mod body;
mod cassette;
mod record;
mod replay;
mod scripted;
mod scrub;

#[cfg(test)]
mod tests;

pub use cassette::Cassette;
pub use record::Recorder;
pub use replay::Replayer;
pub use scripted::ScriptedTransport;
