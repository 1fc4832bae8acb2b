//! Durations as people write them.

use std::time::Duration;

/// Reads `250ms`, `30s`, `5m`, `2h`, or a bare number of seconds, fractions allowed.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim_start() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_unit() {
        for (text, wanted) in [
            ("30", Some(Duration::from_secs(30))),
            ("1.5s", Some(Duration::from_millis(1500))),
            (" 250 ms ", Some(Duration::from_millis(250))),
            ("5m", Some(Duration::from_secs(300))),
            ("2h", Some(Duration::from_secs(7200))),
            ("", None),
            ("-1", None),
            ("1d", None),
            ("99999999999999999999999h", None),
            ("s", None),
        ] {
            assert_eq!(parse_duration(text), wanted, "{text:?}");
        }
    }
}
