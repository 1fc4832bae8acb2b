//! The workspace's own tree: folders, files and notebooks, kept as they are named below one folder.
//!
//! `path -> notebook -> store`; the calls are in `api/workspace.rs`.

mod ipynb;
mod notebook;
mod path;
mod store;

pub(crate) use self::{
    notebook::{Language, Notebook},
    path::WorkspacePath,
    store::{Kind, Object, Workspace, WorkspaceError},
};
