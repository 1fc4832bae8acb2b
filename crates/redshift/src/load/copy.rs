//! COPY: its text, its count, and its errors in full.

use std::time::Duration;

use tokio::time::timeout;
use twinhouse_core::{Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

use super::{Place, Staged};
use crate::pool::{Answer, Session};

/// Looking for the reason must not take longer than finding out that there was an error.
const LOOK: Duration = Duration::from_secs(10);

/// Where the server keeps what was wrong with a file: on clusters and workgroups, and on clusters only.
const ERRORS: [(&str, &str); 2] = [
    (
        "sys_load_error_detail",
        "file_name, line_number, column_name, error_code, error_message FROM sys_load_error_detail WHERE STRPOS(file_name",
    ),
    (
        "stl_load_errors",
        "filename, line_number, colname, err_code, err_reason FROM stl_load_errors WHERE STRPOS(filename",
    ),
];

/// Has the server load the staged files. Names are quoted already; columns stand in the order of the files'.
///
/// # Errors
///
/// [`ErrorKind::Data`] if the server loaded another number of rows than were staged; they are in the table then, unless
/// the transaction is rolled back.
pub(crate) async fn copy(
    session: &mut Session,
    table: &str,
    columns: &[String],
    role: &str,
    staged: &Staged,
) -> Result<()> {
    let Some(manifest) = &staged.manifest else { return Ok(()) };
    let answer = session.ask(&statement(table, columns, manifest, role)?).await?;
    let loaded = match session.ask("SELECT pg_last_copy_count()").await?.value().and_then(|text| text.parse().ok()) {
        Some(count) => Some(count),
        None => noticed(&answer),
    };
    if loaded == Some(staged.rows) {
        return Ok(());
    }
    let loaded = loaded.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    Err(Error::new(ErrorKind::Data, "the server did not load the rows that were staged")
        .with_fault(Fault::PERMANENT)
        .with_context("staged rows", staged.rows.to_string())
        .with_context("loaded rows", loaded))
}

pub(super) fn statement(table: &str, columns: &[String], manifest: &str, role: &str) -> Result<String> {
    let role = match role {
        "default" => role.to_owned(),
        named => RedshiftDialect.string(named)?,
    };
    Ok(format!(
        "COPY {table} ({}) FROM {} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST",
        columns.join(", "),
        RedshiftDialect.string(manifest)?
    ))
}

/// `Load into table 't' completed, 3 record(s) loaded successfully.`
fn noticed(answer: &Answer) -> Option<u64> {
    answer.notices.iter().find_map(|notice| {
        let (before, _) = notice.message.split_once(" record(s) loaded")?;
        before.rsplit([' ', ',']).next()?.parse().ok()
    })
}

/// Adds to an error of COPY what the server wrote down about it: file, line, column, code and reason. The transaction
/// must be over. What the server does not tell leaves the error as it is.
pub(crate) async fn explain(session: &mut Session, place: &Place, error: Error) -> Error {
    let of_data = matches!(error.kind(), ErrorKind::Data | ErrorKind::Internal | ErrorKind::Constraint);
    if error.sqlstate().is_none() || !of_data {
        return error;
    }
    for (_, sought) in ERRORS {
        // The attempt's name is in the name of every file of it, and of no other.
        let Ok(attempt) = RedshiftDialect.string(place.attempt()) else { return error };
        let sql = format!("SELECT {sought}, {attempt}) > 0 ORDER BY 2 LIMIT 1");
        match timeout(LOOK, session.ask(&sql)).await {
            Ok(Ok(answer)) => {
                if let Some(row) = answer.rows.into_iter().next() {
                    return detailed(error, row);
                }
            }
            // Not every server has every view, or shows it to everybody.
            Ok(Err(refused)) => tracing::debug!(error = %refused, "the errors of the load cannot be read"),
            Err(_) => return error,
        }
    }
    error
}

fn detailed(mut error: Error, row: Vec<Option<String>>) -> Error {
    let mut values =
        row.into_iter().map(|value| value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()));
    for name in ["file", "line", "copy column", "code", "reason"] {
        let Some(value) = values.next().flatten() else { continue };
        error = if name == "code" { error.with_vendor_code(value) } else { error.with_context(name, value) };
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Notice;

    #[test]
    fn names_and_places_are_quoted() {
        let columns = ["\"a\"\"b\"".to_owned(), "\"c\"".to_owned()];
        let at = "s3://b/p/manifest";
        assert_eq!(
            statement("\"s\".\"t\"", &columns, at, "default").unwrap(),
            "COPY \"s\".\"t\" (\"a\"\"b\", \"c\") FROM 's3://b/p/manifest' IAM_ROLE default FORMAT AS PARQUET MANIFEST"
        );
        assert!(
            statement("t", &columns, at, "arn:aws:iam::1:role/r")
                .unwrap()
                .contains(" IAM_ROLE 'arn:aws:iam::1:role/r' ")
        );
        assert!(statement("t", &columns, "s3://b/it's\\", "default").unwrap().contains(r"FROM 's3://b/it''s\\' "));
    }

    #[test]
    fn the_count_stands_in_a_notice_too() {
        let said = |message: &str| {
            let notice = Notice { severity: "INFO".to_owned(), message: message.to_owned() };
            noticed(&Answer { notices: vec![notice], ..Answer::default() })
        };
        assert_eq!(said("Load into table 'a, 7' completed, 12 record(s) loaded successfully."), Some(12));
        assert_eq!(said("Load into table 't' completed."), None);
    }
}
