//! Formats that stream: JSON lines, CSV, Arrow IPC, Parquet.

use std::io::Write;

use arrow::{
    array::RecordBatch,
    csv,
    datatypes::{DataType, Schema},
    ipc::writer::StreamWriter,
    json::{LineDelimitedWriter, WriterBuilder, writer::LineDelimited},
};
use parquet::arrow::ArrowWriter;
use twinhouse::{Error, ErrorKind, Result};

use super::Sink;

type Out = Box<dyn Write + Send>;

fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidInput, "cannot write the rows").with_source(cause)
}

pub(super) fn json(writer: Out) -> impl Sink {
    // Nulls are written: a reader should see every column of every row.
    Json(WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(writer))
}

struct Json(LineDelimitedWriter<Out>);

impl Sink for Json {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(failed)
    }

    fn finish(&mut self) -> Result<()> {
        self.0.finish().map_err(failed)?;
        self.0.get_mut().flush().map_err(failed)
    }
}

pub(super) fn csv(mut writer: Out, schema: &Schema) -> Result<impl Sink + use<>> {
    if let Some(column) = schema.fields().iter().find(|field| field.data_type().is_nested()) {
        return Err(Error::new(ErrorKind::Unsupported, "CSV has no nested values; choose json, arrow or parquet")
            .with_context("column", column.name())
            .with_context("type", column.data_type().to_string()));
    }
    // The header is written here, so that an empty result has one too.
    let names: Vec<String> = schema.fields().iter().map(|field| quoted(field.name())).collect();
    writeln!(writer, "{}", names.join(",")).and_then(|()| writer.flush()).map_err(failed)?;
    Ok(Csv(csv::WriterBuilder::new().with_header(false).build(writer)))
}

fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

struct Csv(csv::Writer<Out>);

impl Sink for Csv {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(failed)
    }

    fn finish(&mut self) -> Result<()> {
        // Header and batches were flushed as they came.
        Ok(())
    }
}

pub(super) fn arrow(writer: Out, schema: &Schema) -> Result<impl Sink + use<>> {
    Ok(Ipc(StreamWriter::try_new(writer, schema).map_err(failed)?))
}

struct Ipc(StreamWriter<Out>);

impl Sink for Ipc {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(failed)
    }

    fn finish(&mut self) -> Result<()> {
        self.0.finish().map_err(failed)?;
        self.0.flush().map_err(failed)
    }
}

pub(super) fn parquet(writer: Out, schema: &Schema) -> Result<impl Sink + use<>> {
    if schema.fields().iter().any(|field| field.data_type() == &DataType::Null) {
        return Err(Error::new(ErrorKind::Unsupported, "Parquet cannot hold a column of no type; cast it in SQL"));
    }
    Ok(Parquet(Some(ArrowWriter::try_new(writer, schema.clone().into(), None).map_err(failed)?)))
}

struct Parquet(Option<ArrowWriter<Out>>);

impl Sink for Parquet {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.as_mut().map_or(Ok(()), |writer| writer.write(batch).map_err(failed))
    }

    fn finish(&mut self) -> Result<()> {
        let Some(writer) = self.0.take() else { return Ok(()) };
        let mut out = writer.into_inner().map_err(failed)?;
        out.flush().map_err(failed)
    }
}
