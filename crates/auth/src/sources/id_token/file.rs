//! An identity token in a file.

use std::path::PathBuf;

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use super::{IdTokenSource, present};

/// The identity token that a file holds. It is read each time: whoever writes it, such as Kubernetes, renews it.
#[derive(Clone, Debug)]
pub struct FileIdToken {
    file: PathBuf,
}

impl FileIdToken {
    /// What this file holds.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }
}

#[async_trait]
impl IdTokenSource for FileIdToken {
    async fn id_token(&self, _: &str) -> Result<Secret> {
        let (file, name) = (self.file.clone(), self.file.display().to_string());
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
        let text = read.map_err(std::io::Error::other).and_then(|read| read).map_err(|cause| {
            Error::new(ErrorKind::Config, "the file with the identity token cannot be read")
                .with_context("file", &name)
                .with_source(cause)
        })?;
        present(Secret::new(text.trim()), &name)
    }

    fn name(&self) -> &'static str {
        "file-oidc"
    }
}
