//! Where an installed PostgreSQL keeps its programs.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use twinhouse_core::{Error, ErrorKind, Result};

/// The variable that names the folder of `initdb` and `postgres`.
pub(crate) const PG_BIN: &str = "TWINHOUSE_PG_BIN";

/// MERGE came with PostgreSQL 15.
const OLDEST: u32 = 15;

/// The real folder of `initdb` and `postgres`, and their major version.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds them: the configured folder, `TWINHOUSE_PG_BIN`, `PATH`, then the usual places of packages.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] says how to get PostgreSQL, or what is wrong with the configured folder.
    pub(crate) fn find(configured: Option<&Path>) -> Result<Self> {
        if let Some(folder) = configured {
            return Self::in_folder(folder).ok_or_else(|| missing(folder, "builder"));
        }
        if let Some(folder) = std::env::var_os(PG_BIN).filter(|value| !value.is_empty()) {
            let folder = PathBuf::from(folder);
            return Self::in_folder(&folder).ok_or_else(|| missing(&folder, "environment"));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::among(candidates(&path, Path::new("/")))
    }

    fn among(folders: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        folders.into_iter().find_map(|folder| Self::in_folder(&folder)).ok_or_else(|| {
            let hint = format!(
                "no PostgreSQL {OLDEST} or newer found: `apt-get install postgresql`, `brew install postgresql@16`, \
                 or set {PG_BIN} to the folder of its programs"
            );
            Error::new(ErrorKind::Config, hint)
        })
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        // initdb looks for its share folder relative to itself: a symlink leads it astray.
        let postgres = folder.join("postgres").canonicalize().ok()?;
        let folder = postgres.parent()?.to_path_buf();
        if !folder.join("initdb").is_file() {
            return None;
        }
        let said = Command::new(&postgres).arg("--version").output().ok()?;
        let major = major_version(&String::from_utf8_lossy(&said.stdout))?;
        (major >= OLDEST).then_some(Self { folder, major })
    }

    pub(crate) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(crate) fn major(&self) -> u32 {
        self.major
    }
}

fn missing(folder: &Path, origin: &str) -> Error {
    let wish = format!("a folder that holds `initdb` and `postgres`, version {OLDEST} or newer");
    Error::bad_setting(PG_BIN, origin, &wish).with_context("folder", folder.display().to_string())
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0)` is 15; `17beta1` is 17.
fn major_version(said: &str) -> Option<u32> {
    let version = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Folders worth a look, best first. `root` stands for `/`.
fn candidates(path: &OsString, root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    let versioned = [
        ("usr/lib/postgresql", "", "bin"),
        ("usr", "pgsql-", "bin"),
        ("opt/homebrew/opt", "postgresql@", "bin"),
        ("usr/local/opt", "postgresql@", "bin"),
        ("home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ];
    for (parent, prefix, bin) in versioned {
        let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(root.join(parent))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
                Some((version, entry.path().join(bin)))
            })
            .collect();
        found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        folders.extend(found.into_iter().map(|(_, folder)| folder));
    }
    folders.push(root.join("usr/local/pgsql/bin"));
    folders.push(root.join("opt/homebrew/opt/postgresql/bin"));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(major_version("no such thing"), None);
    }

    #[test]
    fn newer_packages_are_tried_first_and_path_before_all() {
        let root = tempfile::tempdir().expect("a folder");
        for version in ["9", "14", "16"] {
            std::fs::create_dir_all(root.path().join("usr/lib/postgresql").join(version).join("bin")).expect("made");
        }
        let found = candidates(&OsString::from("/first:/second"), root.path());
        assert_eq!(found[0], Path::new("/first"));
        assert_eq!(found[1], Path::new("/second"));
        assert_eq!(found[2], root.path().join("usr/lib/postgresql/16/bin"));
        assert_eq!(found[4], root.path().join("usr/lib/postgresql/9/bin"));
    }

    #[test]
    fn no_postgresql_is_a_configuration_error_that_says_how_to_get_it() {
        let error = Programs::among([]).expect_err("nothing there");
        assert_eq!(error.kind(), ErrorKind::Config);
        for word in ["apt-get install postgresql", "brew install postgresql@16", PG_BIN] {
            assert!(error.message().contains(word), "{error}");
        }
        assert!(!error.message().contains('\n'));
    }

    #[test]
    fn a_configured_folder_without_the_programs_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Programs::find(Some(folder.path())).expect_err("empty folder");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.context("folder"), folder.path().to_str());
        assert_eq!(error.context("setting"), Some(PG_BIN));
    }

    #[test]
    fn a_symlink_is_followed_to_the_real_folder() {
        let Ok(real) = Programs::find(None) else { panic!("these tests need PostgreSQL: {:?}", Programs::find(None)) };
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(real.postgres(), folder.path().join("postgres")).expect("linked");
        let found = Programs::find(Some(folder.path())).expect("found through the link");
        assert_eq!(found.initdb(), real.initdb());
    }
}
