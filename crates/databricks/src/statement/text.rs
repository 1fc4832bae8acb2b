//! Dates, times, numbers and intervals as the JSON form of results writes them.

use arrow::array::types::IntervalYearMonthType;
use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime};
use twinhouse_warehouse_api::Decimal;

/// Days since 1970-01-01.
pub(super) fn date(text: &str) -> Option<i32> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?.num_days_from_ce();
    Some(calendar_date(text)?.num_days_from_ce() - epoch)
}

/// `[+|-]YYYY-MM-DD`, the year with four digits or more.
fn calendar_date(text: &str) -> Option<NaiveDate> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = digits.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i32>().ok())?;
    let (month, day) = (u32::try_from(number(month)?).ok()?, u32::try_from(number(day)?).ok()?);
    NaiveDate::from_ymd_opt(sign * number(year)?, month, day)
}

/// Microseconds since 1970-01-01T00:00:00 on the same wall clock.
pub(super) fn wall_clock(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' '])?;
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?;
    Some(NaiveDateTime::new(calendar_date(date)?, time).and_utc().timestamp_micros())
}

/// Microseconds since 1970-01-01T00:00:00Z. The text must say its offset.
pub(super) fn moment(text: &str) -> Option<i64> {
    if let Some(text) = text.strip_suffix('Z') {
        return wall_clock(text);
    }
    let time = text.find(['T', ' '])?;
    let at = time + text[time..].rfind(['+', '-'])?;
    let (wall, offset) = text.split_at(at);
    // chrono knows the forms of an offset; any date will do to read it.
    let offset = DateTime::parse_from_str(&format!("2000-01-01T00:00:00{offset}"), "%Y-%m-%dT%H:%M:%S%:z").ok()?;
    wall_clock(wall)?.checked_sub(i64::from(offset.offset().local_minus_utc()) * 1_000_000)
}

/// The digits of a decimal, moved to this scale without losing any.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    // Large ones may come in E notation.
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let number = Decimal::parse(digits).ok()?;
    let shift = (i32::from(scale) - i32::from(number.scale())).checked_add(exponent)?;
    let factor = 10i128.checked_pow(shift.unsigned_abs())?;
    let unscaled = match shift {
        0.. => number.unscaled().checked_mul(factor)?,
        _ if number.unscaled() % factor == 0 => number.unscaled() / factor,
        _ => return None,
    };
    (unscaled.unsigned_abs() < 10u128.pow(u32::from(precision))).then_some(unscaled)
}

/// `1.5E0`, `NaN`, `Infinity`, `-Infinity`.
pub(super) fn float<T: std::str::FromStr>(text: &str) -> Option<T> {
    // Rust reads these words, too, but also `inf` and `infinity` in any case; that does no harm.
    text.parse().ok()
}

/// Months of `Y-M`, or of `INTERVAL '…' YEAR`, `MONTH` or `YEAR TO MONTH`.
pub(super) fn months(text: &str) -> Option<i32> {
    let (sign, digits, unit) = interval(text);
    let (years, months) = match (digits.split_once('-'), unit) {
        (Some(both), _) => both,
        (None, "YEAR") => (digits, "0"),
        (None, "MONTH") => ("0", digits),
        // A number alone does not say of what.
        (None, _) => return None,
    };
    let total = years.trim().parse::<i64>().ok()?.checked_mul(12)?.checked_add(months.trim().parse::<i64>().ok()?)?;
    let total = i32::try_from(sign.checked_mul(total)?).ok()?;
    Some(IntervalYearMonthType::make_value(total / 12, total % 12))
}

/// Microseconds of `D HH:MM:SS.nnnnnnnnn`, or of `INTERVAL '…'` with any of its units from `DAY` to `SECOND`.
pub(super) fn day_time(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 4] = [("DAY", 86_400), ("HOUR", 3600), ("MINUTE", 60), ("SECOND", 1)];
    let (sign, digits, unit) = interval(text);
    let parts: Vec<_> = digits.split([' ', ':']).collect();
    let first = match unit.split(' ').next().filter(|name| !name.is_empty()) {
        Some(name) => UNITS.iter().position(|(known, _)| *known == name)?,
        // Bare, it has hours, minutes and seconds at least.
        None if parts.len() >= 3 => UNITS.len().checked_sub(parts.len())?,
        None => return None,
    };
    let units = UNITS.get(first..first + parts.len())?;
    let whole = |part: &str| part.parse::<i64>().ok().filter(|n| *n >= 0);
    parts.into_iter().zip(units).try_fold(0_i64, |sum, (part, (name, seconds))| {
        let (part, fraction) = part.split_once('.').filter(|_| *name == "SECOND").unwrap_or((part, ""));
        let micros = format!("{fraction:0<6}");
        let (micros, beyond) = micros.split_at_checked(6)?;
        let micros = whole(part)?.checked_mul(seconds * 1_000_000)?.checked_add(whole(micros)?)?;
        if beyond.bytes().all(|b| b == b'0') { sum.checked_add(sign * micros) } else { None }
    })
}

/// The sign of an interval, its digits and, behind their quotes if it has some, its units.
fn interval(text: &str) -> (i64, &str, &str) {
    let mut parts = text.split('\'');
    let (digits, unit) = match (parts.next(), parts.next(), parts.next()) {
        (_, Some(digits), Some(unit)) => (digits, unit),
        _ => (text, ""),
    };
    let (sign, digits) = match digits.trim().strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, digits.trim().trim_start_matches('+')),
    };
    (sign, digits, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_before_and_after_everything_are_read() {
        for (text, wanted) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("0001-01-01", Some(-719_162)),
            ("9999-12-31", Some(2_932_896)),
            ("+12345-06-07", Some(3_789_548)),
            ("2024-02-30", None),
            ("2024-1", None),
            ("", None),
        ] {
            assert_eq!(date(text), wanted, "{text}");
        }
    }

    #[test]
    fn moments_need_an_offset_and_wall_clocks_have_none() {
        assert_eq!(moment("2021-01-01T10:00:00.000-08:00"), Some(1_609_524_000_000_000));
        assert_eq!(moment("2021-01-01T18:00:00.000Z"), Some(1_609_524_000_000_000));
        assert_eq!(moment("1969-12-31T23:59:59.999Z"), Some(-1000));
        assert_eq!(moment("2021-01-01T10:00:00.000"), None);
        assert_eq!(wall_clock("2024-01-02T03:04:05.789"), Some(1_704_164_645_789_000));
        assert_eq!(wall_clock("2024-01-02 03:04:05"), Some(1_704_164_645_000_000));
        assert_eq!(wall_clock("2024-01-02T03:04:05+01:00"), None);
    }

    #[test]
    fn decimals_lose_no_digit_or_fail() {
        let nines = "9".repeat(38);
        assert_eq!(decimal(&nines, 38, 0), nines.parse().ok());
        assert_eq!(decimal("-0.50", 5, 3), Some(-500));
        assert_eq!(decimal("1.2E3", 6, 1), Some(12_000));
        assert_eq!(decimal("0.55", 5, 1), None);
        assert_eq!(decimal("1000", 3, 0), None);
        assert_eq!((decimal("1E2147483647", 5, 1), decimal("1E-2147483648", 5, 0)), (None, None));
    }

    #[test]
    fn intervals_are_read_bare_and_dressed() {
        assert_eq!(months("1-2"), Some(14));
        assert_eq!(months("INTERVAL '-1-2' YEAR TO MONTH"), Some(-14));
        assert_eq!(
            (months("INTERVAL '3' YEAR"), months("INTERVAL '-3' MONTH"), months("3")),
            (Some(36), Some(-3), None)
        );
        assert_eq!(day_time("1 02:03:04.000005000"), Some(93_784_000_005));
        assert_eq!(day_time("INTERVAL '-0 00:00:01' DAY TO SECOND"), Some(-1_000_000));
        assert_eq!(day_time("INTERVAL '1 02' DAY TO HOUR"), Some(93_600_000_000));
        assert_eq!(day_time("INTERVAL '-05:06.5' MINUTE TO SECOND"), Some(-306_500_000));
        assert_eq!((day_time("02:03:04"), day_time("INTERVAL '7' DAY")), (Some(7_384_000_000), Some(604_800_000_000)));
        for odd in ["7", "02:03", "1 2 02:03:04", "INTERVAL '1:2' SECOND", "INTERVAL '7' WEEK", "", "1 02:-3:04"] {
            assert_eq!(day_time(odd), None, "{odd}");
        }
        assert_eq!(day_time("0 00:00:00.0000001"), None);
        assert_eq!(day_time("soon"), None);
    }
}
