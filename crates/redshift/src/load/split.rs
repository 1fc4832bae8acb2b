//! Splits rows into files of about one size.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::Compression,
    errors::ParquetError,
    file::properties::WriterProperties,
};
use twinhouse_core::{Error, ErrorKind, Result};

use super::{csv, upload::Format};

/// Rows are written in steps of at most this many; files end between steps.
const STEP: usize = 1024;
/// A file goes to the store in one request, which takes 5 GB; this much is held in memory at the most.
const LARGEST: usize = 1 << 30;

/// One finished file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) rows: u64,
    pub(super) content: Bytes,
}

/// Turns rows into files. What was fed is held until it is written, what is written until its file is full.
pub(super) struct Splitter {
    schema: SchemaRef,
    format: Format,
    target: usize,
    fed: Option<Fed>,
    writer: Option<Writer>,
    rows: u64,
}

/// A file that is being written.
enum Writer {
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Csv(Vec<u8>),
}

/// Rows of which some are written.
struct Fed {
    batch: RecordBatch,
    written: usize,
    step: usize,
}

impl Splitter {
    pub(super) fn new(schema: SchemaRef, format: Format, target: usize) -> Self {
        Self { schema, format, target: target.clamp(1, LARGEST), fed: None, writer: None, rows: 0 }
    }

    /// Whether a file is begun.
    pub(super) fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    /// Takes rows. The ones before must have been written: [`next`](Self::next) has answered `None`.
    pub(super) fn feed(&mut self, batch: RecordBatch) {
        let step = step(&batch, self.target);
        self.fed = Some(Fed { batch, written: 0, step });
    }

    /// Writes what was fed until a file is full; `None` when all of it is written.
    pub(super) fn next(&mut self) -> Result<Option<File>> {
        while let Some(fed) = &mut self.fed {
            let count = fed.step.min(fed.batch.num_rows() - fed.written);
            if count == 0 {
                self.fed = None;
                break;
            }
            let rows = fed.batch.slice(fed.written, count);
            fed.written += count;
            if let Some(file) = self.write(&rows)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// The last file, unless there is nothing left.
    pub(super) fn finish(&mut self) -> Result<Option<File>> {
        let Some(writer) = self.writer.take() else { return Ok(None) };
        let content = match writer {
            Writer::Parquet(writer) => writer.into_inner().map_err(failed)?.into(),
            Writer::Csv(text) => text.into(),
        };
        Ok(Some(File { rows: std::mem::take(&mut self.rows), content }))
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<Option<File>> {
        if self.writer.is_none() {
            self.writer = Some(match self.format {
                Format::Parquet => Writer::Parquet(Box::new(open(self.schema.clone()).map_err(failed)?)),
                Format::Csv(_) => Writer::Csv(Vec::new()),
            });
        }
        let size = match (&mut self.writer, &self.format) {
            (Some(Writer::Parquet(writer)), _) => {
                writer.write(rows).map_err(failed)?;
                writer.bytes_written() + writer.in_progress_size()
            }
            (Some(Writer::Csv(text)), Format::Csv(json)) => {
                csv::write(rows, json, text)?;
                text.len()
            }
            _ => 0,
        };
        self.rows += rows.num_rows() as u64;
        if size < self.target { Ok(None) } else { self.finish() }
    }
}

/// How many of these rows may be written before the size of the file is looked at again.
fn step(batch: &RecordBatch, target: usize) -> usize {
    let size = |column: &arrow::array::ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
    let bytes: usize = batch.columns().iter().map(size).sum();
    let per_row = (bytes / batch.num_rows().max(1)).max(1);
    // A quarter: large values must not carry a file far beyond its size.
    (target / 4 / per_row).clamp(1, STEP)
}

fn open(schema: SchemaRef) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(Vec::new(), schema, options)
}

fn failed(cause: ParquetError) -> Error {
    Error::new(ErrorKind::Data, "the rows cannot be written as Parquet").with_source(cause)
}
