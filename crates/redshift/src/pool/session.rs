//! One session: a connection that is logged in, and what was set on it.

use std::{sync::Arc, time::Duration};

use postgres_protocol::{IsNull, message::frontend};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

use crate::{
    decode::Kind,
    error::harmless,
    prepared::{Definition, Kept},
    settings::SessionSettings,
    wire::{
        CancelKey, Connection, Notice,
        message::{CommandTag, WireColumn, row_description, row_values, tag, unexpected},
    },
};

/// What every session of ours runs with: text forms that can be read without loss, and one time zone.
const STANDARD: &str = "SET datestyle TO 'ISO, MDY'; SET extra_float_digits TO 2; SET timezone TO 'UTC'";

/// What one statement wants beside the standard settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    pub(crate) timeout: Option<Duration>,
    pub(crate) label: Option<String>,
}

/// A session on the server.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    key: CancelKey,
    /// `SET search_path …`, if a schema is configured.
    search_path: Option<String>,
    /// What calls of whoever has it run with, and what it was set to so far.
    settings: SessionSettings,
    extras: Extras,
    applied: SessionSettings,
    prepared: Kept,
    statements: u64,
    spoiled: bool,
}

/// What a statement of our own answered: small results only.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Vec<Option<String>>>,
    pub(crate) tag: Option<CommandTag>,
    pub(crate) notices: Vec<Notice>,
}

impl Answer {
    /// The first value of the first row.
    pub(crate) fn value(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// How many rows the statement changed; 0 where the server does not say.
    pub(crate) fn changed(&self) -> u64 {
        self.tag.as_ref().and_then(CommandTag::rows_changed).unwrap_or(0)
    }
}

impl Session {
    /// Takes a connection that has just logged in and sets it up.
    pub(crate) async fn set_up(connection: Connection, key: CancelKey, schema: Option<&str>) -> Result<Self> {
        let search_path = match schema {
            Some(schema) => Some(format!("SET search_path TO {}", RedshiftDialect.quote(schema)?)),
            None => None,
        };
        let mut session = Self {
            connection,
            key,
            search_path,
            settings: SessionSettings::default(),
            extras: Extras::default(),
            applied: SessionSettings::default(),
            prepared: Kept::default(),
            statements: 0,
            spoiled: false,
        };
        let settings = session.settings();
        session.ask(&settings).await.map_err(harmless)?;
        tracing::debug!(
            process = session.key.process(),
            version = session.connection.server_version(),
            "session opened"
        );
        Ok(session)
    }

    fn settings(&self) -> String {
        match &self.search_path {
            Some(path) => format!("{STANDARD}; {path}"),
            None => STANDARD.to_owned(),
        }
    }

    /// Undoes whatever its last user set. A connection that is dead shows here.
    pub(crate) async fn reset(&mut self) -> Result<()> {
        let reset = format!("RESET ALL; {}", self.settings());
        self.ask(&reset).await?;
        self.extras = Extras::default();
        self.applied = SessionSettings::default();
        Ok(())
    }

    /// Says what the calls of its next user run with.
    pub(crate) fn wish(&mut self, settings: SessionSettings) {
        self.settings = settings;
    }

    /// The statements that set what a statement wants and unset what the one before wanted, and what holds after them.
    fn changes(&self, extras: &Extras) -> Result<(String, SessionSettings)> {
        let mut wanted = self.settings.clone();
        match (&extras.label, &wanted.query_group) {
            (None, _) => {}
            (Some(label), None) => wanted.query_group = Some(label.clone()),
            (Some(_), Some(_)) => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "a label and a query group are one setting on Redshift: give the call only one of them",
                ));
            }
        }
        let mut changes = Vec::new();
        if self.extras.timeout != extras.timeout {
            changes.push(match extras.timeout {
                // Zero would mean no limit at all.
                Some(limit) => format!("SET statement_timeout TO {}", limit.as_millis().clamp(1, i32::MAX as u128)),
                None => "RESET statement_timeout".to_owned(),
            });
        }
        changes.extend(wanted.changes(&self.applied, self.search_path.as_deref())?);
        Ok((changes.join("; "), wanted))
    }

    /// Sets what a statement wants, and unsets what the one before wanted.
    pub(crate) async fn apply(&mut self, extras: &Extras) -> Result<()> {
        let (changes, wanted) = self.changes(extras)?;
        if !changes.is_empty() {
            self.ask(&changes).await.map_err(harmless)?;
        }
        (self.extras, self.applied) = (extras.clone(), wanted);
        Ok(())
    }

    /// Runs a statement as it is and collects its answer.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<Answer> {
        self.connection.explain_with(None);
        self.send_simple(sql).await?;
        let mut answer = Answer::default();
        let mut failed = None;
        loop {
            let frame = self.connection.next().await?;
            match frame.tag {
                tag::ROW_DESCRIPTION => answer.rows.clear(),
                tag::DATA_ROW => {
                    let text = |value: Option<&[u8]>| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                    let row = row_values(self.connection.body(frame)).map(|value| value.map(text));
                    answer.rows.push(row.collect::<Result<_>>()?);
                }
                tag::COMMAND_COMPLETE => answer.tag = Some(CommandTag::parse(self.connection.body(frame))?),
                tag::EMPTY_QUERY => {}
                tag::ERROR => {
                    let error = self.connection.take_error(frame)?;
                    if self.connection.is_broken() {
                        return Err(error);
                    }
                    failed.get_or_insert(error);
                    continue;
                }
                tag::READY_FOR_QUERY => {
                    self.connection.discard(frame)?;
                    answer.notices = self.connection.take_notices();
                    return failed.map_or(Ok(answer), Err);
                }
                other => return Err(unexpected(other)),
            }
            self.connection.discard(frame)?;
        }
    }

    /// Sends a statement whose answer is read elsewhere.
    pub(crate) async fn send_simple(&mut self, sql: &str) -> Result<()> {
        self.connection.take_notices();
        self.connection.put(|out| frontend::query(sql, out))?;
        self.connection.send(1).await
    }

    /// Has the server read a statement and say which columns it gives; `None` if it gives no rows. Nothing is run.
    pub(crate) async fn prepare(&mut self, sql: &str, types: &[u32]) -> Result<Option<Vec<WireColumn>>> {
        let (extras, name) = (self.extras.clone(), "");
        self.prepare_as(name, sql, types, &extras).await
    }

    /// The same under a name, with what the statement wants set before, all in one round trip.
    pub(crate) async fn prepare_as(
        &mut self,
        name: &str,
        sql: &str,
        types: &[u32],
        extras: &Extras,
    ) -> Result<Option<Vec<WireColumn>>> {
        let (changes, wanted) = self.changes(extras)?;
        let stale = self.prepared.take_stale();
        self.connection.put(|out| {
            if !changes.is_empty() {
                frontend::query(&changes, out)?;
            }
            for name in &stale {
                frontend::close(b'S', name, out)?;
            }
            frontend::parse(name, sql, types.iter().copied(), out)?;
            frontend::describe(b'S', name, out)?;
            frontend::sync(out);
            Ok(())
        })?;
        let mut answers = 1 + usize::from(!changes.is_empty());
        self.connection.send(answers).await.map_err(harmless)?;
        let (mut columns, mut failed) = (None, None);
        loop {
            let frame = self.connection.next().await.map_err(harmless)?;
            match frame.tag {
                tag::PARSE_COMPLETE
                | tag::CLOSE_COMPLETE
                | tag::PARAMETER_DESCRIPTION
                | tag::NO_DATA
                | tag::COMMAND_COMPLETE => {}
                tag::ROW_DESCRIPTION => columns = Some(row_description(self.connection.body(frame))?),
                tag::ERROR => {
                    let error = harmless(self.connection.take_error(frame)?);
                    if self.connection.is_broken() {
                        return Err(error);
                    }
                    failed.get_or_insert(error);
                    continue;
                }
                tag::READY_FOR_QUERY => {
                    self.connection.discard(frame)?;
                    answers -= 1;
                    if answers == 0 {
                        if failed.is_none() {
                            (self.extras, self.applied) = (extras.clone(), wanted);
                        }
                        return failed.map_or(Ok(columns), Err);
                    }
                    continue;
                }
                other => return Err(unexpected(other)),
            }
            self.connection.discard(frame)?;
        }
    }

    /// Runs what was prepared with these values, as text; its answer is read elsewhere, its columns in these formats.
    pub(crate) async fn send_prepared(&mut self, values: &[Option<String>], formats: &[i16]) -> Result<()> {
        self.connection.take_notices();
        self.put_run("", values, formats, false)?;
        self.connection.put(|out| {
            frontend::sync(out);
            Ok(())
        })?;
        self.connection.send(1).await
    }

    /// The statement as this session keeps it, prepared first where it does not.
    pub(crate) async fn keep(
        &mut self,
        definition: &Arc<Definition>,
        types: &[u32],
        extras: &Extras,
    ) -> Result<Arc<str>> {
        if self.connection.take_stale_plans() {
            self.prepared.forget_all();
        }
        if let Some(name) = self.prepared.find(definition, types) {
            self.apply(extras).await?;
            return Ok(name);
        }
        let name = self.prepared.new_name();
        match self.prepare_as(&name, &definition.sql, types, extras).await {
            Ok(columns) => {
                let formats = columns.iter().flatten().map(|column| i16::from(Kind::prefers_binary(column))).collect();
                self.prepared.keep(definition, types, &name, formats);
                definition.describe(columns.unwrap_or_default());
                Ok(name)
            }
            Err(error) => {
                self.prepared.forget(&name);
                Err(error)
            }
        }
    }

    /// Runs what is kept under the name; its answer, which begins with its columns, is read elsewhere.
    pub(crate) async fn send_kept(&mut self, name: &str, values: &[Option<String>]) -> Result<()> {
        self.connection.take_notices();
        let formats = self.prepared.formats(name);
        self.put_run(name, values, &formats, true)?;
        self.connection.put(|out| {
            frontend::sync(out);
            Ok(())
        })?;
        self.connection.send(1).await
    }

    /// Runs what is kept under the name once for each row of values, in one round trip, and answers how many rows each
    /// changed. The first that fails ends it; the error says which one it was, counted from 0.
    pub(crate) async fn run_kept(
        &mut self,
        name: &str,
        rows: &[Vec<Option<String>>],
    ) -> Result<Vec<u64>, (usize, Error)> {
        let nowhere = |error| (0, error);
        self.connection.take_notices();
        for values in rows {
            self.put_run(name, values, &[], false).map_err(nowhere)?;
        }
        let sync = self.connection.put(|out| {
            frontend::sync(out);
            Ok(())
        });
        sync.map_err(nowhere)?;
        self.connection.send(1).await.map_err(nowhere)?;
        let (mut counts, mut failed) = (Vec::with_capacity(rows.len()), None);
        loop {
            let here = counts.len();
            let there = |error| (here, error);
            let frame = self.connection.next().await.map_err(there)?;
            match frame.tag {
                tag::BIND_COMPLETE | tag::DATA_ROW => {}
                tag::COMMAND_COMPLETE => {
                    let tag = CommandTag::parse(self.connection.body(frame)).map_err(there)?;
                    counts.push(tag.rows_changed().unwrap_or(0));
                }
                tag::ERROR => {
                    let error = self.connection.take_error(frame).map_err(there)?;
                    if self.connection.is_broken() {
                        return Err((here, error));
                    }
                    failed.get_or_insert((here, error));
                    continue;
                }
                tag::READY_FOR_QUERY => {
                    self.connection.discard(frame).map_err(there)?;
                    return failed.map_or(Ok(counts), Err);
                }
                other => return Err((here, unexpected(other))),
            }
            self.connection.discard(frame).map_err(there)?;
        }
    }

    fn put_run(&mut self, name: &str, values: &[Option<String>], formats: &[i16], describe: bool) -> Result<()> {
        self.connection.put(|out| {
            let write = |value: &Option<String>, out: &mut bytes::BytesMut| match value {
                Some(text) => {
                    out.extend_from_slice(text.as_bytes());
                    Ok(IsNull::No)
                }
                None => Ok(IsNull::Yes),
            };
            frontend::bind("", name, std::iter::empty(), values, write, formats.iter().copied(), out).map_err(
                |error| match error {
                    frontend::BindError::Serialization(cause) => cause,
                    frontend::BindError::Conversion(cause) => std::io::Error::other(cause),
                },
            )?;
            if describe {
                frontend::describe(b'P', "", out)?;
            }
            frontend::execute("", 0, out)
        })
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.connection.is_quiet()
    }

    pub(crate) fn transaction(&self) -> crate::wire::TransactionState {
        self.connection.transaction()
    }

    pub(crate) fn cancel_key(&self) -> &CancelKey {
        &self.key
    }

    /// The server process and how many statements it has been given: names a new statement.
    pub(crate) fn new_statement_id(&mut self) -> String {
        self.statements += 1;
        format!("{}-{}", self.key.process(), self.statements)
    }

    /// Something is left on it that no reset undoes: it is not to be used again.
    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// What was left on it is gone again.
    pub(crate) fn unspoil(&mut self) {
        self.spoiled = false;
    }

    pub(crate) fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    pub(crate) async fn rollback(&mut self) -> Result<()> {
        if self.transaction() != crate::wire::TransactionState::None {
            self.ask("ROLLBACK").await?;
        }
        if self.transaction() == crate::wire::TransactionState::None {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Protocol, "the transaction is still open after a rollback"))
        }
    }
}
