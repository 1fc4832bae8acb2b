//! What was decided and why.

use std::fmt;

/// Every setting that was looked up: its value, with secrets as `***`, and where it came from. `Display` prints a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation(Vec<Line>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: &'static str,
    value: String,
    origin: String,
}

impl Explanation {
    pub(super) fn note(&mut self, name: &'static str, value: String, origin: String) {
        // A setting that is looked up again has one line: the last word on it.
        self.0.retain(|line| line.name != name);
        self.0.push(Line { name, value, origin });
    }

    /// Name, printable value and origin of every setting, in the order of look-up.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.0.iter().map(|line| (line.name, line.value.as_str(), line.origin.as_str()))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Line) -> &str| self.0.iter().map(|line| text(line).chars().count()).max().unwrap_or(0);
        let (name, value) = (width(|line| line.name), width(|line| &line.value));
        for line in &self.0 {
            writeln!(f, "{:name$}  {:value$}  {}", line.name, line.value, line.origin)?;
        }
        Ok(())
    }
}
