//! What is in the workspace. Contents are files named as they are in the tree, so that a Python file finds its
//! neighbours; what a file system cannot tell is in one small index beside them.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{
    notebook::{Language, Notebook},
    path::WorkspacePath,
};
use crate::databricks::engine::USER;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Kind {
    Directory,
    File,
    Notebook { language: Language },
}

/// An object and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) path: WorkspacePath,
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    pub(crate) size: u64,
    /// Milliseconds since 1970.
    pub(crate) created_at: u64,
    pub(crate) modified_at: u64,
}

/// Why the workspace refuses.
#[derive(Debug)]
pub(crate) enum WorkspaceError {
    Missing(WorkspacePath),
    NoParent(WorkspacePath),
    Exists(WorkspacePath),
    NotEmpty(WorkspacePath),
    /// Something else is there than what was asked for.
    Mismatch(String),
    Io(io::Error),
}

impl From<io::Error> for WorkspaceError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Result<T> = std::result::Result<T, WorkspaceError>;

/// The tree. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Workspace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tree: PathBuf,
    index: PathBuf,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Marks {
    next_id: u64,
    objects: BTreeMap<String, Mark>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mark {
    id: u64,
    #[serde(flatten)]
    kind: Kind,
    created_at: u64,
}

impl Workspace {
    /// Opens the tree below `root`, or begins one with the folders that every workspace has.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let root = root.join("workspace");
        let (tree, index) = (root.join("tree"), root.join("index.json"));
        fs::create_dir_all(&tree)?;
        let marks = match fs::read(&index) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Marks { next_id: 1, objects: BTreeMap::new() },
            Err(error) => return Err(error),
        };
        let workspace = Self(Arc::new(Inner { tree: tree.canonicalize()?, index, marks: Mutex::new(marks) }));
        for folder in ["Shared".to_owned(), format!("Users/{USER}")] {
            fs::create_dir_all(workspace.0.tree.join(folder))?;
        }
        Ok(workspace)
    }

    /// Where an object is on this machine's disk.
    pub(crate) fn local(&self, path: &WorkspacePath) -> PathBuf {
        let mut local = self.0.tree.clone();
        local.extend(path.parts());
        local
    }

    /// What is there.
    pub(crate) fn object(&self, path: &WorkspacePath) -> Result<Object> {
        let mut marks = self.marks();
        self.look(&mut marks, path)
    }

    /// What a folder holds, in order.
    pub(crate) fn list(&self, path: &WorkspacePath) -> Result<Vec<Object>> {
        let mut marks = self.marks();
        let object = self.look(&mut marks, path)?;
        if object.kind != Kind::Directory {
            return Ok(vec![object]);
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(self.local(path))? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        // What a task made that is no object, and what went away this moment, is not listed.
        let there = |found: &Result<Object>| !matches!(found, Err(WorkspaceError::Missing(_)));
        names.iter().map(|name| self.look(&mut marks, &path.join(name))).filter(there).collect()
    }

    /// Makes a folder and those above it. Again does nothing.
    pub(crate) fn make_folder(&self, path: &WorkspacePath) -> Result<()> {
        let _marks = self.marks();
        let mut above = WorkspacePath::parse("/").map_err(WorkspaceError::Mismatch)?;
        for part in path.parts() {
            above = above.join(part);
            match fs::create_dir(self.local(&above)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !self.local(&above).is_dir() {
                        return Err(WorkspaceError::Exists(above));
                    }
                }
                made => made?,
            }
        }
        Ok(())
    }

    /// Writes a file or the source of a notebook. The object appears whole or not at all.
    pub(crate) fn write(&self, path: &WorkspacePath, kind: Kind, content: &[u8], overwrite: bool) -> Result<Object> {
        let mut marks = self.marks();
        let Some(parent) = path.parent() else {
            return Err(WorkspaceError::Exists(path.clone()));
        };
        if !self.local(&parent).is_dir() {
            return Err(WorkspaceError::NoParent(parent));
        }
        let before = match self.look(&mut marks, path) {
            Ok(_) if !overwrite => return Err(WorkspaceError::Exists(path.clone())),
            Ok(object) if object.kind == Kind::Directory => return Err(WorkspaceError::Exists(path.clone())),
            Ok(object) => Some(object),
            Err(WorkspaceError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some(before) = &before
            && std::mem::discriminant(&before.kind) != std::mem::discriminant(&kind)
        {
            let text = format!(
                "Cannot overwrite the asset at {path} due to type mismatch (asked: {kind:?}, actual: {:?}).",
                before.kind
            );
            return Err(WorkspaceError::Mismatch(text));
        }
        let mut draft = tempfile::NamedTempFile::new_in(self.0.index.parent().unwrap_or(&self.0.tree))?;
        draft.write_all(content)?;
        draft.persist(self.local(path)).map_err(|error| error.error)?;
        let now = now_ms();
        let mark = match before {
            Some(before) => Mark { id: before.id, kind, created_at: before.created_at },
            None => Mark { id: self.next_id(&mut marks), kind, created_at: now },
        };
        marks.objects.insert(path.to_string(), mark);
        self.save(&marks)?;
        self.look(&mut marks, path)
    }

    /// The bytes of a file or the source of a notebook.
    pub(crate) fn read(&self, path: &WorkspacePath) -> Result<(Object, Vec<u8>)> {
        let mut marks = self.marks();
        let object = self.look(&mut marks, path)?;
        if object.kind == Kind::Directory {
            return Err(WorkspaceError::Mismatch(format!("{path} is a directory.")));
        }
        let content = fs::read(self.local(path))?;
        Ok((object, content))
    }

    /// The notebook at this path.
    pub(crate) fn notebook(&self, path: &WorkspacePath) -> Result<Notebook> {
        let (object, content) = self.read(path)?;
        match object.kind {
            Kind::Notebook { language } => Ok(Notebook::of_source(language, &String::from_utf8_lossy(&content))),
            _ => Err(WorkspaceError::Mismatch(format!("{path} is not a notebook."))),
        }
    }

    /// Removes an object; a folder that holds something only with everything in it.
    pub(crate) fn remove(&self, path: &WorkspacePath, recursive: bool) -> Result<()> {
        let mut marks = self.marks();
        let object = self.look(&mut marks, path)?;
        let local = self.local(path);
        if object.kind != Kind::Directory {
            fs::remove_file(&local)?;
        } else if path.is_root() {
            return Err(WorkspaceError::Mismatch("The root folder cannot be deleted.".to_owned()));
        } else if recursive {
            fs::remove_dir_all(&local)?;
        } else {
            fs::remove_dir(&local).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty => WorkspaceError::NotEmpty(path.clone()),
                _ => error.into(),
            })?;
        }
        marks.objects.retain(|name, _| !WorkspacePath::parse(name).is_ok_and(|name| path.holds(&name)));
        Ok(self.save(&marks)?)
    }

    /// The object with its number, which it is given when it is first looked at.
    fn look(&self, marks: &mut Marks, path: &WorkspacePath) -> Result<Object> {
        let meta = match fs::symlink_metadata(self.local(path)) {
            Ok(meta) if !meta.is_symlink() => meta,
            Ok(_) => return Err(WorkspaceError::Missing(path.clone())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(WorkspaceError::Missing(path.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let modified_at = meta.modified().map_or(0, millis);
        let name = path.to_string();
        let fits = |mark: &&Mark| (mark.kind == Kind::Directory) == meta.is_dir();
        let mark = match marks.objects.get(&name).filter(fits) {
            Some(mark) => mark.clone(),
            None => {
                let kind = if meta.is_dir() { Kind::Directory } else { Kind::File };
                let mark = Mark { id: self.next_id(marks), kind, created_at: modified_at };
                marks.objects.insert(name, mark.clone());
                self.save(marks)?;
                mark
            }
        };
        Ok(Object {
            path: path.clone(),
            kind: mark.kind,
            id: mark.id,
            size: meta.len(),
            created_at: mark.created_at,
            modified_at,
        })
    }

    fn next_id(&self, marks: &mut Marks) -> u64 {
        marks.next_id += 1;
        // As long as the service's numbers are.
        2_000_000_000_000_000 + marks.next_id
    }

    fn save(&self, marks: &Marks) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.0.index.parent().unwrap_or(&self.0.tree))?;
        file.write_all(&serde_json::to_vec(marks)?)?;
        file.persist(&self.0.index)?;
        Ok(())
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> u64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> WorkspacePath {
        WorkspacePath::parse(text).unwrap()
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = Kind::Notebook { language: Language::Sql };
        let first = {
            let workspace = Workspace::open(folder.path()).unwrap();
            workspace.make_folder(&path("/Shared/a/b")).unwrap();
            workspace.write(&path("/Shared/a/b/n"), notebook, b"SELECT 1", false).unwrap()
        };
        let workspace = Workspace::open(folder.path()).unwrap();
        assert_eq!(workspace.object(&path("/Workspace/Shared/a/b/n")).unwrap(), first);
        assert!(workspace.notebook(&first.path).unwrap().source.ends_with("SELECT 1"));
        let names: Vec<_> = workspace.list(&path("/")).unwrap().iter().map(|object| object.path.to_string()).collect();
        assert_eq!(names, ["/Shared", "/Users"]);
    }

    #[test]
    fn a_link_that_a_task_made_is_no_object_and_its_folder_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let kept = workspace.write(&path("/Shared/x.py"), Kind::File, b"1", false).unwrap();
        std::os::unix::fs::symlink("/etc", workspace.local(&path("/Shared/link"))).unwrap();
        assert_eq!(workspace.list(&path("/Shared")).unwrap(), [kept]);
        assert!(matches!(workspace.object(&path("/Shared/link")), Err(WorkspaceError::Missing(_))));
    }

    #[test]
    fn nothing_is_overwritten_or_removed_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let file = path("/Shared/x.py");
        let id = workspace.write(&file, Kind::File, b"1", false).unwrap().id;
        assert!(matches!(workspace.write(&file, Kind::File, b"2", false), Err(WorkspaceError::Exists(_))));
        assert_eq!(workspace.write(&file, Kind::File, b"2", true).unwrap().id, id);
        let notebook = Kind::Notebook { language: Language::Python };
        assert!(matches!(workspace.write(&file, notebook, b"3", true), Err(WorkspaceError::Mismatch(_))));
        assert!(matches!(workspace.write(&path("/no/x"), Kind::File, b"", true), Err(WorkspaceError::NoParent(_))));
        assert!(matches!(workspace.remove(&path("/Shared"), false), Err(WorkspaceError::NotEmpty(_))));
        assert_eq!(workspace.read(&file).unwrap().1, b"2");
        workspace.remove(&path("/Shared"), true).unwrap();
        assert!(matches!(workspace.object(&file), Err(WorkspaceError::Missing(_))));
        // A new object of the name is another object.
        workspace.make_folder(&path("/Shared")).unwrap();
        assert_ne!(workspace.write(&file, Kind::File, b"1", false).unwrap().id, id);
    }
}
