//! The sources against scripted services on loopback.

mod azure;
mod commands;
mod federation;
mod google;
mod metadata;
mod oauth_m2m;
mod service;
