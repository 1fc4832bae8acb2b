//! `twinhouse sandbox`: both warehouses on this machine until Ctrl-C.

use tokio::signal::unix::{Signal, SignalKind, signal};
use twinhouse::{
    Error, ErrorKind, Result,
    sandbox::{Sandbox, SandboxOptions as Settings},
};

use crate::args::SandboxOptions;

pub(crate) async fn run(options: SandboxOptions) -> Result<()> {
    let mut settings = Settings::default()
        .with_databricks_port(options.port_databricks)
        .with_redshift_port(options.port_redshift)
        .with_s3_port(options.port_s3);
    if let Some(folder) = options.data {
        settings = settings.with_data_folder(folder);
    }
    // Listening begins before the start, so that a Ctrl-C during it is not lost.
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let sandbox = tokio::select! {
        started = Sandbox::start(settings) => started?,
        () = &mut stopped => return Ok(()),
    };
    let variables = sandbox.environment().await?;
    if let Some(file) = &options.env_file {
        sandbox.write_env_file(file).await?;
    }
    println!("Twinhouse sandbox: a development tool, on this machine only.\n");
    println!("  Databricks workspace  {}", sandbox.databricks().await?.url);
    let redshift = sandbox.redshift().await?;
    println!("  Redshift cluster      {}:{}", redshift.host, redshift.port);
    println!("  AWS around it         {}", sandbox.aws().await?.endpoint);
    println!("  S3                    {}", sandbox.s3().endpoint);
    println!("\nFor any client:\n");
    for (name, value) in &variables {
        println!("export {name}='{}'", value.expose());
    }
    if let Some(file) = &options.env_file {
        println!("\nThe same lines are in {}", file.display());
    }
    println!("\nTry, in another terminal with these variables:");
    println!("  twinhouse query --to databricks:// \"select current_date() as today\"");
    println!("  twinhouse query --to redshift:// \"select current_date as today\"");
    println!("\nCtrl-C stops everything.");
    stopped.await;
    println!("\nStopping.");
    if let Some(file) = &options.env_file {
        // What it says is true no longer.
        let _ = std::fs::remove_file(file);
    }
    sandbox.stop().await
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|cause| Error::new(ErrorKind::Internal, "cannot listen for signals").with_source(cause))
}
