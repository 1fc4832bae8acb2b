//! Paths of the Databricks file system.

use twinhouse_core::{Error, ErrorKind, Result};

/// Checks a path: `/…` or `dbfs:/…`. It is sent as it is written, without a slash at its end.
pub(super) fn check<'a>(field: &'static str, path: &'a str) -> Result<&'a str> {
    let bad = |why: &str| {
        Err(Error::new(ErrorKind::InvalidInput, format!("the path {why}"))
            .with_context("field", field)
            .with_context("path", path.escape_debug().to_string()))
    };
    let Some(rest) = path.strip_prefix("dbfs:").unwrap_or(path).strip_prefix('/') else {
        return bad("must be absolute: /… or dbfs:/…");
    };
    let parts = rest.strip_suffix('/').filter(|parts| !parts.is_empty()).unwrap_or(rest);
    for part in parts.split('/') {
        match part {
            "" if !parts.is_empty() => return bad("has an empty part: write one slash where there are two"),
            "." | ".." => return bad("must not have the parts `.` and `..`: write where they lead"),
            part if part.contains('\0') => return bad("must not contain the character NUL"),
            _ => {}
        }
    }
    Ok(if parts.is_empty() { path } else { path.trim_end_matches('/') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_lead_where_they_say() {
        for (path, sent) in [("/", "/"), ("dbfs:/", "dbfs:/"), ("/a/b/", "/a/b"), ("dbfs:/a b/é", "dbfs:/a b/é")] {
            assert_eq!(check("path", path).unwrap(), sent);
        }
        for bad in ["", "a", "a/b", "dbfs:a", "s3://b/k", "/a/../b", "/./a", "/a//b", "//", "/a\0"] {
            let error = check("source", bad).unwrap_err();
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("source")), "{bad}");
        }
    }
}
