//! One spelling for each name of a statement: Databricks ignores case and keeps it, DataFusion does neither.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Schema};
use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use super::lexer::Lexed;

/// For each name in lower case, the spelling that stands for all others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spelling(HashMap<String, String>);

impl Spelling {
    /// Takes the columns of a table, and their fields, unless another table has spelled them already.
    pub(crate) fn learn(&mut self, schema: &Schema) {
        for field in schema.fields() {
            self.learn_name(field.name());
            self.learn_type(field.data_type());
        }
    }

    fn learn_type(&mut self, data_type: &DataType) {
        match data_type {
            DataType::Struct(fields) => {
                for field in fields {
                    self.learn_name(field.name());
                    self.learn_type(field.data_type());
                }
            }
            DataType::List(field) | DataType::LargeList(field) | DataType::Map(field, _) => {
                self.learn_type(field.data_type());
            }
            _ => {}
        }
    }

    fn learn_name(&mut self, name: &str) {
        self.0.entry(name.to_lowercase()).or_insert_with(|| name.to_owned());
    }

    /// The one spelling of a name.
    pub(crate) fn of(&self, name: &str) -> String {
        let lower = name.to_lowercase();
        self.0.get(&lower).cloned().unwrap_or(lower)
    }

    /// The statement in that spelling. Keywords and functions do not mind.
    pub(crate) fn apply(&self, lexed: &Lexed) -> Lexed {
        let mut lexed = lexed.clone();
        for token in &mut lexed.tokens {
            if let Token::Word(Word { value, quote_style, .. }) = &token.token {
                token.token = match quote_style {
                    None => Token::make_word(&self.of(value), None),
                    Some(_) => Token::make_word(&self.of(value), Some('`')),
                };
            }
        }
        lexed
    }
}
