//! What can be known to be wrong before anything is sent: said with the field's name, as the service spells it.

mod compute;
mod tasks;

use twinhouse_core::{Error, ErrorKind, Result};

pub(in crate::jobs) use tasks::{Scope, bytes, tasks};

/// A field that is wrong, and what it should be.
pub(crate) fn invalid(field: impl Into<String>, wish: &str) -> Error {
    let field = field.into();
    Error::new(ErrorKind::InvalidInput, format!("`{field}` {wish}")).with_context("field", field)
}

pub(crate) fn not_empty(field: impl Into<String>, text: &str) -> Result<()> {
    if text.trim().is_empty() { Err(invalid(field, "must not be empty")) } else { Ok(()) }
}

pub(crate) fn at_most(field: impl Into<String>, count: usize, most: usize) -> Result<()> {
    if count > most { Err(invalid(field, &format!("must have at most {most} entries, not {count}"))) } else { Ok(()) }
}

pub(crate) fn at_most_bytes(field: impl Into<String>, text: &str, most: usize) -> Result<()> {
    if text.len() > most { Err(invalid(field, &format!("must have at most {most} bytes"))) } else { Ok(()) }
}

/// Letters, digits, `_` and `-`, and not more than 100 of them.
pub(crate) fn key(field: impl Into<String>, key: &str) -> Result<()> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if key.is_empty() || key.len() > 100 || !key.bytes().all(legal) {
        return Err(invalid(field, "must have 1 to 100 letters, digits, `_` and `-`"));
    }
    Ok(())
}

/// The first key that is there twice.
pub(crate) fn unique<'a>(
    field: impl Fn(usize) -> String,
    keys: impl IntoIterator<Item = &'a str>,
) -> Result<std::collections::HashSet<&'a str>> {
    let mut seen = std::collections::HashSet::new();
    for (at, key) in keys.into_iter().enumerate() {
        if !seen.insert(key) {
            return Err(invalid(field(at), &format!("must be unique; `{key}` is there twice")));
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests;
