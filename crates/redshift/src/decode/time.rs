//! Dates and times from their ISO text: `2024-02-29`, `12:34:56.789`, `0044-03-15 10:00:00+00 BC`.

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01 to 2000-01-01, where the server's binary time begins.
const EPOCH_DAYS: i64 = 10_957;

/// Days since 1970-01-01.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    let (text, before_christ) = era(text);
    let (days, rest) = day(text, before_christ)?;
    if rest.is_empty() { i32::try_from(days).ok() } else { None }
}

/// Microseconds since midnight.
pub(super) fn time(text: &[u8]) -> Option<i64> {
    let (micros, rest) = clock(text)?;
    rest.is_empty().then_some(micros)
}

/// Microseconds since 1970-01-01T00:00:00, as the clock on the wall shows.
pub(super) fn timestamp(text: &[u8]) -> Option<i64> {
    let (micros, rest) = wall(text)?;
    rest.is_empty().then_some(micros)
}

/// Microseconds since 1970-01-01T00:00:00Z.
pub(super) fn timestamptz(text: &[u8]) -> Option<i64> {
    let (micros, rest) = wall(text)?;
    micros.checked_sub(offset(rest)?)
}

/// The same from the server's binary form, microseconds since 2000-01-01. Its two infinities are no moments.
pub(super) fn from_binary(micros: i64) -> Option<i64> {
    if matches!(micros, i64::MAX | i64::MIN) {
        return None;
    }
    micros.checked_add(EPOCH_DAYS * MICROS_PER_DAY)
}

fn wall(text: &[u8]) -> Option<(i64, &[u8])> {
    let (text, before_christ) = era(text);
    let (days, rest) = day(text, before_christ)?;
    let (micros, rest) = clock(rest.strip_prefix(b" ")?)?;
    // In two steps the first product could overflow where the sum does not.
    let total = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(micros);
    Some((i64::try_from(total).ok()?, rest))
}

fn era(text: &[u8]) -> (&[u8], bool) {
    text.strip_suffix(b" BC").map_or((text, false), |text| (text, true))
}

/// The day at the front of the text, and what follows it.
fn day(text: &[u8], before_christ: bool) -> Option<(i64, &[u8])> {
    let (year, rest) = number(text, 4..=7)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?, 2..=2)?;
    let (day, rest) = number(rest.strip_prefix(b"-")?, 2..=2)?;
    let year = if before_christ { 1 - year } else { year };
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    Some((days_since_epoch(year, month, day), rest))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts in years that begin in March, so that a leap day is the last day of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    cycle * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// The time of day at the front of the text, and what follows it.
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, rest) = number(text, 2..=2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2..=2)?;
    let (second, mut rest) = number(rest.strip_prefix(b":")?, 2..=2)?;
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (value, after) = number(fraction, 1..=6)?;
        let digits = fraction.len() - after.len();
        micros = value * 10_i64.pow(6 - u32::try_from(digits).ok()?);
        rest = after;
    }
    let total = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
    // 24:00:00 is a time of day to the server.
    (minute < 60 && second < 60 && total <= MICROS_PER_DAY).then_some((total, rest))
}

/// `+00`, `-05:30`, `+01:02:03`, in microseconds.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (mut seconds, mut rest) = number(rest, 2..=2).map(|(hours, rest)| (hours * 3600, rest))?;
    for unit in [60, 1] {
        let Some(more) = rest.strip_prefix(b":") else { break };
        let (value, after) = number(more, 2..=2)?;
        (seconds, rest) = (seconds + value * unit, after);
    }
    rest.is_empty().then_some(sign * seconds * 1_000_000)
}

/// The digits at the front of the text, as many as there are, if that many are allowed.
fn number(text: &[u8], allowed: std::ops::RangeInclusive<usize>) -> Option<(i64, &[u8])> {
    let digits = text.iter().take(*allowed.end() + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if !allowed.contains(&digits) {
        return None;
    }
    let (head, rest) = text.split_at(digits);
    Some((head.iter().fold(0, |value, &byte| value * 10 + i64::from(byte - b'0')), rest))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_at_the_edges_of_calendars() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("1900-02-29", None),
            ("2023-02-29", None),
            ("9999-12-31", Some(2_932_896)),
            ("0001-01-01", Some(-719_162)),
            ("0001-12-31 BC", Some(-719_163)),
            ("4713-01-01 BC", Some(-2_440_550)),
            ("5874897-12-31", Some(2_145_042_905)),
            ("infinity", None),
            ("-infinity", None),
            ("2024-13-01", None),
            ("2024-00-10", None),
            ("2024-01-00", None),
            ("2024-1-1", None),
            ("2024-01-01x", None),
            ("", None),
        ] {
            assert_eq!(date(text.as_bytes()), days, "{text}");
        }
    }

    #[test]
    fn moments_with_and_without_zone() {
        for (text, micros) in [
            ("1970-01-01 00:00:00", Some(0)),
            ("1969-12-31 23:59:59.999999", Some(-1)),
            ("2024-02-29 12:34:56.5", Some(1_709_210_096_500_000)),
            ("294247-01-10 04:00:54.775807", Some(i64::MAX)),
            ("294247-01-10 04:00:54.775808", None),
            ("0001-01-01 00:00:00 BC", Some(-62_167_219_200_000_000)),
            ("infinity", None),
            ("2024-01-01", None),
            ("2024-01-01 24:00:00", Some(1_704_153_600_000_000)),
            ("2024-01-01 25:00:00", None),
            ("2024-01-01 10:60:00", None),
            ("2024-01-01 10:00:00.1234567", None),
        ] {
            assert_eq!(timestamp(text.as_bytes()), micros, "{text}");
        }
        for (text, micros) in [
            ("1970-01-01 00:00:00+00", Some(0)),
            ("1970-01-01 01:00:00+01", Some(0)),
            ("1969-12-31 18:30:00-05:30", Some(0)),
            ("1970-01-01 00:00:01+00:00:01", Some(0)),
            ("0001-01-01 00:00:00+00 BC", Some(-62_167_219_200_000_000)),
            ("1970-01-01 00:00:00", None),
            ("1970-01-01 00:00:00+", None),
            ("1970-01-01 00:00:00Z", None),
        ] {
            assert_eq!(timestamptz(text.as_bytes()), micros, "{text}");
        }
        assert_eq!(time(b"24:00:00"), Some(MICROS_PER_DAY));
        assert_eq!(time(b"00:00:00.000001"), Some(1));
        assert_eq!(time(b"24:00:00.000001"), None);
    }

    #[test]
    fn binary_moments_count_from_2000_and_have_no_infinity() {
        assert_eq!(from_binary(0), Some(946_684_800_000_000));
        assert_eq!(from_binary(-946_684_800_000_000), Some(0));
        assert_eq!((from_binary(i64::MAX), from_binary(i64::MIN), from_binary(i64::MAX - 1)), (None, None, None));
    }

    proptest! {
        #[test]
        fn every_day_reads_back(days in -719_162_i32..=2_932_896) {
            let day = NaiveDate::from_num_days_from_ce_opt(days + 719_163).unwrap();
            prop_assert_eq!(date(day.to_string().as_bytes()), Some(days));
        }

        #[test]
        fn every_moment_reads_back(micros in -62_135_596_800_000_000_i64..=253_402_300_799_999_999) {
            let moment = DateTime::from_timestamp_micros(micros).unwrap();
            let text = format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00",
                moment.year(), moment.month(), moment.day(),
                moment.hour(), moment.minute(), moment.second(), moment.nanosecond() / 1000,
            );
            prop_assert_eq!(timestamptz(text.as_bytes()), Some(micros));
            prop_assert_eq!(timestamp(text.strip_suffix("+00").unwrap().as_bytes()), Some(micros));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (date(&text), time(&text), timestamp(&text), timestamptz(&text));
        }
    }
}
