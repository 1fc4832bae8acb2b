//! What is printed when everything is ready.
//!
//! This is the one place where the sandbox's own token and password are shown unasked: they are made for this run, open
//! nothing but servers on this machine, and are of no use to a person who cannot see them.

use std::{fmt::Write as _, io::Write as _, path::Path, time::Duration};

use twinhouse::{Result, sandbox::Sandbox};

/// Prints it; a terminal that is gone is no reason to stop.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(super) async fn show(sandbox: &Sandbox, env_file: Option<&Path>, took: Duration) -> Result<()> {
    let (databricks, redshift) = (sandbox.databricks().await?, sandbox.redshift().await?);
    let (aws, s3) = (sandbox.aws().await?, sandbox.s3());
    let link = sandbox.status_link().await?;
    let mut text = format!(
        "Twinhouse sandbox, ready in {:.1} s. A development tool, on this machine only; these secrets are its own.\n\n",
        took.as_secs_f64()
    );
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<11} {what}");
    };
    line("Databricks", format!("{}  token {}", databricks.url, databricks.token.expose()));
    line("", format!("warehouse {}  staging {}", databricks.warehouse_id, databricks.staging));
    line(
        "Redshift",
        format!(
            "{}:{}  database {}  user {}  password {}",
            redshift.host,
            redshift.port,
            redshift.database,
            redshift.user,
            redshift.password.expose()
        ),
    );
    line("AWS", format!("{}  S3 {}", aws.endpoint, s3.endpoint));
    line("", format!("key {}  secret {}", s3.access_key, s3.secret_key.expose()));
    line("Status", format!("{}  (shows secrets to the first who opens it)", link.expose()));
    for snippet in sandbox.snippets().await? {
        // To be copied line by line: Python minds what stands before a line.
        let _ = write!(text, "\n{}:\n\n{}", snippet.language, snippet.text.expose());
    }
    let _ = match env_file {
        Some(file) => writeln!(text, "\nEverything as variables: . {}", file.display()),
        None => writeln!(text, "\nEverything as variables, for any client: start with --env-file FILE"),
    };
    text += "Ctrl-C stops everything.\n";
    say(&text);
    Ok(())
}
