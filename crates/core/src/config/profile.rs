//! Files with named profiles, such as `~/.databrickscfg`.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use super::Env;
use crate::{Error, ErrorKind, Result};

/// The section that holds settings of the file itself, not a profile.
const RESERVED: &str = "__settings__";
/// The profile that is used where nobody names one.
const FALLBACK: &str = "DEFAULT";

/// All profiles of one file: `[name]` sections of `key = value` lines. `Debug` shows no values.
///
/// A section inherits nothing from `[DEFAULT]`. Keys are read in lower case; lines that begin with `#` or `;` are
/// comments; a value ends with its line.
#[derive(Clone)]
pub struct Profiles {
    file: String,
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

/// One profile. `Debug` shows no values.
#[derive(Clone)]
pub struct Profile {
    file: String,
    name: String,
    values: BTreeMap<String, String>,
}

impl Profiles {
    /// Reads a file; a leading `~` stands for the home directory. A file that is not there is `None`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the file is there and cannot be read or is malformed; it names the line, never its text.
    pub fn read(file: &str, env: &Env) -> Result<Option<Self>> {
        let path: PathBuf = env.expand(file);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(file, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    /// Reads text; `file` is the name that messages use.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a line is neither section, `key = value`, comment nor blank, or says something twice.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let malformed = |line: usize, what: &'static str| {
            Error::new(ErrorKind::Config, what).with_context("file", file).with_context("line", line.to_string())
        };
        let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut current: Option<String> = None;
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let (line, number) = (line.trim(), index + 1);
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let is_comment = |rest: &str| matches!(rest.trim_start().chars().next(), None | Some('#' | ';'));
                let ended = name.split_once(']').filter(|(_, rest)| is_comment(rest));
                let (name, _) = ended.ok_or_else(|| malformed(number, "a section must end with `]`"))?;
                let name = name.trim().to_owned();
                if sections.insert(name.clone(), BTreeMap::new()).is_some() {
                    return Err(malformed(number, "a profile is there twice"));
                }
                current = Some(name);
                continue;
            }
            let (key, value) = line
                .split_once(['=', ':'])
                .ok_or_else(|| malformed(number, "a line must be `[profile]`, `key = value` or a comment"))?;
            let section = current
                .as_ref()
                .and_then(|name| sections.get_mut(name))
                .ok_or_else(|| malformed(number, "a key must stand in a profile"))?;
            if section.insert(key.trim().to_lowercase(), value.trim().to_owned()).is_some() {
                return Err(malformed(number, "a key is there twice in one profile"));
            }
        }
        Ok(Self { file: file.to_owned(), sections })
    }

    /// The profile of this name; without a name the one that `default_profile` in `[__settings__]` names, else
    /// `[DEFAULT]`, else none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a profile that was named is not there, or the name is the reserved one.
    pub fn select(&self, name: Option<&str>) -> Result<Option<Profile>> {
        if name == Some(RESERVED) {
            return Err(Error::new(ErrorKind::Config, format!("`{RESERVED}` is reserved and cannot be a profile"))
                .with_context("file", &self.file));
        }
        let default = || self.sections.get(RESERVED)?.get("default_profile").map(String::as_str);
        let named = name.or_else(default).filter(|name| !name.is_empty());
        let wanted = named.unwrap_or(FALLBACK);
        match self.sections.get(wanted) {
            Some(values) => {
                Ok(Some(Profile { file: self.file.clone(), name: wanted.to_owned(), values: values.clone() }))
            }
            None if named.is_none() => Ok(None),
            None => Err(Error::new(ErrorKind::Config, format!("{} has no {wanted} profile configured", self.file))
                .with_context("profile", wanted)
                .with_context("file", &self.file)),
        }
    }

    /// Names of the profiles.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str).filter(|name| *name != RESERVED)
    }
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The value of a key. One that is empty counts as not set.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Config, "the profile file cannot be read")
        .with_context("file", path.display().to_string())
        .with_source(error)
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiles").field("file", &self.file).field("names", &self.sections.keys()).finish()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("file", &self.file)
            .field("name", &self.name)
            .field("keys", &self.values.keys())
            .finish()
    }
}
