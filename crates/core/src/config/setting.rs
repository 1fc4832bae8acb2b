//! A value and where it came from.

use std::fmt;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The program said so.
    Builder,
    /// This environment variable.
    Environment(String),
    /// This profile of this file.
    Profile {
        /// Name of the profile, as in `[name]`.
        name: String,
        /// Path of the file, as it was given.
        file: String,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builder => f.write_str("builder"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Profile { name, file } => write!(f, "profile [{name}] in {file}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A resolved setting that remembers its [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    value: T,
    origin: Origin,
}

impl<T> Setting<T> {
    /// This value from there.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value, taken out.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}
