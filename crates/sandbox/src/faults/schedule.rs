//! A schedule of faults as a TOML file.

use std::{fmt::Write as _, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use twinhouse_core::{Error, ErrorKind, Result};

use super::rule::{Chance, FaultKind, FaultRule, Front, When};

/// The units of a wait, longest first.
const UNITS: [(&str, u128); 5] =
    [("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

/// Several rules, as a file has them. Whatever a [`FaultRule`] can say can be written, and is read back as it was.
///
/// ```
/// use twinhouse_sandbox::FaultSchedule;
///
/// let schedule = FaultSchedule::from_toml(
///     r#"
///     [[fault]]
///     front = "databricks"   # databricks, redshift, s3 or aws
///     kind = "throttled"
///     retry_after = "2s"     # only what this kind takes
///     method = "POST"        # which calls match: all of method, path and sql that are given
///     path = "/sql/statements"
///     sql = "INSERT"
///     on_call = 2            # the first call that fails; 1 if left out
///     times = 3              # so many in a row, or "always"; 1 if left out
///     chance = 0.5           # of those, this share,
///     seed = 7               # drawn by this: the same ones in every run
///     "#,
/// )?;
/// assert_eq!(FaultSchedule::from_toml(&schedule.to_toml())?, schedule);
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a schedule does nothing until it is loaded"]
pub struct FaultSchedule(Vec<FaultRule>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    fault: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    front: Spanned<String>,
    kind: Spanned<String>,
    when: Option<Spanned<String>>,
    retry_after: Option<Spanned<String>>,
    pause: Option<Spanned<String>>,
    after: Option<Spanned<String>>,
    method: Option<String>,
    path: Option<String>,
    sql: Option<String>,
    on_call: Option<Spanned<u64>>,
    times: Option<Spanned<Times>>,
    chance: Option<Spanned<f64>>,
    seed: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`times` is a number of calls or `always`")]
enum Times {
    Number(u64),
    Word(String),
}

impl FaultSchedule {
    /// These rules, in this order.
    pub fn new(rules: impl IntoIterator<Item = FaultRule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the line and what would be understood there, for what is not TOML, a key, a kind or
    /// a value that is not known, or a rule that its front cannot follow.
    pub fn from_toml(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| {
            refusal(text, error.span().map_or(0, |span| span.start), error.message().trim().replace('\n', ", "))
        })?;
        let read = |entry: &Spanned<Entry>| {
            let rule = rule(text, entry.get_ref())?;
            // What the rule itself refuses belongs to the whole of it.
            rule.check().map_err(|error| refusal(text, entry.span().start, error.to_string()))?;
            Ok(rule)
        };
        file.fault.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[FaultRule] {
        &self.0
    }

    /// Writes the file's text.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for rule in &self.0 {
            if !text.is_empty() {
                text.push('\n');
            }
            write_rule(&mut text, rule);
        }
        text
    }
}

impl FromIterator<FaultRule> for FaultSchedule {
    fn from_iter<I: IntoIterator<Item = FaultRule>>(rules: I) -> Self {
        Self::new(rules)
    }
}

fn refusal(text: &str, at: usize, why: impl Into<String>) -> Error {
    let line = text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
    let why: String = why.into();
    Error::new(ErrorKind::Config, format!("the schedule of faults cannot be read: {why}"))
        .with_context("line", line.to_string())
}

fn rule(text: &str, entry: &Entry) -> Result<FaultRule> {
    let no = |word: &Spanned<String>, what: &str, known: String| {
        refusal(text, word.span().start, format!("unknown {what} `{}`, expected one of {known}", word.get_ref()))
    };
    let front = Front::ALL.into_iter().find(|front| front.as_str() == entry.front.get_ref());
    let front = front.ok_or_else(|| no(&entry.front, "front", known(Front::ALL.map(Front::as_str))))?;
    let kind = FaultKind::ALL.into_iter().find(|kind| kind.as_str() == entry.kind.get_ref());
    let kind = kind.ok_or_else(|| no(&entry.kind, "kind", known(FaultKind::ALL.map(FaultKind::as_str))))?;

    let takes = kind.takes();
    let given =
        [("when", &entry.when), ("retry_after", &entry.retry_after), ("pause", &entry.pause), ("after", &entry.after)];
    for (key, value) in given {
        if let Some(value) = value
            && !takes.contains(&key)
        {
            let why = format!("`{}` does not take `{key}`", kind.as_str());
            return Err(refusal(text, value.span().start, why));
        }
    }
    let wait = |value: &Option<Spanned<String>>| match value {
        Some(value) => duration(value.get_ref()).map(Some).ok_or_else(|| {
            let why = format!("`{}` is no time, write `2s`, `50ms`, `1m`, `10us` or `5ns`", value.get_ref());
            refusal(text, value.span().start, why)
        }),
        None => Ok(None),
    };
    let needed = |key: &str, value: &Option<Spanned<String>>| {
        let missing = || {
            refusal(text, entry.kind.span().start, format!("`{}` needs `{key}`, a time such as `50ms`", kind.as_str()))
        };
        wait(value)?.ok_or_else(missing)
    };
    let when = match entry.when.as_ref().map(|when| (when, when.get_ref().as_str())) {
        None | Some((_, "before")) => When::Before,
        Some((_, "after")) => When::After,
        Some((when, _)) => return Err(no(when, "value", known(["before", "after"]))),
    };
    let kind = match kind {
        FaultKind::Throttled { .. } => FaultKind::Throttled { retry_after: wait(&entry.retry_after)? },
        FaultKind::Unavailable { .. } => FaultKind::Unavailable { when, retry_after: wait(&entry.retry_after)? },
        FaultKind::Reset { .. } => FaultKind::Reset { when },
        FaultKind::Slow { .. } => FaultKind::Slow { pause: needed("pause", &entry.pause)? },
        FaultKind::EarlyLink { .. } => FaultKind::EarlyLink { after: wait(&entry.after)?.unwrap_or_default() },
        FaultKind::WarehouseStarting { .. } => FaultKind::WarehouseStarting { pause: needed("pause", &entry.pause)? },
        other => other,
    };

    let mut rule = FaultRule::new(front, kind);
    rule.method.clone_from(&entry.method);
    rule.path.clone_from(&entry.path);
    rule.sql.clone_from(&entry.sql);
    if let Some(first) = &entry.on_call {
        rule.first = *first.get_ref();
    }
    match entry.times.as_ref().map(|times| (times.get_ref(), times.span())) {
        None => {}
        Some((Times::Number(times), _)) => rule.times = *times,
        Some((Times::Word(word), _)) if word == "always" => rule.times = u64::MAX,
        Some((Times::Word(word), span)) => {
            return Err(refusal(text, span.start, format!("`{word}` is neither a number nor `always`")));
        }
    }
    match (&entry.chance, &entry.seed) {
        (Some(of), seed) => {
            rule.chance = Some(Chance { of: *of.get_ref(), seed: seed.as_ref().map_or(0, |seed| *seed.get_ref()) });
        }
        (None, Some(seed)) => return Err(refusal(text, seed.span().start, "`seed` needs `chance`")),
        (None, None) => {}
    }
    Ok(rule)
}

fn known<const N: usize>(words: [&str; N]) -> String {
    words.map(|word| format!("`{word}`")).join(", ")
}

fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
    let nanos = number.parse::<u128>().ok()?.checked_mul(size)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

fn written(wait: Duration) -> String {
    let nanos = wait.as_nanos();
    // Minutes only read better where they are whole, and zero reads best in seconds.
    let fits = |(name, size): &(&str, u128)| nanos.is_multiple_of(*size) && (*name != "m" || nanos > 0);
    let (unit, size) = UNITS.into_iter().find(fits).unwrap_or(("ns", 1));
    format!("\"{}{unit}\"", nanos / size)
}

fn write_rule(text: &mut String, rule: &FaultRule) {
    let quoted = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let mut put = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    put("[[fault]]\nfront", quoted(rule.front.as_str()));
    put("kind", quoted(rule.kind.as_str()));
    let (mut when, mut waits) = (None, Vec::new());
    match rule.kind {
        FaultKind::Throttled { retry_after } => waits.push(("retry_after", retry_after)),
        FaultKind::Unavailable { when: side, retry_after } => {
            when = Some(side);
            waits.push(("retry_after", retry_after));
        }
        FaultKind::Reset { when: side } => when = Some(side),
        FaultKind::Slow { pause } | FaultKind::WarehouseStarting { pause } => waits.push(("pause", Some(pause))),
        FaultKind::EarlyLink { after } => waits.push(("after", Some(after))),
        _ => {}
    }
    if when == Some(When::After) {
        put("when", quoted("after"));
    }
    for (key, wait) in waits {
        if let Some(wait) = wait {
            put(key, written(wait));
        }
    }
    for (key, filter) in [("method", &rule.method), ("path", &rule.path), ("sql", &rule.sql)] {
        if let Some(filter) = filter {
            put(key, quoted(filter));
        }
    }
    // TOML's numbers are signed.
    let number = |n: u64| n.min(i64::MAX as u64).to_string();
    if rule.first != 1 {
        put("on_call", number(rule.first));
    }
    if rule.times != 1 {
        put("times", if rule.times > i64::MAX as u64 { quoted("always") } else { number(rule.times) });
    }
    if let Some(Chance { of, seed }) = rule.chance {
        put("chance", toml::Value::Float(of).to_string());
        put("seed", seed.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        let error = FaultSchedule::from_toml(text).expect_err("not a schedule");
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        (error.context("line").unwrap_or_default().to_owned(), error.message().to_owned())
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line_and_what_is_known() {
        let head = "# a comment\n[[fault]]\nfront = \"databricks\"\nkind = \"throttled\"\n";
        for (text, line, words) in [
            (format!("{head}retry-after = \"1s\""), "5", vec!["retry-after", "`retry_after`", "`on_call`"]),
            (format!("{head}pause = \"1s\""), "5", vec!["`throttled` does not take `pause`"]),
            (format!("{head}retry_after = \"soon\""), "5", vec!["`soon`", "`50ms`"]),
            (format!("{head}retry_after = 2"), "5", vec!["string"]),
            (format!("{head}times = \"often\""), "5", vec!["`often`", "`always`"]),
            (format!("{head}times = -1"), "5", vec!["a number of calls or `always`"]),
            (format!("{head}seed = 2"), "5", vec!["`seed` needs `chance`"]),
            (format!("{head}on_call = 0"), "2", vec!["on_call"]),
            (format!("{head}chance = 1.5"), "2", vec!["chance"]),
            (head.replace("throttled", "tired"), "4", vec!["`tired`", "`throttled`", "`job_stuck`"]),
            (head.replace("databricks", "snow"), "3", vec!["`snow`", "`redshift`"]),
            (head.replace("throttled", "slow"), "4", vec!["`slow` needs `pause`"]),
            (head.replace("throttled", "kill_backend"), "2", vec!["kill_backend"]),
            ("[[faults]]".to_owned(), "1", vec!["`faults`", "`fault`"]),
            ("\n\nfault = [".to_owned(), "3", vec![]),
        ] {
            let (at, why) = refused(&text);
            assert_eq!(at, line, "{text}: {why}");
            for word in words {
                assert!(why.contains(word), "{text}: {why}");
            }
        }
    }

    #[test]
    fn every_kind_can_be_written_and_read() {
        for kind in FaultKind::ALL {
            for front in Front::ALL {
                let rule = FaultRule::new(front, kind).with_chance(0.1, u32::MAX).always();
                if rule.check().is_ok() {
                    let schedule = FaultSchedule::new([rule]);
                    assert_eq!(FaultSchedule::from_toml(&schedule.to_toml()).expect("our own text"), schedule);
                }
            }
        }
        assert_eq!(FaultSchedule::from_toml("").expect("nothing"), FaultSchedule::default());
    }

    #[test]
    fn times_are_read_in_every_unit() {
        for (text, wait) in [
            ("2m", Duration::from_secs(120)),
            ("2s", Duration::from_secs(2)),
            ("1500ms", Duration::from_millis(1500)),
            ("7us", Duration::from_micros(7)),
            ("0ns", Duration::ZERO),
        ] {
            assert_eq!(duration(text), Some(wait));
        }
        for bad in ["", "s", "2", "-1s", "1.5s", "1h", "99999999999999999999999999999999999999m"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(written(Duration::from_millis(1500)), "\"1500ms\"");
        assert_eq!(written(Duration::ZERO), "\"0s\"");
    }
}
