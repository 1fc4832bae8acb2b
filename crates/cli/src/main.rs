//! The `twinhouse` command.

mod args;
mod demo;
mod output;
mod query;
mod sandbox;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use twinhouse::Report;

use crate::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Quiet unless asked: what a person reads here is the command's own output. `TWINHOUSE_LOG=debug` shows the rest.
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("TWINHOUSE_LOG").unwrap_or_else(|_| EnvFilter::new("error")))
        .with_writer(std::io::stderr)
        .init();
    let outcome = match args.command {
        Command::Demo(options) => demo::run(options).await,
        Command::Sandbox(options) => sandbox::run(options).await,
        Command::Query(options) => query::run(options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("twinhouse: {}", Report(&error));
            ExitCode::FAILURE
        }
    }
}
