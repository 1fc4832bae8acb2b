use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date64Array, Decimal128Array, DictionaryArray, FixedSizeListArray, Float32Array,
        Int8Array, Int32Array, Int64Array, ListArray, ListViewArray, MapArray, NullArray, RecordBatch, StringArray,
        StringViewArray, StructArray, Time32SecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
        TimestampNanosecondArray, TimestampSecondArray, UInt32Array, new_empty_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        DataType, Field, Fields, Int8Type, Int64Type, Schema, Time32MillisecondType, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType,
    },
};
use proptest::prelude::*;
use twinhouse_core::{Error, ErrorKind};

use super::Fit;
use crate::table::{ColumnInfo, TableInfo, TableKind, TableRef};

fn column(name: &str, data_type: DataType) -> ColumnInfo {
    ColumnInfo::new(name, data_type, "native")
}

fn table(columns: Vec<ColumnInfo>) -> TableInfo {
    TableInfo::new(TableRef::new("orders").with_schema("sales"), TableKind::Managed, columns)
}

fn schema(fields: Vec<(&str, DataType)>) -> Schema {
    Schema::new(fields.into_iter().map(|(name, t)| Field::new(name, t, true)).collect::<Vec<_>>())
}

/// Plans and applies one column.
fn through(want: ColumnInfo, array: ArrayRef) -> Result<ArrayRef, Error> {
    let schema = Arc::new(Schema::new(vec![Field::new(&want.name, array.data_type().clone(), true)]));
    let fit = Fit::plan(&table(vec![want]), &schema)?;
    let batch = RecordBatch::try_new(schema, vec![array]).unwrap();
    fit.apply(&batch).map(|batch| Arc::clone(batch.column(0)))
}

fn plan_error(columns: Vec<ColumnInfo>, fields: Vec<(&str, DataType)>) -> Error {
    let error = Fit::plan(&table(columns), &schema(fields)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error
}

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn zoned(unit: TimeUnit, zone: &str) -> DataType {
    DataType::Timestamp(unit, Some(zone.into()))
}

#[test]
fn columns_are_matched_by_name_and_come_in_the_tables_order() {
    let target =
        table(vec![column("id", DataType::Int64), column("Note", DataType::Utf8), column("left_out", DataType::Utf8)]);
    let source = Arc::new(schema(vec![("note", DataType::Utf8), ("ID", DataType::Int32)]));
    let fit = Fit::plan(&target, &source).unwrap();
    assert_eq!(fit.columns().collect::<Vec<_>>(), ["id", "Note"]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["x", "y"])), Arc::new(Int32Array::from(vec![1, 2]))];
    let batch = fit.apply(&RecordBatch::try_new(source, columns).unwrap()).unwrap();
    assert_eq!(batch.schema(), *fit.schema());
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(batch.column(1).as_string::<i32>().value(1), "y");
}

#[test]
fn a_name_in_another_case_means_a_column_only_if_no_other_does() {
    let both = || vec![column("a", DataType::Int32), column("A", DataType::Int64)];
    let fit = Fit::plan(&table(both()), &schema(vec![("A", DataType::Int64)])).unwrap();
    assert_eq!(fit.columns().collect::<Vec<_>>(), ["A"]);
    let columns = vec![column("ab", DataType::Int32), column("AB", DataType::Int64)];
    let error = plan_error(columns, vec![("Ab", DataType::Int32)]);
    assert!(error.message().contains("column `Ab`: could mean any of `ab`, `AB`, got Int32"), "{error}");
    let error = plan_error(vec![column("a", DataType::Int32)], vec![("a", DataType::Int32), ("A", DataType::Int32)]);
    assert!(error.message().contains("column `a`: wanted one source, got both `a` and `A`"), "{error}");
    let error = plan_error(vec![column("a", DataType::Int32)], vec![("a", DataType::Int32), ("a", DataType::Int32)]);
    assert!(error.message().contains("got both `a` and `a`"), "{error}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let address = DataType::Struct(Fields::from(vec![Field::new("zip", DataType::Int32, false)]));
    let columns = vec![
        column("id", DataType::Int64).with_nullable(false),
        ColumnInfo::new("price", DataType::Decimal128(10, 2), "decimal(10,2)"),
        column("when", MICROS),
        column("address", address),
        column("void", DataType::Int32).with_nullable(false),
    ];
    let theirs = DataType::Struct(Fields::from(vec![
        Field::new("Zip", DataType::Utf8, true),
        Field::new("x", DataType::Utf8, true),
    ]));
    let error = plan_error(
        columns,
        vec![
            ("price", DataType::Float64),
            ("when", zoned(TimeUnit::Microsecond, "UTC")),
            ("colour", DataType::Utf8),
            ("address", theirs),
            ("void", DataType::Null),
        ],
    );
    for wanted in [
        "column `id`: wanted native (Int64) not null, got no column",
        "column `price`: wanted decimal(10,2) (Decimal128(10, 2)), got Float64",
        "column `when`: wanted native (Timestamp(µs)), got Timestamp(µs, \"UTC\")",
        "column `colour`: the table has none of that name, got Utf8",
        "column `address.zip`: wanted Int32, got Utf8",
        "column `address.x`: the table has none of that name, got Utf8",
        "column `void`: wanted native (Int32) not null, got Null",
    ] {
        assert!(error.message().contains(wanted), "{wanted}\n{error}");
    }
    assert_eq!(error.context("table"), Some("sales.orders"));
    let error = plan_error(vec![column("a", DataType::Int32)], vec![]);
    assert!(error.message().contains("there are no columns"));
}

#[test]
fn types_widen_and_never_narrow() {
    use DataType::*;
    let dictionary = |values: DataType| Dictionary(Box::new(Int8), Box::new(values));
    let list = |element: DataType| List(Arc::new(Field::new("element", element, true)));
    let large = |element: DataType| LargeList(Arc::new(Field::new("item", element, true)));
    let table = [
        // wanted, got, fits
        (Int64, Int8, true),
        (Int64, UInt32, true),
        (Int64, UInt64, false),
        (Int16, UInt8, true),
        (Int8, UInt8, false),
        (Int32, Int64, false),
        (UInt32, Int8, false),
        (Int32, Float32, false),
        (Int32, Boolean, false),
        (Boolean, Int32, false),
        (Float64, Float32, true),
        (Float32, Float64, false),
        (Float32, Float16, true),
        (Float32, Int16, true),
        (Float32, Int32, false),
        (Float64, Int32, true),
        (Float64, Int64, false),
        (Float64, Decimal128(5, 2), false),
        (Decimal128(10, 0), Int32, true),
        (Decimal128(12, 2), Int32, true),
        (Decimal128(11, 2), Int32, false),
        (Decimal128(19, 0), Int64, true),
        (Decimal128(18, 0), Int64, false),
        (Decimal128(20, 0), UInt64, true),
        (Decimal128(12, 4), Decimal128(10, 2), true),
        (Decimal128(12, 3), Decimal128(11, 3), true),
        (Decimal128(12, 4), Decimal128(10, 1), false),
        (Decimal128(12, 1), Decimal128(10, 2), false),
        (Decimal128(12, 2), Decimal64(10, 2), true),
        (Decimal128(38, 2), Decimal256(40, 2), false),
        (Decimal128(38, 2), Decimal256(38, 2), true),
        (Decimal128(13, 0), Decimal128(10, -3), true),
        (Decimal128(12, 0), Decimal128(10, -3), false),
        (Utf8, LargeUtf8, true),
        (Utf8, Utf8View, true),
        (Utf8, dictionary(Utf8), true),
        (Int64, dictionary(Int32), true),
        (Int32, dictionary(Int64), false),
        (Utf8, Int32, false),
        (Utf8, Binary, false),
        (Binary, Utf8, false),
        (Binary, FixedSizeBinary(16), true),
        (Binary, BinaryView, true),
        (Date32, Date64, true),
        (Date32, MICROS, false),
        (MICROS, Date32, false),
        (MICROS, Timestamp(TimeUnit::Second, None), true),
        (MICROS, Timestamp(TimeUnit::Nanosecond, None), true),
        (MICROS, zoned(TimeUnit::Microsecond, "UTC"), false),
        (zoned(TimeUnit::Microsecond, "UTC"), MICROS, false),
        (zoned(TimeUnit::Microsecond, "UTC"), zoned(TimeUnit::Nanosecond, "+02:00"), true),
        (Time64(TimeUnit::Microsecond), Time32(TimeUnit::Second), true),
        (list(Int64), large(Int32), true),
        (list(Int32), large(Int64), false),
        (list(Int32), FixedSizeList(Arc::new(Field::new("item", Int32, true)), 2), true),
        (list(Int64), ListView(Arc::new(Field::new("item", Int32, true))), true),
        (large(Int64), LargeListView(Arc::new(Field::new("item", Int32, true))), true),
        (list(Int32), list(Null), true),
        (list(Int32), Int32, false),
        (
            Struct(Fields::from(vec![Field::new("a", Int64, true), Field::new("b", Utf8, true)])),
            Struct(Fields::from(vec![Field::new("A", Int32, true)])),
            true,
        ),
        (
            Struct(Fields::from(vec![Field::new("a", Int64, true), Field::new("b", Utf8, false)])),
            Struct(Fields::from(vec![Field::new("a", Int32, true)])),
            false,
        ),
        (Int32, Null, true),
        (Duration(TimeUnit::Second), Duration(TimeUnit::Second), true),
        (Int64, Duration(TimeUnit::Second), false),
    ];
    for (want, got, fits) in table {
        let plan = Fit::plan(&self::table(vec![column("c", want.clone())]), &schema(vec![("c", got.clone())]));
        assert_eq!(plan.is_ok(), fits, "{want} from {got}: {plan:?}");
        // Whatever is promised can be carried out: the conversion exists.
        if fits {
            let converted = through(column("c", want.clone()), new_empty_array(&got)).unwrap();
            assert_eq!(*converted.data_type(), want);
            let nulls = through(column("c", want.clone()), arrow::array::new_null_array(&got, 3)).unwrap();
            assert_eq!((nulls.len(), nulls.logical_null_count()), (3, 3), "{want} from {got}");
        }
    }
}

#[test]
fn values_keep_their_value() {
    let decimals = Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(10, 2).unwrap();
    let wider = through(column("c", DataType::Decimal128(14, 4)), Arc::new(decimals)).unwrap();
    assert_eq!(wider.as_primitive::<arrow::datatypes::Decimal128Type>().value(0), 1_234_500);
    assert!(wider.is_null(1));

    let ints = through(column("c", DataType::Decimal128(12, 2)), Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX])))
        .unwrap();
    let values = ints.as_primitive::<arrow::datatypes::Decimal128Type>().values().to_vec();
    assert_eq!(values, [i128::from(i32::MIN) * 100, i128::from(i32::MAX) * 100]);

    let floats =
        through(column("c", DataType::Float64), Arc::new(Float32Array::from(vec![0.1, f32::NAN, f32::INFINITY])))
            .unwrap();
    let floats = floats.as_primitive::<arrow::datatypes::Float64Type>();
    assert_eq!(floats.value(0), f64::from(0.1_f32));
    assert!(floats.value(1).is_nan() && floats.value(2).is_infinite());

    let keys = Int8Array::from(vec![Some(1), None, Some(0), Some(2)]);
    let values = StringArray::from(vec![Some("a"), Some("b"), None]);
    let dictionary = DictionaryArray::<Int8Type>::try_new(keys, Arc::new(values)).unwrap();
    let plain = through(column("c", DataType::Utf8), Arc::new(dictionary)).unwrap();
    assert_eq!(plain.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("b"), None, Some("a"), None]);

    let views = StringViewArray::from(vec!["short", "longer than the twelve bytes of a view"]);
    let plain = through(column("c", DataType::Utf8), Arc::new(views)).unwrap();
    assert_eq!(plain.as_string::<i32>().value(1), "longer than the twelve bytes of a view");

    let unsigned = through(column("c", DataType::Int64), Arc::new(UInt32Array::from(vec![u32::MAX]))).unwrap();
    assert_eq!(unsigned.as_primitive::<Int64Type>().value(0), i64::from(u32::MAX));

    let days = through(column("c", DataType::Date32), Arc::new(Date64Array::from(vec![-86_400_000, 0]))).unwrap();
    assert_eq!(days.as_primitive::<arrow::datatypes::Date32Type>().values(), &[-1, 0]);

    let nothing = through(column("c", DataType::Int32), Arc::new(NullArray::new(2))).unwrap();
    assert_eq!(nothing.null_count(), 2);
}

#[test]
fn timestamps_change_unit_and_zone_but_not_their_moment() {
    let utc = zoned(TimeUnit::Microsecond, "UTC");
    let berlin =
        TimestampNanosecondArray::from(vec![Some(-1_000), None, Some(i64::MAX - 807)]).with_timezone("Europe/Berlin");
    let moments = through(column("c", utc.clone()), Arc::new(berlin)).unwrap();
    assert_eq!(*moments.data_type(), utc);
    let moments = moments.as_primitive::<TimestampMicrosecondType>();
    assert_eq!(moments.iter().collect::<Vec<_>>(), [Some(-1), None, Some(i64::MAX / 1000)]);

    let finer = TimestampNanosecondArray::from(vec![Some(1_000), None, Some(1_001)]);
    let error = through(column("c", MICROS), Arc::new(finer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!((error.context("column"), error.context("row")), (Some("c"), Some("2")));
    assert!(!error.to_string().contains("1001"), "values stay out of messages");

    let far = TimestampSecondArray::from(vec![i64::MAX / 1_000_000, i64::MAX / 1_000_000 + 1]);
    let error = through(column("c", MICROS), Arc::new(far)).unwrap_err();
    assert_eq!(error.context("row"), Some("1"), "overflow is an error, never a null");

    // What stands under a null is nobody's.
    let hidden = TimestampNanosecondArray::new(vec![1, 2_000].into(), Some(NullBuffer::from(vec![false, true])));
    let moments = through(column("c", MICROS), Arc::new(hidden)).unwrap();
    assert_eq!(moments.as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>(), [None, Some(2)]);

    let half = Date64Array::from(vec![0, 43_200_000]);
    assert_eq!(through(column("c", DataType::Date32), Arc::new(half)).unwrap_err().context("row"), Some("1"));
}

#[test]
fn a_null_for_a_column_that_takes_none_names_the_column_and_the_row() {
    let want = || column("id", DataType::Int64).with_nullable(false);
    let error = through(want(), Arc::new(Int32Array::from(vec![Some(1), None]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "a null for a column that takes none (table: sales.orders, column: id, row: 1)");
    assert!(through(want(), Arc::new(Int64Array::from(vec![1, 2]))).is_ok());
    let dictionary = DictionaryArray::<Int8Type>::try_new(
        Int8Array::from(vec![0, 1]),
        Arc::new(StringArray::from(vec![Some("a"), None])),
    );
    let error = through(column("id", DataType::Utf8).with_nullable(false), Arc::new(dictionary.unwrap())).unwrap_err();
    assert_eq!(error.context("row"), Some("1"), "a dictionary hides its nulls among its values");
}

#[test]
fn a_decimal_that_lies_about_its_precision_is_found() {
    let liar = Decimal128Array::from(vec![1, 123_456]).with_precision_and_scale(5, 2).unwrap();
    for want in [DataType::Decimal128(5, 2), DataType::Decimal128(5, 3)] {
        let narrow = Decimal128Array::from(vec![1, 123_456]).with_precision_and_scale(4, 2).unwrap();
        let source: ArrayRef = if want == *liar.data_type() { Arc::new(liar.clone()) } else { Arc::new(narrow) };
        let error = through(column("c", want), source).unwrap_err();
        assert_eq!(error.context("row"), Some("1"));
    }
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let fit = Fit::plan(&table(vec![column("a", DataType::Int64)]), &schema(vec![("a", DataType::Int32)])).unwrap();
    for other in [schema(vec![("b", DataType::Int32)]), schema(vec![("a", DataType::Int64)]), schema(vec![])] {
        let error = fit.apply(&RecordBatch::new_empty(Arc::new(other))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.context("wanted"), Some("a Int32"));
    }
}

fn required_list() -> DataType {
    DataType::List(Arc::new(Field::new("element", MICROS, false)))
}

/// Nanosecond lists whose second row is null and hides elements that would not fit.
fn lists(values: Vec<Option<i64>>) -> ListArray {
    let field = Arc::new(Field::new("item", DataType::Timestamp(TimeUnit::Nanosecond, None), true));
    let offsets = OffsetBuffer::from_lengths([1, 2, 0, 2]);
    let nulls = NullBuffer::from(vec![true, false, true, true]);
    ListArray::new(field, offsets, Arc::new(TimestampNanosecondArray::from(values)), Some(nulls))
}

#[test]
fn lists_convert_element_by_element_and_skip_what_nulls_hide() {
    let values = vec![Some(1_000), Some(7), None, Some(2_000), Some(3_000)];
    let got = through(column("c", required_list()), Arc::new(lists(values.clone()))).unwrap();
    let wanted = ListArray::new(
        Arc::new(Field::new("element", MICROS, false)),
        OffsetBuffer::from_lengths([1, 0, 0, 2]),
        Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3])),
        Some(NullBuffer::from(vec![true, false, true, true])),
    );
    assert_eq!(got.as_list::<i32>(), &wanted);
    // A slice sees its own rows only.
    let sliced = through(column("c", required_list()), Arc::new(lists(values).slice(2, 2))).unwrap();
    assert_eq!(sliced.as_list::<i32>(), &wanted.slice(2, 2));
}

#[test]
fn an_element_that_does_not_fit_names_its_row() {
    let error =
        through(column("c", required_list()), Arc::new(lists(vec![Some(1_000), None, None, Some(2_000), Some(5)])))
            .unwrap_err();
    assert_eq!((error.context("column"), error.context("row")), (Some("c[]"), Some("3")));
    let error =
        through(column("c", required_list()), Arc::new(lists(vec![Some(1_000), None, None, None, Some(1_000)])))
            .unwrap_err();
    assert_eq!(error.to_string(), "a null for a column that takes none (table: sales.orders, column: c[], row: 3)");
    // The same for lists of fixed size, whose null rows always hide elements.
    let field = Arc::new(Field::new("item", DataType::Timestamp(TimeUnit::Nanosecond, None), true));
    let fixed = |last| {
        let values = TimestampNanosecondArray::from(vec![Some(0), Some(1_000), Some(7), None, Some(2_000), Some(last)]);
        FixedSizeListArray::new(
            Arc::clone(&field),
            2,
            Arc::new(values),
            Some(NullBuffer::from(vec![true, false, true])),
        )
    };
    let got = through(column("c", required_list()), Arc::new(fixed(3_000))).unwrap();
    assert_eq!(got.as_list::<i32>().values().as_primitive::<TimestampMicrosecondType>().values(), &[0, 1, 2, 3]);
    assert_eq!(through(column("c", required_list()), Arc::new(fixed(3_001))).unwrap_err().context("row"), Some("2"));
}

#[test]
fn list_views_may_overlap_and_run_backwards() {
    let field = Arc::new(Field::new("item", DataType::Int32, true));
    let values = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let views = ListViewArray::new(field, vec![1, 0, 0].into(), vec![2, 2, 0].into(), values, None);
    let want = DataType::List(Arc::new(Field::new("element", DataType::Int64, true)));
    let got = through(column("c", want), Arc::new(views)).unwrap();
    let got = got.as_list::<i32>();
    assert_eq!(got.values().as_primitive::<Int64Type>().values(), &[2, 3, 1, 2]);
    assert_eq!(got.value_offsets(), &[0, 2, 4, 4]);
}

#[test]
fn times_of_day_change_unit() {
    let seconds = Time32SecondArray::from(vec![Some(86_399), None]);
    let got = through(column("c", DataType::Time64(TimeUnit::Microsecond)), Arc::new(seconds)).unwrap();
    assert_eq!(got.as_primitive::<Time64MicrosecondType>().value(0), 86_399_000_000);
    let nanos = Time64NanosecondArray::from(vec![1_000_000_000, 1]);
    let error = through(column("c", DataType::Time32(TimeUnit::Second)), Arc::new(nanos.clone())).unwrap_err();
    assert_eq!(error.context("row"), Some("1"));
    let got = through(column("c", DataType::Time32(TimeUnit::Millisecond)), Arc::new(nanos.slice(0, 1))).unwrap();
    assert_eq!(got.as_primitive::<Time32MillisecondType>().value(0), 1_000);
}

#[test]
fn structs_convert_field_by_field_by_name() {
    let want = DataType::Struct(Fields::from(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("at", MICROS, true),
        Field::new("extra", DataType::Utf8, true),
    ]));
    let source = |ids: Vec<Option<i32>>| {
        let fields = Fields::from(vec![
            Field::new("AT", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
            Field::new("id", DataType::Int32, true),
        ]);
        let at = TimestampNanosecondArray::from(vec![Some(1_000), Some(7), None]);
        let columns: Vec<ArrayRef> = vec![Arc::new(at), Arc::new(Int32Array::from(ids))];
        Arc::new(StructArray::new(fields, columns, Some(NullBuffer::from(vec![true, false, true]))))
    };
    let got = through(column("c", want.clone()), source(vec![Some(1), None, Some(3)])).unwrap();
    let got = got.as_struct();
    assert_eq!(got.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(3)]);
    assert_eq!(
        got.column(1).as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>(),
        [Some(1), None, None]
    );
    assert_eq!((got.column(2).null_count(), got.null_count()), (3, 1));
    let error = through(column("c", want), source(vec![Some(1), None, None])).unwrap_err();
    assert_eq!((error.context("column"), error.context("row")), (Some("c.id"), Some("2")));
}

#[test]
fn maps_convert_keys_and_values() {
    let map = |names: [&str; 2], key, value, nullable| {
        let fields = vec![Field::new(names[0], key, false), Field::new(names[1], value, nullable)];
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
    };
    let want = map(["key", "value"], DataType::Utf8, DataType::Int64, false);
    let DataType::Map(entries, _) = map(["keys", "values"], DataType::LargeUtf8, DataType::Int32, true) else {
        unreachable!()
    };
    let DataType::Struct(fields) = entries.data_type() else { unreachable!() };
    let source = |last| {
        let keys = arrow::array::LargeStringArray::from(vec!["a", "hidden", "b", "c"]);
        let values = Int32Array::from(vec![Some(1), None, Some(2), last]);
        let pairs = StructArray::new(fields.clone(), vec![Arc::new(keys), Arc::new(values)], None);
        let offsets = OffsetBuffer::from_lengths([1, 1, 2]);
        let nulls = NullBuffer::from(vec![true, false, true]);
        Arc::new(MapArray::new(Arc::clone(&entries), offsets, pairs, Some(nulls), false))
    };
    let got = through(column("c", want.clone()), source(Some(3))).unwrap();
    assert_eq!(*got.data_type(), want);
    let got = got.as_map();
    assert_eq!(got.keys().as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(got.values().as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    assert_eq!((got.null_count(), got.value_length(2)), (1, 2));
    let error = through(column("c", want), source(None)).unwrap_err();
    assert_eq!((error.context("column"), error.context("row")), (Some("c[value]"), Some("2")));
}

proptest! {
    #[test]
    fn nanoseconds_become_microseconds_exactly_or_not_at_all(values in prop::collection::vec(prop::option::of(
        prop_oneof![any::<i64>(), (i64::MIN / 1000..i64::MAX / 1000).prop_map(|micros| micros * 1000)]), 1..20))
    {
        let result = through(column("c", MICROS), Arc::new(TimestampNanosecondArray::from(values.clone())));
        match values.iter().position(|value| value.is_some_and(|nanos| nanos % 1000 != 0)) {
            Some(row) => {
                let error = result.unwrap_err();
                prop_assert_eq!(error.context("row").map(str::to_owned), Some(row.to_string()));
            }
            None => {
                let back: Vec<_> = result.unwrap().as_primitive::<TimestampMicrosecondType>().iter().collect();
                prop_assert_eq!(back, values.into_iter().map(|value| value.map(|nanos| nanos / 1000)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn lists_of_any_cut_keep_their_elements(rows in prop::collection::vec(prop::option::of(prop::collection::vec(any::<i32>(), 0..4)), 1..12), from in 0_usize..12) {
        let from = from.min(rows.len() - 1);
        let list = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>(
            rows.iter().map(|row| row.as_ref().map(|row| row.iter().copied().map(Some))));
        let want = DataType::LargeList(Arc::new(Field::new("element", DataType::Int64, true)));
        let got = through(column("c", want), Arc::new(list.slice(from, rows.len() - from))).unwrap();
        let got: Vec<Option<Vec<i64>>> = got.as_list::<i64>().iter()
            .map(|row| row.map(|row| row.as_primitive::<Int64Type>().values().to_vec())).collect();
        let wanted: Vec<Option<Vec<i64>>> = rows[from..].iter()
            .map(|row| row.as_ref().map(|row| row.iter().map(|&n| n.into()).collect())).collect();
        prop_assert_eq!(got, wanted);
    }
}
