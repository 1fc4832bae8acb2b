//! Where COPY reads and UNLOAD writes: the same files that the S3 front serves.

use std::{
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

use async_trait::async_trait;
use tempfile::{NamedTempFile, TempPath};

/// An object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// In bytes.
    pub(crate) size: u64,
}

/// Objects in buckets.
#[async_trait]
pub(crate) trait Storage: std::fmt::Debug + Send + Sync + 'static {
    /// The objects whose key starts with `prefix`, by key. No such bucket: `NotFound`.
    async fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<Object>>;
    /// Opens an object for reading from any place.
    async fn open(&self, bucket: &str, key: &str) -> io::Result<File>;
    /// A file that is nobody's object until it is placed.
    fn draft(&self) -> io::Result<NamedTempFile>;
    /// Makes a draft an object, whole. What was there before is replaced.
    async fn place(&self, bucket: &str, key: &str, draft: TempPath) -> io::Result<()>;
    /// Deletes an object; one that is not there is no error.
    async fn delete(&self, bucket: &str, key: &str) -> io::Result<()>;
}

/// Plain files: `<root>/<bucket>/<key>`.
#[derive(Clone, Debug)]
pub(crate) struct FileStorage {
    root: PathBuf,
}

impl FileStorage {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn bucket(&self, bucket: &str) -> io::Result<PathBuf> {
        let folder = inside(&self.root, bucket)?;
        if folder.is_dir() { Ok(folder) } else { Err(io::Error::new(io::ErrorKind::NotFound, "no such bucket")) }
    }
}

/// The path below `root`; a key that would leave it is refused.
fn inside(root: &Path, key: &str) -> io::Result<PathBuf> {
    let relative = Path::new(key);
    if key.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a key of this store"));
    }
    Ok(root.join(relative))
}

#[async_trait]
impl Storage for FileStorage {
    async fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<Object>> {
        let (folder, prefix) = (self.bucket(bucket)?, prefix.to_owned());
        blocking(move || {
            let mut objects = Vec::new();
            let mut folders = vec![folder.clone()];
            while let Some(at) = folders.pop() {
                // Others may delete while we look.
                let Some(entries) = unless_gone(std::fs::read_dir(&at))? else { continue };
                for entry in entries {
                    let entry = entry?;
                    let path = entry.path();
                    let Some(key) = path.strip_prefix(&folder).ok().and_then(Path::to_str) else { continue };
                    let kind = entry.file_type()?;
                    if kind.is_dir() {
                        // Folders that cannot hold a match are not walked.
                        if key.starts_with(&prefix) || prefix.starts_with(&format!("{key}/")) {
                            folders.push(path);
                        }
                    } else if kind.is_file() && key.starts_with(&prefix) {
                        let Some(meta) = unless_gone(entry.metadata())? else { continue };
                        objects.push(Object { key: key.to_owned(), size: meta.len() });
                    }
                }
            }
            objects.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(objects)
        })
        .await
    }

    async fn open(&self, bucket: &str, key: &str) -> io::Result<File> {
        let path = inside(&self.bucket(bucket)?, key)?;
        blocking(move || if path.is_dir() { Err(io::ErrorKind::NotFound.into()) } else { File::open(path) }).await
    }

    fn draft(&self) -> io::Result<NamedTempFile> {
        // Beside the buckets, so that placing it is a rename. A file is no bucket.
        tempfile::Builder::new().prefix(".unload-").tempfile_in(&self.root)
    }

    async fn place(&self, bucket: &str, key: &str, draft: TempPath) -> io::Result<()> {
        let path = inside(&self.bucket(bucket)?, key)?;
        blocking(move || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            draft.persist(path).map_err(|failed| failed.error)
        })
        .await
    }

    async fn delete(&self, bucket: &str, key: &str) -> io::Result<()> {
        let path = inside(&self.bucket(bucket)?, key)?;
        blocking(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }
}

fn unless_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn objects_are_listed_by_prefix_across_folders() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("b")).expect("made");
        let storage = FileStorage::new(root.path());
        for key in ["load/a", "load/a.1", "load/a_2/x", "load/b", "lo"] {
            let path = root.path().join("b").join(key);
            std::fs::create_dir_all(path.parent().expect("a bucket")).expect("made");
            std::fs::write(path, "12").expect("written");
        }
        let keys: Vec<_> =
            storage.list("b", "load/a").await.expect("listed").into_iter().map(|o| (o.key, o.size)).collect();
        assert_eq!(keys, [("load/a".into(), 2), ("load/a.1".into(), 2), ("load/a_2/x".into(), 2)]);
        assert_eq!(storage.list("none", "").await.expect_err("no bucket").kind(), io::ErrorKind::NotFound);
        assert_eq!(storage.open("b", "load").await.expect_err("a folder").kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_is_deleted_meanwhile_spoils_no_list() {
        let root = tempfile::tempdir().expect("a folder");
        let bucket = root.path().join("b");
        std::fs::create_dir(&bucket).expect("made");
        std::fs::write(bucket.join("stays"), "1").expect("written");
        let storage = FileStorage::new(root.path());
        let coming_and_going = tokio::task::spawn_blocking(move || {
            for n in 0..2000 {
                let folder = bucket.join(format!("s{}", n % 2));
                std::fs::create_dir_all(&folder).expect("made");
                std::fs::write(folder.join("goes"), "1").expect("written");
                std::fs::remove_dir_all(&folder).expect("removed");
            }
        });
        while !coming_and_going.is_finished() {
            let found = storage.list("b", "s").await.expect("listed");
            assert!(found.iter().any(|object| object.key == "stays"));
        }
        coming_and_going.await.expect("joined");
    }

    #[tokio::test]
    async fn a_key_cannot_leave_its_bucket() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("b")).expect("made");
        let storage = FileStorage::new(root.path());
        for key in ["../secret", "a/../../secret", "/etc/passwd", ""] {
            assert_eq!(storage.open("b", key).await.expect_err(key).kind(), io::ErrorKind::InvalidInput);
        }
    }
}
