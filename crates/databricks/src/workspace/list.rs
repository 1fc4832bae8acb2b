//! What is in a directory of the workspace, and below.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{ErrorKind, Result};

use super::{object::ObjectInfo, path, words::ObjectType};
use crate::api::Client;

/// A directory to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListRequest {
    /// Which: `/…`.
    pub path: String,
    /// Whether to go into the directories below. They are then listed too, each before what is in it.
    pub recursive: bool,
    /// Only notebooks that were changed after this.
    pub notebooks_modified_after: Option<DateTime<Utc>>,
}

impl ListRequest {
    /// What is right below this directory.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), recursive: false, notebooks_modified_after: None }
    }

    /// Goes into the directories below.
    #[must_use]
    pub fn with_recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Only notebooks that were changed after this.
    #[must_use]
    pub fn with_notebooks_modified_after(mut self, time: DateTime<Utc>) -> Self {
        self.notebooks_modified_after = Some(time);
        self
    }
}

impl From<&str> for ListRequest {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

/// One directory at a time. One that goes away before its turn comes has nothing in it.
pub(super) fn list(client: Client, request: &ListRequest) -> BoxStream<'static, Result<ObjectInfo>> {
    let root = match path::check(&request.path) {
        Ok(path) => path.to_owned(),
        Err(error) => return stream::iter([Err(error)]).boxed(),
    };
    let after = request.notebooks_modified_after.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    let (recursive, first) = (request.recursive, root.clone());
    stream::try_unfold(VecDeque::from([root]), move |mut left| {
        let (client, first) = (client.clone(), first.clone());
        async move {
            let Some(directory) = left.pop_front() else { return Ok(None) };
            let objects = match client.workspace_list(&directory, after).await {
                Ok(objects) => objects,
                Err(error) if error.kind() == ErrorKind::NotFound && directory != first => Vec::new(),
                Err(error) => return Err(error),
            };
            let objects: Vec<ObjectInfo> = objects.into_iter().map(ObjectInfo::from).collect();
            if recursive {
                // A file that is listed lists itself.
                let below = objects.iter().filter(|object| object.object_type == ObjectType::Directory);
                left.extend(below.map(|object| object.path.clone()).filter(|path| *path != directory));
            }
            Ok(Some((stream::iter(objects.into_iter().map(Ok)), left)))
        }
    })
    .try_flatten()
    .boxed()
}
