//! The list of files that a COPY reads.

use serde_json::json;
use twinhouse_core::{Error, ErrorKind, Result};

use super::{CopyFormat, s3_url};

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestFile {
    /// `s3://bucket/key`
    pub url: String,
    /// Whether the load fails without it; otherwise a missing file is skipped.
    pub mandatory: bool,
    /// Its length in bytes. Parquet and ORC need it.
    pub bytes: Option<u64>,
}

impl ManifestFile {
    /// A file that must be there.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), mandatory: true, bytes: None }
    }

    /// States its length, in bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Says whether the load fails without it.
    #[must_use]
    pub fn with_mandatory(mut self, mandatory: bool) -> Self {
        self.mandatory = mandatory;
        self
    }
}

/// The files that a COPY from a manifest reads, in any number of buckets.
///
/// ```
/// use twinhouse_redshift::{CopyFormat, CopyManifest, ManifestFile};
///
/// let files = CopyManifest::new([ManifestFile::new("s3://bucket/a.parquet").with_bytes(4711)]);
/// assert_eq!(
///     files.to_json(&CopyFormat::Parquet)?,
///     r#"{"entries":[{"mandatory":true,"meta":{"content_length":4711},"url":"s3://bucket/a.parquet"}]}"#
/// );
/// let unmeasured = CopyManifest::new([ManifestFile::new("s3://bucket/a.parquet")]);
/// assert!(unmeasured.to_json(&CopyFormat::Parquet).is_err());
/// assert!(unmeasured.to_json(&CopyFormat::Csv).is_ok());
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyManifest {
    files: Vec<ManifestFile>,
}

impl CopyManifest {
    /// Of these files.
    pub fn new(files: impl IntoIterator<Item = ManifestFile>) -> Self {
        Self { files: files.into_iter().collect() }
    }

    /// The files.
    pub fn files(&self) -> &[ManifestFile] {
        &self.files
    }

    /// The content of the manifest for files of this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for no files, a URL that is none, a file that is listed twice (it would be loaded
    /// twice), or a Parquet or ORC file of unstated length.
    pub fn to_json(&self, format: &CopyFormat) -> Result<String> {
        let bad = |why: &'static str, url: &str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("file", url.escape_debug().to_string()))
        };
        if self.files.is_empty() {
            return bad("a manifest needs a file", "");
        }
        let mut entries = Vec::with_capacity(self.files.len());
        let mut seen = std::collections::HashSet::new();
        for file in &self.files {
            s3_url(&file.url)?;
            if !seen.insert(file.url.as_str()) {
                return bad("a file that is listed twice would be loaded twice", &file.url);
            }
            let mut entry = json!({ "url": file.url, "mandatory": file.mandatory });
            match file.bytes {
                Some(bytes) => entry["meta"] = json!({ "content_length": bytes }),
                None if format.is_columnar() => {
                    return bad("a manifest of Parquet or ORC files states their lengths", &file.url);
                }
                None => {}
            }
            entries.push(entry);
        }
        Ok(json!({ "entries": entries }).to_string())
    }

    /// Refuses a manifest as it lies there if files of this format could not be loaded by it.
    pub(super) fn check(content: &[u8], format: &CopyFormat) -> Result<()> {
        let read: serde_json::Value = serde_json::from_slice(content)
            .map_err(|cause| Error::new(ErrorKind::InvalidInput, "the manifest is no JSON").with_source(cause))?;
        let entries = read["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let unmeasured = entries.iter().find(|entry| !entry["meta"]["content_length"].is_u64());
        match unmeasured {
            Some(entry) if format.is_columnar() => {
                Err(Error::new(ErrorKind::InvalidInput, "a manifest of Parquet or ORC files states their lengths")
                    .with_context("file", entry["url"].as_str().unwrap_or_default().to_owned()))
            }
            _ => Ok(()),
        }
    }
}
