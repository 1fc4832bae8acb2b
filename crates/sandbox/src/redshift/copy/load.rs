//! Carrying out a COPY inside the client's session.

use std::io;

use bytes::{BufMut as _, BytesMut};
use tokio::sync::mpsc;

use super::{
    super::{
        bulk::{Bulk, Doer},
        record::now,
        report::Report,
        session::Session,
        wire::{Body, put, put_cstr, query, strings},
    },
    feed::{self, Fed, Misfit},
    json::Parts,
    options::{CopyStatement, Format, Mapping},
    parquet,
    source::{Input, inputs, whole},
    target::{Target, question},
};

/// Pieces that are read ahead.
const AHEAD: usize = 4;

/// A load that is under way.
struct Load<'a> {
    copy: &'a CopyStatement,
    target: Target,
    parts: Option<Parts>,
    doer: Doer,
}

/// What was read, and how the engine is told that it ends.
enum Read {
    All(Fed),
    Failed(Report),
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
        let found = async {
            let storage = &*self.shared.storage;
            let parts = match &copy.format {
                Format::Json(mapping @ Mapping::Paths(at)) => {
                    Some(Parts::of(mapping, Some(&whole(storage, at).await?), &target)?)
                }
                Format::Json(mapping) => Some(Parts::of(mapping, None, &target)?),
                _ => None,
            };
            Ok::<_, Report>((parts, inputs(storage, &copy.source, copy.manifest, columnar).await?))
        };
        let (parts, files) = match found.await {
            Ok(found) => found,
            Err(report) => return self.fail(report).await,
        };
        // From here on there is a load to speak of, whatever becomes of it.
        self.ids.copy = query_id;
        self.ids.copied = 0;
        let mut load = Load { copy, target, parts, doer: self.doer(query_id) };
        let mut fed = Fed::default();
        let (count, bytes) = (files.len(), files.iter().map(|file| file.size).sum::<u64>());
        let outcome = self.feed(&load, files, &mut fed).await?;
        load.doer.end_time = now();
        let loaded = outcome.as_ref().copied().unwrap_or_default();
        for span in &fed.spans {
            self.shared.record.bulk(Bulk::LoadFile {
                doer: load.doer.clone(),
                file_name: span.file.clone(),
                file_format: copy.format.as_str(),
                bytes: i64::try_from(span.bytes).unwrap_or(i64::MAX),
                lines: span.lines,
                errors: span.errors,
            });
        }
        for misfit in &fed.misfits {
            self.shared.record.bulk(note(misfit, &load));
        }
        let errors = i64::try_from(fed.misfits.len()).unwrap_or(i64::MAX);
        self.shared.record.bulk(Bulk::Load {
            doer: load.doer.clone(),
            status: if outcome.is_ok() { "completed" } else { "aborted" },
            table_name: copy.name.clone(),
            data_source: copy.source.url(),
            file_format: copy.format.as_str(),
            loaded_rows: loaded,
            source_file_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            source_file_count: i64::try_from(count).unwrap_or(i64::MAX),
            error_count: if outcome.is_ok() { errors } else { errors.max(1) },
        });
        if outcome.is_ok() {
            self.ids.copied = loaded;
            self.update_statistics(copy, &load.target).await?;
        }
        Ok(outcome)
    }

    /// Who does it, and since when.
    pub(in super::super) fn doer(&self, query_id: i64) -> Doer {
        Doer {
            query_id,
            transaction_id: self.transaction,
            session_id: self.asker.pid,
            username: self.asker.user.clone(),
            database_name: self.asker.database.clone(),
            start_time: now(),
            end_time: 0,
        }
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
    pub(in super::super) async fn rows(&mut self, sql: &str) -> io::Result<Result<Vec<Vec<Option<String>>>, Report>> {
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

    /// What the files hold goes to the engine, and what comes of that to the client.
    async fn feed(&mut self, load: &Load<'_>, files: Vec<Input>, fed: &mut Fed) -> io::Result<Result<i64, Report>> {
        let (columns, to_json) = (load.target.clone(), load.copy.serialize_to_json);
        let (columnar, fill) = (load.copy.format == Format::Parquet, load.copy.fill_record);
        if columnar {
            let checked =
                tokio::task::spawn_blocking(move || parquet::check(&files, &columns, to_json, fill).map(|()| files));
            return match checked.await.map_err(io::Error::other)? {
                Ok(files) => self.stream(load, files, fed).await,
                Err(report) => self.fail(report).await,
            };
        }
        if load.copy.no_load { self.look(load, files, fed).await } else { self.stream(load, files, fed).await }
    }

    /// Reads without loading.
    async fn look(&mut self, load: &Load<'_>, files: Vec<Input>, fed: &mut Fed) -> io::Result<Result<i64, Report>> {
        let (columns, statement, parts) = (load.target.clone(), load.copy.clone(), load.parts.clone());
        let reading =
            tokio::task::spawn_blocking(move || feed::read(files, &statement, &columns, parts.as_ref(), |_| true));
        *fed = reading.await.map_err(io::Error::other)?;
        if fed.failed {
            return self.fail(failed_load(&load.copy.name)).await;
        }
        self.tell_loaded(&load.copy.name, 0, fed.misfits.len()).await?;
        Ok(Ok(0))
    }

    async fn tell_loaded(&mut self, table: &str, loaded: i64, rejected: usize) -> io::Result<()> {
        let mut out = BytesMut::new();
        let mut tell =
            |what: String| Report::info(format!("Load into table '{table}' completed, {what}")).put(&mut out);
        tell(format!("{loaded} record(s) loaded successfully."));
        if rejected > 0 {
            tell(format!(
                "{rejected} record(s) could not be loaded.  Check 'stl_load_errors' system table for details."
            ));
        }
        put(&mut out, b'C', |out| put_cstr(out, "COPY"));
        self.write(&out).await
    }

    async fn stream(&mut self, load: &Load<'_>, files: Vec<Input>, fed: &mut Fed) -> io::Result<Result<i64, Report>> {
        let columnar = load.copy.format == Format::Parquet;
        self.send(&query(&load.target.statement(&load.copy.table, columnar))).await?;
        if let Err(report) = self.until(b'G').await? {
            let report = report.map_or_else(
                || Report::internal("the engine did not begin to load"),
                |report| report.translated(load.doer.query_id),
            );
            self.tell(std::slice::from_ref(&report)).await?;
            return Ok(Err(report));
        }
        let (sender, mut pieces) = mpsc::channel::<BytesMut>(AHEAD);
        let (columns, statement, parts) = (load.target.clone(), load.copy.clone(), load.parts.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let send = |piece: BytesMut| sender.blocking_send(piece).is_ok();
            if columnar {
                match parquet::read(files, &columns, send) {
                    Ok(spans) => Read::All(Fed { spans, ..Fed::default() }),
                    Err(report) => Read::Failed(report),
                }
            } else {
                Read::All(feed::read(files, &statement, &columns, parts.as_ref(), send))
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
        let refusal = match reading.await.map_err(io::Error::other)? {
            Read::All(all) => {
                *fed = all;
                fed.failed.then(|| failed_load(&load.copy.name))
            }
            Read::Failed(report) => Some(report),
        };
        if early.is_none() {
            let end = match refusal {
                None => strings(b'c', &[]),
                Some(report) => strings(b'f', &[&self.link.lock().refuse(report)]),
            };
            self.send(&end).await?;
        }
        self.finish(load, early, fed).await
    }

    /// Reads the engine's answers up to one of this kind; the error and `None` if it does not come.
    async fn until(&mut self, tag: u8) -> io::Result<Result<(), Option<Report>>> {
        let mut refused = None;
        loop {
            let message = self.receive().await?;
            match message.tag() {
                found if found == tag => return Ok(Ok(())),
                b'E' => refused = Some(Report::parse(message.body())),
                b'Z' => return Ok(Err(refused)),
                _ => {}
            }
        }
    }

    async fn finish(
        &mut self,
        load: &Load<'_>,
        early: Option<Report>,
        fed: &mut Fed,
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
            self.tell_loaded(&load.copy.name, loaded, fed.misfits.len()).await?;
            return Ok(Ok(loaded));
        };
        let refusal = self.link.lock().refusal_for(&engine.message);
        let report = match refusal {
            Some(refusal) => refusal,
            None => match misfit_of(&engine, &load.target, fed) {
                Some(misfit) => {
                    fed.misfits.push(misfit);
                    failed_load(&load.copy.name)
                }
                None => engine.translated(load.doer.query_id),
            },
        };
        self.tell(std::slice::from_ref(&report)).await?;
        Ok(Err(report))
    }
}

fn note(misfit: &Misfit, load: &Load<'_>) -> Bulk {
    let column = misfit.column.and_then(|at| load.target.columns.get(at));
    let kind = column.map(|column| column.kind.name()).unwrap_or_default().to_lowercase();
    let (kind, length) = kind.trim_end_matches(')').split_once('(').unwrap_or((&kind, ""));
    // No view holds NUL.
    let plain = |text: &str| text.chars().filter(|c| *c != '\0').take(1024).collect();
    Bulk::LoadError {
        doer: load.doer.clone(),
        table_id: load.target.oid,
        file_name: misfit.file.clone(),
        line_number: misfit.line,
        column_name: column.map(|column| column.name.clone()).unwrap_or_default(),
        column_type: kind.chars().take(10).collect(),
        column_length: length.to_owned(),
        raw_line: plain(&misfit.raw_line),
        raw_field_value: plain(&misfit.raw_value),
        error_code: misfit.code,
        error_message: misfit.reason.clone(),
    }
}

fn failed_load(table: &str) -> Report {
    Report::internal(format!("Load into table '{table}' failed.  Check 'stl_load_errors' system table for details."))
}

/// The engine's complaint about a value, as STL_LOAD_ERRORS would have it: `COPY t, line 3, column b: "x"`.
fn misfit_of(engine: &Report, target: &Target, fed: &Fed) -> Option<Misfit> {
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
    let span = fed.spans.iter().rev().find(|span| span.first <= line);
    Some(Misfit {
        file: span.map(|span| span.file.clone()).unwrap_or_default(),
        line: span.map_or(line, |span| line - span.first + 1 + span.skipped),
        column,
        code,
        reason: reason.to_owned(),
        raw_line: String::new(),
        raw_value: value.to_owned(),
    })
}
