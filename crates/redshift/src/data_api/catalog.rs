//! Tables, found and described with the questions that the wire asks.

use twinhouse_core::Result;
use twinhouse_warehouse_api::{CallOptions, Dialect as _, RedshiftDialect, StatementHandle, TableInfo, TableRef};

use super::{
    client::{Client, Sending},
    records,
    statement::Statement,
};
use crate::tables::{Ask, Page, Progress, Source, look_up};

/// Asks the catalogue.
struct Asker(Client);

impl Source for Client {
    async fn read(&self, progress: &Progress) -> Result<Page> {
        progress.read(&mut Asker(self.clone())).await
    }
}

impl Ask for Asker {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let sending = Sending { sql: sql.to_owned(), ..Sending::default() };
        let statement = std::sync::Arc::new(Statement::submit(self.0.clone(), sending).await?);
        let handle = StatementHandle::new(statement.clone(), &CallOptions::default());
        handle.ready().await?;
        let (mut rows, mut token) = (Vec::new(), None);
        loop {
            let mut answer = self.0.page(handle.id().as_str(), token.as_deref()).await?;
            for fields in answer.records() {
                rows.push(records::texts(fields)?);
            }
            token = answer.next_token.take();
            if token.is_none() {
                handle.detach();
                return Ok(rows);
            }
        }
    }
}

pub(super) async fn describe(client: Client, table: &TableRef) -> Result<TableInfo> {
    RedshiftDialect.table(table)?;
    Ok(look_up(&mut Asker(client), table).await?.info)
}
