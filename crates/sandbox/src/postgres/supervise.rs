//! Keeps the server running while it is wanted, and ends it when it is not, or when this process is gone.

use std::{
    fs,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use twinhouse_core::{Error, ErrorKind, Result};

use super::identity::Identity;

/// Reads the server's process id from us, a line for each start. End of file means that we are gone.
const WATCH: &str = r#"
pid=
while IFS= read -r line; do
  [ "$line" = done ] && exit 0
  pid=$line
done
alive() {
  kill -0 "$pid" 2>/dev/null || return 1
  # A zombie has ended: its new parent is only slow to look.
  [ -r "/proc/$pid/stat" ] && read -r _ _ state _ <"/proc/$pid/stat" && [ "$state" = Z ] && return 1
  return 0
}
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  tries=0
  while alive && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  alive && kill -KILL "$pid" 2>/dev/null
fi
rm -rf -- "$1"
"#;

/// A start that is not ready within this is given up.
const START: Duration = Duration::from_secs(60);
/// A fast shutdown that takes longer is made an immediate one.
const STOP: Duration = Duration::from_secs(10);
/// Starts in a row that never get ready before we stop trying: more than a minute, as what is left of a killed server may
/// need long to go on a busy machine.
const RESTARTS: u32 = 60;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What to start, and where to see how it is doing.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) identity: Identity,
    pub(super) folder: PathBuf,
    /// First line: the process id; eighth line: `ready`, once it is.
    pub(super) pid_file: PathBuf,
    pub(super) log: PathBuf,
}

/// A running server. Dropping it stops the server and waits for its end.
#[derive(Debug)]
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    watchdog: Watchdog,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pid: Option<Pid>,
    stopping: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not when the server shall stop.
    fn pause(&self, time: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// The command with a clean environment and a process group of its own, so that Ctrl-C at a terminal reaches
/// only us and the order of shutdown stays ours.
pub(super) fn command(program: &Path, identity: &Identity, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    for kept in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.current_dir(folder).stdin(Stdio::null()).process_group(0);
    identity.apply(&mut command);
    command
}

impl Supervisor {
    /// Starts the server, returns when it takes connections, and starts it again whenever it ends unasked.
    pub(super) fn start(recipe: Recipe, mut watchdog: Watchdog) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let child = spawn(&recipe, &mut watchdog)?;
        shared.lock().pid = Some(pid_of(&child));
        let supervisor = Self { shared: Arc::clone(&shared), watchdog: watchdog.clone() };
        let outcome = until_ready(&shared, &recipe, pid_of(&child));
        std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || keep_running(&shared, &recipe, &mut watchdog, child))
            .map_err(|error| Error::new(ErrorKind::Internal, "could not start a thread").with_source(error))?;
        // On failure the drop of `supervisor` ends what is left.
        outcome.map(|()| supervisor)
    }

    /// The server's process id; `None` between an unasked end and the next start.
    pub(super) fn pid(&self) -> Option<u32> {
        self.shared.lock().pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Stops the server and waits until it has ended. Blocking; harmless to repeat.
    pub(super) fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        self.shared.changed.notify_all();
        // Fast, then immediate, then none too polite.
        for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
            if state.ended {
                break;
            }
            if let Some(pid) = state.pid {
                // The process is reaped under this lock, so the id cannot be someone else's.
                let _ = kill_process(pid, signal);
            }
            state = self
                .shared
                .changed
                .wait_timeout_while(state, STOP, |state| !state.ended)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(state);
        self.watchdog.dismiss();
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn spawn(recipe: &Recipe, watchdog: &mut Watchdog) -> Result<Child> {
    let open = || fs::OpenOptions::new().create(true).append(true).open(&recipe.log);
    let start = || -> std::io::Result<Child> {
        let (out, err) = (open()?, open()?);
        command(&recipe.program, &recipe.identity, &recipe.folder)
            .args(&recipe.arguments)
            .stdout(out)
            .stderr(err)
            .spawn()
    };
    let child = start().map_err(|error| {
        Error::new(ErrorKind::Config, "could not start PostgreSQL")
            .with_context("program", recipe.program.display().to_string())
            .with_source(error)
    })?;
    watchdog.guard(&child);
    Ok(child)
}

fn until_ready(shared: &Shared, recipe: &Recipe, pid: Pid) -> Result<()> {
    let deadline = Instant::now() + START;
    while !is_ready(recipe, pid) {
        let look = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG);
        if !matches!(look, Ok(None)) {
            return Err(failed(recipe, "PostgreSQL ended before it was ready"));
        }
        if Instant::now() > deadline || shared.lock().stopping {
            return Err(failed(recipe, "PostgreSQL was not ready in time"));
        }
        shared.pause(LOOK_AGAIN);
    }
    Ok(())
}

fn is_ready(recipe: &Recipe, pid: Pid) -> bool {
    let Ok(text) = fs::read_to_string(&recipe.pid_file) else { return false };
    let mut lines = text.lines();
    lines.next() == Some(pid.as_raw_nonzero().to_string().as_str())
        && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

/// An error that carries the last words of the server's log.
fn failed(recipe: &Recipe, message: &'static str) -> Error {
    let log = fs::read_to_string(&recipe.log).unwrap_or_default();
    let mut last: Vec<&str> = log.lines().rev().filter(|line| !line.trim().is_empty()).take(4).collect();
    last.reverse();
    Error::new(ErrorKind::Unavailable, message).with_context("log", last.join(" | "))
}

fn keep_running(shared: &Shared, recipe: &Recipe, watchdog: &mut Watchdog, mut child: Child) {
    let mut fruitless = 0;
    loop {
        // Waits without reaping: until then nobody else can get this process id.
        let _ = waitid(WaitId::Pid(pid_of(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let mut state = shared.lock();
        state.pid = None;
        let status = child.wait();
        if state.stopping {
            break;
        }
        tracing::warn!(?status, "PostgreSQL ended unasked; starting it again");
        let again = loop {
            if state.stopping || fruitless >= RESTARTS {
                break None;
            }
            drop(state);
            // The dead server's children may still hold its memory for a moment.
            shared.pause(Duration::from_millis(20 << fruitless.min(6)));
            state = shared.lock();
            match spawn(recipe, watchdog) {
                Ok(child) => break Some(child),
                Err(error) => tracing::error!(%error, "could not start PostgreSQL again"),
            }
            fruitless += 1;
        };
        let Some(next) = again else { break };
        child = next;
        let pid = pid_of(&child);
        state.pid = Some(pid);
        if state.stopping {
            let _ = kill_process(pid, Signal::QUIT);
        }
        drop(state);
        fruitless = if until_ready(shared, recipe, pid).is_ok() { 0 } else { fruitless + 1 };
    }
    shared.lock().ended = true;
    shared.changed.notify_all();
}

/// A shell that holds the other end of a pipe from us, and ends the server when the pipe breaks.
#[derive(Clone, Debug)]
pub(super) struct Watchdog(Arc<Mutex<Option<(Child, ChildStdin)>>>);

impl Watchdog {
    /// It removes the folder of the sockets, too, when we cannot do it any more; the folder need not be there yet.
    pub(super) fn start(sockets: &Path) -> Result<Self> {
        Self::spawn(sockets).map_err(|error| {
            Error::new(ErrorKind::Internal, "could not start the watchdog of PostgreSQL").with_source(error)
        })
    }

    fn spawn(sockets: &Path) -> std::io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", WATCH, "twinhouse-watchdog"])
            .arg(sockets)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let stdin = child.stdin.take().ok_or_else(|| std::io::Error::other("no pipe to the watchdog"))?;
        Ok(Self(Arc::new(Mutex::new(Some((child, stdin))))))
    }

    fn guard(&mut self, server: &Child) {
        if let Some((_, stdin)) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && let Err(error) = writeln!(stdin, "{}", server.id())
        {
            tracing::warn!(%error, "the watchdog of PostgreSQL is gone");
        }
    }

    pub(super) fn dismiss(&self) {
        let Some((mut child, mut stdin)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let _ = writeln!(stdin, "done");
        drop(stdin);
        let _ = child.wait();
    }
}
