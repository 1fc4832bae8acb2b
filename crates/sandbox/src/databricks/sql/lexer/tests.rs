use super::*;

fn strings(sql: &str) -> Vec<String> {
    let tokens = lex(sql).unwrap().tokens;
    tokens
        .into_iter()
        .filter_map(|token| match token.token {
            Token::SingleQuotedString(text) => Some(text),
            _ => None,
        })
        .collect()
}

#[test]
fn a_doubled_apostrophe_joins_two_literals_and_a_backslash_escapes() {
    assert_eq!(strings("SELECT 'a''b'"), ["ab"]);
    assert_eq!(strings("SELECT 'it\\'s', \"q\", r'a\\b'"), ["it's", "q", "a\\b"]);
    assert_eq!(strings("SELECT 'x' -- c\n 'y' /* /* */ */ 'z'"), ["xyz"]);
    assert_eq!(strings(r"SELECT '\n\t\\\0\%\u00e9\U0001F600\ud83d\ude00\101'"), ["\n\t\\\0\\%é😀😀A"]);
}

#[test]
fn typed_numbers_become_casts_and_take_their_sign_with_them() {
    let text = |sql: &str| lex(sql).unwrap().tokens.iter().map(|t| t.token.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(text("SELECT -128Y"), "SELECT CAST ( '-128' AS TINYINT )");
    assert_eq!(text("a - 1L"), "a - CAST ( '1' AS BIGINT )");
    assert_eq!(text("1.50BD"), "CAST ( '1.50' AS DECIMAL ( 3 , 2 ) )");
    assert_eq!(text("1e3"), "1e3");
    assert_eq!(text("t.c"), "t . c");
}

#[test]
fn markers_are_told_from_casts_paths_and_struct_fields() {
    let markers =
        |sql: &str| lex(sql).unwrap().tokens.into_iter().filter(|t| matches!(t.token, Token::Placeholder(_))).count();
    assert_eq!(markers("SELECT :a + b::int, c:path, CAST(x AS STRUCT<a:INT>)"), 1);
    assert_eq!(markers("IDENTIFIER(:t)"), 1);
}

#[test]
fn what_is_not_closed_or_not_a_token_is_a_syntax_error_with_its_place() {
    for (sql, place) in
        [("SELECT 'a", "(line 1, pos 7)"), ("SELECT\n /* x", "(line 2, pos 1)"), ("SELECT $", "(line 1, pos 7)")]
    {
        assert!(lex(sql).unwrap_err().message().contains(place), "{sql}");
    }
}
