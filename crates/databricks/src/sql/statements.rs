//! The Statement Execution API, one call for each endpoint.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use twinhouse_core::{Error, ErrorKind, Result, http::Link};
use twinhouse_warehouse_api::StatementId;

use super::{
    check,
    request::{Disposition, Format, QueryTag, StatementParameter},
    response::{ExternalLink, ResultChunk, StatementResponse},
};
use crate::api::Client;

/// What happens when the wait for an answer is over before the statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum OnWaitTimeout {
    /// It goes on, and the answer has its id.
    Continue,
    /// It is cancelled.
    Cancel,
}

/// How the files behind links are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// In LZ4 frames, several one after the other.
    Lz4Frame,
}

/// The body of `POST /api/2.0/sql/statements`.
///
/// ```
/// use std::time::Duration;
/// use twinhouse_databricks::sql::{ExecuteStatementRequest, StatementParameter};
///
/// let request = ExecuteStatementRequest::new("1234567890abcdef", "select :n")
///     .with_parameter(StatementParameter::named("n", "TINYINT", Some("7")))
///     .with_wait_timeout(Duration::from_secs(30));
/// # let _ = request;
/// ```
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct ExecuteStatementRequest {
    /// The text.
    pub statement: String,
    /// The warehouse that runs it.
    pub warehouse_id: String,
    /// The session that it runs in, in place of a catalog and a schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The catalog that names without one belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog: Option<String>,
    /// The schema that names without one belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<StatementParameter>,
    /// The most rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_limit: Option<u64>,
    /// About the most bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte_limit: Option<u64>,
    /// Where the result comes. The service's default: inline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// What it is written in. The service's default: JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How files are packed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_compression: Option<Compression>,
    /// How long the service waits before it answers: zero, or whole seconds from 5 to 50. Its default: 10 s.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub wait_timeout: Option<Duration>,
    /// What happens when that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_wait_timeout: Option<OnWaitTimeout>,
    /// What the history of queries shows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query_tags: Vec<QueryTag>,
}

fn seconds<S: serde::Serializer>(wait: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{}s", wait.unwrap_or_default().as_secs()))
}

impl ExecuteStatementRequest {
    /// This statement on this warehouse, with the service's defaults.
    pub fn new(warehouse_id: impl Into<String>, statement: impl Into<String>) -> Self {
        Self {
            statement: statement.into(),
            warehouse_id: warehouse_id.into(),
            session_id: None,
            catalog: None,
            schema: None,
            parameters: Vec::new(),
            row_limit: None,
            byte_limit: None,
            disposition: None,
            format: None,
            result_compression: None,
            wait_timeout: None,
            on_wait_timeout: None,
            query_tags: Vec::new(),
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with_parameter(mut self, parameter: StatementParameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Says where the result comes and what it is written in.
    #[must_use]
    pub fn with_result(mut self, disposition: Disposition, format: Format) -> Self {
        self.disposition = Some(disposition);
        self.format = Some(format);
        self
    }

    /// How long the service waits before it answers: zero, or whole seconds from 5 to 50.
    #[must_use]
    pub fn with_wait_timeout(mut self, wait: Duration) -> Self {
        self.wait_timeout = Some(wait);
        self
    }

    /// What happens when the wait is over before the statement is.
    #[must_use]
    pub fn with_on_wait_timeout(mut self, then: OnWaitTimeout) -> Self {
        self.on_wait_timeout = Some(then);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: QueryTag) -> Self {
        self.query_tags.push(tag);
        self
    }

    fn check(&self) -> Result<()> {
        check::statement(&self.statement)?;
        check::id("warehouse_id", &self.warehouse_id)?;
        check::limit("row_limit", self.row_limit)?;
        check::limit("byte_limit", self.byte_limit)?;
        check::shape(self.disposition, self.format)?;
        check::tags(self.query_tags.iter())?;
        check::parameters(&self.parameters)?;
        for (field, name) in [("catalog", &self.catalog), ("schema", &self.schema)] {
            let Some(name) = name else { continue };
            check::name(field, name)?;
            if self.session_id.is_some() {
                return Err(check::wrong(
                    field,
                    "a session has its catalog and schema: leave them out beside session_id",
                ));
            }
        }
        if let Some(session) = &self.session_id {
            check::id("session_id", session)?;
        }
        let wait = self.wait_timeout.unwrap_or(Duration::from_secs(10));
        if !wait.is_zero() && (wait.subsec_nanos() != 0 || !(5..=50).contains(&wait.as_secs())) {
            return Err(check::wrong("wait_timeout", "the service waits for 5 to 50 whole seconds, or not at all"));
        }
        if wait.is_zero() && self.on_wait_timeout == Some(OnWaitTimeout::Cancel) {
            return Err(check::wrong("on_wait_timeout", "CANCEL needs a wait: nothing could finish in no time"));
        }
        Ok(())
    }
}

/// Neither text nor values.
impl std::fmt::Debug for ExecuteStatementRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecuteStatementRequest")
            .field("statement", &format_args!("{} bytes", self.statement.len()))
            .field("warehouse_id", &self.warehouse_id)
            .field("parameters", &self.parameters)
            .field("disposition", &self.disposition)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// `/api/2.0/sql/statements`: one call for each endpoint, with no loop and no guard. Whoever submits must poll, at
/// least every 15 minutes, and cancel; [`SqlClient`](super::SqlClient) does all that. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Statements {
    client: Client,
}

impl Statements {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Submits a statement. The service has no token to know a repeated submission by, so that it is repeated only
    /// when the service certainly did not begin it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] naming the field; those of the service. A statement that failed is an answer.
    ///
    /// # Cancellation
    ///
    /// Dropping the future does not stop what was submitted.
    pub async fn execute(&self, request: &ExecuteStatementRequest) -> Result<StatementResponse> {
        request.check()?;
        let answer = self.client.execute(request).await?;
        if answer.statement_id.as_deref().is_none_or(str::is_empty) {
            return Err(Error::new(ErrorKind::Protocol, "the service accepted a statement without naming it"));
        }
        Ok(StatementResponse::new("", answer))
    }

    /// Where a statement stands, with the first chunk of its result once it has succeeded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for an id that the service does not know, or no more.
    pub async fn get(&self, id: &StatementId) -> Result<StatementResponse> {
        check::id("statement_id", id.as_str())?;
        let answer = self.client.statement(id.as_str()).await;
        Ok(StatementResponse::new(id.as_str(), answer.map_err(|error| error.with_statement_id(id.as_str()))?))
    }

    /// One chunk of a result, by its number: its rows, or fresh links to its files.
    ///
    /// # Errors
    ///
    /// Those of the service: the result is kept for an hour.
    pub async fn get_result_chunk(&self, id: &StatementId, chunk_index: u64) -> Result<ResultChunk> {
        check::id("statement_id", id.as_str())?;
        let data = self.client.chunk(id.as_str(), chunk_index).await;
        Ok(ResultChunk::new(data.map_err(|error| error.with_statement_id(id.as_str()))?))
    }

    /// Fetches the file behind a link, as it is. The service's credential does not go there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PermissionDenied`] for a link that has expired: ask for the chunk again.
    pub async fn download(&self, link: &ExternalLink) -> Result<Bytes> {
        let headers = link.0.http_headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        self.client.download(&Link::new(link.0.external_link.clone()).with_headers(headers)).await
    }

    /// Asks for a statement to be stopped. The service takes note and stops it later; one that is over is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for an id that the service does not know.
    pub async fn cancel(&self, id: &StatementId) -> Result<()> {
        check::id("statement_id", id.as_str())?;
        self.client.cancel(id.as_str()).await.map_err(|error| error.with_statement_id(id.as_str()))
    }

    /// Gives the result up; a statement that runs is stopped.
    ///
    /// # Errors
    ///
    /// As [`cancel`](Self::cancel).
    pub async fn close(&self, id: &StatementId) -> Result<()> {
        check::id("statement_id", id.as_str())?;
        self.client.close(id.as_str()).await.map_err(|error| error.with_statement_id(id.as_str()))
    }
}
