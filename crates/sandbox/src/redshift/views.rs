//! The system views over what only the front knows: filled when someone reads them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_postgres::Client;
use twinhouse_core::{Error, ErrorKind, Result};

use super::{
    catalog::{connect, failed},
    record::Record,
};
use crate::postgres::PostgresAddress;

/// What each database's views have been told.
#[derive(Debug)]
pub(super) struct Views {
    serverless: bool,
    databases: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Told>>>>,
}

#[derive(Default)]
struct Told {
    client: Option<Client>,
    /// Of the record; 0 before the first time.
    version: u64,
}

impl Views {
    pub(super) fn new(serverless: bool) -> Self {
        Self { serverless, databases: Mutex::default() }
    }

    /// Tells the views of a database what has changed since the last time.
    pub(super) async fn fill(&self, postgres: &PostgresAddress, record: &Record, database: &str) -> Result<()> {
        let told = {
            let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(databases.entry(database.to_owned()).or_default())
        };
        let mut told = told.lock().await;
        let outcome = told.tell(postgres, record, database, self.serverless).await;
        if outcome.is_err() {
            // Perhaps it was written, perhaps not: next time all of it is.
            *told = Told::default();
        }
        outcome
    }
}

impl Told {
    async fn tell(
        &mut self,
        postgres: &PostgresAddress,
        record: &Record,
        database: &str,
        serverless: bool,
    ) -> Result<()> {
        let client = match &mut self.client {
            Some(client) if !client.is_closed() => client,
            empty => {
                let client = connect(postgres, database).await?;
                // Readers' snapshots must not clash with this.
                client.batch_execute("set default_transaction_isolation to 'read committed'").await.map_err(failed)?;
                empty.insert(client)
            }
        };
        let (version, changes) = record.changes(self.version);
        let text = serde_json::to_string(&changes)
            .map_err(|error| Error::new(ErrorKind::Internal, "the record cannot be written down").with_source(error))?;
        client
            .execute("select twinhouse.write_record($1::text::json, $2)", &[&text, &serverless])
            .await
            .map_err(failed)?;
        self.version = version;
        Ok(())
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("version", &self.version).finish_non_exhaustive()
    }
}
