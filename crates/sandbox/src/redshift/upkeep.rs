//! VACUUM, ANALYZE and ALTER TABLE … APPEND: Redshift's forms, checked, in the engine's words.

use std::ops::Range;

use super::{
    edits::Edits,
    lexer::{Kind, Lexed, quote_literal},
    report::Report,
};

/// Rewrites the three; other statements are left alone.
pub(super) fn rewrite(s: &Lexed<'_>, edits: &mut Edits) -> Result<(), Report> {
    if s.is(0, "vacuum") {
        return vacuum(s, edits);
    }
    if s.is(0, "analyze") || s.is(0, "analyse") {
        return analyze(s, edits);
    }
    match append(s) {
        Some(at) => rewrite_append(s, at, edits),
        None => Ok(()),
    }
}

/// True for ALTER TABLE … APPEND, which must stand alone.
pub(super) fn appends(s: &Lexed<'_>) -> bool {
    append(s).is_some()
}

/// Where APPEND stands.
fn append(s: &Lexed<'_>) -> Option<usize> {
    let at = s.after_name(2);
    (s.are(0, &["alter", "table"]) && s.is(at, "append")).then_some(at)
}

/// `VACUUM [FULL | SORT ONLY | DELETE ONLY | REINDEX | RECLUSTER] [table] [TO n PERCENT] [BOOST]`. The engine has no sort
/// order to restore: of each kind it does what it can, which is to give space back.
fn vacuum(s: &Lexed<'_>, edits: &mut Edits) -> Result<(), Report> {
    let mut at = 1;
    let (reindex, recluster) = (s.is(at, "reindex"), s.is(at, "recluster"));
    if s.are(at, &["sort", "only"]) || s.are(at, &["delete", "only"]) {
        at += 2;
    } else if s.is(at, "full") || reindex || recluster {
        at += 1;
    }
    let kind_end = at;
    let has_table = s.is_name(at) && !s.is_any(at, &["to", "boost"]);
    if has_table {
        at = s.after_name(at);
    }
    let table = kind_end..at;
    let threshold = s.is(at, "to");
    if threshold {
        let percent = s.raw(at + 1).parse().ok().filter(|percent: &u8| *percent <= 100);
        if percent.is_none() || !s.is(at + 2, "percent") {
            return Err(Report::syntax(s.raw(at + 1)));
        }
        at += 3;
    }
    let boost = s.is(at, "boost");
    at += usize::from(boost);
    if at < s.len() {
        return Err(Report::syntax(s.raw(at)));
    }
    let refuse = |why: &str| Err(Report::unsupported(why));
    if !has_table && (reindex || recluster || threshold || boost) {
        return refuse("VACUUM REINDEX, RECLUSTER, TO PERCENT and BOOST need a table name");
    }
    if (threshold && (reindex || recluster)) || (boost && reindex) {
        return refuse("these options of VACUUM cannot be used together");
    }
    let name = names(s, table);
    edits.replace(s.span(&(0..s.len())), format!("VACUUM {name}"));
    Ok(())
}

/// `ANALYZE [VERBOSE] [table [(columns)]] [PREDICATE COLUMNS | ALL COLUMNS]`.
fn analyze(s: &Lexed<'_>, edits: &mut Edits) -> Result<(), Report> {
    let start = 1 + usize::from(s.is(1, "verbose"));
    if s.is(start, "compression") {
        return Err(Report::not_in_sandbox("ANALYZE COMPRESSION"));
    }
    let tail = (start..s.len()).find(|&i| s.are(i, &["predicate", "columns"]) || s.are(i, &["all", "columns"]));
    let end = tail.unwrap_or(s.len());
    if s.is_sign(start, '(') || (end > start && (start..end).any(|i| s.is_sign(i, ';'))) {
        return Err(Report::syntax(s.raw(start)));
    }
    if let Some(tail) = tail {
        if tail + 2 != s.len() {
            return Err(Report::syntax(s.raw(tail + 2)));
        }
        edits.remove(s.span(&(tail..s.len())));
    }
    Ok(())
}

/// A procedure of the catalog moves the rows: it gives none, like the statement.
fn rewrite_append(s: &Lexed<'_>, at: usize, edits: &mut Edits) -> Result<(), Report> {
    if !s.is(at + 1, "from") {
        return Err(Report::syntax(s.raw(at + 1)));
    }
    let end = s.after_name(at + 2);
    let columns = match end {
        end if end == s.len() => "",
        end if end + 1 == s.len() && s.is(end, "ignoreextra") => "ignoreextra",
        end if end + 1 == s.len() && s.is(end, "filltarget") => "filltarget",
        end => return Err(Report::syntax(s.raw(end))),
    };
    let (target, source) = (quote_literal(&names(s, 2..at)), quote_literal(&names(s, at + 2..end)));
    edits.replace(
        s.span(&(0..s.len())),
        format!("CALL twinhouse.append({target}::regclass, {source}::regclass, '{columns}')"),
    );
    Ok(())
}

/// A name of several parts, as the service folds it.
fn names(s: &Lexed<'_>, range: Range<usize>) -> String {
    range
        .map(|i| match s.kind(i) {
            Some(Kind::Word | Kind::Quoted) => format!("\"{}\"", s.name(i).replace('"', "\"\"")),
            _ => s.raw(i).to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::tokens, *};

    fn rewritten(sql: &str) -> Result<String, String> {
        let tokens = tokens(sql);
        let mut edits = Edits::default();
        rewrite(&Lexed::new(sql, &tokens), &mut edits).map_err(|report| report.code.clone())?;
        Ok(edits.apply(sql, 0..sql.len()).0.trim_end().to_owned())
    }

    #[test]
    fn redshifts_forms_become_the_engines() {
        for (sql, expected) in [
            ("vacuum", "VACUUM"),
            ("VACUUM FULL", "VACUUM"),
            ("vacuum sort only s.t to 75 percent boost", r#"VACUUM "s"."t""#),
            ("vacuum delete only \"a b\"", r#"VACUUM "a b""#),
            ("vacuum reindex t", r#"VACUUM "t""#),
            ("vacuum recluster t boost", r#"VACUUM "t""#),
            ("vacuum full t to 0 percent", r#"VACUUM "t""#),
            ("analyze", "analyze"),
            ("analyze verbose s.t (a, b)", "analyze verbose s.t (a, b)"),
            ("analyze t predicate columns", "analyze t"),
            ("analyze all columns", "analyze"),
            (
                "alter table S.t append from \"U\" ignoreextra",
                "CALL twinhouse.append('\"s\".\"t\"'::regclass, '\"u\"'::regclass, 'ignoreextra')",
            ),
            ("alter table t add column append int", "alter table t add column append int"),
        ] {
            assert_eq!(rewritten(sql).as_deref(), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_the_service_refuses_is_refused() {
        for (sql, code) in [
            ("vacuum reindex", "0A000"),
            ("vacuum boost", "0A000"),
            ("vacuum to 50 percent", "0A000"),
            ("vacuum recluster t to 50 percent", "0A000"),
            ("vacuum reindex t boost", "0A000"),
            ("vacuum t to 101 percent", "42601"),
            ("vacuum t analyze", "42601"),
            ("vacuum (full) t", "42601"),
            ("analyze (verbose) t", "42601"),
            ("analyze t all columns now", "42601"),
            ("analyze compression t", "0A000"),
            ("alter table t append s", "42601"),
            ("alter table t append from s fast", "42601"),
        ] {
            assert_eq!(rewritten(sql), Err(code.to_owned()), "{sql}");
        }
    }
}
