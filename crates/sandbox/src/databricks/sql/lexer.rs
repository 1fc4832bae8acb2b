//! Databricks' literals and names, as sqlparser's tokens.
//!
//! The tokenizer of sqlparser takes `''` for an apostrophe and `1L` for an alias; both are silently wrong here.

use datafusion::sql::sqlparser::{
    keywords::Keyword,
    tokenizer::{Location, Span, Token, TokenWithSpan, Word},
};

use crate::databricks::error::{SqlError, SqlResult};

/// The tokens of one statement, with the text for error messages.
#[derive(Clone, Debug)]
pub(crate) struct Lexed {
    pub(crate) text: String,
    pub(crate) tokens: Vec<TokenWithSpan>,
}

impl Lexed {
    /// The text from a place on.
    pub(crate) fn text_from(&self, place: Location) -> &str {
        let (mut line, mut column) = (1, 1);
        for (at, c) in self.text.char_indices() {
            if (line, column) == (place.line, place.column) {
                return &self.text[at..];
            }
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        ""
    }
}

/// Cuts the text into tokens; adjacent string literals become one.
pub(crate) fn lex(text: &str) -> SqlResult<Lexed> {
    let mut lexer = Lexer { text, chars: text.chars().collect(), at: 0, line: 1, column: 1, tokens: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.token()?;
    }
    Ok(Lexed { text: text.to_owned(), tokens: lexer.tokens })
}

struct Lexer<'a> {
    text: &'a str,
    chars: Vec<char>,
    at: usize,
    line: u64,
    column: u64,
    tokens: Vec<TokenWithSpan>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.bump();
        }
    }

    fn here(&self) -> Location {
        Location::new(self.line, self.column)
    }

    fn push(&mut self, start: Location, token: Token) {
        let span = Span::new(start, self.here());
        self.tokens.push(TokenWithSpan { token, span });
    }

    fn error(&self, start: Location, near: &str) -> SqlError {
        SqlError::syntax(self.text, Some(near), start.line, start.column.saturating_sub(1))
    }

    fn token(&mut self) -> SqlResult<()> {
        let start = self.here();
        let Some(c) = self.peek(0) else { return Ok(()) };
        match c {
            c if c.is_whitespace() => {
                self.bump();
                Ok(())
            }
            '-' if self.peek(1) == Some('-') => {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.bump();
                }
                Ok(())
            }
            '/' if self.peek(1) == Some('*') => self.block_comment(start),
            '\'' | '"' => {
                let value = self.string(start, false)?;
                self.push_string(start, value);
                Ok(())
            }
            'r' | 'R' if matches!(self.peek(1), Some('\'' | '"')) => {
                self.bump();
                let value = self.string(start, true)?;
                self.push_string(start, value);
                Ok(())
            }
            'x' | 'X' if self.peek(1) == Some('\'') => self.hex(start),
            '`' => self.backticks(start),
            ':' if self.is_marker() => {
                self.bump();
                let name = self.word();
                self.push(start, Token::Placeholder(format!(":{name}")));
                Ok(())
            }
            c if c.is_ascii_digit() => self.number(start),
            '.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) && !self.after_name() => self.number(start),
            c if is_name_start(c) => {
                let word = self.word();
                self.push(start, Token::make_word(&word, None));
                Ok(())
            }
            _ => self.symbol(start),
        }
    }

    fn block_comment(&mut self, start: Location) -> SqlResult<()> {
        self.skip(2);
        let mut depth = 1;
        while depth > 0 {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    self.skip(2);
                    depth += 1;
                }
                (Some('*'), Some('/')) => {
                    self.skip(2);
                    depth -= 1;
                }
                (Some(_), _) => self.skip(1),
                (None, _) => return Err(self.error(start, "/*")),
            }
        }
        Ok(())
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| is_name_part(*c)) {
            word.push(c);
            self.bump();
        }
        word
    }

    /// `:name`, but neither `a::int`, `col:path` nor the colon of `struct<a:int>`.
    fn is_marker(&self) -> bool {
        let named = self.peek(1).is_some_and(is_name_start);
        let attached = self.at > 0 && {
            let before = self.chars[self.at - 1];
            is_name_part(before) || matches!(before, ')' | ']' | '`' | ':')
        };
        named && !attached
    }

    fn after_name(&self) -> bool {
        self.at > 0 && {
            let before = self.chars[self.at - 1];
            is_name_part(before) || matches!(before, '`' | ')' | ']')
        }
    }

    fn backticks(&mut self, start: Location) -> SqlResult<()> {
        self.bump();
        let mut name = String::new();
        loop {
            match (self.bump(), self.peek(0)) {
                (Some('`'), Some('`')) => {
                    self.bump();
                    name.push('`');
                }
                (Some('`'), _) => break,
                (Some(c), _) => name.push(c),
                (None, _) => return Err(self.error(start, "`")),
            }
        }
        self.push(start, Token::Word(Word { value: name, quote_style: Some('`'), keyword: Keyword::NoKeyword }));
        Ok(())
    }

    /// Databricks joins literals that stand side by side, also without a blank: `'a''b'` is `ab`.
    fn push_string(&mut self, start: Location, value: String) {
        let end = self.here();
        if let Some(TokenWithSpan { token: Token::SingleQuotedString(before), span }) = self.tokens.last_mut() {
            before.push_str(&value);
            span.end = end;
            return;
        }
        self.push(start, Token::SingleQuotedString(value));
    }

    fn string(&mut self, start: Location, raw: bool) -> SqlResult<String> {
        let quote = self.bump();
        let mut value = String::new();
        loop {
            match self.bump() {
                None => return Err(self.error(start, "'")),
                c if c == quote => return Ok(value),
                Some('\\') if !raw => self.escape(start, &mut value)?,
                Some(c) => value.push(c),
            }
        }
    }

    fn escape(&mut self, start: Location, value: &mut String) -> SqlResult<()> {
        let Some(c) = self.bump() else { return Err(self.error(start, "\\")) };
        let plain = match c {
            '0' if !self.octal_follows() => '\0',
            'b' => '\u{8}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'Z' => '\u{1a}',
            '%' | '_' => {
                value.push('\\');
                c
            }
            'u' | 'U' => {
                let width = if c == 'u' { 4 } else { 8 };
                let digits: String = (0..width).filter_map(|ahead| self.peek(ahead)).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == width);
                match code {
                    // Two \u escapes may be the halves of one character.
                    Some(high @ 0xd800..0xdc00) => {
                        self.skip(width);
                        self.low_surrogate(high).ok_or_else(|| self.error(start, "\\u"))?
                    }
                    Some(code) => {
                        self.skip(width);
                        char::from_u32(code).ok_or_else(|| self.error(start, "\\u"))?
                    }
                    None => c,
                }
            }
            '0'..='3' if self.octal_follows() => {
                let digits: String = [Some(c), self.peek(0), self.peek(1)].into_iter().flatten().collect();
                self.skip(2);
                u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32).unwrap_or(c)
            }
            c => c,
        };
        value.push(plain);
        Ok(())
    }

    fn octal_follows(&self) -> bool {
        [self.peek(0), self.peek(1)].iter().all(|c| c.is_some_and(|c| ('0'..='7').contains(&c)))
    }

    fn low_surrogate(&mut self, high: u32) -> Option<char> {
        if (self.peek(0), self.peek(1)) != (Some('\\'), Some('u')) {
            return None;
        }
        let digits: String = (2..6).filter_map(|ahead| self.peek(ahead)).collect();
        let low = u32::from_str_radix(&digits, 16).ok().filter(|low| (0xdc00..0xe000).contains(low))?;
        self.skip(6);
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex(&mut self, start: Location) -> SqlResult<()> {
        self.skip(2);
        let mut digits = String::new();
        loop {
            match self.bump() {
                Some('\'') => break,
                Some(c) if c.is_ascii_hexdigit() => digits.push(c),
                _ => return Err(self.error(start, "X'")),
            }
        }
        if digits.len() % 2 == 1 {
            digits.insert(0, '0');
        }
        self.push(start, Token::HexStringLiteral(digits));
        Ok(())
    }

    /// `1`, `1.5`, `1e3`, and the suffixes L, S, Y, D, F, BD, which become casts.
    fn number(&mut self, start: Location) -> SqlResult<()> {
        let mut digits = String::new();
        let take = |lexer: &mut Self, digits: &mut String| {
            while let Some(c) = lexer.peek(0).filter(char::is_ascii_digit) {
                digits.push(c);
                lexer.bump();
            }
        };
        take(self, &mut digits);
        if self.peek(0) == Some('.')
            && !self
                .peek(1)
                .is_some_and(|c| c == '.' || is_name_start(c) && !is_number_tail(&self.chars[self.at + 1..]))
        {
            digits.push('.');
            self.bump();
            take(self, &mut digits);
        }
        let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
        if matches!(self.peek(0), Some('e' | 'E')) && self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
            digits.push('e');
            self.bump();
            if sign == 1 {
                digits.extend(self.bump());
            }
            take(self, &mut digits);
        }
        let suffix = self.word();
        let name = match suffix.to_ascii_uppercase().as_str() {
            "" => {
                self.push(start, Token::Number(digits, false));
                return Ok(());
            }
            "L" => "BIGINT".to_owned(),
            "S" => "SMALLINT".to_owned(),
            "Y" => "TINYINT".to_owned(),
            "D" => "DOUBLE".to_owned(),
            "F" => "FLOAT".to_owned(),
            "BD" => decimal_type(&digits).ok_or_else(|| self.error(start, &format!("{digits}{suffix}")))?,
            _ => return Err(self.error(start, &format!("{digits}{suffix}"))),
        };
        self.typed_number(start, digits, &name);
        Ok(())
    }

    fn typed_number(&mut self, start: Location, mut digits: String, type_name: &str) {
        if self.sign_belongs_to_number() {
            self.tokens.pop();
            digits.insert(0, '-');
        }
        let mut tokens = vec![
            Token::make_word("CAST", None),
            Token::LParen,
            Token::SingleQuotedString(digits),
            Token::make_word("AS", None),
        ];
        let (base, arguments) = type_name.split_once('(').unwrap_or((type_name, ""));
        tokens.push(Token::make_word(base, None));
        if let Some((precision, scale)) = arguments.trim_end_matches(')').split_once(',') {
            tokens.extend([
                Token::LParen,
                Token::Number(precision.to_owned(), false),
                Token::Comma,
                Token::Number(scale.to_owned(), false),
                Token::RParen,
            ]);
        }
        tokens.push(Token::RParen);
        for token in tokens {
            self.push(start, token);
        }
    }

    /// `-128Y` is one literal: its digits alone would not fit.
    fn sign_belongs_to_number(&self) -> bool {
        let mut back = self.tokens.iter().rev().map(|token| &token.token);
        if back.next() != Some(&Token::Minus) {
            return false;
        }
        match back.next() {
            None => true,
            Some(Token::Word(word)) => word.keyword != Keyword::NoKeyword && word.quote_style.is_none(),
            Some(
                Token::Number(..)
                | Token::RParen
                | Token::RBracket
                | Token::SingleQuotedString(_)
                | Token::Placeholder(_),
            ) => false,
            Some(_) => true,
        }
    }

    fn symbol(&mut self, start: Location) -> SqlResult<()> {
        let three: String = (0..3).filter_map(|ahead| self.peek(ahead)).collect();
        let two: String = three.chars().take(2).collect();
        let (token, width) = match (three.as_str(), two.as_str()) {
            ("<=>", _) => (Token::Spaceship, 3),
            (_, "==") => (Token::Eq, 2),
            (_, "<>" | "!=") => (Token::Neq, 2),
            (_, "<=") => (Token::LtEq, 2),
            (_, ">=") => (Token::GtEq, 2),
            (_, "||") => (Token::StringConcat, 2),
            (_, "::") => (Token::DoubleColon, 2),
            (_, "->") => (Token::Arrow, 2),
            (_, "=>") => (Token::RArrow, 2),
            _ => {
                let token = match two.chars().next() {
                    Some(',') => Token::Comma,
                    Some('=') => Token::Eq,
                    Some('<') => Token::Lt,
                    Some('>') => Token::Gt,
                    Some('+') => Token::Plus,
                    Some('-') => Token::Minus,
                    Some('*') => Token::Mul,
                    Some('/') => Token::Div,
                    Some('%') => Token::Mod,
                    Some('(') => Token::LParen,
                    Some(')') => Token::RParen,
                    Some('.') => Token::Period,
                    Some(':') => Token::Colon,
                    Some(';') => Token::SemiColon,
                    Some('[') => Token::LBracket,
                    Some(']') => Token::RBracket,
                    Some('&') => Token::Ampersand,
                    Some('|') => Token::Pipe,
                    Some('^') => Token::Caret,
                    Some('~') => Token::Tilde,
                    Some('!') => Token::ExclamationMark,
                    Some('@') => Token::AtSign,
                    Some('?') => Token::Placeholder("?".to_owned()),
                    other => return Err(self.error(start, &other.map(String::from).unwrap_or_default())),
                };
                (token, 1)
            }
        };
        self.skip(width);
        self.push(start, token);
        Ok(())
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// True for what may follow the point of `1.`: an exponent or a type suffix, not a name.
fn is_number_tail(rest: &[char]) -> bool {
    let word: String = rest.iter().take_while(|c| is_name_part(**c)).collect::<String>().to_ascii_uppercase();
    matches!(word.as_str(), "D" | "F" | "BD")
        || word.strip_prefix('E').is_some_and(|e| e.starts_with(|c: char| c.is_ascii_digit()))
}

/// The type of `1.50BD`: as many digits as were written.
fn decimal_type(digits: &str) -> Option<String> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('e') || whole.contains('e') {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let (precision, scale) = ((whole.len() + fraction.len()).max(1), fraction.len());
    (precision <= 38).then(|| format!("DECIMAL({},{scale})", precision.max(scale)))
}

#[cfg(test)]
mod tests;
