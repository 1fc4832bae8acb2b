//! The `twinhouse` command.

mod args;
mod demo;
mod output;
mod query;
mod sandbox;
mod stop;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use twinhouse::Report;

use crate::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Quiet unless asked: what a person reads here is the command's own output. `TWINHOUSE_LOG=debug` shows the rest.
    let mut filter = EnvFilter::try_from_env("TWINHOUSE_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    if matches!(&args.command, Command::Sandbox(options) if options.log)
        && let Ok(directive) = "twinhouse_sandbox::log=info".parse()
    {
        filter = filter.add_directive(directive);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for a terminal, not for a file.
    if std::io::stderr().is_terminal() { log } else { log.with_ansi(false) }.init();
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
