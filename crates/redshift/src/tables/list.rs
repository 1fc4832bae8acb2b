//! Tables, page by page.

use std::sync::Arc;

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableFilter, TableRef};

use super::{Ask, either, here, look};
use crate::cluster::Cluster;

/// How many tables are read at a time.
const PAGE: usize = 500;

/// Where a list is read, a page at a time.
pub(crate) trait Source: Send + Sync + 'static {
    /// Asks for what comes next of [`Progress`], with [`Progress::read`].
    fn read(&self, progress: &Progress) -> impl Future<Output = Result<Page>> + Send;
}

impl Source for Arc<Cluster> {
    async fn read(&self, progress: &Progress) -> Result<Page> {
        let read = async || progress.read(&mut *self.pool().checkout().await?).await;
        self.policy().execute(look("tables.list"), |_| read()).await
    }
}

/// The database that was read, and rows of it.
pub(crate) type Page = (String, Vec<Vec<Option<String>>>);

/// How far a list has come.
#[derive(Debug)]
pub(crate) struct Progress {
    filter: TableFilter,
    database: Option<String>,
    after: Option<(String, String)>,
    ended: bool,
}

/// The tables that pass the filter, in the order of schemas and names. System schemas are listed only if asked for.
pub(crate) fn list(source: impl Source, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
    let database = filter.catalog.clone();
    let progress = Progress { filter, database, after: None, ended: false };
    stream::try_unfold((source, progress), |(source, mut progress)| async move {
        if progress.ended {
            return Ok(None);
        }
        let page = progress.take(source.read(&progress).await?);
        Ok::<_, Error>(Some((stream::iter(page.into_iter().map(Ok)), (source, progress))))
    })
    .try_flatten()
    .boxed()
}

impl Progress {
    /// The next page, out of the database that the filter or else the session names.
    pub(crate) async fn read(&self, session: &mut impl Ask) -> Result<Page> {
        let database = match &self.database {
            Some(database) => database.clone(),
            None => here(session).await?.database,
        };
        let sql = page(&database, &self.filter, self.after.as_ref(), PAGE)?;
        Ok((database, session.ask(&sql).await?))
    }

    fn take(&mut self, (database, rows): Page) -> Vec<TableRef> {
        self.database = Some(database);
        self.ended = rows.len() < PAGE;
        let found: Vec<TableRef> = rows
            .into_iter()
            .filter_map(|row| <[Option<String>; 3]>::try_from(row).ok())
            .map(|row| row.map(Option::unwrap_or_default))
            .map(|[database, schema, name]| TableRef::new(name).with_schema(schema).with_catalog(database))
            .collect();
        self.after = found.last().and_then(|last| Some((last.schema()?.to_owned(), last.name().to_owned())));
        found
    }
}

pub(super) fn page(
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
