//! Carrying out a COPY inside the client's session.

use std::io;

use bytes::{BufMut as _, BytesMut};
use tokio::sync::mpsc;

use super::{
    super::{
        record::{LoadError, LoadRecord, now},
        report::Report,
        session::Session,
        wire::{Body, put, put_cstr, query, strings},
    },
    csv::{self, Misfit, Span},
    options::{CopyStatement, Format},
    parquet,
    source::{Input, inputs},
    target::{Target, question},
};

/// Pieces that are read ahead.
const AHEAD: usize = 4;

/// How the reading of the files ended.
enum Read {
    All(Vec<Span>),
    Failed(Report),
    Misfit(Box<Misfit>),
}

impl Session {
    /// Carries out a COPY and tells the client how it went, up to but not including ReadyForQuery.
    pub(in super::super) async fn copy(
        &mut self,
        copy: &CopyStatement,
        query_id: i64,
    ) -> io::Result<Result<i64, Report>> {
        if self.status() == b'E' {
            // The engine says that nothing runs in a failed transaction.
            return self.exchange("SELECT 1", true).await;
        }
        if let Err(report) = self.shared.grant.check(&copy.authorization) {
            return self.fail(report).await;
        }
        let rows = match self.rows(&question(&copy.table)).await? {
            Ok(rows) => rows,
            Err(report) => {
                self.tell(std::slice::from_ref(&report)).await?;
                return Ok(Err(report));
            }
        };
        let target = match Target::of(&rows, &copy.name, copy.columns.as_deref(), copy.explicit_ids) {
            Ok(target) => target,
            Err(report) => return self.fail(report).await,
        };
        let columnar = copy.format == Format::Parquet;
        let files = match inputs(&*self.shared.storage, &copy.source, copy.manifest, columnar).await {
            Ok(files) => files,
            Err(report) => return self.fail(report).await,
        };
        // From here on there is a load to speak of, whatever becomes of it.
        self.ids.copy = query_id;
        self.ids.copied = 0;
        let started = now();
        let (count, bytes) = (files.len(), files.iter().map(|file| file.size).sum::<u64>());
        let outcome = self.feed(copy, &target, files, query_id, started).await?;
        let loaded = outcome.as_ref().copied().unwrap_or_default();
        self.shared.record.load(LoadRecord {
            query_id,
            session_id: self.asker.pid,
            database_name: self.asker.database.clone(),
            status: if outcome.is_ok() { "completed" } else { "aborted" },
            table_name: copy.name.clone(),
            start_time: started,
            end_time: now(),
            data_source: copy.source.url(),
            file_format: copy.format.as_str(),
            loaded_rows: loaded,
            loaded_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            source_file_count: i64::try_from(count).unwrap_or(i64::MAX),
            error_count: i64::from(outcome.is_err()),
        });
        if outcome.is_ok() {
            self.ids.copied = loaded;
            self.update_statistics(copy, &target).await?;
        }
        Ok(outcome)
    }

    /// As Redshift does unless STATUPDATE says otherwise: a table that was empty gets statistics. Without them the
    /// engine joins big tables by nested loops.
    async fn update_statistics(&mut self, copy: &CopyStatement, target: &Target) -> io::Result<()> {
        let seen = format!("select reltuples from pg_catalog.pg_class where oid = {} and reltuples < 0", target.oid);
        if !self.rows(&seen).await?.is_ok_and(|rows| !rows.is_empty()) {
            return Ok(());
        }
        // The load is reported by now: what goes wrong here, a late cancel above all, must not undo it.
        let within = self.status() == b'T';
        if within {
            self.exchange("SAVEPOINT twinhouse", false).await?.ok();
        }
        if let Err(report) = self.rows(&format!("analyze {}", copy.table)).await? {
            tracing::debug!(table = %copy.name, message = %report.message, "no statistics");
        }
        if within {
            let end = if self.status() == b'E' { "ROLLBACK TO SAVEPOINT" } else { "RELEASE SAVEPOINT" };
            self.exchange(&format!("{end} twinhouse"), false).await?.ok();
        }
        Ok(())
    }

    /// Runs a query of ours and answers its rows as text.
    async fn rows(&mut self, sql: &str) -> io::Result<Result<Vec<Vec<Option<String>>>, Report>> {
        self.send(&query(sql)).await?;
        let mut outcome = Ok(Vec::new());
        loop {
            let message = self.receive().await?;
            match message.tag() {
                b'Z' => return Ok(outcome),
                b'E' => outcome = Err(Report::parse(message.body()).translated(self.ids.query)),
                b'D' => {
                    let mut body = Body(message.body());
                    let row = (0..body.i16()).map(|_| body.value().map(|v| String::from_utf8_lossy(v).into_owned()));
                    let row = row.collect();
                    if let Ok(rows) = &mut outcome {
                        rows.push(row);
                    }
                }
                _ => {}
            }
        }
    }

    async fn feed(
        &mut self,
        copy: &CopyStatement,
        target: &Target,
        files: Vec<Input>,
        query_id: i64,
        started: i64,
    ) -> io::Result<Result<i64, Report>> {
        let columnar = copy.format == Format::Parquet;
        if columnar {
            let (columns, to_json) = (target.clone(), copy.serialize_to_json);
            let checked =
                tokio::task::spawn_blocking(move || parquet::check(&files, &columns, to_json).map(|()| files));
            match checked.await.map_err(io::Error::other)? {
                Ok(files) => return self.stream(copy, target, files, query_id, started).await,
                Err(report) => return self.fail(report).await,
            }
        }
        self.stream(copy, target, files, query_id, started).await
    }

    async fn stream(
        &mut self,
        copy: &CopyStatement,
        target: &Target,
        files: Vec<Input>,
        query_id: i64,
        started: i64,
    ) -> io::Result<Result<i64, Report>> {
        let columnar = copy.format == Format::Parquet;
        self.send(&query(&target.statement(&copy.table, columnar))).await?;
        let mut refused = None;
        loop {
            let message = self.receive().await?;
            match message.tag() {
                b'G' => break,
                b'E' => refused = Some(Report::parse(message.body()).translated(query_id)),
                b'Z' => {
                    let report = refused.unwrap_or_else(|| Report::internal("the engine did not begin to load"));
                    self.tell(std::slice::from_ref(&report)).await?;
                    return Ok(Err(report));
                }
                _ => {}
            }
        }

        let (sender, mut pieces) = mpsc::channel::<BytesMut>(AHEAD);
        let (columns, statement) = (target.clone(), copy.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let send = |piece: BytesMut| sender.blocking_send(piece).is_ok();
            if columnar {
                match parquet::read(files, &columns, send) {
                    Ok(()) => Read::All(Vec::new()),
                    Err(report) => Read::Failed(report),
                }
            } else {
                match csv::read(files, &statement, &columns, send) {
                    Ok(spans) => Read::All(spans),
                    Err(misfit) => Read::Misfit(misfit),
                }
            }
        });
        // The engine speaks during a load only to end it.
        let mut early = None;
        loop {
            tokio::select! {
                biased;
                message = self.receive() => {
                    let message = message?;
                    if message.tag() == b'E' {
                        early = Some(Report::parse(message.body()));
                        break;
                    }
                }
                piece = pieces.recv() => {
                    let Some(piece) = piece else { break };
                    let mut head = BytesMut::with_capacity(5);
                    head.put_u8(b'd');
                    head.put_u32(u32::try_from(piece.len() + 4).unwrap_or(u32::MAX));
                    self.send(&head).await?;
                    self.send(&piece).await?;
                }
            }
        }
        drop(pieces);
        let read = reading.await.map_err(io::Error::other)?;
        let (end, refusal, spans) = match read {
            Read::All(spans) => (strings(b'c', &[]), None, spans),
            Read::Failed(report) => {
                let text = self.link.lock().refuse(report);
                (strings(b'f', &[&text]), None, Vec::new())
            }
            Read::Misfit(misfit) => {
                let text = self.link.lock().refuse(failed_load(&copy.name));
                (strings(b'f', &[&text]), Some(misfit), Vec::new())
            }
        };
        if early.is_none() {
            self.send(&end).await?;
        }
        self.finish(copy, target, query_id, started, early, refusal, &spans).await
    }

    #[expect(clippy::too_many_arguments, reason = "the one end of everything that a load can come to")]
    async fn finish(
        &mut self,
        copy: &CopyStatement,
        target: &Target,
        query_id: i64,
        started: i64,
        early: Option<Report>,
        misfit: Option<Box<Misfit>>,
        spans: &[Span],
    ) -> io::Result<Result<i64, Report>> {
        let (mut loaded, mut error) = (0, early);
        loop {
            let message = self.receive().await?;
            match message.tag() {
                b'C' => {
                    let tag = Body(message.body()).text();
                    loaded = tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default();
                }
                b'E' => error = Some(Report::parse(message.body())),
                b'Z' => break,
                _ => {}
            }
        }
        let Some(engine) = error else {
            let mut out = BytesMut::new();
            let text = format!("Load into table '{}' completed, {loaded} record(s) loaded successfully.", copy.name);
            Report::info(text).put(&mut out);
            put(&mut out, b'C', |out| put_cstr(out, "COPY"));
            self.write(&out).await?;
            return Ok(Ok(loaded));
        };
        let refusal = self.link.lock().refusal_for(&engine.message);
        let misfit = misfit.or_else(|| if refusal.is_none() { misfit_of(&engine, target, spans) } else { None });
        let report = match (refusal, &misfit) {
            (Some(refusal), _) => refusal,
            (None, Some(_)) => failed_load(&copy.name),
            (None, None) => engine.translated(query_id),
        };
        if let Some(misfit) = misfit {
            self.note(&misfit, target, query_id, started);
        }
        self.tell(std::slice::from_ref(&report)).await?;
        Ok(Err(report))
    }

    fn note(&self, misfit: &Misfit, target: &Target, query_id: i64, started: i64) {
        let column = misfit.column.and_then(|at| target.columns.get(at));
        let kind = column.map(|column| column.kind.name()).unwrap_or_default().to_lowercase();
        let (kind, length) = kind.trim_end_matches(')').split_once('(').unwrap_or((&kind, ""));
        self.shared.record.load_error(LoadError {
            query_id,
            session_id: self.asker.pid,
            database_name: self.asker.database.clone(),
            table_id: target.oid,
            start_time: started,
            file_name: misfit.file.clone(),
            line_number: misfit.line,
            column_name: column.map(|column| column.name.clone()).unwrap_or_default(),
            column_type: kind.chars().take(10).collect(),
            column_length: length.to_owned(),
            position: 0,
            raw_line: misfit.raw_line.clone(),
            raw_field_value: misfit.raw_value.clone(),
            error_code: misfit.code,
            error_message: misfit.reason.clone(),
        });
    }
}

fn failed_load(table: &str) -> Report {
    Report::internal(format!("Load into table '{table}' failed.  Check 'stl_load_errors' system table for details."))
}

/// The engine's complaint about a value, as STL_LOAD_ERRORS would have it: `COPY t, line 3, column b: "x"`.
fn misfit_of(engine: &Report, target: &Target, spans: &[Span]) -> Option<Box<Misfit>> {
    let context = engine.context.as_deref()?;
    let after = |word: &str| context.split(word).nth(1);
    let line: i64 = after(", line ")?.split([',', ':', ' ']).next()?.parse().ok()?;
    let column = after(", column ")
        .and_then(|text| text.split(':').next())
        .and_then(|name| target.columns.iter().position(|column| column.name == name));
    let value = after(": \"").and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    let kind = column.map(|at| target.columns[at].kind.name()).unwrap_or_default();
    let (code, reason) = match (engine.code.as_str(), kind.split('(').next().unwrap_or_default()) {
        ("23502", _) => (1213, "Missing data for not-null field"),
        ("22001", _) => (1204, "String length exceeds DDL length"),
        ("22003", "DECIMAL") => (1209, "Overflow for NUMERIC"),
        ("22003", _) => (1222, "Overflow, integer"),
        (_, "DATE") => (1205, "Invalid Date Format - length must be 10 or more"),
        (_, "TIMESTAMP" | "TIMESTAMPTZ") => (1206, "Invalid timestamp format or value"),
        (_, "SMALLINT" | "INT" | "BIGINT" | "DECIMAL") => (1207, "Invalid digit, Value, Pos 0, Type"),
        (_, "REAL" | "DOUBLE PRECISION") => (1208, "Invalid data, float"),
        (_, "BOOLEAN") => (1210, "Unknown boolean format"),
        (_, "SUPER") => (1224, "Invalid JSON format"),
        _ => return None,
    };
    let span = spans.iter().rev().find(|span| span.first <= line);
    Some(Box::new(Misfit {
        file: span.map(|span| span.file.clone()).unwrap_or_default(),
        line: span.map_or(line, |span| line - span.first + 1 + span.skipped),
        column,
        code,
        reason: reason.to_owned(),
        raw_line: String::new(),
        raw_value: value.to_owned(),
    }))
}
