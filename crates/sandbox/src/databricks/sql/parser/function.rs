//! `CREATE FUNCTION`

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::{
    ast::{CreateFunction, Statement},
    types::parse_type,
};

impl StatementParser {
    pub(super) fn create_function(&mut self, or_replace: bool) -> Parsed<Statement> {
        let if_not_exists = self.accept(&["IF", "NOT", "EXISTS"]);
        let name = self.path()?;
        let mut parameters = Vec::new();
        self.inner.expect_token(&Token::LParen)?;
        while self.inner.peek_token().token != Token::RParen {
            let name = self.inner.parse_identifier()?.value;
            let data_type = parse_type(&mut self.inner)?;
            if self.peek_word(0, "DEFAULT") {
                return refuse("DEFAULT of a function's parameter");
            }
            let comment = if self.accept(&["COMMENT"]) { Some(self.text()?) } else { None };
            parameters.push((name, data_type, comment));
            if !self.inner.consume_token(&Token::Comma) {
                break;
            }
        }
        self.inner.expect_token(&Token::RParen)?;
        if !self.accept(&["RETURNS"]) {
            return refuse("CREATE FUNCTION without RETURNS");
        }
        if self.peek_word(0, "TABLE") {
            return refuse("a function that returns a TABLE");
        }
        let returns = parse_type(&mut self.inner)?;
        let (mut deterministic, mut comment) = (true, None);
        loop {
            if self.accept(&["LANGUAGE"]) {
                let language = self.inner.parse_identifier()?.value;
                if !language.eq_ignore_ascii_case("sql") {
                    return refuse(&format!("CREATE FUNCTION … LANGUAGE {}", language.to_ascii_uppercase()));
                }
            } else if self.accept(&["NOT", "DETERMINISTIC"]) {
                deterministic = false;
            } else if self.accept(&["DETERMINISTIC"]) {
                deterministic = true;
            } else if self.accept(&["COMMENT"]) {
                comment = Some(self.text()?);
            } else if !self.accept(&["CONTAINS", "SQL"]) {
                break;
            }
        }
        if self.accept(&["READS", "SQL", "DATA"]) {
            return refuse("a function whose body reads tables");
        }
        self.words(&["RETURN"])?;
        let body = self.expression_text()?;
        Ok(Statement::CreateFunction(Box::new(CreateFunction {
            name,
            or_replace,
            if_not_exists,
            parameters,
            returns,
            deterministic,
            comment,
            body,
        })))
    }
}
