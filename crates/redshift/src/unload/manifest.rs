//! The list of files that an UNLOAD wrote.

use serde_json::Value;
use twinhouse_core::{Error, ErrorKind, Result};

/// One file that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnloadedFile {
    /// `s3://bucket/key`
    pub url: String,
    /// Its length, if the manifest is verbose.
    pub bytes: Option<u64>,
    /// Its rows, header lines among them, if the manifest is verbose.
    pub rows: Option<u64>,
}

/// The list of files that an UNLOAD wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnloadManifest {
    /// The files.
    pub files: Vec<UnloadedFile>,
    /// The columns with their types as the server describes them, in JSON, if the manifest is verbose.
    pub columns: Vec<(String, String)>,
}

impl UnloadManifest {
    /// From the manifest's content.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for what is no manifest.
    pub fn parse(content: &[u8]) -> Result<Self> {
        let bad = || Error::new(ErrorKind::Protocol, "the list of unloaded files cannot be read");
        let read: Value = serde_json::from_slice(content).map_err(|cause| bad().with_source(cause))?;
        let entries = read["entries"].as_array().ok_or_else(bad)?;
        let file = |entry: &Value| {
            let meta = &entry["meta"];
            let url = entry["url"].as_str().ok_or_else(bad)?.to_owned();
            Ok(UnloadedFile { url, bytes: meta["content_length"].as_u64(), rows: meta["record_count"].as_u64() })
        };
        let files = entries.iter().map(file).collect::<Result<_>>()?;
        let elements = read["schema"]["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
        // The shape of a type is not documented: it is kept as it is.
        let columns = elements
            .iter()
            .map(|column| (column["name"].as_str().unwrap_or_default().to_owned(), column["type"].to_string()));
        Ok(Self { files, columns: columns.collect() })
    }

    /// The length of all files, if the manifest is verbose.
    pub fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_verbose_manifests_are_read() {
        let plain = UnloadManifest::parse(br#"{"entries":[{"url":"s3://b/a"},{"url":"s3://b/c"}]}"#).unwrap();
        assert_eq!((plain.files.len(), plain.bytes(), plain.columns.len()), (2, None, 0));
        let verbose = br#"{"entries":[{"url":"s3://b/a","meta":{"content_length":7,"record_count":2}}],
            "schema":{"elements":[{"name":"n","type":{"base":"numeric","precision":9,"odd":[1]}}]},
            "meta":{"content_length":7,"record_count":2},"author":{"name":"Amazon Redshift","version":"1.0.0"}}"#;
        let read = UnloadManifest::parse(verbose).unwrap();
        assert_eq!((read.files[0].rows, read.bytes()), (Some(2), Some(7)));
        assert!(read.columns[0].1.contains("numeric"));
        for bad in ["", "{}", r#"{"entries":[{}]}"#] {
            assert_eq!(UnloadManifest::parse(bad.as_bytes()).unwrap_err().kind(), ErrorKind::Protocol, "{bad}");
        }
    }
}
