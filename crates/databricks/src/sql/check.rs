//! What a request must be before it is sent.

use twinhouse_core::{Error, ErrorKind, Result};

use super::request::{Disposition, Format, QueryTag, StatementParameter};
use crate::statement::MAX_STATEMENT;

/// The most tags of one statement.
const MOST_TAGS: usize = 20;

/// A refusal that names the field.
pub(super) fn wrong(field: &'static str, why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, why).with_context("field", field)
}

pub(super) fn statement(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(wrong("statement", "a statement needs some text"));
    }
    if text.len() > MAX_STATEMENT {
        return Err(
            wrong("statement", "the statement is longer than 16 MiB").with_context("bytes", text.len().to_string())
        );
    }
    Ok(())
}

/// An id or a name that must be there and stands in a path or a field of JSON.
pub(super) fn id(field: &'static str, id: &str) -> Result<()> {
    if id.trim().is_empty() {
        return Err(wrong(field, "an id must not be empty"));
    }
    // `.` and `..` would name another endpoint once they stand in a path.
    if id.contains(['/', '?', '#', '\0']) || id == "." || id == ".." || id.chars().any(char::is_control) {
        return Err(wrong(field, "this is not an id: it holds characters that no id has"));
    }
    Ok(())
}

pub(super) fn name(field: &'static str, name: &str) -> Result<()> {
    if name.is_empty() { Err(wrong(field, "a name must not be empty; leave it out instead")) } else { Ok(()) }
}

pub(super) fn limit(field: &'static str, limit: Option<u64>) -> Result<()> {
    match limit {
        Some(0) => Err(wrong(field, "a limit must be above zero; leave it out for none")),
        Some(n) if n > i64::MAX as u64 => Err(wrong(field, "a limit is at most 9223372036854775807")),
        _ => Ok(()),
    }
}

pub(super) fn shape(disposition: Option<Disposition>, format: Option<Format>) -> Result<()> {
    match (disposition, format) {
        (Some(Disposition::Inline) | None, Some(format @ (Format::ArrowStream | Format::Csv))) => {
            Err(wrong("format", "INLINE results come as JSON_ARRAY only; ask for EXTERNAL_LINKS beside this format")
                .with_context("format", format.as_str()))
        }
        _ => Ok(()),
    }
}

pub(super) fn tags<'a>(tags: impl Iterator<Item = &'a QueryTag> + Clone) -> Result<()> {
    let count = tags.clone().count();
    if count > MOST_TAGS {
        return Err(
            wrong("query_tags", "a statement has at most 20 query tags").with_context("tags", count.to_string())
        );
    }
    let mut known = Vec::with_capacity(count);
    for tag in tags {
        if tag.key.trim().is_empty() {
            return Err(wrong("query_tags", "the key of a query tag must not be empty"));
        }
        if known.contains(&tag.key.as_str()) {
            return Err(wrong("query_tags", "a query tag has one value; this key is there twice")
                .with_context("key", tag.key.as_str()));
        }
        known.push(tag.key.as_str());
    }
    Ok(())
}

pub(super) fn parameters(parameters: &[StatementParameter]) -> Result<()> {
    let named = parameters.iter().filter(|parameter| parameter.name.is_some()).count();
    if named != 0 && named != parameters.len() {
        return Err(wrong("parameters", "a statement takes `:name` or `?` markers, not both"));
    }
    let mut numbers: Vec<_> = parameters.iter().filter_map(|parameter| parameter.ordinal).collect();
    numbers.sort_unstable();
    if !numbers.into_iter().eq(1..=parameters.len() - named) {
        return Err(wrong("parameters", "`?` are numbered from 1, each once, and `:name` has no number"));
    }
    for (at, parameter) in parameters.iter().enumerate() {
        self::parameter(parameter)?;
        let name = parameter.name.as_deref();
        if name.is_some() && parameters[..at].iter().any(|earlier| earlier.name.as_deref() == name) {
            return Err(
                wrong("parameters", "a parameter is bound twice").with_context("parameter", name.unwrap_or_default())
            );
        }
    }
    Ok(())
}

pub(super) fn parameter(parameter: &StatementParameter) -> Result<()> {
    if let Some(name) = &parameter.name {
        let legal = name
            .chars()
            .enumerate()
            .all(|(at, c)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit()));
        if name.is_empty() || !legal {
            return Err(wrong(
                "parameters",
                "a parameter's name has letters, digits and underscores, and begins with no digit",
            )
            .with_context("parameter", name.as_str()));
        }
    }
    let type_name = parameter.type_name.trim();
    let word = type_name.split(['<', '(', ' ']).next().unwrap_or_default().to_ascii_uppercase();
    if type_name.is_empty()
        || !type_name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | ')' | ',' | ' ' | '<' | '>' | ':'))
    {
        return Err(wrong("parameters", "this is not the name of a type").with_context("type", type_name));
    }
    if matches!(word.as_str(), "ARRAY" | "MAP" | "STRUCT" | "OBJECT" | "VARIANT") {
        return Err(wrong("parameters", "parameters are scalars: pass JSON text, and from_json in the statement")
            .with_context("type", type_name));
    }
    Ok(())
}
