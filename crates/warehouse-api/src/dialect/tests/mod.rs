//! Everything a dialect writes is read back by somebody else: `sqlparser`'s own lexers and parser, and where those
//! are known to read differently from the service, a reader written from the service's documentation.

mod lexing;
mod literals;
mod marking;
mod names;
mod strings;
mod typing;

use proptest::prelude::*;
use sqlparser::{dialect as sqlparser_dialects, parser::Parser};

use super::{DatabricksDialect, Dialect, RedshiftDialect};

/// Text that breaks naive escaping: quotes, escapes, comment marks, dollar quotes, combining marks, every plane.
fn hostile() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        3 => prop::sample::select(vec![
            "'", "''", "\\", "\\'", "\\\\'", "\"", "\"\"", "`", "``", "\n", "\r\n", "\\\n", "\t", "--", "-- ", "/*", "*/",
            "/**/", "$$", "$a$", "$", "${", "${x}", "\\u0027", "\\u0000", "\\047", "\\0", "\\%", "\\_", ";", ":a", "::",
            ":=", "$1", "?", "r'", "E'", "x'", "%", "_", "\u{301}", "\u{200d}", "\u{2019}", "\u{ff07}", "\u{feff}",
            "\u{202e}", "\u{85}", "\u{2028}", "DROP TABLE t", " ", "0", "041", "a",
        ])
        .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => (0_u32..17, 0_u32..0x1_0000)
            .prop_filter_map("a surrogate", |(plane, low)| char::from_u32(plane << 16 | low))
            .prop_map(String::from),
    ];
    prop::collection::vec(fragment, 0..24).prop_map(|parts| parts.concat())
}

/// The statement `SELECT <expression> , 'end'` as `sqlparser` reads it: exactly the two expressions, or a panic.
fn parsed(dialect: &dyn Dialect, expression: &str) -> sqlparser::ast::Expr {
    let theirs: &dyn sqlparser_dialects::Dialect = match dialect.name() {
        "databricks" => &sqlparser_dialects::DatabricksDialect,
        _ => &sqlparser_dialects::RedshiftSqlDialect {},
    };
    let sql = format!("SELECT {expression} , 'end'");
    let statements = Parser::parse_sql(theirs, &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let [sqlparser::ast::Statement::Query(query)] = statements.as_slice() else { panic!("not one query: {sql}") };
    let sqlparser::ast::SetExpr::Select(select) = query.body.as_ref() else { panic!("not a select: {sql}") };
    let [sqlparser::ast::SelectItem::UnnamedExpr(first), sqlparser::ast::SelectItem::UnnamedExpr(end)] =
        select.projection.as_slice()
    else {
        panic!("not two expressions: {sql}")
    };
    assert_eq!(end.to_string(), "'end'", "{sql}");
    first.clone()
}

const BOTH: [&dyn Dialect; 2] = [&DatabricksDialect, &RedshiftDialect];
