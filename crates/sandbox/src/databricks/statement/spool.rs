//! Writes a result as it comes: to one file for each chunk, or inline.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::PathBuf,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;

use super::{
    answer::{Answer, Body, Chunk, Column},
    arrow_file::ArrowFile,
    json,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    quirks::Quirks,
};

/// The most bytes of one inline chunk.
const INLINE_CHUNK: usize = 5 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Inline,
    ExternalLinks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    JsonArray,
    ArrowStream,
    Csv,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::JsonArray => "JSON_ARRAY",
            Self::ArrowStream => "ARROW_STREAM",
            Self::Csv => "CSV",
        }
    }
}

/// How the caller wants the result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) disposition: Disposition,
    pub(crate) format: Format,
    pub(crate) lz4: bool,
    pub(crate) row_limit: Option<u64>,
    pub(crate) byte_limit: Option<u64>,
}

/// Takes batches and makes chunks.
pub(super) struct Spool {
    shape: Shape,
    quirks: Quirks,
    schema: SchemaRef,
    columns: Vec<Column>,
    folder: PathBuf,
    chunks: Vec<Chunk>,
    inline: Vec<Bytes>,
    inline_bytes: usize,
    open: Option<Open>,
    rows: u64,
    bytes: u64,
    truncated: bool,
}

/// The chunk that is being written.
struct Open {
    writer: Writer,
    offset: u64,
    rows: u64,
    bytes: usize,
}

enum Writer {
    Arrow(Box<ArrowFile<BufWriter<File>>>),
    Text { out: Option<BufWriter<File>>, buffer: Vec<u8>, first: bool, written: u64 },
}

impl Spool {
    pub(super) fn new(shape: Shape, quirks: &Quirks, schema: SchemaRef, folder: PathBuf) -> SqlResult<Self> {
        if shape.disposition == Disposition::ExternalLinks {
            fs::create_dir_all(&folder)?;
        }
        Ok(Self {
            shape,
            quirks: quirks.clone(),
            columns: Column::of(&schema)?,
            schema,
            folder,
            chunks: Vec::new(),
            inline: Vec::new(),
            inline_bytes: 0,
            open: None,
            rows: 0,
            bytes: 0,
            truncated: false,
        })
    }

    /// Takes a batch; false when the caller's limit is reached and the rest need not be computed.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> SqlResult<bool> {
        let mut batch = batch.clone();
        if let Some(limit) = self.shape.row_limit {
            let room = limit - self.rows;
            if batch.num_rows() as u64 > room {
                batch = batch.slice(0, room as usize);
                self.truncated = true;
            }
        }
        while batch.num_rows() > 0 {
            let filled = self.open.as_ref().map_or(0, |open| open.rows as usize);
            let piece = batch.slice(0, batch.num_rows().min(self.quirks.chunk_rows.max(1) - filled));
            batch = batch.slice(piece.num_rows(), batch.num_rows() - piece.num_rows());
            self.write(&piece)?;
            if self.shape.byte_limit.is_some_and(|limit| self.bytes >= limit) {
                self.truncated |= batch.num_rows() > 0;
                // Whether there is more, only the next batch can tell.
                if self.truncated {
                    return Ok(false);
                }
            }
        }
        Ok(!self.truncated)
    }

    fn write(&mut self, piece: &RecordBatch) -> SqlResult<()> {
        // Without a byte left there must be no row.
        if self.shape.byte_limit.is_some_and(|limit| self.bytes >= limit) {
            self.truncated = true;
            return Ok(());
        }
        if self.open.is_none() {
            self.open = Some(self.begin()?);
        }
        let Some(open) = &mut self.open else { return Err(SqlError::internal("no chunk")) };
        match &mut open.writer {
            Writer::Arrow(file) => {
                file.write(piece)?;
                open.bytes += piece.get_array_memory_size().min(slice_bytes(piece));
            }
            Writer::Text { out, buffer, first, written } => {
                match self.shape.format {
                    Format::Csv => json::append_csv(piece, buffer)?,
                    _ => json::append_rows(piece, first, buffer)?,
                }
                open.bytes = *written as usize + buffer.len();
                if let Some(out) = out {
                    out.write_all(buffer)?;
                    *written += buffer.len() as u64;
                    buffer.clear();
                }
            }
        }
        open.rows += piece.num_rows() as u64;
        self.rows += piece.num_rows() as u64;
        self.bytes += slice_bytes(piece) as u64;
        if self.shape.disposition == Disposition::Inline && self.inline_bytes + open.bytes > self.quirks.inline_bytes {
            return Err(inline_limit(self.quirks.inline_bytes));
        }
        let chunk_bytes = match self.shape.disposition {
            Disposition::Inline => INLINE_CHUNK.min(self.quirks.chunk_bytes),
            Disposition::ExternalLinks => self.quirks.chunk_bytes,
        };
        if open.rows as usize >= self.quirks.chunk_rows || open.bytes >= chunk_bytes {
            self.end()?;
        }
        Ok(())
    }

    fn begin(&self) -> SqlResult<Open> {
        let file = |spool: &Self| {
            Ok::<_, SqlError>(BufWriter::new(File::create(spool.folder.join(spool.chunks.len().to_string()))?))
        };
        let writer = match (self.shape.disposition, self.shape.format) {
            (_, Format::ArrowStream) => {
                let file = ArrowFile::create(file(self)?, &self.schema, self.shape.lz4, &self.quirks)?;
                Writer::Arrow(Box::new(file))
            }
            (disposition, format) => {
                let mut buffer = Vec::new();
                match format {
                    Format::Csv if self.chunks.is_empty() => {
                        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
                        json::append_csv_line(&names, &mut buffer);
                    }
                    Format::Csv => {}
                    _ => buffer.push(b'['),
                }
                let out = if disposition == Disposition::ExternalLinks { Some(file(self)?) } else { None };
                Writer::Text { out, buffer, first: true, written: 0 }
            }
        };
        Ok(Open { writer, offset: self.rows, rows: 0, bytes: 0 })
    }

    fn end(&mut self) -> SqlResult<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let byte_count = match open.writer {
            Writer::Arrow(file) => file.finish()?,
            Writer::Text { out, mut buffer, written, .. } => {
                if self.shape.format != Format::Csv {
                    buffer.push(b']');
                }
                let total = written + buffer.len() as u64;
                match out {
                    Some(mut out) => {
                        out.write_all(&buffer)?;
                        out.flush()?;
                    }
                    None => {
                        self.inline_bytes += buffer.len();
                        self.inline.push(buffer.into());
                    }
                }
                total
            }
        };
        self.chunks.push(Chunk { row_offset: open.offset, row_count: open.rows, byte_count });
        Ok(())
    }

    pub(super) fn finish(mut self) -> SqlResult<Answer> {
        self.end()?;
        let body = match self.shape.disposition {
            Disposition::Inline => Body::Inline(self.inline),
            Disposition::ExternalLinks => Body::Files(self.folder),
        };
        Ok(Answer { columns: self.columns, chunks: self.chunks, truncated: self.truncated, body })
    }
}

/// The bytes of a batch's own rows, not of the buffers that it shares.
fn slice_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
}

fn inline_limit(limit: usize) -> SqlError {
    let text = format!(
        "Statements executed with disposition=INLINE can have a result size of at most {limit} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download the full result."
    );
    SqlError::plain(format!("Inline byte limit exceeded. {text}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn spool(shape: Shape, quirks: &Quirks, batches: &[&[i64]]) -> SqlResult<(Answer, tempfile::TempDir)> {
        let folder = tempfile::tempdir().unwrap();
        let batch = |values: &[i64]| {
            RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]).unwrap()
        };
        let mut spool = Spool::new(shape, quirks, batch(&[]).schema(), folder.path().join("r"))?;
        for values in batches {
            if !spool.push(&batch(values))? {
                break;
            }
        }
        Ok((spool.finish()?, folder))
    }

    fn inline() -> Shape {
        Shape {
            disposition: Disposition::Inline,
            format: Format::JsonArray,
            lz4: false,
            row_limit: None,
            byte_limit: None,
        }
    }

    #[test]
    fn chunks_follow_one_another_without_gap() {
        let quirks = Quirks { chunk_rows: 3, ..Quirks::default() };
        let shape =
            Shape { disposition: Disposition::ExternalLinks, format: Format::ArrowStream, lz4: true, ..inline() };
        let (answer, _folder) = spool(shape, &quirks, &[&[1, 2], &[3, 4, 5, 6, 7]]).unwrap();
        let counts: Vec<_> = answer.chunks.iter().map(|chunk| (chunk.row_offset, chunk.row_count)).collect();
        assert_eq!(counts, [(0, 3), (3, 3), (6, 1)]);
        let Body::Files(folder) = &answer.body else { panic!() };
        assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
        assert!(!answer.truncated);
    }

    #[test]
    fn a_limit_cuts_and_says_so_only_if_there_was_more() {
        let limited = |limit| Shape { row_limit: Some(limit), ..inline() };
        let (cut, _folder) = spool(limited(2), &Quirks::default(), &[&[1, 2, 3]]).unwrap();
        assert_eq!((cut.rows(), cut.truncated), (2, true));
        let (whole, _folder) = spool(limited(3), &Quirks::default(), &[&[1, 2, 3]]).unwrap();
        assert_eq!((whole.rows(), whole.truncated), (3, false));
        let (cut, _folder) = spool(limited(3), &Quirks::default(), &[&[1, 2, 3], &[4]]).unwrap();
        assert_eq!((cut.rows(), cut.truncated), (3, true));
        let bytes = Shape { byte_limit: Some(16), ..inline() };
        let (cut, _folder) = spool(bytes, &Quirks::default(), &[&[1, 2], &[3]]).unwrap();
        assert_eq!((cut.rows(), cut.truncated), (2, true));
    }

    #[test]
    fn an_inline_result_has_its_limit() {
        let quirks = Quirks { inline_bytes: 40, ..Quirks::default() };
        assert!(spool(inline(), &quirks, &[&[1, 2]]).is_ok());
        let error = spool(inline(), &quirks, &[&[1; 30]]).err().unwrap();
        assert!(error.message().starts_with("Inline byte limit exceeded."));
    }
}
