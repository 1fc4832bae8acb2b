//! Rows to a file or a terminal, batch by batch.

mod formats;
mod table;
#[cfg(test)]
mod tests;

use std::io::Write;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use twinhouse::Result;

use crate::args::Format;

pub(crate) use table::{cells, print_table};

/// Takes batches one after the other; only the table format keeps rows, and bounds how many.
pub(crate) trait Sink: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    fn finish(&mut self) -> Result<()>;
}

pub(crate) fn sink(format: Format, writer: Box<dyn Write + Send>, schema: &SchemaRef) -> Result<Box<dyn Sink>> {
    Ok(match format {
        Format::Table => Box::new(table::TableSink::new(writer, schema.clone())),
        Format::Json => Box::new(formats::json(writer)),
        Format::Csv => Box::new(formats::csv(writer, schema)?),
        Format::Arrow => Box::new(formats::arrow(writer, schema)?),
        Format::Parquet => Box::new(formats::parquet(writer, schema)?),
    })
}
