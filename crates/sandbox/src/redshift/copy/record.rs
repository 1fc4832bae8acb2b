//! The records of a file: lines of text, or documents.

use std::io::{BufRead, Read as _};

use super::{
    json::{Parts, document},
    options::{CopyStatement, Format},
    target::Target,
    value::{Cell, Wrong},
};

/// A record longer than this is refused by the service.
const LONGEST: usize = 4 << 20;

pub(super) struct Records<'a> {
    pub(super) lines: Box<dyn BufRead + 'a>,
    pub(super) copy: &'a CopyStatement,
    pub(super) target: &'a Target,
    /// For JSON.
    pub(super) parts: Option<&'a Parts>,
    /// The line that the record at hand begins in, from 1.
    pub(super) line: i64,
    /// The line that is read next.
    pub(super) next_line: i64,
    /// The record as it stands in the file.
    pub(super) raw: Vec<u8>,
}

impl<'a> Records<'a> {
    pub(super) fn new(
        lines: Box<dyn BufRead + 'a>,
        copy: &'a CopyStatement,
        target: &'a Target,
        parts: Option<&'a Parts>,
    ) -> Self {
        Self { lines, copy, target, parts, line: 1, next_line: 1, raw: Vec::new() }
    }

    pub(super) fn skip_line(&mut self) {
        let _ = self.lines.skip_until(b'\n');
        self.next_line += 1;
    }

    /// The next record; false at the end of the file. After an error the one behind it comes next.
    pub(super) fn next(&mut self, fields: &mut Vec<Cell>) -> Result<bool, Wrong> {
        fields.clear();
        self.line = self.next_line;
        if let Some(parts) = self.parts {
            if !document(&mut *self.lines, &mut self.next_line, &mut self.raw)? {
                return Ok(false);
            }
            parts.fields(&self.raw, self.target, fields)?;
            return Ok(true);
        }
        loop {
            if !self.text()? {
                return Ok(false);
            }
            if !(self.copy.ignore_blank_lines && self.raw.trim_ascii().is_empty()) {
                break;
            }
            self.line = self.next_line;
        }
        match &self.copy.format {
            Format::FixedWidth(widths) => fixed(&self.raw, widths, fields)?,
            Format::Csv => csv(&self.raw, self.copy, fields)?,
            _ => delimited(&self.raw, self.copy, fields),
        }
        Ok(true)
    }

    /// Reads the lines of one record, without the end of the last.
    fn text(&mut self) -> Result<bool, Wrong> {
        self.raw.clear();
        let csv = self.copy.format == Format::Csv;
        loop {
            let unreadable = |_| (1200, "Unknown parse error");
            let room = LONGEST + 1 - self.raw.len();
            let read = (&mut self.lines).take(room as u64).read_until(b'\n', &mut self.raw).map_err(unreadable)?;
            if read == 0 && self.raw.is_empty() {
                return Ok(false);
            }
            self.next_line += i64::from(read > 0);
            if self.raw.len() > LONGEST {
                if self.raw.last() != Some(&b'\n') {
                    self.lines.skip_until(b'\n').map_err(unreadable)?;
                }
                return Err((1204, "Input data exceeded the length of 4 MB"));
            }
            // Inside quotes, or behind a backslash that escapes it, a line's end belongs to the value.
            let open = if csv {
                self.raw.iter().filter(|byte| **byte == self.copy.quote).count() % 2 == 1
            } else {
                let text = self.raw.strip_suffix(b"\n").unwrap_or(&self.raw);
                self.copy.escape && text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
            };
            if !open {
                break;
            }
            if read == 0 {
                return Err(if csv {
                    (1214, "Delimited value missing end quote")
                } else {
                    (1216, "Invalid input line")
                });
            }
        }
        while matches!(self.raw.last(), Some(b'\n' | b'\r')) {
            self.raw.pop();
        }
        Ok(true)
    }
}

fn csv(raw: &[u8], copy: &CopyStatement, fields: &mut Vec<Cell>) -> Result<(), Wrong> {
    let (mut value, mut quoted, mut inside, mut at) = (Vec::new(), false, false, 0);
    while let Some(&byte) = raw.get(at) {
        at += 1;
        if byte == copy.quote {
            if inside && raw.get(at) == Some(&copy.quote) {
                value.push(byte);
                at += 1;
            } else if inside || value.is_empty() {
                (inside, quoted) = (!inside, true);
            } else {
                return Err((1214, "Invalid quote formatting for CSV"));
            }
        } else if byte == copy.delimiter && !inside {
            fields.push(Cell::Text { value: std::mem::take(&mut value), quoted: std::mem::take(&mut quoted) });
        } else {
            value.push(byte);
        }
    }
    fields.push(Cell::Text { value, quoted });
    Ok(())
}

fn delimited(raw: &[u8], copy: &CopyStatement, fields: &mut Vec<Cell>) {
    let (mut value, mut escaped, mut at) = (Vec::new(), false, 0);
    let mut quote = None;
    let mut done = |value: &mut Vec<u8>, escaped: &mut bool| {
        fields.push(Cell::Text { value: std::mem::take(value), quoted: std::mem::take(escaped) });
    };
    while let Some(&byte) = raw.get(at) {
        at += 1;
        if copy.escape && byte == b'\\' && at < raw.len() {
            // The text for null is told by its own backslash.
            let null = quote.is_none() && value.is_empty() && raw[at - 1..].starts_with(copy.null_as.as_bytes());
            if null && raw.get(at - 1 + copy.null_as.len()).is_none_or(|next| *next == copy.delimiter) {
                value.push(byte);
                continue;
            }
            value.push(raw[at]);
            escaped = true;
            at += 1;
        } else if copy.remove_quotes && quote == Some(byte) {
            quote = None;
            escaped = true;
        } else if copy.remove_quotes && quote.is_none() && value.is_empty() && matches!(byte, b'"' | b'\'') {
            quote = Some(byte);
        } else if byte == copy.delimiter && quote.is_none() {
            done(&mut value, &mut escaped);
        } else {
            value.push(byte);
        }
    }
    done(&mut value, &mut escaped);
}

fn fixed(raw: &[u8], widths: &[usize], fields: &mut Vec<Cell>) -> Result<(), Wrong> {
    let text = str::from_utf8(raw).map_err(|_| (1220, "String contains invalid or unsupported UTF8 codepoints"))?;
    let mut chars = text.chars();
    for width in widths {
        let field: String = chars.by_ref().take(*width).collect();
        // What fills a field up is not part of its value.
        fields.push(Cell::Text { value: field.trim_end_matches(' ').as_bytes().to_vec(), quoted: false });
    }
    match chars.next() {
        Some(_) => Err((1202, "Extra column(s) found")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::lexer::{Lexed, tokens},
        *,
    };

    fn records(options: &str, text: &str) -> Result<Vec<Vec<String>>, Wrong> {
        let sql = format!("copy t from 's3://b/k' iam_role default {options}");
        let tokens = tokens(&sql);
        let copy = CopyStatement::parse(&Lexed::new(&sql, &tokens)).expect("valid");
        let target = Target { oid: 0, columns: Vec::new() };
        let mut records = Records::new(Box::new(text.as_bytes()), &copy, &target, None);
        let (mut all, mut fields) = (Vec::new(), Vec::new());
        while records.next(&mut fields)? {
            let text = |cell: &Cell| match cell {
                Cell::Text { value, .. } => String::from_utf8_lossy(value).into_owned(),
                other => format!("{other:?}"),
            };
            all.push(fields.iter().map(text).collect());
        }
        Ok(all)
    }

    #[test]
    fn csv_quotes_delimiters_and_line_ends() {
        let all = records("csv", "a,\"b,\"\"c\"\"\nd\"\r\n,\n").expect("read");
        assert_eq!(all, [vec!["a".to_owned(), "b,\"c\"\nd".to_owned()], vec![String::new(), String::new()]]);
        assert_eq!(records("csv", "\"open"), Err((1214, "Delimited value missing end quote")));
    }

    #[test]
    fn text_has_bars_and_no_quotes_unless_they_are_removed() {
        assert_eq!(records("", "a|\"b\"|\n").expect("read"), [["a", "\"b\"", ""]]);
        assert_eq!(records("removequotes", "'a|x'|\"b\"|c\"\n").expect("read"), [["a|x", "b", "c\""]]);
    }

    #[test]
    fn a_record_that_is_too_long_is_not_kept_and_the_next_one_is_whole() {
        let text = format!("{}|b\nc|d\n", "a".repeat(3 * LONGEST));
        let sql = "copy t from 's3://b/k' iam_role default";
        let tokens = tokens(sql);
        let copy = CopyStatement::parse(&Lexed::new(sql, &tokens)).expect("valid");
        let target = Target { oid: 0, columns: Vec::new() };
        let mut records = Records::new(Box::new(text.as_bytes()), &copy, &target, None);
        let mut fields = Vec::new();
        assert_eq!(records.next(&mut fields).map_err(|wrong| wrong.0), Err(1204));
        assert!(records.raw.len() <= LONGEST + 1);
        assert_eq!(records.next(&mut fields), Ok(true));
        assert_eq!((records.line, records.raw.as_slice()), (2, &b"c|d"[..]));
    }

    #[test]
    fn a_backslash_escapes_where_it_is_asked_to() {
        assert_eq!(records("escape", "a\\|b|c\\\\|d\\\ne|\\N\n").expect("read"), [["a|b", "c\\", "d\ne", "\\N"]]);
        assert_eq!(records("", "a\\|b\n").expect("read"), [["a\\", "b"]]);
    }

    #[test]
    fn widths_are_in_characters_and_blank_lines_may_go() {
        let all = records("fixedwidth 'a:3,b:2' ignoreblanklines", "äö x \n\nabcde\n").expect("read");
        assert_eq!(all, [["äö", "x"], ["abc", "de"]]);
        assert_eq!(records("fixedwidth 'a:1'", "ab\n").map_err(|wrong| wrong.0), Err(1202));
    }
}
