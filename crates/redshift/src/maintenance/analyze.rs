//! ANALYZE.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef};

/// Which columns are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnalyzeScope {
    /// As the server does by itself: all.
    #[default]
    Default,
    /// Only those that queries have used in conditions.
    PredicateColumns,
    /// All.
    AllColumns,
}

/// What is analyzed, and how.
///
/// ```
/// use twinhouse_redshift::{AnalyzeRequest, AnalyzeScope};
///
/// let request = AnalyzeRequest::table("sales.orders".parse()?).with_columns(["day"]);
/// assert_eq!(request.sql()?, r#"ANALYZE "sales"."orders" ("day")"#);
/// let request = AnalyzeRequest::database().with_scope(AnalyzeScope::PredicateColumns);
/// assert_eq!(request.sql()?, "ANALYZE PREDICATE COLUMNS");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnalyzeRequest {
    /// The table; without one, every table of the database.
    pub table: Option<TableRef>,
    /// These columns only.
    pub columns: Vec<String>,
    /// Which columns are looked at.
    pub scope: AnalyzeScope,
    /// A table of which less than this percentage has changed is passed over; the server's default is 10.
    pub threshold: Option<u8>,
}

impl AnalyzeRequest {
    /// One table.
    pub fn table(table: TableRef) -> Self {
        Self { table: Some(table), ..Self::database() }
    }

    /// Every table of the database.
    pub fn database() -> Self {
        Self { table: None, columns: Vec::new(), scope: AnalyzeScope::default(), threshold: None }
    }

    /// Looks at these columns only.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets which columns are looked at.
    #[must_use]
    pub fn with_scope(mut self, scope: AnalyzeScope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets how much of a table must have changed, in percent; 0 passes none over.
    #[must_use]
    pub fn with_threshold(mut self, percent: u8) -> Self {
        self.threshold = Some(percent);
        self
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], saying which options do not go together.
    pub fn sql(&self) -> Result<String> {
        let mut sql = "ANALYZE".to_owned();
        if let Some(table) = &self.table {
            sql = format!("{sql} {}", RedshiftDialect.table(table)?);
        } else if !self.columns.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "columns to analyze need a table"));
        }
        if !self.columns.is_empty() {
            let columns: Vec<_> = self.columns.iter().map(|name| RedshiftDialect.quote(name)).collect::<Result<_>>()?;
            sql = format!("{sql} ({})", columns.join(", "));
        }
        sql.push_str(match self.scope {
            AnalyzeScope::Default => "",
            AnalyzeScope::PredicateColumns => " PREDICATE COLUMNS",
            AnalyzeScope::AllColumns => " ALL COLUMNS",
        });
        Ok(sql)
    }

    /// The setting that must stand before the statement. It ends when its session goes to its next user.
    pub(super) fn threshold_sql(&self) -> Result<Option<String>> {
        match self.threshold {
            Some(101..) => Err(Error::new(ErrorKind::InvalidInput, "a threshold is a percentage, 0 to 100")),
            threshold => Ok(threshold.map(|percent| format!("SET analyze_threshold_percent TO {percent}"))),
        }
    }
}
