//! Rows as Parquet, in the types that the service's files have.

use std::{fs::File, io, sync::Arc};

use arrow::{
    array::{ArrayRef, Decimal128Array, Float32Array, Float64Array, RecordBatch, RecordBatchOptions, StringArray},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit},
};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::Compression,
    file::properties::WriterProperties,
};

use super::{
    super::{
        report::Report,
        result::{NUMERIC, Size, VARBYTE},
    },
    cells::{BOOL, DATE, FLOAT4, FLOAT8, Field, INT2, INT4, INT8, TIMESTAMP, TIMESTAMPTZ},
};

const ROWS: usize = 8192;

/// The columns of the files.
pub(super) fn schema(fields: &[Field]) -> Result<SchemaRef, Report> {
    let field = |field: &Field| {
        let data_type = match field.oid {
            BOOL => DataType::Boolean,
            INT2 => DataType::Int16,
            INT4 => DataType::Int32,
            INT8 => DataType::Int64,
            FLOAT4 => DataType::Float32,
            FLOAT8 => DataType::Float64,
            DATE => DataType::Date32,
            // A zone gets lost.
            TIMESTAMP | TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, None),
            NUMERIC => {
                let Size { precision, scale } = field.size.unwrap_or(Size { precision: 38, scale: 0 });
                match (u8::try_from(precision), i8::try_from(scale)) {
                    (Ok(precision @ 1..=38), Ok(scale)) => DataType::Decimal128(precision, scale),
                    _ => return Err(Report::unsupported("UNLOAD to PARQUET takes numbers of 38 digits at most")),
                }
            }
            VARBYTE => {
                return Err(Report::unsupported(format!(
                    "UNLOAD of column \"{}\" of type varbyte is not supported for PARQUET",
                    field.name
                )));
            }
            _ => DataType::Utf8,
        };
        Ok(ArrowField::new(&field.name, data_type, true))
    };
    Ok(Arc::new(Schema::new(fields.iter().map(field).collect::<Result<Vec<_>, _>>()?)))
}

/// One file that is being written.
pub(super) struct ParquetFile {
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    columns: Vec<Vec<Option<String>>>,
    rows: usize,
}

impl ParquetFile {
    pub(super) fn new(file: File, schema: SchemaRef) -> io::Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, Arc::clone(&schema), options).map_err(io::Error::other)?;
        let columns = vec![Vec::new(); schema.fields().len()];
        Ok(Self { schema, writer, columns, rows: 0 })
    }

    pub(super) fn push(&mut self, row: Vec<Option<String>>) -> io::Result<()> {
        self.columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        self.rows += 1;
        if self.rows >= ROWS { self.flush() } else { Ok(()) }
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.writer.close().map(|_| ()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        let arrays = self.columns.iter_mut().zip(self.schema.fields()).map(|(column, field)| {
            let texts = StringArray::from(std::mem::take(column));
            array(texts, field.data_type())
        });
        let arrays = arrays.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        self.writer.write(&batch.map_err(io::Error::other)?).map_err(io::Error::other)
    }
}

/// The values of a column from the engine's text; a value that cannot be read is an error, never another value.
fn array(texts: StringArray, wanted: &DataType) -> Result<ArrayRef, Box<dyn std::error::Error + Send + Sync>> {
    fn numbers<T: std::str::FromStr>(texts: &StringArray) -> Result<Vec<Option<T>>, T::Err> {
        texts.iter().map(|text| text.map(str::parse).transpose()).collect()
    }
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    Ok(match wanted {
        DataType::Utf8 => Arc::new(texts),
        DataType::Float32 => Arc::new(Float32Array::from(numbers(&texts)?)),
        DataType::Float64 => Arc::new(Float64Array::from(numbers(&texts)?)),
        DataType::Decimal128(precision, scale) => {
            let values = texts.iter().map(|text| text.map(|text| unscaled(text, *scale)).transpose());
            let values = values.collect::<Result<Decimal128Array, _>>()?;
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Timestamp(unit, None) => {
            // The engine's text of a moment with a zone ends in it.
            let zoned = DataType::Timestamp(*unit, Some("+00:00".into()));
            let moments = cast_with_options(&(Arc::new(texts) as ArrayRef), &zoned, &exact)?;
            cast_with_options(&moments, &DataType::Int64, &exact)
                .and_then(|micros| cast_with_options(&micros, wanted, &exact))?
        }
        other => cast_with_options(&(Arc::new(texts) as ArrayRef), other, &exact)?,
    })
}

fn unscaled(text: &str, scale: i8) -> Result<i128, String> {
    let wrong = || "a number that PARQUET does not hold".to_owned();
    let scale = usize::try_from(scale).map_err(|_| wrong())?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > scale {
        return Err(wrong());
    }
    format!("{whole}{fraction:0<scale$}").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray as _;

    use super::*;

    #[test]
    fn values_keep_every_digit_and_moments_their_microseconds() {
        let texts = |values: &[&str]| StringArray::from(values.to_vec());
        let number = "-9".to_owned() + &"9".repeat(33) + ".0001";
        let decimals = array(texts(&[&number, "0.5"]), &DataType::Decimal128(38, 4)).expect("read");
        let decimals = decimals.as_primitive::<arrow::datatypes::Decimal128Type>();
        assert_eq!((decimals.value_as_string(0), decimals.value_as_string(1)), (number, "0.5000".to_owned()));
        assert!(array(texts(&["0.00001"]), &DataType::Decimal128(38, 4)).is_err());
        let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
        let micros = |text: &str| {
            let read = array(texts(&[text]), &moment).expect(text);
            read.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0)
        };
        assert_eq!(micros("1969-12-31 23:59:59.999999"), -1);
        assert_eq!(micros("1970-01-01 01:00:00+01"), 0);
        assert_eq!(micros("9999-12-31 23:59:59.999999"), 253_402_300_799_999_999);
        let floats = array(texts(&["NaN", "-Infinity", "3.4028235e+38"]), &DataType::Float32).expect("read");
        assert!(floats.as_primitive::<arrow::datatypes::Float32Type>().value(0).is_nan());
        assert!(array(texts(&["t", "f"]), &DataType::Boolean).expect("read").as_boolean().value(0));
        assert!(array(texts(&["x"]), &DataType::Int64).is_err());
    }
}
