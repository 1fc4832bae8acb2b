//! The command as a person types it.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

fn twinhouse() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinhouse"));
    // What this machine is set up for is not the tests' business.
    for (name, _) in std::env::vars() {
        if ["DATABRICKS_", "PG", "AWS_", "REDSHIFT_"].iter().any(|prefix| name.starts_with(prefix))
            || (name.starts_with("TWINHOUSE_") && name != "TWINHOUSE_PG_BIN")
        {
            command.env_remove(name);
        }
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_ran(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_demo_shows_equal_answers_a_replay_and_a_cancel_on_both_warehouses() {
    let shown = assert_ran(&twinhouse().args(["demo", "--scale", "0.005"]).output().unwrap());
    assert_eq!(shown.matches("answers agree").count(), 8, "{shown}");
    assert_eq!(shown.matches("loaded again with the same token, still 750 rows").count(), 2, "{shown}");
    assert_eq!(shown.matches("stopped by the server").count(), 2, "{shown}");
    assert_eq!(shown.matches("upsert: 90 updated, 10 inserted").count(), 2, "{shown}");
}

#[test]
fn a_mistake_is_one_line_that_says_what_to_do() {
    for (arguments, said) in [
        (
            vec!["query", "--to", "mysql://host/db", "select 1"],
            "known schemes: databricks://, redshift://, redshift-data://, sandbox://",
        ),
        (vec!["query", "--to", "databricks://", "select 1"], "DATABRICKS_HOST"),
        (vec!["query", "--to", "redshift://", "select 1"], "PGHOST"),
        (vec!["query", "--to", "redshift://", "--output", "parquet", "select 1"], "--file"),
        (vec!["demo", "--scale", "0"], "the scale must be above 0"),
    ] {
        let output = twinhouse().args(&arguments).env("HOME", "/nowhere").output().unwrap();
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {complaint}");
        assert!(complaint.contains(said) && complaint.trim_end().lines().count() == 1, "{arguments:?}: {complaint}");
    }
}

#[test]
fn a_sandbox_serves_queries_of_other_processes_until_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sandbox.env");
    let sandbox = twinhouse().arg("sandbox").arg("--env-file").arg(&file).stdout(Stdio::piped()).spawn().unwrap();
    let mut sandbox = Stopped(sandbox);
    let variables = variables_once_ready(&file, &mut sandbox.0);

    let query = |arguments: &[&str]| {
        let output = twinhouse().arg("query").args(arguments).envs(variables.iter().cloned()).output().unwrap();
        assert_ran(&output)
    };
    for url in ["databricks://", "redshift://"] {
        let csv = query(&["--to", url, "--output", "csv", "--param", "who=it's", "select :who as who, 1 as one"]);
        assert_eq!(csv, "who,one\nit's,1\n", "{url}");
        query(&["--to", url, "--write", "create table t (d decimal(38,10), n int)"]);
        query(&["--to", url, "--write", "insert into t values (1234567890123456789012345678.0123456789, null)"]);
        let json = query(&["--to", url, "--output", "json", "select * from t"]);
        assert_eq!(json, "{\"d\":1234567890123456789012345678.0123456789,\"n\":null}\n", "{url}");
    }

    // The same cluster, with a login that AWS issues to the keys in the environment.
    for (auth, who) in
        [("iam", "awsuser"), ("cluster-credentials-with-iam", "IAM:sandbox"), ("secrets-manager", "awsuser")]
    {
        let mut command = twinhouse();
        command.args(["query", "--to", "redshift://", "--output", "csv", "select current_user as who"]);
        command.envs(variables.iter().cloned()).env("REDSHIFT_AUTH", auth);
        command
            .env("REDSHIFT_CLUSTER_IDENTIFIER", "twinhouse-sandbox")
            .env("REDSHIFT_SECRET", "twinhouse-sandbox/redshift");
        assert_eq!(assert_ran(&command.output().unwrap()), format!("who\n{who}\n"), "{auth}");
    }

    interrupt(&sandbox.0);
    assert!(sandbox.0.wait().unwrap().success());
    assert!(!file.exists(), "the variables outlived what they speak of");
}

/// Stops the sandbox also when the test fails.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            interrupt(&self.0);
            let _ = self.0.wait();
        }
    }
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn variables_once_ready(file: &Path, sandbox: &mut Child) -> Vec<(String, String)> {
    let start = Instant::now();
    while !file.exists() {
        assert!(sandbox.try_wait().unwrap().is_none(), "the sandbox ended");
        assert!(start.elapsed() < Duration::from_secs(120), "the sandbox is not ready");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let line = |line: &str| {
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('\'').to_owned())
    };
    std::fs::read_to_string(file).unwrap().lines().map(line).collect()
}
