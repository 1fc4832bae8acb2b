//! Splits rows into Parquet files of about one size.

use ::parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::Compression,
    file::properties::WriterProperties,
};
use arrow::{array::RecordBatch, compute::BatchCoalescer, datatypes::SchemaRef};
use bytes::Bytes;
use twinhouse_core::{Error, ErrorKind, Result};

/// Rows are written in steps of this many, counted from the first, and files end between steps: the same rows make
/// the same files however they were batched.
const STEP: usize = 1024;
/// A COPY INTO names at most this many files.
pub(crate) const MOST_PARTS: usize = 1000;
/// After so many files they grow, so that a large load is not refused for its size.
const GROW_EVERY: usize = 250;
/// The least that files grow to.
const GROWN: usize = 1 << 20;

/// One finished file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) rows: u64,
    pub(super) content: Bytes,
}

/// Turns rows into files. What has been pushed is held only until its file is full.
pub(super) struct Splitter {
    schema: SchemaRef,
    target: usize,
    steps: BatchCoalescer,
    writer: Option<ArrowWriter<Vec<u8>>>,
    rows: u64,
    finished: usize,
}

impl Splitter {
    pub(super) fn new(schema: SchemaRef, target: usize) -> Self {
        let steps = BatchCoalescer::new(schema.clone(), STEP);
        Self { schema, target, steps, writer: None, rows: 0, finished: 0 }
    }

    /// Takes rows and gives back the files that they filled.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        // Bounded, however large the caller's batch is.
        for start in (0..batch.num_rows()).step_by(STEP) {
            let rows = batch.slice(start, STEP.min(batch.num_rows() - start));
            self.steps.push_batch(rows).map_err(failed)?;
            while let Some(step) = self.steps.next_completed_batch() {
                parts.extend(self.write(&step)?);
            }
        }
        Ok(parts)
    }

    /// The last file, unless there is nothing left.
    pub(super) fn finish(&mut self) -> Result<Option<Part>> {
        self.steps.finish_buffered_batch().map_err(failed)?;
        while let Some(step) = self.steps.next_completed_batch() {
            if let Some(part) = self.write(&step)? {
                return Ok(Some(part));
            }
        }
        self.close()
    }

    fn write(&mut self, step: &RecordBatch) -> Result<Option<Part>> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            slot => slot.insert(open(self.schema.clone()).map_err(failed)?),
        };
        writer.write(step).map_err(failed)?;
        self.rows += step.num_rows() as u64;
        let size = writer.bytes_written() + writer.in_progress_size();
        if size < self.wanted() { Ok(None) } else { self.close() }
    }

    fn wanted(&self) -> usize {
        match self.finished / GROW_EVERY {
            0 => self.target,
            grown => self.target.max(GROWN).saturating_mul(1 << grown.min(16)),
        }
    }

    fn close(&mut self) -> Result<Option<Part>> {
        let Some(writer) = self.writer.take() else { return Ok(None) };
        if self.finished == MOST_PARTS {
            return Err(Error::new(ErrorKind::InvalidInput, "the load needs more than 1000 files")
                .with_context("cure", "a larger target file size"));
        }
        self.finished += 1;
        let content = writer.into_inner().map_err(failed)?.into();
        Ok(Some(Part { rows: std::mem::take(&mut self.rows), content }))
    }
}

fn open(schema: SchemaRef) -> ::parquet::errors::Result<ArrowWriter<Vec<u8>>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        // Names inside lists and maps as the Parquet format wants them, not as Arrow has them.
        .set_coerce_types(true)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(Vec::new(), schema, options)
}

fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Data, "the rows cannot be written as Parquet").with_source(cause)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use arrow::{
        array::{AsArray as _, Int64Array},
        datatypes::{DataType, Field, Int64Type, Schema},
    };

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]))
    }

    /// All parts of the numbers up to `rows`, pushed in batches of this size.
    fn split(rows: i64, batch: usize, target: usize) -> Vec<Part> {
        let mut splitter = Splitter::new(schema(), target);
        let mut parts = Vec::new();
        let numbers: Vec<i64> = (0..rows).map(|n| n.wrapping_mul(0x5851_f42d_4c95_7f2d)).collect();
        for chunk in numbers.chunks(batch) {
            let batch = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(chunk.to_vec()))]).unwrap();
            parts.extend(splitter.push(batch).unwrap());
        }
        parts.extend(splitter.finish().unwrap());
        parts
    }

    #[test]
    fn the_same_rows_make_the_same_files_however_they_are_batched() {
        let whole = split(50_000, 50_000, 100_000);
        assert!(whole.len() > 2, "{}", whole.len());
        for batch in [1000, 1024, 7777] {
            let other = split(50_000, batch, 100_000);
            assert_eq!(whole.len(), other.len());
            assert!(whole.iter().zip(&other).all(|(a, b)| a.content == b.content && a.rows == b.rows), "{batch}");
        }
    }

    #[test]
    fn every_row_is_in_exactly_one_file() {
        let mut read = Vec::new();
        for part in split(5_000, 333, 1) {
            let reader = ParquetRecordBatchReaderBuilder::try_new(part.content).unwrap().build().unwrap();
            let before = read.len();
            for batch in reader {
                read.extend_from_slice(batch.unwrap().column(0).as_primitive::<Int64Type>().values());
            }
            assert_eq!((read.len() - before) as u64, part.rows);
        }
        assert!(read.iter().enumerate().all(|(n, value)| *value == (n as i64).wrapping_mul(0x5851_f42d_4c95_7f2d)));
        assert_eq!(read.len(), 5_000);
    }

    #[test]
    fn nothing_makes_no_file() {
        assert!(split(0, 10, 1).is_empty());
    }

    #[test]
    fn many_files_grow_rather_than_become_too_many() {
        let splitter = Splitter { finished: 600, ..Splitter::new(schema(), 32 << 20) };
        assert_eq!(splitter.wanted(), 128 << 20);
        assert!(split(600_000, 50_000, 1).len() < 400);
    }
}
