//! Libraries that a cluster installs before a task begins.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinhouse_core::Result;

use crate::jobs::{
    check::not_empty,
    macros::{record, setters},
};

record! {
    /// A package of PyPI.
    PythonPyPiLibrary {
        /// Its name, with a version as pip writes it.
        package: String,
        ;
        /// Another index than PyPI.
        repo: Option<String>,
    }
}

record! {
    /// A package of a Maven repository.
    MavenLibrary {
        /// `group:artifact:version`.
        coordinates: String,
        ;
        /// Another repository than Maven Central.
        repo: Option<String>,
        /// Dependencies to leave out, `group:artifact`.
        exclusions: Vec<String>,
    }
}

impl MavenLibrary {
    setters! {
        /// Another repository than Maven Central.
        with_repo(repo: some String);
        /// A dependency to leave out.
        with_exclusion(exclusions: push String);
    }
}

record! {
    /// A package of CRAN.
    RCranLibrary {
        /// Its name.
        package: String,
        ;
        /// Another repository than CRAN.
        repo: Option<String>,
    }
}

/// A library. Code on serverless compute has none of these but an
/// [environment](super::JobEnvironment).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Library {
    /// A JAR: `/Volumes/…`, `/Workspace/…`, `s3://…`, `abfss://…`, `gs://…`.
    Jar(String),
    /// A Python wheel.
    Whl(String),
    /// A requirements file.
    Requirements(String),
    /// A package of PyPI.
    Pypi(PythonPyPiLibrary),
    /// A package of a Maven repository.
    Maven(MavenLibrary),
    /// A package of CRAN.
    Cran(RCranLibrary),
    /// A kind that this crate does not know.
    #[serde(untagged)]
    Other(Value),
}

impl Library {
    /// A package of PyPI, with a version as pip writes it.
    pub fn pypi(package: impl Into<String>) -> Self {
        Self::Pypi(PythonPyPiLibrary::new(package))
    }

    /// A package of Maven Central: `group:artifact:version`.
    pub fn maven(coordinates: impl Into<String>) -> Self {
        Self::Maven(MavenLibrary::new(coordinates))
    }

    pub(crate) fn check(&self, field: &str) -> Result<()> {
        let at = |name: &str| format!("{field}.{name}");
        match self {
            Self::Jar(path) => not_empty(at("jar"), path),
            Self::Whl(path) => not_empty(at("whl"), path),
            Self::Requirements(path) => not_empty(at("requirements"), path),
            Self::Pypi(library) => not_empty(at("pypi.package"), &library.package),
            Self::Maven(library) => not_empty(at("maven.coordinates"), &library.coordinates),
            Self::Cran(library) => not_empty(at("cran.package"), &library.package),
            Self::Other(_) => Ok(()),
        }
    }
}
