//! Queries on the catalog, as Redshift's leader node reads them: its tables have columns that the engine's have not, a
//! subquery needs no name, WHERE and the rest of SELECT know the names that SELECT gave, `4WHEN` is a number and a word.

use std::{collections::HashMap, ops::Range};

use super::{
    edits::Edits,
    lexer::{Kind, Lexed},
};

/// Tables of the catalog that are always read through a view of ours: what is not Redshift's is not in it.
const ALWAYS: &[&str] = &["pg_namespace", "pg_constraint"];
/// Those that are read through one where a statement names a column that only Redshift has.
const EXTENDED: &[(&str, &[&str])] = &[
    ("pg_class", &["reldiststyle", "relhasoids"]),
    ("pg_attribute", &["attisdistkey", "attsortkeyord", "attencodingtype"]),
    ("pg_attrdef", &["adsrc"]),
    ("pg_proc", &["proisagg"]),
];
/// How the columns of the catalog's tables begin, and the tables' names: a column goes before a name of the same text
/// that SELECT gave.
const COLUMNS: &[(&str, &str)] = &[
    ("rel", "pg_class"),
    ("att", "pg_attribute"),
    ("nsp", "pg_namespace"),
    ("typ", "pg_type"),
    ("pro", "pg_proc"),
    ("ind", "pg_index"),
    ("con", "pg_constraint"),
    ("dat", "pg_database"),
    ("schemaname", "pg_"),
    ("tablename", "pg_"),
    ("viewname", "pg_"),
    ("usename", "pg_"),
    ("pid", "pg_"),
    ("query", "pg_stat"),
    ("column", "pg_table_def"),
    ("type", "pg_table_def"),
    ("table_catalog", "svv_columns"),
    ("table_schema", "svv_columns"),
    ("table_name", "svv_columns"),
    ("column_", "svv_columns"),
    ("ordinal_", "svv_columns"),
    ("is_nullable", "svv_columns"),
    ("data_type", "svv_columns"),
    ("character_", "svv_columns"),
    ("numeric_", "svv_columns"),
    ("domain_name", "svv_columns"),
    ("remarks", "svv_columns"),
    ("table_catalog", "svv_tables"),
    ("table_schema", "svv_tables"),
    ("table_name", "svv_tables"),
    ("table_type", "svv_tables"),
    ("remarks", "svv_tables"),
    ("database_name", "svv_all_"),
    ("schema_", "svv_all_"),
    ("table_name", "svv_all_"),
    ("table_type", "svv_all_"),
    ("column_", "svv_all_"),
    ("ordinal_", "svv_all_"),
    ("is_nullable", "svv_all_"),
    ("data_type", "svv_all_"),
    ("character_", "svv_all_"),
    ("numeric_", "svv_all_"),
    ("remarks", "svv_all_"),
];

/// What ends the list of FROM.
const ENDS_FROM: &[&str] = &[
    "where",
    "group",
    "order",
    "having",
    "limit",
    "offset",
    "union",
    "intersect",
    "except",
    "minus",
    "window",
    "fetch",
    "for",
    "qualify",
    "returning",
];
/// What else may follow an item of FROM that has no name.
const BEHIND_ITEM: &[&str] = &["on", "using", "join", "left", "right", "inner", "full", "cross", "natural", "when"];
/// Functions with a FROM of their own inside.
const HAVE_FROM: &[&str] = &["extract", "substring", "trim", "overlay", "position"];

/// True for a statement that reads the catalog, and so runs on the leader node alone. That it calls one of its functions
/// does not count.
pub(super) fn reads_catalog(s: &Lexed<'_>) -> bool {
    (0..s.len()).any(|i| {
        let begin = s.raw(i).trim_start_matches('"').to_ascii_lowercase();
        s.is_name(i) && !s.is_sign(i + 1, '(') && (begin.starts_with("svv_") || begin.starts_with("pg_"))
    })
}

pub(super) fn rewrite(s: &Lexed<'_>, edits: &mut Edits) {
    let catalog = reads_catalog(s);
    for i in 0..s.len() {
        if s.kind(i) == Some(Kind::Number) && s.is_name(i + 1) && s.tokens[i].at.end == s.tokens[i + 1].at.start {
            edits.insert(s.tokens[i].at.end, " ");
        }
        if s.is(i, "from") && !is_of_function(s, i) {
            from(s, i, edits);
        } else if s.is(i, "where") {
            truth(s, i, edits);
        }
        if catalog {
            if s.is(i, "select") {
                aliases(s, i, edits);
            }
            table(s, i, edits);
        }
    }
}

/// The bracket around the token, and the word before it.
fn is_of_function(s: &Lexed<'_>, from: usize) -> bool {
    let mut depth = 0usize;
    for i in (0..from).rev() {
        if s.is_sign(i, ')') {
            depth += 1;
        } else if s.is_sign(i, '(') {
            if depth == 0 {
                return i > 0 && s.is_any(i - 1, HAVE_FROM);
            }
            depth -= 1;
        }
    }
    false
}

/// Names the subqueries of a FROM that have no name.
fn from(s: &Lexed<'_>, from: usize, edits: &mut Edits) {
    let (mut i, mut item) = (from + 1, true);
    while i < s.len() && !s.is_sign(i, ')') && !s.is_any(i, ENDS_FROM) {
        if s.is_sign(i, '(') {
            let close = s.closing(i);
            let inner = (i..close).find(|k| !s.is_sign(*k, '(')).unwrap_or(close);
            let unnamed = close + 1 >= s.len()
                || s.is_sign(close + 1, ')')
                || s.is_sign(close + 1, ',')
                || s.is_any(close + 1, ENDS_FROM)
                || s.is_any(close + 1, BEHIND_ITEM);
            if item && close < s.len() && unnamed && inner == i + 1 && s.is_any(inner, &["select", "with"]) {
                edits.insert(s.tokens[close].at.end, format!(" AS twinhouse_{close}"));
            }
            i = close;
        }
        item = s.is_sign(i, ',') || s.is(i, "join");
        i += 1;
    }
}

/// `WHERE 1` is `WHERE true`.
fn truth(s: &Lexed<'_>, i: usize, edits: &mut Edits) {
    let ends = i + 2 >= s.len()
        || s.is_sign(i + 2, ')')
        || s.is_any(i + 2, &["and", "or", "group", "order", "limit", "union", "intersect", "except"]);
    if ends && s.kind(i + 1) == Some(Kind::Number) && matches!(s.raw(i + 1), "0" | "1") {
        edits.replace(s.tokens[i + 1].at.clone(), if s.raw(i + 1) == "1" { "true" } else { "false" });
    }
}

/// A table of the catalog in FROM, and where it qualifies a column by its whole name.
fn table(s: &Lexed<'_>, i: usize, edits: &mut Edits) {
    if !s.is_name(i) || s.is_sign(i + 1, '(') {
        return;
    }
    let qualified = i >= 2 && s.is_sign(i - 1, '.') && s.name(i - 2) == "pg_catalog";
    let first = if qualified { i - 2 } else { i };
    let in_from = first > 0 && (s.is_any(first - 1, &["from", "join"]) || s.is_sign(first - 1, ','));
    let of_column = s.is_sign(i + 1, '.');
    if if of_column { !qualified } else { !in_from } {
        return;
    }
    let name = s.name(i);
    let extended = || EXTENDED.iter().find(|(table, _)| *table == name);
    let names_one = |columns: &[&str]| (0..s.len()).any(|k| columns.iter().any(|column| s.name(k) == *column));
    if ALWAYS.contains(&name.as_str()) || extended().is_some_and(|(_, columns)| names_one(columns)) {
        let named = if of_column { name } else { format!("twinhouse.{name}") };
        edits.replace(s.span(&(first..i + 1)), named);
    }
}

/// The names that this SELECT gives, where its WHERE uses them.
fn aliases(s: &Lexed<'_>, select: usize, edits: &mut Edits) {
    let (mut depth, mut end) = (0usize, s.len());
    let (mut from, mut condition, mut after) = (None, None, None);
    let mut commas = Vec::new();
    for i in select + 1..s.len() {
        if s.is_sign(i, '(') {
            depth += 1;
        } else if s.is_sign(i, ')') {
            if depth == 0 {
                end = i;
                break;
            }
            depth -= 1;
        } else if depth > 0 {
            continue;
        } else if s.is_sign(i, ',') && from.is_none() {
            commas.push(i);
        } else if s.is(i, "from") && from.is_none() {
            from = Some(i);
        } else if s.is(i, "where") && condition.is_none() {
            condition = Some(i);
        } else if s.is_any(i, &["union", "intersect", "except", "minus"]) {
            end = i;
            break;
        } else if s.is_any(i, &["group", "order", "having", "limit"]) && condition.is_some() && after.is_none() {
            after = Some(i);
        }
    }
    let Some(from) = from else { return };
    let mut names: HashMap<String, String> = HashMap::new();
    let mut start = select + 1;
    for item_end in commas.into_iter().chain([from]) {
        let named = item_end >= start + 3 && s.is(item_end - 2, "as") && s.is_name(item_end - 1);
        let meant = if named { start..item_end - 2 } else { start..item_end };
        let mut inner = Edits::default();
        uses(s, meant.clone(), &names, &mut inner);
        if named {
            let name = s.name(item_end - 1);
            let same = meant.len() == 1 && s.name(start) == name;
            let is_column = |(begin, table): &(&str, &str)| {
                name.starts_with(begin) && (from..condition.unwrap_or(end)).any(|i| s.name(i).starts_with(table))
            };
            if !same && name != "oid" && !COLUMNS.iter().any(is_column) {
                names.insert(name, inner.clone().apply(s.text, s.span(&meant)).0);
            }
        }
        edits.extend(inner);
        start = item_end + 1;
    }
    if let Some(condition) = condition {
        uses(s, condition + 1..after.unwrap_or(end), &names, edits);
    }
}

/// Puts what a name stands for in its place.
fn uses(s: &Lexed<'_>, range: Range<usize>, names: &HashMap<String, String>, edits: &mut Edits) {
    let mut i = range.start;
    while i < range.end && !names.is_empty() {
        if s.is_sign(i, '(') && s.is_any(i + 1, &["select", "with"]) {
            i = s.closing(i);
        } else if s.is_name(i)
            && !s.is_sign(i - 1, '.')
            && !s.is_sign(i + 1, '.')
            && !s.is_sign(i + 1, '(')
            && let Some(meant) = names.get(&s.name(i))
        {
            edits.replace(s.tokens[i].at.clone(), format!("({meant})"));
        }
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::tokens, *};

    fn rewritten(sql: &str) -> String {
        let tokens = tokens(sql);
        let mut edits = Edits::default();
        rewrite(&Lexed::new(sql, &tokens), &mut edits);
        edits.apply(sql, 0..sql.len()).0
    }

    #[test]
    fn subqueries_get_the_name_that_redshift_does_not_ask_for() {
        for (sql, expected) in [
            ("select * from (select 1 as a) where true", "select * from (select 1 as a) AS twinhouse_8 where true"),
            (
                "select 1 from t, (select 2) join (select 3) on true",
                "select 1 from t, (select 2) AS twinhouse_8 join (select 3) AS twinhouse_13 on true",
            ),
            (
                "select * from (select * from (select 1)) x",
                "select * from (select * from (select 1) AS twinhouse_10) x",
            ),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
        for sql in [
            "select * from (select 1) x",
            "select * from (select 1) as x, (select 2) y where a in (select 3)",
            "select extract(year from (select d)) from t",
            "select * from (a join b on true) where c",
            "select * from f((select 1))",
        ] {
            assert_eq!(rewritten(sql), sql);
        }
    }

    #[test]
    fn the_catalog_has_redshifts_columns_only_for_those_who_name_one() {
        for (sql, expected) in [
            ("select 1 from pg_catalog.pg_namespace n", "select 1 from twinhouse.pg_namespace n"),
            (
                "select c.reldiststyle from pg_class c, pg_attribute",
                "select c.reldiststyle from twinhouse.pg_class c, pg_attribute",
            ),
            (
                "select pg_attribute.attnum from pg_attribute where attisdistkey",
                "select pg_attribute.attnum from twinhouse.pg_attribute where attisdistkey",
            ),
            ("select c.relname from pg_class c", "select c.relname from pg_class c"),
            (
                "select pg_catalog.pg_namespace.oid from pg_catalog.pg_namespace, pg_catalog.pg_class",
                "select pg_namespace.oid from twinhouse.pg_namespace, pg_catalog.pg_class",
            ),
            ("select 'pg_namespace'::regclass", "select 'pg_namespace'::regclass"),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
    }

    #[test]
    fn where_knows_the_names_that_select_gave_on_the_leader_node() {
        for (sql, expected) in [
            (
                "select n.a as \"schema\", c.b as t from pg_class c where 1 and schema = 'x' and c.t = t",
                "select n.a as \"schema\", c.b as t from pg_class c where true and (n.a) = 'x' and c.t = (c.b)",
            ),
            (
                "select f(a, b) as x from pg_type union select 1 as x from svv_t where x in (select x from t) order by x",
                "select f(a, b) as x from pg_type union select 1 as x from svv_t where (1) in (select x from t) order by x",
            ),
            ("select a as b from t where b = 1", "select a as b from t where b = 1"),
            (
                "select sum(b) as b from t where b = 1 and p = pg_backend_pid()",
                "select sum(b) as b from t where b = 1 and p = pg_backend_pid()",
            ),
            (
                "select f(a) as x, x + 1 as y, case 4when y then 1 end from svv_t where y > 1",
                "select f(a) as x, (f(a)) + 1 as y, case 4 when ((f(a)) + 1) then 1 end from svv_t where ((f(a)) + 1) > 1",
            ),
            (
                "select c.relname as relname from pg_class c where relname = 'x'",
                "select c.relname as relname from pg_class c where relname = 'x'",
            ),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
    }
}
