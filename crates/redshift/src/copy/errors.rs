//! What the server wrote down about rows that it could not load.

use std::{fmt, time::Duration};

use tokio::time::timeout;
use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef};

use crate::{
    cluster::Cluster,
    load::{Call, table_id_of},
    pool::Session,
    tables::describe,
};

/// Looking for the reason must not take longer than finding out that there was an error.
const LOOK: Duration = Duration::from_secs(10);
/// So many errors of one load are told.
pub(super) const TOLD: usize = 100;

/// A row that could not be loaded, as the server wrote it down.
///
/// What stood in the file is not printed; read [`raw_line`](Self::raw_line) and [`raw_value`](Self::raw_value).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadError {
    /// The load's number.
    pub query_id: Option<i64>,
    /// The file's URL. The server keeps 256 bytes of it.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column, if the error is about one.
    pub column: Option<String>,
    /// Its type and, where that has one, its length.
    pub column_type: Option<String>,
    /// Where in the field, in characters.
    pub position: Option<u64>,
    /// The server's number of the error, such as 1204.
    pub code: Option<i32>,
    /// In the server's words.
    pub reason: String,
    /// The line as it stood in the file. Provisioned clusters only.
    pub raw_line: Option<String>,
    /// The value as it stood in the file. Provisioned clusters only.
    pub raw_value: Option<String>,
}

/// Where in the file and why, never what.
impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadError")
            .field("query_id", &self.query_id)
            .field("file", &self.file)
            .field("line", &self.line)
            .field("column", &self.column)
            .field("code", &self.code)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl LoadError {
    fn of(row: Vec<Option<String>>) -> Self {
        let texts = row.into_iter().map(|value| value.map(|text| text.trim_end().to_owned()));
        let mut texts = texts.map(|value| value.filter(|text| !text.is_empty()));
        let mut next = || texts.next().flatten();
        let file = next().unwrap_or_default();
        let (line, column, code) = (next(), next(), next());
        let reason = next().unwrap_or_default();
        let (query, kind, length, position) = (next(), next(), next(), next());
        let column_type = kind.map(|kind| match length.filter(|length| length.trim() != "0") {
            Some(length) => format!("{}({})", kind.trim(), length.trim()),
            None => kind,
        });
        fn number<T: std::str::FromStr>(text: Option<String>) -> Option<T> {
            text?.trim().parse().ok()
        }
        Self {
            query_id: number(query),
            file,
            line: number(line),
            column,
            column_type,
            position: number(position),
            code: number(code),
            reason: reason.trim().to_owned(),
            raw_line: next(),
            raw_value: next(),
        }
    }

    /// The error with where and why.
    pub(crate) fn add_to(&self, mut error: Error) -> Error {
        if !self.file.is_empty() {
            error = error.with_context("file", self.file.clone());
        }
        if let Some(line) = self.line {
            error = error.with_context("line", line.to_string());
        }
        if let Some(column) = &self.column {
            error = error.with_context("copy column", column.clone());
        }
        if let Some(code) = self.code {
            error = error.with_vendor_code(code.to_string());
        }
        if self.reason.is_empty() { error } else { error.with_context("reason", self.reason.clone()) }
    }

    fn is_about(&self, other: &Self) -> bool {
        (self.query_id, &self.file, self.line, &self.column) == (other.query_id, &other.file, other.line, &other.column)
    }
}

/// Which load errors are wanted: newest first, at most so many.
///
/// ```
/// use std::time::Duration;
///
/// use twinhouse_redshift::LoadErrorFilter;
/// use twinhouse_warehouse_api::TableRef;
///
/// let recent = LoadErrorFilter::default().of_table(TableRef::new("orders")).within(Duration::from_secs(600));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadErrorFilter {
    table: Option<TableRef>,
    query_id: Option<i64>,
    within: Option<Duration>,
    limit: Option<usize>,
}

impl LoadErrorFilter {
    /// Of loads into this table.
    #[must_use]
    pub fn of_table(mut self, table: TableRef) -> Self {
        self.table = Some(table);
        self
    }

    /// Of this load.
    #[must_use]
    pub fn of_query(mut self, query_id: i64) -> Self {
        self.query_id = Some(query_id);
        self
    }

    /// Of loads that began in the last so many seconds, by the server's clock. Fractions are rounded up.
    #[must_use]
    pub fn within(mut self, past: Duration) -> Self {
        self.within = Some(past);
        self
    }

    /// At most so many; 100 unless set.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// Which errors are looked for in the views.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sought {
    query_id: Option<i64>,
    table_id: Option<i64>,
    /// In the name of every file of the load, and of no other. A literal.
    files: Option<String>,
    seconds: Option<u64>,
    limit: usize,
}

impl Sought {
    pub(crate) fn of_query(query_id: i64) -> Self {
        Self { query_id: Some(query_id), limit: TOLD, ..Self::default() }
    }

    /// The first of the files whose name holds this.
    pub(crate) fn in_files(part: &str) -> Result<Self> {
        Ok(Self { files: Some(RedshiftDialect.string(part)?), limit: 1, ..Self::default() })
    }

    fn clause(&self, view: &View) -> String {
        let mut wanted = Vec::new();
        if let Some(id) = self.query_id {
            wanted.push(format!("{} = {id}", view.query));
        }
        if let Some(id) = self.table_id {
            wanted.push(format!("{} = {id}", view.table));
        }
        if let Some(part) = &self.files {
            wanted.push(format!("STRPOS({}, {part}) > 0", view.file));
        }
        if let Some(seconds) = self.seconds {
            wanted.push(format!("{} >= DATEADD(second, -{seconds}, GETDATE())", view.start));
        }
        let wanted = if wanted.is_empty() { String::new() } else { format!(" WHERE {}", wanted.join(" AND ")) };
        let order = format!("{} DESC, {}, line_number", view.start, view.file);
        format!("SELECT {} FROM {}{wanted} ORDER BY {order} LIMIT {}", view.columns, view.name, self.limit)
    }
}

struct View {
    name: &'static str,
    columns: &'static str,
    query: &'static str,
    table: &'static str,
    file: &'static str,
    start: &'static str,
}

/// On clusters and workgroups; without what stood in the files.
const SYS: View = View {
    name: "sys_load_error_detail",
    columns: "file_name, line_number, column_name, error_code, error_message, query_id, column_type, column_length, \
              position",
    query: "query_id",
    table: "table_id",
    file: "file_name",
    start: "start_time",
};
/// On clusters only.
const STL: View = View {
    name: "stl_load_errors",
    columns: "filename, line_number, colname, err_code, err_reason, query, type, col_length, position, raw_line, \
              raw_field_value",
    query: "query",
    table: "tbl",
    file: "filename",
    start: "starttime",
};

/// What the server wrote down, and, if `raw`, what stood in the files where it says that. No transaction may be open:
/// not every server has every view, or shows it to everybody, and what it does not tell stays unknown.
pub(crate) async fn look(session: &mut Session, sought: &Sought, raw: bool) -> Vec<LoadError> {
    let reading = async {
        let mut errors = read(session, sought, &SYS).await;
        if raw || errors.is_empty() {
            let detailed = read(session, sought, &STL).await;
            if errors.is_empty() {
                return detailed;
            }
            for error in &mut errors {
                if let Some(more) = detailed.iter().find(|more| more.is_about(error)) {
                    (error.raw_line, error.raw_value) = (more.raw_line.clone(), more.raw_value.clone());
                }
            }
        }
        errors
    };
    timeout(LOOK, reading).await.unwrap_or_default()
}

async fn read(session: &mut Session, sought: &Sought, view: &View) -> Vec<LoadError> {
    match session.ask(&sought.clause(view)).await {
        Ok(answer) => answer.rows.into_iter().map(LoadError::of).collect(),
        Err(refused) => {
            tracing::debug!(view = view.name, error = %refused, "the errors of loads cannot be read");
            Vec::new()
        }
    }
}

/// The errors that a filter is about.
pub(crate) async fn load_errors(cluster: &Cluster, filter: LoadErrorFilter) -> Result<Vec<LoadError>> {
    let table = match &filter.table {
        Some(table) => Some(describe(cluster, table).await?),
        None => None,
    };
    let call = Call::begin(&Default::default());
    let mut session = call.session(cluster).await?;
    let table_id = match table {
        Some(table) => {
            let table = &table.info.table;
            let (schema, name) = (RedshiftDialect.string(table.schema().unwrap_or_default())?, table.name());
            Some(table_id_of(&mut session, &schema, &RedshiftDialect.string(name)?).await?)
        }
        None => None,
    };
    let seconds = filter.within.map(|past| past.as_secs().saturating_add(u64::from(past.subsec_nanos() > 0)));
    let limit = filter.limit.unwrap_or(TOLD);
    let sought = Sought { query_id: filter.query_id, table_id, files: None, seconds, limit };
    Ok(look(&mut session, &sought, true).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_in_the_file_is_not_printed() {
        let row = ["s3://b/f  ", "3", "name ", "1204", "String length exceeds DDL length ", "17", "varchar", "5", "2"];
        let mut row: Vec<_> = row.into_iter().map(|text| Some(text.to_owned())).collect();
        row.extend([Some("7|secret".to_owned()), Some("secret".to_owned())]);
        let error = LoadError::of(row);
        assert_eq!((error.line, error.code, error.query_id, error.position), (Some(3), Some(1204), Some(17), Some(2)));
        assert_eq!((error.column.as_deref(), error.column_type.as_deref()), (Some("name"), Some("varchar(5)")));
        assert_eq!((error.raw_line.as_deref(), error.raw_value.as_deref()), (Some("7|secret"), Some("secret")));
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn a_filter_becomes_a_condition_on_the_columns_of_its_view() {
        let sought = Sought { query_id: Some(7), table_id: Some(9), files: None, seconds: Some(60), limit: 5 };
        assert!(
            sought.clause(&STL).ends_with(
                "FROM stl_load_errors WHERE query = 7 AND tbl = 9 AND starttime >= DATEADD(second, -60, GETDATE()) \
                 ORDER BY starttime DESC, filename, line_number LIMIT 5"
            ),
            "{}",
            sought.clause(&STL)
        );
        let sought = Sought::in_files("it's").unwrap();
        assert!(sought.clause(&SYS).contains("WHERE STRPOS(file_name, 'it''s') > 0 ORDER BY"));
        assert!(Sought::default().clause(&SYS).contains("FROM sys_load_error_detail ORDER BY"));
    }
}
