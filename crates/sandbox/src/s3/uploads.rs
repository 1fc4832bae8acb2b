//! Uploads in parts: a folder of parts that becomes one object.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};

use s3s::{
    S3Result,
    crypto::{Checksum as _, Md5},
    dto::CompletedPart,
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::{
    files::{Attributes, Conditions, Draft, Files, Stored, broken, unless_gone},
    receive::hex,
};

/// S3 takes smaller parts only at the end.
const PART_MINIMUM: u64 = 5 << 20;
const PARTS: std::ops::RangeInclusive<i32> = 1..=10_000;
const NOTE: &str = "upload.json";

/// What an upload shall become.
#[derive(Debug, Serialize, Deserialize)]
struct Upload {
    bucket: String,
    key: String,
    attributes: Attributes,
}

impl Files {
    /// Begins an upload and answers its id.
    pub(super) fn begin_upload(&self, bucket: &str, key: &str, attributes: Attributes) -> S3Result<String> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = self.upload(&id)?;
        fs::create_dir(&folder).map_err(broken)?;
        let upload = Upload { bucket: bucket.to_owned(), key: key.to_owned(), attributes };
        let json = serde_json::to_vec(&upload).map_err(io::Error::other).map_err(broken)?;
        fs::write(folder.join(NOTE), json).map_err(broken)?;
        Ok(id)
    }

    /// Refuses a part of an upload that is not under way, before its body is read.
    pub(super) fn check_part(&self, id: &str, bucket: &str, key: &str, number: i32) -> S3Result<()> {
        if !PARTS.contains(&number) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"));
        }
        self.under_way(id, bucket, key).map(drop)
    }

    /// Keeps a part, in place of an earlier one of its number.
    pub(super) fn place_part(&self, draft: &Draft, id: &str, number: i32) -> S3Result<()> {
        let folder = self.upload(id)?;
        draft.move_to(&folder.join(number.to_string())).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => s3_error!(NoSuchUpload, "The specified upload does not exist."),
            _ => broken(error),
        })
    }

    /// Makes the parts one object.
    pub(super) fn complete_upload(
        &self,
        id: &str,
        bucket: &str,
        key: &str,
        parts: &[CompletedPart],
        conditions: &Conditions,
    ) -> S3Result<Stored> {
        let upload = self.under_way(id, bucket, key)?;
        let folder = self.upload(id)?;
        let mut draft = self.draft().map_err(broken)?;
        let mut digests = Md5::new();
        let mut before = 0;
        for (at, part) in parts.iter().enumerate() {
            let number = part.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
            if number <= before {
                return Err(s3_error!(InvalidPartOrder));
            }
            before = number;
            let (digest, size) = append(&mut draft.file, &folder.join(number.to_string()))?;
            if part.e_tag.as_ref().is_some_and(|wanted| wanted.value() != hex(&digest)) {
                return Err(s3_error!(InvalidPart));
            }
            if size < PART_MINIMUM && at + 1 < parts.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            digests.update(&digest);
        }
        if parts.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        let etag = format!("{}-{}", hex(digests.finalize().as_ref()), parts.len());
        let stored = self.place(&draft, bucket, key, Attributes { etag, ..upload.attributes }, conditions)?;
        // Another call may have completed it, too.
        unless_gone(fs::remove_dir_all(folder))?;
        Ok(stored)
    }

    /// Forgets an upload and its parts.
    pub(super) fn abort_upload(&self, id: &str, bucket: &str, key: &str) -> S3Result<()> {
        self.under_way(id, bucket, key)?;
        unless_gone(fs::remove_dir_all(self.upload(id)?)).map(drop)
    }

    fn under_way(&self, id: &str, bucket: &str, key: &str) -> S3Result<Upload> {
        let json = fs::read(self.upload(id)?.join(NOTE))
            .map_err(|_| s3_error!(NoSuchUpload, "The specified upload does not exist."))?;
        let upload: Upload = serde_json::from_slice(&json).map_err(io::Error::other).map_err(broken)?;
        if upload.bucket == bucket && upload.key == key {
            Ok(upload)
        } else {
            Err(s3_error!(NoSuchUpload, "The specified upload does not exist."))
        }
    }
}

fn append(whole: &mut File, part: &Path) -> S3Result<([u8; 16], u64)> {
    let mut part = File::open(part).map_err(|_| s3_error!(InvalidPart))?;
    let (mut digest, mut size, mut buffer) = (Md5::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = part.read(&mut buffer).map_err(broken)?;
        if read == 0 {
            return Ok((digest.finalize(), size));
        }
        digest.update(&buffer[..read]);
        whole.write_all(&buffer[..read]).map_err(broken)?;
        size += read as u64;
    }
}
