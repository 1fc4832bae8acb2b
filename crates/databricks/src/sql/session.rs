//! Sessions: a place for names, settings and temporary views that outlives a statement.

use std::{collections::BTreeMap, time::Duration};

use tokio::runtime::Handle;
use twinhouse_core::{Error, ErrorKind, Result};

use super::{check, client::SqlClient, request::QueryTag};
use crate::{error::BACKEND, wire::OpenSession};

/// How long a session that nobody waits for may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// A session to be opened.
///
/// ```no_run
/// # async fn example(sql: twinhouse_databricks::sql::SqlClient) -> twinhouse_core::Result<()> {
/// let session = sql.session().with_schema("sales").with_timezone("Europe/Berlin").open().await?;
/// session.sql().run("create temporary view recent as select * from orders where placed > current_date() - 7").await?;
/// let rows = session.sql().fetch_all::<(String, i64)>("select region, count(*) from recent group by region").await?;
/// session.close().await?;
/// # let _ = rows;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionBuilder {
    sql: SqlClient,
    catalog: Option<String>,
    schema: Option<String>,
    confs: BTreeMap<String, String>,
    wrong: Option<Error>,
}

impl SessionBuilder {
    pub(super) fn new(sql: SqlClient) -> Self {
        let (catalog, schema) = sql.statements().place();
        let (catalog, schema) = (catalog.map(str::to_owned), schema.map(str::to_owned));
        Self { sql, catalog, schema, confs: BTreeMap::new(), wrong: None }
    }

    /// The catalog that it begins in, in place of the client's.
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// The schema that it begins in, in place of the client's.
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// A setting of the session, such as `USE_CACHED_RESULT`. The service refuses those that it does not know. The case
    /// of the name does not matter.
    pub fn with_conf(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into().to_ascii_uppercase();
        let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
        if !legal {
            self.wrong =
                Some(check::wrong("session_confs", "this is not the name of a setting").with_context("name", name));
            return self;
        }
        self.confs.insert(name, value.into());
        self
    }

    /// The zone in which times are read and shown.
    pub fn with_timezone(self, zone: impl Into<String>) -> Self {
        self.with_conf("TIMEZONE", zone)
    }

    /// Whether errors of arithmetic and casts are errors, and not NULL.
    pub fn with_ansi_mode(self, on: bool) -> Self {
        self.with_conf("ANSI_MODE", on.to_string())
    }

    /// How long any statement may take on the server, in whole seconds.
    pub fn with_statement_timeout(self, limit: Duration) -> Self {
        self.with_conf("STATEMENT_TIMEOUT", limit.as_secs().max(1).to_string())
    }

    /// Tags for every statement of the session.
    pub fn with_query_tags(mut self, tags: impl IntoIterator<Item = QueryTag>) -> Self {
        let tags: Vec<QueryTag> = tags.into_iter().collect();
        if let Err(wrong) = check::tags(tags.iter()) {
            self.wrong = Some(wrong);
            return self;
        }
        let escaped = |text: &str| {
            let special = |c| matches!(c, '\\' | ',' | ':');
            text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect::<String>()
        };
        let tag = |tag: &QueryTag| match &tag.value {
            Some(value) => format!("{}:{}", escaped(&tag.key), escaped(value)),
            None => escaped(&tag.key),
        };
        self.with_conf("QUERY_TAGS", tags.iter().map(tag).collect::<Vec<_>>().join(","))
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] naming the field; [`ErrorKind::Unsupported`] where the workspace has no sessions;
    /// those of the service.
    pub async fn open(self) -> Result<SqlSession> {
        let warehouse_id = self.sql.warehouse_id();
        check::id("warehouse_id", warehouse_id)?;
        for (field, name) in [("catalog", &self.catalog), ("schema", &self.schema)] {
            name.as_deref().map_or(Ok(()), |name| check::name(field, name))?;
        }
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let request = OpenSession {
            warehouse_id,
            catalog: self.catalog.as_deref(),
            schema: self.schema.as_deref(),
            session_confs: &self.confs,
        };
        let id = match self.sql.statements().client().open_session(&request).await {
            Ok(opened) => opened.session_id.filter(|id| !id.is_empty()),
            // A workspace without the endpoint says so with 404 or 501; with 404 and this code, it lacks the warehouse.
            Err(error) if is_missing_endpoint(&error) => {
                return Err(Error::unsupported(BACKEND, "cannot open a session: this workspace does not offer them")
                    .with_source(error));
            }
            Err(error) => return Err(error),
        };
        let id = id.ok_or_else(|| Error::new(ErrorKind::Protocol, "the service opened a session without naming it"))?;
        Ok(SqlSession { sql: self.sql.in_session(id.clone()), id, open: true })
    }
}

fn is_missing_endpoint(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unsupported => true,
        ErrorKind::NotFound => !matches!(
            error.vendor_code(),
            Some("RESOURCE_DOES_NOT_EXIST" | "RESOURCE_NOT_FOUND" | "CATALOG_DOES_NOT_EXIST" | "SCHEMA_DOES_NOT_EXIST")
        ),
        _ => false,
    }
}

/// An open session: `USE`, `SET`, temporary views and `?` work in it.
///
/// # Cancellation
///
/// Dropping it closes it in a task of its own; what runs in it is cancelled by its own guards.
#[derive(Debug)]
pub struct SqlSession {
    sql: SqlClient,
    id: String,
    open: bool,
}

impl SqlSession {
    /// The service's name for it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// SQL in it.
    pub fn sql(&self) -> &SqlClient {
        &self.sql
    }

    /// Stops what runs in it and closes it.
    ///
    /// # Errors
    ///
    /// Those of the service. One that is closed already is no error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes it in a task of its own.
    pub async fn close(mut self) -> Result<()> {
        self.sql.statements().close().await;
        let closed = self.sql.statements().client().close_session(&self.id, self.sql.warehouse_id()).await;
        // Not before: a caller who leaves in the middle drops it, which closes it.
        self.open = false;
        match closed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            closed => closed,
        }
    }
}

impl Drop for SqlSession {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        // Outside a runtime there is nobody to close it; the service ends idle sessions by itself.
        let Ok(runtime) = Handle::try_current() else { return };
        let (sql, id) = (self.sql.clone(), self.id.clone());
        runtime.spawn(async move {
            let closing = sql.statements().client().close_session(&id, sql.warehouse_id());
            if !matches!(tokio::time::timeout(CLOSE_LIMIT, closing).await, Ok(Ok(()))) {
                tracing::debug!(session = %id, "the session could not be closed; it lapses by itself");
            }
        });
    }
}
