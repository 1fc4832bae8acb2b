//! The query inside of an UNLOAD.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, StatementRequest};

use crate::statement::text::Words;

/// The query's text with its values in it, as UNLOAD takes it: without the semicolon, and with an outer LIMIT, which the
/// server refuses, put inside.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for what is not one query.
pub(super) fn inner(query: &StatementRequest) -> Result<String> {
    let sql = RedshiftDialect.inline(query.sql(), query.params())?;
    let words = Words::of(&sql);
    if !matches!(words.verb(), "SELECT" | "WITH") || words.is_several() {
        return Err(Error::new(ErrorKind::InvalidInput, "an unload is of the rows of one query")
            .with_context("statement", words.verb().to_owned()));
    }
    let sql = &sql[..end(&sql)];
    // The query may end in a comment.
    Ok(if has_outer_limit(sql) { format!("SELECT * FROM (\n{sql}\n) AS \"limited\"") } else { sql.to_owned() })
}

/// Where the semicolon behind the query stands, or the end.
fn end(sql: &str) -> usize {
    let mut end = sql.len();
    walk(sql, |at, token, _| {
        if token == ";" {
            end = end.min(at);
        }
    });
    end
}

fn has_outer_limit(sql: &str) -> bool {
    let mut found = false;
    walk(sql, |_, token, depth| found |= depth == 0 && token.eq_ignore_ascii_case("limit"));
    found
}

/// Tells every word and sign outside of strings, quoted names and comments, with the brackets around it.
fn walk(sql: &str, mut tell: impl FnMut(usize, &str, usize)) {
    let (bytes, mut at, mut depth) = (sql.as_bytes(), 0, 0_usize);
    let word = |byte: u8| byte == b'_' || byte == b'$' || byte.is_ascii_alphanumeric() || byte >= 0x80;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    // A backslash escapes in every string, and in no name.
                    at += if bytes[at] == b'\\' && quote == b'\'' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let mut nested = 0;
                while at < bytes.len() {
                    match (bytes[at], bytes.get(at + 1)) {
                        (b'/', Some(b'*')) => (nested, at) = (nested + 1, at + 2),
                        (b'*', Some(b'/')) => (nested, at) = (nested - 1, at + 2),
                        _ => at += 1,
                    }
                    if nested == 0 {
                        break;
                    }
                }
            }
            byte if word(byte) => {
                while at < bytes.len() && word(bytes[at]) {
                    at += 1;
                }
                tell(start, &sql[start..at], depth);
            }
            byte => {
                at += 1;
                match byte {
                    b'(' => depth += 1,
                    b')' => depth = depth.saturating_sub(1),
                    _ => tell(start, &sql[start..at], depth),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Result<String> {
        inner(&StatementRequest::read(sql))
    }

    #[test]
    fn an_outer_limit_goes_inside_and_any_other_stays() {
        assert_eq!(of("select 1 limit 5; -- x").unwrap(), "SELECT * FROM (\nselect 1 limit 5\n) AS \"limited\"");
        for plain in [
            "select * from (select 1 limit 5) x",
            "select 'it\\' limit 5' from t",
            "select \"limit\" from t -- limit 5",
            "with x as (select 1 /* limit /* */ limit */) select * from x",
            "select limited, t.no_limit from t",
        ] {
            assert_eq!(of(plain).unwrap(), plain);
        }
    }

    #[test]
    fn values_are_written_into_the_text() {
        let query = StatementRequest::read("select * from t where a = :a").bind("a", "it's \\ here");
        assert_eq!(inner(&query).unwrap(), "select * from t where a = 'it''s \\\\ here'");
    }

    #[test]
    fn only_one_query_is_unloaded() {
        for bad in ["delete from t", "select 1; select 2", "", "select 1; drop table t"] {
            assert_eq!(of(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
        assert!(of(" (select 1) union all (select 2) ;").is_ok());
    }
}
