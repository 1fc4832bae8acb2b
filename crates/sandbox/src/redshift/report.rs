//! Errors and notices, as Redshift words them.

use std::ops::{Deref, DerefMut};

use bytes::{BufMut as _, BytesMut};

use super::wire::{Body, put, put_cstr};

/// An error or a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report(Box<Fields>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) severity: String,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    /// In characters, from 1.
    pub(super) position: Option<usize>,
    pub(super) context: Option<String>,
    pub(super) routine: Option<String>,
    /// Schema, table, column, type, constraint: the engine's own letters.
    pub(super) others: Vec<(u8, String)>,
}

impl Deref for Report {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl DerefMut for Report {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
}

impl Report {
    fn new(severity: &str, code: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Fields {
            severity: severity.to_owned(),
            code: code.to_owned(),
            message: message.into(),
            ..Fields::default()
        }))
    }

    pub(super) fn error(code: &str, message: impl Into<String>) -> Self {
        Self::new("ERROR", code, message)
    }

    pub(super) fn fatal(code: &str, message: impl Into<String>) -> Self {
        Self::new("FATAL", code, message)
    }

    pub(super) fn info(message: impl Into<String>) -> Self {
        Self::new("INFO", "00000", message)
    }

    /// The same, and the end of the connection.
    pub(super) fn and_fatal(mut self) -> Self {
        self.severity = "FATAL".to_owned();
        self
    }

    /// An error of the execution engine: nearly all of them share one SQLSTATE.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::error("XX000", message)
    }

    /// Something the service does not do either.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::error("0A000", message)
    }

    /// Something only the sandbox does not do: the message says so.
    pub(super) fn not_in_sandbox(wish: &str) -> Self {
        Self::error("0A000", format!("{wish} is not supported by the sandbox"))
    }

    pub(super) fn syntax(near: &str) -> Self {
        Self::error("42601", format!("syntax error at or near \"{near}\""))
    }

    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn with_position(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    pub(super) fn with_routine(mut self, routine: &str) -> Self {
        self.routine = Some(routine.to_owned());
        self
    }

    /// The conflict of two transactions that cannot be put one after the other.
    pub(super) fn serialization_conflict(detail: impl Into<String>) -> Self {
        Self::internal("1023").with_detail(detail).with_routine("pg_throw")
    }

    fn concurrent() -> Self {
        Self::internal("could not complete because of conflict with concurrent transaction")
    }

    /// A notice as the service's clients get it, if it is for them: neither the engine's log nor what it says of its own
    /// catalog is.
    pub(super) fn shown(mut self) -> Option<Self> {
        if self.severity == "LOG" || self.severity == "DEBUG" || self.message.contains(" --- only superuser") {
            return None;
        }
        // As engines from 16 on word what the others say.
        let skipped =
            self.message.strip_prefix("permission denied to ").and_then(|said| said.strip_suffix(", skipping it"));
        if let Some((verb, table)) = skipped.and_then(|said| said.split_once(' ')) {
            if table.starts_with("\"pg_") {
                return None;
            }
            self.message = format!("skipping {table} --- only table or database owner can {verb} it");
        }
        Some(self)
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        let tag = if matches!(self.severity.as_str(), "ERROR" | "FATAL" | "PANIC") { b'E' } else { b'N' };
        put(out, tag, |out| {
            let mut field = |letter: u8, text: Option<&str>| {
                if let Some(text) = text {
                    out.put_u8(letter);
                    put_cstr(out, text);
                }
            };
            field(b'S', Some(&self.severity));
            field(b'C', Some(&self.code));
            field(b'M', Some(&self.message));
            field(b'D', self.detail.as_deref());
            field(b'H', self.hint.as_deref());
            field(b'P', self.position.map(|position| position.to_string()).as_deref());
            field(b'W', self.context.as_deref());
            for (letter, text) in &self.others {
                field(*letter, Some(text));
            }
            field(b'R', self.routine.as_deref());
            out.put_u8(0);
        });
    }

    pub(super) fn parse(body: &[u8]) -> Self {
        let mut body = Body(body);
        let mut report = Self::error("XX000", "");
        loop {
            let letter = body.u8();
            if letter == 0 {
                return report;
            }
            let text = body.text();
            match letter {
                b'S' => report.severity = text,
                b'C' => report.code = text,
                b'M' => report.message = text,
                b'D' => report.detail = Some(text),
                b'H' => report.hint = Some(text),
                b'P' => report.position = text.parse().ok(),
                b'W' => report.context = Some(text),
                b'R' => report.routine = Some(text),
                // 8.0 knows no non-localised severity, no internal query; its source file is not ours to show.
                b'V' | b'p' | b'q' | b'F' | b'L' => {}
                other => report.others.push((other, text)),
            }
        }
    }

    fn other(&self, letter: u8) -> Option<&str> {
        self.others.iter().find(|(l, _)| *l == letter).map(|(_, text)| text.as_str())
    }

    /// The engine's error in Redshift's words.
    pub(super) fn translated(mut self, query_id: i64) -> Self {
        match self.code.as_str() {
            // Serialization failure. A deadlock (40P01) is the same on both.
            "40001" => {
                let table = self.other(b't').unwrap_or("unknown").to_owned();
                let detail = format!("Serializable isolation violation on table - {table}, {}", self.message);
                Self::serialization_conflict(detail)
            }
            "57014" if self.message.starts_with("canceling statement") => {
                self.message = format!("Query ({query_id}) cancelled on user's request");
                self
            }
            // MERGE with two source rows for one target row.
            "21000" if self.message.starts_with("MERGE command cannot affect row a second time") => {
                Self::internal("Found multiple matches to update the same tuple.")
            }
            "23514" => match self.other(b'n').and_then(super::ddl::length_of_constraint) {
                Some(length) => {
                    let mut too_long =
                        Self::error("22001", format!("value too long for type character varying({length})"));
                    too_long.context = self.0.context;
                    too_long
                }
                None => self,
            },
            // Two that make the same object: the engine's catalog has a key, the service has this.
            "23505" if self.other(b's') == Some("pg_catalog") => Self::concurrent(),
            "XX000" if self.message == "tuple concurrently updated" => Self::concurrent(),
            // Logging in: 8.0 has one code for it.
            "28P01" => {
                self.code = "28000".to_owned();
                self
            }
            _ => {
                self.others.clear();
                self
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_wire() {
        let report = Report::error("42601", "syntax error").with_detail("d").with_hint("h").with_position(7);
        let mut out = BytesMut::new();
        report.put(&mut out);
        assert_eq!(out[0], b'E');
        assert_eq!(Report::parse(&out[5..]), report);
        out.clear();
        Report::info("done").put(&mut out);
        assert_eq!(out[0], b'N');
    }

    #[test]
    fn a_table_that_is_skipped_is_told_in_the_same_words_by_every_engine() {
        let notice =
            |message: &str| Report::new("WARNING", "01000", message).shown().map(|notice| notice.message.clone());
        let told = Some("skipping \"t\" --- only table or database owner can vacuum it".to_owned());
        assert_eq!(notice("skipping \"t\" --- only table or database owner can vacuum it"), told);
        assert_eq!(notice("permission denied to vacuum \"t\", skipping it"), told);
        assert_eq!(notice("skipping \"pg_authid\" --- only superuser can vacuum it"), None);
        assert_eq!(notice("permission denied to vacuum \"pg_authid\", skipping it"), None);
    }

    #[test]
    fn serialization_failures_arrive_as_1023_and_never_as_40001() {
        let mut engine = Report::error("40001", "could not serialize access");
        engine.others.push((b't', "orders".to_owned()));
        let ours = engine.translated(1);
        assert_eq!((ours.code.as_str(), ours.message.as_str()), ("XX000", "1023"));
        assert!(
            ours.detail.as_ref().is_some_and(|d| d.starts_with("Serializable isolation violation on table - orders"))
        );
    }

    #[test]
    fn a_cancelled_query_is_named_by_its_number() {
        let ours = Report::error("57014", "canceling statement due to user request").translated(42);
        assert_eq!((ours.code.as_str(), ours.message.as_str()), ("57014", "Query (42) cancelled on user's request"));
    }
}
