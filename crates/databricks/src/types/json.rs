//! Types as Spark writes them in JSON: the exact form, with names, nullability and nesting.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit};
use serde_json::{Map, Value, json};

use super::{DEEPEST, parse};

/// The Arrow type of Spark's JSON: a type, or a field that has one. `None` if it is not known here.
pub(crate) fn of_json(text: &str) -> Option<DataType> {
    let value: Value = serde_json::from_str(text).ok()?;
    match &value {
        // A field: its own kind of object has a name, and its type inside.
        Value::Object(object) if object.contains_key("name") => of_value(object.get("type")?, 0),
        value => of_value(value, 0),
    }
}

fn of_value(value: &Value, depth: usize) -> Option<DataType> {
    if depth > DEEPEST {
        return None;
    }
    let object = match value {
        Value::String(text) => return parse(text),
        Value::Object(object) => object,
        _ => return None,
    };
    let flag = |key: &str| object.get(key).and_then(Value::as_bool).unwrap_or(true);
    match object.get("type")?.as_str()? {
        "array" => {
            let element = of_value(object.get("elementType")?, depth + 1)?;
            Some(DataType::List(Arc::new(Field::new("element", element, flag("containsNull")))))
        }
        "map" => {
            let key = Field::new("key", of_value(object.get("keyType")?, depth + 1)?, false);
            let value = Field::new("value", of_value(object.get("valueType")?, depth + 1)?, flag("valueContainsNull"));
            let entries = DataType::Struct(Fields::from(vec![key, value]));
            Some(DataType::Map(Arc::new(Field::new("entries", entries, false)), false))
        }
        "struct" => {
            let fields = object.get("fields")?.as_array()?;
            let fields = fields.iter().map(|field| {
                let data_type = of_value(field.get("type")?, depth + 1)?;
                let nullable = field.get("nullable").and_then(Value::as_bool).unwrap_or(true);
                Some(Field::new(field.get("name")?.as_str()?, data_type, nullable))
            });
            Some(DataType::Struct(fields.collect::<Option<Vec<_>>>()?.into()))
        }
        // What somebody has put around another type.
        "udt" => of_value(object.get("sqlType")?, depth + 1),
        _ => None,
    }
}

/// A type in the service's three spellings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spelling {
    /// `DECIMAL`, `ARRAY`: the kind only.
    pub(crate) name: &'static str,
    /// `decimal(12,2)`, `array<bigint>`.
    pub(crate) text: String,
    /// Spark's JSON.
    pub(crate) json: Value,
}

impl Spelling {
    fn leaf(name: &'static str, text: &str, json: &str) -> Self {
        Self { name, text: text.to_owned(), json: json.into() }
    }

    /// The spellings of an Arrow type; `None` if no column has it.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        Self::at(data_type, 0)
    }

    fn at(data_type: &DataType, depth: usize) -> Option<Self> {
        if depth > DEEPEST {
            return None;
        }
        Some(match data_type {
            DataType::Boolean => Self::leaf("BOOLEAN", "boolean", "boolean"),
            DataType::Int8 => Self::leaf("BYTE", "tinyint", "byte"),
            DataType::Int16 => Self::leaf("SHORT", "smallint", "short"),
            DataType::Int32 => Self::leaf("INT", "int", "integer"),
            DataType::Int64 => Self::leaf("LONG", "bigint", "long"),
            DataType::Float32 => Self::leaf("FLOAT", "float", "float"),
            DataType::Float64 => Self::leaf("DOUBLE", "double", "double"),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::leaf("STRING", "string", "string"),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Self::leaf("BINARY", "binary", "binary"),
            DataType::Date32 => Self::leaf("DATE", "date", "date"),
            DataType::Timestamp(_, Some(_)) => Self::leaf("TIMESTAMP", "timestamp", "timestamp"),
            DataType::Timestamp(_, None) => Self::leaf("TIMESTAMP_NTZ", "timestamp_ntz", "timestamp_ntz"),
            DataType::Interval(IntervalUnit::YearMonth) => {
                Self::leaf("INTERVAL", "interval year to month", "interval year to month")
            }
            DataType::Duration(_) => Self::leaf("INTERVAL", "interval day to second", "interval day to second"),
            DataType::Decimal128(precision, scale) if *scale >= 0 && scale.unsigned_abs() <= *precision => {
                let text = format!("decimal({precision},{scale})");
                Self::leaf("DECIMAL", &text, &text)
            }
            DataType::List(element) | DataType::LargeList(element) => {
                let inner = Self::at(element.data_type(), depth + 1)?;
                let json = json!({
                    "type": "array", "elementType": inner.json, "containsNull": element.is_nullable(),
                });
                Self { name: "ARRAY", text: format!("array<{}>", inner.text), json }
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else { return None };
                let [key, value] = fields.as_ref() else { return None };
                let nullable = value.is_nullable();
                let (key, value) = (Self::at(key.data_type(), depth + 1)?, Self::at(value.data_type(), depth + 1)?);
                let json = json!({
                    "type": "map", "keyType": key.json, "valueType": value.json, "valueContainsNull": nullable,
                });
                Self { name: "MAP", text: format!("map<{},{}>", key.text, value.text), json }
            }
            DataType::Struct(fields) => {
                let (mut texts, mut jsons) = (Vec::new(), Vec::new());
                for field in fields {
                    let inner = Self::at(field.data_type(), depth + 1)?;
                    texts.push(format!("{}:{}", field.name(), inner.text));
                    jsons.push(field_json(field.name(), inner.json, field.is_nullable()));
                }
                let json = json!({ "type": "struct", "fields": jsons });
                Self { name: "STRUCT", text: format!("struct<{}>", texts.join(",")), json }
            }
            _ => return None,
        })
    }
}

/// A field as Spark writes it.
pub(crate) fn field_json(name: &str, data_type: Value, nullable: bool) -> Value {
    json!({ "name": name, "type": data_type, "nullable": nullable, "metadata": Map::new() })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn a_field_and_a_bare_type_are_both_read() {
        assert_eq!(of_json(r#""long""#), Some(DataType::Int64));
        assert_eq!(
            of_json(r#"{"name":"p","type":"decimal(12,2)","nullable":true,"metadata":{}}"#),
            Some(DataType::Decimal128(12, 2))
        );
        // A column may be called "type", and a field of a struct "name".
        let odd =
            r#"{"name":"type","type":{"type":"struct","fields":[{"name":"name","type":"integer","nullable":false}]}}"#;
        let inner = Fields::from(vec![Field::new("name", DataType::Int32, false)]);
        assert_eq!(of_json(odd), Some(DataType::Struct(inner)));
    }

    #[test]
    fn nesting_keeps_what_text_cannot_say() {
        let json = r#"{"type":"array","elementType":{"type":"map","keyType":"string","valueType":"date",
                       "valueContainsNull":false},"containsNull":false}"#;
        let entries = vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Date32, false)];
        let entries = Field::new("entries", DataType::Struct(entries.into()), false);
        let element = Field::new("element", DataType::Map(Arc::new(entries), false), false);
        assert_eq!(of_json(json), Some(DataType::List(Arc::new(element))));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let fields = Fields::from(vec![
            Field::new("a b", DataType::Int16, false),
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("n", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("d", DataType::Decimal128(38, 18), true),
        ]);
        let element = Field::new("element", DataType::Struct(fields), false);
        let data_type = DataType::List(Arc::new(element));
        let spelling = Spelling::of(&data_type).unwrap();
        assert_eq!(spelling.name, "ARRAY");
        assert_eq!(spelling.text, "array<struct<a b:smallint,t:timestamp,n:timestamp_ntz,d:decimal(38,18)>>");
        assert_eq!(of_json(&spelling.json.to_string()), Some(data_type));
    }

    #[test]
    fn depth_and_nonsense_are_refused() {
        let deep = r#"{"type":"array","elementType":"#.repeat(100) + r#""long""# + &"}".repeat(100);
        assert_eq!(of_json(&deep), None);
        for bad in ["", "7", "{}", r#"{"type":"hologram"}"#, r#"{"name":"x"}"#, r#""decimal(50,1)""#] {
            assert_eq!(of_json(bad), None, "{bad}");
        }
        assert_eq!(Spelling::of(&DataType::UInt64), None);
    }
}
