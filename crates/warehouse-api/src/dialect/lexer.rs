//! Cuts SQL text into tokens: just enough to know what is text, what is a comment and what is a name.

use std::ops::Range;

/// Whose rules for quotes, comments and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    Databricks,
    Redshift,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    LineComment,
    BlockComment,
    /// `'…'`; on Databricks `"…"` and `r'…'` too.
    Text,
    /// `"…"` on Redshift, `` `…` `` on Databricks.
    QuotedName,
    /// `$$…$$` or `$tag$…$tag$`.
    DollarText,
    Number,
    Word,
    /// `$1`, on Redshift.
    Position,
    /// `::`
    Cast,
    /// `:=`
    Assign,
    /// Any other character.
    Punctuation,
    /// A comment, string or quoted name that the text ends in, named for the message.
    Unclosed(&'static str),
}

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

/// Cuts `sql` into tokens that follow each other without a gap. Never fails: what is not closed is a token too.
pub(super) fn tokens(flavour: Flavour, sql: &str) -> impl Iterator<Item = Token> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = sql.get(at..).filter(|rest| !rest.is_empty())?;
        let (kind, length) = token(flavour, rest);
        let span = at..at + length;
        at = span.end;
        Some(Token { kind, span })
    })
}

/// Whether the character may stand inside an unquoted name.
pub(super) fn is_word(flavour: Flavour, c: char) -> bool {
    match flavour {
        Flavour::Databricks => c == '_' || c.is_alphanumeric(),
        // The server works on bytes: every one above 127 belongs to a name.
        Flavour::Redshift => matches!(c, '_' | '$') || c.is_ascii_alphanumeric() || !c.is_ascii(),
    }
}

/// The kind and length of the token that `rest` begins with; `rest` is not empty.
fn token(flavour: Flavour, rest: &str) -> (Kind, usize) {
    let databricks = flavour == Flavour::Databricks;
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or_default();
    let second = chars.next();
    match (first, second) {
        ('-', Some('-')) => (Kind::LineComment, line_comment(rest, databricks)),
        ('/', Some('*')) => block_comment(rest),
        ('\'', _) => escaped(rest, "string"),
        ('"', _) if databricks => escaped(rest, "string"),
        ('"', _) => raw(rest, '"', 1, Kind::QuotedName, "quoted name"),
        ('`', _) if databricks => raw(rest, '`', 1, Kind::QuotedName, "quoted name"),
        ('r' | 'R', Some(quote @ ('\'' | '"'))) if databricks => raw(rest, quote, 2, Kind::Text, "string"),
        ('$', _) => dollar(flavour, rest),
        (':', Some(':')) => (Kind::Cast, 2),
        (':', Some('=')) => (Kind::Assign, 2),
        ('.', Some('0'..='9')) | ('0'..='9', _) => (Kind::Number, number(flavour, rest)),
        (c, _) if c.is_whitespace() && (databricks || c.is_ascii()) => {
            let end = rest.find(|c: char| !(c.is_whitespace() && (databricks || c.is_ascii())));
            (Kind::Space, end.unwrap_or(rest.len()))
        }
        (c, _) if is_word(flavour, c) => (Kind::Word, word(flavour, rest)),
        (c, _) => (Kind::Punctuation, c.len_utf8()),
    }
}

fn word(flavour: Flavour, rest: &str) -> usize {
    rest.find(|c| !is_word(flavour, c)).unwrap_or(rest.len())
}

/// Up to the end of the line. On Databricks a backslash before the line feed carries the comment over.
fn line_comment(rest: &str, continued: bool) -> usize {
    let mut from = 0;
    while let Some(found) = rest[from..].find(['\n', '\r']) {
        let end = from + found;
        if !(continued && rest[..end].ends_with('\\') && rest[end..].starts_with('\n')) {
            return end;
        }
        from = end + 1;
    }
    rest.len()
}

fn block_comment(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return (Kind::BlockComment, at);
                }
            }
            _ => at += 1,
        }
    }
    (Kind::Unclosed("comment"), rest.len())
}

/// A string with backslash escapes. Two quotes in a row end one string and begin the next, or are one escaped quote:
/// for where the text ends that is the same.
fn escaped(rest: &str, what: &'static str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let quote = bytes[0];
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            _ if byte == quote => return (Kind::Text, at + 1),
            _ => at += 1,
        }
    }
    (Kind::Unclosed(what), rest.len())
}

/// Everything up to the next `quote`, whatever stands before it. `open` is the length of the opening.
fn raw(rest: &str, quote: char, open: usize, kind: Kind, what: &'static str) -> (Kind, usize) {
    match rest[open..].find(quote) {
        Some(end) => (kind, open + end + quote.len_utf8()),
        None => (Kind::Unclosed(what), rest.len()),
    }
}

fn dollar(flavour: Flavour, rest: &str) -> (Kind, usize) {
    let inside = &rest[1..];
    let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 && flavour == Flavour::Redshift {
        return (Kind::Position, 1 + digits);
    }
    let tag = inside.find(|c| c == '$' || !is_word(flavour, c)).unwrap_or(inside.len());
    if digits > 0 || !inside[tag..].starts_with('$') {
        return (Kind::Punctuation, 1);
    }
    let open = tag + 2;
    match rest[open..].find(&rest[..open]) {
        Some(end) => (Kind::DollarText, open + end + open),
        None => (Kind::Unclosed("dollar-quoted string"), rest.len()),
    }
}

/// Digits, a point, an exponent and whatever suffix follows: `1`, `1.5e-3`, `0xFF`, `10L`.
fn number(flavour: Flavour, rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let digits = |mut at: usize| {
        while digit(at) {
            at += 1;
        }
        at
    };
    let mut at = digits(0);
    if bytes.get(at) == Some(&b'.') && (at == 0 || digit(at + 1)) {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) && matches!(bytes.get(at + 1), Some(b'+' | b'-')) && digit(at + 2) {
        at = digits(at + 2);
    }
    at + word(flavour, &rest[at..])
}
