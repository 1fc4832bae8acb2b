//! Delta's type widening: which changes of type keep every value.

use super::types::DeltaType;

/// A change of type that keeps every value without rewriting a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Widening {
    /// Whether a write with schema evolution makes it by itself; else it takes an `ALTER TABLE`.
    pub automatic: bool,
    /// Whether the table needs `delta.enableTypeWidening`.
    pub needs_feature: bool,
}

const AUTOMATIC: Widening = Widening { automatic: true, needs_feature: true };
const MANUAL: Widening = Widening { automatic: false, needs_feature: true };
const FREE: Widening = Widening { automatic: false, needs_feature: false };

impl DeltaType {
    /// How this type widens to the other by itself; `None` if it does not, or if they are the same.
    ///
    /// Nested types widen in their parts: [`SchemaDiff`](super::SchemaDiff) goes through them.
    ///
    /// ```
    /// use twinhouse_delta::schema::DeltaType;
    ///
    /// assert!(DeltaType::Int.widening(&DeltaType::Long).is_some_and(|widening| widening.automatic));
    /// assert!(DeltaType::Int.widening(&DeltaType::Double).is_some_and(|widening| !widening.automatic));
    /// assert_eq!(DeltaType::Long.widening(&DeltaType::Double), None);
    /// ```
    pub fn widening(&self, to: &Self) -> Option<Widening> {
        use DeltaType::{
            Byte, Char, Date, Decimal, Double, Float, Int, Long, Short, String, TimestampNtz, Varchar, Void,
        };
        if self == to {
            return None;
        }
        match (self, to) {
            (Byte, Short | Int | Long) | (Short, Int | Long) | (Int, Long) => Some(AUTOMATIC),
            // A double holds 53 bits: not every long.
            (Byte | Short | Int, Double) => Some(MANUAL),
            (Byte | Short | Int, Decimal { precision, scale }) => (whole(*precision, *scale) >= 10).then_some(MANUAL),
            (Long, Decimal { precision, scale }) => (whole(*precision, *scale) >= 20).then_some(MANUAL),
            (Float, Double) => Some(AUTOMATIC),
            (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => {
                (scale >= s && whole(*precision, *scale) >= whole(*p, *s)).then_some(AUTOMATIC)
            }
            (Date, TimestampNtz) => Some(AUTOMATIC),
            (Char(from), Char(to) | Varchar(to)) | (Varchar(from), Varchar(to)) => (to >= from).then_some(FREE),
            (Char(_) | Varchar(_), String) => Some(FREE),
            (Void, _) => Some(FREE),
            _ => None,
        }
    }
}

/// How many digits of a decimal stand before its point.
fn whole(precision: u8, scale: u8) -> i16 {
    i16::from(precision) - i16::from(scale)
}
