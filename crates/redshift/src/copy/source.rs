//! Where a COPY reads.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

/// Where a COPY reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopySource {
    /// Every object whose key begins like this: `s3://bucket/load/x` takes `load/x`, `load/x.1` and `load/x_2/y`.
    S3(String),
    /// The objects that the manifest at this very URL names.
    Manifest(String),
    /// What commands on other machines print; the manifest at this URL names machines and commands.
    Ssh(String),
    /// Files of a cluster of Amazon EMR. The path may hold `*` and `?`.
    Emr {
        /// Such as `j-SAMPLE2B500FC`.
        cluster: String,
        /// In the cluster's file system.
        path: String,
    },
    /// A table of DynamoDB. Its attributes go to columns of the same names.
    DynamoDb {
        /// The table.
        table: String,
        /// How much of the table's provisioned throughput the load may take, in percent, 1 to 200.
        read_ratio: u8,
    },
}

impl CopySource {
    /// Every object whose key begins like this.
    pub fn s3(prefix: impl Into<String>) -> Self {
        Self::S3(prefix.into())
    }

    /// What the manifest at this URL names.
    pub fn manifest(url: impl Into<String>) -> Self {
        Self::Manifest(url.into())
    }

    /// The URL of `FROM`, and what says how it is meant.
    pub(super) fn to_sql(&self) -> Result<(String, String)> {
        let bad = |why: &'static str, given: &str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("source", given.escape_debug().to_string()))
        };
        let (url, word) = match self {
            Self::S3(url) => (s3_url(url)?.to_owned(), String::new()),
            Self::Manifest(url) | Self::Ssh(url) if url.ends_with('/') => {
                return bad("a manifest is one object: its URL does not end in a slash", url);
            }
            Self::Manifest(url) => (s3_url(url)?.to_owned(), "MANIFEST".to_owned()),
            Self::Ssh(url) => (s3_url(url)?.to_owned(), "SSH".to_owned()),
            Self::Emr { cluster, path } => {
                if cluster.is_empty() || !cluster.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                    return bad("a cluster of EMR is named by its id, such as j-SAMPLE2B500FC", cluster);
                }
                (format!("emr://{cluster}/{}", path.trim_start_matches('/')), String::new())
            }
            Self::DynamoDb { table, read_ratio } => {
                let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                if !(3..=255).contains(&table.len()) || !table.bytes().all(legal) {
                    return bad("a DynamoDB table has 3 to 255 of a-z A-Z 0-9 _ - .", table);
                }
                if !(1..=200).contains(read_ratio) {
                    return Err(Error::new(ErrorKind::InvalidInput, "READRATIO is a percentage from 1 to 200")
                        .with_context("read ratio", read_ratio.to_string()));
                }
                (format!("dynamodb://{table}"), format!("READRATIO {read_ratio}"))
            }
        };
        Ok((RedshiftDialect.string(&url)?, word))
    }
}

/// Refuses what is no URL of S3 with a bucket and a key or prefix.
pub(crate) fn s3_url(url: &str) -> Result<&str> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    match url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
        Some((bucket, key)) if !bucket.is_empty() && bucket.bytes().all(legal) && !key.is_empty() => Ok(url),
        _ => Err(Error::new(ErrorKind::InvalidInput, "files are named by `s3://bucket/key`")
            .with_context("url", url.escape_debug().to_string())),
    }
}
