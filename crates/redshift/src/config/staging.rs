//! The place in S3 through which rows are loaded.

use std::{fmt, str::FromStr};

use twinhouse_core::{Error, Result};

/// A bucket and a prefix in it: `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StagingPrefix {
    bucket: String,
    prefix: String,
}

impl StagingPrefix {
    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The prefix, without slashes around it; may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl FromStr for StagingPrefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::bad_setting("staging", "text", "of the form s3://bucket/prefix");
        let rest = text.strip_prefix("s3://").ok_or_else(bad)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let prefix = prefix.trim_matches('/');
        // What needs no escaping in a URL, a manifest or a literal means the same in all of them.
        let plain =
            prefix.split('/').all(|part| !matches!(part, "." | "..") && part.bytes().all(|b| legal(b) || b == b'='));
        let empty_part = !prefix.is_empty() && prefix.split('/').any(str::is_empty);
        if bucket.is_empty() || !bucket.bytes().all(legal) || !plain || empty_part {
            return Err(bad());
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for StagingPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}
