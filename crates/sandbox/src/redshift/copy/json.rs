//! JSON documents as records. Values keep the text they have in the file: no digit is lost on the way.

use std::io::BufRead;

use serde::Deserialize;

use super::{
    super::report::Report,
    options::Mapping,
    target::{Column, Target, Type},
    value::{Cell, Wrong},
};

/// A document longer than this is refused by the service.
const LONGEST: usize = 4 << 20;
const INVALID: Wrong = (1216, "Invalid JSON document");

/// Which part of a document goes into which column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// A member for each column.
    Members {
        ignore_case: bool,
    },
    /// A path for each column.
    Paths(Vec<Vec<Step>>),
    Whole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

#[derive(Deserialize)]
struct PathsFile {
    jsonpaths: Vec<String>,
}

impl Parts {
    /// As the statement says; `file` is the content of its JSONPaths file.
    pub(super) fn of(mapping: &Mapping, file: Option<&[u8]>, target: &Target) -> Result<Self, Report> {
        match (mapping, file) {
            (Mapping::NoShred, _) => match &target.columns[..] {
                [Column { kind: Type::Super, .. }] => Ok(Self::Whole),
                _ => Err(Report::unsupported("JSON with noshred loads into one SUPER column only")),
            },
            (Mapping::AutoIgnoreCase, _) => Ok(Self::Members { ignore_case: true }),
            (Mapping::Paths(_), Some(content)) => match serde_json::from_slice::<PathsFile>(content) {
                Ok(file) if file.jsonpaths.len() == target.columns.len() => {
                    let paths = file.jsonpaths.iter().map(|text| path(text)).collect::<Option<_>>();
                    paths
                        .map(Self::Paths)
                        .ok_or_else(|| Report::internal("Invalid JSONPath format: Member is not an object."))
                }
                Ok(_) => Err(Report::internal("Number of jsonpaths and the number of columns should match.")),
                // As the service does: without a word.
                Err(_) => Ok(Self::Members { ignore_case: false }),
            },
            _ => Ok(Self::Members { ignore_case: false }),
        }
    }

    /// The fields of one document.
    pub(super) fn fields(&self, document: &[u8], target: &Target, fields: &mut Vec<Cell>) -> Result<(), Wrong> {
        serde_json::from_slice::<serde::de::IgnoredAny>(document).map_err(|_| INVALID)?;
        fields.clear();
        match self {
            Self::Whole => fields.push(Cell::Text { value: document.to_vec(), quoted: true }),
            Self::Paths(paths) => {
                for (path, column) in paths.iter().zip(&target.columns) {
                    fields.push(follow(document, path).map_or(Cell::Missing, |raw| cell(raw, column)));
                }
            }
            Self::Members { ignore_case } => {
                let members = members(document).ok_or(INVALID)?;
                for column in &target.columns {
                    let found = members.iter().find(|(name, _)| {
                        *name == column.name || (*ignore_case && name.to_lowercase() == column.name.to_lowercase())
                    });
                    fields.push(found.map_or(Cell::Missing, |(_, raw)| cell(raw, column)));
                }
            }
        }
        Ok(())
    }
}

fn cell(raw: &[u8], column: &Column) -> Cell {
    match raw.first() {
        Some(b'n') => Cell::Null,
        Some(b'"') if column.kind != Type::Super => match serde_json::from_slice::<String>(raw) {
            Ok(text) => Cell::Text { value: text.into_bytes(), quoted: true },
            Err(_) => Cell::Null,
        },
        _ => Cell::Text { value: raw.to_vec(), quoted: true },
    }
}

/// `$.a.b[0]`, `$['a']['b'][0]`
fn path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("['") {
            let (name, after) = after.split_once("']")?;
            steps.push(Step::Member(name.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            steps.push(Step::Element(index.trim().parse().ok()?));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Member(after[..end].to_owned()));
            rest = &after[end..];
        }
    }
    Some(steps)
}

fn follow<'a>(document: &'a [u8], path: &[Step]) -> Option<&'a [u8]> {
    path.iter().try_fold(document, |value, step| match step {
        Step::Member(name) => members(value)?.into_iter().find(|(known, _)| known == name).map(|(_, raw)| raw),
        Step::Element(index) => elements(value)?.into_iter().nth(*index),
    })
}

/// The members of an object that is well formed; `None` if it is none.
fn members(object: &[u8]) -> Option<Vec<(String, &[u8])>> {
    parts(object, b'{')?
        .into_iter()
        .map(|part| {
            let end = string_end(part, 0)?;
            let colon = end + part[end..].iter().position(|byte| *byte == b':')?;
            Some((serde_json::from_slice(&part[..end]).ok()?, part[colon + 1..].trim_ascii()))
        })
        .collect()
}

fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    parts(array, b'[')
}

/// What stands between the brackets, split at its own commas.
fn parts(value: &[u8], open: u8) -> Option<Vec<&[u8]>> {
    let value = value.trim_ascii();
    if value.first() != Some(&open) {
        return None;
    }
    let inside = &value[1..value.len().checked_sub(1)?];
    let (mut parts, mut start, mut depth, mut at) = (Vec::new(), 0, 0_usize, 0);
    while at < inside.len() {
        match inside[at] {
            b'"' => at = string_end(inside, at)? - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                parts.push(inside[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = inside[start..].trim_ascii();
    if !last.is_empty() {
        parts.push(last);
    }
    Some(parts)
}

/// The index after the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    while *text.get(i)? != b'"' {
        i += if text[i] == b'\\' { 2 } else { 1 };
    }
    Some(i + 1)
}

/// The next document of a file: everything up to the bracket that closes it. Counts the lines that it reads.
pub(super) fn document(lines: &mut dyn BufRead, line: &mut i64, out: &mut Vec<u8>) -> Result<bool, Wrong> {
    out.clear();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    loop {
        let buffer = lines.fill_buf().map_err(|_| (1200, "Unknown parse error"))?;
        if buffer.is_empty() {
            return if out.trim_ascii().is_empty() { Ok(false) } else { Err(INVALID) };
        }
        let mut used = 0;
        let mut ended = false;
        for &byte in buffer {
            used += 1;
            *line += i64::from(byte == b'\n');
            if depth == 0 && byte.is_ascii_whitespace() {
                continue;
            }
            out.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            // What is no document ends with its line.
            if depth == 0 && !quoted {
                ended = matches!(byte, b'}' | b']');
                if ended || !matches!(out[0], b'{' | b'[') {
                    ended = true;
                    break;
                }
            }
        }
        lines.consume(used);
        if out.len() > LONGEST {
            return Err((1204, "Input data exceeded the length of 4 MB"));
        }
        if ended {
            if !matches!(out[0], b'{' | b'[') {
                let mut rest = Vec::new();
                let _ = lines.read_until(b'\n', &mut rest);
                *line += i64::from(rest.ends_with(b"\n"));
                return Err(INVALID);
            }
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_apart_wherever_they_end() {
        let mut text: &[u8] = b"{\"a\": \"}\\\"{\"}\n\n {\"b\":\n[1,{}]}{\"c\":1}\nnot one\n{\"d\":2}";
        let (mut line, mut out, mut all) = (1, Vec::new(), Vec::new());
        loop {
            match document(&mut text, &mut line, &mut out) {
                Ok(true) => all.push(String::from_utf8(out.clone()).expect("text")),
                Ok(false) => break,
                Err(wrong) => all.push(wrong.0.to_string()),
            }
        }
        assert_eq!(all, ["{\"a\": \"}\\\"{\"}", "{\"b\":\n[1,{}]}", "{\"c\":1}", "1216", "{\"d\":2}"]);
        assert_eq!(line, 6);
    }

    #[test]
    fn paths_lead_to_the_text_as_it_stands() {
        let document = br#"{"a": {"b c": [1, 12345678901234567890.5, "x\"y"]}, "d": null}"#;
        for (text, expected) in [
            ("$.a['b c'][1]", Some("12345678901234567890.5")),
            ("$['a']['b c'][2]", Some(r#""x\"y""#)),
            ("$.d", Some("null")),
            ("$.a['b c']", Some(r#"[1, 12345678901234567890.5, "x\"y"]"#)),
            ("$.none", None),
            ("$.a[0]", None),
        ] {
            let found = follow(document, &path(text).expect(text)).map(|raw| str::from_utf8(raw).expect("text"));
            assert_eq!(found, expected, "{text}");
        }
        for bad in ["a", "$..a", "$[x]", "$['a"] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }
}
