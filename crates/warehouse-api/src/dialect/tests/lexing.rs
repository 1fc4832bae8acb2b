use proptest::prelude::*;

use super::hostile;
use crate::dialect::lexer::{Flavour, Kind, tokens};

fn kinds(flavour: Flavour, sql: &str) -> Vec<(Kind, &str)> {
    tokens(flavour, sql).map(|token| (token.kind, &sql[token.span])).collect()
}

fn covers(flavour: Flavour, sql: &str) -> bool {
    let mut end = 0;
    for token in tokens(flavour, sql) {
        if token.span.start != end || token.span.is_empty() || sql.get(token.span.clone()).is_none() {
            return false;
        }
        end = token.span.end;
    }
    end == sql.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_text_is_covered_without_gap_or_panic(sql in prop_oneof![hostile(), any::<String>(), "\\PC{0,60}"]) {
        prop_assert!(covers(Flavour::Databricks, &sql));
        prop_assert!(covers(Flavour::Redshift, &sql));
    }

    #[test]
    fn only_the_last_token_is_not_closed(sql in hostile()) {
        for flavour in [Flavour::Databricks, Flavour::Redshift] {
            let kinds = kinds(flavour, &sql);
            let open = kinds.iter().position(|(kind, _)| matches!(kind, Kind::Unclosed(_)));
            prop_assert!(open.is_none_or(|at| at + 1 == kinds.len()));
        }
    }
}

#[test]
fn quotes_mean_what_each_warehouse_means_by_them() {
    use Kind::*;
    let check = |flavour, sql: &str, wanted: &[Kind]| {
        let got: Vec<_> = kinds(flavour, sql).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(got, wanted, "{flavour:?} {sql}");
    };
    check(Flavour::Databricks, r#""a\"b""#, &[Text]);
    check(Flavour::Redshift, r#""a\"b"#, &[QuotedName, Word]);
    check(Flavour::Redshift, r#""a""b""#, &[QuotedName, QuotedName]);
    check(Flavour::Databricks, "`a\\`", &[QuotedName]);
    check(Flavour::Redshift, "`", &[Punctuation]);
    for flavour in [Flavour::Databricks, Flavour::Redshift] {
        check(flavour, r"'a\'b'", &[Text]);
        check(flavour, r"'a\\'b", &[Text, Word]);
        check(flavour, "'a''b'", &[Text, Text]);
        check(flavour, r"'\", &[Unclosed("string")]);
        check(flavour, r"'a\'", &[Unclosed("string")]);
        check(flavour, "$$ ' $$", &[DollarText]);
        check(flavour, "$a$ $$ $b$ ' $a$x", &[DollarText, Word]);
        check(flavour, "$a$ $$", &[Unclosed("dollar-quoted string")]);
        check(flavour, "/* /* */ ' */x", &[BlockComment, Word]);
        check(flavour, "/* /* */", &[Unclosed("comment")]);
        check(flavour, "/*/", &[Unclosed("comment")]);
        check(flavour, "-- it's\nx", &[LineComment, Space, Word]);
        check(flavour, "a-1", &[Word, Punctuation, Number]);
        check(
            flavour,
            "1.5e-3 .5 1e5 0xFE-1 10L",
            &[Number, Space, Number, Space, Number, Space, Number, Punctuation, Number, Space, Number],
        );
        check(flavour, "a::b:=c:d", &[Word, Cast, Word, Assign, Word, Punctuation, Word]);
    }
    check(Flavour::Databricks, r"r'\'x", &[Text, Word]);
    check(Flavour::Databricks, r#"R"'"x"#, &[Text, Word]);
    check(Flavour::Databricks, r"bar'\''", &[Word, Text]);
    check(Flavour::Redshift, r"r'\''", &[Word, Text]);
    check(Flavour::Redshift, "a$1 $12", &[Word, Space, Position]);
    check(Flavour::Redshift, "a$$b$$", &[Word]);
    check(Flavour::Databricks, "a$$b$$", &[Word, DollarText]);
}

#[test]
fn a_backslash_carries_a_databricks_comment_over_the_line() {
    assert_eq!(kinds(Flavour::Databricks, "--a\\\nb\nc").len(), 3);
    assert_eq!(kinds(Flavour::Redshift, "--a\\\nb\nc").len(), 5);
}
