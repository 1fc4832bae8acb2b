//! Nothing that a task started outlives the task, and no task outlives the sandbox.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// Told which process groups live, `+1` and `-1`; when nobody tells any more, it kills those that are left.
const WATCH: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
while IFS= read -r line; do
  [ "$line" = done ] && exit 0
  number=${line#?}
  case $line in
    +*) groups="$groups$number " ;;
    -*) groups="${groups%% "$number" *} ${groups#* "$number" }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"#;

/// A small process that outlives this one. It is started with the first task.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchdog(Arc<Mutex<Option<(Child, ChildStdin)>>>);

/// A process group, killed on drop.
#[derive(Debug)]
pub(super) struct Group {
    pid: Pid,
    watchdog: Watchdog,
}

impl Watchdog {
    /// Takes over a process that leads a group of its own.
    pub(super) fn guard(&self, pid: Pid) -> io::Result<Group> {
        let group = Group { pid, watchdog: self.clone() };
        self.tell('+', pid)?;
        Ok(group)
    }

    fn tell(&self, sign: char, pid: Pid) -> io::Result<()> {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if process.is_none() {
            *process = Some(start()?);
        }
        let Some((_, pipe)) = process.as_mut() else { return Ok(()) };
        writeln!(pipe, "{sign}{}", pid.as_raw_nonzero())
    }

    /// Sends it home.
    pub(super) fn dismiss(&self) {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut process, mut pipe)) = taken {
            let _ = writeln!(pipe, "done");
            drop(pipe);
            let _ = process.wait();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = kill_process_group(self.pid, Signal::KILL);
        if let Err(error) = self.watchdog.tell('-', self.pid) {
            tracing::warn!(%error, "the watchdog of the jobs is gone");
        }
    }
}

fn start() -> io::Result<(Child, ChildStdin)> {
    let mut process = Command::new("/bin/sh")
        .args(["-c", WATCH, "twinhouse-sandbox-jobs"])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let pipe = process.stdin.take().ok_or_else(|| io::Error::other("no pipe to the watchdog"))?;
    Ok((process, pipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("/bin/sh").args(["-c", "sleep 600 & sleep 600"]).process_group(0).spawn().unwrap()
    }

    #[test]
    fn a_group_dies_with_its_guard() {
        let watchdog = Watchdog::default();
        let mut child = sleeper();
        drop(watchdog.guard(Pid::from_child(&child)).unwrap());
        assert!(!child.wait().unwrap().success());
        watchdog.dismiss();
    }

    #[test]
    fn what_is_left_dies_with_the_sandbox_and_what_was_ended_is_not_touched() {
        let watchdog = Watchdog::default();
        let (mut one, mut two, mut other) = (sleeper(), sleeper(), sleeper());
        for child in [&one, &two, &other] {
            std::mem::forget(watchdog.guard(Pid::from_child(child)).unwrap());
        }
        watchdog.tell('-', Pid::from_child(&other)).unwrap();
        // The pipe breaks as it does when the process is killed.
        let (mut process, pipe) = watchdog.0.lock().unwrap().take().unwrap();
        drop(pipe);
        assert!(process.wait().unwrap().success());
        assert!(!one.wait().unwrap().success() && !two.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        kill_process_group(Pid::from_child(&other), Signal::KILL).unwrap();
        other.wait().unwrap();
    }
}
