//! The HTTP clients against a scripted server on loopback.

mod road;
mod script;
mod secrets;
mod tls;
