//! What can be typed after `twinhouse`.

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use twinhouse::{Error, ErrorKind, Result};

/// One contract over Databricks and Amazon Redshift, and both of them on this laptop.
#[derive(Debug, Parser)]
#[command(name = "twinhouse", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load, query, merge and cancel on both warehouses with one function, and compare the answers
    Demo(DemoOptions),
    /// Serve both warehouses on this machine until Ctrl-C
    Sandbox(SandboxOptions),
    /// Run one SQL statement and print its rows
    Query(QueryOptions),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoOptions {
    /// TPC-H scale factor; 1 is about 8.7 million rows and checks the published answers
    #[arg(long, default_value_t = 0.01)]
    pub(crate) scale: f64,
    /// Warehouses to run on; the sandbox serves `sandbox://databricks` and `sandbox://redshift`
    #[arg(long = "to", value_name = "URL", default_values = ["sandbox://databricks", "sandbox://redshift"])]
    pub(crate) urls: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SandboxOptions {
    /// Write the variables that any client needs to FILE once everything is ready, for a shell to source
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Keep data in this folder; without it everything is temporary
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Port of the Databricks workspace; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port_databricks: u16,
    /// Port of the Databricks workspace behind TLS; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port_databricks_https: u16,
    /// Port of the Redshift cluster; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port_redshift: u16,
    /// Port of S3; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port_s3: u16,
    /// Port of AWS around the cluster: the Data API, credentials, secrets; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port_aws: u16,
    /// Load these tables into both warehouses, once for each data folder: tpch:SCALE, for example tpch:0.01
    #[arg(long, value_name = "WHAT", value_parser = seed)]
    pub(crate) seed: Option<Seed>,
    /// Make calls fail as FILE says, from when everything is ready
    #[arg(long, value_name = "FILE")]
    pub(crate) fault: Option<PathBuf>,
    /// Empty the folder of --data first; only one that is a sandbox's, and that no other sandbox uses
    #[arg(long, requires = "data")]
    pub(crate) reset: bool,
    /// Show every request and statement on standard error, without secrets
    #[arg(long)]
    pub(crate) log: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QueryOptions {
    /// Where to run it: databricks://…, redshift://… or sandbox://…; `databricks://` alone reads the environment
    #[arg(long = "to", value_name = "URL", env = "TWINHOUSE_URL", hide_env_values = true)]
    pub(crate) url: String,
    /// How to print the rows
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Bind a parameter: NAME=VALUE, for `:NAME` in the statement; always text, cast it in SQL
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    pub(crate) params: Vec<(String, String)>,
    /// Give up, and tell the server to, after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Write rows to FILE instead of standard output (needed for parquet)
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The statement changes something: it must not be sent twice
    #[arg(long)]
    pub(crate) write: bool,
    /// The statement
    pub(crate) sql: String,
}

/// Tables that can be made here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seed {
    /// The scale factor of TPC-H.
    pub(crate) scale: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for reading
    Table,
    /// One JSON object a line
    Json,
    /// Comma-separated values with a header line
    Csv,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file; needs --file
    Parquet,
}

fn param(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::new(ErrorKind::InvalidInput, "write a parameter as NAME=VALUE")),
    }
}

fn seed(text: &str) -> Result<Seed> {
    let scale = text.strip_prefix("tpch:").and_then(|scale| scale.parse::<f64>().ok());
    match scale {
        Some(scale) if scale > 0.0 && scale <= 100.0 => Ok(Seed { scale }),
        _ => Err(Error::new(ErrorKind::InvalidInput, "write tpch:SCALE with a scale above 0 and at most 100")),
    }
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "write a time-out as a positive number of seconds"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_query_reads_parameters_and_a_time_out() {
        let line = ["twinhouse", "query", "--to", "redshift://", "--param", "a=b=c", "--timeout", "1.5", "select :a"];
        let Command::Query(options) = Args::try_parse_from(line).unwrap().command else { panic!("not a query") };
        assert_eq!(options.params, [("a".to_owned(), "b=c".to_owned())]);
        assert_eq!(options.timeout, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_sandbox_is_seeded_by_scale_and_reset_only_by_name() {
        let line = ["twinhouse", "sandbox", "--seed", "tpch:0.01", "--data", "d", "--reset"];
        let Command::Sandbox(options) = Args::try_parse_from(line).unwrap().command else { panic!("not a sandbox") };
        assert_eq!((options.seed, options.reset), (Some(Seed { scale: 0.01 }), true));
        for bad in [vec!["--reset"], vec!["--seed", "tpch:0"], vec!["--seed", "tpch:NaN"], vec!["--seed", "tpcds:1"]] {
            let line = ["twinhouse", "sandbox"].into_iter().chain(bad.clone());
            assert!(Args::try_parse_from(line).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_where_it_is_typed() {
        for bad in [["--param", "=x"], ["--param", "x"], ["--timeout", "0"], ["--timeout", "soon"], ["--output", "xml"]]
        {
            let line = ["twinhouse", "query", "--to", "redshift://", bad[0], bad[1], "select 1"];
            assert!(Args::try_parse_from(line).is_err(), "{bad:?}");
        }
    }
}
