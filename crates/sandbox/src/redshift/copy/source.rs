//! Which files a COPY reads.

use std::{fs::File, io};

use serde::Deserialize;

use super::super::{access::block, report::Report, storage::Storage};

/// A bucket and a key, or a prefix of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Location {
    pub(in super::super) bucket: String,
    pub(in super::super) key: String,
}

impl Location {
    pub(in super::super) fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// A file to load.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) at: Location,
    pub(super) size: u64,
    pub(super) file: File,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    mandatory: bool,
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    content_length: Option<u64>,
}

/// The files of a prefix or of a manifest, opened, in order.
pub(super) async fn inputs(
    storage: &dyn Storage,
    source: &Location,
    manifest: bool,
    columnar: bool,
) -> Result<Vec<Input>, Report> {
    if manifest {
        return of_manifest(storage, source, columnar).await;
    }
    let objects = storage.list(&source.bucket, &source.key).await.map_err(|error| unreadable(source, &error))?;
    let mut inputs = Vec::new();
    for object in objects {
        let at = Location { bucket: source.bucket.clone(), key: object.key };
        inputs.extend(open(storage, at).await?);
    }
    if inputs.is_empty() {
        return Err(Report::internal(format!("The specified S3 prefix '{}' does not exist", source.key))
            .with_detail(block("The specified S3 prefix does not exist", 8001, &source.url())));
    }
    Ok(inputs)
}

/// The content of an object that is named by its very key.
pub(super) async fn whole(storage: &dyn Storage, at: &Location) -> Result<Vec<u8>, Report> {
    let mut file = storage.open(&at.bucket, &at.key).await.map_err(|error| unreadable(at, &error))?;
    let reading = tokio::task::spawn_blocking(move || {
        let mut content = Vec::new();
        io::Read::read_to_end(&mut file, &mut content).map(|_| content)
    });
    reading.await.map_err(io::Error::other).flatten().map_err(|error| unreadable(at, &error))
}

async fn of_manifest(storage: &dyn Storage, source: &Location, columnar: bool) -> Result<Vec<Input>, Report> {
    let manifest: Manifest = serde_json::from_slice(&whole(storage, source).await?).map_err(|error| {
        Report::internal("Manifest file is not in correct json format").with_detail(block(
            "Manifest file is not in correct json format",
            8001,
            &format!("{error}"),
        ))
    })?;
    let mut inputs = Vec::new();
    for entry in manifest.entries {
        let at = super::authorization::location(&entry.url)?;
        if at.key.is_empty() {
            return Err(Report::internal("Manifest file contains an entry without a full path").with_detail(block(
                "The S3 object path in the manifest must be a full path",
                8001,
                &entry.url,
            )));
        }
        let stated = entry.meta.and_then(|meta| meta.content_length);
        if columnar && stated.is_none() {
            return Err(Report::internal("File metadata is required for columnar COPY with manifest")
                .with_detail(block("meta.content_length is missing in the manifest", 8001, &entry.url)));
        }
        match open(storage, at).await? {
            Some(input) => {
                if let Some(stated) = stated.filter(|stated| columnar && *stated != input.size) {
                    let size = input.size;
                    let context = format!("Size of file {} is {size}, the manifest says {stated}", entry.url);
                    return Err(Report::internal("Spectrum Scan Error").with_detail(block(
                        "Spectrum Scan Error",
                        15001,
                        &context,
                    )));
                }
                inputs.push(input);
            }
            None if entry.mandatory || columnar => {
                return Err(Report::internal(format!(
                    "Problem reading manifest file - mandatory file {} was not found",
                    entry.url
                ))
                .with_detail(block("The specified key does not exist.", 8001, &entry.url)));
            }
            None => {}
        }
    }
    Ok(inputs)
}

/// `None` if there is no such object.
async fn open(storage: &dyn Storage, at: Location) -> Result<Option<Input>, Report> {
    match storage.open(&at.bucket, &at.key).await {
        Ok(file) => {
            let size = file.metadata().map_err(|error| unreadable(&at, &error))?.len();
            Ok(Some(Input { at, size, file }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&at, &error)),
    }
}

fn unreadable(at: &Location, error: &io::Error) -> Report {
    let message = match error.kind() {
        io::ErrorKind::NotFound => {
            "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid 0,ExtRid 0,CanRetry 1"
        }
        _ => {
            "S3ServiceException:We encountered an internal error.,Status 500,Error InternalError,Rid 0,ExtRid 0,CanRetry 1"
        }
    };
    Report::internal(message).with_detail(block(message, 8001, &at.url()))
}
