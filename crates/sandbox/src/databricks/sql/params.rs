//! Parameters and `IDENTIFIER(…)`, put in place among the tokens before anything is parsed.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use serde::Deserialize;

use super::{
    lexer::{Lexed, lex},
    types::{delta_type_text, type_of_text},
};
use crate::databricks::error::{SqlError, SqlResult};

/// Begins a question mark that knows which it is; nobody can write one so.
const NUMBERED: &str = "? ";

/// One parameter of a request: `{name, value, type}`, or without a name for `?`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: Option<String>,
    pub(crate) value: Option<String>,
    #[serde(rename = "type")]
    pub(crate) type_text: Option<String>,
    pub(crate) ordinal: Option<usize>,
}

/// The parameters of one statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<Parameter>);

impl Parameters {
    pub(crate) fn new(parameters: Vec<Parameter>) -> Self {
        Self(parameters)
    }

    /// The statement with every marker replaced by its value, as a literal that cannot be anything else.
    pub(crate) fn bind(&self, lexed: Lexed) -> SqlResult<Lexed> {
        let Lexed { text, mut tokens } = lexed;
        let marks = tokens.iter_mut().filter_map(|token| match &mut token.token {
            Token::Placeholder(marker) if marker == "?" => Some(marker),
            _ => None,
        });
        // In the order in which they are written, within an IDENTIFIER clause or not.
        marks.enumerate().for_each(|(before, marker)| *marker = format!("{NUMBERED}{}", before + 1));
        let tokens = self.identifiers(tokens, &text)?;
        let mut bound = Vec::with_capacity(tokens.len());
        for token in tokens {
            let Token::Placeholder(marker) = &token.token else {
                bound.push(token);
                continue;
            };
            let parameter = self.find(marker)?;
            bound.extend(literal(parameter)?.into_iter().map(|new| TokenWithSpan::new(new, token.span)));
        }
        Ok(Lexed { text, tokens: bound })
    }

    fn find(&self, marker: &str) -> SqlResult<&Parameter> {
        let found = match marker.strip_prefix(NUMBERED).and_then(|number| number.parse::<usize>().ok()) {
            Some(number) => {
                let ordinal = self.0.iter().find(|parameter| parameter.ordinal == Some(number));
                ordinal.or_else(|| self.0.iter().filter(|parameter| parameter.name.is_none()).nth(number - 1))
            }
            None => marker
                .strip_prefix(':')
                .and_then(|name| self.0.iter().find(|parameter| parameter.name.as_deref() == Some(name))),
        };
        found.ok_or_else(|| {
            let name = if marker.starts_with(NUMBERED) { "?" } else { marker.trim_start_matches(':') };
            let text = format!("Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to a SQL literal.");
            SqlError::new("UNBOUND_SQL_PARAMETER", "42P02", text)
        })
    }

    /// `IDENTIFIER('a.b' || :c)` becomes the name that the text holds.
    fn identifiers(&self, tokens: Vec<TokenWithSpan>, text: &str) -> SqlResult<Vec<TokenWithSpan>> {
        let mut out = Vec::with_capacity(tokens.len());
        let mut rest = tokens.into_iter().peekable();
        while let Some(token) = rest.next() {
            let clause = matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("identifier"))
                && rest.peek().is_some_and(|next| next.token == Token::LParen);
            if !clause {
                out.push(token);
                continue;
            }
            rest.next();
            let mut name = String::new();
            loop {
                let part = rest.next();
                match part.as_ref().map(|part| &part.token) {
                    Some(Token::SingleQuotedString(text)) => name.push_str(text),
                    Some(Token::Placeholder(marker)) => {
                        let parameter = self.find(marker)?;
                        name.push_str(parameter.value.as_deref().unwrap_or_default());
                    }
                    Some(Token::StringConcat) => {}
                    Some(Token::RParen) => break,
                    _ => {
                        let text = "The expression of the IDENTIFIER clause must be a constant string.";
                        return Err(SqlError::new("NOT_A_CONSTANT_STRING.NOT_CONSTANT", "42601", text));
                    }
                }
            }
            out.extend(name_tokens(&name, token.span, text)?);
        }
        Ok(out)
    }
}

fn name_tokens(name: &str, span: Span, text: &str) -> SqlResult<Vec<TokenWithSpan>> {
    let tokens = lex(name)?.tokens;
    let shape = tokens.iter().enumerate().all(|(index, token)| match &token.token {
        Token::Word(_) => index % 2 == 0,
        Token::Period => index % 2 == 1,
        _ => false,
    });
    if !shape || tokens.len() % 2 == 0 {
        return Err(SqlError::syntax(text, Some(name), span.start.line, span.start.column.saturating_sub(1)));
    }
    Ok(tokens.into_iter().map(|token| TokenWithSpan::new(token.token, span)).collect())
}

fn literal(parameter: &Parameter) -> SqlResult<Vec<Token>> {
    let type_text = parameter.type_text.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or("STRING");
    let value = match &parameter.value {
        Some(value) => Token::SingleQuotedString(value.clone()),
        None => Token::make_word("NULL", None),
    };
    // The type of NULL itself: it takes that of the place it stands in.
    if type_text.eq_ignore_ascii_case("VOID") && parameter.value.is_none() {
        return Ok(vec![value]);
    }
    if type_text.eq_ignore_ascii_case("STRING") && parameter.value.is_some() {
        return Ok(vec![value]);
    }
    let declared = type_of_text(type_text)?;
    let mut tokens = vec![Token::make_word("CAST", None), Token::LParen, value, Token::make_word("AS", None)];
    tokens.extend(lex(&delta_type_text(&declared))?.tokens.into_iter().map(|token| token.token));
    tokens.push(Token::RParen);
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, value: Option<&str>, type_text: &str) -> Parameter {
        Parameter {
            name: Some(name.to_owned()),
            value: value.map(str::to_owned),
            type_text: Some(type_text.to_owned()),
            ordinal: None,
        }
    }

    fn bound(sql: &str, parameters: Vec<Parameter>) -> SqlResult<String> {
        let lexed = Parameters::new(parameters).bind(lex(sql)?)?;
        Ok(lexed.tokens.iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_value_is_a_literal_whatever_is_in_it() {
        let hostile = bound("SELECT :x, :x", vec![parameter("x", Some("a' OR 1=1 --"), "STRING")]).unwrap();
        assert_eq!(hostile, "SELECT 'a' OR 1=1 --' , 'a' OR 1=1 --'");
        let typed = bound("SELECT :x", vec![parameter("x", Some("1.5"), "DECIMAL(3,1)")]).unwrap();
        assert_eq!(typed, "SELECT CAST ( '1.5' AS DECIMAL ( 3 , 1 ) )");
        let null = bound("SELECT :x", vec![parameter("x", None, "")]).unwrap();
        assert_eq!(null, "SELECT CAST ( NULL AS STRING )");
        assert_eq!(bound("SELECT :x", vec![parameter("x", None, "void")]).unwrap(), "SELECT NULL");
        assert!(bound("SELECT :x", vec![parameter("x", Some("1"), "VOID")]).is_err());
    }

    #[test]
    fn a_marker_without_value_is_named() {
        let error = bound("SELECT :lost", Vec::new()).unwrap_err();
        assert_eq!((error.class(), error.sqlstate()), ("UNBOUND_SQL_PARAMETER", "42P02"));
        assert!(error.message().contains("lost"));
    }

    #[test]
    fn an_identifier_clause_takes_names_and_nothing_else() {
        let table =
            |value: &str| bound("SELECT * FROM IDENTIFIER(:t || '.x')", vec![parameter("t", Some(value), "STRING")]);
        assert_eq!(table("`a b`.c").unwrap(), "SELECT * FROM `a b` . c . x");
        assert!(table("t; DROP TABLE u").is_err());
    }

    #[test]
    fn nameless_parameters_fill_question_marks_in_order() {
        let nameless = |value: &str| Parameter { value: Some(value.to_owned()), ..Parameter::default() };
        assert_eq!(bound("SELECT ?, ?", vec![nameless("a"), nameless("b")]).unwrap(), "SELECT 'a' , 'b'");
        let mixed = "SELECT ? FROM IDENTIFIER(?) WHERE IDENTIFIER(? || '.x') = ?";
        let values = ["a", "t", "c", "d"].map(nameless).to_vec();
        assert_eq!(bound(mixed, values).unwrap(), "SELECT 'a' FROM t WHERE c . x = 'd'");
        let error = bound("SELECT ?, ?", vec![nameless("a")]).unwrap_err();
        assert!(error.class() == "UNBOUND_SQL_PARAMETER" && error.text().contains("parameter: ?."), "{error}");
    }
}
