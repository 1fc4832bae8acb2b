//! Aligned columns, for reading.

use std::io::Write;

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    util::display::{ArrayFormatter, FormatOptions},
};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use twinhouse::{Error, ErrorKind, Result};

use super::Sink;

/// A table is for reading: more rows than this are not read by anybody.
const MOST_ROWS: usize = 1_000;

pub(super) struct TableSink {
    writer: Box<dyn Write + Send>,
    schema: SchemaRef,
    rows: Vec<Vec<String>>,
    total: usize,
}

impl TableSink {
    pub(super) fn new(writer: Box<dyn Write + Send>, schema: SchemaRef) -> Self {
        Self { writer, schema, rows: Vec::new(), total: 0 }
    }
}

impl Sink for TableSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.total += batch.num_rows();
        let room = MOST_ROWS.saturating_sub(self.rows.len()).min(batch.num_rows());
        self.rows.extend(cells(&batch.slice(0, room))?);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let failed = |cause| Error::new(ErrorKind::InvalidInput, "cannot write the rows").with_source(cause);
        if !self.schema.fields().is_empty() {
            writeln!(self.writer, "{}", layout(&self.schema, &self.rows)).map_err(failed)?;
            let shown = self.rows.len();
            let note = if shown < self.total { format!(" (the first {shown} shown)") } else { String::new() };
            let word = if self.total == 1 { "row" } else { "rows" };
            writeln!(self.writer, "{} {word}{note}", self.total).map_err(failed)?;
        }
        self.writer.flush().map_err(failed)
    }
}

/// The cells of a batch as text, row by row.
pub(crate) fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let failed = |cause| Error::new(ErrorKind::Data, "a value cannot be shown").with_source(cause);
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).try_to_string().map_err(failed)).collect())
        .collect()
}

/// Prints rows under the names of their columns.
pub(crate) fn print_table(schema: &Schema, rows: &[Vec<String>]) {
    println!("{}", layout(schema, rows));
}

fn layout(schema: &Schema, rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(schema.fields().iter().map(|field| field.name()));
    for row in rows {
        table.add_row(row.iter().zip(schema.fields()).map(|(text, field)| {
            let side = if field.data_type().is_numeric() { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(side)
        }));
    }
    table
}
