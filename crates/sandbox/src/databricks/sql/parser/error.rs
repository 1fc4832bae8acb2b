//! The parser's refusals and mistakes in the service's words.

use datafusion::sql::sqlparser::{parser::ParserError, tokenizer::Token};

use super::Parsed;
use crate::databricks::{
    error::SqlError,
    sql::{lexer::Lexed, types::refused_type},
};

/// The words by which [`syntax_error`] knows a refusal after the parser has carried it.
const REFUSAL: &str = "unsupported statement ";

pub(super) fn refuse<T>(what: &str) -> Parsed<T> {
    Err(ParserError::ParserError(format!("{REFUSAL}{what}")))
}

/// Turns the parser's words into the service's: the token and its place.
pub(super) fn syntax_error(lexed: &Lexed, error: &ParserError) -> SqlError {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            return SqlError::new("FAILED_TO_PARSE_TOO_COMPLEX", "54001", "The statement was too complex to parse.");
        }
    };
    if let Some((_, what)) = text.split_once(REFUSAL) {
        return SqlError::unsupported(what);
    }
    if let Some(name) = refused_type(text) {
        return SqlError::unsupported(format_args!("the data type {name}"));
    }
    let place = text.rsplit_once(" at Line: ").and_then(|(_, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((line.parse::<u64>().ok()?, column.trim().parse::<u64>().ok()?))
    });
    let token = place.and_then(|(line, column)| {
        lexed.tokens.iter().find(|token| token.span.start.line == line && token.span.start.column == column)
    });
    match (token, place) {
        (Some(token), Some((line, column))) => {
            let near = match &token.token {
                Token::Word(word) => word.value.clone(),
                other => other.to_string(),
            };
            SqlError::syntax(&lexed.text, Some(&near), line, column.saturating_sub(1))
        }
        _ => {
            let end = lexed.tokens.last().map(|token| token.span.end);
            let (line, column) = end.map_or((1, 1), |end| (end.line, end.column));
            SqlError::syntax(&lexed.text, None, line, column.saturating_sub(1))
        }
    }
}
