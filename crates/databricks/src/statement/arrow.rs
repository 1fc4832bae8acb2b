//! One downloaded file: LZ4 frames, or none, around an Arrow IPC stream.

use std::io::BufRead as _;

use arrow::{array::RecordBatch, buffer::Buffer, datatypes::SchemaRef, error::ArrowError, ipc::reader::StreamDecoder};
use bytes::{Buf as _, Bytes, buf::Reader};
use futures::{Stream, stream};
use lz4_flex::frame::FrameDecoder;
use tokio::task::spawn_blocking;
use twinhouse_core::{Error, ErrorKind, Result};

use super::conform;

const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// The rows of one file, batch by batch: exactly `rows` of them where that is known, although the file may hold more.
pub(super) fn batches(
    file: Bytes,
    rows: Option<u64>,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let decoder =
        Decoder { file: open(file), piece: Buffer::default(), arrow: StreamDecoder::new(), left: rows, schema };
    stream::try_unfold(decoder, |mut decoder| async move {
        // Decompression and decoding are work for a thread, not for the executor.
        let step = spawn_blocking(move || decoder.step().map(|batch| batch.map(|batch| (batch, decoder))));
        step.await.unwrap_or_else(|cause| {
            // Some of what is no Arrow makes the decoder panic instead of complain.
            let kind = if cause.is_panic() { ErrorKind::Protocol } else { ErrorKind::Internal };
            Err(Error::new(kind, "decoding of the downloaded rows broke off").with_source(cause))
        })
    })
}

struct Decoder {
    file: Unpacked,
    /// What has been unpacked and not yet been decoded.
    piece: Buffer,
    /// It takes no memory for what a length promises, only for what is there.
    arrow: StreamDecoder,
    left: Option<u64>,
    schema: SchemaRef,
}

impl Decoder {
    fn step(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.left == Some(0) {
                return Ok(None);
            }
            let Some(batch) = self.next().map_err(broken)? else {
                return match self.left {
                    Some(missing) => {
                        Err(Error::new(ErrorKind::Protocol, "a downloaded file holds fewer rows than announced")
                            .with_context("missing", missing.to_string()))
                    }
                    None => Ok(None),
                };
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = match &mut self.left {
                Some(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(batch.num_rows());
                    *left -= take as u64;
                    batch.slice(0, take)
                }
                None => batch,
            };
            return conform::batch(&batch, &self.schema).map(Some);
        }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if let Some(batch) = self.arrow.decode(&mut self.piece)? {
                return Ok(Some(batch));
            }
            match self.file.piece()? {
                Some(piece) => self.piece = piece,
                None => return self.arrow.finish().map(|()| None),
            }
        }
    }
}

/// A file, unpacked piece by piece.
enum Unpacked {
    Plain(Option<Bytes>),
    /// All frames of it: a decoder stops at the end of each, and the service writes one for each message.
    Lz4(Option<FrameDecoder<Reader<Bytes>>>),
}

/// The magic tells; the manifest may not.
fn open(file: Bytes) -> Unpacked {
    if file.starts_with(&LZ4_MAGIC) {
        Unpacked::Lz4(Some(FrameDecoder::new(file.reader())))
    } else {
        Unpacked::Plain(Some(file))
    }
}

impl Unpacked {
    fn piece(&mut self) -> Result<Option<Buffer>, ArrowError> {
        let frame = match self {
            Self::Plain(file) => return Ok(file.take().map(Buffer::from)),
            Self::Lz4(frame) => frame,
        };
        while let Some(decoder) = frame {
            let block = decoder.fill_buf()?;
            if !block.is_empty() {
                let (piece, read) = (Buffer::from(block), block.len());
                decoder.consume(read);
                return Ok(Some(piece));
            }
            // A decoder cannot go on with a frame whose blocks are of another size: each gets its own.
            let rest = frame.take().map(FrameDecoder::into_inner);
            *frame = rest.filter(|rest| rest.get_ref().has_remaining()).map(FrameDecoder::new);
        }
        Ok(None)
    }
}

fn broken(cause: ArrowError) -> Error {
    Error::new(ErrorKind::Protocol, "a downloaded file is not the Arrow stream that was announced").with_source(cause)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{io::Write as _, sync::Arc};

    use arrow::{
        array::{AsArray as _, Int64Array},
        datatypes::{DataType, Field, Int64Type, Schema},
        ipc::writer::StreamWriter,
    };
    use futures::TryStreamExt as _;
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};

    use super::*;

    pub(crate) fn numbers(name: &str, values: &[i64]) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
    }

    /// As the service writes it: one frame for the schema, one for each batch, one for the end.
    pub(crate) fn file(batches: &[RecordBatch], compress: bool) -> Bytes {
        let mut messages = Vec::new();
        let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
        let mut cut = |writer: &mut StreamWriter<Vec<u8>>| messages.push(std::mem::take(writer.get_mut()));
        cut(&mut writer);
        for batch in batches {
            writer.write(batch).unwrap();
            cut(&mut writer);
        }
        writer.finish().unwrap();
        cut(&mut writer);
        if !compress {
            return messages.concat().into();
        }
        let sizes = [BlockSize::Max64KB, BlockSize::Max4MB, BlockSize::Max256KB].into_iter().cycle();
        let frame = |(message, size): (Vec<u8>, BlockSize)| {
            let mut frame = FrameEncoder::with_frame_info(FrameInfo::new().block_size(size), Vec::new());
            frame.write_all(&message).unwrap();
            frame.finish().unwrap()
        };
        messages.into_iter().zip(sizes).map(frame).collect::<Vec<_>>().concat().into()
    }

    async fn read(file: Bytes, rows: Option<u64>, name: &str) -> Result<Vec<i64>> {
        let schema = numbers(name, &[]).schema();
        let batches: Vec<_> = batches(file, rows, schema.clone()).try_collect().await?;
        assert!(batches.iter().all(|batch| batch.schema() == schema));
        Ok(batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect())
    }

    #[tokio::test]
    async fn every_frame_is_read_not_only_the_first() {
        let batches = [numbers("n", &[1, 2]), numbers("n", &[3]), numbers("n", &[])];
        for compress in [true, false] {
            assert_eq!(read(file(&batches, compress), Some(3), "n").await.unwrap(), [1, 2, 3], "{compress}");
        }
    }

    #[tokio::test]
    async fn padding_rows_are_cut_off_and_stale_names_replaced() {
        let file = file(&[numbers("old", &[1, 2]), numbers("old", &[3, 4])], true);
        assert_eq!(read(file.clone(), Some(3), "new").await.unwrap(), [1, 2, 3]);
        assert_eq!(read(file.clone(), Some(0), "new").await.unwrap(), [0i64; 0]);
        assert_eq!(read(file, None, "new").await.unwrap(), [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn missing_rows_and_cut_files_are_errors() {
        let whole = file(&[numbers("n", &[1, 2])], true);
        let error = read(whole.clone(), Some(3), "n").await.unwrap_err();
        assert_eq!((error.kind(), error.context("missing")), (ErrorKind::Protocol, Some("1")));
        for end in [0, 3, 20, whole.len() / 2] {
            assert_eq!(read(whole.slice(..end), Some(2), "n").await.unwrap_err().kind(), ErrorKind::Protocol, "{end}");
        }
        let garbage = Bytes::from_static(b"<Error><Code>AccessDenied</Code></Error>");
        assert_eq!(read(garbage, Some(2), "n").await.unwrap_err().kind(), ErrorKind::Protocol);
    }

    /// A bit of a file that is wrong makes an error or other rows, wherever it is: no memory that a length promises
    /// and the file does not have, and no panic that gets out.
    #[tokio::test]
    async fn no_byte_of_a_file_can_break_more_than_the_file() {
        for compress in [true, false] {
            let whole = file(&[numbers("n", &[1, 2])], compress);
            for at in 0..whole.len() {
                let mut broken = whole.to_vec();
                broken[at] ^= if at % 2 == 0 { 0x01 } else { 0x80 };
                if let Err(error) = read(broken.into(), Some(2), "n").await {
                    assert_eq!(error.kind(), ErrorKind::Protocol, "{compress} {at}: {error:?}");
                }
            }
        }
    }
}
