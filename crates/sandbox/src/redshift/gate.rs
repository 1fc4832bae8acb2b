//! What Redshift refuses and PostgreSQL would take: refused here, with the service's SQLSTATE.

use super::{
    leader::reads_catalog,
    lexer::{Kind, Lexed},
    report::Report,
};

/// Longer names would be cut by the engine, and two of them could fall together.
const LONGEST_NAME: usize = 63;

/// CREATE, ALTER and DROP of these do not exist there.
const ABSENT_OBJECTS: &[&str] = &[
    "index",
    "sequence",
    "trigger",
    "rule",
    "type",
    "domain",
    "extension",
    "aggregate",
    "operator",
    "cast",
    "event",
    "publication",
    "subscription",
    "server",
    "foreign",
    "tablespace",
    "collation",
    "conversion",
    "text",
    "access",
    "unlogged",
    "unique",
    "policy",
    "statistics",
    "transform",
    "system",
    "recursive",
];
/// These exist there, and not here.
const ABSENT_HERE: &[&str] =
    &["external", "library", "datashare", "model", "masking", "rls", "identity", "user", "group", "role", "database"];

/// The refusal of one statement, if the service would refuse it, or the sandbox must.
pub(super) fn refusal(s: &Lexed<'_>) -> Option<Report> {
    by_command(s).or_else(|| by_token(s))
}

fn by_command(s: &Lexed<'_>) -> Option<Report> {
    let command = || {
        let text = &s.text[s.span(&(0..s.len()))];
        Report::unsupported(format!("SQL command \"{text}\" not supported."))
    };
    let first = s.raw(0).to_ascii_lowercase();
    match first.as_str() {
        "savepoint" | "release" | "listen" | "notify" | "unlisten" => Some(command()),
        "rollback" | "abort" if (1..s.len()).any(|i| s.is(i, "to")) => Some(command()),
        "prepare" | "commit" | "rollback"
            if s.is_any(1, &["transaction", "prepared"]) && s.kind(2) == Some(Kind::Literal) =>
        {
            Some(command())
        }
        "discard" | "do" | "reindex" | "cluster" | "checkpoint" | "load" | "security" | "import" | "reassign"
        | "table" | "values" | "move" => Some(near(s, 0)),
        "create" | "alter" | "drop" => of_object(s, &command),
        "explain"
            if s.is_any(1, &["analyze", "analyse"]) || (s.is_sign(1, '(') && !s.is_any(2, &["select", "with"])) =>
        {
            Some(near(s, 1))
        }
        "explain" if s.is(1, "verbose") => Some(Report::not_in_sandbox("EXPLAIN VERBOSE")),
        "copy" => of_copy(s),
        "merge" => of_merge(s),
        _ => None,
    }
}

fn of_object(s: &Lexed<'_>, command: &dyn Fn() -> Report) -> Option<Report> {
    let mut i = 1;
    while s.is_any(i, &["or", "replace", "global", "local", "temp", "temporary"]) {
        i += 1;
    }
    if s.is_any(i, ABSENT_OBJECTS) {
        return Some(command());
    }
    if s.is_any(i, ABSENT_HERE) {
        return Some(Report::not_in_sandbox(&format!("{} {}", s.raw(0).to_uppercase(), s.raw(i).to_uppercase())));
    }
    if s.is(i, "view") && s.are(s.len().saturating_sub(4), &["with", "no", "schema", "binding"]) {
        return Some(Report::not_in_sandbox("WITH NO SCHEMA BINDING"));
    }
    if s.is(0, "alter") && s.is(i, "table") {
        return of_alter_table(s, i + 1);
    }
    None
}

fn of_alter_table(s: &Lexed<'_>, at: usize) -> Option<Report> {
    let verb = s.after_name(at + if s.are(at, &["if", "exists"]) { 2 } else { 0 });
    let layout = ["distkey", "sortkey", "diststyle", "encode", "compound", "interleaved"];
    if s.is(verb, "alter") && s.is_any(verb + 1, &layout) {
        return Some(Report::not_in_sandbox(&format!("ALTER TABLE ALTER {}", s.raw(verb + 1).to_uppercase())));
    }
    if s.is(verb, "row") {
        return Some(Report::not_in_sandbox("ROW LEVEL SECURITY"));
    }
    if s.is(verb, "add") {
        let name = verb + 1 + usize::from(s.is(verb + 1, "column"));
        if s.are(name, &["if", "not", "exists"]) {
            return Some(near(s, name + 1));
        }
        let mut depth = 0usize;
        for i in name..s.len() {
            if s.is_sign(i, '(') {
                depth += 1;
            } else if s.is_sign(i, ')') {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && s.is_sign(i, ',') {
                // One ADD COLUMN for each statement.
                return Some(near(s, i));
            }
        }
    }
    let column = verb + 1 + usize::from(s.is(verb + 1, "column"));
    if s.is(verb, "alter") && s.is(column + 1, "encode") {
        return Some(Report::not_in_sandbox("ALTER TABLE ALTER COLUMN ENCODE"));
    }
    if resizes(s) && !s.is_any(column + 2, &["varchar", "character", "nvarchar"]) {
        let name = s.name(column);
        return Some(
            Report::unsupported(format!("target data type \"{}\" is not supported", s.raw(column + 2)))
                .with_detail(format!("Only the size of VARCHAR columns can be altered; column \"{name}\".")),
        );
    }
    None
}

/// A serverless workgroup keeps the views of clusters from everybody.
pub(super) fn refuse_provisioned_views(s: &Lexed<'_>) -> Result<(), Report> {
    const BEGIN: &[&str] = &["stl_", "stv_", "svl_", "svcs_"];
    let hidden = |i: &usize| {
        let name = s.name(*i).to_ascii_lowercase();
        s.is_name(*i) && BEGIN.iter().any(|begin| name.starts_with(begin)) && !s.is_sign(*i + 1, '(')
    };
    match (0..s.len()).find(hidden) {
        Some(i) => Err(Report::error("42501", format!("permission denied for relation {}", s.name(i)))),
        None => Ok(()),
    }
}

/// True for `ALTER TABLE … ALTER COLUMN … TYPE`.
pub(super) fn resizes(s: &Lexed<'_>) -> bool {
    if !s.are(0, &["alter", "table"]) {
        return false;
    }
    let verb = s.after_name(2 + if s.are(2, &["if", "exists"]) { 2 } else { 0 });
    let column = verb + 1 + usize::from(s.is(verb + 1, "column"));
    s.is(verb, "alter") && s.is(column + 1, "type")
}

fn of_copy(s: &Lexed<'_>) -> Option<Report> {
    let mut end = s.after_name(1);
    if s.is_sign(end, '(') {
        end = s.closing(end) + 1;
    }
    if s.is_sign(1, '(') || s.is(end, "to") {
        return Some(Report::unsupported("COPY TO is not supported").with_hint("use UNLOAD"));
    }
    if s.is(end, "from") && s.kind(end + 1) != Some(Kind::Literal) {
        return Some(Report::unsupported(
            "LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)",
        ));
    }
    None
}

/// Both branches, no conditions on them, no alias of the target.
fn of_merge(s: &Lexed<'_>) -> Option<Report> {
    let target = 1 + usize::from(s.is(1, "into"));
    let using = s.after_name(target);
    if !s.is(using, "using") {
        return Some(near(s, using));
    }
    let (mut matched, mut not_matched) = (false, false);
    for i in using..s.len() {
        if s.are(i, &["remove", "duplicates"]) {
            return Some(Report::not_in_sandbox("MERGE … REMOVE DUPLICATES"));
        }
        if !s.is(i, "when") {
            continue;
        }
        let not = s.is(i + 1, "not");
        let then = i + if not { 3 } else { 2 };
        if !s.is(then, "then") {
            return Some(near(s, then));
        }
        if s.are(then, &["then", "do", "nothing"]) {
            return Some(near(s, then + 1));
        }
        (matched, not_matched) = (matched || !not, not_matched || not);
    }
    if matched && not_matched { None } else { Some(near(s, s.len())) }
}

/// Statements that take bind parameters.
const BINDABLE: &[&str] =
    &["select", "insert", "update", "delete", "with", "explain", "merge", "prepare", "execute", "call", "("];

fn by_token(s: &Lexed<'_>) -> Option<Report> {
    let bindable = BINDABLE.iter().any(|word| s.raw(0).eq_ignore_ascii_case(word));
    let writes = s.is_any(0, &["insert", "update", "delete", "with"]);
    for i in 0..s.len() {
        match s.kind(i)? {
            Kind::Word => {
                if let Some(report) = of_word(s, i, writes) {
                    return Some(report);
                }
            }
            Kind::Parameter if !bindable => return Some(near(s, i)),
            // The leader node has arrays, as the catalog does.
            Kind::Sign if s.is_sign(i, '[') && i > 0 && s.is(i - 1, "array") && !reads_catalog(s) => {
                return Some(near(s, i));
            }
            Kind::Sign if s.is_sign(i, ':') && s.is_sign(i + 1, ':') && s.is_sign(i + 3, '[') => {
                return Some(near(s, i + 3));
            }
            _ => {}
        }
        if s.is_name(i) && s.raw(i).len() > LONGEST_NAME && s.name(i).len() > LONGEST_NAME {
            return Some(Report::not_in_sandbox(&format!("a name of more than {LONGEST_NAME} bytes")));
        }
    }
    None
}

fn of_word(s: &Lexed<'_>, i: usize, writes: bool) -> Option<Report> {
    let raw = s.raw(i);
    if raw.len() == 1 && raw.eq_ignore_ascii_case("e") && s.kind(i + 1) == Some(Kind::Literal) {
        // Only where nothing stands between: `e 'x'` is a type name and a literal on both.
        return (s.tokens[i].at.end == s.tokens[i + 1].at.start)
            .then(|| at(Report::error("42704", "type \"e\" does not exist"), s, i));
    }
    if s.is(i, "is") {
        let distinct = i + 1 + usize::from(s.is(i + 1, "not"));
        if s.are(distinct, &["distinct", "from"]) {
            return Some(near(s, distinct));
        }
    }
    let before = i.checked_sub(1);
    let names_something =
        before.is_some_and(|k| s.is_sign(k, '.') || s.is_sign(k, ',') || s.is_any(k, &["as", "select"]));
    if !names_something && !s.is_sign(i + 1, '.') {
        if s.is(i, "qualify") && i > 0 && i + 1 < s.len() && !s.is_sign(i + 1, ',') && !s.is_any(i + 1, &["from"]) {
            return Some(at(Report::not_in_sandbox("QUALIFY"), s, i));
        }
        if s.is_any(i, &["pivot", "unpivot"]) && s.is_sign(i + 1, '(') {
            return Some(at(Report::not_in_sandbox(&s.raw(i).to_uppercase()), s, i));
        }
        if s.are(i, &["connect", "by"]) {
            return Some(at(Report::not_in_sandbox("CONNECT BY"), s, i));
        }
        if s.are(i, &["ignore", "nulls"]) || s.are(i, &["respect", "nulls"]) {
            return Some(at(Report::not_in_sandbox("IGNORE NULLS and RESPECT NULLS"), s, i));
        }
    }
    if s.is_sign(i + 1, '(')
        && !before.is_some_and(|k| s.is_sign(k, '.'))
        && is_absent_function(raw)
        && !s.is(0, "create")
    {
        return Some(at(Report::not_in_sandbox(&raw.to_uppercase()), s, i));
    }
    if s.are(i, &["distinct", "on"]) && s.is_sign(i + 2, '(') {
        return Some(at(Report::unsupported("SELECT DISTINCT ON is not supported"), s, i));
    }
    if s.is(i, "values") && i > 0 && s.is_sign(i - 1, '(') && !s.is(0, "insert") {
        return Some(near(s, i));
    }
    if writes && s.are(i, &["on", "conflict"]) {
        return Some(near(s, i));
    }
    // As a keyword it follows the end of an expression or a list, never a dot or a comma.
    if writes && i > 3 && s.is(i, "returning") && !s.is_sign(i - 1, '.') && !s.is_sign(i - 1, ',') && i + 1 < s.len() {
        return Some(near(s, i));
    }
    None
}

/// Functions that the service has and the sandbox has not.
const ABSENT_FUNCTIONS: &[&str] = &[
    "checksum",
    "crc32",
    "difference",
    "explode_udf",
    "farmfingerprint64",
    "farmhash64",
    "fnv_hash",
    "soundex",
    "get_array_length",
    "array_concat",
    "array_flatten",
    "split_to_array",
    "subarray",
    "object",
    "object_transform",
    "json_serialize_to_varbyte",
    "interval_cmp",
];

fn is_absent_function(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ABSENT_FUNCTIONS.contains(&name.as_str())
        || ["st_", "hll_", "h3_", "ai_"].iter().any(|family| name.starts_with(family))
        || matches!(name.as_str(), "hll")
}

fn near(s: &Lexed<'_>, i: usize) -> Report {
    if i >= s.len() {
        return Report::error("42601", "syntax error at end of input");
    }
    at(Report::syntax(s.raw(i)), s, i)
}

fn at(report: Report, s: &Lexed<'_>, i: usize) -> Report {
    let position = s.tokens.get(i).map_or(0, |token| s.text[..token.at.start].chars().count() + 1);
    report.with_position(position)
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::tokens, *};

    fn code(sql: &str) -> Option<String> {
        let tokens = tokens(sql);
        refusal(&Lexed::new(sql, &tokens)).map(|report| report.code.clone())
    }

    #[test]
    fn what_the_service_refuses_is_refused_with_its_code() {
        for (sql, expected) in [
            ("savepoint a", "0A000"),
            ("ROLLBACK TO a", "0A000"),
            ("rollback to savepoint a", "0A000"),
            ("release savepoint a", "0A000"),
            ("explain analyze select 1", "42601"),
            ("explain (format json) select 1", "42601"),
            ("listen x", "0A000"),
            ("unlisten *", "0A000"),
            ("discard all", "42601"),
            ("copy t from stdin", "0A000"),
            ("copy t (a, b) from stdin with (format csv)", "0A000"),
            ("copy t to stdout", "0A000"),
            ("copy (select 1) to stdout", "0A000"),
            ("select E'a'", "42704"),
            ("insert into t values (1) on conflict do nothing", "42601"),
            ("insert into t values (1) returning a", "42601"),
            ("delete from t where a = 1 returning *", "42601"),
            ("create index i on t (a)", "0A000"),
            ("create unique index i on t (a)", "0A000"),
            ("create sequence s", "0A000"),
            ("create user u password 'p'", "0A000"),
            ("create database d", "0A000"),
            ("create external schema s from data catalog", "0A000"),
            ("create view v as select 1 as a with no schema binding", "0A000"),
            ("select 1 where 1 is distinct from 2", "42601"),
            ("select distinct on (a) a from t", "0A000"),
            ("select array[1, 2]", "42601"),
            ("select '{1}'::int[]", "42601"),
            ("select * from (values (1)) v", "42601"),
            ("create table t (a int default $1)", "42601"),
            ("set query_group to $1", "42601"),
            ("alter table t add column if not exists a int", "42601"),
            ("alter table t add column a int, add column b int", "42601"),
            ("alter table t alter column a type bigint", "0A000"),
            ("select a from t qualify row_number() over (order by a) = 1", "0A000"),
            ("select * from t pivot (sum(a) for b in (1, 2))", "0A000"),
            ("select a from t start with a = 1 connect by prior a = b", "0A000"),
            ("select last_value(a ignore nulls) over (order by b) from t", "0A000"),
            ("select checksum(a), st_x(b) from t", "0A000"),
            ("select ST_GeomFromText('POINT(1 2)')", "0A000"),
            ("merge into t using s on t.a = s.a when matched then delete", "42601"),
            (
                "merge into t x using s on x.a = s.a when matched then delete when not matched then insert values (1)",
                "42601",
            ),
            (
                "merge into t using s on t.a = s.a when matched and s.b then delete when not matched then insert values (1)",
                "42601",
            ),
        ] {
            assert_eq!(code(sql).as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn what_the_service_takes_passes() {
        for sql in [
            "select 'savepoint' as e, e from t e",
            "select e 'x'",
            "select t.qualify, pivot, checksum from t",
            "select a as qualify from t",
            "rollback",
            "rollback transaction",
            "copy t from 's3://b/k' iam_role default format parquet",
            "insert into t (a) values ($1)",
            "insert into t select returning_flag from s",
            "update t set a = $1",
            "alter table t add column a varchar(10) default 'x, y'",
            "alter table t alter column a type varchar(300)",
            "merge into t using s on t.a = s.a when matched then update set b = s.b when not matched then insert values (s.a, s.b)",
            "create temp table x (like t)",
            "create table t (a int, b decimal(10, 2))",
            "lock t",
            "explain (select 1)",
            "vacuum",
        ] {
            assert_eq!(code(sql), None, "{sql}");
        }
    }
}
