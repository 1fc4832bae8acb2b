//! The command as a person types it.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Ends what would never end; a machine may be slow.
const PATIENCE: Duration = Duration::from_secs(180);

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

    // A statement whose command is interrupted does not go on at the warehouse.
    let host = &variables.iter().find(|(name, _)| name == "DATABRICKS_HOST").unwrap().1;
    let endless = "select sum(a.id * b.id % 7) as left_alone from range(1000000) a cross join range(1000000) b";
    let endless_too =
        "select count(*) as left_alone_too from pg_class a, pg_class b, pg_class c, pg_class d, pg_class e";
    for (url, sql, mark) in
        [("databricks://", endless, "as left_alone "), ("redshift://", endless_too, "as left_alone_too ")]
    {
        let mut command = twinhouse();
        command.args(["query", "--to", url, sql]).envs(variables.iter().cloned()).stderr(Stdio::piped());
        let asking = Stopped(command.spawn().unwrap());
        until_shown(host, &["running"], mark);
        interrupt(&asking.0);
        let output = asking.into_output();
        assert!(!output.status.success() && text(&output.stderr).contains("interrupted"), "{}", text(&output.stderr));
        // A cluster whose client is gone before it can be told of the cancellation calls it a failure.
        until_shown(host, &["canceled", "failed"], mark);
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

/// Starts a sandbox over a data folder, seeded, and waits for its variables.
fn seeded(folder: &Path, more: &[&str]) -> (Stopped, Vec<(String, String)>) {
    let file = folder.join("sandbox.env");
    let _ = std::fs::remove_file(&file);
    let mut command = twinhouse();
    command.args(["sandbox", "--seed", "tpch:0.001", "--data"]).arg(folder.join("data"));
    command.arg("--env-file").arg(&file).args(more);
    command.stdout(std::fs::File::create(folder.join("out")).unwrap());
    command.stderr(std::fs::File::create(folder.join("err")).unwrap());
    let mut sandbox = Stopped(command.spawn().unwrap());
    let variables = variables_once_ready(&file, &mut sandbox.0);
    (sandbox, variables)
}

/// The rows of a table in each warehouse.
fn counted(table: &str, variables: &[(String, String)]) -> [String; 2] {
    ["databricks://", "redshift://"].map(|url| {
        let sql = format!("select count(*) as n from {table}");
        let mut command = twinhouse();
        command.args(["query", "--to", url, "--output", "csv", &sql]).envs(variables.iter().cloned());
        assert_ran(&command.output().unwrap())
    })
}

#[test]
fn a_seed_is_loaded_once_survives_a_kill_and_goes_with_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    // Killed half-way, as soon as the first table is there.
    let mut killed = twinhouse();
    killed.args(["sandbox", "--seed", "tpch:0.001", "--data"]).arg(folder.path().join("data"));
    killed.stdout(std::fs::File::create(folder.path().join("out")).unwrap());
    let mut killed = killed.spawn().unwrap();
    let start = Instant::now();
    while !read("out").contains("seed: nation") {
        assert!(start.elapsed() < PATIENCE && killed.try_wait().unwrap().is_none(), "{}", read("out"));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    let (mut sandbox, variables) = seeded(folder.path(), &[]);
    for (table, rows) in [("region", 5), ("nation", 25), ("customer", 150), ("orders", 1500), ("lineitem", 6005)] {
        assert_eq!(counted(table, &variables), [(); 2].map(|()| format!("n\n{rows}\n")), "{table}");
    }
    let query = |sql: &str| {
        let mut command = twinhouse();
        command.args(["query", "--to", "redshift://", "--output", "csv", sql]).envs(variables.iter().cloned());
        assert_ran(&command.output().unwrap())
    };
    let types = "select data_type as t from svv_columns where table_name = 'orders' and column_name = 'o_totalprice'";
    assert_eq!(query(types), "t\nnumeric\n");
    signal(&sandbox.0, "-TERM");
    assert!(sandbox.0.wait().unwrap().success());

    let (mut sandbox, variables) = seeded(folder.path(), &[]);
    assert!(!read("out").contains("seed:"), "loaded again: {}", read("out"));
    assert_eq!(counted("orders", &variables)[0], "n\n1500\n");
    signal(&sandbox.0, "-HUP");
    assert!(sandbox.0.wait().unwrap().success());

    let refused = |arguments: &[&str], said: &str| {
        std::fs::write(folder.path().join("mine"), "not a sandbox's").unwrap();
        let mut command = twinhouse();
        command.args(["sandbox", "--data"]).arg(folder.path().join("data")).args(arguments);
        command.arg("--env-file").arg(folder.path().join("mine"));
        let output = command.output().unwrap();
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
        assert_eq!(read("mine"), "not a sandbox's");
    };
    refused(&["--seed", "tpch:0.002"], "--reset");
    let (mut sandbox, _) = seeded(folder.path(), &["--reset"]);
    assert!(read("out").contains("seed: orders"));
    refused(&["--reset"], "another sandbox");
    interrupt(&sandbox.0);
    assert!(sandbox.0.wait().unwrap().success());
}

#[test]
fn a_log_shows_requests_and_faults_and_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let (schedule, file) = (folder.path().join("schedule.toml"), folder.path().join("sandbox.env"));
    let rule = "[[fault]]\nfront = \"databricks\"\nkind = \"throttled\"\nsql = \"select 7\"\n";
    std::fs::write(&schedule, rule.replace("throttled", "tired")).unwrap();
    let start = |more: &[&str]| {
        let mut command = twinhouse();
        command.arg("sandbox").arg("--fault").arg(&schedule).args(more);
        command
    };
    let output = start(&[]).output().unwrap();
    let complaint = text(&output.stderr);
    assert!(!output.status.success() && complaint.trim_end().lines().count() == 1, "{complaint}");
    for word in ["schedule.toml", "line", "3", "`tired`", "`throttled`"] {
        assert!(complaint.contains(word), "{complaint}");
    }

    std::fs::write(&schedule, rule).unwrap();
    let mut command = start(&["--log", "--env-file"]);
    command.arg(&file).stdout(std::fs::File::create(folder.path().join("out")).unwrap());
    command.stderr(std::fs::File::create(folder.path().join("err")).unwrap());
    let mut sandbox = Stopped(command.spawn().unwrap());
    let variables = variables_once_ready(&file, &mut sandbox.0);
    for (url, sql) in [
        ("databricks://", "select 7 as n /* password 'Hunter2222' */"),
        ("redshift://", "select 7 as n /* password 'Hunter2222' */"),
    ] {
        let mut command = twinhouse();
        command.args(["query", "--to", url, sql]).envs(variables.iter().cloned());
        assert_ran(&command.output().unwrap());
    }
    interrupt(&sandbox.0);
    assert!(sandbox.0.wait().unwrap().success());
    let [log, banner] = ["err", "out"].map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
    assert!(!log.contains('\u{1b}'), "colours in a file");
    for line in [
        "databricks 429 POST /api/2.0/sql/statements",
        "(fault: throttled)",
        "databricks 200 POST /api/2.0/sql/statements",
        "databricks SQL select 7 as n /* password '***' */",
        "redshift SQL select 7 as n",
    ] {
        assert!(log.contains(line), "{line} is missing in\n{log}");
    }
    let secret = |name: &str| &variables.iter().find(|(known, _)| known == name).unwrap().1;
    for name in ["DATABRICKS_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"] {
        assert!(!log.contains(secret(name).as_str()), "{name} is in the log");
        // The banner is where they are shown.
        assert!(banner.contains(secret(name).as_str()), "{name}");
    }
    // A line that is copied is a line that works.
    for line in ["use twinhouse::", "from databricks.sdk import", "PGPASSWORD="] {
        assert!(banner.lines().any(|found| found.starts_with(line)), "{banner}");
    }
    assert!(!log.contains("Hunter2222"), "{log}");
}

/// Waits until the status page says so of a statement.
fn until_shown(host: &str, states: &[&str], mark: &str) {
    use std::io::{Read as _, Write as _};

    let start = Instant::now();
    loop {
        let mut page = String::new();
        let mut connection = std::net::TcpStream::connect(host.trim_start_matches("http://")).unwrap();
        connection.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        connection.read_to_string(&mut page).unwrap();
        let is_so = |row: &str| states.iter().any(|state| row.contains(&format!(">{state}<")));
        if page.split("<tr>").any(|row| row.contains(mark) && is_so(row)) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "never {states:?}: {page}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Stops the program also when the test fails.
struct Stopped(Child);

impl Stopped {
    fn into_output(mut self) -> Output {
        let mut stderr = Vec::new();
        std::io::Read::read_to_end(self.0.stderr.as_mut().unwrap(), &mut stderr).unwrap();
        Output { status: self.0.wait().unwrap(), stdout: Vec::new(), stderr }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            interrupt(&self.0);
            let _ = self.0.wait();
        }
    }
}

fn interrupt(child: &Child) {
    signal(child, "-INT");
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn variables_once_ready(file: &Path, sandbox: &mut Child) -> Vec<(String, String)> {
    let start = Instant::now();
    while !file.exists() {
        assert!(sandbox.try_wait().unwrap().is_none(), "the sandbox ended");
        assert!(start.elapsed() < PATIENCE, "the sandbox is not ready");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let line = |line: &str| {
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('\'').to_owned())
    };
    std::fs::read_to_string(file).unwrap().lines().map(line).collect()
}
