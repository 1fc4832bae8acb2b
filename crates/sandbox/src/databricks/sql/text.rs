//! Functions over texts, as Databricks counts and prints.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, StringArray},
    datatypes::{DataType, Int64Type, TimestampMicrosecondType},
};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};

use super::cast::cast_array;
use crate::databricks::error::{SqlError, SqlResult};

/// Blanks that are too many are cut; a CHAR is filled up with them.
pub(super) fn fit(texts: &StringArray, declared: &str) -> SqlResult<ArrayRef> {
    let (kind, digits) = declared.trim_end_matches(')').split_once('(').unwrap_or((declared, ""));
    let limit: usize = digits.parse().map_err(SqlError::internal)?;
    let mut fitted = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(text) = text else {
            fitted.push(None);
            continue;
        };
        let length = text.chars().count();
        let end = text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at);
        if text[end..].chars().any(|c| c != ' ') {
            let text = format!(
                "Value exceeds char/varchar type length limitation: it has {length} characters, the column is {declared}."
            );
            return Err(SqlError::new("DELTA_EXCEED_CHAR_VARCHAR_LIMIT", "22001", text));
        }
        let padding = if kind == "char" { limit.saturating_sub(length) } else { 0 };
        fitted.push(Some(format!("{}{}", &text[..end], " ".repeat(padding))));
    }
    Ok(Arc::new(StringArray::from(fitted)))
}

/// Counts characters from 1, from the end if negative; 0 counts as 1.
pub(super) fn substring(values: &ArrayRef, from: &Int64Array, length: Option<&Int64Array>) -> SqlResult<ArrayRef> {
    let bounds = |row: usize, size: i64| -> Option<(usize, usize)> {
        if from.is_null(row) || length.is_some_and(|length| length.is_null(row)) {
            return None;
        }
        let start = match from.value(row) {
            0 => 0,
            at if at > 0 => at - 1,
            at => size + at,
        };
        let end = length.map_or(size, |length| start.saturating_add(length.value(row)));
        let start = start.clamp(0, size);
        Some((start as usize, end.clamp(start, size) as usize))
    };
    if let DataType::Binary = values.data_type() {
        let bytes = values.as_binary::<i32>();
        let cut: BinaryArray = bytes
            .iter()
            .enumerate()
            .map(|(row, bytes)| {
                let bytes = bytes?;
                let (start, end) = bounds(row, bytes.len() as i64)?;
                Some(&bytes[start..end])
            })
            .collect();
        return Ok(Arc::new(cut));
    }
    let texts = cast_array(values, &DataType::Utf8, false)?;
    let cut: StringArray = texts
        .as_string::<i32>()
        .iter()
        .enumerate()
        .map(|(row, text)| {
            let text = text?;
            let (start, end) = bounds(row, text.chars().count() as i64)?;
            Some(text.chars().skip(start).take(end - start).collect::<String>())
        })
        .collect();
    Ok(Arc::new(cut))
}

pub(super) fn hex(values: &ArrayRef) -> SqlResult<ArrayRef> {
    let texts: StringArray = if values.data_type().is_integer() {
        let numbers = cast_array(values, &DataType::Int64, false)?;
        numbers.as_primitive::<Int64Type>().iter().map(|number| number.map(|number| format!("{number:X}"))).collect()
    } else {
        let bytes = cast_array(values, &DataType::Binary, false)?;
        let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(text)).collect()
    };
    Ok(Arc::new(texts))
}

pub(super) fn decode(values: &ArrayRef, decode: impl Fn(&str) -> Option<Vec<u8>>) -> SqlResult<BinaryArray> {
    let texts = cast_array(values, &DataType::Utf8, false)?;
    Ok(texts.as_string::<i32>().iter().map(|text| text.and_then(&decode)).collect())
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    if !padded.is_ascii() {
        return None;
    }
    (0..padded.len()).step_by(2).map(|at| u8::from_str_radix(&padded[at..at + 2], 16).ok()).collect()
}

pub(super) fn date_format(micros: &ArrayRef, patterns: &StringArray) -> SqlResult<ArrayRef> {
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    let mut texts = Vec::with_capacity(micros.len());
    for row in 0..micros.len() {
        if micros.is_null(row) || patterns.is_null(row) {
            texts.push(None);
            continue;
        }
        let moment = DateTime::from_timestamp_micros(micros.value(row)).map(|moment| moment.naive_utc());
        texts.push(moment.map(|moment| java_format(&moment, patterns.value(row))).transpose()?);
    }
    Ok(Arc::new(StringArray::from(texts)))
}

/// Java's date patterns, as far as they are numbers, names in English and quoted text.
fn java_format(moment: &NaiveDateTime, pattern: &str) -> SqlResult<String> {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' {
            let mut text = String::new();
            while let Some(c) = rest.next_if(|c| *c != '\'') {
                text.push(c);
            }
            rest.next();
            out.push_str(if text.is_empty() { "'" } else { &text });
            continue;
        }
        if !c.is_ascii_alphabetic() {
            out.push(c);
            continue;
        }
        let mut width = 1;
        while rest.next_if_eq(&c).is_some() {
            width += 1;
        }
        let padded = |number: u32| format!("{number:0width$}");
        let hour12 = moment.hour12().1;
        out.push_str(&match (c, width) {
            ('y', 2) => format!("{:02}", moment.year().rem_euclid(100)),
            ('y', _) => format!("{:0width$}", moment.year()),
            ('M' | 'L', 1 | 2) => padded(moment.month()),
            ('M' | 'L', 3) => moment.format("%b").to_string(),
            ('M' | 'L', 4) => moment.format("%B").to_string(),
            ('d', 1 | 2) => padded(moment.day()),
            ('D', 1..=3) => padded(moment.ordinal()),
            ('H', 1 | 2) => padded(moment.hour()),
            ('h', 1 | 2) => padded(hour12),
            ('m', 1 | 2) => padded(moment.minute()),
            ('s', 1 | 2) => padded(moment.second()),
            ('S', 1..=9) => format!("{:09}", moment.nanosecond())[..width].to_owned(),
            ('a', 1) => if moment.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            ('E', 1..=3) => moment.format("%a").to_string(),
            ('E', 4) => moment.format("%A").to_string(),
            _ => return Err(SqlError::unsupported(format_args!("the date pattern '{pattern}'"))),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_patterns_print_or_are_refused() {
        let moment = DateTime::from_timestamp_micros(1_704_164_645_678_900).unwrap().naive_utc();
        let format = |pattern: &str| java_format(&moment, pattern);
        assert_eq!(format("yyyy-MM-dd'T'HH:mm:ss.SSSSSS").unwrap(), "2024-01-02T03:04:05.678900");
        assert_eq!(format("d MMM yy, EEEE h a").unwrap(), "2 Jan 24, Tuesday 3 AM");
        assert_eq!(format("w").unwrap_err().class(), "UNSUPPORTED_FEATURE");
    }

    #[test]
    fn a_substring_counts_characters_from_either_end() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["añ😀de"; 4]));
        let cut =
            substring(&texts, &Int64Array::from(vec![2, 0, -2, 9]), Some(&Int64Array::from(vec![2, 1, 5, 1]))).unwrap();
        assert_eq!(cut.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["ñ😀", "a", "de", ""]);
    }
}
