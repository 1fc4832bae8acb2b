use proptest::prelude::*;
use sqlparser::{
    dialect::{RedshiftSqlDialect, SnowflakeDialect},
    tokenizer::{Token, Tokenizer},
};
use twinhouse_core::ErrorKind;

use super::{BOTH, DatabricksDialect, Dialect, RedshiftDialect, hostile};
use crate::dialect::lexer::{Flavour, Kind, tokens};

/// Reads one Databricks literal as its reference says, and gives back its value and what follows it.
fn read_databricks(sql: &str) -> (String, &str) {
    let mut rest = sql.strip_prefix('\'').expect("a literal");
    let mut out = String::new();
    loop {
        let mut chars = rest.chars();
        match chars.next().expect("not closed") {
            '\'' => return (out, chars.as_str()),
            '\\' => {
                let escape = chars.as_str();
                let hex = |digits: usize| {
                    let code = escape.get(1..1 + digits)?;
                    let code = code.bytes().all(|b| b.is_ascii_hexdigit()).then_some(code)?;
                    char::from_u32(u32::from_str_radix(code, 16).ok()?).map(|c| (c, 1 + digits))
                };
                let octal = || {
                    let code = escape.get(..3)?;
                    let code = code.bytes().all(|b| (b'0'..=b'7').contains(&b)).then_some(code)?;
                    char::from_u32(u32::from_str_radix(code, 8).ok()?).map(|c| (c, 3))
                };
                let first = escape.chars().next().expect("not closed");
                let special = match first {
                    'u' => hex(4),
                    'U' => hex(8),
                    '0'..='7' => octal(),
                    _ => None,
                };
                let (c, length) = special.unwrap_or_else(|| match first {
                    '0' => ('\0', 1),
                    'b' => ('\u{8}', 1),
                    'n' => ('\n', 1),
                    'r' => ('\r', 1),
                    't' => ('\t', 1),
                    'Z' => ('\u{1a}', 1),
                    other => (other, other.len_utf8()),
                });
                if matches!(first, '%' | '_') {
                    out.push('\\');
                }
                out.push(c);
                rest = &escape[length..];
            }
            c => {
                out.push(c);
                rest = chars.as_str();
            }
        }
    }
}

/// Reads one Redshift literal: a backslash takes the next character as it is, two quotes are one.
fn read_redshift(sql: &str) -> (String, &str) {
    let mut chars = sql.strip_prefix('\'').expect("a literal").chars();
    let mut out = String::new();
    loop {
        match chars.next().expect("not closed") {
            '\'' if chars.as_str().starts_with('\'') => {
                chars.next();
                out.push('\'');
            }
            '\'' => return (out, chars.as_str()),
            '\\' => out.push(chars.next().expect("not closed")),
            c => out.push(c),
        }
    }
}

proptest! {
    #[test]
    fn a_databricks_string_reads_back_by_the_reference(text in hostile(), after in hostile()) {
        let literal = DatabricksDialect.string(&text).unwrap();
        let sql = format!("{literal},{after}");
        let (read, rest) = read_databricks(&sql);
        prop_assert_eq!(read, text);
        prop_assert_eq!(rest, format!(",{after}"));
        prop_assert!(!literal.contains('\0'));
        prop_assert!(!literal.contains("${"), "would be substituted before parsing");
        prop_assert!(!literal[1..literal.len() - 1].contains("''"), "two quotes are two literals");
    }

    #[test]
    fn a_databricks_string_reads_back_by_another_lexer(text in hostile()) {
        // That lexer has backslash escapes but no `\uXXXX`.
        prop_assume!(!text.contains('\0') && !text.contains("${"));
        let literal = DatabricksDialect.string(&text).unwrap();
        let read = Tokenizer::new(&SnowflakeDialect {}, &literal).tokenize().unwrap();
        prop_assert_eq!(read, vec![Token::SingleQuotedString(text)]);
    }

    #[test]
    fn a_redshift_string_reads_back_by_both_readers(text in hostile(), after in hostile()) {
        match RedshiftDialect.string(&text) {
            Ok(literal) => {
                prop_assert!(!text.contains('\0'));
                let sql = format!("{literal},{after}");
                let (read, rest) = read_redshift(&sql);
                prop_assert_eq!(&read, &text);
                prop_assert_eq!(rest, format!(",{after}"));
                let read = Tokenizer::new(&RedshiftSqlDialect {}, &literal).tokenize().unwrap();
                prop_assert_eq!(read, vec![Token::SingleQuotedString(text)]);
            }
            Err(error) => {
                prop_assert!(text.contains('\0'));
                prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
            }
        }
    }

    #[test]
    fn our_own_lexer_takes_a_string_for_one_token(text in hostile()) {
        for dialect in BOTH {
            let flavour = if dialect.name() == "redshift" { Flavour::Redshift } else { Flavour::Databricks };
            let Ok(literal) = dialect.string(&text) else { continue };
            // Redshift's doubled quotes are two tokens that follow each other: what counts is that no other kind shows.
            prop_assert!(tokens(flavour, &literal).all(|token| token.kind == Kind::Text));
        }
    }
}

#[test]
fn the_reference_reader_knows_the_documented_escapes() {
    let (read, rest) = read_databricks(r#"'\0\b\n\r\t\Z\\\'\"\u0041\U0001F600\101\%\_\q' x"#);
    assert_eq!(read, "\0\u{8}\n\r\t\u{1a}\\'\"A😀A\\%\\_q");
    assert_eq!(rest, " x");
}

#[test]
fn apostrophes_are_escaped_each_in_its_own_way() {
    assert_eq!(DatabricksDialect.string(r"it's \ 100%").unwrap(), r"'it\'s \\ 100%'");
    assert_eq!(RedshiftDialect.string(r"it's \ 100%").unwrap(), r"'it''s \\ 100%'");
    assert_eq!(DatabricksDialect.string("").unwrap(), "''");
}
