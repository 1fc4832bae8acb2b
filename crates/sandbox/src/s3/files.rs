//! Objects as plain files, written beside and moved into place, so that a reader sees a whole object or none.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use s3s::{
    S3Error, S3Result,
    dto::{ETag, ETagCondition},
    s3_error,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::sessions::BUCKET;

/// Beside the buckets, whose names cannot begin with a dot.
pub(super) const HIDDEN: &str = ".store";

/// The folders of the store.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    drafts: PathBuf,
    attributes: PathBuf,
    uploads: PathBuf,
    /// Links to the folders of the bucket that has none of its own.
    views: PathBuf,
    /// A condition is looked at and acted on by one writer at a time.
    placing: Mutex<()>,
}

/// What a file does not say of an object. It holds for the file of this size and time only: another program may
/// have put a new one there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Attributes {
    pub(super) etag: String,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) size: u64,
    pub(super) modified: u128,
}

/// An object as it lies there.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    pub(super) attributes: Attributes,
}

impl Stored {
    /// Another program may have put it there: then nothing is noted.
    fn of(size: u64, modified: SystemTime, noted: Option<Attributes>) -> Self {
        let etag = || format!("{:x}-{size:x}", nanos(modified));
        let attributes = noted.unwrap_or_else(|| Attributes { etag: etag(), ..Attributes::default() });
        Self { size, modified, attributes }
    }

    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.attributes.etag.clone())
    }
}

/// A file that is being written. It goes when it is dropped before it is placed.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    pub(super) file: File,
}

impl Draft {
    pub(super) fn move_to(&self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Not there any more if it was placed.
        let _ = fs::remove_file(&self.path);
    }
}

/// What must hold of the object that is in the place of a new one.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Files {
    pub(super) fn open_store(root: &Path) -> io::Result<Self> {
        let hidden = root.join(HIDDEN);
        let files = Self {
            root: root.to_owned(),
            drafts: hidden.join("drafts"),
            attributes: hidden.join("attributes"),
            uploads: hidden.join("uploads"),
            views: hidden.join("views"),
            placing: Mutex::new(()),
        };
        // Drafts of an earlier run are nobody's.
        match fs::remove_dir_all(&files.drafts) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Links of an earlier run are made anew when somebody may follow them.
        match fs::remove_dir_all(&files.views) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for folder in [&files.drafts, &files.attributes, &files.uploads, &files.views] {
            fs::create_dir_all(folder)?;
        }
        Ok(files)
    }

    pub(super) fn bucket(&self, bucket: &str) -> PathBuf {
        if bucket == BUCKET { self.views.clone() } else { self.root.join(bucket) }
    }

    pub(super) fn buckets(&self) -> io::Result<Vec<(String, SystemTime)>> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != HIDDEN && entry.file_type()?.is_dir() {
                buckets.push((name, entry.metadata()?.modified()?));
            }
        }
        buckets.sort();
        Ok(buckets)
    }

    pub(super) fn upload(&self, id: &str) -> S3Result<PathBuf> {
        // Only ids that we gave out name a folder.
        let id =
            uuid::Uuid::parse_str(id).map_err(|_| s3_error!(NoSuchUpload, "The specified upload does not exist."))?;
        Ok(self.uploads.join(id.simple().to_string()))
    }

    pub(super) fn draft(&self) -> io::Result<Draft> {
        let path = self.drafts.join(uuid::Uuid::new_v4().simple().to_string());
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Draft { path, file })
    }

    fn object(&self, bucket: &str, key: &str) -> PathBuf {
        self.bucket(bucket).join(key)
    }

    fn attributes_of(&self, bucket: &str, key: &str) -> PathBuf {
        let digest = Sha256::digest(format!("{bucket}/{key}"));
        self.attributes.join(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn open(&self, bucket: &str, key: &str) -> S3Result<(File, Stored)> {
        let absent = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                s3_error!(NoSuchKey, "The specified key does not exist.")
            }
            _ => broken(error),
        };
        let path = self.object(bucket, key);
        loop {
            let file = File::open(&path).map_err(absent)?;
            let meta = file.metadata().map_err(broken)?;
            // A folder can be opened too.
            if !meta.is_file() {
                return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
            }
            let (size, modified) = (meta.len(), meta.modified().map_err(broken)?);
            let noted = self.noted(bucket, key, size, modified);
            // Another one may have come into its place between the two looks.
            if noted.is_some() || fs::metadata(&path).is_ok_and(|now| now.ino() == meta.ino()) {
                return Ok((file, Stored::of(size, modified, noted)));
            }
        }
    }

    pub(super) fn describe(&self, bucket: &str, key: &str, size: u64, modified: SystemTime) -> Stored {
        Stored::of(size, modified, self.noted(bucket, key, size, modified))
    }

    fn noted(&self, bucket: &str, key: &str, size: u64, modified: SystemTime) -> Option<Attributes> {
        let modified = nanos(modified);
        self.known(bucket, key).into_iter().find(|noted| noted.size == size && noted.modified == modified)
    }

    /// What is noted of an object, and of the one that was in its place before: that one is still there for a moment.
    fn known(&self, bucket: &str, key: &str) -> Vec<Attributes> {
        let json = fs::read(self.attributes_of(bucket, key)).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// Moves a draft to its place.
    pub(super) fn place(
        &self,
        draft: &Draft,
        bucket: &str,
        key: &str,
        mut attributes: Attributes,
        conditions: &Conditions,
    ) -> S3Result<Stored> {
        let meta = draft.file.metadata().map_err(broken)?;
        let modified = meta.modified().map_err(broken)?;
        (attributes.size, attributes.modified) = (meta.len(), nanos(modified));
        let path = self.object(bucket, key);

        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(bucket, key, conditions)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(in_the_way)?;
        }
        let mut known = self.known(bucket, key);
        known.truncate(1);
        known.insert(0, attributes.clone());
        self.note(&self.attributes_of(bucket, key), &known).map_err(broken)?;
        match draft.move_to(&path) {
            // Deleted objects leave their folders behind.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory && remove_empty(&path).is_ok() => {
                draft.move_to(&path)
            }
            placed => placed,
        }
        .map_err(in_the_way)?;
        Ok(Stored { size: meta.len(), modified, attributes })
    }

    fn note(&self, path: &Path, known: &[Attributes]) -> io::Result<()> {
        let mut note = self.draft()?;
        serde_json::to_writer(&mut note.file, known)?;
        note.move_to(path)
    }

    fn check(&self, bucket: &str, key: &str, conditions: &Conditions) -> S3Result<()> {
        let Conditions { if_match, if_none_match } = conditions;
        if if_match.is_none() && if_none_match.is_none() {
            return Ok(());
        }
        let there = match self.open(bucket, key) {
            Ok((_, stored)) => Some(stored.etag()),
            Err(error) if error.code().as_str() == "NoSuchKey" => None,
            Err(error) => return Err(error),
        };
        if if_match.is_some() && there.is_none() {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        }
        let fits = |condition: &ETagCondition| {
            there.as_ref().is_some_and(|there| condition.as_etag().is_none_or(|wanted| wanted.strong_cmp(there)))
        };
        if if_match.as_ref().is_some_and(|condition| !fits(condition)) || if_none_match.as_ref().is_some_and(fits) {
            return Err(s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold"));
        }
        Ok(())
    }

    /// Removes an object. One that is not there is fine.
    pub(super) fn remove(&self, bucket: &str, key: &str) -> S3Result<()> {
        let path = self.object(bucket, key);
        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        match fs::remove_file(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
            // A folder is no object.
            Err(_) if path.is_dir() => Ok(()),
            Err(error) => Err(broken(error)),
            Ok(()) => {
                let _ = fs::remove_file(self.attributes_of(bucket, key));
                Ok(())
            }
        }
    }

    /// Every key that starts with `prefix`, in the order of its bytes, with size and time.
    pub(super) fn list(&self, bucket: &str, prefix: &str) -> S3Result<Vec<(String, u64, SystemTime)>> {
        let top = self.bucket(bucket);
        let mut found = Vec::new();
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            // Others may delete while we look.
            let Some(entries) = unless_gone(fs::read_dir(&folder))? else { continue };
            for entry in entries {
                let Some(entry) = unless_gone(entry)? else { continue };
                let path = entry.path();
                let Some(key) = path.strip_prefix(&top).ok().and_then(Path::to_str) else { continue };
                // Of what a link leads to.
                let Some(meta) = unless_gone(fs::metadata(&path))? else { continue };
                if meta.is_dir() {
                    if key.starts_with(prefix) || prefix.starts_with(&format!("{key}/")) {
                        folders.push(path);
                    }
                } else if key.starts_with(prefix) {
                    found.push((key.to_owned(), meta.len(), meta.modified().map_err(broken)?));
                }
            }
        }
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}

pub(super) fn unless_gone<T>(result: io::Result<T>) -> S3Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(broken(error)),
    }
}

/// Removes a tree of folders that holds no file.
fn remove_empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        remove_empty(&entry?.path())?;
    }
    fs::remove_dir(folder)
}

fn nanos(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// A file cannot be a folder too, as an object and a prefix could.
fn in_the_way(error: io::Error) -> S3Error {
    match error.kind() {
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::DirectoryNotEmpty => {
            s3_error!(NotImplemented, "the sandbox keeps no object whose key is a folder of another object's key")
        }
        _ => broken(error),
    }
}

/// The disk's trouble in the words of S3.
pub(super) fn broken(error: io::Error) -> S3Error {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let mut answer = s3_error!(InternalError, "{error}");
    if full {
        answer.set_status_code(http::StatusCode::INSUFFICIENT_STORAGE);
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn an_object_that_is_being_replaced_has_its_own_attributes_or_those_of_the_next() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("b")).unwrap();
        let files = Files::open_store(root.path()).unwrap();
        let place = |content: &str| {
            let mut draft = files.draft().unwrap();
            draft.file.write_all(content.as_bytes()).unwrap();
            let attributes = Attributes { etag: format!("of {content}"), ..Attributes::default() };
            files.place(&draft, "b", "k", attributes, &Conditions::default()).unwrap();
        };
        place("");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..300).for_each(|n| place(&"x".repeat(n % 7))));
            while !writer.is_finished() {
                let (mut file, stored) = files.open("b", "k").unwrap();
                let mut content = String::new();
                file.read_to_string(&mut content).unwrap();
                assert_eq!(stored.attributes.etag, format!("of {content}"));
            }
        });
        assert_eq!(fs::read_dir(&files.drafts).unwrap().count(), 0);
    }
}
