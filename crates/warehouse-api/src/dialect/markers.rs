//! `:name` markers: found by the lexer, checked against the values, rewritten for the wire.

use std::{collections::HashMap, fmt, ops::Range};

use twinhouse_core::{Error, ErrorKind, Result};

use super::{
    Dialect,
    lexer::{self, Flavour, Kind},
};
use crate::{params::Params, value::Value};

/// The most parameters the PostgreSQL wire carries: their count is a signed 16-bit number.
const MAX_NUMBERED: usize = i16::MAX as usize;

/// How a statement's text refers to its values when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MarkerStyle {
    /// `:name`, as written.
    Named,
    /// `$1`, `$2`, …; a name that occurs again keeps its number.
    Numbered,
}

/// A statement that is ready for the wire.
///
/// `Debug` prints neither the text nor the values.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Bound {
    /// The text to send.
    pub sql: String,
    /// Each name once, with its value, in the order of first occurrence: for [`MarkerStyle::Numbered`] the value of
    /// `$1` comes first.
    pub values: Vec<(String, Value)>,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.values.iter().map(|(name, value)| (name.as_str(), value.type_name())).collect();
        f.debug_struct("Bound").field("bytes", &self.sql.len()).field("values", &types).finish()
    }
}

pub(super) fn bind(flavour: Flavour, style: MarkerStyle, sql: &str, params: &Params) -> Result<Bound> {
    let found = Found::new(flavour, sql, params)?;
    match style {
        MarkerStyle::Named => {
            let values = found.values.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
            Ok(Bound { sql: sql.to_owned(), values })
        }
        MarkerStyle::Numbered => {
            if found.values.len() > MAX_NUMBERED {
                return Err(Error::new(ErrorKind::InvalidInput, "a statement takes at most 32767 parameters")
                    .with_context("parameters", found.values.len().to_string()));
            }
            // Somebody else's `$1` would be given our first value.
            if let (Some(at), false) = (found.position, found.values.is_empty()) {
                return Err(Error::new(ErrorKind::Syntax, "a statement takes `:name` or `$1` markers, not both")
                    .with_context("position", position(sql, at)));
            }
            let numbers: Vec<_> = (1..=found.values.len()).map(|number| format!("${number}")).collect();
            let sql = splice(flavour, sql, &found, &numbers);
            let values = found.values.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
            Ok(Bound { sql, values })
        }
    }
}

pub(super) fn inline(dialect: &dyn Dialect, flavour: Flavour, sql: &str, params: &Params) -> Result<String> {
    let found = Found::new(flavour, sql, params)?;
    let literals = found
        .values
        .iter()
        .map(|(name, value)| dialect.literal(value).map_err(|error| error.with_context("parameter", *name)))
        .collect::<Result<Vec<_>>>()?;
    Ok(splice(flavour, sql, &found, &literals))
}

/// The markers of a text, each with the value it stands for.
struct Found<'a> {
    /// Where each marker stands, and which of `values` it means.
    markers: Vec<(Range<usize>, usize)>,
    /// Each name once, in the order of first occurrence.
    values: Vec<(&'a str, &'a Value)>,
    /// The first `$1`.
    position: Option<usize>,
}

impl<'a> Found<'a> {
    fn new(flavour: Flavour, sql: &'a str, params: &'a Params) -> Result<Self> {
        let mut found = Self { markers: Vec::new(), values: Vec::new(), position: None };
        let bound: HashMap<&str, &Value> = params.iter().collect();
        let mut known = HashMap::new();
        let mut missing: Vec<&str> = Vec::new();
        let mut tokens = lexer::tokens(flavour, sql).peekable();
        let mut before = None;
        while let Some(token) = tokens.next() {
            let after_value =
                before.replace(token.clone()).is_some_and(|before| ends_value(before.kind, &sql[before.span]));
            let start = token.span.start;
            match token.kind {
                Kind::Unclosed(what) => {
                    return Err(Error::new(ErrorKind::Syntax, format!("a {what} is not closed"))
                        .with_context("position", position(sql, start)));
                }
                Kind::Position => found.position = found.position.or(Some(start)),
                // `column:path` reads a field of a semi-structured value.
                Kind::Punctuation if &sql[token.span] == ":" && !(after_value && flavour == Flavour::Databricks) => {
                    let Some(name) = tokens.next_if(|next| next.kind == Kind::Word) else { continue };
                    before = Some(name.clone());
                    let (span, name) = (start..name.span.end, &sql[name.span]);
                    if !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                        return Err(Error::new(
                            ErrorKind::Syntax,
                            format!("`:{name}` is not a marker: names are ASCII letters, digits and underscores"),
                        )
                        .with_context("position", position(sql, start)));
                    }
                    match (known.get(name), bound.get(name)) {
                        (Some(&index), _) => found.markers.push((span, index)),
                        (None, Some(&value)) => {
                            let index = found.values.len();
                            known.insert(name, index);
                            found.markers.push((span, index));
                            found.values.push((name, value));
                        }
                        (None, None) if !missing.contains(&name) => missing.push(name),
                        (None, None) => {}
                    }
                }
                _ => {}
            }
        }
        if !missing.is_empty() {
            let bound = if params.is_empty() { "none".to_owned() } else { list(params.iter().map(|(name, _)| name)) };
            return Err(Error::new(ErrorKind::InvalidInput, format!("no value is bound to {}", list(missing)))
                .with_context("bound", bound));
        }
        let unused: Vec<_> = params.iter().map(|(name, _)| name).filter(|name| !known.contains_key(name)).collect();
        if !unused.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("the statement has no marker {}", list(unused))));
        }
        Ok(found)
    }
}

/// Whether a value may end with this token, so that a colon right after it is a path into that value.
fn ends_value(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Word | Kind::Number | Kind::Text | Kind::QuotedName | Kind::DollarText | Kind::Position => true,
        Kind::Punctuation => matches!(text, ")" | "]"),
        _ => false,
    }
}

/// Puts `texts` where the markers stand, apart from whatever they would grow together with.
fn splice(flavour: Flavour, sql: &str, found: &Found<'_>, texts: &[String]) -> String {
    let glues = |c: char| lexer::is_word(flavour, c) || matches!(c, '\'' | '"' | '`' | '$' | '.' | ':');
    let mut out = String::with_capacity(sql.len() + found.markers.len() * 8);
    let mut from = 0;
    for (span, index) in &found.markers {
        out.push_str(&sql[from..span.start]);
        if out.chars().next_back().is_some_and(glues) {
            out.push(' ');
        }
        out.push_str(&texts[*index]);
        if sql[span.end..].chars().next().is_some_and(|c| c != ':' && glues(c)) {
            out.push(' ');
        }
        from = span.end;
    }
    out.push_str(&sql[from..]);
    out
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`:{name}`")).collect::<Vec<_>>().join(", ")
}

/// Line and column, both from 1, the column in characters.
fn position(sql: &str, at: usize) -> String {
    let before = &sql[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}
