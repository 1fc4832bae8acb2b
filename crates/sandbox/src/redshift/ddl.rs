//! CREATE TABLE as Redshift has it: lengths in bytes, layout that is remembered, keys that are not enforced.

use serde_json::{Value, json};

use super::{
    edits::Edits,
    lexer::{Kind, Lexed},
    report::Report,
};

/// Marks what the catalog's event trigger shall remember.
pub(super) const MARK: &str = "/*twinhouse:";
const LONGEST_VARCHAR: u32 = 65_535;
const LONGEST_CHAR: u32 = 4096;
const LONGEST_VARBYTE: u32 = 1_024_000;

/// The name of the constraint that holds a column to its length in bytes.
fn constraint_name(length: u32, column: &str) -> String {
    let plain = format!("bytes_{length}:{column}");
    if plain.len() <= 63 {
        return plain;
    }
    // A stable hash (FNV-1a) stands for what would be cut.
    let hash = column
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("bytes_{length}:{hash:016x}")
}

/// The length that a constraint of this name holds a column to.
pub(super) fn length_of_constraint(name: &str) -> Option<u32> {
    name.strip_prefix("bytes_")?.split(':').next()?.parse().ok()
}

fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Rewrites CREATE TABLE and ALTER TABLE … ADD COLUMN; other statements are left alone.
pub(super) fn rewrite(s: &Lexed<'_>, edits: &mut Edits) -> Result<(), Report> {
    if s.are(0, &["alter", "table"]) {
        return rewrite_alter(s, edits);
    }
    if !s.is(0, "create") {
        return Ok(());
    }
    let mut at = 1;
    while s.is_any(at, &["local", "global", "temp", "temporary"]) {
        at += 1;
    }
    if !s.is(at, "table") {
        return Ok(());
    }
    let table_word = at;
    at += 1;
    if s.are(at, &["if", "not", "exists"]) {
        at += 3;
    }
    if s.is_sign(at, '#') && s.is_name(at + 1) {
        // Its name says that it is temporary; the name itself is quoted with the others.
        edits.insert(s.tokens[table_word].at.start, "TEMP ");
        at += 1;
    }
    let table = s.name(s.after_name(at).saturating_sub(1));
    at = s.after_name(at);
    let mut layout = json!({ "table": table });
    if s.is_sign(at, '(') {
        let close = s.closing(at);
        let is_definition = !plain_names(s, at, close);
        if is_definition {
            definitions(s, at, &mut layout, edits)?;
        }
        at = close + 1;
    }
    attributes(s, at, &mut layout, edits)?;
    if layout.as_object().is_some_and(|layout| layout.len() > 1) {
        // Neither comment sign may come up inside the comment.
        let text = layout.to_string().replace('*', "\\u002a");
        edits.insert(s.span(&(0..s.len())).end, format!(" {MARK}{text}*/"));
    }
    Ok(())
}

/// The bracket of `CREATE TABLE t (a, b) AS …` holds names only.
fn plain_names(s: &Lexed<'_>, open: usize, close: usize) -> bool {
    (open + 1..close).all(|i| s.is_sign(i, ',') || (s.is_name(i) && !s.is_name(i + 1)))
}

fn rewrite_alter(s: &Lexed<'_>, edits: &mut Edits) -> Result<(), Report> {
    let verb = s.after_name(2 + if s.are(2, &["if", "exists"]) { 2 } else { 0 });
    let constraint = verb + 1 + if s.is(verb + 1, "constraint") { 2 } else { 0 };
    if s.is(verb, "add") && s.are(constraint, &["foreign", "key"]) {
        return Err(Report::not_in_sandbox("ALTER TABLE ADD FOREIGN KEY"));
    }
    if !s.is(verb, "add") || s.is_any(verb + 1, &["constraint", "primary", "unique", "check"]) {
        return Ok(());
    }
    let name = verb + 1 + usize::from(s.is(verb + 1, "column"));
    column(s, name, s.len(), &mut json!({}), edits)
}

/// The items of a table's bracket.
fn definitions(s: &Lexed<'_>, open: usize, layout: &mut Value, edits: &mut Edits) -> Result<(), Report> {
    let (commas, close) = (s.commas(open), s.closing(open));
    let mut starts: Vec<usize> = vec![open + 1];
    starts.extend(commas.iter().map(|comma| comma + 1));
    for (k, &start) in starts.iter().enumerate() {
        let end = commas.get(k).copied().unwrap_or(close);
        let constraint = start + if s.is(start, "constraint") { 2 } else { 0 };
        if s.is(start, "like") {
            // Lengths in bytes go with the columns.
            edits.insert(s.tokens[s.after_name(start + 1) - 1].at.end, " INCLUDING CONSTRAINTS");
        } else if s.are(constraint, &["foreign", "key"]) {
            let from = if k > 0 { s.tokens[commas[k - 1]].at.start } else { s.tokens[start].at.start };
            let to = if k > 0 || end == close { s.tokens[end - 1].at.end } else { s.tokens[end].at.end };
            edits.remove(from..to);
            let own = s.closing(constraint + 2);
            let columns: Vec<_> = (constraint + 3..own).filter(|i| s.is_name(*i)).map(|i| s.name(i)).collect();
            let name = (constraint > start).then(|| s.name(start + 1));
            push(layout, "foreign_keys", foreign_key(s, own + 1, name, &columns));
        } else if s.is(constraint, "check") {
            return Err(Report::unsupported("CHECK constraints are not supported"));
        } else if !s.is_any(constraint, &["primary", "unique"]) {
            column(s, start, end, layout, edits)?;
        }
    }
    Ok(())
}

/// What `REFERENCES t (a, b)` at `at` says: without columns it is the primary key that is meant.
fn foreign_key(s: &Lexed<'_>, at: usize, name: Option<String>, columns: &[String]) -> Value {
    let after = s.after_name(at + 1);
    let schema = (after > at + 3).then(|| s.name(after - 3));
    let to: Vec<_> = match s.is_sign(after, '(') {
        true => (after + 1..s.closing(after)).filter(|i| s.is_name(*i)).map(|i| s.name(i)).collect(),
        false => Vec::new(),
    };
    json!({ "name": name, "columns": columns, "schema": schema, "table": s.name(after - 1), "to": to })
}

fn push(layout: &mut Value, key: &str, value: Value) {
    if let Some(layout) = layout.as_object_mut()
        && let Some(list) = layout.entry(key).or_insert_with(|| json!([])).as_array_mut()
    {
        list.push(value);
    }
}

/// One column: its type, then its attributes.
fn column(s: &Lexed<'_>, start: usize, end: usize, layout: &mut Value, edits: &mut Edits) -> Result<(), Report> {
    let name = s.name(start);
    let mut at = data_type(s, start + 1, &name, edits)?;
    if s.is_sign(at, '[') || s.is(at, "array") {
        let kind = format!("{}[]", s.raw(start + 1));
        return Err(Report::unsupported(format!("Column \"{name}\" has unsupported type \"{kind}\".")));
    }
    let mut depth = 0usize;
    while at < end {
        let mut next = at + 1;
        if s.is_sign(at, '(') {
            depth += 1;
        } else if s.is_sign(at, ')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 {
            if s.is(at, "encode") {
                edits.remove(s.span(&(at..at + 2)));
                push(layout, "encodings", json!([name, s.name(at + 1)]));
                next = at + 2;
            } else if s.is(at, "distkey") {
                edits.remove(s.tokens[at].at.clone());
                layout["distkey"] = json!(name);
            } else if s.is(at, "sortkey") {
                edits.remove(s.tokens[at].at.clone());
                push(layout, "sortkey", json!(name));
            } else if s.is(at, "identity") {
                next = identity(s, at, edits)?;
            } else if s.is(at, "references") {
                next = s.after_name(at + 1);
                if s.is_sign(next, '(') {
                    next = s.closing(next) + 1;
                }
                edits.remove(s.span(&(at..next)));
                push(layout, "foreign_keys", foreign_key(s, at, None, std::slice::from_ref(&name)));
            } else if s.is(at, "check") {
                return Err(Report::unsupported("CHECK constraints are not supported"));
            } else if s.is(at, "collate") {
                return Err(Report::not_in_sandbox("COLLATE"));
            }
        }
        at = next;
    }
    Ok(())
}

/// `IDENTITY(seed, step)`, with or without `GENERATED BY DEFAULT AS`.
fn identity(s: &Lexed<'_>, at: usize, edits: &mut Edits) -> Result<usize, Report> {
    if !s.is_sign(at + 1, '(') {
        return Err(Report::syntax(s.raw(at + 1)));
    }
    let (close, commas) = (s.closing(at + 1), s.commas(at + 1));
    let [comma] = commas[..] else { return Err(Report::syntax(")")) };
    let number = |part: std::ops::Range<usize>| s.text[s.span(&part)].to_owned();
    let (seed, step) = (number(at + 2..comma), number(comma + 1..close));
    let generated = at >= 4 && s.are(at - 4, &["generated", "by", "default", "as"]);
    let how = if generated { "" } else { "GENERATED ALWAYS AS " };
    // The engine checks the bounds of a falling sequence only if it is told of them.
    let bounds = if step.starts_with('-') {
        " NO MINVALUE MAXVALUE 9223372036854775807"
    } else {
        " MINVALUE -9223372036854775808"
    };
    edits.replace(s.span(&(at..close + 1)), format!("{how}IDENTITY (START WITH {seed} INCREMENT BY {step}{bounds})"));
    Ok(close + 1)
}

/// A type that starts at `at`; answers the index after it.
fn data_type(s: &Lexed<'_>, at: usize, column: &str, edits: &mut Edits) -> Result<usize, Report> {
    let word = s.raw(at).to_ascii_lowercase();
    let mut end = at + 1;
    if s.are(at, &["character", "varying"]) || s.are(at, &["double", "precision"]) || s.are(at, &["binary", "varying"])
    {
        end += 1;
    }
    let arguments = s.is_sign(end, '(').then_some(end);
    let after = arguments.map_or(end, |open| s.closing(open) + 1);
    let argument = |k: usize| arguments.map(|open| s.raw(open + 1 + 2 * k).to_ascii_lowercase());
    let varying = end - at == 2;
    let kind = &word[..];
    match kind {
        "varchar" | "nvarchar" | "text" => {
            sized(s, at..after, "varchar", argument(0), 256, LONGEST_VARCHAR, column, edits)?
        }
        "character" if varying => sized(s, at..after, "varchar", argument(0), 256, LONGEST_VARCHAR, column, edits)?,
        "char" | "nchar" | "character" => sized(s, at..after, "char", argument(0), 1, LONGEST_CHAR, column, edits)?,
        "bpchar" => sized(s, at..after, "char", None, 256, LONGEST_CHAR, column, edits)?,
        "varbyte" | "varbinary" | "binary" => {
            let length = length("varbyte", argument(0), 64_000, LONGEST_VARBYTE)?;
            edits.replace(s.span(&(at..after)), format!("varbyte({length})"));
        }
        "numeric" | "decimal" => numeric(s, at..after, argument(0), argument(1), edits)?,
        "geometry" | "geography" | "hllsketch" => {
            return Err(Report::not_in_sandbox(&format!("the type {}", kind.to_uppercase())));
        }
        "interval" => return Err(Report::not_in_sandbox("a column of type INTERVAL")),
        "serial" | "bigserial" | "smallserial" | "serial4" | "serial8" => {
            return Err(Report::error("42704", format!("type \"{kind}\" does not exist")));
        }
        "json" | "jsonb" | "bytea" | "uuid" | "xml" | "money" | "inet" | "cidr" | "macaddr" | "point" | "line"
        | "box" | "path" | "polygon" | "circle" | "bit" | "tsvector" | "tsquery" | "oid" | "name" | "regclass" => {
            return Err(Report::unsupported(format!("Column \"{column}\" has unsupported type \"{kind}\".")));
        }
        "time" | "timestamp" if s.is_any(after, &["with", "without"]) && s.are(after + 1, &["time", "zone"]) => {
            return Ok(after + 3);
        }
        _ => {}
    }
    Ok(after)
}

fn length(kind: &str, argument: Option<String>, default: u32, longest: u32) -> Result<u32, Report> {
    match argument.as_deref() {
        None => Ok(default),
        Some("max") => Ok(longest),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => Err(Report::error("22023", format!("length for type {kind} must be at least 1"))),
            Ok(length) if length > longest => {
                Err(Report::error("22023", format!("length for type {kind} cannot exceed {longest}")))
            }
            Ok(length) => Ok(length),
        },
    }
}

#[expect(clippy::too_many_arguments, reason = "one call for each spelling of two types")]
fn sized(
    s: &Lexed<'_>,
    at: std::ops::Range<usize>,
    kind: &str,
    argument: Option<String>,
    default: u32,
    longest: u32,
    column: &str,
    edits: &mut Edits,
) -> Result<(), Report> {
    let length = length(kind, argument, default, longest)?;
    let (name, constraint) = (quote_name(column), quote_name(&constraint_name(length, column)));
    edits.replace(
        s.span(&at),
        format!("{kind}({length}) CONSTRAINT {constraint} CHECK (octet_length({name}) <= {length})"),
    );
    Ok(())
}

fn numeric(
    s: &Lexed<'_>,
    at: std::ops::Range<usize>,
    precision: Option<String>,
    scale: Option<String>,
    edits: &mut Edits,
) -> Result<(), Report> {
    let Some(precision) = precision else {
        edits.replace(s.span(&at), "numeric(18, 0)");
        return Ok(());
    };
    let precision: u32 = precision.parse().map_err(|_| Report::syntax(&precision))?;
    if !(1..=38).contains(&precision) {
        return Err(Report::error("22023", format!("DECIMAL precision {precision} must be between 1 and 38")));
    }
    match scale.as_deref().filter(|scale| !scale.is_empty() && *scale != ")").map(str::parse::<u32>) {
        None => Ok(()),
        Some(Ok(scale)) if scale <= precision => Ok(()),
        _ => Err(Report::error("22023", format!("DECIMAL scale must be between 0 and precision {precision}"))),
    }
}

/// Layout after the bracket, or between the name and `AS`.
fn attributes(s: &Lexed<'_>, mut at: usize, layout: &mut Value, edits: &mut Edits) -> Result<(), Report> {
    while at < s.len() && !s.is(at, "as") {
        let end = if s.is_any(at, &["diststyle", "backup"])
            || s.are(at, &["encode", "auto"])
            || s.are(at, &["sortkey", "auto"])
        {
            at + 2
        } else if s.is(at, "distkey") && s.is_sign(at + 1, '(') {
            s.closing(at + 1) + 1
        } else if s.is_any(at, &["sortkey", "compound", "interleaved"]) {
            let open = at + usize::from(!s.is(at, "sortkey")) + 1;
            if !s.is_sign(open, '(') {
                return Err(Report::syntax(s.raw(open)));
            }
            s.closing(open) + 1
        } else if s.is_any(at, &["inherits", "partition", "with", "tablespace", "using"]) {
            return Err(Report::syntax(s.raw(at)));
        } else {
            at += 1;
            continue;
        };
        let end = end.min(s.len());
        if s.is(at, "diststyle") {
            layout["diststyle"] = json!(s.name(at + 1));
        } else if s.is(at, "distkey") {
            layout["distkey"] = json!(s.name(at + 2));
        } else if s.is_sign(end - 1, ')') {
            if s.is(at, "interleaved") {
                layout["interleaved"] = json!(true);
            }
            for i in at..end {
                if s.is_name(i) && !s.is_any(i, &["sortkey", "compound", "interleaved"])
                    || s.kind(i) == Some(Kind::Quoted)
                {
                    push(layout, "sortkey", json!(s.name(i)));
                }
            }
        }
        edits.remove(s.span(&(at..end)));
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::tokens, *};

    fn rewritten(sql: &str) -> Result<String, String> {
        let tokens = tokens(sql);
        let lexed = Lexed::new(sql, &tokens);
        let mut edits = Edits::default();
        rewrite(&lexed, &mut edits).map_err(|report| report.code.clone())?;
        Ok(edits.apply(sql, 0..sql.len()).0.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn lengths_are_in_bytes_and_have_redshifts_defaults() {
        let sql = rewritten("create table t (a varchar, b varchar(max), c char(3), d numeric, e character varying(5))");
        assert_eq!(
            sql.expect("rewritten"),
            "create table t (a varchar(256) CONSTRAINT \"bytes_256:a\" CHECK (octet_length(\"a\") <= 256), \
             b varchar(65535) CONSTRAINT \"bytes_65535:b\" CHECK (octet_length(\"b\") <= 65535), \
             c char(3) CONSTRAINT \"bytes_3:c\" CHECK (octet_length(\"c\") <= 3), d numeric(18, 0), \
             e varchar(5) CONSTRAINT \"bytes_5:e\" CHECK (octet_length(\"e\") <= 5))"
        );
        assert_eq!(length_of_constraint("bytes_256:a"), Some(256));
        assert_eq!(length_of_constraint("t_check"), None);
    }

    #[test]
    fn layout_is_taken_out_and_remembered() {
        let sql = "create table s.t (id bigint identity(1, 1) encode az64, k int distkey, v date not null encode raw) \
                   diststyle key compound sortkey (k, \"V\") backup no";
        let out = rewritten(sql).expect("rewritten");
        let (ddl, mark) = out.split_once(MARK).expect("marked");
        assert_eq!(
            ddl.trim(),
            "create table s.t (id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1 INCREMENT BY 1 MINVALUE \
             -9223372036854775808) , k int , v date not null )"
        );
        let layout: Value = serde_json::from_str(mark.strip_suffix("*/").expect("closed")).expect("json");
        assert_eq!(layout["table"], "t");
        assert_eq!(layout["distkey"], "k");
        assert_eq!(layout["diststyle"], "key");
        assert_eq!(layout["sortkey"], json!(["k", "v"]));
        assert_eq!(layout["encodings"], json!([["id", "az64"], ["v", "raw"]]));
    }

    #[test]
    fn ctas_keeps_its_query_and_loses_its_layout() {
        let out = rewritten("create temp table t distkey(a) sortkey(a) as select a, b as sortkey from s").expect("ok");
        assert!(out.starts_with("create temp table t as select a, b as sortkey from s"), "{out}");
    }

    #[test]
    fn foreign_keys_go_and_primary_keys_stay() {
        let out =
            rewritten("create table t (a int references o (a), b int, primary key (a), foreign key (b) references o)");
        let out = out.expect("rewritten");
        assert!(out.starts_with("create table t (a int , b int, primary key (a))"), "{out}");
        let layout: Value =
            serde_json::from_str(out.split_once(MARK).expect("a mark").1.strip_suffix("*/").expect("closed"))
                .expect("json");
        assert_eq!(
            layout["foreign_keys"],
            json!([
                { "name": null, "columns": ["a"], "schema": null, "table": "o", "to": ["a"] },
                { "name": null, "columns": ["b"], "schema": null, "table": "o", "to": [] },
            ])
        );
    }

    #[test]
    fn types_that_do_not_exist_are_refused_by_name() {
        for (sql, code) in [
            ("create table t (a serial)", "42704"),
            ("create table t (a uuid)", "0A000"),
            ("create table t (a jsonb)", "0A000"),
            ("create table t (a int[])", "0A000"),
            ("create table t (a geometry)", "0A000"),
            ("create table t (a interval day to second)", "0A000"),
            ("create table t (a varchar(65536))", "22023"),
            ("create table t (a numeric(39, 2))", "22023"),
            ("create table t (a int check (a > 0))", "0A000"),
        ] {
            assert_eq!(rewritten(sql), Err(code.to_owned()), "{sql}");
        }
    }
}
