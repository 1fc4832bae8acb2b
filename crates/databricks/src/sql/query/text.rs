//! Looks at a piece of SQL that somebody else wrote.

use twinhouse_core::{Error, ErrorKind, Result};

/// Refuses a piece of SQL that could reach beyond its place: a string, a quoted name or a bracket that is not closed, a
/// semicolon, a comment, a dollar sign, or nothing at all.
pub(super) fn check(sql: &str, field: &'static str) -> Result<()> {
    let refuse = |why: &'static str| Error::new(ErrorKind::InvalidInput, why).with_context("field", field);
    if sql.trim().is_empty() {
        return Err(refuse("an expression needs some text"));
    }
    let mut open = Vec::new();
    let mut rest = sql.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = rest.next() {
        match c {
            '\'' | '"' => {
                // `r'…'` has no escapes.
                let word_before = sql[..at].chars().rev().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '_');
                let raw = matches!(before, 'r' | 'R') && !word_before;
                let closed = loop {
                    match rest.next() {
                        None => break false,
                        Some((_, '\\')) if !raw => {
                            rest.next();
                        }
                        Some((_, end)) if end == c => break true,
                        Some(_) => {}
                    }
                };
                if !closed {
                    return Err(refuse("a string in the expression is not closed"));
                }
            }
            '`' if !rest.by_ref().any(|(_, inner)| inner == '`') => {
                return Err(refuse("a quoted name in the expression is not closed"));
            }
            // The service replaces `${x}`, and `$$` opens a string.
            '$' => return Err(refuse("an expression takes no dollar sign outside of strings")),
            '-' | '/' if rest.peek().is_some_and(|(_, next)| matches!((c, *next), ('-', '-') | ('/', '*'))) => {
                return Err(refuse("an expression takes no comment"));
            }
            ';' => return Err(refuse("an expression is no statement: it takes no semicolon")),
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => {
                return Err(refuse("the brackets of the expression do not match"));
            }
            _ => {}
        }
        before = c;
    }
    if open.is_empty() { Ok(()) } else { Err(refuse("the brackets of the expression do not match")) }
}
