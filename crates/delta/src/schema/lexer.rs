//! The words and signs of a type's spelling.

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word without quotes.
    Word(String),
    /// A name in backticks, without them.
    Quoted(String),
    /// A string literal's value. Literals side by side are one.
    Text(String),
    Sign(char),
}

/// The tokens with the character each begins at; `Err` is the place of what is none.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, usize> {
    let chars: Vec<char> = text.chars().collect();
    let mut found: Vec<(usize, Token)> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
        } else if c == '`' {
            let (name, end) = backticked(&chars, at).ok_or(start)?;
            found.push((start, Token::Quoted(name)));
            at = end;
        } else if matches!(c, '\'' | '"') || (matches!(c, 'r' | 'R') && matches!(chars.get(at + 1), Some('\'' | '"'))) {
            let (text, end) = literal(&chars, at).ok_or(start)?;
            match found.last_mut() {
                Some((_, Token::Text(before))) => before.push_str(&text),
                _ => found.push((start, Token::Text(text))),
            }
            at = end;
        } else if matches!(c, '<' | '>' | '(' | ')' | ',' | ':') {
            found.push((start, Token::Sign(c)));
            at += 1;
        } else if c.is_alphanumeric() || c == '_' {
            // The service prints names of fields without quotes, whatever is in them; what ends them ends them.
            while at < chars.len() && (chars[at].is_alphanumeric() || matches!(chars[at], '_' | '-' | '.' | '$' | '@'))
            {
                at += 1;
            }
            found.push((start, Token::Word(chars[start..at].iter().collect())));
        } else {
            return Err(start);
        }
    }
    Ok(found)
}

fn backticked(chars: &[char], start: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = start + 1;
    loop {
        match (*chars.get(at)?, chars.get(at + 1)) {
            ('`', Some('`')) => {
                name.push('`');
                at += 2;
            }
            ('`', _) => return Some((name, at + 1)),
            (c, _) => {
                name.push(c);
                at += 1;
            }
        }
    }
}

/// A literal from its quote, or from the `r` before it, to behind its end.
fn literal(chars: &[char], start: usize) -> Option<(String, usize)> {
    let raw = matches!(chars[start], 'r' | 'R');
    let mut at = start + usize::from(raw);
    let quote = *chars.get(at)?;
    let mut text = String::new();
    at += 1;
    loop {
        let c = *chars.get(at)?;
        at += 1;
        if c == quote {
            return Some((text, at));
        }
        if c != '\\' || raw {
            text.push(c);
            continue;
        }
        let escaped = *chars.get(at)?;
        at += 1;
        match escaped {
            'b' => text.push('\u{8}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'Z' => text.push('\u{1a}'),
            '%' | '_' => text.extend(['\\', escaped]),
            'u' | 'U' => {
                let length = if escaped == 'u' { 4 } else { 8 };
                match number(chars.get(at..at + length), 16) {
                    Some(c) => {
                        text.push(c);
                        at += length;
                    }
                    None => text.push(escaped),
                }
            }
            '0'..='3' if number(chars.get(at - 1..at + 2), 8).is_some() => {
                text.extend(number(chars.get(at - 1..at + 2), 8));
                at += 2;
            }
            '0' => text.push('\0'),
            other => text.push(other),
        }
    }
}

fn number(digits: Option<&[char]>, radix: u32) -> Option<char> {
    let digits: String = digits?.iter().collect();
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    char::from_u32(u32::from_str_radix(&digits, radix).ok()?)
}
