//! One client and the engine's session behind it.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::{Mutex, mpsc},
};

use super::{
    front::Shared,
    record::Asker,
    relay::{Expected, Link, Portal, Prepared, Request, Text},
    report::Report,
    rewrite::LastIds,
    settings::Change,
    statement::{self, Action, Analysis, Statement, Verb},
    wire::{Body, Message, Messages, complete, put, put_cstr, query, ready},
};
use crate::faults::{Call, FaultKind, Switch, When};

/// Answers that pile up to this are sent on.
const BATCH: usize = 64 * 1024;
/// Our own COMMIT, prepared once, for where the client's TRUNCATE commits in the extended protocol.
const COMMIT: &str = "twinhouse commit";

/// A connection of either kind.
pub(super) trait Wire: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin> Wire for T {}

pub(super) type ClientIo = Box<dyn Wire>;
pub(super) type Requests = Messages<ReadHalf<ClientIo>>;
pub(super) type Answers = Arc<Mutex<WriteHalf<ClientIo>>>;

/// The client's side of a session: reads requests, decides what becomes of each.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) asker: Asker,
    pub(super) link: Arc<Link>,
    pub(super) client: Requests,
    pub(super) answers: Answers,
    pub(super) engine: OwnedWriteHalf,
    /// What is not yet written to the engine.
    pub(super) pending: BytesMut,
    /// Answers to our own requests.
    pub(super) diverted: mpsc::Receiver<Message>,
    pub(super) switch: Switch,
    /// Held while a cancel is on its way: it must not hit the next query.
    pub(super) cancelling: Arc<Mutex<()>>,
    pub(super) case_sensitive: bool,
    pub(super) query_group: String,
    pub(super) ids: LastIds,
    pub(super) commit_prepared: bool,
}

/// Copies the engine's answers to the client, or to the exchange that asked for them.
pub(super) async fn answer(
    link: &Link,
    mut engine: Messages<OwnedReadHalf>,
    answers: &Mutex<WriteHalf<ClientIo>>,
    diverted: mpsc::Sender<Message>,
) -> io::Result<()> {
    let mut out = BytesMut::with_capacity(BATCH);
    while engine.fill_message().await? {
        loop {
            let taken = {
                let mut state = link.lock();
                state.relay(&mut engine.buffer, &mut out, BATCH)?;
                state.unwritten = !out.is_empty();
                state.diverted
            };
            if !out.is_empty() {
                let mut client = answers.lock().await;
                client.write_all(&out).await?;
                client.flush().await?;
                out.clear();
                link.lock().unwritten = false;
            }
            // Only now: whoever waits for this may write to the client next.
            if link.lock().is_idle() {
                link.idle.notify_waiters();
            }
            let Some(length) = complete(&engine.buffer)? else { break };
            if taken {
                let message = engine.buffer.split_to(length);
                if diverted.send(message.into()).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

impl Session {
    /// Serves requests until the client leaves.
    pub(super) async fn serve(&mut self) -> io::Result<()> {
        while let Some(message) = self.client.next().await? {
            let body = message.body();
            match message.tag() {
                b'Q' => match str::from_utf8(Body(body).cstr()) {
                    Ok(text) => self.simple(text.to_owned()).await?,
                    Err(_) => self.refuse(not_utf8(), "", None),
                },
                b'P' => self.parse(body).await?,
                b'B' => self.bind(&message),
                b'D' => self.describe(&message),
                b'E' => self.execute(&message).await?,
                b'C' => {
                    self.expect(Expected::new(Request::Close));
                    self.pending.extend_from_slice(message.bytes());
                }
                b'S' => {
                    self.expect(Expected::new(Request::Sync));
                    self.pending.extend_from_slice(message.bytes());
                }
                b'H' => self.pending.extend_from_slice(message.bytes()),
                b'X' => return Ok(()),
                // Left over from a COPY that was refused.
                b'd' | b'c' | b'f' => {}
                b'F' => self.refuse(Report::unsupported("function calls are not supported"), "", None),
                _ => {
                    let report = Report::fatal("08P01", "invalid frontend message type");
                    self.tell(&[report]).await?;
                    return Ok(());
                }
            }
            if complete(&self.client.buffer)?.is_none() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    fn expect(&self, expected: Expected) {
        self.link.lock().queue.push_back(expected);
    }

    /// Of the transaction, as the engine said last: `I`, `T` or `E`.
    pub(super) fn status(&self) -> u8 {
        self.link.lock().status
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            let _none_on_its_way = self.cancelling.lock().await;
            self.engine.write_all(&self.pending).await?;
            self.pending.clear();
        }
        Ok(())
    }

    /// Returns when every request so far has been answered: only then is the status what the client knows.
    async fn settle(&mut self) -> io::Result<()> {
        if !self.link.lock().queue.is_empty() {
            // Answers to a batch without an end stay with the engine until they are asked for.
            put(&mut self.pending, b'H', |_| {});
        }
        self.flush().await?;
        self.link.wait_idle().await;
        Ok(())
    }

    /// Writes reports to the client; only while no answer of the engine is due.
    pub(super) async fn tell(&self, reports: &[Report]) -> io::Result<()> {
        let mut out = BytesMut::new();
        reports.iter().for_each(|report| report.put(&mut out));
        self.write(&out).await
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut client = self.answers.lock().await;
        client.write_all(bytes).await?;
        client.flush().await
    }

    /// Tells the client that it may go on.
    pub(super) async fn tell_ready(&self) -> io::Result<()> {
        let mut out = BytesMut::new();
        ready(&mut out, self.status());
        self.write(&out).await
    }

    fn analyse(&mut self, text: &str) -> Analysis {
        self.ids.query = self.link.lock().last_query;
        let session = statement::Session {
            case_sensitive: self.case_sensitive,
            isolation: self.shared.isolation(),
            ids: self.ids,
        };
        statement::analyse(text, &session)
    }

    fn begin(&self, verb: Verb, text: &str) -> i64 {
        self.shared.record.begin(&self.asker, &self.query_group, verb.as_str(), text)
    }

    /// A simple query.
    async fn simple(&mut self, text: String) -> io::Result<()> {
        let analysis = self.analyse(&text);
        if analysis.reads_record {
            self.settle().await?;
            self.shared.write_record(&self.asker.database).await;
        }
        let verb = analysis.statements.first().map_or(Verb::Utility, |first| first.verb);
        if let Some(kind) = self.shared.faults.next(&Call::statement(&text)) {
            return self.fault(kind, &text, verb).await;
        }
        self.run(text, analysis).await
    }

    async fn run(&mut self, text: String, analysis: Analysis) -> io::Result<()> {
        let verb = analysis.statements.first().map_or(Verb::Utility, |first| first.verb);
        if !analysis.is_plain() || verb == Verb::Declare || analysis.statements.iter().any(|s| s.alone) {
            self.settle().await?;
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
    async fn script(&mut self, statements: &[Statement]) -> io::Result<()> {
        self.link.lock().diverted = true;
        let implicit = statements.len() > 1 && self.status() == b'I';
        if implicit {
            self.exchange("BEGIN", false).await?;
        }
        for statement in statements {
            let query_id = self.begin(statement.verb, &statement.source);
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
                    self.exchange("ROLLBACK", false).await?;
                }
                return Ok(());
            }
            if statement.verb == Verb::Truncate && self.status() == b'T' {
                // TRUNCATE commits what came before it.
                self.exchange("COMMIT", false).await?;
                if implicit {
                    self.exchange("BEGIN", false).await?;
                }
            }
        }
        if implicit && self.status() == b'T' {
            let committed = self.exchange("COMMIT", false).await?;
            if let Err(report) = committed {
                self.tell(&[report]).await?;
            }
        }
        Ok(())
    }

    /// Sends a query of ours and reads all answers; shows them to the client, but for ReadyForQuery, if `shown`.
    /// Answers the rows that were sent or touched.
    pub(super) async fn exchange(&mut self, sql: &str, shown: bool) -> io::Result<Result<i64, Report>> {
        self.send(&query(sql)).await?;
        let (mut rows, mut outcome) = (0, Ok(0));
        let mut changes = None;
        loop {
            let message = self.receive().await?;
            let mut out = BytesMut::new();
            match message.tag() {
                b'Z' => return Ok(outcome),
                b'T' => {
                    changes = super::result::Shape::parse(message.body()).changes(&[]);
                    out.extend_from_slice(message.bytes());
                }
                b'D' => {
                    rows += 1;
                    match &changes {
                        Some(changes) => super::result::put_row(&mut out, message.body(), changes),
                        None => out.extend_from_slice(message.bytes()),
                    }
                }
                b'C' => {
                    let tag = Body(message.body()).text();
                    let affected = tag.rsplit(' ').next().and_then(|last| last.parse().ok());
                    outcome = outcome.map(|_| affected.unwrap_or(rows));
                    let tag = if tag.starts_with("SELECT") { "SELECT" } else { &tag };
                    put(&mut out, b'C', |out| put_cstr(out, tag));
                }
                b'E' => {
                    let report = Report::parse(message.body());
                    let report = match self.link.lock().refusal_for(&report.message) {
                        Some(refusal) => refusal,
                        None => report.translated(self.ids.query),
                    };
                    report.put(&mut out);
                    outcome = Err(report);
                }
                b'N' => Report::parse(message.body()).put(&mut out),
                _ => {}
            }
            if shown && !out.is_empty() {
                self.write(&out).await?;
            }
        }
    }

    /// Makes the engine's session fail as a statement would, and tells the client why.
    pub(super) async fn fail(&mut self, report: Report) -> io::Result<Result<i64, Report>> {
        let text = self.link.lock().refuse(report);
        self.exchange(&text, true).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush().await?;
        let _none_on_its_way = self.cancelling.lock().await;
        self.engine.write_all(bytes).await
    }

    /// The next answer to a request of ours. Notes the status of the transaction.
    pub(super) async fn receive(&mut self) -> io::Result<Message> {
        let message = self.diverted.recv().await.ok_or(io::ErrorKind::UnexpectedEof)?;
        if message.tag() == b'Z' {
            let status = message.body().first().copied().unwrap_or(b'I');
            let mut state = self.link.lock();
            state.status = status;
            state.cursor_open &= status != b'I';
        }
        Ok(message)
    }

    fn refuse(&mut self, report: Report, source: &str, query_id: Option<i64>) {
        let mut state = self.link.lock();
        // In a failed transaction everything but a syntax error says just that.
        let sql =
            if state.status == b'E' && report.code != "42601" { "SELECT 1".to_owned() } else { state.refuse(report) };
        let text = Arc::new(Text { source: source.to_owned(), sql, ..Text::default() });
        self.pending.extend_from_slice(&query(&text.sql));
        state.queue.push_back(Expected { query_id, ..Expected::new(Request::Query { text }) });
    }

    /// Notes a setting that changes how later statements are read.
    fn apply(&mut self, change: Option<&Change>) {
        match change {
            Some(Change::CaseSensitive(on)) => self.case_sensitive = *on,
            Some(Change::QueryGroup(label)) => self.query_group = label.clone().unwrap_or_default(),
            Some(Change::All) => {
                self.case_sensitive = false;
                self.query_group.clear();
            }
            None => {}
        }
    }

    /// A scheduled fault strikes this statement.
    async fn fault(&mut self, kind: FaultKind, text: &str, verb: Verb) -> io::Result<()> {
        self.settle().await?;
        match kind {
            FaultKind::SerializationConflict => {
                let report = self.conflict();
                // A COMMIT that fails leaves no transaction behind.
                self.strike(report, verb == Verb::Commit).await
            }
            FaultKind::DiskFull => self.strike(disk_full(), false).await,
            FaultKind::KillBackend => {
                self.shared.terminate(self.asker.pid).await;
                // The dying engine says so to the client, and hangs up.
                std::future::pending().await
            }
            FaultKind::Reset { when: When::Before } => self.reset().await,
            FaultKind::Reset { when: When::After } => {
                let analysis = self.analyse(text);
                self.switch.reset();
                self.run(text.to_owned(), analysis).await?;
                self.flush().await?;
                self.link.wait_idle().await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            FaultKind::DropIdle => {
                let analysis = self.analyse(text);
                self.switch.drop_idle();
                self.run(text.to_owned(), analysis).await
            }
            // The schedule refuses the others for this front.
            _ => Ok(()),
        }
    }

    /// The statement fails without having been run.
    async fn strike(&mut self, report: Report, rolled_back: bool) -> io::Result<()> {
        self.link.lock().diverted = true;
        if rolled_back {
            self.exchange("ROLLBACK", false).await?.ok();
        }
        let failed = self.fail(report).await;
        self.link.lock().diverted = false;
        failed?.ok();
        self.tell_ready().await
    }

    /// Ends the connection without a word.
    pub(super) async fn reset(&mut self) -> io::Result<()> {
        self.switch.reset();
        // The stream under it dies on this write.
        self.write(&[0]).await?;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Parse: the engine gets the rewritten text, or one that it cannot parse.
    async fn parse(&mut self, body: &[u8]) -> io::Result<()> {
        let mut parts = Body(body);
        let name = parts.cstr().to_vec();
        let text = str::from_utf8(parts.cstr());
        let refused = text.is_err().then(not_utf8);
        let text = text.unwrap_or_default().to_owned();
        let analysis = self.analyse(&text);
        if analysis.reads_record {
            self.settle().await?;
            self.shared.write_record(&self.asker.database).await;
        }
        let verb = analysis.statements.first().map_or(Verb::Utility, |first| first.verb);
        for statement in &analysis.statements {
            self.apply(statement.change.as_ref());
        }
        let refusal = match self.shared.faults.next(&Call::statement(&text)) {
            Some(kind) => self.fault_in_extended(kind).await?,
            None => refused.or_else(|| self.refusal_in_extended(&analysis)),
        };
        if refusal.is_some() {
            self.settle().await?;
        }
        let mut state = self.link.lock();
        let sql = match refusal {
            Some(report) if state.status == b'E' && report.code != "42601" => "SELECT 1".to_owned(),
            Some(report) => state.refuse(report),
            None => analysis.sql,
        };
        put(&mut self.pending, b'P', |out| {
            out.extend_from_slice(&name);
            out.extend_from_slice(&[0]);
            put_cstr(out, &sql);
            out.extend_from_slice(parts.0);
        });
        let prepared = Arc::new(Prepared {
            text: Text { source: text, sql, shifts: analysis.shifts },
            verb,
            described: AtomicBool::default(),
            shape: OnceLock::default(),
        });
        state.statements.insert(name, Arc::clone(&prepared));
        state.queue.push_back(Expected::new(Request::Parse { prepared }));
        Ok(())
    }

    fn refusal_in_extended(&self, analysis: &Analysis) -> Option<Report> {
        if self.link.lock().suspended {
            return Some(Report::internal("Invalid protocol sequence 'P' while in PortalSuspended state."));
        }
        if let Some(report) = analysis.refusal() {
            return Some(report.clone());
        }
        if let Some(report) = analysis.not_alone(self.status() == b'T') {
            return Some(report);
        }
        match analysis.statements.first()?.verb {
            verb @ (Verb::Copy | Verb::Unload) => {
                let word = verb.as_str();
                Some(
                    Report::internal(format!("{word} is not supported in the extended query protocol"))
                        .with_hint("send it as a simple query"),
                )
            }
            Verb::Declare => {
                Some(Report::error("57014", format!("Query ({}) cancelled on user's request", self.ids.query)))
            }
            _ => None,
        }
    }

    async fn fault_in_extended(&mut self, kind: FaultKind) -> io::Result<Option<Report>> {
        match kind {
            FaultKind::SerializationConflict => return Ok(Some(self.conflict())),
            FaultKind::DiskFull => return Ok(Some(disk_full())),
            FaultKind::DropIdle => self.switch.drop_idle(),
            FaultKind::KillBackend => {
                self.flush().await?;
                self.shared.terminate(self.asker.pid).await;
                std::future::pending().await
            }
            FaultKind::Reset { when: When::Before } => self.reset().await?,
            FaultKind::Reset { when: When::After } => self.switch.reset(),
            // The schedule refuses the others for this front.
            _ => {}
        }
        Ok(None)
    }

    fn conflict(&self) -> Report {
        Report::serialization_conflict(format!(
            "Serializable isolation violation on table - 100001, transactions forming the cycle are: 1, 2 (pid:{})",
            self.asker.pid
        ))
    }

    fn bind(&mut self, message: &Message) {
        let mut body = Body(message.body());
        let (portal, statement) = (body.cstr().to_vec(), body.cstr().to_vec());
        let formats = body.i16();
        (0..formats).for_each(|_| {
            body.i16();
        });
        let values = body.i16();
        (0..values).for_each(|_| {
            body.value();
        });
        let formats: Arc<[i16]> = (0..body.i16()).map(|_| body.i16()).collect();
        let mut state = self.link.lock();
        match state.statements.get(&statement).cloned() {
            Some(prepared) => {
                state.portals.insert(portal, Portal { prepared, formats });
            }
            None => {
                state.portals.remove(&portal);
            }
        }
        state.queue.push_back(Expected::new(Request::Bind));
        drop(state);
        self.pending.extend_from_slice(message.bytes());
    }

    fn describe(&mut self, message: &Message) {
        let body = message.body();
        let name = Body(body.get(1..).unwrap_or_default()).cstr().to_vec();
        let mut state = self.link.lock();
        let request = if body.first() == Some(&b'S') {
            state.statements.get(&name).map(|prepared| Request::DescribeStatement { prepared: Arc::clone(prepared) })
        } else {
            let prepared = state.portals.get(&name).map(|portal| Arc::clone(&portal.prepared));
            Some(Request::DescribePortal { prepared })
        };
        let request = request.unwrap_or(Request::DescribePortal { prepared: None });
        if let Request::DescribeStatement { prepared } | Request::DescribePortal { prepared: Some(prepared) } = &request
        {
            prepared.described.store(true, Ordering::Relaxed);
        }
        state.queue.push_back(Expected::new(request));
        drop(state);
        self.pending.extend_from_slice(message.bytes());
    }

    async fn execute(&mut self, message: &Message) -> io::Result<()> {
        let name = Body(message.body()).cstr().to_vec();
        let portal = self.link.lock().portals.get(&name).cloned();
        let Some(known) = &portal else {
            self.expect(Expected::new(Request::Execute { portal }));
            self.pending.extend_from_slice(message.bytes());
            return Ok(());
        };
        let prepared = Arc::clone(&known.prepared);
        if prepared.verb == Verb::Truncate {
            self.settle().await?;
        }
        if known.formats.contains(&1) && !prepared.described.swap(true, Ordering::Relaxed) {
            // Without the types of its columns the rows could not be put into Redshift's form.
            put(&mut self.pending, b'D', |out| {
                out.extend_from_slice(b"P");
                out.extend_from_slice(&name);
                out.extend_from_slice(&[0]);
            });
            self.expect(Expected::hidden(Request::DescribePortal { prepared: Some(Arc::clone(&prepared)) }));
        }
        let query_id = self.begin(prepared.verb, &prepared.text.source);
        self.expect(Expected::new(Request::Execute { portal }).recorded(query_id));
        self.pending.extend_from_slice(message.bytes());
        if prepared.verb == Verb::Truncate && self.status() == b'T' {
            self.commit_in_extended();
        }
        Ok(())
    }

    /// TRUNCATE commits, in the middle of a batch too.
    fn commit_in_extended(&mut self) {
        let mut requests = Vec::new();
        if !std::mem::replace(&mut self.commit_prepared, true) {
            put(&mut self.pending, b'P', |out| {
                put_cstr(out, COMMIT);
                put_cstr(out, "COMMIT");
                out.extend_from_slice(&[0, 0]);
            });
            let prepared = Arc::new(Prepared {
                text: Text::default(),
                verb: Verb::Commit,
                described: AtomicBool::default(),
                shape: OnceLock::default(),
            });
            requests.push(Request::Parse { prepared });
        }
        put(&mut self.pending, b'B', |out| {
            put_cstr(out, COMMIT);
            put_cstr(out, COMMIT);
            out.extend_from_slice(&[0; 6]);
        });
        put(&mut self.pending, b'E', |out| {
            put_cstr(out, COMMIT);
            out.extend_from_slice(&[0; 4]);
        });
        requests.extend([Request::Bind, Request::Execute { portal: None }]);
        let mut state = self.link.lock();
        state.queue.extend(requests.into_iter().map(Expected::hidden));
    }
}

fn disk_full() -> Report {
    Report::error("53100", "could not extend relation: No space left on device").with_hint("Check free disk space.")
}

fn not_utf8() -> Report {
    Report::error("22021", "invalid byte sequence for encoding \"UTF8\"")
}

fn one_cursor() -> Report {
    Report::error("42P03", "cannot declare a second cursor: only one open cursor is allowed in a session")
}

/// The rest of the client's start-up packet after its length and version.
pub(super) fn start_up_parameters(packet: &[u8]) -> Vec<(String, String)> {
    let mut body = Body(packet);
    body.0.advance(8.min(packet.len()));
    let mut parameters = Vec::new();
    loop {
        let name = body.text();
        if name.is_empty() {
            return parameters;
        }
        parameters.push((name, body.text()));
    }
}
