//! Every format reads back.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use arrow::{
    array::{Int32Array, Int32Builder, ListBuilder, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    ipc::reader::StreamReader,
};
use twinhouse::ErrorKind;

use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn batch() -> RecordBatch {
    let schema = Schema::new(vec![Field::new("n", DataType::Int32, true), Field::new("a,\"b", DataType::Utf8, true)]);
    let columns: [arrow::array::ArrayRef; 2] =
        [Arc::new(Int32Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec![Some("x\n\"y"), None]))];
    RecordBatch::try_new(Arc::new(schema), columns.into()).unwrap()
}

fn print(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let out = Shared::default();
    let mut sink = sink(format, Box::new(out.clone()), &batch().schema()).unwrap();
    for batch in batches {
        sink.write(batch).unwrap();
    }
    sink.finish().unwrap();
    out.0.lock().unwrap().clone()
}

#[test]
fn json_has_a_line_for_each_row_and_says_null() {
    let text = String::from_utf8(print(Format::Json, &[batch()])).unwrap();
    assert_eq!(text, "{\"n\":1,\"a,\\\"b\":\"x\\n\\\"y\"}\n{\"n\":null,\"a,\\\"b\":null}\n");
}

#[test]
fn csv_quotes_names_and_values_and_keeps_its_header_without_rows() {
    let text = String::from_utf8(print(Format::Csv, &[batch()])).unwrap();
    assert_eq!(text, "n,\"a,\"\"b\"\n1,\"x\n\"\"y\"\n,\n");
    assert_eq!(String::from_utf8(print(Format::Csv, &[])).unwrap(), "n,\"a,\"\"b\"\n");
}

#[test]
fn csv_refuses_what_it_cannot_hold_before_a_byte_is_written() {
    let mut lists = ListBuilder::new(Int32Builder::new());
    lists.append_value([Some(1)]);
    let list: arrow::array::ArrayRef = Arc::new(lists.finish());
    let schema = Arc::new(Schema::new(vec![Field::new("l", list.data_type().clone(), true)]));
    let out = Shared::default();
    let error = sink(Format::Csv, Box::new(out.clone()), &schema).err().unwrap();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::Unsupported, Some("l")));
    assert!(out.0.lock().unwrap().is_empty());
}

#[test]
fn arrow_and_parquet_read_back_as_they_were() {
    let bytes = print(Format::Arrow, &[batch(), batch()]);
    let read: Vec<_> = StreamReader::try_new(bytes.as_slice(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, [batch(), batch()]);
    let bytes = bytes::Bytes::from(print(Format::Parquet, &[batch()]));
    let mut read = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 10).unwrap();
    assert_eq!(read.next().unwrap().unwrap(), batch());
}

#[test]
fn a_full_disk_is_told_of_where_there_are_no_rows_too() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in [Format::Table, Format::Csv, Format::Arrow, Format::Parquet] {
        let sink = sink(format, Box::new(io::BufWriter::new(Full)), &batch().schema());
        assert!(sink.and_then(|mut sink| sink.finish()).is_err(), "{format:?}");
    }
}

#[test]
fn a_table_shows_what_a_person_reads_and_counts_the_rest() {
    let many = arrow::compute::concat_batches(&batch().schema(), std::iter::repeat_n(&batch(), 600)).unwrap();
    let text = String::from_utf8(print(Format::Table, &[many])).unwrap();
    assert!(text.contains("NULL") && text.ends_with("1200 rows (the first 1000 shown)\n"), "{text}");
}
