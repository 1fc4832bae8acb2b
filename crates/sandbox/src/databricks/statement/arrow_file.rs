//! One chunk of a result as an Arrow stream, with what the service makes awkward about it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::RecordBatch,
    compute::concat_batches,
    datatypes::{Field, Schema, SchemaRef},
    ipc::writer::StreamWriter,
};
use lz4_flex::frame::FrameEncoder;

use crate::databricks::{
    error::{SqlError, SqlResult},
    quirks::Quirks,
};

/// Writes one file; each Arrow message becomes an LZ4 frame of its own if the service's way is asked for.
pub(super) struct ArrowFile<W: Write> {
    schema: SchemaRef,
    stream: StreamWriter<Buffer>,
    buffer: Buffer,
    out: Output<W>,
    last: Option<RecordBatch>,
    padding: usize,
    split: bool,
    bytes: u64,
}

enum Output<W: Write> {
    Plain(W),
    Frames(W),
    Frame(Box<FrameEncoder<W>>),
}

/// What the Arrow writer has written since the last look.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> ArrowFile<W> {
    pub(super) fn create(out: W, schema: &SchemaRef, lz4: bool, quirks: &Quirks) -> SqlResult<Self> {
        let schema = if quirks.stale_names { stale(schema) } else { Arc::clone(schema) };
        let buffer = Buffer::default();
        let stream = StreamWriter::try_new(buffer.clone(), &schema)?;
        let out = match (lz4, quirks.split_frames) {
            (false, _) => Output::Plain(out),
            (true, true) => Output::Frames(out),
            (true, false) => Output::Frame(Box::new(FrameEncoder::new(out))),
        };
        let mut file = Self {
            schema,
            stream,
            buffer,
            out,
            last: None,
            padding: quirks.padding_rows,
            split: quirks.split_frames,
            bytes: 0,
        };
        if file.split {
            file.flush()?;
        }
        Ok(file)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> SqlResult<()> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), batch.columns().to_vec(), &options)?;
        // The last batch waits for its padding.
        if let Some(before) = self.last.replace(batch) {
            self.stream.write(&before)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the file and tells its size before compression.
    pub(super) fn finish(mut self) -> SqlResult<u64> {
        if let Some(last) = self.last.take() {
            self.stream.write(&padded(last, self.padding)?)?;
            self.flush()?;
        }
        self.stream.finish()?;
        self.flush()?;
        match self.out {
            Output::Plain(mut out) | Output::Frames(mut out) => out.flush()?,
            Output::Frame(frame) => frame.finish().map_err(SqlError::io)?.flush()?,
        }
        Ok(self.bytes)
    }

    fn flush(&mut self) -> SqlResult<()> {
        let message = self.buffer.take();
        if message.is_empty() {
            return Ok(());
        }
        self.bytes += message.len() as u64;
        match &mut self.out {
            Output::Plain(out) => out.write_all(&message)?,
            Output::Frame(frame) => frame.write_all(&message)?,
            Output::Frames(out) => {
                let mut frame = FrameEncoder::new(out);
                frame.write_all(&message)?;
                frame.finish().map_err(SqlError::io)?;
            }
        }
        Ok(())
    }
}

/// A result cache remembers other names.
fn stale(schema: &SchemaRef) -> SchemaRef {
    let rename = |(index, field): (usize, &Arc<Field>)| field.as_ref().clone().with_name(format!("_c{index}"));
    Arc::new(Schema::new(schema.fields().iter().enumerate().map(rename).collect::<Vec<_>>()))
}

/// The batch with its last row repeated.
fn padded(batch: RecordBatch, rows: usize) -> SqlResult<RecordBatch> {
    if rows == 0 || batch.num_rows() == 0 {
        return Ok(batch);
    }
    let last = batch.slice(batch.num_rows() - 1, 1);
    let schema = batch.schema();
    if schema.fields().is_empty() {
        return Ok(batch);
    }
    let all: Vec<RecordBatch> = std::iter::once(batch).chain(std::iter::repeat_n(last, rows)).collect();
    Ok(concat_batches(&schema, &all)?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use arrow::{array::Int64Array, ipc::reader::StreamReader};
    use lz4_flex::frame::FrameDecoder;

    use super::*;

    fn batch(values: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(values.to_vec())) as arrow::array::ArrayRef)])
            .unwrap()
    }

    fn written(lz4: bool, quirks: &Quirks) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let batch = batch(&[1, 2]);
        let mut file = ArrowFile::create(&mut out, &batch.schema(), lz4, quirks).unwrap();
        file.write(&batch).unwrap();
        file.write(&batch).unwrap();
        let bytes = file.finish().unwrap();
        (out, bytes)
    }

    fn rows(stream: &[u8]) -> (usize, String) {
        let reader = StreamReader::try_new(stream, None).unwrap();
        let name = reader.schema().field(0).name().clone();
        (reader.map(|batch| batch.unwrap().num_rows()).sum(), name)
    }

    #[test]
    fn a_compressed_file_is_a_frame_for_each_message_so_the_first_alone_has_no_rows() {
        let (file, bytes) = written(true, &Quirks::default());
        let frames = file.windows(4).filter(|window| window == &[0x04, 0x22, 0x4d, 0x18]).count();
        assert_eq!(frames, 4);
        let mut first = Vec::new();
        FrameDecoder::new(&file[..]).read_to_end(&mut first).unwrap();
        assert!((first.len() as u64) < bytes);
    }

    #[test]
    fn with_one_frame_one_read_is_enough() {
        let quirks = Quirks { split_frames: false, ..Quirks::default() };
        let (file, bytes) = written(true, &quirks);
        let mut all = Vec::new();
        FrameDecoder::new(&file[..]).read_to_end(&mut all).unwrap();
        assert_eq!(all.len() as u64, bytes);
    }

    #[test]
    fn a_file_holds_more_rows_than_it_should_under_names_that_are_not_the_manifests() {
        assert_eq!(rows(&written(false, &Quirks::default()).0), (7, "_c0".to_owned()));
        let plain = Quirks { padding_rows: 0, stale_names: false, ..Quirks::default() };
        assert_eq!(rows(&written(false, &plain).0), (4, "id".to_owned()));
    }
}
