//! The text inside literals.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};
use twinhouse_core::{Error, ErrorKind, Result};

/// The shortest text that reads back as the same float.
pub(super) fn float(x: f32) -> String {
    special(x.into()).map_or_else(|| format!("{x:e}"), str::to_owned)
}

/// The shortest text that reads back as the same double.
pub(super) fn double(x: f64) -> String {
    special(x).map_or_else(|| format!("{x:e}"), str::to_owned)
}

fn special(x: f64) -> Option<&'static str> {
    match x {
        x if x.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}

/// `2024-01-02`; a year beyond four digits has a sign, as ISO 8601 wants it.
pub(super) fn iso_date(date: NaiveDate) -> String {
    let sign = match date.year() {
        0..=9999 => "",
        10_000.. => "+",
        _ => "-",
    };
    format!("{sign}{:04}-{:02}-{:02}", date.year().unsigned_abs(), date.month(), date.day())
}

/// `2024-01-02` and an empty era, or a year counted backwards and ` BC`.
pub(super) fn era_date(date: NaiveDate, first_year: i32) -> Result<(String, &'static str)> {
    let year = date.year();
    if year < first_year {
        return Err(Error::new(ErrorKind::InvalidInput, "the date is before the server's calendar begins")
            .with_context("date", date.to_string()));
    }
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    Ok((format!("{year:04}-{:02}-{:02}", date.month(), date.day()), era))
}

/// A moment or wall-clock time that the calendar can name.
pub(super) struct Moment(NaiveDateTime);

impl Moment {
    pub(super) fn new(micros: i64) -> Result<Self> {
        DateTime::from_timestamp_micros(micros).map(|moment| Self(moment.naive_utc())).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "the timestamp is out of range")
                .with_context("micros", micros.to_string())
        })
    }

    fn time(&self) -> String {
        let time = self.0.time();
        format!("{:02}:{:02}:{:02}.{:06}", time.hour(), time.minute(), time.second(), time.nanosecond() / 1000)
    }

    pub(super) fn iso(&self) -> String {
        format!("{} {}", iso_date(self.0.date()), self.time())
    }

    pub(super) fn era(&self, first_year: i32) -> Result<(String, String, &'static str)> {
        let (date, era) = era_date(self.0.date(), first_year)?;
        Ok((date, self.time(), era))
    }
}
