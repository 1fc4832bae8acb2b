//! Python in a process of its own: its own group, its own folder, an environment with nothing of ours in it.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::Pid;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::OnceCell,
};

use super::{Refusal, Runners, guard::Watchdog, tail::Tail};
use crate::databricks::{
    jobs::{
        run::Output,
        state::{Ending, Outcome},
        work::{Assignment, Finished},
    },
    statement::Runner,
};

/// The modules that tasks find, by name.
const RUNTIME: [(&str, &str); 6] = [
    ("__init__.py", include_str!("runtime/__init__.py")),
    ("client.py", include_str!("runtime/client.py")),
    ("driver.py", include_str!("runtime/driver.py")),
    ("paths.py", include_str!("runtime/paths.py")),
    ("spark.py", include_str!("runtime/spark.py")),
    ("utilities.py", include_str!("runtime/utilities.py")),
];
/// How long the output of a process that has ended may take to come.
const DRAIN: Duration = Duration::from_secs(2);
/// The most of an error that is kept.
const LONGEST: usize = 64 << 10;

/// The Python of the sandbox.
#[derive(Debug)]
pub(crate) struct Python {
    folder: PathBuf,
    wish: Option<PathBuf>,
    program: OnceCell<PathBuf>,
    watchdog: Watchdog,
}

impl Python {
    /// Tasks live below `root`; what was left of earlier ones goes. The program is looked for when it is first needed.
    pub(crate) fn new(root: &Path, wish: Option<PathBuf>) -> io::Result<Self> {
        let folder = root.join("jobs/work");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let runtime = folder.join("runtime/twinhouse_runtime");
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&runtime)?;
        for (name, text) in RUNTIME {
            fs::write(runtime.join(name), text)?;
        }
        let folder = folder.canonicalize()?;
        Ok(Self { folder, wish, program: OnceCell::new(), watchdog: Watchdog::default() })
    }

    pub(super) fn close(&self) {
        self.watchdog.dismiss();
    }

    /// The interpreter itself, whatever wrapper leads to it: a wrapper may need an environment that tasks do not get.
    async fn program(&self) -> Result<&Path, Refusal> {
        let find = || async {
            let wish = self.wish.clone().unwrap_or_else(|| "python3".into());
            let script = "import sys; print(sys.executable); sys.exit(sys.version_info < (3, 8))";
            let asked = Command::new(&wish).args(["-c", script]).stdin(Stdio::null()).kill_on_drop(true).output().await;
            let what = wish.display();
            match asked {
                Ok(answer) if answer.status.success() => {
                    Ok(PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()))
                }
                Ok(_) => {
                    Err(format!("The sandbox runs Python tasks with Python 3.8 or later, and {what} is not that."))
                }
                Err(error) => Err(format!(
                    "The sandbox runs Python tasks with a Python of this machine, and there is no {what} ({error}). Install Python 3, or name one in the sandbox's options."
                )),
            }
        };
        let found = self.program.get_or_try_init(find).await;
        found.map(PathBuf::as_path).map_err(|message| Refusal { message, code: "DRIVER_ERROR" })
    }
}

/// What the process says in the end.
#[derive(Debug, Default, Deserialize)]
struct Said {
    error: Option<String>,
    error_trace: Option<String>,
    code: Option<String>,
}

/// A task's folder. On drop its statements are stopped and the folder goes.
struct Place {
    folder: PathBuf,
    runner: Runner,
}

impl Place {
    fn statements(&self) -> PathBuf {
        self.folder.join("statements")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for id in fs::read_to_string(self.statements()).unwrap_or_default().lines() {
            // What has ended stays as it is.
            if let Some(entry) = self.runner.statements.find(id) {
                entry.cancel();
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, "the folder of a task stays");
        }
    }
}

impl Runners {
    /// Runs a notebook, a Python file or a wheel.
    pub(super) async fn python(&self, assignment: &Assignment) -> Result<Finished, Refusal> {
        let broken = |error: io::Error| Refusal {
            message: format!("The sandbox could not run the task: {error}"),
            code: "INTERNAL_ERROR",
        };
        let mut plan = self.plan(assignment)?;
        let program = self.python.program().await?;
        let folder = self.python.folder.join(assignment.task_run.to_string());
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(broken)?;
        let place = Place { folder, runner: self.runner.clone() };
        fs::create_dir(place.folder.join("tmp")).map_err(broken)?;
        let token = self.access.lend();
        plan["host"] = json!(self.url);
        plan["token"] = json!(token.text());
        if plan["warehouse_id"].is_null() {
            plan["warehouse_id"] = json!(self.warehouse_id);
        }
        plan["statements"] = json!(place.statements());
        plan["values"] = json!(assignment.values);
        plan["mounts"] = self.mounts();
        plan["run_id"] = json!(assignment.run);
        plan["job_id"] = json!(assignment.job);
        write_private(&place.folder.join("plan.json"), &plan).map_err(broken)?;

        let mut process = Command::new(program);
        process
            .args(["-u", "-m", "twinhouse_runtime.driver"])
            .arg(&place.folder)
            .env_clear()
            .envs(environment(&self.python.folder, &place.folder))
            .env("DATABRICKS_HOST", &self.url)
            .env("DATABRICKS_TOKEN", token.text())
            .current_dir(place.folder.join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = process.spawn().map_err(broken)?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.ok_or_else(|| broken(io::Error::other("the process has no number")))?;
        let group = self.python.watchdog.guard(pid).map_err(broken)?;
        let tail = Tail::create(&assignment.folder).map_err(broken)?;
        let status = watch(&mut child, tail, || drop(group)).await.map_err(broken)?;

        let said = fs::read(place.folder.join("outcome.json")).ok().and_then(|said| serde_json::from_slice(&said).ok());
        let said: Said = said.unwrap_or_else(|| unsaid(status));
        let result = place.folder.join("result");
        let mut output = Output { result: result.exists(), ..Output::default() };
        if output.result {
            fs::rename(&result, assignment.folder.join("result")).map_err(broken)?;
            output.result_truncated = place.folder.join("truncated").exists();
        }
        if let Ok(values) = fs::read(place.folder.join("values.json")) {
            output.values = serde_json::from_slice(&values).unwrap_or_default();
        }
        let ending = match said.error {
            None => Ending::success(),
            Some(error) => {
                output.error = Some(cut(error));
                output.error_trace = said.error_trace.map(cut);
                let ending = Ending::new(Outcome::Failed, "Workload failed, see run output for details");
                match said.code {
                    Some(code) => ending.with_code(&code),
                    None => ending,
                }
            }
        };
        Ok(Finished { ending, output })
    }
}

fn write_private(path: &Path, plan: &Value) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(plan)?)
}

fn environment(home: &Path, folder: &Path) -> Vec<(&'static str, OsString)> {
    let mut environment = vec![
        ("HOME", folder.as_os_str().to_owned()),
        ("TMPDIR", folder.join("tmp").into_os_string()),
        ("LANG", "C.UTF-8".into()),
        ("TZ", "UTC".into()),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ("PYTHONPATH", home.join("runtime").into_os_string()),
        ("PYTHONSAFEPATH", "1".into()),
    ];
    for kept in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        environment.extend(std::env::var_os(kept).map(|value| (kept, value)));
    }
    environment
}

/// Takes in what the process writes until it ends; `ended` is called then, and what it started is gone after that.
async fn watch(child: &mut Child, mut tail: Tail, ended: impl FnOnce()) -> io::Result<ExitStatus> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut one, mut two) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let mut ended = Some(ended);
    let mut status = None;
    let deadline = tokio::time::sleep(Duration::MAX);
    tokio::pin!(deadline);
    while status.is_none() || out.is_some() || err.is_some() {
        tokio::select! {
            biased;
            () = &mut deadline, if status.is_some() => break,
            read = next(&mut out, &mut one), if out.is_some() => match read? {
                0 => out = None,
                read => tail.write(&one[..read])?,
            },
            read = next(&mut err, &mut two), if err.is_some() => match read? {
                0 => err = None,
                read => tail.write(&two[..read])?,
            },
            exited = child.wait(), if status.is_none() => {
                status = Some(exited?);
                if let Some(ended) = ended.take() {
                    ended();
                }
                deadline.as_mut().reset(tokio::time::Instant::now() + DRAIN);
            }
        }
    }
    match status {
        Some(status) => Ok(status),
        None => child.wait().await,
    }
}

async fn next(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> io::Result<usize> {
    match stream {
        Some(stream) => stream.read(buffer).await,
        None => std::future::pending().await,
    }
}

fn unsaid(status: ExitStatus) -> Said {
    use std::os::unix::process::ExitStatusExt as _;

    let error = match (status.code(), status.signal()) {
        (Some(0), _) => return Said::default(),
        (Some(code), _) => format!("The Python process exited with code {code}."),
        (_, Some(signal)) => format!("The Python process was killed by signal {signal}."),
        _ => "The Python process is gone.".to_owned(),
    };
    Said { error_trace: Some(error.clone()), error: Some(error), code: None }
}

/// A text's beginning, cut between characters.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
