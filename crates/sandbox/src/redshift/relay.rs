//! The way from the engine to the client: which answer belongs to which request, and what of it is changed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::BytesMut;
use tokio::sync::Notify;

use super::{
    edits::Shifts,
    record::Record,
    report::Report,
    result::{Change, Shape, put_row},
    statement::Verb,
    wire::{Body, complete, put, put_cstr},
};
use crate::faults::FaultKind;

/// A text that the engine got in place of the client's.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) source: String,
    pub(super) sql: String,
    pub(super) shifts: Shifts,
}

/// A prepared statement.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) text: Text,
    pub(super) verb: Verb,
    pub(super) reads_record: bool,
    /// A RowDescription was asked for, or has come.
    pub(super) described: AtomicBool,
    pub(super) shape: OnceLock<Shape>,
    /// A scheduled fault that strikes when it is executed.
    pub(super) struck: Mutex<Option<FaultKind>>,
}

/// A statement with its parameters and result formats.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    pub(super) formats: Arc<[i16]>,
}

/// What a request is answered by.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// Until ReadyForQuery.
    Query {
        text: Arc<Text>,
    },
    Parse {
        prepared: Arc<Prepared>,
    },
    Bind,
    DescribeStatement {
        prepared: Arc<Prepared>,
    },
    DescribePortal {
        prepared: Option<Arc<Prepared>>,
    },
    Execute {
        portal: Option<Portal>,
    },
    CloseStatement {
        name: Vec<u8>,
        prepared: Option<Arc<Prepared>>,
    },
    ClosePortal {
        name: Vec<u8>,
        portal: Option<Portal>,
    },
    Sync,
}

/// A request that is not answered yet.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) request: Request,
    /// The request is ours; the client must not see the answer.
    pub(super) hidden: bool,
    /// Its number in the record.
    pub(super) query_id: Option<i64>,
}

impl Expected {
    pub(super) fn new(request: Request) -> Self {
        Self { request, hidden: false, query_id: None }
    }

    pub(super) fn hidden(request: Request) -> Self {
        Self { hidden: true, ..Self::new(request) }
    }

    pub(super) fn recorded(mut self, query_id: i64) -> Self {
        self.query_id = Some(query_id);
        self
    }
}

/// What both directions of a session share.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
    /// The queue became empty.
    pub(super) idle: Notify,
}

impl Link {
    pub(super) fn new(record: Arc<Record>) -> Self {
        Self { state: Mutex::new(State::new(record)), idle: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when every request so far has been answered.
    pub(super) async fn wait_idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.lock().is_idle() {
                return;
            }
            idle.await;
        }
    }
}

/// The session as the answers show it.
#[derive(Debug)]
pub(super) struct State {
    record: Arc<Record>,
    pub(super) queue: VecDeque<Expected>,
    /// `I`, `T` or `E`, as ReadyForQuery said last.
    pub(super) status: u8,
    /// Answers go to an exchange of our own, not to the client.
    pub(super) diverted: bool,
    /// Answers that the client has not got yet.
    pub(super) unwritten: bool,
    refusals: HashMap<u64, Report>,
    last_refusal: u64,
    pub(super) statements: HashMap<Vec<u8>, Arc<Prepared>>,
    pub(super) portals: HashMap<Vec<u8>, Portal>,
    /// How the rows of the result that is coming have to change.
    changes: Option<Vec<Change>>,
    rows: i64,
    /// Of the rows' values, that were sent.
    bytes: i64,
    pub(super) cursor_open: bool,
    /// A portal has more rows: only certain messages may follow.
    pub(super) suspended: bool,
    /// A batch has failed, and the answer to its Sync has not come.
    skipping: bool,
    pub(super) last_query: i64,
    /// An error was seen since the last ReadyForQuery.
    failed: Option<(String, String)>,
}

impl State {
    fn new(record: Arc<Record>) -> Self {
        Self {
            record,
            queue: VecDeque::new(),
            status: b'I',
            diverted: false,
            unwritten: false,
            refusals: HashMap::new(),
            last_refusal: 0,
            statements: HashMap::new(),
            portals: HashMap::new(),
            changes: None,
            rows: 0,
            bytes: 0,
            cursor_open: false,
            suspended: false,
            skipping: false,
            last_query: -1,
            failed: None,
        }
    }

    /// Nothing is due to the client.
    pub(super) fn is_idle(&self) -> bool {
        (self.queue.is_empty() || self.skips()) && !self.unwritten
    }

    /// The engine reads over what comes next: the batch has failed, and its Sync is still to come.
    pub(super) fn skips(&self) -> bool {
        self.skipping && !self.queue.iter().any(|expected| matches!(expected.request, Request::Sync))
    }

    /// A text that the engine cannot parse. Its error will be replaced by `report`, so that a refusal has every
    /// effect an error has: on the transaction, on the rest of the batch, on the order of answers.
    pub(super) fn refuse(&mut self, report: Report) -> String {
        self.last_refusal += 1;
        self.refusals.insert(self.last_refusal, report);
        format!("\"twinhouse refusal {}\"", self.last_refusal)
    }

    /// The report that stands for this error of the engine, if it is one of ours.
    pub(super) fn refusal_for(&mut self, message: &str) -> Option<Report> {
        let number = message.split("twinhouse refusal ").nth(1)?;
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        self.refusals.remove(&digits.parse().ok()?)
    }

    /// Takes all whole messages from `input`; what the client shall see goes to `out`, what an exchange of ours
    /// shall see stays in `input`.
    pub(super) fn relay(&mut self, input: &mut BytesMut, out: &mut BytesMut, limit: usize) -> std::io::Result<()> {
        while !self.diverted && out.len() < limit {
            let Some(length) = complete(input)? else { return Ok(()) };
            let message = input.split_to(length);
            self.one(&message, out);
        }
        Ok(())
    }

    fn one(&mut self, message: &[u8], out: &mut BytesMut) {
        let (tag, body) = (message[0], &message[5..]);
        let hidden = self.queue.front().is_some_and(|expected| expected.hidden);
        let mut changed = BytesMut::new();
        let mut show = true;
        match tag {
            b'D' => {
                self.rows += 1;
                self.bytes += i64::try_from(body.len()).unwrap_or(0);
                if let Some(changes) = &self.changes
                    && !hidden
                {
                    put_row(out, body, changes);
                    return;
                }
            }
            b'T' => self.describe(body),
            b'n' => self.pop_describe(),
            b'1' | b'2' | b'3' => {
                match self.queue.pop_front().map(|expected| expected.request) {
                    Some(Request::CloseStatement { name, prepared: Some(closed) }) => {
                        self.forget_statement(&name, &closed)
                    }
                    Some(Request::ClosePortal { name, portal: Some(closed) }) => self.forget_portal(&name, &closed),
                    _ => {}
                }
                self.before_execute();
            }
            b'C' => {
                let rows = std::mem::take(&mut self.rows);
                show = self.complete(body, rows, &mut changed);
            }
            b'I' | b's' => {
                self.suspended = tag == b's';
                self.finish_execute(None);
            }
            b'E' => {
                let report = self.error(body);
                report.put(&mut changed);
            }
            b'N' => match Report::parse(body).shown() {
                Some(notice) => notice.put(&mut changed),
                None => show = false,
            },
            b'S' => show = parameter_is_shown(body),
            b'Z' => self.ready(body.first().copied().unwrap_or(b'I')),
            _ => {}
        }
        if (hidden && !matches!(tag, b'E' | b'S' | b'Z')) || !show {
            return;
        }
        out.extend_from_slice(if changed.is_empty() { message } else { &changed });
    }

    /// The name may mean another one by now.
    fn forget_statement(&mut self, name: &[u8], closed: &Arc<Prepared>) {
        if self.statements.get(name).is_some_and(|known| Arc::ptr_eq(known, closed)) {
            self.statements.remove(name);
        }
    }

    fn forget_portal(&mut self, name: &[u8], closed: &Portal) {
        if self.portals.get(name).is_some_and(|known| Arc::ptr_eq(&known.formats, &closed.formats)) {
            self.portals.remove(name);
        }
    }

    fn describe(&mut self, body: &[u8]) {
        let shape = Shape::parse(body);
        match self.queue.front().map(|expected| expected.request.clone()) {
            Some(Request::Query { .. }) => self.changes = shape.changes(&[]),
            Some(Request::DescribeStatement { prepared } | Request::DescribePortal { prepared: Some(prepared) }) => {
                let _ = prepared.shape.set(shape);
                self.queue.pop_front();
            }
            Some(Request::DescribePortal { prepared: None }) => {
                self.queue.pop_front();
            }
            _ => {}
        }
        self.before_execute();
    }

    fn pop_describe(&mut self) {
        self.queue.pop_front();
        self.before_execute();
    }

    /// The formats of the rows to come, if it is their turn.
    fn before_execute(&mut self) {
        if let Some(Request::Execute { portal: Some(portal) }) = self.queue.front().map(|expected| &expected.request) {
            self.changes = portal.prepared.shape.get().and_then(|shape| shape.changes(&portal.formats));
        }
    }

    /// CommandComplete: the tag as 8.0 wrote it.
    fn complete(&mut self, body: &[u8], rows: i64, changed: &mut BytesMut) -> bool {
        let tag = Body(body).text();
        self.note_cursor(&tag);
        if let Some(word) = ["SELECT", "FETCH", "COPY", "MERGE"].into_iter().find(|word| tag.starts_with(word)) {
            // Counts in these tags came with later versions than 8.0.
            put(changed, b'C', |out| put_cstr(out, word));
        }
        let affected = tag.rsplit(' ').next().and_then(|last| last.parse().ok()).unwrap_or(rows);
        self.suspended = false;
        self.finish_execute(Some(affected));
        true
    }

    /// A completed statement may have opened or closed the cursor.
    pub(super) fn note_cursor(&mut self, tag: &str) {
        match tag {
            "DECLARE CURSOR" => self.cursor_open = true,
            "CLOSE CURSOR" | "CLOSE CURSOR ALL" => self.cursor_open = false,
            _ => {}
        }
    }

    /// In a batch each Execute ends by itself; a simple query ends with ReadyForQuery.
    fn finish_execute(&mut self, rows: Option<i64>) {
        self.changes = None;
        if matches!(self.queue.front().map(|expected| &expected.request), Some(Request::Execute { .. }))
            && let Some(done) = self.queue.pop_front()
        {
            self.record_end(done.query_id, None, rows.unwrap_or_default());
        } else if let Some(rows) = rows {
            self.rows = rows;
        }
        self.before_execute();
    }

    fn record_end(&mut self, query_id: Option<i64>, error: Option<(&str, &str)>, rows: i64) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Some(query_id) = query_id {
            self.record.sent(query_id, bytes);
            if error.is_none() {
                self.last_query = query_id;
            }
            self.record.end(query_id, error, rows);
        }
    }

    /// The engine's error in Redshift's words; what the engine will skip is taken off the queue.
    fn error(&mut self, body: &[u8]) -> Report {
        let engine = Report::parse(body);
        let query_id = self.queue.front().and_then(|expected| expected.query_id);
        let mut report = match self.refusal_for(&engine.message) {
            Some(report) => report,
            None => {
                let mut report = engine.translated(query_id.unwrap_or(self.last_query));
                if let (Some(position), Some(text)) = (report.position, self.text()) {
                    report.position = Some(text.shifts.original(position, &text.sql, &text.source));
                }
                report
            }
        };
        if report.severity == "FATAL" || report.severity == "PANIC" {
            return report;
        }
        report.severity = "ERROR".to_owned();
        self.changes = None;
        self.suspended = false;
        self.failed = Some((report.code.clone(), report.message.clone()));
        let request = self.queue.front().map(|expected| &expected.request);
        self.skipping = !matches!(request, Some(Request::Query { .. } | Request::Sync));
        if self.skipping {
            self.skip();
        }
        report
    }

    /// Takes off the queue what the engine reads over.
    fn skip(&mut self) {
        let failed = self.failed.clone().unwrap_or_default();
        while self.queue.front().is_some_and(|expected| !matches!(expected.request, Request::Sync)) {
            let Some(expected) = self.queue.pop_front() else { return };
            if let Request::DescribeStatement { prepared } | Request::DescribePortal { prepared: Some(prepared) } =
                &expected.request
            {
                // It was asked for, and does not come.
                prepared.described.store(prepared.shape.get().is_some(), Ordering::Relaxed);
            }
            self.record_end(expected.query_id, Some((&failed.0, &failed.1)), 0);
        }
    }

    /// The text that the answer at hand is about.
    fn text(&self) -> Option<&Text> {
        match &self.queue.front()?.request {
            Request::Query { text } => Some(text),
            Request::Parse { prepared } | Request::DescribeStatement { prepared } => Some(&prepared.text),
            Request::Execute { portal } => portal.as_ref().map(|portal| &portal.prepared.text),
            _ => None,
        }
    }

    fn ready(&mut self, status: u8) {
        self.status = status;
        if status == b'I' {
            self.cursor_open = false;
        }
        self.changes = None;
        if std::mem::take(&mut self.skipping) {
            self.skip();
        }
        let failed = self.failed.take();
        let rows = std::mem::take(&mut self.rows);
        if let Some(done) = self.queue.pop_front() {
            let error = failed.as_ref().map(|(code, message)| (code.as_str(), message.as_str()));
            self.record_end(done.query_id, error, rows);
        }
        self.before_execute();
    }
}

/// Redshift's server says less about itself, and `server_version` once and for all.
pub(super) fn parameter_is_shown(body: &[u8]) -> bool {
    const SHOWN: &[&str] =
        &["client_encoding", "DateStyle", "TimeZone", "integer_datetimes", "is_superuser", "session_authorization"];
    SHOWN.contains(&Body(body).text().as_str())
}
