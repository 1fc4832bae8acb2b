//! Numbers and bytes from their text.

/// A whole number, or nothing if it is none or does not fit.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() {
        return None;
    }
    // Counted downwards, because the smallest number has no positive twin.
    let mut value: i64 = 0;
    for &digit in digits {
        value = value.checked_mul(10)?.checked_sub(i64::from(self::digit(digit)?))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// A number as `scale` digits after the point say it, or nothing if it has more digits than that or than 38 in all.
pub(super) fn decimal(text: &[u8], scale: u8) -> Option<i128> {
    let (negative, digits) = sign(text);
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let whole = &digits[..point];
    let fraction = digits.get(point + 1..).unwrap_or_default();
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let wanted = usize::from(scale);
    let (fraction, rest) = fraction.split_at(fraction.len().min(wanted));
    if !rest.iter().all(|&byte| byte == b'0') {
        return None;
    }
    let missing = u32::try_from(wanted - fraction.len()).ok()?;
    let value = if whole.len() + wanted <= 18 {
        // Nearly every number is this short, and 64 bits are several times faster.
        let mut value: i64 = 0;
        for &byte in whole.iter().chain(fraction) {
            value = value * 10 + i64::from(digit(byte)?);
        }
        i128::from(value * 10_i64.pow(missing))
    } else {
        let mut value: i128 = 0;
        for &byte in whole.iter().chain(fraction) {
            value = value.checked_mul(10)?.checked_add(i128::from(digit(byte)?))?;
        }
        value.checked_mul(10_i128.checked_pow(missing)?)?
    };
    Some(if negative { -value } else { value })
}

/// How many digits a number has after its point; nothing if it is not a plain number.
pub(super) fn scale(text: &[u8]) -> Option<usize> {
    let (_, digits) = sign(text);
    let point = digits.iter().position(|&byte| byte == b'.');
    let plain = digits.iter().enumerate().all(|(at, byte)| Some(at) == point || byte.is_ascii_digit());
    (plain && !digits.is_empty()).then(|| point.map_or(0, |point| digits.len() - point - 1))
}

/// Bytes from hexadecimal digits, with or without `\x` before them.
pub(super) fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(br"\x").unwrap_or(text);
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).collect()
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn digit(byte: u8) -> Option<u8> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twinhouse_warehouse_api::Decimal;

    use super::*;

    #[test]
    fn integers_at_their_ends() {
        for n in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(integer(n.to_string().as_bytes()), Some(n));
        }
        for bad in ["", "-", "9223372036854775808", "-9223372036854775809", "1.0", "1e3", " 1", "x"] {
            assert_eq!(integer(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn decimals_keep_every_digit_or_are_refused() {
        for (text, scale, value) in [
            ("0", 0, Some(0)),
            ("-0.01", 2, Some(-1)),
            ("1.5", 3, Some(1500)),
            ("1.500", 1, Some(15)),
            ("1.501", 1, None),
            (".5", 1, Some(5)),
            ("5.", 1, Some(50)),
            ("99999999999999999999999999999999999999", 0, Some(99999999999999999999999999999999999999)),
            ("-0.00000000000000000000000000000000000001", 38, Some(-1)),
            ("1234567890123456.78", 2, Some(123456789012345678)),
            ("NaN", 2, None),
            ("Infinity", 2, None),
            ("1e5", 2, None),
            ("", 2, None),
            ("-", 2, None),
            ("1.2.3", 2, None),
            ("999999999999999999999999999999999999999999", 0, None),
        ] {
            assert_eq!(decimal(text.as_bytes(), scale), value, "{text}");
        }
    }

    #[test]
    fn the_scale_of_a_text_is_what_stands_after_the_point() {
        for (text, digits) in [("1", Some(0)), ("-1.50", Some(2)), ("NaN", None), ("", None), ("1.2.3", None)] {
            assert_eq!(scale(text.as_bytes()), digits, "{text}");
        }
    }

    #[test]
    fn hexadecimal_in_both_spellings() {
        assert_eq!(hex(b"00ffAB").unwrap(), [0, 255, 171]);
        assert_eq!(hex(br"\x00ff").unwrap(), [0, 255]);
        assert_eq!(hex(b"").unwrap(), [0u8; 0]);
        assert_eq!((hex(b"0"), hex(b"0g"), hex(b"-1")), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(unscaled in -99999999999999999999999999999999999999_i128..=99999999999999999999999999999999999999, scale in 0_u8..=38) {
            let text = Decimal::new(unscaled, scale).unwrap().to_string();
            prop_assert_eq!(decimal(text.as_bytes(), scale), Some(unscaled));
            prop_assert_eq!(super::scale(text.as_bytes()), Some(usize::from(scale)));
        }

        #[test]
        fn integers_are_read(n in any::<i64>()) {
            prop_assert_eq!(integer(n.to_string().as_bytes()), Some(n));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in proptest::collection::vec(any::<u8>(), 0..60), wanted in 0_u8..=38) {
            let _ = (integer(&text), decimal(&text, wanted), super::scale(&text), hex(&text));
        }
    }
}
