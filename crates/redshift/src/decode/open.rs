//! Numbers whose precision the server does not state.
//!
//! Redshift states precision and scale for every numeric column of a result; a plain PostgreSQL does not for most
//! expressions. Arrow wants one scale for a column before the first row is handed out, so the first batch decides:
//!
//! - If the result ends within it: `Decimal128(38, s)` with the widest scale there is.
//! - If more follows and all its values have one scale: `Decimal128(38, s)`. Sums, differences and products of columns
//!   are like that. A later value with more digits is an error that says which cast cures it.
//! - Else, and wherever a value is no finite number or needs more than 38 digits: `Utf8`, the server's own digits.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Decimal128Array, StringArray};

use super::{Kind, number};

/// The kind that the column has from now on, and its first values as that.
pub(super) fn settle(first: &ArrayRef, complete: bool) -> (Kind, ArrayRef) {
    let text: &StringArray = first.as_string();
    decimals(text, complete).unwrap_or_else(|| (Kind::Text, Arc::clone(first)))
}

fn decimals(text: &StringArray, complete: bool) -> Option<(Kind, ArrayRef)> {
    let mut scales = text.iter().flatten().map(|value| number::scale(value.as_bytes()));
    let first = scales.next().unwrap_or(Some(0))?;
    let mut widest = first;
    for scale in scales {
        let scale = scale?;
        if !complete && scale != first {
            return None;
        }
        widest = widest.max(scale);
    }
    // Nothing but nulls so far says nothing about what follows.
    if !complete && text.null_count() == text.len() {
        return None;
    }
    let scale = u8::try_from(widest).ok().filter(|scale| *scale <= 38)?;
    let fits = |value: i128| value.unsigned_abs() < 10_u128.pow(38);
    let values = text
        .iter()
        .map(|value| {
            value
                .map(|value| number::decimal(value.as_bytes(), scale).filter(|value| fits(*value)).ok_or(()))
                .transpose()
        })
        .collect::<Result<Decimal128Array, ()>>()
        .ok()?;
    let kind = Kind::Decimal(38, i8::try_from(scale).ok()?);
    let array = values.with_precision_and_scale(38, i8::try_from(scale).ok()?).ok()?;
    Some((kind, Arc::new(array)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(values: &[Option<&str>], complete: bool) -> Kind {
        let array: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let (kind, settled) = settle(&array, complete);
        assert_eq!(settled.data_type(), &kind.data_type());
        assert_eq!(settled.len(), array.len());
        kind
    }

    #[test]
    fn a_result_that_is_all_there_takes_its_widest_scale() {
        assert_eq!(settled(&[Some("1.5"), None, Some("-0.125")], true), Kind::Decimal(38, 3));
        assert_eq!(settled(&[None], true), Kind::Decimal(38, 0));
        assert_eq!(settled(&[], true), Kind::Decimal(38, 0));
    }

    #[test]
    fn a_result_that_goes_on_must_agree_on_its_scale() {
        assert_eq!(settled(&[Some("1.50"), Some("2.25")], false), Kind::Decimal(38, 2));
        assert_eq!(settled(&[Some("1.5"), Some("2.25")], false), Kind::Text);
        assert_eq!(settled(&[None, None], false), Kind::Text);
    }

    #[test]
    fn what_no_decimal_holds_stays_the_servers_text() {
        for value in ["NaN", "Infinity", &"9".repeat(39), &format!("0.{}", "1".repeat(39))] {
            assert_eq!(settled(&[Some("1"), Some(value)], true), Kind::Text, "{value}");
        }
        let long = format!("{}.5", "9".repeat(37));
        assert_eq!(settled(&[Some(&long), Some("1.25")], true), Kind::Text, "together they need 39 digits");
    }
}
