//! What a transaction sees of others: a matter of its database, not of the transaction.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, Isolation, RedshiftDialect};

use crate::{error::harmless, pool::Session};

/// Refuses a level that is not the database's own: the server takes every level in `BEGIN` and keeps to that one.
pub(super) async fn check(session: &mut Session, database: &str, wanted: Isolation) -> Result<()> {
    let sql = format!(
        "SELECT database_isolation_level FROM svv_redshift_databases WHERE database_name = {}",
        RedshiftDialect.string(&database.to_lowercase())?
    );
    let answer = session.ask(&sql).await.map_err(harmless)?;
    let level = answer.value().map(str::trim).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the server does not say which isolation its database has")
            .with_context("database", database.to_owned())
    })?;
    if is(level, wanted) {
        return Ok(());
    }
    let wish = "sets isolation for a whole database, not for a transaction: ALTER DATABASE … ISOLATION LEVEL …";
    Err(Error::unsupported("redshift", wish)
        .with_context("wanted", format!("{wanted:?}").to_lowercase())
        .with_context("database isolation", level.to_owned()))
}

fn is(level: &str, wanted: Isolation) -> bool {
    let level = level.to_ascii_lowercase();
    match wanted {
        Isolation::Serializable => level.starts_with("serializable"),
        Isolation::Snapshot => level.starts_with("snapshot"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_databases_or_it_is_not_to_be_had() {
        for (level, serializable, snapshot) in [
            ("Serializable", true, false),
            ("Snapshot Isolation", false, true),
            ("SNAPSHOT", false, true),
            ("", false, false),
        ] {
            assert_eq!((is(level, Isolation::Serializable), is(level, Isolation::Snapshot)), (serializable, snapshot));
        }
    }
}
