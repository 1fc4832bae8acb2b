//! The extended protocol: Parse, Bind, Describe, Execute.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    super::{
        relay::{Expected, Portal, Prepared, Request, Text},
        report::Report,
        statement::{Analysis, Verb},
        wire::{Body, Message, put, put_cstr},
    },
    Session, not_utf8,
    strike::strikes_the_work,
};
use crate::faults::Call;

/// Our own COMMIT, prepared once, for where the client's TRUNCATE commits in the extended protocol.
const COMMIT: &str = "twinhouse commit";

impl Session {
    /// Parse: the engine gets the rewritten text, or one that it cannot parse.
    pub(super) async fn parse(&mut self, body: &[u8]) -> io::Result<()> {
        let mut parts = Body(body);
        let name = parts.cstr().to_vec();
        let text = str::from_utf8(parts.cstr());
        let refused = text.is_err().then(not_utf8);
        let text = text.unwrap_or_default().to_owned();
        self.shared.note(&text);
        let analysis = self.analyse(&text);
        let verb = analysis.statements.first().map_or(Verb::Utility, |first| first.verb);
        for statement in &analysis.statements {
            self.apply(statement.change.as_ref());
        }
        let (now, struck) = match self.shared.faults.next(&Call::statement(&text)) {
            Some(kind) if strikes_the_work(kind) => (None, Some(kind)),
            now => (now, None),
        };
        let refusal = match now {
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
            reads_record: analysis.reads_record,
            described: AtomicBool::default(),
            shape: OnceLock::default(),
            struck: Mutex::new(struck),
        });
        state.statements.insert(name, Arc::clone(&prepared));
        state.queue.push_back(Expected::new(Request::Parse { prepared }));
        Ok(())
    }

    pub(super) fn refusal_in_extended(&self, analysis: &Analysis) -> Option<Report> {
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

    pub(super) async fn bind(&mut self, message: &Message) -> io::Result<()> {
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
        let prepared = self.link.lock().statements.get(&statement).cloned();
        if prepared.as_ref().is_some_and(|prepared| prepared.reads_record) {
            // What it will see is settled when it is bound.
            self.settle().await?;
            self.shared.write_record(&self.asker.database).await;
        }
        let mut state = self.link.lock();
        match prepared {
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
        Ok(())
    }

    pub(super) fn describe(&mut self, message: &Message) {
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

    pub(super) fn close(&mut self, message: &Message) {
        let body = message.body();
        let name = Body(body.get(1..).unwrap_or_default()).cstr().to_vec();
        let mut state = self.link.lock();
        let request = if body.first() == Some(&b'S') {
            Request::CloseStatement { prepared: state.statements.get(&name).cloned(), name }
        } else {
            Request::ClosePortal { portal: state.portals.get(&name).cloned(), name }
        };
        state.queue.push_back(Expected::new(request));
        drop(state);
        self.pending.extend_from_slice(message.bytes());
    }

    pub(super) async fn execute(&mut self, message: &Message) -> io::Result<()> {
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
            if self.link.lock().skips() {
                return Ok(());
            }
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
        let struck = prepared.struck.lock().unwrap_or_else(PoisonError::into_inner).take();
        match struck {
            Some(kind) => self.fault_in_execution(kind).await,
            None => Ok(()),
        }
    }

    /// TRUNCATE commits, in the middle of a batch too.
    pub(super) fn commit_in_extended(&mut self) {
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
                reads_record: false,
                described: AtomicBool::default(),
                shape: OnceLock::default(),
                struck: Mutex::default(),
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
