//! Tables, page by page.

use std::sync::Arc;

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::Result;
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableFilter, TableRef};

use super::{either, here, look};
use crate::cluster::Cluster;

/// How many tables are read at a time.
pub(crate) const PAGE: usize = 500;

/// How far a list has come.
#[derive(Debug)]
struct Reader {
    cluster: Arc<Cluster>,
    filter: TableFilter,
    database: Option<String>,
    after: Option<(String, String)>,
    ended: bool,
}

/// The tables that pass the filter, in the order of schemas and names. System schemas are listed only if asked for.
pub(crate) fn list(cluster: Arc<Cluster>, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
    let database = filter.catalog.clone();
    let reader = Reader { cluster, filter, database, after: None, ended: false };
    stream::try_unfold(reader, |mut reader| async move {
        Ok(reader.page().await?.map(|page| (stream::iter(page.into_iter().map(Ok)), reader)))
    })
    .try_flatten()
    .boxed()
}

impl Reader {
    async fn page(&mut self) -> Result<Option<Vec<TableRef>>> {
        if self.ended {
            return Ok(None);
        }
        let (database, rows) = self.cluster.policy().execute(look("tables.list"), |_| self.read()).await?;
        self.database = Some(database);
        self.ended = rows.len() < PAGE;
        let found: Vec<TableRef> = rows
            .into_iter()
            .filter_map(|row| <[Option<String>; 3]>::try_from(row).ok())
            .map(|row| row.map(Option::unwrap_or_default))
            .map(|[database, schema, name]| TableRef::new(name).with_schema(schema).with_catalog(database))
            .collect();
        self.after = found.last().and_then(|last| Some((last.schema()?.to_owned(), last.name().to_owned())));
        Ok(Some(found))
    }

    async fn read(&self) -> Result<(String, Vec<Vec<Option<String>>>)> {
        let mut session = self.cluster.pool().checkout().await?;
        let database = match &self.database {
            Some(database) => database.clone(),
            None => here(&mut *session).await?.database,
        };
        let sql = page(&database, &self.filter, self.after.as_ref(), PAGE)?;
        Ok((database, session.ask(&sql).await?.rows))
    }
}

pub(crate) fn page(
    database: &str,
    filter: &TableFilter,
    after: Option<&(String, String)>,
    size: usize,
) -> Result<String> {
    let mut wanted = vec![format!("database_name IN ({})", either(database)?)];
    wanted.push(match &filter.schema {
        Some(schema) => format!("schema_name IN ({})", either(schema)?),
        // Nobody's own schema begins like this.
        None => "LEFT(schema_name, 3) <> 'pg_' AND schema_name <> 'information_schema'".to_owned(),
    });
    if let Some(pattern) = &filter.name_like {
        wanted.push(like(pattern)?);
    }
    if let Some((schema, name)) = after {
        let (schema, name) = (RedshiftDialect.string(schema)?, RedshiftDialect.string(name)?);
        wanted.push(format!("(schema_name > {schema} OR (schema_name = {schema} AND table_name > {name}))"));
    }
    Ok(format!(
        "SELECT database_name, schema_name, table_name FROM svv_all_tables WHERE {} \
         ORDER BY schema_name, table_name LIMIT {size}",
        wanted.join(" AND ")
    ))
}

/// A pattern that escapes with backslashes as one that escapes with `^`: a backslash would have to pass through the
/// literal too.
fn like(pattern: &str) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&escaped)) => {
                chars.next();
                if matches!(escaped, '%' | '_' | '^') {
                    out.push('^');
                }
                out.push(escaped);
            }
            ('^', _) => out.push_str("^^"),
            (c, _) => out.push(c),
        }
    }
    let test = |pattern: &str| Ok(format!("table_name LIKE {} ESCAPE '^'", RedshiftDialect.string(pattern)?));
    let folded = out.to_ascii_lowercase();
    if folded == out { test(&out) } else { Ok(format!("({} OR {})", test(&out)?, test(&folded)?)) }
}
