//! What the calls do on the disk.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    time::UNIX_EPOCH,
};

use http::StatusCode;
use serde_json::{Value, json};

use super::{Place, in_the_way, missing};
use crate::databricks::api::{
    files::is_absent,
    reply::{ApiError, ApiResult},
};

/// So many files are deleted by one call; the service stops after 45 seconds.
const DELETED_AT_ONCE: usize = 1000;

/// An empty file, and the directories above it.
pub(super) fn create(place: &Place, overwrite: bool) -> ApiResult<File> {
    if let Some(folder) = place.local.parent() {
        folders(folder, place)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true);
    if overwrite {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(&place.local).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => in_the_way(place),
        _ => error.into(),
    })
}

fn folders(folder: &Path, place: &Place) -> ApiResult<()> {
    fs::create_dir_all(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => in_the_way(place),
        _ => error.into(),
    })
}

pub(super) fn mkdirs(place: &Place) -> ApiResult<()> {
    folders(&place.local, place)
}

pub(super) fn read(place: &Place, offset: u64, length: usize) -> ApiResult<Vec<u8>> {
    if look(place)?.is_dir() {
        return Err(ApiError::invalid(format!("Cannot read {}: it is a directory", place.text)));
    }
    let mut file = File::open(&place.local).map_err(|error| lost(error, place))?;
    file.seek(SeekFrom::Start(offset))?;
    let mut data = Vec::new();
    file.take(length as u64).read_to_end(&mut data)?;
    Ok(data)
}

/// In the order of their names; of a file, the file itself.
pub(super) fn list(place: &Place) -> ApiResult<Vec<Value>> {
    let meta = look(place)?;
    if !meta.is_dir() {
        return Ok(vec![info(place, &meta)?]);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&place.local).map_err(|error| lost(error, place))? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort_unstable();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let child = place.child(&name);
        match look(&child) {
            Ok(meta) => files.push(info(&child, &meta)?),
            // It went while the listing was made.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

pub(super) fn status(place: &Place) -> ApiResult<Value> {
    Ok(info(place, &look(place)?)?)
}

pub(super) fn move_to(source: &Place, destination: &Place) -> ApiResult<()> {
    look(source)?;
    match look(destination) {
        Ok(_) => return Err(in_the_way(destination)),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    if destination.local.starts_with(&source.local) {
        return Err(ApiError::invalid("A directory cannot be moved into itself"));
    }
    if let Some(folder) = destination.local.parent() {
        folders(folder, destination)?;
    }
    fs::rename(&source.local, &destination.local).map_err(|error| lost(error, source))
}

pub(super) fn delete(place: &Place, recursive: bool) -> ApiResult<()> {
    let meta = look(place)?;
    if !meta.is_dir() {
        return fs::remove_file(&place.local).map_err(|error| lost(error, place));
    }
    if !recursive {
        return fs::remove_dir(&place.local).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => {
                let message = format!("The directory {} is not empty: set recursive to delete it.", place.text);
                ApiError::new(StatusCode::BAD_REQUEST, "IO_ERROR", message)
            }
            _ => lost(error, place),
        });
    }
    let mut left = DELETED_AT_ONCE;
    if prune(&place.local, &mut left)? {
        return Ok(());
    }
    let message = format!("Only a part of {} is deleted: call again to delete the rest.", place.text);
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "PARTIAL_DELETE", message))
}

/// Deletes a tree, or as much of it as is allowed; answers whether all of it is gone.
fn prune(folder: &Path, left: &mut usize) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        // Somebody else deletes here too.
        Err(error) if is_absent(&error) => return Ok(true),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if !prune(&entry.path(), left)? {
                return Ok(false);
            }
            continue;
        }
        if *left == 0 {
            return Ok(false);
        }
        *left -= 1;
        absent_or(fs::remove_file(entry.path()))?;
    }
    absent_or(fs::remove_dir(folder))?;
    Ok(true)
}

/// What is gone already need not be taken away.
fn absent_or(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if is_absent(&error) { Ok(()) } else { Err(error) })
}

fn look(place: &Place) -> ApiResult<Metadata> {
    fs::metadata(&place.local).map_err(|error| lost(error, place))
}

/// What is not there, or is there no more since it was looked at, is missing.
fn lost(error: io::Error, place: &Place) -> ApiError {
    if is_absent(&error) { missing(place) } else { error.into() }
}

fn info(place: &Place, meta: &Metadata) -> io::Result<Value> {
    let modified = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let size = if meta.is_dir() { 0 } else { meta.len() };
    Ok(json!({ "path": place.text, "is_dir": meta.is_dir(), "file_size": size, "modification_time": modified }))
}
