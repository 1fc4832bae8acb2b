//! The types of Databricks SQL.

use std::fmt;

use twinhouse_core::Result;
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _};

use super::names::is_plain;

/// A type of Databricks SQL.
///
/// It is read from the server's spelling or from yours ([`FromStr`](std::str::FromStr)), printed back in one canonical
/// form ([`Display`](fmt::Display)), and turned to and from Arrow. Elements of arrays and values of maps may always be
/// null, as in every table that SQL makes.
///
/// ```
/// use twinhouse_delta::schema::DeltaType;
///
/// let data_type: DeltaType = "map<string, struct<id: bigint not null, `unit price`: numeric(12,2)>>".parse()?;
/// assert_eq!(data_type.to_string(), "MAP<STRING, STRUCT<id: BIGINT NOT NULL, `unit price`: DECIMAL(12,2)>>");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeltaType {
    /// `BOOLEAN`
    Boolean,
    /// `TINYINT`: 8 bits.
    Byte,
    /// `SMALLINT`: 16 bits.
    Short,
    /// `INT`: 32 bits.
    Int,
    /// `BIGINT`: 64 bits.
    Long,
    /// `FLOAT`: 32 bits.
    Float,
    /// `DOUBLE`: 64 bits.
    Double,
    /// `DECIMAL(precision,scale)`: `scale` of at most 38 digits stand behind the point.
    Decimal {
        /// How many digits in all, 1 to 38.
        precision: u8,
        /// How many of them behind the point.
        scale: u8,
    },
    /// `STRING`
    String,
    /// `CHAR(n)`: padded with blanks to this many characters.
    Char(u32),
    /// `VARCHAR(n)`: at most this many characters.
    Varchar(u32),
    /// `BINARY`
    Binary,
    /// `DATE`
    Date,
    /// `TIMESTAMP`: a moment, in microseconds.
    Timestamp,
    /// `TIMESTAMP_NTZ`: a wall-clock time without zone, in microseconds.
    TimestampNtz,
    /// `INTERVAL …` from its largest unit to its smallest. Queries have it; a table does not store it.
    Interval {
        /// The largest unit.
        from: IntervalUnit,
        /// The smallest unit: of the same family, and not larger.
        to: IntervalUnit,
    },
    /// `ARRAY<element>`
    Array(Box<DeltaType>),
    /// `MAP<key, value>`
    Map(Box<DeltaType>, Box<DeltaType>),
    /// `STRUCT<name: type, …>`
    Struct(Vec<StructField>),
    /// `VARIANT`: semi-structured.
    Variant,
    /// `VOID`: only nulls.
    Void,
}

/// A unit of an interval. Years and months are one family, days to seconds the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum IntervalUnit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl IntervalUnit {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("YEAR", Self::Year),
        ("MONTH", Self::Month),
        ("DAY", Self::Day),
        ("HOUR", Self::Hour),
        ("MINUTE", Self::Minute),
        ("SECOND", Self::Second),
    ];

    pub(super) fn is_month(self) -> bool {
        self <= Self::Month
    }

    fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// One field of a struct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StructField {
    /// Its name, without quotes.
    pub name: String,
    /// Its type.
    pub data_type: DeltaType,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// Its comment.
    pub comment: Option<String>,
}

impl StructField {
    /// A nullable field without comment.
    pub fn new(name: impl Into<String>, data_type: DeltaType) -> Self {
        Self { name: name.into(), data_type, nullable: true, comment: None }
    }

    /// Refuses nulls.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// Sets the comment.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

impl DeltaType {
    /// An array of these.
    pub fn array_of(element: Self) -> Self {
        Self::Array(Box::new(element))
    }

    /// A map from keys to values.
    pub fn map_of(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// As it stands in a statement: as [`Display`](fmt::Display) prints it, with every name quoted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for a field's name that cannot be quoted: it
    /// is empty, too long or holds NUL.
    pub fn sql(&self) -> Result<String> {
        Ok(match self {
            Self::Array(element) => format!("ARRAY<{}>", element.sql()?),
            Self::Map(key, value) => format!("MAP<{}, {}>", key.sql()?, value.sql()?),
            Self::Struct(fields) => {
                let field = |field: &StructField| {
                    let name = DatabricksDialect.quote(&field.name)?;
                    Ok(format!(
                        "{name}: {}{}",
                        field.data_type.sql()?,
                        suffix(field.nullable, field.comment.as_deref())?
                    ))
                };
                format!("STRUCT<{}>", fields.iter().map(field).collect::<Result<Vec<_>>>()?.join(", "))
            }
            scalar => scalar.to_string(),
        })
    }

    /// The parts inside, with the names by which a path goes on to them.
    pub(super) fn children(&self) -> Vec<(&str, &Self)> {
        match self {
            Self::Array(element) => vec![("element", element)],
            Self::Map(key, value) => vec![("key", key), ("value", value)],
            Self::Struct(fields) => fields.iter().map(|field| (field.name.as_str(), &field.data_type)).collect(),
            _ => Vec::new(),
        }
    }
}

/// What follows a type in a definition: ` NOT NULL`, ` COMMENT '…'`.
pub(super) fn suffix(nullable: bool, comment: Option<&str>) -> Result<String> {
    let null = if nullable { "" } else { " NOT NULL" };
    Ok(match comment {
        Some(comment) => format!("{null} COMMENT {}", DatabricksDialect.string(comment)?),
        None => null.to_owned(),
    })
}

impl fmt::Display for DeltaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Byte => f.write_str("TINYINT"),
            Self::Short => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::Long => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::String => f.write_str("STRING"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::Binary => f.write_str("BINARY"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampNtz => f.write_str("TIMESTAMP_NTZ"),
            Self::Interval { from, to } if from == to => write!(f, "INTERVAL {}", from.name()),
            Self::Interval { from, to } => write!(f, "INTERVAL {} TO {}", from.name(), to.name()),
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    let suffix = suffix(field.nullable, field.comment.as_deref()).map_err(|_| fmt::Error)?;
                    write!(f, "{comma}{}: {}{suffix}", Plain(&field.name), field.data_type)?;
                }
                f.write_str(">")
            }
            Self::Variant => f.write_str("VARIANT"),
            Self::Void => f.write_str("VOID"),
        }
    }
}

/// A name as people write it: in backticks only where it needs them.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { write!(f, "`{}`", self.0.replace('`', "``")) }
    }
}
