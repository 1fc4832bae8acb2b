//! Redshift's tokens. A backslash escapes in every plain literal; quoted names fold to lower case like the others.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword without quotes.
    Word,
    /// `"name"`.
    Quoted,
    /// `'literal'`.
    Literal,
    /// `$$body$$` or `$tag$body$tag$`.
    Dollar,
    /// `$1`.
    Parameter,
    Number,
    /// One character: an operator, a bracket, a comma.
    Sign,
    /// A quote that is never closed.
    Unclosed,
}

/// A token and its place in the text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// Splits a text into tokens; comments and space are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text: text.as_bytes(), at: 0 };
    let mut tokens = Vec::with_capacity(text.len() / 5);
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn next_token(&mut self) -> Option<Token> {
        self.skip_blank();
        let start = self.at;
        let first = self.peek(0)?;
        let kind = match first {
            b'\'' => self.quoted(b'\'', true, Kind::Literal),
            b'"' => self.quoted(b'"', false, Kind::Quoted),
            b'$' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => {
                self.at += 1;
                self.run(|c| c.is_ascii_digit());
                Kind::Parameter
            }
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number(),
            c if starts_word(c) => {
                self.run(continues_word);
                Kind::Word
            }
            _ => {
                self.at += 1;
                Kind::Sign
            }
        };
        Some(Token { kind, at: start..self.at })
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&belongs) {
            self.at += 1;
        }
    }

    fn skip_blank(&mut self) {
        loop {
            self.run(|c| c.is_ascii_whitespace() || c == 0x0b);
            match (self.peek(0), self.peek(1)) {
                (Some(b'-'), Some(b'-')) => self.run(|c| c != b'\n'),
                (Some(b'/'), Some(b'*')) => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => (depth, self.at) = (depth + 1, self.at + 2),
                (Some(b'*'), Some(b'/')) => (depth, self.at) = (depth - 1, self.at + 2),
                (Some(_), _) => self.at += 1,
                (None, _) => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool, kind: Kind) -> Kind {
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Kind::Unclosed,
                Some(b'\\') if escapes => self.at = (self.at + 2).min(self.text.len()),
                Some(c) if c == quote => {
                    self.at += 1;
                    if self.peek(0) != Some(quote) {
                        return kind;
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn dollar(&mut self) -> Kind {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(starts_word) {
            self.run(|c| starts_word(c) || c.is_ascii_digit());
        }
        if self.peek(0) != Some(b'$') {
            self.at = start + 1;
            return Kind::Sign;
        }
        self.at += 1;
        let tag = &self.text[start..self.at];
        match self.text[self.at..].windows(tag.len()).position(|window| window == tag) {
            Some(body) => {
                self.at += body + tag.len();
                Kind::Dollar
            }
            None => {
                self.at = self.text.len();
                Kind::Unclosed
            }
        }
    }

    fn number(&mut self) -> Kind {
        self.run(|c| c.is_ascii_digit());
        if self.peek(0) == Some(b'.') && self.peek(1) != Some(b'.') {
            self.at += 1;
            self.run(|c| c.is_ascii_digit());
        }
        let exponent = match (self.peek(0), self.peek(1), self.peek(2)) {
            (Some(b'e' | b'E'), Some(c), _) if c.is_ascii_digit() => 1,
            (Some(b'e' | b'E'), Some(b'+' | b'-'), Some(c)) if c.is_ascii_digit() => 2,
            _ => 0,
        };
        if exponent > 0 {
            self.at += exponent;
            self.run(|c| c.is_ascii_digit());
        }
        Kind::Number
    }
}

fn starts_word(c: u8) -> bool {
    c.is_ascii_alphabetic() || c == b'_' || c >= 0x80
}

fn continues_word(c: u8) -> bool {
    starts_word(c) || c.is_ascii_digit() || c == b'$'
}

/// The text of a quoted name or literal without its quotes and escapes.
pub(super) fn unquote(text: &str) -> String {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else { return text.to_owned() };
    let inner = &text[1..text.len().max(2) - 1];
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote == '\'' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some(first @ '0'..='7') => {
                    let mut code = first.to_digit(8).unwrap_or_default();
                    for _ in 0..2 {
                        let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else { break };
                        code = code * 8 + digit;
                        chars.next();
                    }
                    out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some(other) => out.push(other),
                None => {}
            },
            c if c == quote => {
                chars.next();
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A literal that both Redshift and the engine read back as `text`.
pub(crate) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A text with its tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexed<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Token],
    /// Quoted names are what they say, and do not fold.
    pub(super) case_sensitive: bool,
}

impl<'a> Lexed<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self { text, tokens, case_sensitive: false }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn kind(&self, i: usize) -> Option<Kind> {
        self.tokens.get(i).map(|token| token.kind)
    }

    /// The token as it was written; empty past the end.
    pub(super) fn raw(&self, i: usize) -> &'a str {
        self.tokens.get(i).map_or("", |token| &self.text[token.at.clone()])
    }

    /// True if this token is the unquoted word, in any case.
    pub(super) fn is(&self, i: usize, word: &str) -> bool {
        self.kind(i) == Some(Kind::Word) && self.raw(i).eq_ignore_ascii_case(word)
    }

    pub(super) fn is_any(&self, i: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(i, word))
    }

    /// True if the unquoted words stand here in this order.
    pub(super) fn are(&self, i: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(k, word)| self.is(i + k, word))
    }

    pub(super) fn is_sign(&self, i: usize, sign: char) -> bool {
        self.kind(i) == Some(Kind::Sign) && self.raw(i).starts_with(sign)
    }

    pub(super) fn is_name(&self, i: usize) -> bool {
        matches!(self.kind(i), Some(Kind::Word | Kind::Quoted))
    }

    /// The name as the catalog holds it.
    pub(super) fn name(&self, i: usize) -> String {
        let name = unquote(self.raw(i));
        let kept = self.case_sensitive && self.kind(i) == Some(Kind::Quoted);
        if kept { name } else { name.to_ascii_lowercase() }
    }

    /// The value of a literal, number or word.
    pub(super) fn value(&self, i: usize) -> String {
        unquote(self.raw(i))
    }

    /// The index of the bracket that closes the one at `open`; the end if none does.
    pub(super) fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for i in open..self.len() {
            if self.is_sign(i, '(') {
                depth += 1;
            } else if self.is_sign(i, ')') {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i;
                }
            }
        }
        self.len()
    }

    /// The commas of the bracket at `open` that are not inside another.
    pub(super) fn commas(&self, open: usize) -> Vec<usize> {
        let close = self.closing(open);
        let (mut depth, mut commas) = (0usize, Vec::new());
        for i in open + 1..close {
            if self.is_sign(i, '(') || self.is_sign(i, '[') {
                depth += 1;
            } else if self.is_sign(i, ')') || self.is_sign(i, ']') {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && self.is_sign(i, ',') {
                commas.push(i);
            }
        }
        commas
    }

    /// The index after a possibly qualified name that starts at `i`.
    pub(super) fn after_name(&self, i: usize) -> usize {
        let mut end = i + usize::from(self.is_name(i));
        while end > i && self.is_sign(end, '.') && self.is_name(end + 1) {
            end += 2;
        }
        end
    }

    /// The statements of the text: ranges of tokens between semicolons.
    pub(super) fn statements(&self) -> Vec<Range<usize>> {
        let (mut start, mut statements) = (0, Vec::new());
        for i in 0..=self.len() {
            if i == self.len() || self.is_sign(i, ';') {
                if i > start {
                    statements.push(start..i);
                }
                start = i + 1;
            }
        }
        statements
    }

    /// The part of the text that these tokens span.
    pub(super) fn span(&self, tokens: &Range<usize>) -> Range<usize> {
        match (self.tokens.get(tokens.start), tokens.end.checked_sub(1).and_then(|last| self.tokens.get(last))) {
            (Some(first), Some(last)) if first.at.start <= last.at.end => first.at.start..last.at.end,
            _ => self.text.len()..self.text.len(),
        }
    }

    /// These tokens alone; their places still refer to the whole text.
    pub(super) fn part(&self, tokens: Range<usize>) -> Lexed<'a> {
        Lexed { tokens: &self.tokens[tokens], ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raws(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| &text[token.at]).collect()
    }

    #[test]
    fn a_backslash_keeps_a_literal_open() {
        assert_eq!(raws(r"select 'it\'s; drop' , 'a''b'"), ["select", r"'it\'s; drop'", ",", "'a''b'"]);
        assert_eq!(tokens(r"'open\'").last().map(|token| token.kind), Some(Kind::Unclosed));
    }

    #[test]
    fn comments_nest_and_dollar_bodies_are_one_token() {
        assert_eq!(raws("a /* x /* ; */ ' */ b -- ;\n c"), ["a", "b", "c"]);
        assert_eq!(raws("as $b$ x; $$ y $b$ language"), ["as", "$b$ x; $$ y $b$", "language"]);
        assert_eq!(raws("$1+$23"), ["$1", "+", "$23"]);
    }

    #[test]
    fn numbers_casts_and_names_come_apart() {
        assert_eq!(raws("x.y::int,1.5e-3,.5"), ["x", ".", "y", ":", ":", "int", ",", "1.5e-3", ",", ".5"]);
        assert_eq!(raws("\"A\"\"b\".größe$1"), ["\"A\"\"b\"", ".", "größe$1"]);
    }

    #[test]
    fn quotes_and_escapes_come_off() {
        assert_eq!(unquote(r"'a\\b''c\n\x'"), "a\\b'c\nx");
        assert_eq!(unquote(r#""A""\b""#), r#"A"\b"#);
        assert_eq!(unquote(&quote_literal(r"it's \ here")), r"it's \ here");
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        let text = "begin; insert into t values (';'); ; commit";
        let tokens = tokens(text);
        let lexed = Lexed::new(text, &tokens);
        let parts: Vec<_> = lexed.statements().iter().map(|range| &text[lexed.span(range)]).collect();
        assert_eq!(parts, ["begin", "insert into t values (';')", "commit"]);
    }
}
