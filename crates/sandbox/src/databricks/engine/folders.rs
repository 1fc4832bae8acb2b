//! The folders of tables, which outlive their names: what is dropped stays for whoever reads it already.
//!
//! The service keeps such files for days. Here they go with the last statement that has opened them.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

/// The folders in use.
#[derive(Debug, Default)]
pub(super) struct Folders(Mutex<HashMap<PathBuf, Weak<Folder>>>);

/// A folder in use.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// It goes with its last user.
    unwanted: AtomicBool,
}

impl Folder {
    /// A folder that goes with the statement that fills it, unless it is kept.
    pub(super) fn draft(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, unwanted: AtomicBool::new(true) })
    }

    pub(super) fn keep(&self) {
        self.unwanted.store(false, Ordering::Release);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if *self.unwanted.get_mut() {
            remove(&self.path);
        }
    }
}

impl Folders {
    /// While the answer lives the folder stays. To be called before anybody can have dropped what is in it.
    pub(super) fn open(&self, path: PathBuf) -> Arc<Folder> {
        let mut folders = self.lock();
        folders.retain(|_, folder| folder.strong_count() > 0);
        if let Some(folder) = folders.get(&path).and_then(Weak::upgrade) {
            return folder;
        }
        let folder = Arc::new(Folder { path: path.clone(), unwanted: AtomicBool::new(false) });
        folders.insert(path, Arc::downgrade(&folder));
        folder
    }

    /// Takes a folder away that nobody can open any more: now, or when its last user has gone.
    pub(super) fn remove(&self, path: &Path) {
        let in_use = self.lock().get(path).and_then(Weak::upgrade);
        match in_use {
            Some(folder) => folder.unwanted.store(true, Ordering::Release),
            None => remove(path),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Weak<Folder>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All at once for whoever lists it: the folder has another name before its files go one by one.
fn remove(path: &Path) {
    let aside = path.with_added_extension("dropped");
    if let Err(error) = fs::rename(path, &aside).and_then(|()| fs::remove_dir_all(&aside))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the files of a dropped object stay");
    }
}
