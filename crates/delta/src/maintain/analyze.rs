//! ANALYZE TABLE: statistics for the query planner.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{CallOptions, StatementRequest};

use super::answer::done;
use crate::table::DeltaTable;

/// Which statistics to compute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Analyze {
    /// Rows and bytes of the table.
    #[default]
    Table,
    /// Bytes of the table only, without reading it.
    NoScan,
    /// The table's, and those of these columns.
    Columns(Vec<String>),
    /// The table's, and those of every column.
    AllColumns,
}

/// What to analyze.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AnalyzeOptions {
    /// Which statistics.
    pub what: Analyze,
    /// Deadline and label of the statement.
    pub call: CallOptions,
}

impl AnalyzeOptions {
    /// Sets [`what`](Self::what).
    #[must_use]
    pub fn with_what(mut self, what: Analyze) -> Self {
        self.what = what;
        self
    }

    /// Sets [`what`](Self::what) to these columns.
    #[must_use]
    pub fn with_columns<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.with_what(Analyze::Columns(columns.into_iter().map(Into::into).collect()))
    }

    /// Sets [`call`](Self::call).
    #[must_use]
    pub fn with_call(mut self, call: CallOptions) -> Self {
        self.call = call;
        self
    }
}

impl DeltaTable {
    /// Computes the statistics by which the server plans queries. It makes no version of the table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for an empty list of columns, before anything is sent.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement; the statistics are then as before.
    pub async fn analyze(&self, options: AnalyzeOptions) -> Result<()> {
        done(self.warehouse().as_ref(), self.analyze_request(&options)?).await
    }

    fn analyze_request(&self, options: &AnalyzeOptions) -> Result<StatementRequest> {
        let mut sql = format!("ANALYZE TABLE {} COMPUTE STATISTICS", self.sql_name()?);
        match &options.what {
            Analyze::Table => {}
            Analyze::NoScan => sql.push_str(" NOSCAN"),
            Analyze::AllColumns => sql.push_str(" FOR ALL COLUMNS"),
            Analyze::Columns(columns) if columns.is_empty() => {
                return Err(Error::new(ErrorKind::InvalidInput, "name the columns to analyze"));
            }
            Analyze::Columns(columns) => {
                let dialect = &self.warehouse().info().dialect;
                let columns = columns.iter().map(|name| dialect.quote(name)).collect::<Result<Vec<_>>>()?;
                sql.push_str(&format!(" FOR COLUMNS {}", columns.join(", ")));
            }
        }
        Ok(StatementRequest::write(sql).with_options(options.call.clone()))
    }
}
