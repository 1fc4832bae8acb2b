//! A file of a volume as a file of this machine.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use futures::TryStreamExt as _;
use twinhouse_core::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::Download;
use crate::files::source::on_disk;

/// Writes beside the destination and moves it there when all of it has come.
pub(in crate::files) async fn save(mut download: Download, destination: &Path) -> Result<u64> {
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Data, "the file could not be written on this machine")
            .with_context("file", destination.display().to_string())
            .with_source(error)
    };
    let (mut draft, mut file) = Draft::create(destination.to_owned()).await.map_err(failed)?;
    let mut written = 0;
    while let Some(piece) = download.try_next().await? {
        written += piece.len() as u64;
        file = on_disk(move || file.write_all(&piece).map(|()| file)).await.map_err(failed)?;
    }
    let (from, to) = (draft.path.clone(), destination.to_owned());
    on_disk(move || {
        file.sync_all()?;
        fs::rename(from, to)
    })
    .await
    .map_err(failed)?;
    draft.kept = true;
    Ok(written)
}

/// A file that is removed unless it is kept.
struct Draft {
    path: PathBuf,
    kept: bool,
}

impl Draft {
    async fn create(destination: PathBuf) -> io::Result<(Self, File)> {
        on_disk(move || {
            destination.file_name().ok_or_else(|| io::Error::other("the path has no file name"))?;
            // Without the destination's own name, which may be as long as names can be.
            let path = destination.with_file_name(format!(".{}.part", Uuid::new_v4().simple()));
            let file = File::create_new(&path)?;
            Ok((Self { path, kept: false }, file))
        })
        .await
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
