//! COPY: its text, its count, and its errors in full.

use twinhouse_core::{Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

use super::{Format, Place, Staged, csv};
use crate::{
    copy::{Role, Sought, look},
    pool::Session,
    wire::Notice,
};

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
    let answer = session.ask(&statement(table, columns, manifest, role, &staged.format)?).await?;
    let loaded = match session.ask("SELECT pg_last_copy_count()").await?.value().and_then(|text| text.parse().ok()) {
        Some(count) => Some(count),
        None => answer.notices.iter().find_map(Notice::rows_loaded),
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

pub(super) fn statement(
    table: &str,
    columns: &[String],
    manifest: &str,
    role: &str,
    format: &Format,
) -> Result<String> {
    let role = Role::of_setting(role).to_sql()?;
    let format = match format {
        Format::Parquet => "PARQUET MANIFEST".to_owned(),
        Format::Csv(_) => {
            format!("CSV MANIFEST NULL AS {} DATEFORMAT 'auto' TIMEFORMAT 'auto'", RedshiftDialect.string(csv::NULL)?)
        }
    };
    let manifest = RedshiftDialect.string(manifest)?;
    Ok(format!("COPY {table} ({}) FROM {manifest} {role} FORMAT AS {format}", columns.join(", ")))
}

/// Adds to an error of COPY what the server wrote down about it: file, line, column, code and reason. The transaction
/// must be over. What the server does not tell leaves the error as it is.
pub(crate) async fn explain(session: &mut Session, place: &Place, error: Error) -> Error {
    let of_data = matches!(error.kind(), ErrorKind::Data | ErrorKind::Internal | ErrorKind::Constraint);
    if error.sqlstate().is_none() || !of_data {
        return error;
    }
    // The attempt's name is in the name of every file of it, and of no other.
    let Ok(sought) = Sought::in_files(place.attempt()) else { return error };
    match look(session, &sought, false).await.first() {
        Some(first) => first.add_to(error),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_are_quoted() {
        let columns = ["\"a\"\"b\"".to_owned(), "\"c\"".to_owned()];
        let at = "s3://b/p/manifest";
        assert_eq!(
            statement("\"s\".\"t\"", &columns, at, "default", &Format::Parquet).unwrap(),
            "COPY \"s\".\"t\" (\"a\"\"b\", \"c\") FROM 's3://b/p/manifest' IAM_ROLE default FORMAT AS PARQUET MANIFEST"
        );
        assert!(
            statement("t", &columns, at, "arn:aws:iam::1:role/r", &Format::Parquet)
                .unwrap()
                .contains(" IAM_ROLE 'arn:aws:iam::1:role/r' ")
        );
        assert!(
            statement("t", &columns, "s3://b/it's\\", "default", &Format::Csv(Vec::new()))
                .unwrap()
                .contains(r"FROM 's3://b/it''s\\' ")
        );
    }
}
