//! The table that remembers which loads were done.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, LoadToken, RedshiftDialect, TableRef};

use crate::{
    pool::Session,
    tables::{Described, either},
};

const TABLE: &str = "twinhouse_loads";

/// One token of one table, and where it is written down. Everything in it is quoted already.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    table: String,
    token: String,
    schema: String,
    name: String,
    table_name: String,
}

/// What a table is known by.
pub(super) type TableId = i64;

/// What the ledger says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Missing,
    /// This very attempt wrote it; the answer to its COMMIT was lost.
    Ours,
    Another,
}

impl Ledger {
    pub(super) fn of(table: &Described, token: &LoadToken) -> Result<Self> {
        let table = &table.info.table;
        let schema = table.schema().unwrap_or_default();
        Ok(Self {
            table: RedshiftDialect.table(&TableRef::new(TABLE).with_schema(schema))?,
            token: RedshiftDialect.string(token.as_str())?,
            // A table that is to be made is not described yet: the server may fold its name.
            schema: either(schema)?,
            name: either(table.name())?,
            table_name: RedshiftDialect.string(table.name())?,
        })
    }

    /// Creates it unless it is there. Runs outside of any transaction.
    pub(super) async fn create(&self, session: &mut Session) -> Result<()> {
        session.ask(&self.creation()).await.map(|_| ())
    }

    fn creation(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (\"token\" VARCHAR(64) NOT NULL, \"table_id\" BIGINT NOT NULL, \
             \"table_name\" VARCHAR(128) NOT NULL, \"attempt\" VARCHAR(36) NOT NULL, \"rows\" BIGINT NOT NULL, \
             \"loaded_at\" TIMESTAMP NOT NULL)",
            self.table
        )
    }

    /// Waits for every other load of the schema and keeps them waiting until the transaction ends. It must come first:
    /// the transaction sees what was there when it first reads.
    pub(super) async fn lock(&self, session: &mut Session) -> Result<()> {
        session.ask(&format!("LOCK TABLE {}", self.table)).await.map(|_| ())
    }

    /// What makes the table this one, whatever it is called: a table made anew under the name is another.
    pub(super) async fn table_id(&self, session: &mut Session) -> Result<TableId> {
        table_id_of(session, &self.schema, &self.name).await
    }

    /// The same, if there is such a table.
    pub(super) async fn find_table(&self, session: &mut Session) -> Result<Option<TableId>> {
        match self.table_id(session).await {
            Ok(id) => Ok(Some(id)),
            Err(error) if error.kind() == ErrorKind::NotFound && error.sqlstate().is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What was known of a table is known of the one that takes its place.
    pub(super) async fn hand_down(&self, session: &mut Session, from: TableId, to: TableId) -> Result<()> {
        let sql = format!("UPDATE {} SET \"table_id\" = {to} WHERE \"table_id\" = {from}", self.table);
        session.ask(&sql).await.map(|_| ())
    }

    pub(super) async fn find(&self, session: &mut Session, table_id: i64, attempt: &str) -> Result<Entry> {
        let answer = session.ask(&self.search(table_id)).await?;
        Ok(match answer.value() {
            None => Entry::Missing,
            Some(by) if by == attempt => Entry::Ours,
            Some(_) => Entry::Another,
        })
    }

    fn search(&self, table_id: i64) -> String {
        format!(
            "SELECT \"attempt\" FROM {} WHERE \"token\" = {} AND \"table_id\" = {table_id} LIMIT 1",
            self.table, self.token
        )
    }

    pub(super) async fn write(&self, session: &mut Session, table_id: i64, attempt: &str, rows: u64) -> Result<()> {
        session.ask(&self.entry(table_id, attempt, rows)?).await.map(|_| ())
    }

    fn entry(&self, table_id: i64, attempt: &str, rows: u64) -> Result<String> {
        Ok(format!(
            "INSERT INTO {} (\"token\", \"table_id\", \"table_name\", \"attempt\", \"rows\", \"loaded_at\") \
             VALUES ({}, {table_id}, {}, {}, {rows}, GETDATE())",
            self.table,
            self.token,
            self.table_name,
            RedshiftDialect.string(attempt)?
        ))
    }
}

/// The number of the table of this schema and name, both of them literals, or several for the ways they may be spelled.
pub(crate) async fn table_id_of(session: &mut Session, schema: &str, name: &str) -> Result<i64> {
    // Of the leader node's catalogue: it must not meet another table in one query.
    let sql = format!(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname IN ({schema}) AND c.relname IN ({name})"
    );
    let id = session.ask(&sql).await?.value().and_then(|text| text.parse().ok());
    id.ok_or_else(|| Error::new(ErrorKind::NotFound, "the table is not there any more"))
}
