//! Brings arrays into a column's type, or says which row does not go.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, GenericListArray, MapArray, OffsetSizeTrait,
        PrimitiveArray, StructArray, UInt64Array, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::{CastOptions, cast_with_options, nullif, take},
    datatypes::{
        DataType, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Field,
        FieldRef, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
    error::ArrowError,
};

use super::{entries, rules};

/// A value that does not go into the column.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) row: usize,
    /// What to add to the column's name, for a value inside a nested one: `.city`, `[]`.
    pub(super) path: String,
    pub(super) why: String,
}

impl Misfit {
    fn new(row: usize, why: impl Into<String>) -> Self {
        Self { row, path: String::new(), why: why.into() }
    }

    fn inside(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

type Result<T, E = Misfit> = std::result::Result<T, E>;

const EXACT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// Converts the values of one field. `present` says which rows have a parent at all; the others hold anything.
pub(super) fn field(array: &ArrayRef, want: &Field, present: Option<&NullBuffer>) -> Result<ArrayRef> {
    let masked = match present {
        Some(present) if present.null_count() > 0 => {
            nullif(array, &BooleanArray::new(!present.inner(), None)).map_err(|error| defect(&error))?
        }
        _ => Arc::clone(array),
    };
    let converted = convert(&masked, want.data_type())?;
    if !want.is_nullable()
        && let Some(nulls) = converted.logical_nulls()
        && let Some(row) = (0..nulls.len()).find(|&row| nulls.is_null(row) && present.is_none_or(|p| p.is_valid(row)))
    {
        return Err(Misfit::new(row, "a null for a column that takes none"));
    }
    Ok(converted)
}

fn convert(array: &ArrayRef, want: &DataType) -> Result<ArrayRef> {
    use DataType::*;
    let got = array.data_type();
    honest(array)?;
    match (want, got) {
        (List(element), List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_)) => {
            list::<i32>(array, element)
        }
        (LargeList(element), List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_)) => {
            list::<i64>(array, element)
        }
        (Map(want, ordered), Map(..)) => map(array.as_map(), want, *ordered),
        (Struct(fields), Struct(_)) => {
            let source = array.as_struct();
            let mut columns = Vec::with_capacity(fields.len());
            for (want, from) in fields.iter().zip(rules::struct_sources(fields, source.fields())) {
                columns.push(match from {
                    Some(index) => field(source.column(index), want, source.nulls())
                        .map_err(|misfit| misfit.inside(&format!(".{}", want.name())))?,
                    None => new_null_array(want.data_type(), source.len()),
                });
            }
            StructArray::try_new_with_length(fields.clone(), columns, source.nulls().cloned(), source.len())
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(|error| defect(&error))
        }
        _ if want == got => Ok(Arc::clone(array)),
        (_, Null) => Ok(new_null_array(want, array.len())),
        (_, Dictionary(_, values)) => convert(&cast(array, values)?, want),
        (Date32, Date64) => {
            let days = rescale(array.as_primitive::<Date64Type>(), 1, 86_400_000, want)?;
            cast(&(Arc::new(days) as ArrayRef), &Int32).and_then(|days| cast(&days, &Date32))
        }
        (Date64, Date32) => {
            let days = cast(array, &Int32)?;
            let days = cast(&days, &Int64)?;
            let millis = rescale(days.as_primitive::<Int64Type>(), 86_400_000, 1, want)?;
            Ok(Arc::new(millis.reinterpret_cast::<Date64Type>()))
        }
        (
            Timestamp(want_unit, _) | Time32(want_unit) | Time64(want_unit),
            Timestamp(got_unit, _) | Time32(got_unit) | Time64(got_unit),
        ) => {
            let ticks = ticks(array)?;
            let (want_rate, got_rate) = (rate(*want_unit), rate(*got_unit));
            let (times, by) = if want_rate > got_rate { (want_rate / got_rate, 1) } else { (1, got_rate / want_rate) };
            let ticks = rescale(ticks.as_primitive::<Int64Type>(), times, by, want)?;
            from_ticks(ticks, want)
        }
        _ => cast(array, want),
    }
}

/// Digits beyond the declared precision, which arrow lets in, would be lost or wrapped by a cast.
fn honest(array: &ArrayRef) -> Result<()> {
    fn digits<T: DecimalType>(array: &ArrayRef, precision: u8) -> Result<()> {
        let values = array.as_primitive::<T>();
        check(values, |value| T::is_valid_decimal_precision(value, precision), array.data_type())
    }
    match array.data_type() {
        DataType::Decimal32(precision, _) => digits::<Decimal32Type>(array, *precision),
        DataType::Decimal64(precision, _) => digits::<Decimal64Type>(array, *precision),
        DataType::Decimal128(precision, _) => digits::<Decimal128Type>(array, *precision),
        DataType::Decimal256(precision, _) => digits::<Decimal256Type>(array, *precision),
        _ => Ok(()),
    }
}

/// The values as 64-bit integers, whatever their unit.
fn ticks(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Time32(_) => cast(array, &DataType::Int32).and_then(|ticks| cast(&ticks, &DataType::Int64)),
        _ => cast(array, &DataType::Int64),
    }
}

fn from_ticks(ticks: PrimitiveArray<Int64Type>, want: &DataType) -> Result<ArrayRef> {
    fn stamp<T: arrow::datatypes::ArrowTimestampType>(
        ticks: &PrimitiveArray<Int64Type>,
        zone: Option<Arc<str>>,
    ) -> ArrayRef {
        Arc::new(ticks.reinterpret_cast::<T>().with_timezone_opt(zone))
    }
    Ok(match want {
        DataType::Timestamp(unit, zone) => {
            let zone = zone.clone();
            match unit {
                TimeUnit::Second => stamp::<TimestampSecondType>(&ticks, zone),
                TimeUnit::Millisecond => stamp::<TimestampMillisecondType>(&ticks, zone),
                TimeUnit::Microsecond => stamp::<TimestampMicrosecondType>(&ticks, zone),
                TimeUnit::Nanosecond => stamp::<TimestampNanosecondType>(&ticks, zone),
            }
        }
        DataType::Time64(TimeUnit::Microsecond) => Arc::new(ticks.reinterpret_cast::<Time64MicrosecondType>()),
        DataType::Time64(_) => Arc::new(ticks.reinterpret_cast::<Time64NanosecondType>()),
        _ => {
            let ticks = cast(&(Arc::new(ticks) as ArrayRef), &DataType::Int32)?;
            let ticks = ticks.as_primitive::<arrow::datatypes::Int32Type>();
            match want {
                DataType::Time32(TimeUnit::Second) => Arc::new(ticks.reinterpret_cast::<Time32SecondType>()),
                _ => Arc::new(ticks.reinterpret_cast::<Time32MillisecondType>()),
            }
        }
    })
}

/// Units in a second.
fn rate(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// `value × times ÷ by`, where nothing may be left over.
fn rescale<T>(array: &PrimitiveArray<T>, times: i64, by: i64, want: &DataType) -> Result<PrimitiveArray<Int64Type>>
where
    T: ArrowPrimitiveType<Native = i64>,
{
    let scaled = |value: i64| value.checked_mul(times).filter(|value| value % by == 0).map(|value| value / by);
    check(array, |value| scaled(value).is_some(), want)?;
    Ok(array.unary(|value| scaled(value).unwrap_or_default()))
}

fn check<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    good: impl Fn(T::Native) -> bool,
    want: &DataType,
) -> Result<()> {
    let bad = |row: &usize| array.is_valid(*row) && !good(array.value(*row));
    (0..array.len()).find(bad).map_or(Ok(()), |row| Err(inexact(row, want)))
}

fn cast(array: &ArrayRef, want: &DataType) -> Result<ArrayRef> {
    cast_with_options(array, want, &EXACT).map_err(|_| {
        let alone = |row: &usize| cast_with_options(&array.slice(*row, 1), want, &EXACT).is_err();
        match (0..array.len()).find(alone) {
            Some(row) => inexact(row, want),
            None => Misfit::new(0, format!("the batch is too large for one {want} array: send smaller batches")),
        }
    })
}

// The value itself stays out of the message: it may be personal data.
fn inexact(row: usize, want: &DataType) -> Misfit {
    Misfit::new(row, format!("a value does not fit {want} exactly"))
}

fn defect(error: &ArrowError) -> Misfit {
    Misfit::new(0, format!("the converted column is not well formed: {error}"))
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, element: &FieldRef) -> Result<ArrayRef> {
    let (ranges, values) = match array.data_type() {
        DataType::List(_) => ranges_of(array.as_list::<i32>().offsets(), array.as_list::<i32>().values()),
        DataType::LargeList(_) => ranges_of(array.as_list::<i64>().offsets(), array.as_list::<i64>().values()),
        DataType::ListView(_) => {
            let list = array.as_list_view::<i32>();
            let sizes = list.offsets().iter().zip(list.sizes().iter());
            (sizes.map(|(&at, &size)| at as usize..(at + size) as usize).collect(), Arc::clone(list.values()))
        }
        DataType::LargeListView(_) => {
            let list = array.as_list_view::<i64>();
            let sizes = list.offsets().iter().zip(list.sizes().iter());
            (sizes.map(|(&at, &size)| at as usize..(at + size) as usize).collect(), Arc::clone(list.values()))
        }
        _ => {
            let list = array.as_fixed_size_list();
            let size = list.value_length() as usize;
            let at = |row| list.value_offset(row) as usize;
            ((0..list.len()).map(|row| at(row)..at(row) + size).collect(), Arc::clone(list.values()))
        }
    };
    let packed = Packed::new(ranges, &values, array.nulls())?;
    let values = field(&packed.values, element, None).map_err(|misfit| packed.outside(misfit, "[]"))?;
    if O::from_usize(packed.values.len()).is_none() {
        return Err(Misfit::new(0, format!("the batch has too many elements for one {} array", array.data_type())));
    }
    let offsets = OffsetBuffer::<O>::from_lengths(packed.lengths());
    GenericListArray::try_new(Arc::clone(element), offsets, values, array.nulls().cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| defect(&error))
}

fn map(array: &MapArray, want: &FieldRef, ordered: bool) -> Result<ArrayRef> {
    let Some((key, value)) = entries(want) else {
        return Err(Misfit::new(0, format!("{want} is not a map")));
    };
    let (ranges, source) = ranges_of(array.offsets(), &(Arc::new(array.entries().clone()) as ArrayRef));
    let packed = Packed::new(ranges, &source, array.nulls())?;
    let source = packed.values.as_struct();
    let keys = field(source.column(0), key, None).map_err(|misfit| packed.outside(misfit, "[key]"))?;
    let values = field(source.column(1), value, None).map_err(|misfit| packed.outside(misfit, "[value]"))?;
    let DataType::Struct(fields) = want.data_type() else {
        return Err(Misfit::new(0, format!("{want} is not a map")));
    };
    let offsets = OffsetBuffer::from_lengths(packed.lengths());
    StructArray::try_new(fields.clone(), vec![keys, values], None)
        .and_then(|entries| MapArray::try_new(Arc::clone(want), offsets, entries, array.nulls().cloned(), ordered))
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| defect(&error))
}

fn ranges_of<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, values: &ArrayRef) -> (Vec<Range<usize>>, ArrayRef) {
    (offsets.windows(2).map(|pair| pair[0].as_usize()..pair[1].as_usize()).collect(), Arc::clone(values))
}

/// The elements of lists, end to end, without those that no list can see.
struct Packed {
    values: ArrayRef,
    /// Where each row's elements end.
    ends: Vec<usize>,
}

impl Packed {
    fn new(mut ranges: Vec<Range<usize>>, values: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<Self> {
        if let Some(nulls) = nulls {
            for (row, range) in ranges.iter_mut().enumerate() {
                // What stands under a null list is nobody's: it may not even fit.
                if nulls.is_null(row) {
                    range.end = range.start;
                }
            }
        }
        let mut ends = Vec::with_capacity(ranges.len());
        let (mut total, mut first, mut next, mut gapless) = (0, 0, None, true);
        for range in &ranges {
            total += range.len();
            ends.push(total);
            if !range.is_empty() {
                match next.replace(range.end) {
                    None => first = range.start,
                    Some(next) => gapless &= next == range.start,
                }
            }
        }
        let values = if gapless {
            values.slice(first, total)
        } else {
            let indices = UInt64Array::from_iter_values(ranges.into_iter().flatten().map(|index| index as u64));
            take(values, &indices, None).map_err(|error| defect(&error))?
        };
        Ok(Self { values, ends })
    }

    fn lengths(&self) -> impl IntoIterator<Item = usize, IntoIter: ExactSizeIterator> {
        let start = |row: usize| if row == 0 { 0 } else { self.ends[row - 1] };
        (0..self.ends.len()).map(|row| self.ends[row] - start(row)).collect::<Vec<_>>()
    }

    /// Turns the index of an element into the row that it belongs to.
    fn outside(&self, misfit: Misfit, step: &str) -> Misfit {
        let row = self.ends.partition_point(|&end| end <= misfit.row);
        Misfit { row, ..misfit.inside(step) }
    }
}
