//! Rows as lines of text.

use std::io::Write;

use super::{
    super::result::SUPER,
    cells::Field,
    options::{Format, UnloadStatement},
};

/// A value that has no room in its column of fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooWide;

/// The line of column names, with its end.
pub(super) fn header(unload: &UnloadStatement, fields: &[Field]) -> Vec<u8> {
    let names: Vec<_> = fields.iter().map(|field| Some(field.name.clone())).collect();
    let mut out = Vec::new();
    // Names fit wherever values do.
    let _ = line(unload, fields, &names, &mut out);
    out
}

/// Appends a row with the end of its line.
pub(super) fn line(
    unload: &UnloadStatement,
    fields: &[Field],
    row: &[Option<String>],
    out: &mut Vec<u8>,
) -> Result<(), TooWide> {
    match &unload.format {
        Format::Json => json(fields, row, out),
        Format::FixedWidth(widths) => fixed(unload, fields, widths, row, out)?,
        _ => {
            for (i, value) in row.iter().enumerate() {
                if i > 0 {
                    out.push(unload.delimiter);
                }
                match value {
                    None => out.extend_from_slice(unload.null_as.as_bytes()),
                    Some(text) if unload.format == Format::Csv => csv(unload, text, out),
                    Some(text) => delimited(unload, text, out),
                }
            }
        }
    }
    out.push(b'\n');
    Ok(())
}

fn csv(unload: &UnloadStatement, text: &str, out: &mut Vec<u8>) {
    let needs_quotes = text.bytes().any(|b| b == unload.delimiter || matches!(b, b'"' | b'\n' | b'\r'));
    if needs_quotes {
        let _ = write!(out, "\"{}\"", text.replace('"', "\"\""));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn delimited(unload: &UnloadStatement, text: &str, out: &mut Vec<u8>) {
    if unload.add_quotes {
        out.push(b'"');
    }
    for byte in text.bytes() {
        let special = byte == unload.delimiter
            || matches!(byte, b'\\' | b'\n' | b'\r')
            || (unload.add_quotes && matches!(byte, b'"' | b'\''));
        if unload.escape && special {
            out.push(b'\\');
        }
        out.push(byte);
    }
    if unload.add_quotes {
        out.push(b'"');
    }
}

fn fixed(
    unload: &UnloadStatement,
    fields: &[Field],
    widths: &[usize],
    row: &[Option<String>],
    out: &mut Vec<u8>,
) -> Result<(), TooWide> {
    for ((value, width), field) in row.iter().zip(widths).zip(fields) {
        let text = value.as_deref().unwrap_or(&unload.null_as);
        let blanks = width.checked_sub(text.chars().count()).ok_or(TooWide)?;
        let blanks = " ".repeat(blanks);
        // Numbers stand at the right.
        let _ = if field.is_number() { write!(out, "{blanks}{text}") } else { write!(out, "{text}{blanks}") };
    }
    Ok(())
}

fn json(fields: &[Field], row: &[Option<String>], out: &mut Vec<u8>) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    out.push(b'{');
    for (i, (field, value)) in fields.iter().zip(row).enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let value = match value {
            None => "null".to_owned(),
            Some(text) if field.is_number() && text.bytes().all(|b| !b.is_ascii_alphabetic() || b == b'e') => {
                text.clone()
            }
            Some(text) if field.oid == SUPER => text.clone(),
            // A boolean is the letter of its text form.
            Some(text) => quoted(text),
        };
        let _ = write!(out, "{comma}{}:{value}", quoted(&field.name));
    }
    out.push(b'}');
}
