//! A query whose columns Parquet can hold, around one whose columns it may not hold.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, StringArray},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
};
use twinhouse_core::{Error, ErrorKind, Result};

use crate::{
    decode::{Kind, batch::BatchBuilder, oid},
    wire::message::WireColumn,
};

/// How a column comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// As what it is.
    Itself,
    /// As the server's own text: Parquet files of the server do not have the type.
    Text,
    Hex,
    /// As the same moment of no zone: files drop it.
    Utc,
}

#[derive(Clone, Debug)]
struct Column {
    wire: WireColumn,
    kind: Kind,
    carrier: Carrier,
}

/// The columns of a result, and how each comes.
#[derive(Clone, Debug)]
pub(super) struct Selection(Vec<Column>);

impl Selection {
    /// For a result of these columns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a type that no file holds as what it is.
    pub(super) fn of(columns: &[WireColumn]) -> Result<Self> {
        let column = |column: &WireColumn| {
            let kind = Kind::of(column);
            let carrier = match column.oid {
                oid::VARBYTE | oid::BYTEA => Carrier::Hex,
                oid::TIMESTAMPTZ => Carrier::Utc,
                oid::TIME | oid::TIMETZ | oid::INTERVAL | oid::INTERVAL_Y2M | oid::INTERVAL_D2S => Carrier::Text,
                oid::GEOMETRY | oid::GEOGRAPHY | oid::GEOMETRY_HEX => {
                    return Err(Error::unsupported(
                        "redshift",
                        "cannot unload a column of this type to Parquet; select a text form",
                    )
                    .with_context("column", column.name.clone()));
                }
                _ => Carrier::Itself,
            };
            Ok(Column { wire: WireColumn { format: 0, ..column.clone() }, kind, carrier })
        };
        columns.iter().map(column).collect::<Result<_>>().map(Self)
    }

    /// The query around `sql`. Its columns are numbered: names may be there twice, or not at all.
    pub(super) fn around(&self, sql: &str) -> String {
        let names: Vec<_> = (0..self.0.len()).map(|i| format!("\"c{i}\"")).collect();
        let items = self.0.iter().zip(&names).map(|(column, name)| match column.carrier {
            Carrier::Itself => name.clone(),
            Carrier::Text => format!("CAST({name} AS VARCHAR) AS {name}"),
            Carrier::Hex => format!("TO_HEX({name}) AS {name}"),
            Carrier::Utc => format!("{name} AT TIME ZONE 'UTC' AS {name}"),
        });
        let items: Vec<_> = items.collect();
        format!("SELECT {} FROM (\n{sql}\n) AS \"unloaded\" ({})", items.join(", "), names.join(", "))
    }

    /// The columns; a number of no stated digits has those of the first file, if there is one.
    pub(super) fn schema(&self, first: Option<&Schema>) -> SchemaRef {
        let field = |(i, column): (usize, &Column)| {
            let data_type = match (column.kind, first.and_then(|schema| schema.fields().get(i))) {
                (Kind::Open, Some(field)) => field.data_type().clone(),
                (Kind::Open, None) => DataType::Decimal128(38, 0),
                (kind, _) => kind.data_type(),
            };
            Field::new(&column.wire.name, data_type, true)
        };
        Arc::new(Schema::new(self.0.iter().enumerate().map(field).collect::<Vec<_>>()))
    }

    /// A batch of a file in the types of the result.
    pub(super) fn read(&self, schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.0.len() {
            return Err(misread("a file has other columns than the result"));
        }
        let columns = self.0.iter().zip(schema.fields()).zip(batch.columns());
        let columns = columns.map(|((column, field), array)| column.read(array, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(|cause| misread("a file does not have the columns of the result").with_source(cause))
    }
}

impl Column {
    fn read(&self, array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
        match self.carrier {
            Carrier::Itself => cast(array, wanted, &self.wire.name),
            Carrier::Utc => {
                let moments = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None), &self.wire.name)?;
                Ok(Arc::new(moments.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("UTC")))
            }
            Carrier::Text | Carrier::Hex => {
                let texts = cast(array, &DataType::Utf8, &self.wire.name)?;
                self.read_texts(texts.as_string())
            }
        }
    }
}

impl Column {
    /// The server's texts, as if they came over the wire.
    fn read_texts(&self, texts: &StringArray) -> Result<ArrayRef> {
        let mut rows = BatchBuilder::new(std::slice::from_ref(&self.wire));
        let mut row = Vec::new();
        for text in texts {
            row.clear();
            row.extend_from_slice(&1_i16.to_be_bytes());
            row.extend_from_slice(&text.map_or(-1, |text| text.len() as i32).to_be_bytes());
            row.extend_from_slice(text.unwrap_or_default().as_bytes());
            rows.push(&row)?;
        }
        Ok(rows.finish()?.column(0).clone())
    }
}

/// Nothing may be lost: what does not fit is an error.
fn cast(array: &ArrayRef, wanted: &DataType, name: &str) -> Result<ArrayRef> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, wanted, &exact).map_err(|cause| {
        misread("a file has a value that the column's type does not hold")
            .with_context("column", name.to_owned())
            .with_source(cause)
    })
}

pub(super) fn misread(why: &'static str) -> Error {
    Error::new(ErrorKind::Data, why)
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, Decimal128Array, Time64MicrosecondArray, TimestampMicrosecondArray};

    use super::*;

    fn column(name: &str, oid: u32, modifier: i32) -> WireColumn {
        WireColumn { name: name.to_owned(), oid, modifier, format: 0 }
    }

    #[test]
    fn what_files_do_not_hold_comes_as_text_and_is_read_back_exactly() {
        let columns = [
            column("x", 20, -1),
            column("x", 6551, -1),
            column("", 1083, -1),
            column("z", 1184, -1),
            column("n", 1700, -1),
        ];
        let selection = Selection::of(&columns).unwrap();
        assert_eq!(
            selection.around("select 1 -- all"),
            "SELECT \"c0\", TO_HEX(\"c1\") AS \"c1\", CAST(\"c2\" AS VARCHAR) AS \"c2\", \
             \"c3\" AT TIME ZONE 'UTC' AS \"c3\", \"c4\" FROM (\nselect 1 -- all\n) AS \"unloaded\" \
             (\"c0\", \"c1\", \"c2\", \"c3\", \"c4\")"
        );
        assert_eq!(Kind::Time, Kind::of(&columns[2]));
        let numbers = Decimal128Array::from(vec![15]).with_precision_and_scale(20, 1).unwrap();
        let batch = RecordBatch::try_from_iter([
            ("c0", Arc::new(arrow::array::Int64Array::from(vec![7])) as ArrayRef),
            ("c1", Arc::new(StringArray::from(vec!["00ff"]))),
            ("c2", Arc::new(StringArray::from(vec!["23:59:59.000001"]))),
            ("c3", Arc::new(TimestampMicrosecondArray::from(vec![-1]))),
            ("c4", Arc::new(numbers)),
        ])
        .unwrap();
        let schema = selection.schema(Some(batch.schema_ref()));
        let read = selection.read(&schema, &batch).unwrap();
        assert_eq!(
            schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
            ["x", "x", "", "z", "n"]
        );
        assert_eq!(read.column(1).as_ref(), &BinaryArray::from(vec![&b"\x00\xff"[..]]) as &dyn arrow::array::Array);
        assert_eq!(
            read.column(2).as_ref(),
            &Time64MicrosecondArray::from(vec![86_399_000_001]) as &dyn arrow::array::Array
        );
        assert_eq!(schema.field(3).data_type(), &Kind::TimestampTz.data_type());
        assert_eq!(schema.field(4).data_type(), &DataType::Decimal128(20, 1));
        assert_eq!(selection.schema(None).field(4).data_type(), &DataType::Decimal128(38, 0));
    }

    #[test]
    fn a_type_that_no_file_holds_is_refused_by_name() {
        let error = Selection::of(&[column("g", 3000, -1)]).unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::Unsupported, Some("g")));
    }

    #[test]
    fn a_value_that_would_be_lost_is_an_error() {
        let selection = Selection::of(&[column("n", 21, -1)]).unwrap();
        let batch =
            RecordBatch::try_from_iter([("c0", Arc::new(arrow::array::Int32Array::from(vec![70_000])) as ArrayRef)]);
        let error = selection.read(&selection.schema(None), &batch.unwrap()).unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::Data, Some("n")));
    }
}
