//! One session: a connection that is logged in, and what was set on it.

use std::time::Duration;

use postgres_protocol::{IsNull, message::frontend};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

use crate::{
    error::harmless,
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
    extras: Extras,
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
        let mut session =
            Self { connection, key, search_path, extras: Extras::default(), statements: 0, spoiled: false };
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
        Ok(())
    }

    /// Sets what a statement wants, and unsets what the one before wanted.
    pub(crate) async fn apply(&mut self, extras: &Extras) -> Result<()> {
        let mut settings = Vec::new();
        if self.extras.timeout != extras.timeout {
            settings.push(match extras.timeout {
                // Zero would mean no limit at all.
                Some(limit) => format!("SET statement_timeout TO {}", limit.as_millis().clamp(1, i32::MAX as u128)),
                None => "RESET statement_timeout".to_owned(),
            });
        }
        if self.extras.label != extras.label {
            settings.push(match &extras.label {
                Some(label) => format!("SET query_group TO {}", RedshiftDialect.string(label)?),
                None => "RESET query_group".to_owned(),
            });
        }
        if !settings.is_empty() {
            self.ask(&settings.join("; ")).await.map_err(harmless)?;
            self.extras = extras.clone();
        }
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
        self.connection.put(|out| {
            frontend::parse("", sql, types.iter().copied(), out)?;
            frontend::describe(b'S', "", out)?;
            frontend::sync(out);
            Ok(())
        })?;
        self.connection.send(1).await.map_err(harmless)?;
        let (mut columns, mut failed) = (None, None);
        loop {
            let frame = self.connection.next().await.map_err(harmless)?;
            match frame.tag {
                tag::PARSE_COMPLETE | tag::PARAMETER_DESCRIPTION | tag::NO_DATA => {}
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
                    return failed.map_or(Ok(columns), Err);
                }
                other => return Err(unexpected(other)),
            }
            self.connection.discard(frame)?;
        }
    }

    /// Runs what was prepared with these values, as text; its answer is read elsewhere, its columns in these formats.
    pub(crate) async fn send_prepared(&mut self, values: &[Option<String>], formats: &[i16]) -> Result<()> {
        self.connection.take_notices();
        self.connection.put(|out| {
            let write = |value: &Option<String>, out: &mut bytes::BytesMut| match value {
                Some(text) => {
                    out.extend_from_slice(text.as_bytes());
                    Ok(IsNull::No)
                }
                None => Ok(IsNull::Yes),
            };
            frontend::bind("", "", std::iter::empty(), values, write, formats.iter().copied(), out).map_err(
                |error| match error {
                    frontend::BindError::Serialization(cause) => cause,
                    frontend::BindError::Conversion(cause) => std::io::Error::other(cause),
                },
            )?;
            frontend::execute("", 0, out)?;
            frontend::sync(out);
            Ok(())
        })?;
        self.connection.send(1).await
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
