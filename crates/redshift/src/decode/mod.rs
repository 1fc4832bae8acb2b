//! From what the wire carries to Arrow, without losing a digit.
//!
//! | on the server | in Arrow |
//! |---|---|
//! | `boolean` | `Boolean` |
//! | `smallint`, `integer`, `bigint`, `oid` | `Int16`, `Int32`, `Int64`, `Int64` |
//! | `real`, `double precision` | `Float32`, `Float64` |
//! | `numeric(p,s)` | `Decimal128(p,s)` |
//! | `numeric` of no stated precision | see [`open`] |
//! | `char`, `varchar`, `text`, `super` and whatever is not listed | `Utf8`, the server's own text |
//! | `date` | `Date32` |
//! | `time` | `Time64(µs)` |
//! | `timestamp`, `timestamptz` | `Timestamp(µs)`, `Timestamp(µs, UTC)` |
//! | `varbyte` | `Binary` |
//!
//! `timetz`, the interval types, `geometry` and `hllsketch` are text: Arrow has no type that holds them as they are.

pub(crate) mod batch;
mod number;
pub(crate) mod open;
mod time;

use arrow::datatypes::{DataType, TimeUnit};

use crate::wire::message::WireColumn;

/// Object ids of types, from the official drivers' tables.
pub(crate) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const OID: u32 = 26;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const UNKNOWN: u32 = 705;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const INTERVAL_Y2M: u32 = 1188;
    pub(crate) const INTERVAL_D2S: u32 = 1190;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const GEOMETRY: u32 = 3000;
    pub(crate) const GEOGRAPHY: u32 = 3001;
    pub(crate) const GEOMETRY_HEX: u32 = 3999;
    pub(crate) const VARBYTE: u32 = 6551;
}

/// What a column of a result becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal(u8, i8),
    /// A number whose digits only its values tell.
    Open,
    Text,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Bytes,
}

impl Kind {
    pub(crate) fn of(column: &WireColumn) -> Self {
        match column.oid {
            oid::BOOL => Self::Bool,
            oid::INT2 => Self::Int16,
            oid::INT4 => Self::Int32,
            oid::INT8 | oid::OID => Self::Int64,
            oid::FLOAT4 => Self::Float32,
            oid::FLOAT8 => Self::Float64,
            oid::NUMERIC => numeric(column.modifier),
            oid::DATE => Self::Date,
            oid::TIME => Self::Time,
            oid::TIMESTAMP => Self::Timestamp,
            oid::TIMESTAMPTZ => Self::TimestampTz,
            oid::BYTEA | oid::VARBYTE => Self::Bytes,
            _ => Self::Text,
        }
    }

    /// Whether values are asked for in binary. Everything else comes as text, above all numeric, whose binary form is
    /// Redshift's own; `real` must not, because its text has too few digits at the server's highest setting.
    pub(crate) fn prefers_binary(column: &WireColumn) -> bool {
        matches!(
            column.oid,
            oid::INT2 | oid::INT4 | oid::INT8 | oid::FLOAT4 | oid::FLOAT8 | oid::TIMESTAMP | oid::TIMESTAMPTZ
        )
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Self::Open | Self::Text => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Bytes => DataType::Binary,
        }
    }
}

/// Precision and scale from a type modifier: the precision above 16 bits of scale, plus four.
fn numeric(modifier: i32) -> Kind {
    let Some(packed) = modifier.checked_sub(4).filter(|packed| *packed >= 0) else { return Kind::Open };
    let precision = packed >> 16;
    // Eleven bits with a sign on current PostgreSQL; Redshift's scales fit there too and have none.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    // A negative scale is zeros before the point: room for them is all it takes.
    let (precision, scale) = if scale < 0 { (precision - scale, 0) } else { (precision.max(scale), scale) };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) => Kind::Decimal(precision, scale),
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(oid: u32, modifier: i32) -> WireColumn {
        WireColumn { name: "c".to_owned(), oid, modifier, format: 0 }
    }

    #[test]
    fn every_type_of_the_table_above_has_its_arrow_type() {
        for (oid, kind) in [
            (16, Kind::Bool),
            (17, Kind::Bytes),
            (18, Kind::Text),
            (19, Kind::Text),
            (20, Kind::Int64),
            (21, Kind::Int16),
            (23, Kind::Int32),
            (25, Kind::Text),
            (26, Kind::Int64),
            (700, Kind::Float32),
            (701, Kind::Float64),
            (705, Kind::Text),
            (1042, Kind::Text),
            (1043, Kind::Text),
            (1082, Kind::Date),
            (1083, Kind::Time),
            (1114, Kind::Timestamp),
            (1184, Kind::TimestampTz),
            (1186, Kind::Text),
            (1188, Kind::Text),
            (1190, Kind::Text),
            (1266, Kind::Text),
            (1700, Kind::Open),
            (2950, Kind::Text),
            (3000, Kind::Text),
            (3999, Kind::Text),
            (4000, Kind::Text),
            (6551, Kind::Bytes),
            (999_999, Kind::Text),
        ] {
            assert_eq!(Kind::of(&column(oid, -1)), kind, "{oid}");
        }
    }

    #[test]
    fn precision_and_scale_are_in_the_modifier() {
        let modifier = |precision: i32, scale: i32| (precision << 16 | (scale & 0x7ff)) + 4;
        for (precision, scale, kind) in [
            (18, 0, Kind::Decimal(18, 0)),
            (38, 37, Kind::Decimal(38, 37)),
            (38, 38, Kind::Decimal(38, 38)),
            (1, 0, Kind::Decimal(1, 0)),
            (2, -3, Kind::Decimal(5, 0)),
            (3, 5, Kind::Decimal(5, 5)),
            (39, 2, Kind::Text),
            (1000, 0, Kind::Text),
            (38, -1, Kind::Text),
        ] {
            assert_eq!(numeric(modifier(precision, scale)), kind, "{precision},{scale}");
        }
        assert_eq!(numeric(-1), Kind::Open);
        assert_eq!(numeric(i32::MIN), Kind::Open);
    }

    #[test]
    fn nothing_whose_binary_form_is_redshifts_own_is_asked_for_in_binary() {
        for oid in [16, 17, 25, 1042, 1043, 1082, 1083, 1186, 1188, 1190, 1266, 1700, 3000, 3999, 4000, 6551, 999_999] {
            assert!(!Kind::prefers_binary(&column(oid, -1)), "{oid}");
        }
    }
}
