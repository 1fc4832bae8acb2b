//! The cluster behind glass: what the status page shows of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use twinhouse_core::{Report as Chain, Result};

use super::{catalog, front::Shared};
use crate::status::{Exhibit, Shown, State};

/// What the users of the cluster have made: the engine's own schemas and what makes it a Redshift are left out.
const TABLES: &str = "select n.nspname || '.' || c.relname, c.relkind::text from pg_class c \
    join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'v', 'm') and c.relpersistence = 'p' \
    and pg_get_userbyid(c.relowner) <> current_user order by 1";
/// A page that waits for a lock helps nobody.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Window(pub(super) Arc<Shared>);

impl Window {
    async fn look(&self) -> Result<Vec<(String, &'static str)>> {
        let mut found = Vec::new();
        for database in &self.0.databases {
            let admin = catalog::connect(&self.0.postgres, database).await?;
            for row in admin.query(TABLES, &[]).await.map_err(catalog::failed)? {
                let (name, kind): (String, String) = (row.get(0), row.get(1));
                let kind = if matches!(kind.as_str(), "r" | "p") { "table" } else { "view" };
                found.push((format!("{database}.{name}"), kind));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Exhibit for Window {
    async fn tables(&self) -> Vec<(String, &'static str)> {
        match tokio::time::timeout(PATIENCE, self.look()).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::debug!(error = %Chain(&error), "could not list the tables of the cluster");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    fn statements(&self) -> Vec<Shown> {
        let time = |micros: i64| SystemTime::UNIX_EPOCH + Duration::from_micros(micros.try_into().unwrap_or_default());
        let shown = self.0.record.latest().into_iter().map(|query| Shown {
            state: State::of(query.status),
            word: query.status.to_owned(),
            began: time(query.start_time),
            ended: query.end_time.map(time),
            sql: query.query_text,
        });
        shown.collect()
    }
}
