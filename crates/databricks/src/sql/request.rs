//! What a statement is asked to do, with everything that the service takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use twinhouse_core::Result;
use twinhouse_warehouse_api::{CallOptions, Intent, OnDrop, Params, StatementRequest, Value};

use super::check;
use crate::{
    statement::{self, Delivery, Wishes},
    wire::{Parameter, Tag},
};

/// The key of the tag by which a statement is found again whose id never arrived.
pub const CLIENT_ID_TAG: &str = "twinhouse_client_id";

/// Where a result comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Disposition {
    /// In the answer itself, as JSON: at most 25 MiB.
    Inline,
    /// In files behind presigned links: up to 100 GiB.
    ExternalLinks,
}

impl Disposition {
    /// The service's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "INLINE",
            Self::ExternalLinks => "EXTERNAL_LINKS",
        }
    }
}

/// What a result is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Format {
    /// Rows of text. Timestamps have milliseconds.
    JsonArray,
    /// Arrow IPC streams. Exact.
    ArrowStream,
    /// Text with commas. NULL is the word `null`; the names of the columns stand in the first chunk only.
    Csv,
}

impl Format {
    /// The service's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonArray => "JSON_ARRAY",
            Self::ArrowStream => "ARROW_STREAM",
            Self::Csv => "CSV",
        }
    }
}

/// A key, with or without a value, that the history of queries shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QueryTag {
    /// Its key. A statement has one value for each.
    pub key: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl QueryTag {
    /// A tag with a value.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }

    /// A tag without a value.
    pub fn bare(key: impl Into<String>) -> Self {
        Self { key: key.into(), value: None }
    }
}

/// A parameter as the service takes it: text, with the name of a scalar type. `Debug` leaves the value out.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatementParameter {
    /// For `:name`; none for `?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which `?` it stands for, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<usize>,
    /// A scalar type of SQL: `TINYINT`, `DECIMAL(10,2)`, `INTERVAL DAY TO SECOND`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// None is NULL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl StatementParameter {
    /// A value for `:name`, in this type's own spelling.
    pub fn named(name: impl Into<String>, type_name: impl Into<String>, value: Option<&str>) -> Self {
        Self { name: Some(name.into()), ordinal: None, type_name: type_name.into(), value: value.map(str::to_owned) }
    }

    /// A value for a `?`; the first is number 1.
    pub fn positional(ordinal: usize, type_name: impl Into<String>, value: Option<&str>) -> Self {
        Self { name: None, ordinal: Some(ordinal), type_name: type_name.into(), value: value.map(str::to_owned) }
    }

    /// A value for `:name`, in the type that the value has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) for bytes: a parameter is text.
    pub fn of(name: impl Into<String>, value: impl Into<Value>) -> Result<Self> {
        let name = name.into();
        let Parameter { type_name, value, .. } = statement::parameter(&name, value.into())?;
        Ok(Self { name: Some(name), ordinal: None, type_name, value })
    }
}

impl std::fmt::Debug for StatementParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementParameter")
            .field("name", &self.name)
            .field("ordinal", &self.ordinal)
            .field("type_name", &self.type_name)
            .finish_non_exhaustive()
    }
}

/// A statement for [`SqlClient`](super::SqlClient): what the contract's [`StatementRequest`] says, and what only this
/// service takes. Plain text and a [`StatementRequest`] turn into one.
///
/// ```
/// use std::time::Duration;
/// use twinhouse_databricks::sql::{QueryTag, SqlRequest};
///
/// let request = SqlRequest::read("select * from orders where region = :region")
///     .bind("region", "EU")
///     .with_row_limit(1000)
///     .with_tag(QueryTag::new("team", "sales"))
///     .with_timeout(Duration::from_secs(120));
/// # let _ = request;
/// ```
#[derive(Clone)]
pub struct SqlRequest {
    pub(super) statement: StatementRequest,
    tags: Vec<QueryTag>,
    row_limit: Option<u64>,
    byte_limit: Option<u64>,
    disposition: Option<Disposition>,
    format: Option<Format>,
    catalog: Option<String>,
    schema: Option<String>,
    positional: Vec<Value>,
    typed: Vec<StatementParameter>,
    client_id: Option<String>,
}

impl SqlRequest {
    /// A statement that changes nothing.
    pub fn read(sql: impl Into<String>) -> Self {
        StatementRequest::read(sql).into()
    }

    /// A statement that changes something.
    pub fn write(sql: impl Into<String>) -> Self {
        StatementRequest::write(sql).into()
    }

    /// Binds `:name`.
    #[must_use]
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.statement = self.statement.bind(name, value);
        self
    }

    /// Binds `:name` to a value of a type that [`Value`] does not have, such as `TINYINT` or `INTERVAL`.
    #[must_use]
    pub fn bind_typed(mut self, name: impl Into<String>, type_name: impl Into<String>, value: Option<&str>) -> Self {
        self.typed.push(StatementParameter::named(name, type_name, value));
        self
    }

    /// Binds the next `?`. The service takes these in a session only, and beside no `:name`.
    #[must_use]
    pub fn bind_next(mut self, value: impl Into<Value>) -> Self {
        self.positional.push(value.into());
        self
    }

    /// Replaces all named parameters.
    #[must_use]
    pub fn with_params(mut self, params: Params) -> Self {
        self.statement = self.statement.with_params(params);
        self
    }

    /// Limits the whole call, from submission to the last row; the statement is cancelled on the server when the time
    /// is up.
    #[must_use]
    pub fn with_timeout(self, limit: Duration) -> Self {
        let options = self.options().with_timeout(limit);
        self.with_options(options)
    }

    /// Says what becomes of the statement if it is abandoned.
    #[must_use]
    pub fn with_on_drop(self, on_drop: OnDrop) -> Self {
        let options = self.options().with_on_drop(on_drop);
        self.with_options(options)
    }

    /// Replaces all options of the call.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.statement = self.statement.with_options(options);
        self
    }

    /// Marks it in the history of queries.
    #[must_use]
    pub fn with_tag(mut self, tag: QueryTag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Gives it a name of the caller's, as the tag [`CLIENT_ID_TAG`]: the way to find a statement whose id never
    /// arrived. It must be one that no other statement has, such as a UUID.
    #[must_use]
    pub fn with_client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// The most rows that are computed and sent. If there were more, the result says that it was cut short.
    #[must_use]
    pub fn with_row_limit(mut self, rows: u64) -> Self {
        self.row_limit = Some(rows);
        self
    }

    /// About the most bytes that are sent. If there were more, the result says that it was cut short.
    #[must_use]
    pub fn with_byte_limit(mut self, bytes: u64) -> Self {
        self.byte_limit = Some(bytes);
        self
    }

    /// Where the result comes, in place of the client's setting.
    #[must_use]
    pub fn with_disposition(mut self, disposition: Disposition) -> Self {
        self.disposition = Some(disposition);
        self
    }

    /// What the result is written in, in place of the client's setting.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// The catalog that names without one belong to, in place of the client's. Not in a session.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// The schema that names without one belong to, in place of the client's. Not in a session.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// The name of the caller's, if it has one.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    pub(super) fn options(&self) -> CallOptions {
        self.statement.options().clone()
    }

    pub(super) fn with_intent(mut self, intent: Intent) -> Self {
        self.statement = self.statement.with_intent(intent);
        self
    }

    /// Whether this asks for something that cannot be read as rows.
    pub(super) fn is_text(&self) -> bool {
        self.format == Some(Format::Csv)
    }

    pub(super) fn disposition(&self) -> Option<Disposition> {
        self.disposition
    }

    pub(super) fn format(&self) -> Option<Format> {
        self.format
    }

    /// Checks it, and takes it apart for who sends it.
    pub(super) fn into_parts(self, in_session: bool) -> Result<(StatementRequest, Wishes)> {
        check::statement(self.statement.sql())?;
        check::limit("row_limit", self.row_limit)?;
        check::limit("byte_limit", self.byte_limit)?;
        check::parameters(&self.typed)?;
        for (field, name) in [("catalog", &self.catalog), ("schema", &self.schema)] {
            let Some(name) = name else { continue };
            check::name(field, name)?;
            if in_session {
                return Err(check::wrong(field, "a session has its catalog and schema: say USE in it"));
            }
        }
        if let Some(id) = &self.client_id {
            check::name("client_id", id)?;
        }
        if !self.positional.is_empty() && !in_session {
            return Err(check::wrong(
                "parameters",
                "the service takes `?` in a session only: use `:name`, or open one",
            ));
        }
        let mut tags = self.tags;
        tags.extend(self.client_id.map(|id| QueryTag::new(CLIENT_ID_TAG, id)));
        let label = self.statement.options().label.clone().map(|label| QueryTag::new("label", label));
        check::tags(label.iter().chain(&tags))?;
        // What is asked for beside a format that only links have is links.
        let disposition = self.disposition.or(match self.format {
            Some(Format::ArrowStream | Format::Csv) => Some(Disposition::ExternalLinks),
            _ => None,
        });
        check::shape(disposition.or(Some(Disposition::ExternalLinks)), self.format)?;
        let delivery = delivery(disposition, self.format);
        let tags = tags.into_iter().map(|QueryTag { key, value }| Tag { key, value }).collect();
        let typed = self.typed.into_iter().map(|StatementParameter { name, ordinal, type_name, value }| Parameter {
            name,
            ordinal,
            type_name,
            value,
        });
        let wishes = Wishes {
            delivery,
            row_limit: self.row_limit,
            byte_limit: self.byte_limit,
            tags,
            catalog: self.catalog,
            schema: self.schema,
            positional: self.positional,
            typed: typed.collect(),
        };
        Ok((self.statement, wishes))
    }
}

/// How the result is asked for, unless the client's setting decides.
fn delivery(disposition: Option<Disposition>, format: Option<Format>) -> Option<Delivery> {
    let disposition = match (disposition, format) {
        (None, None) => return None,
        (None, Some(_)) => Disposition::Inline,
        (Some(disposition), _) => disposition,
    };
    let format = format.unwrap_or(match disposition {
        Disposition::Inline => Format::JsonArray,
        Disposition::ExternalLinks => Format::ArrowStream,
    });
    let compression = (format == Format::ArrowStream).then_some("LZ4_FRAME");
    Some(Delivery { disposition: disposition.as_str(), format: format.as_str(), compression })
}

impl From<StatementRequest> for SqlRequest {
    fn from(statement: StatementRequest) -> Self {
        Self {
            statement,
            tags: Vec::new(),
            row_limit: None,
            byte_limit: None,
            disposition: None,
            format: None,
            catalog: None,
            schema: None,
            positional: Vec::new(),
            typed: Vec::new(),
            client_id: None,
        }
    }
}

impl From<&str> for SqlRequest {
    fn from(sql: &str) -> Self {
        Self::read(sql)
    }
}

impl From<String> for SqlRequest {
    fn from(sql: String) -> Self {
        Self::read(sql)
    }
}

/// Neither text nor values.
impl std::fmt::Debug for SqlRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlRequest")
            .field("statement", &self.statement)
            .field("disposition", &self.disposition)
            .field("format", &self.format)
            .field("row_limit", &self.row_limit)
            .field("byte_limit", &self.byte_limit)
            .finish_non_exhaustive()
    }
}
