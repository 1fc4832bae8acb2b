//! A sandbox leaves nothing behind, however the program that started it ends.
//!
//! The program is this test binary again, with one test and a variable that says how to end.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Sandbox, SandboxOptions};

const ENDING: &str = "TWINHOUSE_TEST_ENDING";
const LIMIT: Duration = Duration::from_secs(180);

/// Does nothing unless the variable is set: it is the other program.
#[test]
fn the_other_program() {
    let Ok(ending) = std::env::var(ENDING) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = SandboxOptions::default;
    let announce = |sandbox: &Sandbox| {
        println!("\nfolder {}", sandbox.data_folder().display());
        // The test takes a look before we end.
        std::io::stdin().read_line(&mut String::new()).unwrap();
    };
    match ending.as_str() {
        "return with a static" => {
            let sandbox = runtime.block_on(Sandbox::shared()).unwrap();
            runtime.block_on(sandbox.environment()).unwrap();
            announce(sandbox);
        }
        "panic" => {
            let sandbox = runtime.block_on(Sandbox::start(options())).unwrap();
            announce(&sandbox);
            panic!("on purpose");
        }
        "exit" => {
            let sandbox = runtime.block_on(Sandbox::start(options())).unwrap();
            announce(&sandbox);
            std::process::exit(0);
        }
        "wait" => {
            let sandbox = runtime.block_on(Sandbox::start(options())).unwrap();
            announce(&sandbox);
            loop {
                std::thread::park();
            }
        }
        other => panic!("no such ending: {other}"),
    }
}

struct Other {
    program: Child,
    folder: PathBuf,
    /// Of PostgreSQL, outside the data folder.
    sockets: PathBuf,
}

impl Other {
    fn start(ending: &str) -> Self {
        let mut program = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lifecycle::tests::the_other_program", "--nocapture"])
            .env(ENDING, ending)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
        let folder = lines.filter_map(|line| line.strip_prefix("folder ").map(PathBuf::from)).next();
        let folder = folder.expect("the other program starts a sandbox");
        let sockets = processes_of(&folder)
            .iter()
            .find_map(|line| line.split_once(" -k ")?.1.split(' ').next().map(PathBuf::from))
            .expect("a PostgreSQL runs");
        drop(program.stdin.take());
        Self { program, folder, sockets }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program), signal).unwrap();
    }

    /// The folders and the processes are gone, now or a moment later.
    fn leaves_nothing(mut self) {
        self.program.wait().unwrap();
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut left = processes_of(&self.folder);
            left.extend(processes_of(&self.sockets));
            left.extend(
                [&self.folder, &self.sockets].iter().filter(|it| it.exists()).map(|it| it.display().to_string()),
            );
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:?}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// The command lines that name the folder: the server, its watchdog, the janitor.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

#[test]
fn a_test_binary_that_ends_with_a_shared_sandbox() {
    Other::start("return with a static").leaves_nothing();
}

#[test]
fn a_panic() {
    Other::start("panic").leaves_nothing();
}

#[test]
fn an_exit_that_drops_nothing() {
    Other::start("exit").leaves_nothing();
}

#[test]
fn signals() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let other = Other::start("wait");
        assert!(!processes_of(&other.folder).is_empty());
        other.signal(signal);
        other.leaves_nothing();
    }
}

#[tokio::test]
async fn stop_and_drop_are_over_when_they_return() {
    let folder = |sandbox: &Sandbox| sandbox.data_folder().to_owned();
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let stopped = folder(&sandbox);
    sandbox.stop().await.unwrap();
    assert!(!stopped.exists());
    assert_eq!(processes_of(&stopped), [""; 0]);
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let dropped = folder(&sandbox);
    drop(sandbox);
    assert!(!dropped.exists());
    assert_eq!(processes_of(&dropped), [""; 0]);
}

#[tokio::test]
async fn a_stop_waits_for_a_start_whose_caller_is_gone() {
    let sandbox = Sandbox::start(SandboxOptions::default().with_fronts([])).await.unwrap();
    let folder = sandbox.data_folder().to_owned();
    {
        let mut start = std::pin::pin!(sandbox.redshift());
        assert!(futures::poll!(start.as_mut()).is_pending());
    }
    sandbox.stop().await.unwrap();
    assert!(!folder.exists());
    assert_eq!(processes_of(&folder), [""; 0]);
}
