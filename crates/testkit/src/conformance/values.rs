//! Values of every type, at their extremes, by every road: as literals, as parameters and through a load.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_warehouse_api::{Decimal, StatementRequest, Value};

use super::{
    batch::table_batch,
    case::{CaseResult, assert_rows},
    cell::Cell,
    context::Context,
};

/// The longest text that both warehouses take, in bytes.
const LONG_TEXT: usize = 65_535;

/// Values of one type.
struct Group {
    data_type: DataType,
    values: Vec<Value>,
}

impl Group {
    fn new(data_type: DataType, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self { data_type, values: values.into_iter().map(Into::into).collect() }
    }
}

/// Three cases for each family of types: `<family>_by_literal`, `<family>_by_parameter`, `<family>_by_load`.
macro_rules! by_every_road {
    ($($family:ident: $literal:ident $parameter:ident $load:ident;)*) => {$(
        pub(super) async fn $literal(cx: &Context<'_>) -> CaseResult {
            by_literal(cx, $family()?).await
        }
        pub(super) async fn $parameter(cx: &Context<'_>) -> CaseResult {
            by_parameter(cx, $family()?).await
        }
        pub(super) async fn $load(cx: &Context<'_>) -> CaseResult {
            by_load(cx, $family()?).await
        }
    )*};
}

by_every_road! {
    booleans: booleans_by_literal booleans_by_parameter booleans_by_load;
    integers: integers_by_literal integers_by_parameter integers_by_load;
    floats: floats_by_literal floats_by_parameter floats_by_load;
    decimals: decimals_by_literal decimals_by_parameter decimals_by_load;
    dates: dates_by_literal dates_by_parameter dates_by_load;
    timestamps: timestamps_by_literal timestamps_by_parameter timestamps_by_load;
    wall_clock_times: wall_clock_times_by_literal wall_clock_times_by_parameter wall_clock_times_by_load;
    texts: texts_by_literal texts_by_parameter texts_by_load;
    long_texts: long_texts_by_literal long_texts_by_parameter long_texts_by_load;
    bytes: bytes_by_literal bytes_by_parameter bytes_by_load;
}

fn booleans() -> Result<Vec<Group>> {
    Ok(vec![Group::new(DataType::Boolean, [Some(true), Some(false), None])])
}

fn integers() -> Result<Vec<Group>> {
    Ok(vec![
        Group::new(DataType::Int32, [Some(i32::MIN), Some(-1), Some(0), Some(i32::MAX), None]),
        Group::new(DataType::Int64, [Some(i64::MIN), Some(-1), Some(0), Some(1 << 53 | 1), Some(i64::MAX), None]),
    ])
}

fn floats() -> Result<Vec<Group>> {
    let singles = [f32::MIN, f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1), 0.1, 0.0, -0.0];
    let doubles = [f64::MIN, f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), 0.1 + 0.2, 0.0, -0.0];
    let singles = singles.into_iter().chain([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]).map(Some).chain([None]);
    let doubles = doubles.into_iter().chain([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).map(Some).chain([None]);
    Ok(vec![Group::new(DataType::Float32, singles), Group::new(DataType::Float64, doubles)])
}

fn decimals() -> Result<Vec<Group>> {
    const NINES: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    let mut groups = Vec::new();
    // Redshift documents 37 as the largest scale of a column.
    for (precision, scale) in [(38, 0), (38, 10), (38, 37), (18, 2), (19, 19), (1, 0)] {
        let most = NINES / 10_i128.pow(38 - u32::from(precision));
        let values = [most, -most, 1, -1, 0].map(|digits| Decimal::new(digits, scale));
        let mut values =
            values.into_iter().collect::<Result<Vec<_>>>()?.into_iter().map(Value::from).collect::<Vec<_>>();
        values.push(Value::Null);
        groups.push(Group { data_type: DataType::Decimal128(precision, scale as i8), values });
    }
    Ok(groups)
}

fn dates() -> Result<Vec<Group>> {
    let dates = [(1, 1, 1), (1582, 10, 4), (1582, 10, 15), (1899, 12, 31), (1969, 12, 31), (1970, 1, 1)];
    let later = [(2000, 2, 29), (2038, 1, 20), (2262, 4, 12), (9999, 12, 31)];
    let dates = dates.into_iter().chain(later).filter_map(|(y, m, d)| NaiveDate::from_ymd_opt(y, m, d));
    Ok(vec![Group::new(DataType::Date32, dates.map(Some).chain([None]))])
}

/// Microseconds since 1970 of the first and last moment of the years 1 to 9999, and of some on the way.
const MOMENTS: [i64; 9] = [
    -62_135_596_800_000_000,
    -12_219_292_800_000_001,
    -2_208_988_800_123_456,
    -1,
    0,
    1,
    1_709_175_845_123_456,
    // The last second of nanoseconds in 64 bits is past.
    9_223_372_036_854_775,
    253_402_300_799_999_999,
];

fn timestamps() -> Result<Vec<Group>> {
    let values = MOMENTS.map(Value::Timestamp).into_iter().chain([Value::Null]);
    Ok(vec![Group { data_type: timestamp(), values: values.collect() }])
}

fn wall_clock_times() -> Result<Vec<Group>> {
    let values = MOMENTS.map(Value::TimestampNtz).into_iter().chain([Value::Null]);
    Ok(vec![Group { data_type: DataType::Timestamp(TimeUnit::Microsecond, None), values: values.collect() }])
}

/// Texts that something on the way could mistake for something else.
pub(super) const HOSTILE_TEXTS: [&str; 22] = [
    "'",
    "''",
    "\"",
    "\\",
    "\\'",
    "\\\\'",
    "'; drop table users; --",
    "-- no comment",
    "/* no comment */",
    "$$",
    "$1",
    "${x}",
    ":name",
    "::int",
    "?",
    "%s",
    "\n\r\t\u{8}\u{c}",
    "\u{1}\u{1f}\u{7f}",
    "null",
    "NULL",
    "\\N",
    "\\u0041\\x41",
];

fn texts() -> Result<Vec<Group>> {
    let mut values: Vec<Value> = HOSTILE_TEXTS.map(Value::from).to_vec();
    values.push("".into());
    values.push(" leading and trailing ".into());
    // One character of each of the 17 planes, assigned or not.
    values.push((0..=16_u32).filter_map(|plane| char::from_u32(plane << 16 | 0x1F4)).collect::<String>().into());
    values.push("\u{FEFF}e\u{301} \u{202E}עברית\u{202C} 👩‍👩‍👧‍👦 ｆｕｌｌ ß ẞ İ ı \u{2028}\u{FFFD}\u{FFFF}\u{10FFFF}".into());
    values.push(Value::Null);
    Ok(vec![Group { data_type: DataType::Utf8, values }])
}

fn long_texts() -> Result<Vec<Group>> {
    let ascii = "0123456789abcdef".repeat(LONG_TEXT / 16 + 1)[..LONG_TEXT].to_owned();
    let quotes = "'\\".repeat(16_000);
    Ok(vec![Group::new(DataType::Utf8, [ascii, "語".repeat(LONG_TEXT / 3), "🦀".repeat(LONG_TEXT / 4), quotes])])
}

fn bytes() -> Result<Vec<Group>> {
    let values = [Some((0..=255).collect::<Vec<u8>>()), Some(vec![0]), Some(Vec::new()), Some(b"text".to_vec()), None];
    Ok(vec![Group::new(DataType::Binary, values)])
}

/// An instant, in microseconds.
pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

/// The groups as one statement can hold their values, or each value by itself.
fn statements(cx: &Context<'_>, groups: Vec<Group>) -> Result<Vec<Vec<Group>>> {
    let mut bytes = 0;
    for (_, value) in flat(&groups) {
        bytes += if *value == Value::Null { 0 } else { cx.dialect().literal(value)?.len() };
    }
    if bytes < cx.can().max_statement_bytes {
        return Ok(vec![groups]);
    }
    let each =
        flat(&groups).map(|(data_type, value)| Group { data_type: data_type.clone(), values: vec![value.clone()] });
    Ok(each.map(|group| vec![group]).collect())
}

async fn by_literal(cx: &Context<'_>, groups: Vec<Group>) -> CaseResult {
    for groups in statements(cx, groups)? {
        row_by_literal(cx, &groups).await?;
    }
    Ok(())
}

async fn row_by_literal(cx: &Context<'_>, groups: &[Group]) -> CaseResult {
    let mut items = Vec::new();
    for (data_type, value) in flat(groups) {
        items.push(match value {
            Value::Null => format!("cast(null as {})", cx.dialect().type_name(data_type)?),
            value => cx.dialect().literal(value)?,
        });
    }
    check_row(cx, StatementRequest::read(select(&items)), groups).await
}

async fn by_parameter(cx: &Context<'_>, groups: Vec<Group>) -> CaseResult {
    for groups in statements(cx, groups)? {
        row_by_parameter(cx, &groups).await?;
    }
    Ok(())
}

async fn row_by_parameter(cx: &Context<'_>, groups: &[Group]) -> CaseResult {
    let mut items = Vec::new();
    let mut request = StatementRequest::read("");
    for (index, (data_type, value)) in flat(groups).enumerate() {
        items.push(match value {
            Value::Null => format!("cast(:p{index} as {})", cx.dialect().type_name(data_type)?),
            _ => format!(":p{index}"),
        });
        request = request.bind(format!("p{index}"), value.clone());
    }
    let request = StatementRequest::read(select(&items)).with_params(request.params().clone());
    check_row(cx, request, groups).await
}

/// One row, one column for each value.
fn select(items: &[String]) -> String {
    let items: Vec<_> = items.iter().enumerate().map(|(index, item)| format!("{item} as c{index}")).collect();
    format!("select {}", items.join(", "))
}

fn flat(groups: &[Group]) -> impl Iterator<Item = (&DataType, &Value)> {
    groups.iter().flat_map(|group| group.values.iter().map(|value| (&group.data_type, value)))
}

async fn check_row(cx: &Context<'_>, request: StatementRequest, groups: &[Group]) -> CaseResult {
    let (schema, batches) = cx.batches(request).await?;
    let want: Vec<Cell> = flat(groups).map(|(_, value)| Cell::from(value)).collect();
    let rows = super::cell::cells(&batches);
    let [row] = rows.as_slice() else { panic!("wanted one row, got {}", rows.len()) };
    // Cell by cell: with hundreds of columns the whole row says nothing.
    for (index, (got, want)) in row.iter().zip(&want).enumerate() {
        assert_eq!(got, want, "column {index} of type {}", schema.field(index).data_type());
    }
    assert_eq!(row.len(), want.len());
    for (field, (data_type, _)) in schema.fields().iter().zip(flat(groups)) {
        match (field.data_type(), data_type) {
            // An expression has as many digits as it needs, or as there can be; only a column has a number of its own.
            (DataType::Decimal128(_, got), DataType::Decimal128(_, want)) => assert_eq!(got, want),
            _ => assert_alike(field, data_type),
        }
    }
    Ok(())
}

async fn by_load(cx: &Context<'_>, groups: Vec<Group>) -> CaseResult {
    let mut fields = vec![Field::new("id", DataType::Int32, false)];
    fields
        .extend(groups.iter().enumerate().map(|(n, group)| Field::new(format!("v{n}"), group.data_type.clone(), true)));
    let rows = groups.iter().map(|group| group.values.len()).max().unwrap_or_default();
    let value = |group: &Group, row: usize| group.values.get(row).cloned().unwrap_or(Value::Null);
    let rows: Vec<Vec<Value>> = (0..rows)
        .map(|row| std::iter::once(Value::Int(row as i32)).chain(groups.iter().map(|g| value(g, row))).collect())
        .collect();
    let table = cx.create("values", &fields).await?;
    let batch = table_batch(&fields, &rows)?;
    let report = cx.load(&table, vec![batch], cx.token("values")?).await?;
    assert_eq!(report.rows, rows.len() as u64);

    let want: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(Cell::from).collect()).collect();
    assert_rows(&cx.read(&table, "id").await?, &want);
    let (schema, _) = cx.batches(format!("select * from {} where 1 = 0", cx.name(&table)?)).await?;
    for (got, want) in schema.fields().iter().zip(&fields) {
        assert_alike(got, want.data_type());
    }
    Ok(())
}

/// Whether the column came back as the type it is: integers may be wider, and zones may be spelled differently.
#[track_caller]
pub(super) fn assert_alike(got: &Field, want: &DataType) {
    let alike = match (got.data_type(), want) {
        (a, b) if a.is_signed_integer() && b.is_signed_integer() => a.primitive_width() >= b.primitive_width(),
        (DataType::Timestamp(unit, a), DataType::Timestamp(_, b)) => {
            *unit == TimeUnit::Microsecond && a.is_some() == b.is_some()
        }
        (a, b) => a == b,
    };
    assert!(alike, "column `{}`: wanted {want}, got {}", got.name(), got.data_type());
}

pub(super) async fn nulls_of_every_type(cx: &Context<'_>) -> CaseResult {
    let types = every_type();
    let items: Vec<_> =
        types.iter().map(|t| Ok(format!("cast(null as {})", cx.dialect().type_name(t)?))).collect::<Result<_>>()?;
    let (schema, batches) = cx.batches(select(&items)).await?;
    assert_rows(&super::cell::cells(&batches), &[vec![Cell::Null; types.len()]]);
    for (field, data_type) in schema.fields().iter().zip(&types) {
        assert_alike(field, data_type);
    }
    Ok(())
}

pub(super) fn every_type() -> Vec<DataType> {
    vec![
        DataType::Boolean,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 10),
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        timestamp(),
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ]
}

pub(super) async fn inserted_values_come_back(cx: &Context<'_>) -> CaseResult {
    let mut fields = vec![Field::new("id", DataType::Int32, false)];
    let types = every_type().into_iter().filter(|t| *t != DataType::Int16);
    fields.extend(types.enumerate().map(|(n, t)| Field::new(format!("v{n}"), t, true)));
    let row = |id: i32| -> Result<Vec<Value>> {
        Ok(vec![
            id.into(),
            true.into(),
            i32::MIN.into(),
            i64::MAX.into(),
            (-0.0_f32).into(),
            f64::NEG_INFINITY.into(),
            Decimal::parse("-1234567890123456789012345678.0123456789")?.into(),
            "it's a \\ 🦀".into(),
            vec![0_u8, 255].into(),
            NaiveDate::from_ymd_opt(1815, 12, 10).into(),
            Value::Timestamp(-1),
            Value::TimestampNtz(253_402_300_799_999_999),
        ])
    };
    let (first, second, third) = (row(1)?, row(2)?, std::iter::once(3.into()).chain(vec![Value::Null; 11]).collect());
    let table = cx.create("inserted", &fields).await?;
    cx.insert(&table, &[first.clone(), third]).await?;
    let markers: Vec<_> = (0..second.len()).map(|n| format!(":p{n}")).collect();
    let mut request =
        StatementRequest::write(format!("insert into {} values ({})", cx.name(&table)?, markers.join(", ")));
    for (n, value) in second.iter().enumerate() {
        request = request.bind(format!("p{n}"), value.clone());
    }
    cx.execute(request).await?;
    let cells = |row: &[Value]| row.iter().map(Cell::from).collect::<Vec<_>>();
    let nulls = std::iter::once(Cell::Int(3)).chain(vec![Cell::Null; 11]).collect();
    assert_rows(&cx.read(&table, "id").await?, &[cells(&first), cells(&second), nulls]);
    Ok(())
}

pub(super) async fn a_moment_is_the_same_in_every_zone(cx: &Context<'_>) -> CaseResult {
    let at = |text| DateTime::<FixedOffset>::parse_from_rfc3339(text).unwrap_or_default();
    let request = StatementRequest::read("select :utc as a, :kolkata as b, :new_york as c")
        .bind("utc", at("2024-03-10T07:30:00.000001Z"))
        .bind("kolkata", at("2024-03-10T13:00:00.000001+05:30"))
        .bind("new_york", at("2024-03-10T02:30:00.000001-05:00"));
    let moment = Cell::Timestamp(1_710_055_800_000_001);
    assert_rows(&cx.rows(request).await?, &[vec![moment.clone(), moment.clone(), moment]]);

    let sql =
        format!("select cast('2024-03-10 13:00:00.000001+05:30' as {}) as a", cx.dialect().type_name(&timestamp())?);
    assert_rows(&cx.rows(sql).await?, &[vec![Cell::Timestamp(1_710_055_800_000_001)]]);
    Ok(())
}

pub(super) async fn a_wall_clock_has_no_zone(cx: &Context<'_>) -> CaseResult {
    // A time that no clock in New York showed: the hour was skipped.
    let skipped = NaiveDate::from_ymd_opt(2024, 3, 10).and_then(|day| day.and_hms_micro_opt(2, 30, 0, 1));
    let skipped: NaiveDateTime = skipped.unwrap_or_default();
    let rows = cx.rows(StatementRequest::read("select :t as a").bind("t", skipped)).await?;
    assert_rows(&rows, &[vec![Cell::TimestampNtz(skipped.and_utc().timestamp_micros())]]);
    Ok(())
}

pub(super) async fn empty_text_is_not_null(cx: &Context<'_>) -> CaseResult {
    let table =
        cx.create("empty", &[Field::new("id", DataType::Int32, false), Field::new("t", DataType::Utf8, true)]).await?;
    cx.insert(&table, &[vec![1.into(), "".into()], vec![2.into(), Value::Null]]).await?;
    assert_rows(&cx.read(&table, "id").await?, &[vec![1.into(), "".into()], vec![2.into(), Cell::Null]]);
    let sql = format!("select id from {} where t = :t", cx.name(&table)?);
    assert_rows(&cx.rows(StatementRequest::read(sql).bind("t", "")).await?, &[vec![1.into()]]);
    Ok(())
}

pub(super) async fn nul_in_text_is_kept_or_refused(cx: &Context<'_>) -> CaseResult {
    match cx.rows(StatementRequest::read("select :t as t").bind("t", "a\0b")).await {
        Ok(rows) => assert_rows(&rows, &[vec!["a\0b".into()]]),
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}"),
    }
    Ok(())
}

pub(super) async fn decimal_arithmetic_is_exact(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("exact", &[Field::new("d", DataType::Decimal128(38, 10), false)]).await?;
    let big = Decimal::parse("1000000000000000000000000000.0000000001")?;
    let small = Decimal::parse("0.0000000001")?;
    cx.insert(&table, &[vec![big.into()], vec![small.into()], vec![small.into()]]).await?;
    let t = cx.name(&table)?;
    let sql =
        format!("select cast(sum(d) as {}) as s from {t}", cx.dialect().type_name(&DataType::Decimal128(38, 10))?);
    let sum = 10_000_000_000_000_000_000_000_000_000_000_000_003_i128;
    assert_rows(&cx.rows(sql).await?, &[vec![Cell::Decimal(sum, 10)]]);
    Ok(())
}
