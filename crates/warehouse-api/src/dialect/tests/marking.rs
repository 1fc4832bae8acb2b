use proptest::prelude::*;
use twinhouse_core::ErrorKind;

use super::{BOTH, DatabricksDialect, Dialect, RedshiftDialect, hostile};
use crate::{dialect::MarkerStyle, params::Params, value::Value};

#[derive(Clone, Debug)]
enum Piece {
    /// Text without a marker, whatever it looks like.
    Plain(String),
    Marker(&'static str),
}

/// Pieces without a marker for either warehouse.
fn plain() -> impl Strategy<Value = String> {
    let word = "[a-zA-Z_][a-zA-Z0-9_]{0,6}";
    prop_oneof![
        word.prop_map(String::from),
        "[0-9]{1,4}(\\.[0-9]{1,3})?".prop_map(String::from),
        prop::sample::select(vec![
            "::",
            ":=",
            "(",
            ")",
            "[",
            "]",
            ",",
            ";",
            "+",
            "-",
            "*",
            "/",
            "<=",
            "||",
            "->",
            "=>",
            ".",
            "%",
            "a::int",
            "x[1:2]",
            ": name",
            "'it''s :a'",
            r"'it\'s :a'",
            r"'\\'",
            "'a' ':b'",
            "$$ :a ' $$",
            "$t$ :a $$ $t$",
            "/* :a ' */",
            "/* :a /* :b */ :c */",
            "-- :a '\n",
            "--\n",
            "\"col\"",
            "\":a\"",
            "f(a)::text",
            "'x'::date",
            "t.col",
            "array[1]",
            "/*+ hint(:a) */",
            "1e5",
            "10L",
            "é",
            "日本",
        ])
        .prop_map(String::from),
        hostile().prop_filter_map("a NUL", |text| RedshiftDialect.string(&text).ok()),
    ]
}

/// Pieces that are no marker for Databricks only, or for Redshift only.
fn own(dialect: &str) -> Vec<&'static str> {
    match dialect {
        "databricks" => vec![
            "col:a",
            "col:a.b:a",
            "col:a[0]:b",
            "f(x):a",
            "a[0]:a",
            "`c:a`:a",
            "`:a``:b`",
            "r'\\'",
            "r':a\\'",
            "\"\\\":a\"",
            "'j':a",
            "--:a\\\n:b\n",
            "col:a::int",
        ],
        _ => vec!["\":a\\\"", "a$b", "\":a\"\":b\"", "--:a\\\n"],
    }
}

fn pieces(dialect: &'static str) -> impl Strategy<Value = Vec<Piece>> {
    let marker = prop::sample::select(vec!["a", "b", "c", "_x1", "Region"]).prop_map(Piece::Marker);
    let piece = prop_oneof![
        2 => plain().prop_map(Piece::Plain),
        1 => prop::sample::select(own(dialect)).prop_map(|text| Piece::Plain(text.to_owned())),
        2 => marker,
    ];
    prop::collection::vec(piece, 0..30)
}

/// The text, the names in order of first occurrence, and the text with `$n` for markers.
fn build(pieces: &[Piece]) -> (String, Vec<&'static str>, String) {
    let (mut sql, mut names, mut numbered) = (String::new(), Vec::new(), String::new());
    for piece in pieces {
        match piece {
            Piece::Plain(text) => {
                sql.push_str(text);
                numbered.push_str(text);
            }
            Piece::Marker(name) => {
                if !names.contains(name) {
                    names.push(*name);
                }
                let number = names.iter().position(|known| known == name).unwrap() + 1;
                sql.push_str(&format!(":{name}"));
                numbered.push_str(&format!("${number}"));
            }
        }
        sql.push(' ');
        numbered.push(' ');
    }
    (sql, names, numbered)
}

fn bound_to(names: &[&str]) -> Params {
    // Bound in another order than they occur.
    names.iter().rev().fold(Params::new(), |params, name| params.bind(*name, name.to_uppercase()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn redshift_finds_exactly_the_planted_markers(pieces in pieces("redshift")) {
        let (sql, names, numbered) = build(&pieces);
        let bound = RedshiftDialect.bind(&sql, &bound_to(&names)).unwrap();
        let wanted: Vec<_> = names.iter().map(|name| (name.to_string(), Value::Text(name.to_uppercase()))).collect();
        prop_assert_eq!(bound.sql, numbered);
        prop_assert_eq!(bound.values, wanted);
    }

    #[test]
    fn databricks_finds_exactly_the_planted_markers(pieces in pieces("databricks")) {
        let (sql, names, _) = build(&pieces);
        let bound = DatabricksDialect.bind(&sql, &bound_to(&names)).unwrap();
        let wanted: Vec<_> = names.iter().map(|name| (name.to_string(), Value::Text(name.to_uppercase()))).collect();
        prop_assert_eq!(&bound.sql, &sql);
        prop_assert_eq!(bound.values, wanted);
        // Where they stand shows when they are replaced.
        let inlined = DatabricksDialect.inline(&sql, &bound_to(&names)).unwrap();
        let wanted: String = pieces.iter().map(|piece| match piece {
            Piece::Plain(text) => format!("{text} "),
            Piece::Marker(name) => format!("'{}' ", name.to_uppercase()),
        }).collect();
        prop_assert_eq!(inlined, wanted);
    }

    #[test]
    fn a_hostile_value_stays_inside_its_literal(text in hostile()) {
        for dialect in BOTH {
            let params = Params::new().bind("v", text.as_str());
            let Ok(sql) = dialect.inline("select -:v, :v::text, x-:v from t", &params) else { continue };
            let literal = dialect.string(&text).unwrap();
            prop_assert_eq!(sql, format!("select -{literal}, {literal}::text, x-{literal} from t"));
        }
    }

    #[test]
    fn binding_never_panics(sql in hostile(), names in prop::collection::vec("[abx]", 0..3)) {
        let params = names.iter().fold(Params::new(), |params, name| params.bind(name.as_str(), 1_i32));
        for dialect in BOTH {
            let _ = dialect.bind(&sql, &params);
            let _ = dialect.inline(&sql, &params);
        }
    }
}

#[test]
fn a_repeated_name_keeps_its_number() {
    let params = Params::new().bind("b", 2_i32).bind("a", 1_i32);
    let bound = RedshiftDialect.bind("select :a, :b, :a", &params).unwrap();
    assert_eq!(bound.sql, "select $1, $2, $1");
    assert_eq!(bound.values, [("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Int(2))]);
    assert_eq!(
        (RedshiftDialect.marker_style(), DatabricksDialect.marker_style()),
        (MarkerStyle::Numbered, MarkerStyle::Named)
    );
}

#[test]
fn replacements_do_not_grow_together_with_their_neighbours() {
    let params = Params::new().bind("a", "x");
    for (sql, wanted) in [
        ("select x:a", "select x $1"),
        ("select :a'y'", "select $1 'y'"),
        ("select 'y':a", "select 'y' $1"),
        ("(:a)::int", "($1)::int"),
        (":a::int", "$1::int"),
        (":a:a", "$1 $1"),
        ("limit:a", "limit $1"),
    ] {
        assert_eq!(RedshiftDialect.bind(sql, &params).unwrap().sql, wanted);
    }
    assert_eq!(RedshiftDialect.inline("1-:a", &Params::new().bind("a", -1_i32)).unwrap(), "1-CAST(-1 AS INTEGER)");
    assert_eq!(RedshiftDialect.inline("'y':a'z'", &params).unwrap(), "'y' 'x' 'z'");
}

#[test]
fn a_marker_without_value_is_named_and_so_is_what_is_bound() {
    for dialect in BOTH {
        let error = dialect.bind("select :a, :b, :b, :c", &Params::new().bind("a", 1).bind("d", 2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "no value is bound to `:b`, `:c` (bound: `:a`, `:d`)");
        let error = dialect.bind("select :a", &Params::new()).unwrap_err();
        assert_eq!(error.context("bound"), Some("none"));
    }
}

#[test]
fn a_value_without_marker_is_named() {
    for dialect in BOTH {
        let params = Params::new().bind("a", 1).bind("b", 2).bind("not a name", 3);
        let error = dialect.bind("select :a, ':b' -- :b", &params).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "the statement has no marker `:b`, `:not a name`");
    }
}

#[test]
fn what_is_not_closed_is_a_syntax_error_with_its_position() {
    for (sql, what) in [("a\n  'x", "string"), ("é\n  /* ", "comment"), ("\n  $$", "dollar-quoted string")] {
        for dialect in BOTH {
            let error = dialect.bind(sql, &Params::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Syntax);
            assert_eq!(error.message(), format!("a {what} is not closed"));
            assert_eq!(error.context("position"), Some("line 2, column 3"));
        }
    }
    let error = RedshiftDialect.bind("é \"x", &Params::new()).unwrap_err();
    assert_eq!(error.to_string(), "a quoted name is not closed (position: line 1, column 3)");
}

#[test]
fn a_name_beyond_ascii_is_refused_rather_than_cut() {
    for dialect in BOTH {
        let error = dialect.bind("select :naïve", &Params::new().bind("na", 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax);
        assert!(error.message().contains(":naïve"), "{error}");
    }
}

#[test]
fn numbered_markers_of_ones_own_are_not_mixed_with_names() {
    let error = RedshiftDialect.bind("select $1, :a", &Params::new().bind("a", 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax);
    assert_eq!(error.context("position"), Some("line 1, column 8"));
    let sql = "prepare p (int) as select $1";
    assert_eq!(RedshiftDialect.bind(sql, &Params::new()).unwrap().sql, sql);
}

#[test]
fn the_postgresql_wire_takes_32767_parameters() {
    let sql = |count: usize| (0..count).map(|n| format!(":p{n}")).collect::<Vec<_>>().join(",");
    let params = |count: usize| (0..count).map(|n| (format!("p{n}"), Value::Int(1))).collect::<Params>();
    assert_eq!(RedshiftDialect.bind(&sql(32_767), &params(32_767)).unwrap().values.len(), 32_767);
    let error = RedshiftDialect.bind(&sql(32_768), &params(32_768)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.context("parameters"), Some("32768"));
    assert_eq!(DatabricksDialect.bind(&sql(32_768), &params(32_768)).unwrap().values.len(), 32_768);
}

#[test]
fn debug_shows_names_and_types_but_neither_text_nor_values() {
    let bound = RedshiftDialect.bind("select 'secret', :a", &Params::new().bind("a", "hidden")).unwrap();
    assert_eq!(format!("{bound:?}"), r#"Bound { bytes: 19, values: [("a", "string")] }"#);
}

#[test]
fn an_inlined_value_that_cannot_be_written_names_its_parameter() {
    let error = RedshiftDialect.inline("select :a", &Params::new().bind("a", "\0")).unwrap_err();
    assert_eq!(error.context("parameter"), Some("a"));
}
