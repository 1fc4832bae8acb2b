//! A value that is bound to a parameter.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone};
use twinhouse_core::{Error, ErrorKind, Result};

/// One bound value. It is sent beside the SQL, or escaped by the [`Dialect`](crate::Dialect) where the wire takes
/// no parameters; it never becomes SQL by string pasting.
///
/// ```
/// use twinhouse_warehouse_api::{Decimal, Value};
///
/// assert_eq!(Value::from(7i32), Value::Int(7));
/// assert_eq!(Value::from(None::<&str>), Value::Null);
/// assert_eq!(Decimal::parse("12.340")?.to_string(), "12.340");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL `NULL`, of whatever type the place asks for.
    Null,
    /// A truth value.
    Bool(bool),
    /// A 32-bit integer.
    Int(i32),
    /// A 64-bit integer.
    Long(i64),
    /// A 32-bit float.
    Float(f32),
    /// A 64-bit float.
    Double(f64),
    /// An exact number.
    Decimal(Decimal),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A calendar date.
    Date(NaiveDate),
    /// A moment: microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// A wall-clock time without zone: microseconds since 1970-01-01T00:00:00.
    TimestampNtz(i64),
}

impl Value {
    /// The type's name for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "int",
            Self::Long(_) => "bigint",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "string",
            Self::Bytes(_) => "binary",
            Self::Date(_) => "date",
            Self::Timestamp(_) => "timestamp",
            Self::TimestampNtz(_) => "timestamp without time zone",
        }
    }
}

/// An exact number of at most 38 digits: `unscaled × 10^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: i128,
    precision: u8,
    scale: u8,
}

impl Decimal {
    /// The largest precision both warehouses take.
    pub const MAX_PRECISION: u8 = 38;

    /// Builds `unscaled × 10^-scale` with the smallest precision that holds it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it needs more than 38 digits or `scale` is above 38.
    pub fn new(unscaled: i128, scale: u8) -> Result<Self> {
        let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log as u8 + 1);
        let precision = digits.max(scale);
        if precision > Self::MAX_PRECISION {
            return Err(Error::new(ErrorKind::InvalidInput, "a decimal has at most 38 digits")
                .with_context("digits", precision.to_string()));
        }
        Ok(Self { unscaled, precision, scale })
    }

    /// Reads plain digits, with sign and point: `-12.340`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the text is not such a number or needs more than 38 digits.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::new(ErrorKind::InvalidInput, "not a decimal number").with_context("text", text);
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty())
            || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        {
            return Err(bad());
        }
        let scale = u8::try_from(fraction.len()).map_err(|_| bad())?;
        let mut unscaled: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            unscaled =
                unscaled.checked_mul(10).and_then(|n| n.checked_add(i128::from(digit - b'0'))).ok_or_else(bad)?;
        }
        Self::new(if negative { -unscaled } else { unscaled }, scale)
    }

    /// The digits without the point.
    pub fn unscaled(&self) -> i128 {
        self.unscaled
    }

    /// How many digits it needs in all.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// How many of them stand after the point.
    pub fn scale(&self) -> u8 {
        self.scale
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let digits = self.unscaled.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

macro_rules! from {
    ($($from:ty => |$v:ident| $value:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($v: $from) -> Self {
                $value
            }
        }
    )*};
}

from! {
    bool => |v| Self::Bool(v);
    i8 => |v| Self::Int(v.into());
    i16 => |v| Self::Int(v.into());
    i32 => |v| Self::Int(v);
    u8 => |v| Self::Int(v.into());
    u16 => |v| Self::Int(v.into());
    u32 => |v| Self::Long(v.into());
    i64 => |v| Self::Long(v);
    f32 => |v| Self::Float(v);
    f64 => |v| Self::Double(v);
    Decimal => |v| Self::Decimal(v);
    &str => |v| Self::Text(v.to_owned());
    String => |v| Self::Text(v);
    &[u8] => |v| Self::Bytes(v.to_vec());
    Vec<u8> => |v| Self::Bytes(v);
    NaiveDate => |v| Self::Date(v);
    NaiveDateTime => |v| Self::TimestampNtz(v.and_utc().timestamp_micros());
}

impl<Tz: TimeZone> From<DateTime<Tz>> for Value {
    fn from(moment: DateTime<Tz>) -> Self {
        Self::Timestamp(moment.timestamp_micros())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit_and_their_scale() {
        for text in [
            "0",
            "-0.001",
            "99999999999999999999999999999999999999",
            "-12.340",
            "0.00000000000000000000000000000000000001",
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::parse("+.5").unwrap().to_string(), "0.5");
    }

    #[test]
    fn what_is_not_a_decimal_is_refused() {
        for text in ["", ".", "-", "1e5", "1.2.3", "٣", "999999999999999999999999999999999999999", "NaN"] {
            assert_eq!(Decimal::parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }
}
