//! The spellings of time travel, brought to the two that sqlparser reads.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::lexer::Lexed,
};

/// `t@v3`, `t@20240131120000000`, `t FOR SYSTEM_VERSION AS OF 3` and their like as `t VERSION AS OF 3` or
/// `t TIMESTAMP AS OF '…'`.
pub(super) fn normalise(lexed: &Lexed) -> SqlResult<Vec<TokenWithSpan>> {
    let tokens = &lexed.tokens;
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = &tokens[at..];
        let after_name = matches!(out.last().map(|last| &last.token), Some(Token::Word(_)));
        let span = token.span;
        let mut push = |token: Token| out.push(TokenWithSpan::new(token, span));
        if let (true, Token::AtSign, Some(asked)) = (after_name, &token.token, rest.get(1).and_then(attached)) {
            at += 2;
            let (word, value) = asked;
            [Token::make_word(word, None), Token::make_word("AS", None), Token::make_word("OF", None), value]
                .into_iter()
                .for_each(&mut push);
            continue;
        }
        if let (true, Some((width, word))) = (after_name, clause(rest)) {
            at += width;
            push(Token::make_word(word, None));
            push(Token::make_word("AS", None));
            push(Token::make_word("OF", None));
            // The version may be written as a text.
            if let (true, Some(Token::SingleQuotedString(digits))) =
                (word == "VERSION", tokens.get(at).map(|next| &next.token))
                && is_number(digits)
            {
                push(Token::Number(digits.clone(), false));
                at += 1;
            }
            continue;
        }
        if token.token == Token::AtSign {
            let place = span.start;
            return Err(SqlError::syntax(&lexed.text, Some("@"), place.line, place.column.saturating_sub(1)));
        }
        out.push(token.clone());
        at += 1;
    }
    Ok(out)
}

/// What stands behind the `@`: `v3`, or a moment in 17 digits.
fn attached(token: &TokenWithSpan) -> Option<(&'static str, Token)> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => {
            let digits = word.value.strip_prefix(['v', 'V']).filter(|digits| is_number(digits))?;
            Some(("VERSION", Token::Number(digits.to_owned(), false)))
        }
        Token::Number(digits, _) if digits.len() == 17 && is_number(digits) => {
            let (date, time) = digits.split_at(8);
            let text = format!(
                "{}-{}-{} {}:{}:{}.{}",
                &date[..4],
                &date[4..6],
                &date[6..],
                &time[..2],
                &time[2..4],
                &time[4..6],
                &time[6..]
            );
            Some(("TIMESTAMP", Token::SingleQuotedString(text)))
        }
        _ => None,
    }
}

/// `[FOR] {VERSION | SYSTEM_VERSION | TIMESTAMP | SYSTEM_TIME} AS OF`: how many tokens, and the word for it.
fn clause(tokens: &[TokenWithSpan]) -> Option<(usize, &'static str)> {
    let is = |index: usize, expected: &str| match tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
        _ => false,
    };
    let first = usize::from(is(0, "FOR"));
    let word = match () {
        () if is(first, "VERSION") || is(first, "SYSTEM_VERSION") => "VERSION",
        () if is(first, "TIMESTAMP") || is(first, "SYSTEM_TIME") => "TIMESTAMP",
        () => return None,
    };
    (is(first + 1, "AS") && is(first + 2, "OF")).then_some((first + 3, word))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
