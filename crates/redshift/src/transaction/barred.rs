//! What cannot run inside a transaction, refused before it is sent: there it would abort the transaction, or end it.

use twinhouse_core::{Error, Result};

use crate::statement::text::Words;

/// How a statement begins, a word that must follow somewhere (or none), and why it is refused.
const BARRED: &[(&[&str], &[&str], &str)] = &[
    (&["SAVEPOINT"], &[], "Redshift has no savepoints"),
    (&["RELEASE"], &[], "Redshift has no savepoints"),
    (&["ROLLBACK", "TO"], &[], "Redshift has no savepoints"),
    (&["BEGIN"], &[], "a transaction is open already"),
    (&["START", "TRANSACTION"], &[], "a transaction is open already"),
    (&["COMMIT"], &[], "end the transaction with `commit`"),
    (&["END"], &[], "end the transaction with `commit`"),
    (&["ROLLBACK"], &[], "end the transaction with `rollback`"),
    (&["ABORT"], &[], "end the transaction with `rollback`"),
    (&["TRUNCATE"], &[], "TRUNCATE commits the transaction it runs in; use DELETE"),
    (&["VACUUM"], &[], NOT_INSIDE),
    (&["ALTER", "TABLE"], &["APPEND", "FROM"], NOT_INSIDE),
    (&["ALTER", "TABLE"], &["ALTER", "COLUMN", "TYPE"], NOT_INSIDE),
    (&["CREATE", "DATABASE"], &[], NOT_INSIDE),
    (&["DROP", "DATABASE"], &[], NOT_INSIDE),
    (&["ALTER", "DATABASE"], &[], NOT_INSIDE),
    (&["CREATE", "EXTERNAL", "TABLE"], &[], NOT_INSIDE),
    (&["DROP", "EXTERNAL", "TABLE"], &[], NOT_INSIDE),
    (&["ALTER", "EXTERNAL", "TABLE"], &[], NOT_INSIDE),
    (&["CREATE", "EXTERNAL", "SCHEMA"], &["CREATE", "EXTERNAL", "DATABASE"], NOT_INSIDE),
    (&["ALTER", "TABLE"], &["ADD", "PARTITION"], NOT_INSIDE),
    (&["ALTER", "TABLE"], &["DROP", "PARTITION"], NOT_INSIDE),
    (&["CREATE", "LIBRARY"], &[], NOT_INSIDE),
    (&["CREATE", "OR", "REPLACE", "LIBRARY"], &[], NOT_INSIDE),
    (&["DROP", "LIBRARY"], &[], NOT_INSIDE),
    (&["COPY"], &["JOB", "CREATE"], NOT_INSIDE),
    (&["COPY", "JOB", "DROP"], &[], NOT_INSIDE),
];

const NOT_INSIDE: &str = "the statement cannot run inside a transaction";

/// Refuses a statement that has no place in a transaction.
pub(super) fn refuse(words: &Words) -> Result<()> {
    let barred = BARRED.iter().find(|(begin, then, _)| words.begins(begin) && words.follow(begin.len(), then));
    match barred {
        None => Ok(()),
        Some((begin, then, why)) => {
            let statement = begin.iter().chain(*then).copied().collect::<Vec<_>>().join(" ");
            Err(Error::unsupported("redshift", *why).with_context("statement", statement))
        }
    }
}

#[cfg(test)]
mod tests {
    use twinhouse_core::ErrorKind;

    use super::*;

    #[test]
    fn what_has_no_place_in_a_transaction_is_refused_by_name() {
        for sql in [
            "savepoint a",
            "release savepoint a",
            "rollback to a",
            "ROLLBACK",
            "commit",
            "begin",
            "truncate t",
            "/* tidy */ vacuum t",
            "alter table a append from b",
            "alter table \"a b\" alter column c type varchar(9)",
            "create database d",
            "create external table s.t (a int)",
            "copy t from 's3://b/x' iam_role 'r' csv job create j auto on",
            "copy job drop j",
            "create external schema s from data catalog database 'd' iam_role default create external database if not exists",
            "alter table s.t add if not exists partition (d = '1') location 's3://b/1'",
        ] {
            let error = refuse(&Words::of(sql)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}");
            assert!(error.context("statement").is_some());
        }
    }

    #[test]
    fn everything_else_goes_through() {
        for sql in [
            "select 1",
            "insert into commit values (1)",
            "create table t (a int)",
            "alter table t add column c int",
            "delete from truncate",
            "copy t from 's3://b/x' iam_role default",
            "lock t",
        ] {
            refuse(&Words::of(sql)).unwrap();
        }
    }
}
