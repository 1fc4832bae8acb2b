//! The environment, handed in.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

/// Environment variables as they were when this was made. `Debug` shows names only. Cheap to clone.
#[derive(Clone, Default)]
pub struct Env(Arc<BTreeMap<String, String>>);

impl Env {
    /// The variables of this process. Those that are not Unicode are left out.
    pub fn process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(Arc::new(std::env::vars_os().filter_map(unicode).collect()))
    }

    /// No variables.
    pub fn empty() -> Self {
        Self::default()
    }

    /// These variables.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(Arc::new(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }

    /// The same with this variable set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).insert(name.into(), value.into());
        self
    }

    /// The value of a variable. One that is empty counts as not set.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A path with a leading `~` put in full; unchanged where the home directory is not known.
    pub fn expand(&self, path: &str) -> PathBuf {
        let home = || self.var("HOME").or_else(|| self.var("USERPROFILE"));
        match path.strip_prefix('~') {
            Some("") => home().map_or_else(|| path.into(), PathBuf::from),
            Some(rest) if rest.starts_with(['/', '\\']) => {
                home().map_or_else(|| path.into(), |home| PathBuf::from(home).join(&rest[1..]))
            }
            _ => path.into(),
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
