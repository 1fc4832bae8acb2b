//! Redshift's own expressions, in words the engine knows. Only tokens are touched; nothing is printed anew.

use super::{
    edits::Edits,
    lexer::{Kind, Lexed},
    report::Report,
};

/// Functions whose first argument is a bare date part.
const TAKES_DATE_PART: &[&str] = &["dateadd", "date_add", "datediff", "date_diff", "date_part"];

/// Types of Redshift that the engine has nothing like.
const ABSENT_TYPES: &[&str] = &["geometry", "geography", "hllsketch"];

/// Values that belong to a session, asked for by functions.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastIds {
    pub(super) query: i64,
    pub(super) copy: i64,
    pub(super) copied: i64,
    pub(super) unload: i64,
    pub(super) unloaded: i64,
}

impl Default for LastIds {
    fn default() -> Self {
        Self { query: -1, copy: -1, copied: 0, unload: -1, unloaded: 0 }
    }
}

/// Quoted names fold to lower case, unless the session is case-sensitive.
pub(super) fn fold_names(s: &Lexed<'_>, edits: &mut Edits) {
    for (i, token) in s.tokens.iter().enumerate() {
        if token.kind == Kind::Quoted && s.raw(i).bytes().any(|byte| byte.is_ascii_uppercase()) {
            edits.replace(token.at.clone(), s.raw(i).to_ascii_lowercase());
        }
    }
}

/// Functions and keywords inside expressions.
pub(super) fn expressions(s: &Lexed<'_>, ids: &LastIds, edits: &mut Edits) -> Result<(), Report> {
    for i in 0..s.len() {
        match s.kind(i) {
            Some(Kind::Word) if i > 0 && s.is_sign(i - 1, '.') => {}
            Some(Kind::Word) if s.is_any(i, ABSENT_TYPES) && (is_cast(s, i) || is_column_type(s, i)) => {
                return Err(Report::not_in_sandbox(&format!("the type {}", s.raw(i).to_uppercase())));
            }
            Some(Kind::Word) if s.is_sign(i + 1, '(') => call(s, i, ids, edits)?,
            Some(Kind::Word) if s.is(i, "sysdate") => edits.replace(s.tokens[i].at.clone(), "pg_catalog.sysdate()"),
            Some(Kind::Word) if s.is(i, "minus") && s.is_any(i + 1, &["select", "all", "distinct"]) => {
                edits.replace(s.tokens[i].at.clone(), "EXCEPT");
            }
            Some(Kind::Word) if s.is(i, "approximate") && s.is_any(i + 1, &["count", "percentile_disc"]) => {
                // The exact answer is within the error that the service allows itself.
                edits.remove(s.tokens[i].at.clone());
            }
            Some(Kind::Word) if s.is(i, "select") && s.is(i + 1, "top") && s.kind(i + 2) == Some(Kind::Number) => {
                top(s, i, edits)?;
            }
            Some(Kind::Word) if s.is_any(i, &["numeric", "decimal"]) && is_cast(s, i) => {
                edits.insert(s.tokens[i].at.end, "(18, 0)");
            }
            Some(Kind::Sign) if s.is_sign(i, '#') && s.is_name(i + 1) && names_table(s, i) => {
                // The name of a temporary table.
                edits.replace(s.span(&(i..i + 2)), format!("\"#{}\"", s.name(i + 1).replace('"', "\"\"")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// True after the name of a column that is made.
fn is_column_type(s: &Lexed<'_>, i: usize) -> bool {
    let before = i.checked_sub(1);
    s.is_any(0, &["create", "alter"])
        && before.is_some_and(|k| {
            s.is_name(k) && !s.is_any(k, &["table", "view", "schema", "exists", "column", "to", "drop"])
        })
}

/// True after `::` or `AS` inside CAST: there a bare NUMERIC has a definite size.
fn is_cast(s: &Lexed<'_>, i: usize) -> bool {
    (i > 1 && s.is_sign(i - 1, ':') && s.is_sign(i - 2, ':')) || (i > 2 && s.is(i - 1, "as") && s.is_sign(i + 1, ')'))
}

fn names_table(s: &Lexed<'_>, i: usize) -> bool {
    i > 0
        && s.tokens[i].at.end == s.tokens[i + 1].at.start
        && s.is_any(
            i - 1,
            &["from", "join", "into", "table", "update", "exists", "using", "copy", "truncate", "analyze"],
        )
}

fn call(s: &Lexed<'_>, i: usize, ids: &LastIds, edits: &mut Edits) -> Result<(), Report> {
    let (open, close) = (i + 1, s.closing(i + 1));
    let at = |token: usize| s.tokens[token].at.clone();
    if close >= s.len() {
        // The engine will say that the bracket is not closed.
        return Ok(());
    }
    let name = s.raw(i).to_ascii_lowercase();
    match name.as_str() {
        "nvl" => edits.replace(at(i), "COALESCE"),
        "nvl2" => {
            let [first, second] = s.commas(open)[..] else { return Ok(()) };
            edits.replace(s.span(&(i..open + 1)), "(CASE WHEN (");
            edits.replace(at(first), ") IS NOT NULL THEN (");
            edits.replace(at(second), ") ELSE (");
            edits.replace(at(close), ") END)");
        }
        "decode" => decode(s, i, edits)?,
        "ratio_to_report" => ratio_to_report(s, i, edits)?,
        // The last argument may be a flag among texts: a word that no path has.
        "json_extract_path_text" if s.is_any(close - 1, &["true", "false"]) && s.is_sign(close - 2, ',') => {
            edits.replace(at(close - 1), format!("'twinhouse {}'", s.name(close - 1)));
        }
        "listagg" => listagg(s, i, edits),
        "median" => edits.replace(s.span(&(i..open + 1)), "percentile_cont(0.5) WITHIN GROUP (ORDER BY "),
        "len" => edits.replace(at(i), "length"),
        // A keyword of newer engines, with a grammar of its own.
        "json_serialize" => edits.replace(at(i), "\"json_serialize\""),
        "sysdate" => edits.replace(at(i), "pg_catalog.sysdate"),
        "set_config" | "current_setting" if s.kind(open + 1) == Some(Kind::Literal) => {
            let setting = s.value(open + 1).to_ascii_lowercase();
            if super::settings::is_own(&setting) {
                edits.replace(at(open + 1), format!("'redshift.{setting}'"));
            }
        }
        "pg_last_query_id" | "last_user_query_id" => value(s, i, close, ids.query, edits),
        "pg_last_copy_id" => value(s, i, close, ids.copy, edits),
        "pg_last_copy_count" => value(s, i, close, ids.copied, edits),
        "pg_last_unload_id" => value(s, i, close, ids.unload, edits),
        "pg_last_unload_count" => value(s, i, close, ids.unloaded, edits),
        _ if TAKES_DATE_PART.contains(&name.as_str())
            && s.kind(open + 1) == Some(Kind::Word)
            && s.is_sign(open + 2, ',') =>
        {
            edits.replace(at(open + 1), format!("'{}'", s.name(open + 1)));
        }
        _ => {}
    }
    Ok(())
}

/// The catalog has these as functions of one argument: the column keeps its name.
fn value(s: &Lexed<'_>, i: usize, close: usize, value: i64, edits: &mut Edits) {
    if close == i + 2 {
        edits.insert(s.tokens[close].at.start, value.to_string());
    }
}

/// `DECODE(x, a, 1, b, 2, 3)`. Unlike in CASE, NULL equals NULL there.
fn decode(s: &Lexed<'_>, i: usize, edits: &mut Edits) -> Result<(), Report> {
    let (open, close) = (i + 1, s.closing(i + 1));
    let commas = s.commas(open);
    if commas.len() < 2 {
        // DECODE(text, format) turns text into bytes: another function.
        return Ok(());
    }
    // What can be said again costs nothing and means the same.
    let plain = (open + 1..commas[0])
        .all(|k| s.is_name(k) || s.is_sign(k, '.') || matches!(s.kind(k), Some(Kind::Literal | Kind::Number)));
    let looked_at = &s.text[s.span(&(open + 1..commas[0]))];
    match plain {
        true => edits.replace(s.span(&(i..commas[0])), "(CASE"),
        false => edits.replace(s.span(&(i..open + 1)), "(CASE "),
    }
    for (k, comma) in commas.iter().enumerate() {
        let last = k + 1 == commas.len();
        if !plain && k % 2 == 0 && s.is(comma + 1, "null") && !last {
            return Err(Report::not_in_sandbox("DECODE of an expression with NULL among the values to look for"));
        }
        let word = if k % 2 == 1 {
            " THEN ".to_owned()
        } else if last {
            " ELSE ".to_owned()
        } else if plain {
            format!(" WHEN {} IS NOT DISTINCT FROM ", folded(s, looked_at))
        } else {
            " WHEN ".to_owned()
        };
        edits.replace(s.tokens[*comma].at.clone(), word);
    }
    edits.replace(s.tokens[close].at.clone(), " END)");
    Ok(())
}

/// A text that is said again, with its quoted names as the session reads them.
fn folded(s: &Lexed<'_>, text: &str) -> String {
    if s.case_sensitive || !text.contains('"') { text.to_owned() } else { text.to_ascii_lowercase() }
}

/// `RATIO_TO_REPORT(x) OVER (…)`: a row's share of its window.
fn ratio_to_report(s: &Lexed<'_>, i: usize, edits: &mut Edits) -> Result<(), Report> {
    let (open, close) = (i + 1, s.closing(i + 1));
    let plain = (open + 1..close).all(|k| s.is_name(k) || s.is_sign(k, '.'));
    if !plain || !s.is(close + 1, "over") || !s.is_sign(close + 2, '(') {
        return Err(Report::not_in_sandbox("RATIO_TO_REPORT of anything but a column"));
    }
    let end = s.closing(close + 2);
    if end >= s.len() {
        return Ok(());
    }
    let column = folded(s, &s.text[s.span(&(open + 1..close))]);
    edits.replace(s.tokens[i].at.clone(), format!("({column}::double precision / nullif(sum"));
    edits.insert(s.tokens[end].at.end, ", 0))");
    Ok(())
}

/// `SELECT TOP n …`: a limit at the end of its query.
fn top(s: &Lexed<'_>, i: usize, edits: &mut Edits) -> Result<(), Report> {
    let (mut depth, mut end) = (0usize, s.len());
    for k in i + 1..s.len() {
        if s.is_sign(k, '(') {
            depth += 1;
        } else if s.is_sign(k, ')') {
            if depth == 0 {
                end = k;
                break;
            }
            depth -= 1;
        } else if depth == 0 && s.is_any(k, &["union", "intersect", "except", "minus", "limit", "offset"]) {
            return Err(Report::not_in_sandbox("TOP together with UNION, INTERSECT, EXCEPT or LIMIT"));
        }
    }
    edits.remove(s.span(&(i + 1..i + 3)));
    edits.insert(s.span(&(i..end)).end, format!(" LIMIT {}", s.raw(i + 2)));
    Ok(())
}

/// `LISTAGG([DISTINCT] x [, separator]) [WITHIN GROUP (ORDER BY y)]`.
fn listagg(s: &Lexed<'_>, i: usize, edits: &mut Edits) {
    let (open, close) = (i + 1, s.closing(i + 1));
    if close == open + 1 {
        return;
    }
    if s.commas(open).is_empty() {
        edits.insert(s.tokens[close].at.start, ", ''");
    }
    if s.are(close + 1, &["within", "group"]) && s.is_sign(close + 3, '(') {
        // The order moves into the call; its closing bracket becomes the call's.
        edits.replace(s.span(&(close..close + 4)), " ");
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::tokens, *};

    fn rewritten(sql: &str) -> String {
        let tokens = tokens(sql);
        let lexed = Lexed::new(sql, &tokens);
        let mut edits = Edits::default();
        fold_names(&lexed, &mut edits);
        let ids = LastIds { copy: 7, ..LastIds::default() };
        expressions(&lexed, &ids, &mut edits).expect("taken");
        edits.apply(sql, 0..sql.len()).0
    }

    #[test]
    fn redshifts_functions_become_the_engines() {
        for (sql, expected) in [
            ("select NVL(a, nvl(b, 1))", "select COALESCE(a, COALESCE(b, 1))"),
            ("select nvl2(a, b, c)", "select (CASE WHEN (a) IS NOT NULL THEN ( b) ELSE ( c) END)"),
            (
                "select decode(a, 1, 'x', 2, f(b, c), 'z')",
                "select (CASE WHEN a IS NOT DISTINCT FROM  1 THEN  'x' WHEN a IS NOT DISTINCT FROM  2 THEN  f(b, c) ELSE  'z' END)",
            ),
            ("select decode(f(a), 1, 'x')", "select (CASE f(a) WHEN  1 THEN  'x' END)"),
            ("select approximate count(distinct a) from t", "select  count(distinct a) from t"),
            ("select top 3 a from t order by a", "select  a from t order by a LIMIT 3"),
            ("select * from (select top 3 f(a) from t) x", "select * from (select  f(a) from t LIMIT 3) x"),
            (
                "select ratio_to_report(a) over (partition by b) from t",
                "select (a::double precision / nullif(sum(a) over (partition by b), 0)) from t",
            ),
            ("select json_extract_path_text(a, 'b', true)", "select json_extract_path_text(a, 'b', 'twinhouse true')"),
            ("select JSON_SERIALIZE(a)", "select \"json_serialize\"(a)"),
            ("select dateadd(day, 1, d)", "select dateadd('day', 1, d)"),
            ("select sysdate, t.sysdate", "select pg_catalog.sysdate(), t.sysdate"),
            (
                "select listagg(distinct a, ',') within group (order by nvl(b, 1)) from t",
                "select listagg(distinct a, ',' order by COALESCE(b, 1)) from t",
            ),
            ("select listagg(a) from t", "select listagg(a, '') from t"),
            ("select median(a) from t", "select percentile_cont(0.5) WITHIN GROUP (ORDER BY a) from t"),
            ("select a::numeric, cast(b as decimal)", "select a::numeric(18, 0), cast(b as decimal(18, 0))"),
            ("select pg_last_copy_id()", "select pg_last_copy_id(7)"),
            ("select a minus select b", "select a EXCEPT select b"),
            ("select \"Ab\"\"C\", 'Ab' from #Tmp", "select \"ab\"\"c\", 'Ab' from \"#tmp\""),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
    }

    #[test]
    fn types_that_the_engine_lacks_are_refused_by_name() {
        for (sql, refused) in [
            ("create table t (a int, g geometry not null)", true),
            ("alter table t add column g HLLSKETCH", true),
            ("select a::geography", true),
            ("select cast(a as geometry)", true),
            ("select geometry, t.geography as hllsketch from geometry", false),
            ("create table geometry (a int)", false),
        ] {
            let tokens = tokens(sql);
            let taken = expressions(&Lexed::new(sql, &tokens), &LastIds::default(), &mut Edits::default());
            assert_eq!(taken.is_err(), refused, "{sql}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_left_alone() {
        for sql in ["select 'nvl(a, b)'", "select t.nvl(a)", "select a # b", "select decode('00', 'hex')", "select len"]
        {
            assert_eq!(rewritten(sql), sql);
        }
    }
}
