//! ALTER TABLE … APPEND and ALTER COLUMN … TYPE.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef};

use crate::{cluster::Cluster, command};

/// What becomes of columns that only one of the two tables has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AppendColumns {
    /// Both must have the same.
    #[default]
    Same,
    /// What only the source has is thrown away.
    IgnoreExtra,
    /// What only the target has gets its default, or NULL.
    FillTarget,
}

/// Which rows are moved where.
///
/// ```
/// use twinhouse_redshift::{AppendColumns, AppendRequest};
///
/// let request = AppendRequest::new("orders".parse()?, "staged".parse()?).with_columns(AppendColumns::FillTarget);
/// assert_eq!(request.sql()?, r#"ALTER TABLE "orders" APPEND FROM "staged" FILLTARGET"#);
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendRequest {
    /// Where the rows go.
    pub target: TableRef,
    /// Where they come from; it is empty afterwards.
    pub source: TableRef,
    /// What becomes of columns that only one of the two has.
    pub columns: AppendColumns,
}

impl AppendRequest {
    /// All rows of `source` to the end of `target`.
    pub fn new(target: TableRef, source: TableRef) -> Self {
        Self { target, source, columns: AppendColumns::default() }
    }

    /// Sets what becomes of columns that only one of the two has.
    #[must_use]
    pub fn with_columns(mut self, columns: AppendColumns) -> Self {
        self.columns = columns;
        self
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a table and itself, or one of another database.
    pub fn sql(&self) -> Result<String> {
        let wrong = |why: &'static str| Err(Error::new(ErrorKind::InvalidInput, why));
        if self.target == self.source {
            return wrong("a table cannot be appended to itself");
        }
        if self.target.catalog().is_some() || self.source.catalog().is_some() {
            return wrong("tables of other databases cannot be appended");
        }
        let columns = match self.columns {
            AppendColumns::Same => "",
            AppendColumns::IgnoreExtra => " IGNOREEXTRA",
            AppendColumns::FillTarget => " FILLTARGET",
        };
        let (target, source) = (RedshiftDialect.table(&self.target)?, RedshiftDialect.table(&self.source)?);
        Ok(format!("ALTER TABLE {target} APPEND FROM {source}{columns}"))
    }
}

pub(super) async fn append(cluster: &Cluster, request: &AppendRequest) -> Result<()> {
    command::run(cluster, "maintenance.append", &[&request.sql()?]).await.map(drop)
}

pub(super) async fn resize(cluster: &Cluster, table: &TableRef, column: &str, bytes: u32) -> Result<()> {
    command::run(cluster, "maintenance.resize", &[&resize_sql(table, column, bytes)?]).await.map(drop)
}

pub(super) fn resize_sql(table: &TableRef, column: &str, bytes: u32) -> Result<String> {
    if !(1..=65_535).contains(&bytes) {
        return Err(Error::new(ErrorKind::InvalidInput, "a VARCHAR holds 1 to 65535 bytes"));
    }
    let (table, column) = (RedshiftDialect.table(table)?, RedshiftDialect.quote(column)?);
    Ok(format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR({bytes})"))
}
