//! The data folder: one sandbox at a time, and nothing left of a temporary one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use twinhouse_core::{Error, ErrorKind, Result};

use super::janitor;

const PREFIX: &str = "twinhouse-sandbox-";
const LOCK: &str = "lock";
/// Says that what bears one of [`OURS`] in this folder is a sandbox's.
const MARK: &str = "twinhouse-sandbox";
const MARK_TEXT: &str = "This folder belongs to a Twinhouse sandbox, which may empty it.\n";
/// What a sandbox keeps in its folder.
const OURS: [&str; 5] = ["databricks", "postgres", "s3", "tls", "seed"];
/// Where PostgreSQL writes its process id, under the data folder.
const PID_FILE: &str = "postgres/cluster/postmaster.pid";

/// A data folder that nobody else uses while this lives.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    temporary: bool,
    lock: File,
}

impl DataFolder {
    /// Takes the folder, or a new temporary one, and clears away what dead sandboxes left; with `reset`, what any left.
    pub(crate) fn open(wish: Option<&Path>, reset: bool) -> Result<Self> {
        let Some(path) = wish else {
            let home = std::env::temp_dir();
            sweep_stale(&home);
            return Self::temporary(&home);
        };
        fs::create_dir_all(path).map_err(|error| unusable(path, error))?;
        let path = path.canonicalize().map_err(|error| unusable(path, error))?;
        let lock = match take(&path.join(LOCK)).map_err(|error| unusable(&path, error))? {
            Taken::Ours(lock) => lock,
            Taken::Theirs(owner) => {
                return Err(Error::new(ErrorKind::Conflict, "another sandbox is using the data folder")
                    .with_context("setting", "data_folder")
                    .with_context("folder", path.display().to_string())
                    .with_context("process", owner));
            }
        };
        let folder = Self { path, temporary: false, lock };
        // The lock was free: a server that still runs in here has lost its sandbox.
        if folder.pid_file().exists() {
            janitor::sweep(&folder.pid_file(), None)?;
        }
        folder.mark().map_err(|error| unusable(&folder.path, error))?;
        if reset {
            folder.reset()?;
        }
        Ok(folder)
    }

    /// Makes the folder a sandbox's own, unless something else goes by our names in it.
    fn mark(&self) -> io::Result<()> {
        if self.is_marked() || OURS.iter().any(|name| self.path.join(name).exists()) {
            return Ok(());
        }
        fs::write(self.path.join(MARK), MARK_TEXT)
    }

    fn is_marked(&self) -> bool {
        fs::symlink_metadata(self.path.join(MARK)).is_ok_and(|meta| meta.is_file())
    }

    fn reset(&self) -> Result<()> {
        if !self.is_marked() {
            let wish = "only a folder that a sandbox has made its own can be emptied; remove this one by hand";
            return Err(Error::new(ErrorKind::Config, wish)
                .with_context("setting", "reset")
                .with_context("folder", self.path.display().to_string()));
        }
        for name in OURS {
            let path = self.path.join(name);
            let removed = match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => remove(&path),
                Ok(_) => fs::remove_file(&path),
                Err(_) => continue,
            };
            removed.map_err(|error| unusable(&path, error))?;
        }
        Ok(())
    }

    fn temporary(home: &Path) -> Result<Self> {
        let path = home.join(format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
        // PostgreSQL may run as another user, who must pass through; its own folder is closed.
        DirBuilder::new().mode(0o711).create(&path).map_err(|error| unusable(&path, error))?;
        let locked = take(&path.join(LOCK)).map_err(|error| unusable(&path, error));
        match locked {
            Ok(Taken::Ours(lock)) => Ok(Self { path, temporary: true, lock }),
            Ok(Taken::Theirs(owner)) => {
                Err(Error::new(ErrorKind::Internal, "a new folder was taken").with_context("process", owner))
            }
            Err(error) => {
                let _ = fs::remove_dir_all(&path);
                Err(error)
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.path.join(PID_FILE)
    }

    /// Gives it back: a temporary folder is removed, the lock of another one.
    pub(crate) fn release(self) -> Result<()> {
        let gone = if self.temporary { remove(&self.path) } else { fs::remove_file(self.path.join(LOCK)) };
        drop(self.lock);
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&self.path, error)),
            _ => Ok(()),
        }
    }
}

/// Makes a folder in the data folder that only we can enter.
pub(crate) fn private_folder(data: &Path, name: &str) -> Result<PathBuf> {
    below(data, name, 0o700)
}

/// Makes a folder in the data folder that everybody may read.
pub(crate) fn public_folder(data: &Path, name: &str) -> Result<PathBuf> {
    below(data, name, 0o755)
}

fn below(data: &Path, name: &str, mode: u32) -> Result<PathBuf> {
    let path = data.join(name);
    let made = match DirBuilder::new().mode(mode).create(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        }
        made => made,
    };
    made.map_err(|error| unusable(&path, error))?;
    Ok(path)
}

/// A server that is just going down may still write into it.
fn remove(folder: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries < 20 => tries += 1,
            result => return result,
        }
    }
}

enum Taken {
    Ours(File),
    /// The process that has it, as far as it said.
    Theirs(String),
}

fn take(path: &Path) -> io::Result<Taken> {
    loop {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner)?;
                return Ok(Taken::Theirs(owner.trim().to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
        // The one who had it removes the file: what we locked may have no name any more.
        let still_there =
            fs::metadata(path).is_ok_and(|named| file.metadata().is_ok_and(|ours| ours.ino() == named.ino()));
        if still_there {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())?;
            return Ok(Taken::Ours(file));
        }
    }
}

/// Removes temporary folders whose sandbox, and whose janitor, were killed.
fn sweep_stale(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            continue;
        }
        let folder = entry.path();
        if let Err(error) = sweep_if_dead(&folder) {
            tracing::debug!(%error, folder = %folder.display(), "could not look into an old sandbox folder");
        }
    }
}

fn sweep_if_dead(folder: &Path) -> io::Result<()> {
    let mut lock = OpenOptions::new().read(true).write(true).open(folder.join(LOCK))?;
    let mut owner = String::new();
    lock.read_to_string(&mut owner)?;
    // Its owner writes its number once it has the lock: before that the folder is only just being made.
    let dead = !owner.trim().is_empty() && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
    if dead {
        tracing::info!(folder = %folder.display(), "removing what a dead sandbox left");
        janitor::sweep(&folder.join(PID_FILE), Some(folder)).map_err(io::Error::other)?;
    }
    Ok(())
}

fn unusable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::ResourceExhausted,
        _ => ErrorKind::Config,
    };
    Error::new(kind, "the data folder of the sandbox cannot be used")
        .with_context("folder", path.display().to_string())
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_serves_one_sandbox_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new/data");
        let first = DataFolder::open(Some(&path), false).unwrap();
        let error = DataFolder::open(Some(&path), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.context("setting"), Some("data_folder"));
        assert_eq!(error.context("process"), Some(std::process::id().to_string().as_str()));
        first.release().unwrap();
        assert!(path.exists() && !path.join(LOCK).exists());
        DataFolder::open(Some(&path), false).unwrap().release().unwrap();
    }

    #[test]
    fn a_reset_empties_what_is_a_sandboxs_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataFolder::open(Some(&path), false).unwrap();
        fs::create_dir_all(path.join("databricks/tables/t")).unwrap();
        fs::write(path.join("seed"), "tpch:1").unwrap();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        let error = DataFolder::open(Some(&path), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(path.join("seed").exists(), "emptied while in use");
        first.release().unwrap();
        let again = DataFolder::open(Some(&path), true).unwrap();
        assert!(!path.join("databricks").exists() && !path.join("seed").exists());
        assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
        again.release().unwrap();

        let stranger = parent.path().join("stranger");
        fs::create_dir_all(stranger.join("s3")).unwrap();
        for _ in 0..2 {
            let error = DataFolder::open(Some(&stranger), true).unwrap_err();
            assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("reset")));
        }
        assert!(stranger.join("s3").exists());
    }

    #[test]
    fn a_temporary_folder_goes_with_everything_in_it() {
        let folder = DataFolder::open(None, false).unwrap();
        let path = folder.path().to_owned();
        fs::write(private_folder(folder.path(), "tls").unwrap().join("key"), "k").unwrap();
        assert_eq!(fs::metadata(path.join("tls")).unwrap().mode() & 0o777, 0o700);
        folder.release().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn only_the_folders_of_the_dead_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let alive = DataFolder::temporary(home.path()).unwrap();
        let dead = home.path().join(format!("{PREFIX}dead"));
        fs::create_dir_all(dead.join("s3/bucket")).unwrap();
        fs::write(dead.join(LOCK), "1\n").unwrap();
        let newborn = home.path().join(format!("{PREFIX}newborn"));
        fs::create_dir(&newborn).unwrap();
        fs::write(newborn.join(LOCK), "").unwrap();
        let stranger = home.path().join("stranger");
        fs::create_dir(&stranger).unwrap();
        sweep_stale(home.path());
        assert!(alive.path().exists() && newborn.exists() && stranger.exists());
        assert!(!dead.exists());
        alive.release().unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataFolder::open(Some(file.path()), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.context("folder"), file.path().to_str());
    }
}
