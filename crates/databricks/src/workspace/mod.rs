//! Notebooks, files and folders of the workspace: `/api/2.0/workspace`.
//!
//! ```no_run
//! use futures::TryStreamExt as _;
//! use twinhouse_databricks::{
//!     DatabricksClient,
//!     workspace::{ImportRequest, Language, ListRequest},
//! };
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let workspace = DatabricksClient::from_env()?.workspace();
//! workspace.mkdirs("/Shared/reports").await?;
//! let notebook = ImportRequest::new("/Shared/reports/daily", "print(1)").with_language(Language::Python);
//! workspace.import(notebook.with_overwrite(true)).await?;
//! let mut objects = workspace.list(ListRequest::new("/Shared").with_recursive(true));
//! while let Some(object) = objects.try_next().await? {
//!     println!("{} {}", object.object_type, object.path);
//! }
//! # Ok(())
//! # }
//! ```

mod import;
mod list;
mod object;
mod path;
mod words;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::stream::BoxStream;
use twinhouse_core::{Effect, Error, ErrorKind, Result};

pub use self::{
    import::ImportRequest,
    list::ListRequest,
    object::ObjectInfo,
    words::{ExportFormat, ImportFormat, Language, ObjectType},
};
use crate::{api::Client, client::DatabricksClient};

/// Notebooks, files and folders of the workspace: `/api/2.0/workspace`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workspace {
    client: Client,
}

/// An object that was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// What is in it.
    pub content: Bytes,
    /// What kind of file it would be, as the service says: `py`, `ipynb` and so on.
    pub file_type: Option<String>,
}

impl DatabricksClient {
    /// Notebooks, files and folders of the workspace: `/api/2.0/workspace`.
    pub fn workspace(&self) -> Workspace {
        Workspace { client: self.api().clone() }
    }
}

impl Workspace {
    /// Puts a notebook or file into the workspace.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the context `field` for what the service would not take, before anything is
    /// sent; [`ErrorKind::AlreadyExists`] unless it may be replaced. Without `overwrite`, a call whose answer is lost is
    /// not repeated: the error's [`effect`](twinhouse_core::Fault::effect) says that it may have been done.
    pub async fn import(&self, request: ImportRequest) -> Result<()> {
        import::import(&self.client, &request).await
    }

    /// Gets an object and what kind of file it would be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::InvalidInput`] for more than 10 MB.
    pub async fn export(&self, path: &str, format: Option<ExportFormat>) -> Result<Exported> {
        let format = format.as_ref().map(ExportFormat::as_str);
        let exported = self.client.workspace_export(path::check(path)?, format).await?;
        let content = STANDARD.decode(&exported.content).map_err(|_| {
            Error::new(ErrorKind::Protocol, "the content of an object is not base64")
                .with_context("path", path.to_owned())
        })?;
        Ok(Exported { content: content.into(), file_type: exported.file_type })
    }

    /// Gets the bytes of an object as they are.
    ///
    /// # Errors
    ///
    /// As [`export`](Self::export).
    pub async fn download(&self, path: &str, format: Option<ExportFormat>) -> Result<Bytes> {
        self.client.workspace_download(path::check(path)?, format.as_ref().map(ExportFormat::as_str)).await
    }

    /// What is in a directory, and below if asked, as it comes.
    ///
    /// # Errors
    ///
    /// The first item is [`ErrorKind::NotFound`] if there is no such directory. After an error nothing follows.
    pub fn list(&self, request: impl Into<ListRequest>) -> BoxStream<'static, Result<ObjectInfo>> {
        list::list(self.client.clone(), &request.into())
    }

    /// What an object is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`].
    pub async fn get_status(&self, path: &str) -> Result<ObjectInfo> {
        Ok(self.client.workspace_status(path::check(path)?).await?.into())
    }

    /// Makes a directory and those above it. One that is there is fine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if something else is in the way.
    pub async fn mkdirs(&self, path: &str) -> Result<()> {
        self.client.workspace_mkdirs(path::check(path)?).await
    }

    /// Removes an object; a directory with something in it only if `recursive`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`].
    pub async fn delete(&self, path: &str, recursive: bool) -> Result<()> {
        let path = path::check(path)?;
        if path == "/" {
            return Err(Error::new(ErrorKind::InvalidInput, "the root of the workspace cannot be removed")
                .with_context("field", "path"));
        }
        match self.client.workspace_delete(path, recursive).await {
            // An earlier call, whose answer was lost, did it.
            Err(error) if error.kind() == ErrorKind::NotFound && error.fault().effect == Effect::Unknown => Ok(()),
            done => done,
        }
    }
}
