//! Paths in volumes, checked before anything is sent.

use twinhouse_core::{Error, ErrorKind, Result};

/// `/Volumes/<catalog>/<schema>/<volume>/…`, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumePath(String);

impl VolumePath {
    /// The path of a file: something below a volume.
    pub(crate) fn file(path: &str) -> Result<Self> {
        if path.ends_with('/') {
            return Err(bad(path, "ends with a slash, and a file's path does not"));
        }
        let path = Self::directory(path)?;
        if path.0.split('/').count() < 6 {
            return Err(bad(
                &path.0,
                "names a volume; a file's path goes on: /Volumes/<catalog>/<schema>/<volume>/<file>",
            ));
        }
        Ok(path)
    }

    /// The path of a directory, which may be the volume itself.
    pub(crate) fn directory(path: &str) -> Result<Self> {
        let Some(rest) = path.strip_prefix("/Volumes/") else {
            return Err(bad(path, "is not in a volume: it must begin with /Volumes/<catalog>/<schema>/<volume>"));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.split('/').count() < 3 {
            return Err(bad(path, "is too short: /Volumes/<catalog>/<schema>/<volume> is the least"));
        }
        for part in rest.split('/') {
            match part {
                "" => return Err(bad(path, "has an empty part: write one slash where there are two")),
                "." | ".." => return Err(bad(path, "must not have the parts `.` and `..`: write where they lead")),
                part if part.contains('\0') => return Err(bad(path, "must not contain the character NUL")),
                _ => {}
            }
        }
        Ok(Self(format!("/Volumes/{rest}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn bad(path: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the path {why}"))
        .with_context("field", "path")
        .with_context("path", path.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_a_volume_or_are_ambiguous_are_refused_by_field() {
        for bad in [
            "",
            "/",
            "a/b",
            "Volumes/a/b/c/d",
            "dbfs:/Volumes/a/b/c/d",
            "/volumes/a/b/c/d",
            "/Volumes/a/b",
            "/Volumes/a/b/c/../d",
            "/Volumes/a/b/c/./d",
            "/Volumes/a//c/d",
            "/Volumes/a/b/c//d",
            "/Volumes/a/b/c/d//",
            "/Volumes/a/b/c/d\0e",
            "/Volumes/../../../etc",
        ] {
            let error = VolumePath::directory(bad).unwrap_err();
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("path")), "{bad}");
            assert!(VolumePath::file(bad).is_err(), "{bad}");
        }
        for bad in ["/Volumes/a/b/c", "/Volumes/a/b/c/", "/Volumes/a/b/c/d/"] {
            assert!(VolumePath::file(bad).is_err() && VolumePath::directory(bad).is_ok(), "{bad}");
        }
        assert_eq!(VolumePath::file("/Volumes/a/b/c/d e/é%.bin").unwrap().as_str(), "/Volumes/a/b/c/d e/é%.bin");
        assert_eq!(VolumePath::directory("/Volumes/a/b/c/d/").unwrap().as_str(), "/Volumes/a/b/c/d");
    }
}
