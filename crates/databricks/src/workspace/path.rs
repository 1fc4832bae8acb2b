//! Paths of the workspace.

use twinhouse_core::{Error, ErrorKind, Result};

/// Checks a path: absolute, and without ways round. It is sent without a slash at its end.
pub(super) fn check(path: &str) -> Result<&str> {
    let bad = |why: &str| {
        Err(Error::new(ErrorKind::InvalidInput, format!("the path {why}"))
            .with_context("field", "path")
            .with_context("path", path.escape_debug().to_string()))
    };
    let Some(rest) = path.strip_prefix('/') else {
        return bad("must be absolute: /Users/…, /Shared/…, /Workspace/…");
    };
    let parts = rest.strip_suffix('/').filter(|parts| !parts.is_empty()).unwrap_or(rest);
    for part in parts.split('/') {
        match part {
            "" if !parts.is_empty() => return bad("has an empty part: write one slash where there are two"),
            "." | ".." => return bad("must not have the parts `.` and `..`: write where they lead"),
            part if part.contains(['\0', '\r', '\n']) => return bad("must not contain NUL or ends of lines"),
            _ => {}
        }
    }
    Ok(if parts.is_empty() { "/" } else { path.trim_end_matches('/') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_lead_where_they_say() {
        for (path, sent) in [("/", "/"), ("/Shared/", "/Shared"), ("/Users/a@b.c/n 1", "/Users/a@b.c/n 1")] {
            assert_eq!(check(path).unwrap(), sent);
        }
        for bad in ["", "Shared", "/a/../b", "/a//b", "//", "/a\0", "/a\r\nb"] {
            let error = check(bad).unwrap_err();
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("path")), "{bad}");
        }
    }
}
