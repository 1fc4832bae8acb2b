//! Environments: what code on serverless compute finds installed.

use crate::jobs::macros::{record, setters};

record! {
    /// What is installed where code runs without a cluster.
    Environment {
        ;
        /// The version of the environment: which Python, which libraries.
        environment_version: Option<String>,
        /// Lines as in a requirements file of pip; wheels in the workspace and in volumes by their path.
        dependencies: Vec<String>,
        /// JARs, by their path in a volume.
        java_dependencies: Vec<String>,
        ..rest
    }
}

impl Environment {
    /// Python 3.12; supported until August 2028.
    pub const VERSION_4: &'static str = "4";

    setters! {
        /// The version of the environment.
        with_version(environment_version: some String);
        /// One more line as in a requirements file.
        with_dependency(dependencies: push String);
        /// One more JAR.
        with_java_dependency(java_dependencies: push String);
    }
}

record! {
    /// An environment by the key that tasks name it with.
    JobEnvironment {
        /// The key.
        environment_key: String,
        ;
        /// What is installed.
        spec: Option<Environment>,
        ..rest
    }
}

impl JobEnvironment {
    /// An environment of the current version with these libraries, lines as in a requirements file.
    pub fn installing(key: impl Into<String>, libraries: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut spec = Environment::new().with_version(Environment::VERSION_4);
        spec.dependencies.extend(libraries.into_iter().map(Into::into));
        Self::new(key).with_spec(spec)
    }

    setters! {
        /// What is installed.
        with_spec(spec: some Environment);
    }
}
