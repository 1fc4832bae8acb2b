//! Reads a type: recursive descent over its tokens, as deep as a table may nest.

use std::str::FromStr;

use twinhouse_core::{Error, ErrorKind, Result};

use super::{
    lexer::{Token, tokens},
    types::{DeltaType, IntervalUnit, StructField},
};

/// Deeper nesting than any table has; the reader calls itself.
const DEEPEST: usize = 100;
/// The most digits a decimal has.
const MOST_DIGITS: u8 = 38;

/// Reads a type in any of the service's spellings, whatever the case of its words.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] with the place of what is wrong; [`ErrorKind::Unsupported`] for a type of Databricks that
/// has no form here (`OBJECT`, `GEOMETRY`, `GEOGRAPHY`, collated strings).
impl FromStr for DeltaType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |at: usize, why: String| {
            Error::new(ErrorKind::InvalidInput, why)
                .with_context("type", text)
                .with_context("position", (at + 1).to_string())
        };
        let end = text.chars().count();
        let tokens = tokens(text).map_err(|at| wrong(at, "a data type cannot have this character".to_owned()))?;
        let mut reader = Reader { tokens: &tokens, at: 0, end };
        match reader.data_type(0).and_then(|data_type| reader.finish().map(|()| data_type)) {
            Ok(data_type) => Ok(data_type),
            Err(Fault::Wrong(at, why)) => Err(wrong(at, why)),
            Err(Fault::Refused(what)) => {
                Err(Error::unsupported("databricks", format!("{what} is not supported")).with_context("type", text))
            }
        }
    }
}

enum Fault {
    Wrong(usize, String),
    Refused(String),
}

type Read<T> = std::result::Result<T, Fault>;

struct Reader<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn data_type(&mut self, depth: usize) -> Read<DeltaType> {
        if depth > DEEPEST {
            return Err(self.wrong(format!("a data type nests at most {DEEPEST} deep")));
        }
        let Some(Token::Word(word)) = self.peek() else { return Err(self.wrong("a data type was expected")) };
        let word = word.to_ascii_lowercase();
        self.at += 1;
        Ok(match word.as_str() {
            "boolean" => DeltaType::Boolean,
            "tinyint" | "byte" => DeltaType::Byte,
            "smallint" | "short" => DeltaType::Short,
            "int" | "integer" => DeltaType::Int,
            "bigint" | "long" => DeltaType::Long,
            "float" | "real" => DeltaType::Float,
            "double" => DeltaType::Double,
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "string" => {
                if self.word("collate") {
                    return Err(Fault::Refused("a collation".to_owned()));
                }
                DeltaType::String
            }
            "char" | "character" => DeltaType::Char(self.length()?),
            "varchar" => DeltaType::Varchar(self.length()?),
            "binary" => DeltaType::Binary,
            "date" => DeltaType::Date,
            "timestamp" | "timestamp_ltz" => DeltaType::Timestamp,
            "timestamp_ntz" => DeltaType::TimestampNtz,
            "interval" => self.interval()?,
            "array" => {
                self.sign('<')?;
                let element = self.data_type(depth + 1)?;
                self.sign('>')?;
                DeltaType::array_of(element)
            }
            "map" => {
                self.sign('<')?;
                let key = self.data_type(depth + 1)?;
                self.sign(',')?;
                let value = self.data_type(depth + 1)?;
                self.sign('>')?;
                DeltaType::map_of(key, value)
            }
            "struct" => DeltaType::Struct(self.fields(depth)?),
            "variant" => DeltaType::Variant,
            "void" | "null" => DeltaType::Void,
            "object" | "geometry" | "geography" => {
                return Err(Fault::Refused(format!("the data type {}", word.to_uppercase())));
            }
            _ => {
                self.at -= 1;
                return Err(self.wrong("this data type is not known"));
            }
        })
    }

    fn decimal(&mut self) -> Read<DeltaType> {
        let (mut precision, mut scale) = (10, 0);
        if self.accept('(') {
            precision = self.number("a decimal has 1 to 38 digits", |digits| (1..=MOST_DIGITS).contains(digits))?;
            if self.accept(',') {
                let fits = |scale: &u8| *scale <= precision;
                scale = self.number("a decimal has no more digits behind the point than in all", fits)?;
            }
            self.sign(')')?;
        }
        Ok(DeltaType::Decimal { precision, scale })
    }

    fn length(&mut self) -> Read<u32> {
        self.sign('(')?;
        let length = self.number("a length is a whole number above 0", |length| *length > 0)?;
        self.sign(')')?;
        Ok(length)
    }

    fn interval(&mut self) -> Read<DeltaType> {
        let from = self.unit()?;
        if !self.word("to") {
            return Ok(DeltaType::Interval { from, to: from });
        }
        let to = self.unit()?;
        if to <= from || to.is_month() != from.is_month() {
            self.at -= 1;
            return Err(self.wrong("an interval goes from a larger unit to a smaller one of its family"));
        }
        Ok(DeltaType::Interval { from, to })
    }

    fn unit(&mut self) -> Read<IntervalUnit> {
        let unit = IntervalUnit::ALL.iter().find(|(name, _)| self.word(name)).map(|(_, unit)| *unit);
        unit.ok_or_else(|| self.wrong("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND was expected"))
    }

    fn fields(&mut self, depth: usize) -> Read<Vec<StructField>> {
        let mut fields: Vec<StructField> = Vec::new();
        self.sign('<')?;
        if self.accept('>') {
            return Ok(fields);
        }
        loop {
            let name = match self.peek() {
                Some(Token::Word(name) | Token::Quoted(name)) if !name.is_empty() => name.clone(),
                _ => return Err(self.wrong("the name of a field was expected")),
            };
            if fields.iter().any(|field| field.name.to_lowercase() == name.to_lowercase()) {
                return Err(self.wrong("a struct has this field already"));
            }
            self.at += 1;
            self.accept(':');
            let mut field = StructField::new(name, self.data_type(depth + 1)?);
            if self.word("not") {
                if !self.word("null") {
                    return Err(self.wrong("NULL was expected"));
                }
                field.nullable = false;
            }
            if self.word("comment") {
                let Some(Token::Text(comment)) = self.peek() else {
                    return Err(self.wrong("a comment in quotes was expected"));
                };
                field.comment = Some(comment.clone());
                self.at += 1;
            }
            fields.push(field);
            if !self.accept(',') {
                self.sign('>')?;
                return Ok(fields);
            }
        }
    }

    fn finish(&self) -> Read<()> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.wrong("nothing more was expected")) }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(wanted));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, wanted: char) -> Read<()> {
        if self.accept(wanted) { Ok(()) } else { Err(self.wrong(format!("`{wanted}` was expected"))) }
    }

    fn number<N: FromStr>(&mut self, wish: &str, fits: impl Fn(&N) -> bool) -> Read<N> {
        let number = match self.peek() {
            Some(Token::Word(digits)) => digits.parse().ok().filter(fits),
            _ => None,
        };
        let number = number.ok_or_else(|| self.wrong(wish))?;
        self.at += 1;
        Ok(number)
    }

    fn wrong(&self, why: impl Into<String>) -> Fault {
        Fault::Wrong(self.tokens.get(self.at).map_or(self.end, |(at, _)| *at), why.into())
    }
}
