//! The server's names of types.

use std::fmt;

use arrow::datatypes::DataType;

use crate::decode::Kind;

/// The longest CHAR, VARCHAR and VARBYTE, in bytes (Database Developer Guide, data types).
const LONGEST_CHAR: usize = 4096;
const LONGEST_TEXT: usize = 65_535;
const LONGEST_BYTES: usize = 1_024_000;

/// A column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Native {
    name: String,
    kind: Kind,
    /// In bytes, not characters.
    length: Option<usize>,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Arrow has the same type.
    Plain,
    Char,
    Varchar,
    Varbyte,
    /// Read as text, which is not what a file would have to hold.
    Foreign,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Parquet.
    Columns,
    /// CSV.
    Lines,
    None,
}

/// How many bytes a value may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// One-byte characters only.
    Char(usize),
    Varchar(usize),
    Varbyte(usize),
}

impl Native {
    /// From the words of `SVV_ALL_COLUMNS`: sizes stand in brackets or in columns of their own.
    pub(super) fn of(text: &str, length: Option<i64>, precision: Option<i64>, scale: Option<i64>) -> Self {
        let text = text.trim().to_ascii_lowercase();
        let (base, sizes) = split(&text);
        let mut sizes = sizes.split(',').map(|size| size.trim().parse::<i64>().ok());
        let (first, second) = (sizes.next().flatten(), sizes.next().flatten());
        let bytes = first.or(length).and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0);
        let sized = |name: &str, family, kind| match bytes {
            Some(length) => Self { name: format!("{name}({length})"), kind, length: bytes, family },
            None => Self { name: name.to_owned(), kind, length: None, family },
        };
        let plain = |name: &str, kind| Self { name: name.to_owned(), kind, length: None, family: Family::Plain };
        match base.as_str() {
            "boolean" | "bool" => plain("boolean", Kind::Bool),
            "smallint" | "int2" | "tinyint" => plain("smallint", Kind::Int16),
            "integer" | "int" | "int4" => plain("integer", Kind::Int32),
            "bigint" | "int8" => plain("bigint", Kind::Int64),
            "oid" => plain("oid", Kind::Int64),
            "real" | "float4" => plain("real", Kind::Float32),
            "double precision" | "double" | "float8" | "float" => plain("double precision", Kind::Float64),
            "numeric" | "decimal" => {
                let (precision, scale) = (first.or(precision), second.or(scale).unwrap_or(0));
                let precision = precision.and_then(|p| u8::try_from(p).ok()).filter(|p| (1..=38).contains(p));
                match (precision, i8::try_from(scale)) {
                    (Some(precision), Ok(scale)) if (0..=38).contains(&scale) => {
                        plain(&format!("numeric({precision},{scale})"), Kind::Decimal(precision, scale))
                    }
                    _ => Self { family: Family::Foreign, ..plain("numeric", Kind::Open) },
                }
            }
            "date" => plain("date", Kind::Date),
            "time" | "time without time zone" => plain("time", Kind::Time),
            "timestamp" | "timestamp without time zone" => plain("timestamp", Kind::Timestamp),
            "timestamptz" | "timestamp with time zone" => plain("timestamptz", Kind::TimestampTz),
            "character" | "char" | "bpchar" | "nchar" => sized("char", Family::Char, Kind::Text),
            "character varying" | "varchar" | "nvarchar" | "text" | "string" => {
                sized("varchar", Family::Varchar, Kind::Text)
            }
            "binary varying" | "varbyte" | "varbinary" | "bytea" | "binary" => {
                sized("varbyte", Family::Varbyte, Kind::Bytes)
            }
            "time with time zone" => Self { family: Family::Foreign, ..plain("timetz", Kind::Text) },
            _ => Self { family: Family::Foreign, ..plain(&text, Kind::Text) },
        }
    }

    /// The Arrow type that its values are read as.
    pub(crate) fn data_type(&self) -> DataType {
        self.kind.data_type()
    }

    /// What kind of file holds its values as what they are. Some are read as text but are none.
    pub(crate) fn carrier(&self) -> Carrier {
        match (self.family, self.name.as_str()) {
            // The server reads the text of these, and no Parquet type.
            (_, "super" | "time" | "timetz") => Carrier::Lines,
            (Family::Foreign, _) => Carrier::None,
            _ => Carrier::Columns,
        }
    }

    /// Whether its values are JSON documents.
    pub(crate) fn is_json(&self) -> bool {
        self.name == "super"
    }

    pub(crate) fn limit(&self) -> Option<Limit> {
        match self.family {
            Family::Char => Some(Limit::Char(self.length.unwrap_or(LONGEST_CHAR))),
            Family::Varchar => Some(Limit::Varchar(self.length.unwrap_or(LONGEST_TEXT))),
            Family::Varbyte => Some(Limit::Varbyte(self.length.unwrap_or(LONGEST_BYTES))),
            Family::Plain | Family::Foreign => None,
        }
    }
}

/// The words without the brackets, and what stands in these.
fn split(text: &str) -> (String, &str) {
    let Some((before, rest)) = text.split_once('(') else { return (text.to_owned(), "") };
    let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
    (format!("{} {}", before.trim(), after.trim()).trim().to_owned(), inside)
}

/// The usual spelling: `varchar(256)`.
impl fmt::Display for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
