//! Fields as values of their columns: checked and read here, so that one bad row need not end a load.

use super::{
    options::CopyStatement,
    target::{Column, Type},
};

/// A field of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Cell {
    /// The record ended before it.
    #[default]
    Missing,
    Null,
    /// What stood in the file; `quoted` text is never the text for null.
    Text {
        value: Vec<u8>,
        quoted: bool,
    },
}

/// The number and the words of what is wrong with a field.
pub(super) type Wrong = (i32, &'static str);

/// The value as the engine reads it; `None` is null.
pub(super) fn read(cell: &Cell, column: &Column, copy: &CopyStatement) -> Result<Option<String>, Wrong> {
    let value = match cell {
        Cell::Missing | Cell::Null => None,
        Cell::Text { value, quoted } => {
            if !quoted && *value == copy.null_as.as_bytes() {
                None
            } else {
                of_text(value, column, copy)?
            }
        }
    };
    if value.is_none() && column.not_null {
        return Err((1213, "Missing data for not-null field"));
    }
    Ok(value)
}

fn of_text(bytes: &[u8], column: &Column, copy: &CopyStatement) -> Result<Option<String>, Wrong> {
    let text = utf8(bytes, copy.accept_invalid)?;
    if text.contains('\0') {
        return Err((1220, "String contains invalid or unsupported UTF8 codepoints"));
    }
    if let Type::Char(length) | Type::Varchar(length) = column.kind {
        return characters(text, length, column.kind, copy);
    }
    let trimmed = text.trim_matches(' ');
    if trimmed.is_empty() {
        return Ok(None);
    }
    let value = match column.kind {
        Type::Bool => boolean(trimmed).ok_or((1210, "Unknown boolean format"))?.to_owned(),
        Type::Int2 => integer(trimmed, i64::from(i16::MIN), i64::from(i16::MAX))?,
        Type::Int4 => integer(trimmed, i64::from(i32::MIN), i64::from(i32::MAX))?,
        Type::Int8 => integer(trimmed, i64::MIN, i64::MAX)?,
        Type::Numeric(size) => decimal(trimmed, size.precision, size.scale, copy.round_decimals)?,
        Type::Float4 | Type::Float8 => {
            trimmed.parse::<f64>().map_err(|_| (1208, "Invalid data, float"))?;
            trimmed.to_owned()
        }
        Type::Date => match copy.date_format.read(trimmed) {
            Some(date) => date,
            None if copy.accept_any_date => return Ok(None),
            None => return Err((1205, "Invalid Date Format - length must be 10 or more")),
        },
        Type::Timestamp | Type::TimestampTz => match copy.time_format.read(trimmed, column.kind == Type::TimestampTz) {
            Some(moment) => moment,
            None if copy.accept_any_date => return Ok(None),
            None => return Err((1206, "Invalid timestamp format or value")),
        },
        Type::Time => {
            let read = ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|p| chrono::NaiveTime::parse_from_str(trimmed, p).ok());
            read.ok_or((1206, "Invalid timestamp format or value"))?.format("%H:%M:%S%.6f").to_string()
        }
        Type::Super => {
            serde_json::from_str::<serde::de::IgnoredAny>(trimmed).map_err(|_| (1224, "Invalid JSON format"))?;
            trimmed.to_owned()
        }
        Type::Varbyte => {
            let digits = trimmed.len().is_multiple_of(2) && trimmed.bytes().all(|b| b.is_ascii_hexdigit());
            if !digits {
                return Err((1219, "Invalid hexadecimal value"));
            }
            format!("\\x{trimmed}")
        }
        Type::TimeTz | Type::Char(_) | Type::Varchar(_) => trimmed.to_owned(),
    };
    Ok(Some(value))
}

fn utf8(bytes: &[u8], replacement: Option<u8>) -> Result<String, Wrong> {
    match (std::str::from_utf8(bytes), replacement) {
        (Ok(text), _) => Ok(text.to_owned()),
        (Err(_), None) => Err((1220, "String contains invalid or unsupported UTF8 codepoints")),
        (Err(_), Some(replacement)) => {
            let mut out = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                out.push_str(chunk.valid());
                // Byte by byte, so that the length stays.
                out.extend(chunk.invalid().iter().map(|_| char::from(replacement)));
            }
            Ok(out)
        }
    }
}

fn characters(mut text: String, length: usize, kind: Type, copy: &CopyStatement) -> Result<Option<String>, Wrong> {
    if copy.trim_blanks && matches!(kind, Type::Varchar(_)) {
        text.truncate(text.trim_end_matches(' ').len());
    }
    if (text.is_empty() && copy.empty_as_null)
        || (copy.blanks_as_null && !text.is_empty() && text.bytes().all(|b| b == b' '))
    {
        return Ok(None);
    }
    // Blanks at the end of a CHAR do not count.
    let counted = if matches!(kind, Type::Char(_)) { text.trim_end_matches(' ').len() } else { text.len() };
    if counted > length {
        if !copy.truncate_columns {
            return Err((1204, "String length exceeds DDL length"));
        }
        text.truncate(text.floor_char_boundary(length));
    }
    Ok(Some(text))
}

fn boolean(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some("t"),
        "false" | "f" | "no" | "n" | "0" => Some("f"),
        _ => None,
    }
}

fn integer(text: &str, least: i64, most: i64) -> Result<String, Wrong> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err((1207, "Invalid digit, Value, Pos 0, Type: Integer"));
    }
    match text.parse::<i64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value.to_string()),
        _ => Err((1222, "Overflow, integer")),
    }
}

/// Digits that the column has no room for behind the point are cut, unless they are to be rounded.
fn decimal(text: &str, precision: u32, scale: u32, round: bool) -> Result<String, Wrong> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err((1207, "Invalid digit, Value, Pos 0, Type: Decimal"));
    }
    let scale = scale as usize;
    let kept = &fraction[..fraction.len().min(scale)];
    let up = round && fraction.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5');
    let overflow = (1209, "Overflow for NUMERIC");
    let mut unscaled: u128 = 0;
    for digit in whole.bytes().chain(kept.bytes()).chain(std::iter::repeat_n(b'0', scale - kept.len())) {
        let next = unscaled.checked_mul(10).and_then(|value| value.checked_add(u128::from(digit - b'0')));
        unscaled = next.ok_or(overflow)?;
    }
    unscaled += u128::from(up);
    if unscaled >= 10_u128.checked_pow(precision).unwrap_or(u128::MAX) {
        return Err(overflow);
    }
    let text = format!("{unscaled:0>width$}", width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    Ok(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_behind_the_last_are_cut_or_rounded() {
        for (text, round, expected) in [
            ("1.005", false, Ok("1.00")),
            ("1.005", true, Ok("1.01")),
            ("-0.999", false, Ok("-0.99")),
            ("9.995", true, Err(1209)),
            ("+7", false, Ok("7.00")),
            (".5", false, Ok("0.50")),
            ("10", false, Err(1209)),
            ("1e3", false, Err(1207)),
            (".", false, Err(1207)),
        ] {
            let read = decimal(text, 3, 2, round).map_err(|wrong| wrong.0);
            assert_eq!(read.as_deref().map_err(|code| *code), expected, "{text}");
        }
        assert_eq!(decimal(&"9".repeat(38), 38, 0, false), Ok("9".repeat(38)));
    }

    #[test]
    fn integers_are_digits_within_their_type() {
        assert_eq!(integer("-32768", -32768, 32767), Ok("-32768".to_owned()));
        assert_eq!(integer("32768", -32768, 32767), Err((1222, "Overflow, integer")));
        for bad in ["", "-", "1.0", "zwei", "1 2"] {
            assert_eq!(integer(bad, 0, 9).map_err(|wrong| wrong.0), Err(1207), "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_one_by_one() {
        assert_eq!(utf8(b"a\xff\xfeb", Some(b'?')), Ok("a??b".to_owned()));
        assert_eq!(utf8(b"a\xff", None).map_err(|wrong| wrong.0), Err(1220));
    }
}
