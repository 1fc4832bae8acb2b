//! CSV and delimited text as the engine's text COPY stream: one record, one line.

use std::io::{BufRead, BufReader};

use bytes::{BufMut as _, BytesMut};

use super::{options::CopyStatement, options::Format, source::Input, target::Target};

const PIECE: usize = 256 * 1024;
/// A record longer than this is refused by the service.
const LONGEST: usize = 4 << 20;

/// A record that does not fit, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) file: String,
    pub(super) line: i64,
    pub(super) column: Option<usize>,
    pub(super) code: i32,
    pub(super) reason: String,
    pub(super) raw_line: String,
    pub(super) raw_value: String,
}

/// Where the records of a file stand in the stream.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) file: String,
    /// The first record's line in the stream, from 1.
    pub(super) first: i64,
    /// Lines of the file before its first record.
    pub(super) skipped: i64,
}

/// Reads the files and hands over pieces of the stream; false from `send` ends it early.
pub(super) fn read(
    inputs: Vec<Input>,
    copy: &CopyStatement,
    target: &Target,
    mut send: impl FnMut(BytesMut) -> bool,
) -> Result<Vec<Span>, Box<Misfit>> {
    let (mut rows, mut spans) = (0_i64, Vec::new());
    let mut out = BytesMut::new();
    for input in inputs {
        let file = input.at.url();
        let skipped = i64::try_from(copy.ignore_header).unwrap_or_default();
        spans.push(Span { file: file.clone(), first: rows + 1, skipped });
        let mut records = Records { lines: BufReader::with_capacity(PIECE, input.file), copy, line: 0 };
        for _ in 0..copy.ignore_header {
            records.skip_line();
        }
        let mut fields = Vec::new();
        loop {
            let found = records.next(&mut fields);
            rows += 1;
            let line = spans.last().map_or(rows, |span| rows - span.first + 1 + span.skipped);
            let misfit = |code, column, reason: &str, value: &[u8]| {
                Box::new(Misfit {
                    file: file.clone(),
                    line,
                    column,
                    code,
                    reason: reason.to_owned(),
                    raw_line: String::new(),
                    raw_value: String::from_utf8_lossy(value).into_owned(),
                })
            };
            match found {
                Ok(true) => {}
                Ok(false) => {
                    rows -= 1;
                    break;
                }
                Err((code, reason)) => return Err(misfit(code, None, reason, b"")),
            }
            let wanted = target.columns.len();
            if fields.len() > wanted {
                return Err(misfit(1202, None, "Extra column(s) found", b""));
            }
            if fields.len() < wanted && !copy.fill_record {
                return Err(misfit(1203, Some(fields.len()), "Delimiter not found", b""));
            }
            for (i, column) in target.columns.iter().enumerate() {
                if i > 0 {
                    out.put_u8(b'\t');
                }
                let Some(field) = fields.get(i) else {
                    out.put_slice(b"\\N");
                    continue;
                };
                let text = column.kind.is_text();
                let blank = field.value.iter().all(|byte| *byte == b' ');
                let null = (!field.quoted && field.value == copy.null_as.as_bytes())
                    || (field.value.is_empty() && (!text || copy.empty_as_null))
                    || (text && blank && copy.blanks_as_null);
                if null {
                    if column.not_null {
                        return Err(misfit(1213, Some(i), "Missing data for not-null field", b""));
                    }
                    out.put_slice(b"\\N");
                    continue;
                }
                if std::str::from_utf8(&field.value).is_err() {
                    return Err(misfit(
                        1220,
                        Some(i),
                        "String contains invalid or unsupported UTF8 codepoints",
                        &field.value,
                    ));
                }
                if let super::target::Type::Varchar(length) | super::target::Type::Char(length) = column.kind
                    && field.value.len() > length
                {
                    return Err(misfit(1204, Some(i), "String length exceeds DDL length", &field.value));
                }
                escape(&field.value, &mut out);
            }
            out.put_u8(b'\n');
            if out.len() >= PIECE && !send(std::mem::take(&mut out)) {
                return Ok(spans);
            }
        }
    }
    send(out);
    Ok(spans)
}

fn escape(value: &[u8], out: &mut BytesMut) {
    for &byte in value {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            other => out.put_u8(other),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct FieldText {
    value: Vec<u8>,
    quoted: bool,
}

struct Records<'a, R> {
    lines: R,
    copy: &'a CopyStatement,
    line: u64,
}

impl<R: BufRead> Records<'_, R> {
    fn skip_line(&mut self) {
        let _ = self.lines.read_until(b'\n', &mut Vec::new());
        self.line += 1;
    }

    /// The next record; false at the end of the file.
    fn next(&mut self, fields: &mut Vec<FieldText>) -> Result<bool, (i32, &'static str)> {
        fields.clear();
        let mut raw = Vec::new();
        let csv = self.copy.format == Format::Csv;
        loop {
            let read = self.lines.read_until(b'\n', &mut raw).map_err(|_| (1200, "Unknown parse error"))?;
            if read == 0 && raw.is_empty() {
                return Ok(false);
            }
            self.line += 1;
            if raw.len() > LONGEST {
                return Err((1204, "Input data exceeded the length of 4 MB"));
            }
            // Inside quotes a line's end belongs to the value.
            let open = csv && raw.iter().filter(|byte| **byte == self.copy.quote).count() % 2 == 1;
            if !open {
                break;
            }
            if read == 0 {
                return Err((1214, "Delimited value missing end quote"));
            }
        }
        let mut end = raw.len();
        while end > 0 && matches!(raw[end - 1], b'\n' | b'\r') {
            end -= 1;
        }
        self.split(&raw[..end], csv, fields)?;
        Ok(true)
    }

    fn split(&self, raw: &[u8], csv: bool, fields: &mut Vec<FieldText>) -> Result<(), (i32, &'static str)> {
        let (delimiter, quote) = (self.copy.delimiter, self.copy.quote);
        let mut field = FieldText::default();
        let (mut at, mut inside) = (0, false);
        while let Some(&byte) = raw.get(at) {
            at += 1;
            if csv && byte == quote {
                if inside && raw.get(at) == Some(&quote) {
                    field.value.push(quote);
                    at += 1;
                } else if inside || field.value.is_empty() {
                    (inside, field.quoted) = (!inside, true);
                } else {
                    return Err((1214, "Invalid quote formatting for CSV"));
                }
            } else if byte == delimiter && !inside {
                fields.push(std::mem::take(&mut field));
            } else {
                field.value.push(byte);
            }
        }
        fields.push(field);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::lexer::{Lexed, tokens},
        *,
    };

    fn records(sql: &str, text: &str) -> Result<Vec<Vec<String>>, (i32, &'static str)> {
        let tokens = tokens(sql);
        let copy = CopyStatement::parse(&Lexed::new(sql, &tokens)).expect("valid");
        let mut records = Records { lines: text.as_bytes(), copy: &copy, line: 0 };
        let (mut all, mut fields) = (Vec::new(), Vec::new());
        while records.next(&mut fields)? {
            all.push(fields.iter().map(|field| String::from_utf8_lossy(&field.value).into_owned()).collect());
        }
        Ok(all)
    }

    #[test]
    fn csv_quotes_delimiters_and_line_ends() {
        let all = records("copy t from 's3://b/k' iam_role default csv", "a,\"b,\"\"c\"\"\nd\"\r\n,\n").expect("read");
        assert_eq!(all, [vec!["a".to_owned(), "b,\"c\"\nd".to_owned()], vec![String::new(), String::new()]]);
        assert_eq!(
            records("copy t from 's3://b/k' iam_role default csv", "\"open"),
            Err((1214, "Delimited value missing end quote"))
        );
    }

    #[test]
    fn text_has_bars_and_no_quotes() {
        let all = records("copy t from 's3://b/k' iam_role default", "a|\"b\"|\n").expect("read");
        assert_eq!(all, [["a", "\"b\"", ""]]);
    }
}
