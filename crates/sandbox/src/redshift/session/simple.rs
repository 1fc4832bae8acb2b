//! The simple protocol, and what the front itself asks of the engine.

use std::{io, sync::Arc};

use bytes::BytesMut;

use super::{
    super::{
        relay::{Expected, Request, Text},
        report::Report,
        result::{Shape, put_row},
        statement::{Action, Analysis, Statement, Verb},
        wire::{Body, put, put_cstr, query},
    },
    Session,
};
use crate::faults::Call;

impl Session {
    /// A simple query.
    pub(super) async fn simple(&mut self, text: String) -> io::Result<()> {
        self.shared.note(&text);
        let analysis = self.analyse(&text);
        if analysis.reads_record {
            self.settle().await?;
        }
        let verb = analysis.statements.first().map_or(Verb::Utility, |first| first.verb);
        if let Some(kind) = self.shared.faults.next(&Call::statement(&text)) {
            return self.fault(kind, &text, verb).await;
        }
        self.run(text, analysis).await
    }

    pub(super) async fn run(&mut self, text: String, analysis: Analysis) -> io::Result<()> {
        let verb = analysis.statements.first().map_or(Verb::Utility, |first| first.verb);
        if !analysis.is_plain() || verb == Verb::Declare || analysis.statements.iter().any(|s| s.alone) {
            self.settle().await?;
            if self.link.lock().skips() {
                return Ok(());
            }
        }
        if let Some(report) = analysis.refusal() {
            let report = report.clone();
            let query_id = self.begin(verb, &text);
            self.refuse(report, &text, Some(query_id));
            return Ok(());
        }
        if let Some(report) = analysis.not_alone(self.status() == b'T') {
            self.refuse(report, &text, None);
            return Ok(());
        }
        if verb == Verb::Declare && self.link.lock().cursor_open {
            self.refuse(one_cursor(), &text, None);
            return Ok(());
        }
        if analysis.is_plain() {
            for statement in &analysis.statements {
                self.apply(statement.change.as_ref());
            }
            let query_id = (!analysis.statements.is_empty()).then(|| self.begin(verb, &text));
            if analysis.reads_record {
                self.shared.write_record(&self.asker.database).await;
            }
            let text = Arc::new(Text { source: text, sql: analysis.sql, shifts: analysis.shifts });
            self.pending.extend_from_slice(&query(&text.sql));
            self.expect(Expected { query_id, ..Expected::new(Request::Query { text }) });
            return Ok(());
        }
        let done = self.script(&analysis.statements).await;
        self.link.lock().diverted = false;
        done?;
        self.tell_ready().await
    }

    /// Statements one by one, some of which the front has a hand in. Several are one transaction.
    pub(super) async fn script(&mut self, statements: &[Statement]) -> io::Result<()> {
        self.link.lock().diverted = true;
        let own = statements.first().is_some_and(|first| first.verb == Verb::Begin);
        let implicit = statements.len() > 1 && !own && self.status() == b'I';
        if implicit && !self.quietly("BEGIN").await? {
            return Ok(());
        }
        for statement in statements {
            let query_id = self.begin(statement.verb, &statement.source);
            if statement.reads_record {
                self.shared.write_record(&self.asker.database).await;
            }
            self.apply(statement.change.as_ref());
            let outcome = match &statement.action {
                Action::Copy(copy) => self.copy(copy, query_id).await?,
                Action::Unload(unload) => self.unload(unload, query_id).await?,
                Action::Forward | Action::Refuse(_) => self.exchange(&statement.sql, true).await?,
            };
            let error = outcome.as_ref().err().map(|report| (report.code.as_str(), report.message.as_str()));
            let rows = outcome.as_ref().copied().unwrap_or_default();
            self.shared.record.end(query_id, error, rows);
            self.ids.query = query_id;
            self.link.lock().last_query = query_id;
            if outcome.is_err() {
                if implicit {
                    self.quietly("ROLLBACK").await?;
                }
                return Ok(());
            }
            let commits = statement.verb == Verb::Truncate && self.status() == b'T';
            if commits && !(self.quietly("COMMIT").await? && (!implicit || self.quietly("BEGIN").await?)) {
                return Ok(());
            }
        }
        if implicit && self.status() == b'T' {
            self.quietly("COMMIT").await?;
        }
        Ok(())
    }

    /// Runs a statement of ours, of which the client hears only if it fails; then the answer is false.
    pub(super) async fn quietly(&mut self, sql: &str) -> io::Result<bool> {
        match self.exchange(sql, false).await? {
            Ok(_) => Ok(true),
            Err(report) => {
                self.tell(&[report]).await?;
                Ok(false)
            }
        }
    }

    /// Sends a query of ours and reads all answers; shows them to the client, but for ReadyForQuery, if `shown`.
    /// Answers the rows that were sent or touched.
    pub(in super::super) async fn exchange(&mut self, sql: &str, shown: bool) -> io::Result<Result<i64, Report>> {
        self.send(&query(sql)).await?;
        let (mut rows, mut outcome) = (0, Ok(0));
        let mut changes = None;
        loop {
            let message = self.receive().await?;
            let mut out = BytesMut::new();
            match message.tag() {
                b'Z' => return Ok(outcome),
                b'T' => {
                    changes = Shape::parse(message.body()).changes(&[]);
                    out.extend_from_slice(message.bytes());
                }
                b'D' => {
                    rows += 1;
                    match &changes {
                        Some(changes) => put_row(&mut out, message.body(), changes),
                        None => out.extend_from_slice(message.bytes()),
                    }
                }
                b'C' => {
                    let tag = Body(message.body()).text();
                    let affected = tag.rsplit(' ').next().and_then(|last| last.parse().ok());
                    outcome = outcome.map(|_| affected.unwrap_or(rows));
                    self.link.lock().note_cursor(&tag);
                    let tag = if tag.starts_with("SELECT") { "SELECT" } else { &tag };
                    put(&mut out, b'C', |out| put_cstr(out, tag));
                }
                b'E' => {
                    let report = Report::parse(message.body());
                    let mut report = match self.link.lock().refusal_for(&report.message) {
                        Some(refusal) => refusal,
                        None => report.translated(self.ids.query),
                    };
                    // It would point into a part of the client's text, or into ours.
                    report.position = None;
                    report.put(&mut out);
                    outcome = Err(report);
                }
                b'N' => {
                    if let Some(notice) = Report::parse(message.body()).shown() {
                        notice.put(&mut out);
                    }
                }
                _ => {}
            }
            if shown && !out.is_empty() {
                self.write(&out).await?;
            }
        }
    }

    /// Makes the engine's session fail as a statement would, and tells the client why.
    pub(in super::super) async fn fail(&mut self, report: Report) -> io::Result<Result<i64, Report>> {
        let text = self.link.lock().refuse(report);
        self.exchange(&text, true).await
    }

    pub(super) fn refuse(&mut self, report: Report, source: &str, query_id: Option<i64>) {
        let mut state = self.link.lock();
        // In a failed transaction everything but a syntax error says just that.
        let sql =
            if state.status == b'E' && report.code != "42601" { "SELECT 1".to_owned() } else { state.refuse(report) };
        let text = Arc::new(Text { source: source.to_owned(), sql, ..Text::default() });
        self.pending.extend_from_slice(&query(&text.sql));
        state.queue.push_back(Expected { query_id, ..Expected::new(Request::Query { text }) });
    }
}

fn one_cursor() -> Report {
    Report::error("42P03", "cannot declare a second cursor: only one open cursor is allowed in a session")
}
