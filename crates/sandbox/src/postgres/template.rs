//! A folder that initdb has made once, kept in the user's cache: a new server begins as a copy of it.
//!
//! The first use makes it, and nothing depends on it: whatever is wrong with the cache, initdb is run instead. A
//! template appears whole, by a rename, so two sandboxes may make it at once and a kill half-way leaves a draft, which
//! is swept later. All copies share the template's password of the engine's administrator. It guards a socket that only
//! this user can reach, and clients never have it.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use twinhouse_core::Secret;

use super::{find::Programs, identity::Identity};

/// Rises when what is kept changes its shape.
const VERSION: u32 = 1;
/// Names the folder of the cache; empty: no cache.
const CACHE: &str = "TWINHOUSE_CACHE";
const DRAFT: &str = "draft-";
const PASSWORD: &str = "password";
const SIZE: &str = "size";
/// A draft this old has lost its maker.
const STALE: Duration = Duration::from_secs(60 * 60);

/// Where the template of these programs is kept, or shall be.
#[derive(Debug)]
pub(super) struct Template {
    cache: PathBuf,
    name: String,
}

impl Template {
    /// Nothing if there is no cache to keep it in.
    pub(super) fn of(programs: &Programs) -> Option<Self> {
        let cache = match std::env::var_os(CACHE) {
            Some(named) if named.is_empty() => return None,
            Some(named) => PathBuf::from(named),
            None => user_cache()?.join("twinhouse"),
        };
        Self::in_folder(cache, programs)
    }

    /// An update of the programs, and other programs, have templates of their own.
    fn in_folder(cache: PathBuf, programs: &Programs) -> Option<Self> {
        let program = programs.postgres();
        let meta = fs::metadata(&program).ok()?;
        let mut hash = DefaultHasher::new();
        (program, meta.len(), meta.mtime()).hash(&mut hash);
        let name = format!("postgres-{}-v{VERSION}-{:016x}", programs.major(), hash.finish());
        Some(Self { cache, name })
    }

    /// Copies the template to `cluster`, which must not exist, and answers its password. Nothing if there is none yet,
    /// or it is not ours.
    pub(super) fn copy_to(&self, cluster: &Path, identity: &Identity) -> io::Result<Option<Secret>> {
        let kept = self.cache.join(&self.name);
        match fs::symlink_metadata(&kept) {
            // Somebody else's folder may hold somebody else's programs.
            Ok(meta) if meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() => {}
            _ => return Ok(None),
        }
        let password = fs::read_to_string(kept.join(PASSWORD))?;
        let size = copy(&kept.join("cluster"), cluster, &|path| identity.own(path))?;
        // A power cut may have emptied files whose names were safe.
        if fs::read_to_string(kept.join(SIZE))?.trim() != size.to_string() || password.trim().is_empty() {
            fs::remove_dir_all(&kept)?;
            return Err(io::Error::other("the template is damaged"));
        }
        Ok(Some(Secret::new(password.trim())))
    }

    /// Keeps a copy of a cluster that initdb has just made.
    pub(super) fn keep(&self, cluster: &Path, password: &Secret) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.cache)?;
        self.sweep();
        let draft = self.cache.join(format!("{DRAFT}{}", uuid::Uuid::new_v4().simple()));
        let made = self.draft(&draft, cluster, password);
        // Another one may have been faster: a folder that is not empty is not replaced.
        let kept = made.and_then(|()| fs::rename(&draft, self.cache.join(&self.name)));
        if kept.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        kept
    }

    fn draft(&self, draft: &Path, cluster: &Path, password: &Secret) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(draft)?;
        Identity::Ourselves.write_private(&draft.join(PASSWORD), password.expose())?;
        let size = copy(cluster, &draft.join("cluster"), &|_| Ok(()))?;
        fs::write(draft.join(SIZE), size.to_string())
    }

    fn sweep(&self) {
        for entry in fs::read_dir(&self.cache).into_iter().flatten().flatten() {
            let is_draft = entry.file_name().to_str().is_some_and(|name| name.starts_with(DRAFT));
            let age =
                entry.metadata().and_then(|meta| meta.modified()).map(|made| SystemTime::now().duration_since(made));
            if is_draft && matches!(age, Ok(Ok(age)) if age > STALE) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn user_cache() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))
}

/// Copies a folder with its permissions and answers how many bytes it holds; `own` sees every copy.
fn copy(from: &Path, to: &Path, own: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<u64> {
    let mut size = 0;
    fs::DirBuilder::new().mode(0o700).create(to)?;
    own(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, kind) = (to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            size += copy(&entry.path(), &path, own)?;
        } else if kind.is_file() {
            size += fs::copy(entry.path(), &path)?;
            own(&path)?;
        } else {
            return Err(io::Error::other("a cluster holds folders and files only"));
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(cache: &Path) -> Template {
        Template::in_folder(cache.to_path_buf(), &Programs::find(None).unwrap()).unwrap()
    }

    fn cluster(folder: &Path) -> PathBuf {
        let cluster = folder.join("made");
        fs::create_dir_all(cluster.join("base/1")).unwrap();
        fs::write(cluster.join("base/1/PG_VERSION"), "15\n").unwrap();
        cluster
    }

    #[test]
    fn what_was_kept_is_copied_and_what_was_not_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let template = template(&folder.path().join("deep/cache"));
        let copied = folder.path().join("copy");
        assert!(template.copy_to(&copied, &Identity::Ourselves).unwrap().is_none());
        let made = cluster(folder.path());
        template.keep(&made, &Secret::new("p")).unwrap();
        // The second to come finds it there, and leaves no draft.
        assert!(template.keep(&made, &Secret::new("q")).is_err());
        assert_eq!(fs::read_dir(&template.cache).unwrap().count(), 1);
        let password = template.copy_to(&copied, &Identity::Ourselves).unwrap().unwrap();
        assert_eq!(password.expose(), "p");
        assert_eq!(fs::read_to_string(copied.join("base/1/PG_VERSION")).unwrap(), "15\n");
        assert_eq!(fs::metadata(&template.cache).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_draft_is_no_template_and_is_swept_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let template = template(folder.path());
        let [old, new] = ["old", "new"].map(|name| folder.path().join(format!("{DRAFT}{name}")));
        for draft in [&old, &new] {
            fs::create_dir_all(draft.join("cluster")).unwrap();
        }
        fs::File::open(&old).unwrap().set_modified(SystemTime::now() - 2 * STALE).unwrap();
        assert!(template.copy_to(&folder.path().join("copy"), &Identity::Ourselves).unwrap().is_none());
        template.keep(&cluster(folder.path()), &Secret::new("p")).unwrap();
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn a_damaged_one_is_thrown_away_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let template = template(&folder.path().join("cache"));
        let made = cluster(folder.path());
        template.keep(&made, &Secret::new("p")).unwrap();
        let copied = folder.path().join("copy");
        for emptied in ["cluster/base/1/PG_VERSION", PASSWORD, SIZE] {
            fs::write(template.cache.join(&template.name).join(emptied), "").unwrap();
            assert!(template.copy_to(&copied, &Identity::Ourselves).is_err(), "{emptied}");
            fs::remove_dir_all(&copied).unwrap();
            assert!(template.copy_to(&copied, &Identity::Ourselves).unwrap().is_none());
            template.keep(&made, &Secret::new("p")).unwrap();
        }
        assert!(template.copy_to(&copied, &Identity::Ourselves).unwrap().is_some());
    }

    #[test]
    fn many_at_once_make_one() {
        let folder = tempfile::tempdir().unwrap();
        let made = cluster(folder.path());
        let cache = folder.path().join("cache");
        let kept: usize = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|n| {
                    let (made, cache) = (&made, &cache);
                    scope.spawn(move || template(cache).keep(made, &Secret::new(n.to_string())).is_ok())
                })
                .collect();
            makers.into_iter().map(|maker| usize::from(maker.join().unwrap())).sum()
        });
        assert_eq!((kept, fs::read_dir(&cache).unwrap().count()), (1, 1));
    }
}
