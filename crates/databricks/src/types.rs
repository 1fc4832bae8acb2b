//! From the service's spelling of types to Arrow's.

mod json;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

pub(crate) use json::{Spelling, field_json, of_json};

/// Deeper nesting than any table has; the reader calls itself.
const DEEPEST: usize = 64;

/// The zone in which moments are read, whatever the session's zone is: the values are the same moments.
pub(crate) const ZONE: &str = "UTC";

/// The Arrow type of a spelling such as `decimal(12,2)` or `ARRAY<STRUCT<a: INT, b: STRING>>`; `None` if it is not
/// known here.
pub(crate) fn parse(text: &str) -> Option<DataType> {
    let mut reader = Reader { rest: text.trim() };
    let data_type = reader.data_type(0)?;
    reader.rest.trim().is_empty().then_some(data_type)
}

/// The Arrow type of a column that is described in several fields, any of which may be missing. A type that is not
/// known here is read as text.
pub(crate) fn of_column(
    text: Option<&str>,
    name: Option<&str>,
    precision: Option<u64>,
    scale: Option<u64>,
    interval: Option<&str>,
) -> DataType {
    let name = name.unwrap_or_default().to_ascii_uppercase();
    let bare = |text: &str| !text.contains('(') && text.trim().eq_ignore_ascii_case("decimal");
    if let (Some(precision), true) = (precision.filter(|p| *p > 0), text.is_none_or(bare) && name == "DECIMAL") {
        return parse(&format!("decimal({precision},{})", scale.unwrap_or(0))).unwrap_or(DataType::Utf8);
    }
    if let (Some(interval), "INTERVAL") = (interval.filter(|text| !text.is_empty()), name.as_str()) {
        return interval_type(interval);
    }
    text.filter(|text| !text.trim().is_empty()).and_then(parse).or_else(|| parse(&name)).unwrap_or(DataType::Utf8)
}

/// How the elements of a list are called in Arrow here.
pub(crate) fn list(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, true)))
}

/// How the entries of a map are called in Arrow here.
pub(crate) fn map(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

fn interval_type(text: &str) -> DataType {
    let text = text.to_ascii_uppercase();
    if text.contains("YEAR") || text.contains("MONTH") {
        DataType::Interval(IntervalUnit::YearMonth)
    } else {
        DataType::Duration(TimeUnit::Microsecond)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn data_type(&mut self, depth: usize) -> Option<DataType> {
        if depth > DEEPEST {
            return None;
        }
        let word = self.word()?.to_ascii_lowercase();
        Some(match word.as_str() {
            "boolean" => DataType::Boolean,
            "tinyint" | "byte" => DataType::Int8,
            "smallint" | "short" => DataType::Int16,
            "int" | "integer" => DataType::Int32,
            "bigint" | "long" => DataType::Int64,
            "float" | "real" => DataType::Float32,
            "double" => DataType::Float64,
            "string" | "varchar" | "char" | "character" => {
                self.arguments();
                if self.keyword("collate") {
                    self.word()?;
                }
                DataType::Utf8
            }
            // JSON text, and what has no Arrow type of its own.
            "variant" | "object" | "geometry" | "geography" | "user_defined_type" => {
                self.arguments();
                DataType::Utf8
            }
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "timestamp" | "timestamp_ltz" => DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())),
            "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "void" | "null" => DataType::Null,
            "decimal" | "dec" | "numeric" => {
                let arguments = self.arguments().unwrap_or("10,0");
                let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
                let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                let legal = (1..=38).contains(&precision) && scale >= 0 && scale.unsigned_abs() <= precision;
                legal.then_some(DataType::Decimal128(precision, scale))?
            }
            "interval" => {
                let first = self.word().unwrap_or("day");
                if self.keyword("to") {
                    self.word()?;
                }
                interval_type(first)
            }
            "array" => {
                self.symbol('<')?;
                let element = self.data_type(depth + 1)?;
                self.not_null();
                self.symbol('>')?;
                list(element)
            }
            "map" => {
                self.symbol('<')?;
                let key = self.data_type(depth + 1)?;
                self.symbol(',')?;
                let value = self.data_type(depth + 1)?;
                self.symbol('>')?;
                map(key, value)
            }
            "struct" => DataType::Struct(self.fields(depth)?),
            _ => return None,
        })
    }

    fn fields(&mut self, depth: usize) -> Option<Fields> {
        let mut fields = Vec::new();
        // `STRUCT<>` may be written so, or with a shift operator's look.
        self.symbol('<')?;
        if self.symbol('>').is_some() {
            return Some(Fields::from(fields));
        }
        loop {
            let name = self.name()?;
            let _ = self.symbol(':');
            let data_type = self.data_type(depth + 1)?;
            let required = self.not_null();
            if self.keyword("comment") {
                self.quoted('\'').or_else(|| self.quoted('"'))?;
            }
            fields.push(Field::new(name, data_type, !required));
            if self.symbol(',').is_none() {
                self.symbol('>')?;
                return Some(Fields::from(fields));
            }
        }
    }

    fn not_null(&mut self) -> bool {
        let before = self.rest;
        if self.keyword("not") && self.keyword("null") {
            return true;
        }
        self.rest = before;
        false
    }

    fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        self.rest = after;
        (!word.is_empty()).then_some(word)
    }

    fn keyword(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        if self.word().is_some_and(|word| word.eq_ignore_ascii_case(wanted)) {
            return true;
        }
        self.rest = before;
        false
    }

    fn symbol(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(wanted)?;
        Some(())
    }

    /// What stands in parentheses, if anything does.
    fn arguments(&mut self) -> Option<&'a str> {
        let (inside, after) = self.rest.trim_start().strip_prefix('(')?.split_once(')')?;
        self.rest = after;
        Some(inside)
    }

    /// The name of a struct's field. Unquoted ones may hold anything but what ends them.
    fn name(&mut self) -> Option<String> {
        if self.rest.trim_start().starts_with('`') {
            return self.quoted('`');
        }
        let rest = self.rest.trim_start();
        let end = rest.find([':', ' ', '<', '>', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        self.rest = after;
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Text between quotes, which are doubled (or, in strings, escaped) inside.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let rest = self.rest.trim_start().strip_prefix(quote)?;
        let mut out = String::new();
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quote != '`' => out.push(chars.next()?.1),
                c if c == quote && chars.peek().is_some_and(|(_, next)| *next == quote) => {
                    chars.next();
                    out.push(quote);
                }
                c if c == quote => {
                    self.rest = &rest[at + c.len_utf8()..];
                    return Some(out);
                }
                c => out.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _};

    use super::*;

    fn utc() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    }

    #[test]
    fn every_scalar_spelling_has_its_type() {
        for (text, wanted) in [
            ("BOOLEAN", DataType::Boolean),
            ("tinyint", DataType::Int8),
            ("BYTE", DataType::Int8),
            ("SMALLINT", DataType::Int16),
            ("SHORT", DataType::Int16),
            ("INT", DataType::Int32),
            ("LONG", DataType::Int64),
            ("bigint", DataType::Int64),
            ("FLOAT", DataType::Float32),
            ("DOUBLE", DataType::Float64),
            ("DECIMAL(38,18)", DataType::Decimal128(38, 18)),
            ("decimal( 12 , 2 )", DataType::Decimal128(12, 2)),
            ("DECIMAL", DataType::Decimal128(10, 0)),
            ("STRING", DataType::Utf8),
            ("STRING COLLATE UTF8_LCASE", DataType::Utf8),
            ("VARCHAR(20)", DataType::Utf8),
            ("VARIANT", DataType::Utf8),
            ("GEOGRAPHY(4326)", DataType::Utf8),
            ("BINARY", DataType::Binary),
            ("DATE", DataType::Date32),
            ("TIMESTAMP", utc()),
            ("TIMESTAMP_NTZ", DataType::Timestamp(TimeUnit::Microsecond, None)),
            ("VOID", DataType::Null),
            ("INTERVAL YEAR TO MONTH", DataType::Interval(IntervalUnit::YearMonth)),
            ("interval month", DataType::Interval(IntervalUnit::YearMonth)),
            ("INTERVAL DAY TO SECOND", DataType::Duration(TimeUnit::Microsecond)),
        ] {
            assert_eq!(parse(text), Some(wanted), "{text}");
        }
        for text in ["", "TIME_OF_DAY", "DECIMAL(39,0)", "DECIMAL(5,6)", "ARRAY<", "INT INT", "STRUCT<a INT"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn nested_types_keep_names_quotes_and_nullability() {
        let text = "ARRAY<STRUCT<`odd``name: x`: MAP<STRING, DECIMAL(5,2)> NOT NULL COMMENT 'it\\'s', zip:int>>";
        let fields = Fields::from(vec![
            Field::new("odd`name: x", map(DataType::Utf8, DataType::Decimal128(5, 2)), false),
            Field::new("zip", DataType::Int32, true),
        ]);
        assert_eq!(parse(text), Some(list(DataType::Struct(fields))));
        assert_eq!(parse("struct<>"), Some(DataType::Struct(Fields::empty())));
    }

    #[test]
    fn depth_is_bounded() {
        assert_eq!(parse(&("ARRAY<".repeat(5000) + "INT" + &">".repeat(5000))), None);
    }

    #[test]
    fn a_column_is_typed_by_whatever_fields_it_has() {
        assert_eq!(of_column(None, Some("DECIMAL"), Some(7), Some(3), None), DataType::Decimal128(7, 3));
        assert_eq!(of_column(Some("DECIMAL(7,3)"), Some("DECIMAL"), Some(9), None, None), DataType::Decimal128(7, 3));
        let months = DataType::Interval(IntervalUnit::YearMonth);
        assert_eq!(of_column(Some("INTERVAL"), Some("INTERVAL"), None, None, Some("YEAR TO MONTH")), months);
        assert_eq!(of_column(None, Some("LONG"), None, None, None), DataType::Int64);
        assert_eq!(of_column(Some("HOLOGRAM"), Some("HOLOGRAM"), None, None, None), DataType::Utf8);
    }

    fn any_type() -> impl Strategy<Value = DataType> {
        let leaf = prop_oneof![
            Just(DataType::Boolean),
            Just(DataType::Int8),
            Just(DataType::Int64),
            Just(DataType::Float32),
            Just(DataType::Utf8),
            Just(DataType::Binary),
            Just(DataType::Date32),
            Just(utc()),
            Just(DataType::Timestamp(TimeUnit::Microsecond, None)),
            (1..=38u8).prop_flat_map(|p| (0..=p as i8).prop_map(move |s| DataType::Decimal128(p, s))),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let field =
                ("[^\0]{1,12}", inner.clone(), any::<bool>()).prop_map(|(name, t, null)| Field::new(name, t, null));
            prop_oneof![
                inner.clone().prop_map(list),
                (inner.clone(), inner).prop_map(|(key, value)| map(key, value)),
                vec(field, 1..4).prop_map(|fields| DataType::Struct(Fields::from(fields))),
            ]
        })
    }

    proptest! {
        /// What we ask for when a table is made is what we understand when it is described.
        #[test]
        fn every_type_that_is_spelt_is_read_back(data_type in any_type()) {
            let spelling = DatabricksDialect.type_name(&data_type).unwrap();
            prop_assert_eq!(parse(&spelling), Some(data_type.clone()), "{}", spelling);
            prop_assert_eq!(parse(&spelling.to_lowercase()).is_some(), true);
        }

        #[test]
        fn no_text_is_too_odd_to_be_refused(text in ".{0,80}") {
            let _ = parse(&text);
        }
    }
}
