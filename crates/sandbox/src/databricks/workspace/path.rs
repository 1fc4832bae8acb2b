//! `/Users/someone/folder/notebook`, which `/Workspace` may precede.

use std::fmt;

/// A path of the workspace, taken apart; nothing leads out of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorkspacePath(Vec<String>);

impl WorkspacePath {
    /// Reads a path as the API and the tasks write it. The refusal says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("Path ({text}) must be absolute: it does not begin with '/'."));
        };
        let mut parts: Vec<String> = Vec::new();
        for part in rest.split('/').filter(|part| !part.is_empty()) {
            if part == "." || part == ".." || part.len() > 255 || part.chars().any(char::is_control) {
                return Err(format!("Path ({text}) is not valid: no part of it may be '{}'.", part.escape_debug()));
            }
            parts.push(part.to_owned());
        }
        if parts.first().is_some_and(|first| first == "Workspace") {
            parts.remove(0);
        }
        Ok(Self(parts))
    }

    /// Another path as this object names it: `./sibling` and `../other` start from its folder.
    pub(crate) fn resolve(&self, text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Self::parse(text);
        }
        let mut parts = self.0.clone();
        parts.pop();
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                if parts.pop().is_none() {
                    return Err(format!("Path ({text}) leads out of the workspace."));
                }
            } else {
                parts.push(part.to_owned());
            }
        }
        Self::parse(&format!("/{}", parts.join("/")))
    }

    pub(crate) fn parts(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last part; empty for the root.
    pub(crate) fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        Some(Self(parents.to_vec()))
    }

    pub(crate) fn join(&self, name: &str) -> Self {
        let mut parts = self.0.clone();
        parts.push(name.to_owned());
        Self(parts)
    }

    /// The same path with another last part.
    pub(crate) fn with_name(&self, name: &str) -> Self {
        self.parent().unwrap_or_else(|| Self(Vec::new())).join(name)
    }

    /// True for this path and everything below it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling_and_stays_inside() {
        let path = WorkspacePath::parse("/Workspace/Users//a b/x.py/").unwrap();
        assert_eq!(path.to_string(), "/Users/a b/x.py");
        assert_eq!(WorkspacePath::parse("/").unwrap().to_string(), "/");
        for bad in ["", "Users/x", "/a/../b", "/a/./b", "/a\nb"] {
            assert!(WorkspacePath::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(path.resolve("./other").unwrap().to_string(), "/Users/a b/other");
        assert_eq!(path.resolve("../lib/other").unwrap().to_string(), "/Users/lib/other");
        assert!(path.resolve("../../../x").is_err());
    }
}
