//! What a backend hands to the suite.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use twinhouse_core::Result;
use twinhouse_warehouse_api::{TableRef, Warehouse};
use uuid::Uuid;

/// A warehouse to test, and what the cases must know beyond the contract.
#[async_trait]
pub trait Fixture: fmt::Debug + Send + Sync {
    /// The backend's name in the report.
    fn name(&self) -> &str;

    /// A connected warehouse that nobody else uses: a case may close it. It lives no longer than the runtime it is
    /// made in.
    ///
    /// # Errors
    ///
    /// If there is no connection to be had; the case then fails.
    async fn warehouse(&self) -> Result<Arc<dyn Warehouse>>;

    /// A place for the tables of one case.
    fn scratch(&self) -> Scratch;

    /// A query that has the engine make `rows` rows of three columns, in any order: `i bigint` from 0, `t` the text
    /// `row <i>`, and `d` the decimal `i × 0.01` with two digits after the point.
    fn rows_query(&self, rows: u64) -> String;

    /// A query that works for minutes before it gives a row, and whose text contains `marker` in a comment.
    fn slow_query(&self, marker: &str) -> String;

    /// Whether a statement whose text contains `marker` is at work on the server now; `None` where the server cannot
    /// be asked. It must look at the server, not at the client.
    async fn is_running(&self, marker: &str) -> Option<bool>;

    /// The longest object name, in bytes, of a server that takes less than its kind: an imitation may.
    fn longest_name(&self) -> Option<usize> {
        None
    }

    /// A URL prefix that the warehouse can write files under; wanted where it unloads.
    fn unload_prefix(&self) -> Option<String> {
        None
    }

    /// Texts that must never be printed: the token or password this fixture connects with.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A schema that may be written to, and a prefix that no other case uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    catalog: Option<String>,
    schema: Option<String>,
    prefix: String,
}

impl Scratch {
    /// Tables go to this catalog and schema (`None`: the warehouse's default), under a prefix made up now.
    pub fn new(catalog: Option<&str>, schema: Option<&str>) -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        Self { catalog: catalog.map(Into::into), schema: schema.map(Into::into), prefix: format!("t{}", &unique[..12]) }
    }

    /// The table `<prefix>_<stem>`.
    pub fn table(&self, stem: &str) -> TableRef {
        self.named(format!("{}_{stem}", self.prefix))
    }

    /// A table of just this name, in this place. The caller sees to it that it is unique.
    pub fn named(&self, name: impl Into<String>) -> TableRef {
        let mut table = TableRef::new(name);
        if let Some(schema) = &self.schema {
            table = table.with_schema(schema);
        }
        if let Some(catalog) = &self.catalog {
            table = table.with_catalog(catalog);
        }
        table
    }

    /// The prefix: lower case letters and digits, beginning with a letter.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The catalog that tables go to.
    pub fn catalog(&self) -> Option<&str> {
        self.catalog.as_deref()
    }

    /// The schema that tables go to.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }
}
