//! The rings that need the sandbox: real sockets, real engines, both backends.

mod arrows;
mod bad_input;
mod conformance;
mod counterpart;
mod databricks;
mod delta;
mod docs;
mod faults;
mod fixtures;
mod live;
mod proof;
mod redshift;
mod secrets;
mod status;
