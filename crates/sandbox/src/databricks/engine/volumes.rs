//! `/Volumes/<catalog>/<schema>/<volume>/…` as folders.

use std::path::PathBuf;

use super::{Engine, FullName};
use crate::databricks::error::{SqlError, SqlResult};

/// A path in a volume, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VolumePath {
    pub(crate) volume: FullName,
    /// What follows the volume, part by part.
    pub(crate) parts: Vec<String>,
}

impl VolumePath {
    /// Reads a path as SQL and the Files API write it.
    pub(crate) fn parse(path: &str) -> SqlResult<Self> {
        let bad = || {
            let text = format!("The path '{path}' is not one of a volume: /Volumes/<catalog>/<schema>/<volume>/….");
            SqlError::new("INVALID_PATH", "42K0F", text)
        };
        let path = path.strip_prefix("dbfs:").unwrap_or(path);
        let rest = path.strip_prefix("/Volumes/").ok_or_else(bad)?;
        let mut parts = rest.trim_end_matches('/').split('/').map(str::to_owned);
        let (Some(catalog), Some(schema), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let parts: Vec<String> = parts.collect();
        let odd =
            |part: &String| part.is_empty() || part == "." || part == ".." || part.contains('\0') || part.len() > 255;
        if [&catalog, &schema, &name].iter().any(|part| part.is_empty()) || parts.iter().any(odd) {
            return Err(bad());
        }
        let volume =
            FullName { catalog: catalog.to_lowercase(), schema: schema.to_lowercase(), name: name.to_lowercase() };
        Ok(Self { volume, parts })
    }

    /// The path in the service's spelling.
    pub(crate) fn text(&self) -> String {
        let FullName { catalog, schema, name } = &self.volume;
        let mut text = format!("/Volumes/{catalog}/{schema}/{name}");
        for part in &self.parts {
            text.push('/');
            text.push_str(part);
        }
        text
    }
}

impl Engine {
    /// Where a path of an existing volume is on this machine's disk.
    pub(crate) fn local(&self, path: &VolumePath) -> SqlResult<PathBuf> {
        let entry = self.0.catalog.volume(&path.volume)?;
        let mut local = self.0.root.join(entry.folder);
        local.extend(&path.parts);
        Ok(local)
    }

    /// The root of the workspace's own file system.
    pub(crate) fn dbfs(&self) -> SqlResult<PathBuf> {
        let folder = self.0.root.join("dbfs");
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A folder beside the volumes, for files that are not whole yet.
    pub(crate) fn uploads(&self) -> SqlResult<PathBuf> {
        let folder = self.0.root.join("uploads");
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_volume() {
        for bad in [
            "/Volumes/a/b",
            "/Volumes/a/b/c/../d",
            "/Volumes/a/b/c/./d",
            "/etc/passwd",
            "/Volumes/a/b/c//d",
            "/Volumes//b/c/d",
        ] {
            assert!(VolumePath::parse(bad).is_err(), "{bad}");
        }
        let path = VolumePath::parse("dbfs:/Volumes/Main/S/V/d e/é.parquet/").unwrap();
        assert_eq!(path.text(), "/Volumes/main/s/v/d e/é.parquet");
    }
}
