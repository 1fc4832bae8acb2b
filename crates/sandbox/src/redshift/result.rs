//! Rows as Redshift sends them: its own binary NUMERIC, SUPER without spaces, VARBYTE without a prefix.

use bytes::{BufMut as _, BytesMut};

use super::{
    plan,
    wire::{Body, put},
};

const TEXT: u32 = 25;
pub(super) const NUMERIC: u32 = 1700;
pub(super) const SUPER: u32 = 4000;
pub(super) const VARBYTE: u32 = 6551;

/// The columns of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape(pub(super) Vec<Column>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) oid: u32,
    /// The type's own modifier; -1 where it has none.
    pub(super) modifier: i32,
    pub(super) format: i16,
}

impl Shape {
    /// Reads a RowDescription.
    pub(super) fn parse(body: &[u8]) -> Self {
        let mut body = Body(body);
        let count = body.i16();
        let columns = (0..count).map(|_| {
            let name = body.text();
            body.take(6);
            let oid = body.u32();
            body.take(2);
            Column { name, oid, modifier: body.i32(), format: body.i16() }
        });
        Self(columns.collect())
    }

    /// How each value has to change when it is sent in these formats; `None` if all stay.
    pub(super) fn changes(&self, formats: &[i16]) -> Option<Vec<Change>> {
        let changes: Vec<Change> = self
            .0
            .iter()
            .enumerate()
            .map(|(i, column)| {
                let format = match formats {
                    [] => 0,
                    [one] => *one,
                    each => each.get(i).copied().unwrap_or_default(),
                };
                match (column.oid, format) {
                    (TEXT, _) if column.name == plan::COLUMN => Change::Plan,
                    (NUMERIC, 1) => Change::BinaryNumeric(Size::of(column.modifier)),
                    (SUPER, 0) => Change::Compact,
                    (VARBYTE, 0) => Change::BareHex,
                    _ => Change::None,
                }
            })
            .collect();
        changes.iter().any(|change| *change != Change::None).then_some(changes)
    }
}

/// What happens to a value on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// Redshift's own form: an integer of 8 or 16 bytes, whose scale the modifier tells.
    BinaryNumeric(Option<Size>),
    /// JSON text without the engine's spaces.
    Compact,
    /// Hex digits without `\x`.
    BareHex,
    /// A line of a plan.
    Plan,
}

/// Precision and scale of a NUMERIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) precision: u32,
    pub(super) scale: u32,
}

impl Size {
    pub(super) fn of(modifier: i32) -> Option<Self> {
        let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?.unsigned_abs();
        Some(Self { precision: packed >> 16, scale: packed & 0x7ff })
    }
}

/// Appends a DataRow with its values changed.
pub(super) fn put_row(out: &mut BytesMut, body: &[u8], changes: &[Change]) {
    let mut body = Body(body);
    let count = body.i16();
    put(out, b'D', |out| {
        out.put_i16(count);
        for i in 0..usize::try_from(count).unwrap_or_default() {
            let Some(value) = body.value() else {
                out.put_i32(-1);
                continue;
            };
            match changes.get(i).copied().unwrap_or(Change::None) {
                Change::None => put_value(out, value),
                Change::BinaryNumeric(size) => put_value(out, &binary_numeric(value, size)),
                Change::Compact => put_value(out, &compact(value)),
                Change::Plan => put_value(out, plan::line(&String::from_utf8_lossy(value)).as_bytes()),
                Change::BareHex => put_value(out, value.strip_prefix(b"\\x").unwrap_or(value)),
            }
        }
    });
}

fn put_value(out: &mut BytesMut, value: &[u8]) {
    out.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
    out.put_slice(value);
}

/// The engine's binary NUMERIC in Redshift's form.
fn binary_numeric(value: &[u8], size: Option<Size>) -> Vec<u8> {
    let mut body = Body(value);
    let (digits, weight, sign, own_scale) = (body.i16(), body.i16(), body.i16().cast_unsigned(), body.i16());
    let scale = size.map_or(u32::from(own_scale.unsigned_abs()), |size| size.scale);
    let mut unscaled: i128 = 0;
    // Each digit counts 10000^(weight - k); the result is in units of 10^-scale.
    for k in 0..digits {
        let digit = i128::from(body.i16());
        let exponent = 4 * (i32::from(weight) - i32::from(k)) + i32::try_from(scale).unwrap_or_default();
        let part = match u32::try_from(exponent) {
            Ok(up) => 10_i128.checked_pow(up).and_then(|power| digit.checked_mul(power)).unwrap_or(i128::MAX),
            Err(_) => 10_i128.checked_pow(exponent.unsigned_abs()).map_or(0, |power| digit / power),
        };
        unscaled = unscaled.saturating_add(part);
    }
    match sign {
        0x4000 => unscaled = -unscaled,
        // There is no NaN among Redshift's.
        0xc000 => unscaled = i128::from(i64::MIN),
        _ => {}
    }
    match i64::try_from(unscaled) {
        Ok(narrow) if size.is_some_and(|size| size.precision <= 18) => narrow.to_be_bytes().to_vec(),
        _ => unscaled.to_be_bytes().to_vec(),
    }
}

/// The engine writes `{"a": 1, "b": [2, 3]}`; Redshift no space.
pub(super) fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for &byte in json {
        if !quoted && byte == b' ' {
            continue;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine_numeric(digits: &[i16], weight: i16, negative: bool, scale: i16) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_i16(i16::try_from(digits.len()).expect("few"));
        out.put_i16(weight);
        out.put_u16(if negative { 0x4000 } else { 0 });
        out.put_i16(scale);
        digits.iter().for_each(|digit| out.put_i16(*digit));
        out
    }

    fn modifier(precision: i32, scale: i32) -> i32 {
        (precision << 16 | scale) + 4
    }

    #[test]
    fn binary_numeric_is_a_scaled_integer_of_8_or_16_bytes() {
        // 12.34 as numeric(8, 2).
        let value = engine_numeric(&[12, 3400], 0, false, 2);
        assert_eq!(binary_numeric(&value, Size::of(modifier(8, 2))), 1234_i64.to_be_bytes());
        assert_eq!(binary_numeric(&value, Size::of(modifier(38, 4))), 123_400_i128.to_be_bytes());
        // -0.005 as numeric(18, 3).
        let value = engine_numeric(&[50], -1, true, 3);
        assert_eq!(binary_numeric(&value, Size::of(modifier(18, 3))), (-5_i64).to_be_bytes());
        assert_eq!(binary_numeric(&engine_numeric(&[], 0, false, 0), Size::of(modifier(5, 0))), 0_i64.to_be_bytes());
        // 38 nines.
        let mut digits = vec![9999; 9];
        digits.insert(0, 99);
        let value = engine_numeric(&digits, 9, false, 0);
        assert_eq!(binary_numeric(&value, Size::of(modifier(38, 0))), (10_i128.pow(38) - 1).to_be_bytes());
    }

    #[test]
    fn json_loses_its_spaces_outside_of_strings_only() {
        assert_eq!(compact(br#"{"a b": "c, \" d", "e": [1, 2]}"#), br#"{"a b":"c, \" d","e":[1,2]}"#);
    }

    #[test]
    fn rows_without_such_columns_are_not_touched() {
        let column = |oid| Column { name: String::new(), oid, modifier: -1, format: 0 };
        let shape = Shape(vec![column(23), column(NUMERIC)]);
        assert_eq!(shape.changes(&[]), None);
        assert_eq!(shape.changes(&[0, 0]), None);
        assert_eq!(shape.changes(&[1]), Some(vec![Change::None, Change::BinaryNumeric(None)]));
    }
}
