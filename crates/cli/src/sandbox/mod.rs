//! `twinhouse sandbox`: both warehouses on this machine until Ctrl-C.

mod banner;
mod seed;

use std::{path::Path, time::Instant};

use twinhouse::{
    Error, ErrorKind, Result,
    sandbox::{FaultSchedule, Sandbox, SandboxOptions as Settings},
};

use crate::{args::SandboxOptions, stop};

pub(crate) async fn run(options: SandboxOptions) -> Result<()> {
    let start = Instant::now();
    // What is wrong with a file is better known before anything starts.
    let schedule = options.fault.as_deref().map(read_schedule).transpose()?;
    let mut settings = Settings::default()
        .with_databricks_port(options.port_databricks)
        .with_databricks_https_port(options.port_databricks_https)
        .with_redshift_port(options.port_redshift)
        .with_s3_port(options.port_s3)
        .with_aws_port(options.port_aws)
        .with_reset(options.reset);
    if let Some(folder) = &options.data {
        settings = settings.with_data_folder(folder);
    }
    // Listening begins before the start, so that a Ctrl-C during it is not lost.
    let stopped = stop::asked();
    tokio::pin!(stopped);
    let sandbox = tokio::select! {
        started = Sandbox::start(settings) => started?,
        () = &mut stopped => return Ok(()),
    };
    let served = tokio::select! {
        ready = get_ready(&sandbox, &options, schedule.as_ref(), start) => match ready {
            Ok(()) => { stopped.await; Ok(()) }
            Err(error) => Err(error),
        },
        () = &mut stopped => Ok(()),
    };
    banner::say("\nStopping.\n");
    if let Some(file) = &options.env_file {
        remove_variables(file, &sandbox);
    }
    let ended = sandbox.stop().await;
    served.and(ended)
}

/// Everything up to the banner.
async fn get_ready(
    sandbox: &Sandbox,
    options: &SandboxOptions,
    schedule: Option<&FaultSchedule>,
    start: Instant,
) -> Result<()> {
    sandbox.aws().await?;
    if let Some(wish) = options.seed {
        seed::load(sandbox, wish).await?;
    }
    if let Some(schedule) = schedule {
        sandbox.faults().load(schedule)?;
    }
    if let Some(file) = &options.env_file {
        sandbox.write_env_file(file).await?;
    }
    banner::show(sandbox, options.env_file.as_deref(), start.elapsed()).await
}

/// What the file says is true no longer. What another sandbox or somebody else has written there stays.
fn remove_variables(file: &Path, sandbox: &Sandbox) {
    let ours = std::fs::read_to_string(file).is_ok_and(|text| text.contains(sandbox.s3().secret_key.expose()));
    if ours {
        let _ = std::fs::remove_file(file);
    }
}

fn read_schedule(file: &Path) -> Result<FaultSchedule> {
    let text = std::fs::read_to_string(file).map_err(|cause| {
        Error::new(ErrorKind::Config, "cannot read the schedule of faults")
            .with_context("file", file.display().to_string())
            .with_source(cause)
    })?;
    FaultSchedule::from_toml(&text).map_err(|error| error.with_context("file", file.display().to_string()))
}
