//! A small process that outlives this one and tidies up after it, however it ended.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use twinhouse_core::{Error, ErrorKind, Result};

const SCRIPT: &str = include_str!("janitor.sh");

/// Waits for the end of this process. The kernel tells it: the pipe between us closes with us, whether we return,
/// panic or are killed.
#[derive(Debug)]
pub(crate) struct Janitor(Child);

/// Has the PostgreSQL of `pid_file` stopped and `folder` removed when this process is gone.
pub(crate) fn watch(pid_file: &Path, folder: Option<&Path>) -> Result<Janitor> {
    spawn(pid_file, folder, Stdio::piped()).map(Janitor)
}

/// The same work at once, after a process that is gone already.
pub(crate) fn sweep(pid_file: &Path, folder: Option<&Path>) -> Result<()> {
    spawn(pid_file, folder, Stdio::null())?.wait().map(drop).map_err(failed)
}

impl Janitor {
    /// Sends it home: everything is tidy.
    pub(crate) fn dismiss(mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            // Without the word it would sweep what is swept: no harm done.
            let _ = pipe.write_all(b"done\n");
        }
        if let Err(error) = self.0.wait() {
            tracing::debug!(%error, "the janitor was not waited for");
        }
    }
}

fn spawn(pid_file: &Path, folder: Option<&Path>, stdin: Stdio) -> Result<Child> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "twinhouse-sandbox-janitor"]).arg(pid_file).arg(folder.unwrap_or(Path::new("")));
    command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    // A group of its own: Ctrl-C goes to the whole group in front of the terminal.
    command.process_group(0).spawn().map_err(failed)
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "could not run the janitor of the sandbox").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        time::{Duration, Instant},
    };

    use super::*;

    /// A process that the janitor takes for PostgreSQL: its name is all it looks at.
    fn false_postgres(folder: &Path, name: &str) -> Child {
        let program = folder.join(name);
        // Not a copy: while any other thread forks, what was just written counts as being written, and does not run.
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        let child = Command::new(&program).arg("600").spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        // Between fork and exec it still carries our name.
        let deadline = Instant::now() + Duration::from_secs(120);
        while fs::read_to_string(&comm).unwrap().trim() != name {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn a_sweep_stops_the_server_and_removes_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let mut server = false_postgres(parent.path(), "postgres");
        let folder = parent.path().join("data with 'quotes' and $signs");
        fs::create_dir_all(folder.join("deep/er")).unwrap();
        let pid_file = folder.join("postmaster.pid");
        fs::write(&pid_file, format!("{}\n/data\n", server.id())).unwrap();
        sweep(&pid_file, Some(&folder)).unwrap();
        assert!(!folder.exists());
        assert!(!server.wait().unwrap().success());
    }

    #[test]
    fn a_number_that_is_no_longer_ours_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let mut stranger = false_postgres(parent.path(), "stranger");
        let pid_file = parent.path().join("pid");
        fs::write(&pid_file, stranger.id().to_string()).unwrap();
        sweep(&pid_file, None).unwrap();
        assert!(stranger.try_wait().unwrap().is_none());
        assert!(parent.path().exists());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn a_dismissed_janitor_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        watch(&folder.path().join("no pid"), Some(folder.path())).unwrap().dismiss();
        assert!(folder.path().exists());
    }

    #[test]
    fn a_janitor_whose_master_is_gone_tidies_up() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        fs::create_dir(&folder).unwrap();
        let mut janitor = watch(&folder.join("no pid"), Some(&folder)).unwrap();
        drop(janitor.0.stdin.take());
        assert!(janitor.0.wait().unwrap().success());
        assert!(!folder.exists());
    }
}
