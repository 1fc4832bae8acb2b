//! Tables, found and described with the questions that the wire asks.

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::Result;
use twinhouse_warehouse_api::{
    CallOptions, Dialect as _, RedshiftDialect, StatementHandle, TableFilter, TableInfo, TableRef,
};

use super::{
    client::{Client, Sending},
    records,
    statement::Statement,
};
use crate::tables::{Ask, PAGE, look_up, page};

/// Asks the catalogue.
struct Asker(Client);

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

/// How far a list has come.
enum Place {
    Start,
    After(String, (String, String)),
}

pub(super) fn list(client: Client, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
    stream::try_unfold(Some(Place::Start), move |place| {
        let (mut asker, filter) = (Asker(client.clone()), filter.clone());
        async move {
            let (database, after) = match place {
                None => return Ok(None),
                Some(Place::After(database, after)) => (database, Some(after)),
                Some(Place::Start) => match &filter.catalog {
                    Some(database) => (database.clone(), None),
                    None => (crate::tables::here(&mut asker).await?.database, None),
                },
            };
            let rows = asker.ask(&page(&database, &filter, after.as_ref(), PAGE)?).await?;
            let full = rows.len() == PAGE;
            let found: Vec<TableRef> = rows
                .into_iter()
                .filter_map(|row| <[Option<String>; 3]>::try_from(row).ok())
                .map(|row| row.map(Option::unwrap_or_default))
                .map(|[database, schema, name]| TableRef::new(name).with_schema(schema).with_catalog(database))
                .collect();
            let last = found.last().and_then(|last| Some((last.schema()?.to_owned(), last.name().to_owned())));
            let next = last.filter(|_| full).map(|last| Place::After(database, last));
            Ok::<_, twinhouse_core::Error>(Some((stream::iter(found.into_iter().map(Ok)), next)))
        }
    })
    .try_flatten()
    .boxed()
}
