//! Python's string literals.

use std::fmt::Write as _;

/// Writes a text as one literal on one line, in ASCII: whatever is in it, it ends where it should, and begins no line of
/// its own that a notebook would take for a command.
pub(super) fn python(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            // Writing to a text does not fail.
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// The same for a long text: a literal for each of its lines, one below the other. Python puts them together.
pub(super) fn python_lines(text: &str, indent: &str) -> String {
    if text.is_empty() {
        return python("");
    }
    text.split_inclusive('\n').map(python).collect::<Vec<_>>().join(&format!("\n{indent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_backslashes_and_everything_that_is_not_ascii_are_escaped() {
        assert_eq!(python(r#"it's "a" \n"#), r#""it's \"a\" \\n""#);
        assert_eq!(python("\0\u{7f}é☃🦀\u{2028}"), r#""\x00\x7f\xe9\u2603\U0001f980\u2028""#);
        assert_eq!(
            python_lines("a\n# COMMAND ----------\nb", "  "),
            "\"a\\n\"\n  \"# COMMAND ----------\\n\"\n  \"b\""
        );
    }
}
