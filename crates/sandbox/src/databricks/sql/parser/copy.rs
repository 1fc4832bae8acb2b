//! `COPY INTO`

use datafusion::sql::sqlparser::{
    parser::ParserError,
    tokenizer::{Token, TokenWithSpan},
};

use super::{Parsed, StatementParser, refuse};
use crate::databricks::sql::ast::{CopyInto, CopySource, Statement};

impl StatementParser {
    pub(super) fn copy(&mut self) -> Parsed<Statement> {
        self.words(&["COPY", "INTO"])?;
        let table = self.path()?;
        let by_position = self.accept(&["BY", "POSITION"]);
        let columns = if by_position {
            Vec::new()
        } else if self.inner.peek_token().token == Token::LParen {
            self.names()?
        } else {
            Vec::new()
        };
        self.words(&["FROM"])?;
        let source = if self.inner.peek_token().token == Token::LParen {
            self.copy_select()?
        } else {
            CopySource::Directory(self.text()?)
        };
        if self.accept(&["WITH"]) {
            return refuse("COPY INTO … WITH (CREDENTIAL | ENCRYPTION)");
        }
        self.words(&["FILEFORMAT"])?;
        let _ = self.inner.consume_token(&Token::Eq);
        let format = self.inner.parse_identifier()?.value.to_ascii_uppercase();
        if self.peek_word(0, "VALIDATE") {
            return refuse("COPY INTO … VALIDATE");
        }
        let (mut files, mut pattern) = (Vec::new(), None);
        if self.accept(&["FILES"]) {
            let _ = self.inner.consume_token(&Token::Eq);
            self.inner.expect_token(&Token::LParen)?;
            files = self.inner.parse_comma_separated(|parser| parser.parse_literal_string())?;
            self.inner.expect_token(&Token::RParen)?;
        } else if self.accept(&["PATTERN"]) {
            let _ = self.inner.consume_token(&Token::Eq);
            pattern = Some(self.text()?);
        }
        let format_options = if self.accept(&["FORMAT_OPTIONS"]) { self.options()? } else { Vec::new() };
        let copy_options = if self.accept(&["COPY_OPTIONS"]) { self.options()? } else { Vec::new() };
        Ok(Statement::CopyInto(Box::new(CopyInto {
            table,
            by_position,
            columns,
            source,
            format,
            files,
            pattern,
            format_options,
            copy_options,
        })))
    }

    /// `('k' = 'v', k.l = v)`
    pub(super) fn options(&mut self) -> Parsed<Vec<(String, String)>> {
        self.inner.expect_token(&Token::LParen)?;
        let mut options = Vec::new();
        loop {
            let key = match self.inner.peek_token().token {
                Token::SingleQuotedString(text) => {
                    self.inner.next_token();
                    text
                }
                _ => self.path()?.0.join("."),
            };
            let _ = self.inner.consume_token(&Token::Eq);
            let value = match self.inner.next_token().token {
                Token::SingleQuotedString(text) => text,
                token => token.to_string(),
            };
            options.push((key, value));
            if !self.inner.consume_token(&Token::Comma) {
                break;
            }
        }
        self.inner.expect_token(&Token::RParen)?;
        Ok(options)
    }

    /// `(SELECT … FROM 'path')`: the path becomes a name that sqlparser can read.
    fn copy_select(&mut self) -> Parsed<CopySource> {
        self.inner.expect_token(&Token::LParen)?;
        let (mut tokens, mut depth, mut path) = (Vec::<TokenWithSpan>::new(), 0, None);
        loop {
            let mut next = self.inner.next_token();
            match &next.token {
                Token::EOF => return self.inner.expected(")", next),
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => break,
                Token::RParen => depth -= 1,
                Token::SingleQuotedString(text)
                    if depth == 0
                        && tokens.last().is_some_and(|last| last.token.to_string().eq_ignore_ascii_case("from")) =>
                {
                    path = Some(text.clone());
                    next.token = Token::make_word(CopyInto::SOURCE, None);
                }
                _ => {}
            }
            tokens.push(next);
        }
        let Some(path) = path else {
            return Err(ParserError::ParserError("a COPY INTO query reads from a path".to_owned()));
        };
        let mut inner = Self::new(tokens);
        let query = inner.query()?;
        inner.end()?;
        Ok(CopySource::Select { path, query })
    }
}
