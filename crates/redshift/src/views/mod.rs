//! Reading the server's system views: which columns, whose rows, page by page.

mod deployment;
mod fields;
mod listing;

#[cfg(test)]
mod tests;

use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableFilter};

pub use self::deployment::Deployment;
pub(crate) use self::{
    deployment::{DeploymentCell, deployment},
    fields::Fields,
    listing::Listing,
};
use crate::{cluster::Cluster, pool::Extras};

/// A system view and the columns that are read of it, in the order in which they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    /// What every release has.
    pub(crate) columns: &'static [&'static str],
    /// What came with later releases: read as NULL where it is not there.
    pub(crate) later: &'static [&'static str],
}

impl View {
    fn select(&self, with_later: bool) -> String {
        let later = self.later.iter().map(|column| if with_later { column } else { &"NULL" });
        let columns: Vec<&str> = self.columns.iter().chain(later).copied().collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.name)
    }

    /// Reads its rows; `rest` follows the name of the view.
    ///
    /// A release that lacks a column refuses the whole query, so it is asked once more without the later ones.
    pub(crate) async fn read(&self, cluster: &Cluster, operation: &'static str, rest: &str) -> Result<Vec<Fields>> {
        match self.ask(cluster, operation, &format!("{} {rest}", self.select(true))).await {
            Err(error) if error.sqlstate() == Some("42703") && !self.later.is_empty() => {
                self.ask(cluster, operation, &format!("{} {rest}", self.select(false))).await
            }
            read => read,
        }
    }

    async fn ask(&self, cluster: &Cluster, operation: &'static str, sql: &str) -> Result<Vec<Fields>> {
        let rows = rows(cluster, operation, sql).await.map_err(|error| error.with_context("view", self.name))?;
        Ok(rows.into_iter().map(|row| Fields::new(self.name, row)).collect())
    }
}

/// The rows of a query that only looks; it may be repeated.
pub(crate) async fn rows(cluster: &Cluster, operation: &'static str, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let ask = || async {
        let mut session = cluster.pool().checkout().await?;
        session.apply(&Extras::default()).await?;
        Ok(session.ask(sql).await?.rows)
    };
    cluster.policy().execute(Operation::read(operation).with_class("catalog"), |_| ask()).await
}

/// `column IN ('Name', 'name')`: the server folds names to lower case unless it is set to tell cases apart.
pub(crate) fn named(column: &str, name: &str) -> Result<String> {
    let (given, folded) = (RedshiftDialect.string(name)?, RedshiftDialect.string(&name.to_ascii_lowercase())?);
    Ok(if given == folded { format!("{column} = {given}") } else { format!("{column} IN ({given}, {folded})") })
}

/// `column LIKE …`, for a pattern that escapes with backslashes.
pub(crate) fn like(column: &str, pattern: &str) -> Result<String> {
    let mut escaped = String::with_capacity(pattern.len() + 4);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next)) => {
                chars.next();
                if matches!(next, '%' | '_' | '^') {
                    escaped.push('^');
                }
                escaped.push(next);
            }
            ('^', _) => escaped.push_str("^^"),
            (c, _) => escaped.push(c),
        }
    }
    let test = |pattern: &str| Ok::<_, Error>(format!("{column} LIKE {} ESCAPE '^'", RedshiftDialect.string(pattern)?));
    let folded = escaped.to_ascii_lowercase();
    Ok(if folded == escaped { test(&escaped)? } else { format!("({} OR {})", test(&escaped)?, test(&folded)?) })
}

/// The conditions that a filter of tables puts on the columns of a view that hold database, schema and table.
pub(crate) fn wanted(filter: &TableFilter, [database, schema, table]: [Option<&str>; 3]) -> Result<Vec<String>> {
    let mut wanted = Vec::new();
    match (database, &filter.catalog) {
        (Some(column), Some(name)) => wanted.push(named(column, name)?),
        (None, Some(_)) => {
            let why = "this view holds one database only: leave the catalog out";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        (_, None) => {}
    }
    if let (Some(column), Some(name)) = (schema, &filter.schema) {
        wanted.push(named(column, name)?);
    }
    if let (Some(column), Some(pattern)) = (table, &filter.name_like) {
        wanted.push(like(column, pattern)?);
    }
    Ok(wanted)
}
