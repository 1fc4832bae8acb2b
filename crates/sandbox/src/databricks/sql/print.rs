//! Tokens as text that every reader of a Delta log understands alike.

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lexer::lex;
use crate::databricks::error::{SqlError, SqlResult};

/// The text of an expression that is kept in a table's log; `None` if its literals hold quotes or backslashes, which
/// readers escape differently.
pub(crate) fn print_tokens<'a>(tokens: impl IntoIterator<Item = &'a Token>) -> Option<String> {
    let mut text = String::new();
    let mut before: Option<&Token> = None;
    for token in tokens {
        let tight = matches!(token, Token::Comma | Token::RParen | Token::Period)
            || matches!(before, None | Some(Token::LParen | Token::Period))
            // A function and what it takes.
            || (matches!(token, Token::LParen) && matches!(before, Some(Token::Word(word)) if !is_operator(&word.value)));
        if !tight {
            text.push(' ');
        }
        match token {
            Token::SingleQuotedString(value) if value.contains(['\'', '\\']) => return None,
            Token::Word(word) if word.quote_style.is_some() => {
                text.push('`');
                text.push_str(&word.value.replace('`', "``"));
                text.push('`');
            }
            token => text.push_str(&token.to_string()),
        }
        before = Some(token);
    }
    Some(text)
}

fn is_operator(word: &str) -> bool {
    ["AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "CASE", "WHEN", "THEN", "ELSE"]
        .iter()
        .any(|operator| operator.eq_ignore_ascii_case(word))
}

/// The text with the columns of the schema spelled as they are there.
pub(crate) fn respell_text(text: &str, schema: &Schema) -> SqlResult<String> {
    let mut tokens: Vec<Token> = lex(text)?.tokens.into_iter().map(|token| token.token).collect();
    for token in &mut tokens {
        if let Token::Word(word) = token {
            let known = schema.fields().iter().find(|field| field.name().to_lowercase() == word.value.to_lowercase());
            if let Some(field) = known {
                *token = Token::make_word(field.name(), word.quote_style);
            }
        }
    }
    print_tokens(&tokens).ok_or_else(|| SqlError::internal("a literal with quotes"))
}

/// Every word of a text that may name a column.
pub(crate) fn names_in(text: &str) -> Vec<String> {
    let tokens = lex(text).map(|lexed| lexed.tokens).unwrap_or_default();
    let word = |token: TokenWithSpan| match token.token {
        Token::Word(word) => Some(word.value),
        _ => None,
    };
    tokens.into_iter().filter_map(word).collect()
}
