//! Files of text as the engine's text COPY stream: one record, one line. Bad records are left out, up to a number.

use bytes::{BufMut as _, BytesMut};

use super::{
    json::Parts,
    open::reader,
    options::CopyStatement,
    record::Records,
    source::Input,
    target::Target,
    value::{self, Cell},
};

const PIECE: usize = 256 * 1024;
/// Of what does not fit, in bytes: the views show 1024 characters.
const SHOWN: usize = 4096;

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

/// What was read of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) file: String,
    pub(super) bytes: u64,
    /// The first record's line in the stream, from 1.
    pub(super) first: i64,
    /// Lines of the file before its first record.
    pub(super) skipped: i64,
    pub(super) lines: i64,
    pub(super) errors: i64,
}

/// What was read of all files.
#[derive(Clone, Debug, Default)]
pub(super) struct Fed {
    pub(super) spans: Vec<Span>,
    pub(super) misfits: Vec<Misfit>,
    /// There were more misfits than are let pass.
    pub(super) failed: bool,
}

/// Reads the files and hands over pieces of the stream; false from `send` ends it early.
pub(super) fn read(
    inputs: Vec<Input>,
    copy: &CopyStatement,
    target: &Target,
    parts: Option<&Parts>,
    mut send: impl FnMut(BytesMut) -> bool,
) -> Fed {
    let mut fed = Fed::default();
    let (mut rows, mut out, mut fields) = (0_i64, BytesMut::new(), Vec::new());
    for input in inputs {
        let skipped = i64::try_from(copy.ignore_header).unwrap_or_default();
        let span = Span { file: input.at.url(), bytes: input.size, first: rows + 1, skipped, ..Span::default() };
        fed.spans.push(span);
        let lines = match reader(input.file, copy.compression) {
            Ok(lines) => lines,
            Err(_) => {
                fed.note(
                    copy,
                    Misfit { line: 1, code: 1200, reason: "Unknown parse error".to_owned(), ..Misfit::default() },
                );
                continue;
            }
        };
        let mut records = Records::new(lines, copy, target, parts);
        for _ in 0..copy.ignore_header {
            records.skip_line();
        }
        loop {
            let start = out.len();
            let wrong = match records.next(&mut fields) {
                Ok(false) => break,
                Ok(true) => row(&fields, copy, target, &mut out).err(),
                Err((code, reason)) => Some((code, reason, None)),
            };
            if let Some(span) = fed.spans.last_mut() {
                span.lines = records.line;
            }
            match wrong {
                None => rows += 1,
                Some((code, reason, column)) => {
                    out.truncate(start);
                    let raw_value = match column.and_then(|at| fields.get(at)) {
                        Some(Cell::Text { value, .. }) => beginning(value),
                        _ => String::new(),
                    };
                    let raw_line = beginning(&records.raw);
                    let misfit = Misfit {
                        line: records.line,
                        column,
                        code,
                        reason: reason.to_owned(),
                        raw_line,
                        raw_value,
                        ..Misfit::default()
                    };
                    fed.note(copy, misfit);
                    // What cannot be read does not become readable.
                    if fed.failed || code == 1200 {
                        break;
                    }
                }
            }
            if out.len() >= PIECE && !send(std::mem::take(&mut out)) {
                return fed;
            }
        }
        if fed.failed {
            return fed;
        }
    }
    send(out);
    fed
}

fn beginning(raw: &[u8]) -> String {
    String::from_utf8_lossy(&raw[..raw.len().min(SHOWN)]).into_owned()
}

impl Fed {
    fn note(&mut self, copy: &CopyStatement, misfit: Misfit) {
        if let Some(span) = self.spans.last_mut() {
            span.errors += 1;
            self.misfits.push(Misfit { file: span.file.clone(), ..misfit });
        }
        self.failed = copy.max_errors.is_some_and(|most| self.misfits.len() >= most);
    }
}

/// Appends a line of the stream.
fn row(
    fields: &[Cell],
    copy: &CopyStatement,
    target: &Target,
    out: &mut BytesMut,
) -> Result<(), (i32, &'static str, Option<usize>)> {
    let wanted = target.columns.len();
    if fields.len() > wanted {
        return Err((1202, "Extra column(s) found", None));
    }
    if fields.len() < wanted && !copy.fill_record {
        return Err((1203, "Delimiter not found", Some(fields.len())));
    }
    for (i, column) in target.columns.iter().enumerate() {
        if i > 0 {
            out.put_u8(b'\t');
        }
        let cell = fields.get(i).unwrap_or(&Cell::Missing);
        match value::read(cell, column, copy).map_err(|(code, reason)| (code, reason, Some(i)))? {
            None => out.put_slice(b"\\N"),
            Some(text) => escape(text.as_bytes(), out),
        }
    }
    out.put_u8(b'\n');
    Ok(())
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
