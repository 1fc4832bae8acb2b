//! Parquet files as the engine's binary COPY stream. Columns go by position, types must fit, lengths are in bytes.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, Schema, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    },
};
use bytes::{BufMut as _, BytesMut};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{
    super::{access::block, report::Report},
    feed::Span,
    source::{Input, Location},
    target::{Column, Target, Type},
};

const ROWS: usize = 8192;
/// A piece of the stream is sent when it is this long.
const PIECE: usize = 256 * 1024;
/// Days and microseconds from 1970 to 2000, where the engine's time begins.
const DAYS_TO_2000: i32 = 10_957;
const MICROS_TO_2000: i64 = 946_684_800_000_000;

/// What begins a binary COPY stream.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What ends it.
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];

/// Checks the files' schemas before anything is loaded.
pub(super) fn check(inputs: &[Input], target: &Target, to_json: bool, fill: bool) -> Result<(), Report> {
    for input in inputs {
        let reader = builder(input)?;
        fits(reader.schema(), reader.parquet_schema(), target, &input.at, to_json, fill)?;
    }
    Ok(())
}

/// Reads the files and hands over pieces of the stream; false from `send` ends it early.
pub(super) fn read(
    inputs: Vec<Input>,
    target: &Target,
    mut send: impl FnMut(BytesMut) -> bool,
) -> Result<Vec<Span>, Report> {
    let mut out = BytesMut::from(HEADER);
    let (mut spans, mut rows) = (Vec::new(), 0);
    for input in inputs {
        let first = rows + 1;
        let reader = builder(&input)?.with_batch_size(ROWS).build().map_err(|error| damaged(&input.at, &error))?;
        for batch in reader {
            let batch = batch.map_err(|error| damaged(&input.at, &error))?;
            let columns = prepare(&batch, target, &input.at)?;
            let missing = target.columns.len() - columns.len();
            for row in 0..batch.num_rows() {
                rows += 1;
                out.put_i16(i16::try_from(target.columns.len()).unwrap_or(i16::MAX));
                for column in &columns {
                    column.put(row, &mut out, &input.at)?;
                }
                (0..missing).for_each(|_| out.put_i32(-1));
                if out.len() >= PIECE && !send(std::mem::take(&mut out)) {
                    return Ok(spans);
                }
            }
        }
        let (file, bytes, lines) = (input.at.url(), input.size, rows + 1 - first);
        spans.push(Span { file, bytes, first, lines, ..Span::default() });
    }
    out.put_slice(TRAILER);
    send(out);
    Ok(spans)
}

fn builder(input: &Input) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>, Report> {
    let file = input.file.try_clone().map_err(|error| damaged(&input.at, &error))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&input.at, &error))
}

fn https(at: &Location) -> String {
    format!("https://s3.amazonaws.com/{}/{}", at.bucket, at.key)
}

fn scan_error(code: u32, context: &str) -> Report {
    Report::internal("Spectrum Scan Error").with_detail(block("Spectrum Scan Error", code, context))
}

fn damaged(at: &Location, error: &dyn std::fmt::Display) -> Report {
    scan_error(15001, &format!("File '{}' has an invalid format: {error}", https(at)))
}

fn fits(
    schema: &Schema,
    parquet: &parquet::schema::types::SchemaDescriptor,
    target: &Target,
    at: &Location,
    to_json: bool,
    fill: bool,
) -> Result<(), Report> {
    let (wanted, got) = (target.columns.len(), schema.fields().len());
    if wanted < got || (wanted > got && !fill) {
        return Err(scan_error(
            15007,
            &format!(
                "Unmatched number of columns between table and file. Table columns: {wanted}, Data columns: {got}, \
                 File name: {}",
                https(at)
            ),
        ));
    }
    for (i, (column, field)) in target.columns.iter().zip(schema.fields()).enumerate() {
        if !fits_column(column.kind, field, to_json) {
            let mut printed = Vec::new();
            let root = parquet.root_schema();
            parquet::schema::printer::print_schema(&mut printed, &root.get_fields()[i]);
            let printed = String::from_utf8_lossy(&printed);
            return Err(scan_error(
                15007,
                &format!(
                    "File '{}' has an incompatible Parquet schema for column 's3://{}/{}.{}'. Column type: {}, Parquet \
                     schema:\n{}",
                    https(at),
                    at.bucket,
                    at.key,
                    field.name(),
                    column.kind.name(),
                    printed.trim_end()
                ),
            ));
        }
    }
    Ok(())
}

fn fits_column(kind: Type, field: &Field, to_json: bool) -> bool {
    match (kind, field.data_type()) {
        (_, DataType::Null) | (Type::Bool, DataType::Boolean) | (Type::Int2, DataType::Int8 | DataType::Int16) => true,
        (Type::Int4, DataType::Int8 | DataType::Int16 | DataType::Int32) | (Type::Int8, DataType::Int64) => true,
        (Type::Float4, DataType::Float32) | (Type::Float8, DataType::Float64) | (Type::Date, DataType::Date32) => true,
        (Type::Numeric(size), DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale)) => {
            i64::from(*scale) == i64::from(size.scale) && u32::from(*precision) <= size.precision
        }
        (Type::Char(_) | Type::Varchar(_), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => true,
        (Type::Timestamp | Type::TimestampTz, DataType::Timestamp(..)) => true,
        (Type::Time, DataType::Time64(TimeUnit::Microsecond)) => true,
        (
            Type::Varbyte,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_),
        ) => true,
        (Type::Super, kind) => to_json || !kind.is_nested(),
        _ => false,
    }
}

/// A column of a batch in the one Arrow type that its encoder reads.
struct Encoder<'a> {
    column: &'a Column,
    array: ArrayRef,
    encode: Encode,
}

#[derive(Clone, Copy)]
enum Encode {
    Null,
    Bool,
    Int8To2,
    Int8To4,
    Int16To2,
    Int16To4,
    Int32,
    Int64,
    Float32,
    Float64,
    Numeric(i8),
    Text(usize),
    Date,
    Time,
    Timestamp,
    Bytes(u8),
}

/// Puts each column into the type its encoder reads.
fn prepare<'a>(batch: &RecordBatch, target: &'a Target, at: &Location) -> Result<Vec<Encoder<'a>>, Report> {
    target.columns.iter().zip(batch.columns()).map(|(column, array)| encoder(column, array, at)).collect()
}

fn encoder<'a>(column: &'a Column, array: &ArrayRef, at: &Location) -> Result<Encoder<'a>, Report> {
    let cast = |to: &DataType| arrow::compute::cast(array, to).map_err(|error| damaged(at, &error));
    let keep = || Arc::clone(array);
    if *array.data_type() == DataType::Null {
        return Ok(Encoder { column, array: keep(), encode: Encode::Null });
    }
    let (array, encode) = match (column.kind, array.data_type()) {
        (Type::Bool, _) => (keep(), Encode::Bool),
        (Type::Int2, DataType::Int8) => (keep(), Encode::Int8To2),
        (Type::Int2, _) => (keep(), Encode::Int16To2),
        (Type::Int4, DataType::Int8) => (keep(), Encode::Int8To4),
        (Type::Int4, DataType::Int16) => (keep(), Encode::Int16To4),
        (Type::Int4, _) => (keep(), Encode::Int32),
        (Type::Int8, _) => (keep(), Encode::Int64),
        (Type::Float4, _) => (keep(), Encode::Float32),
        (Type::Float8, _) => (keep(), Encode::Float64),
        (Type::Numeric(_), DataType::Decimal256(precision, scale)) => {
            (cast(&DataType::Decimal128((*precision).min(38), *scale))?, Encode::Numeric(*scale))
        }
        (Type::Numeric(_), DataType::Decimal128(_, scale)) => (keep(), Encode::Numeric(*scale)),
        (Type::Char(length) | Type::Varchar(length), _) => (cast(&DataType::Utf8)?, Encode::Text(length)),
        (Type::Date, _) => (keep(), Encode::Date),
        (Type::Time, _) => (keep(), Encode::Time),
        (Type::Timestamp | Type::TimestampTz, DataType::Timestamp(_, zone)) => {
            (cast(&DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?, Encode::Timestamp)
        }
        (Type::Varbyte, _) => (cast(&DataType::Binary)?, Encode::Bytes(0)),
        (Type::Super, _) => (as_json(array).map_err(|error| damaged(at, &error))?, Encode::Bytes(1)),
        _ => return Err(damaged(at, &"a type that does not fit")),
    };
    Ok(Encoder { column, array, encode })
}

/// Each value as a JSON text.
fn as_json(array: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    let schema = Arc::new(Schema::new(vec![Field::new("v", array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::clone(array)])?;
    let mut writer = arrow::json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow::json::writer::LineDelimited>(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    let text = writer.into_inner();
    let mut values = arrow::array::BinaryBuilder::new();
    for (row, line) in text.split(|byte| *byte == b'\n').take(array.len()).enumerate() {
        // {"v":…}
        match line.strip_prefix(b"{\"v\":").and_then(|line| line.strip_suffix(b"}")) {
            Some(value) if array.is_valid(row) => values.append_value(value),
            _ => values.append_null(),
        }
    }
    Ok(Arc::new(values.finish()))
}

impl Encoder<'_> {
    fn put(&self, row: usize, out: &mut BytesMut, at: &Location) -> Result<(), Report> {
        if matches!(self.encode, Encode::Null) || self.array.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let array = &self.array;
        match self.encode {
            Encode::Null => {}
            Encode::Bool => fixed(out, &[u8::from(array.as_boolean().value(row))]),
            Encode::Int8To2 => fixed(out, &i16::from(array.as_primitive::<Int8Type>().value(row)).to_be_bytes()),
            Encode::Int8To4 => fixed(out, &i32::from(array.as_primitive::<Int8Type>().value(row)).to_be_bytes()),
            Encode::Int16To2 => fixed(out, &array.as_primitive::<Int16Type>().value(row).to_be_bytes()),
            Encode::Int16To4 => fixed(out, &i32::from(array.as_primitive::<Int16Type>().value(row)).to_be_bytes()),
            Encode::Int32 => fixed(out, &array.as_primitive::<Int32Type>().value(row).to_be_bytes()),
            Encode::Int64 => fixed(out, &array.as_primitive::<Int64Type>().value(row).to_be_bytes()),
            Encode::Float32 => fixed(out, &array.as_primitive::<Float32Type>().value(row).to_be_bytes()),
            Encode::Float64 => fixed(out, &array.as_primitive::<Float64Type>().value(row).to_be_bytes()),
            Encode::Numeric(scale) => numeric(out, array.as_primitive::<Decimal128Type>().value(row), scale),
            Encode::Date => {
                let days = array.as_primitive::<Date32Type>().value(row);
                fixed(out, &days.saturating_sub(DAYS_TO_2000).to_be_bytes());
            }
            Encode::Time => fixed(out, &array.as_primitive::<Time64MicrosecondType>().value(row).to_be_bytes()),
            Encode::Timestamp => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                fixed(out, &micros.saturating_sub(MICROS_TO_2000).to_be_bytes());
            }
            Encode::Bytes(version) => {
                let bytes = array.as_binary::<i32>().value(row);
                out.put_i32(i32::try_from(bytes.len() + usize::from(version)).unwrap_or(i32::MAX));
                out.put_bytes(version, usize::from(version));
                out.put_slice(bytes);
            }
            Encode::Text(length) => {
                let text = array.as_string::<i32>().value(row);
                if text.len() > length && !self.fits_padded(text, length) {
                    let name = &self.column.name;
                    return Err(scan_error(
                        15001,
                        &format!(
                            "The length of the data column {name} is longer than the length defined in the table. Table: \
                             {length}, Data: {}, File name: {}",
                            text.len(),
                            https(at)
                        ),
                    ));
                }
                if text.as_bytes().contains(&0) {
                    return Err(scan_error(15001, &format!("Invalid character 0x00 in column {}", self.column.name)));
                }
                fixed(out, text.as_bytes());
            }
        }
        Ok(())
    }

    /// Blanks at the end of a CHAR do not count.
    fn fits_padded(&self, text: &str, length: usize) -> bool {
        matches!(self.column.kind, Type::Char(_)) && text.trim_end_matches(' ').len() <= length
    }
}

fn fixed(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

/// The engine's binary NUMERIC: digits of base 10000.
fn numeric(out: &mut BytesMut, value: i128, scale: i8) {
    let scale = u32::from(scale.unsigned_abs());
    // The point must fall between two digits.
    let shift = (4 - scale % 4) % 4;
    let magnitude = value.unsigned_abs();
    // 38 digits and 3 more may exceed 128 bits: the last digit is split off first.
    let split = 10_u128.pow(4 - shift);
    let (mut rest, low) =
        if shift == 0 { (magnitude, None) } else { (magnitude / split, Some(magnitude % split * 10_u128.pow(shift))) };
    let mut digits: Vec<i16> = low.map(|low| i16::try_from(low).unwrap_or_default()).into_iter().collect();
    while rest > 0 {
        digits.push(i16::try_from(rest % 10_000).unwrap_or_default());
        rest /= 10_000;
    }
    let fraction = i32::try_from((scale + shift) / 4).unwrap_or_default();
    let weight = i32::try_from(digits.len()).unwrap_or_default() - fraction - 1;
    digits.reverse();
    out.put_i32(8 + 2 * i32::try_from(digits.len()).unwrap_or_default());
    out.put_i16(i16::try_from(digits.len()).unwrap_or_default());
    out.put_i16(i16::try_from(weight).unwrap_or_default());
    out.put_u16(if value < 0 { 0x4000 } else { 0 });
    out.put_i16(i16::try_from(scale).unwrap_or_default());
    digits.iter().for_each(|digit| out.put_i16(*digit));
}
