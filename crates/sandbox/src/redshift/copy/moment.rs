//! Dates and times as files write them, in the engine's own form.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::super::report::Report;

/// How dates are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DateFormat {
    /// `YYYY-MM-DD`
    Iso,
    /// Any of the usual ways.
    Auto,
    /// In the words of `chrono`.
    Pattern(String),
}

/// How moments are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// `YYYY-MM-DD HH:MI:SS`, with a fraction and, where the column has a zone, with that.
    Iso,
    Auto,
    EpochSeconds,
    EpochMilliseconds,
    Pattern(String),
}

const DATES: &[&str] = &[
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%d.%m.%Y",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
];
const TIMES: &[&str] = &["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p"];
const ISO: &str = "%Y-%m-%d %H:%M:%S%.f";

impl DateFormat {
    pub(super) fn of(text: &str) -> Result<Self, Report> {
        Ok(match text {
            "auto" => Self::Auto,
            "YYYY-MM-DD" => Self::Iso,
            pattern => Self::Pattern(translate(pattern)?),
        })
    }

    pub(super) fn read(&self, text: &str) -> Option<String> {
        let date = match self {
            Self::Iso => date(text, "%Y-%m-%d"),
            Self::Pattern(pattern) => date(text, pattern),
            Self::Auto => DATES.iter().find_map(|pattern| date(text, pattern)),
        };
        // A moment is a date too, for a column that has no time.
        let date = date.or_else(|| Some(NaiveDateTime::parse_from_str(text, ISO).ok()?.date()));
        date.map(|date| date.format("%Y-%m-%d").to_string())
    }
}

impl TimeFormat {
    pub(super) fn of(text: &str) -> Result<Self, Report> {
        Ok(match text {
            "auto" => Self::Auto,
            "epochsecs" => Self::EpochSeconds,
            "epochmillisecs" => Self::EpochMilliseconds,
            "YYYY-MM-DD HH:MI:SS" | "YYYY-MM-DD HH24:MI:SS" => Self::Iso,
            pattern => Self::Pattern(translate(pattern)?),
        })
    }

    pub(super) fn read(&self, text: &str, zoned: bool) -> Option<String> {
        let local = match self {
            Self::Iso => local(text, ISO).or_else(|| date(text, "%Y-%m-%d")?.and_hms_opt(0, 0, 0)),
            Self::Pattern(pattern) => local(text, pattern).or_else(|| date(text, pattern)?.and_hms_opt(0, 0, 0)),
            Self::Auto => auto(text),
            Self::EpochSeconds => since_epoch(text, 1_000_000),
            Self::EpochMilliseconds => since_epoch(text, 1_000),
        };
        if let Some(local) = local {
            let zone = if zoned { "+00" } else { "" };
            return Some(format!("{}{zone}", local.format("%Y-%m-%d %H:%M:%S%.6f")));
        }
        let patterns: &[&str] = match self {
            Self::Iso | Self::Auto => {
                &["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%dT%H:%M:%S%.f%#z"]
            }
            Self::Pattern(pattern) => &[pattern],
            Self::EpochSeconds | Self::EpochMilliseconds => &[],
        };
        let moment = patterns.iter().find_map(|pattern| DateTime::parse_from_str(text, pattern).ok())?;
        // A column without a zone takes the clock's time of one that has it, as far as the format lets it.
        let text = if zoned {
            moment.naive_utc()
        } else if *self == Self::Iso {
            return None;
        } else {
            moment.naive_local()
        };
        Some(format!("{}{}", text.format("%Y-%m-%d %H:%M:%S%.6f"), if zoned { "+00" } else { "" }))
    }
}

fn date(text: &str, pattern: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, pattern).ok()
}

fn local(text: &str, pattern: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, pattern).ok()
}

fn auto(text: &str) -> Option<NaiveDateTime> {
    let joined = ["%Y-%m-%dT%H:%M:%S%.f", "%Y%m%d %H%M%S"];
    joined.iter().find_map(|pattern| local(text, pattern)).or_else(|| {
        DATES.iter().find_map(|day| {
            let with = TIMES.iter().find_map(|time| local(text, &format!("{day} {time}")));
            with.or_else(|| date(text, day)?.and_hms_opt(0, 0, 0))
        })
    })
}

fn since_epoch(text: &str, micros: i64) -> Option<NaiveDateTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut count = whole.parse::<i64>().ok()?.checked_mul(micros)?;
    let mut unit = micros;
    for digit in fraction.bytes() {
        unit /= 10;
        count += i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?) * unit;
    }
    Some(DateTime::from_timestamp_micros(count)?.naive_utc())
}

/// The service's words in those of `chrono`.
fn translate(pattern: &str) -> Result<String, Report> {
    const WORDS: &[(&str, &str)] = &[
        ("YYYY", "%Y"),
        ("YY", "%y"),
        ("MONTH", "%B"),
        ("MON", "%b"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("HH24", "%H"),
        ("HH12", "%I"),
        ("HH", "%H"),
        ("MI", "%M"),
        ("SS", "%S%.f"),
        ("AM", "%p"),
        ("PM", "%p"),
        ("OF", "%#z"),
    ];
    let (mut out, mut rest) = (String::new(), pattern);
    let twelve = pattern.to_ascii_uppercase().contains("AM") || pattern.to_ascii_uppercase().contains("PM");
    'next: while let Some(first) = rest.chars().next() {
        for (word, theirs) in WORDS {
            if rest.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)) {
                out.push_str(if *word == "HH" && twelve { "%I" } else { theirs });
                rest = &rest[word.len()..];
                continue 'next;
            }
        }
        if first.is_ascii_alphabetic() && first != 'T' {
            return Err(Report::not_in_sandbox(&format!("the date or time format '{pattern}'")));
        }
        out.push_str(if first == '%' { "%%" } else { &rest[..first.len_utf8()] });
        rest = &rest[first.len_utf8()..];
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_format_says() {
        let read = |format: &str, text: &str| DateFormat::of(format).expect("known").read(text);
        for (format, text) in [
            ("YYYY-MM-DD", "2024-02-29"),
            ("MM/DD/YYYY", "02/29/2024"),
            ("DD.MM.YY", "29.02.24"),
            ("DD MON YYYY", "29 Feb 2024"),
            ("auto", "20240229"),
            ("auto", "02/29/2024"),
            ("auto", "Feb 29, 2024"),
        ] {
            assert_eq!(read(format, text).as_deref(), Some("2024-02-29"), "{format} {text}");
        }
        for (format, text) in
            [("YYYY-MM-DD", "2023-02-29"), ("YYYY-MM-DD", "02/28/2023"), ("auto", "soon"), ("auto", "")]
        {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
        assert!(DateFormat::of("Q").is_err());
    }

    #[test]
    fn moments_are_read_as_the_format_says() {
        let read = |format: &str, text: &str, zoned| TimeFormat::of(format).expect("known").read(text, zoned);
        let noon = "2024-02-29 12:00:00.250000";
        for (format, text) in [
            ("YYYY-MM-DD HH:MI:SS", "2024-02-29 12:00:00.25"),
            ("auto", "2024-02-29T12:00:00.25"),
            ("auto", "02/29/2024 12:00:00.25"),
            ("epochsecs", "1709208000.25"),
            ("epochmillisecs", "1709208000250"),
            ("MM/DD/YYYY HH12:MI:SS AM", "02/29/2024 12:00:00.25 PM"),
        ] {
            assert_eq!(read(format, text, false).as_deref(), Some(noon), "{format} {text}");
        }
        assert_eq!(
            read("YYYY-MM-DD HH:MI:SS", "2024-02-29 13:00:00.25+01", true).as_deref(),
            Some("2024-02-29 12:00:00.250000+00")
        );
        assert_eq!(
            read("YYYY-MM-DD HH:MI:SS", "2024-02-29 12:00:00.25", true).as_deref(),
            Some("2024-02-29 12:00:00.250000+00")
        );
        assert_eq!(read("YYYY-MM-DD HH:MI:SS", "2024-02-29 25:00:00", false), None);
        assert_eq!(read("epochsecs", "1.5x", false), None);
    }
}
