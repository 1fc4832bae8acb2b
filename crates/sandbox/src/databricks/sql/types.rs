//! Databricks' types: their spelling, Delta's form and Arrow's.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType as Arrow, Field, FieldRef, TimeUnit};
use datafusion::{
    common::Result as EngineResult,
    logical_expr::planner::TypePlanner,
    sql::sqlparser::{
        ast::DataType as SqlType,
        keywords::Keyword,
        parser::{Parser, ParserError},
        tokenizer::Token,
    },
};
use deltalake::kernel::{
    ArrayType, DataType, MapType, MetadataValue, PrimitiveType, StructField, StructType,
    engine::arrow_conversion::TryIntoArrow as _,
};

use super::{dialect::Databricks, lexer::lex};
use crate::databricks::error::{SqlError, SqlResult};

/// Reads a type at the parser's place.
pub(crate) fn parse_type(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    let found = parser.next_token();
    let Token::Word(word) = &found.token else { return parser.expected("a data type", found) };
    let name = word.value.to_ascii_uppercase();
    Ok(match name.as_str() {
        "BOOLEAN" => DataType::BOOLEAN,
        "TINYINT" | "BYTE" => DataType::BYTE,
        "SMALLINT" | "SHORT" => DataType::SHORT,
        "INT" | "INTEGER" => DataType::INTEGER,
        "BIGINT" | "LONG" => DataType::LONG,
        "FLOAT" | "REAL" => DataType::FLOAT,
        "DOUBLE" => DataType::DOUBLE,
        "DATE" => DataType::DATE,
        "TIMESTAMP" | "TIMESTAMP_LTZ" => DataType::TIMESTAMP,
        "TIMESTAMP_NTZ" => DataType::TIMESTAMP_NTZ,
        "BINARY" => DataType::BINARY,
        "STRING" => DataType::STRING,
        "VARCHAR" | "CHAR" | "CHARACTER" => {
            parser.expect_token(&Token::LParen)?;
            number::<u32>(parser)?;
            parser.expect_token(&Token::RParen)?;
            DataType::STRING
        }
        "DECIMAL" | "DEC" | "NUMERIC" => {
            let (mut precision, mut scale) = (10, 0);
            if parser.consume_token(&Token::LParen) {
                precision = number(parser)?;
                if parser.consume_token(&Token::Comma) {
                    scale = number(parser)?;
                }
                parser.expect_token(&Token::RParen)?;
            }
            DataType::decimal(precision, scale).map_err(|error| ParserError::ParserError(error.to_string()))?
        }
        "ARRAY" => {
            parser.expect_token(&Token::Lt)?;
            let element = parse_type(parser)?;
            parser.expect_token(&Token::Gt)?;
            DataType::from(ArrayType::new(element, true))
        }
        "MAP" => {
            parser.expect_token(&Token::Lt)?;
            let key = parse_type(parser)?;
            parser.expect_token(&Token::Comma)?;
            let value = parse_type(parser)?;
            parser.expect_token(&Token::Gt)?;
            DataType::from(MapType::new(key, value, true))
        }
        "STRUCT" => {
            if parser.consume_token(&Token::Neq) {
                return Ok(DataType::from(StructType::new_unchecked(Vec::new())));
            }
            parser.expect_token(&Token::Lt)?;
            let fields = parser.parse_comma_separated(struct_field)?;
            parser.expect_token(&Token::Gt)?;
            let fields = StructType::try_new(fields).map_err(|error| ParserError::ParserError(error.to_string()))?;
            DataType::from(fields)
        }
        "VARIANT" | "INTERVAL" | "VOID" | "GEOMETRY" | "GEOGRAPHY" | "OBJECT" => {
            return Err(ParserError::ParserError(unsupported_type(&name)));
        }
        _ => return parser.expected("a data type", found),
    })
}

/// The words by which [`refused_type`] knows the refusal after sqlparser has carried it.
const REFUSED: &str = "unsupported data type ";

fn unsupported_type(name: &str) -> String {
    format!("{REFUSED}{name}")
}

/// The type's name if the parser's message is the refusal of a known type.
pub(crate) fn refused_type(message: &str) -> Option<&str> {
    message.split_once(REFUSED).map(|(_, name)| name)
}

fn number<N: std::str::FromStr>(parser: &mut Parser<'_>) -> Result<N, ParserError> {
    let found = parser.next_token();
    match &found.token {
        Token::Number(digits, _) => match digits.parse() {
            Ok(number) => Ok(number),
            Err(_) => parser.expected("a small number", found),
        },
        _ => parser.expected("a number", found),
    }
}

fn struct_field(parser: &mut Parser<'_>) -> Result<StructField, ParserError> {
    let name = parser.parse_identifier()?.value;
    let _ = parser.consume_token(&Token::Colon);
    let data_type = parse_type(parser)?;
    let nullable = !parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]);
    let field = StructField::new(name, data_type, nullable);
    if !parser.parse_keyword(Keyword::COMMENT) {
        return Ok(field);
    }
    let comment = parser.parse_literal_string()?;
    Ok(field.with_metadata([("comment", MetadataValue::String(comment))]))
}

/// Reads a type that stands by itself, for example a parameter's.
pub(crate) fn type_of_text(text: &str) -> SqlResult<DataType> {
    let bad = || SqlError::new("UNSUPPORTED_DATATYPE", "0A000", format!("Unsupported data type \"{text}\"."));
    let tokens = lex(text).map_err(|_| bad())?.tokens;
    let mut parser = Parser::new(&Databricks).with_tokens_with_locations(tokens);
    let data_type = parse_type(&mut parser).map_err(|error| match refused_type(&error.to_string()) {
        Some(name) => SqlError::unsupported(format_args!("the data type {name}")),
        None => bad(),
    })?;
    if parser.peek_token().token != Token::EOF {
        return Err(bad());
    }
    Ok(data_type)
}

/// Arrow's form of a Delta type, as the Delta reader gives it.
pub(crate) fn arrow_of_delta(data_type: &DataType) -> SqlResult<Arrow> {
    data_type.try_into_arrow().map_err(|error: arrow::error::ArrowError| SqlError::internal(error))
}

/// The type as Databricks writes it, `DECIMAL(10,2)` or `STRUCT<a: INT>`.
pub(crate) fn delta_type_text(data_type: &DataType) -> String {
    struct Text<'a>(&'a DataType);
    impl fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                DataType::Primitive(primitive) => match primitive {
                    PrimitiveType::String => f.write_str("STRING"),
                    PrimitiveType::Long => f.write_str("BIGINT"),
                    PrimitiveType::Integer => f.write_str("INT"),
                    PrimitiveType::Short => f.write_str("SMALLINT"),
                    PrimitiveType::Byte => f.write_str("TINYINT"),
                    PrimitiveType::Decimal(decimal) => {
                        write!(f, "DECIMAL({},{})", decimal.precision(), decimal.scale())
                    }
                    other => f.write_str(&other.to_string().to_ascii_uppercase()),
                },
                DataType::Array(array) => write!(f, "ARRAY<{}>", Text(array.element_type())),
                DataType::Map(map) => write!(f, "MAP<{}, {}>", Text(map.key_type()), Text(map.value_type())),
                DataType::Struct(fields) => {
                    f.write_str("STRUCT<")?;
                    for (index, field) in fields.fields().enumerate() {
                        let comma = if index == 0 { "" } else { ", " };
                        write!(f, "{comma}{}: {}", plain_or_quoted(field.name()), Text(field.data_type()))?;
                        if !field.is_nullable() {
                            f.write_str(" NOT NULL")?;
                        }
                        if let Some(MetadataValue::String(comment)) = field.metadata.get("comment") {
                            write!(f, " COMMENT '{}'", comment.replace('\\', "\\\\").replace('\'', "\\'"))?;
                        }
                    }
                    f.write_str(">")
                }
                DataType::Variant(_) => f.write_str("VARIANT"),
            }
        }
    }
    Text(data_type).to_string()
}

/// The type as Spark's catalog writes it: lower case, no spaces, fields as they are spelled.
pub(crate) fn column_type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Primitive(PrimitiveType::Decimal(decimal)) => {
            format!("decimal({},{})", decimal.precision(), decimal.scale())
        }
        DataType::Primitive(PrimitiveType::Long) => "bigint".to_owned(),
        DataType::Primitive(PrimitiveType::Integer) => "int".to_owned(),
        DataType::Primitive(PrimitiveType::Short) => "smallint".to_owned(),
        DataType::Primitive(PrimitiveType::Byte) => "tinyint".to_owned(),
        DataType::Primitive(primitive) => primitive.to_string(),
        DataType::Array(array) => format!("array<{}>", column_type_text(array.element_type())),
        DataType::Map(map) => {
            format!("map<{},{}>", column_type_text(map.key_type()), column_type_text(map.value_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .fields()
                .map(|field| format!("{}:{}", field.name(), column_type_text(field.data_type())))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
        DataType::Variant(_) => "variant".to_owned(),
    }
}

fn plain_or_quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

/// Makes DataFusion read type names as Databricks does.
#[derive(Debug)]
pub(crate) struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> EngineResult<Option<FieldRef>> {
        let arrow = match sql_type {
            SqlType::Int(_) => Arrow::Int32,
            SqlType::Timestamp(..) => Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            other => arrow_of_delta(&type_of_text(&other.to_string())?)?,
        };
        Ok(Some(Arc::new(Field::new("", arrow, true))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_print_as_they_are_read() {
        for text in [
            "DECIMAL(10,2)",
            "STRUCT<a: INT, b: ARRAY<STRUCT<c: STRING NOT NULL>>>",
            "MAP<STRING, DECIMAL(38,0)>",
            "TIMESTAMP_NTZ",
            "TINYINT",
            "BINARY",
        ] {
            assert_eq!(delta_type_text(&type_of_text(text).unwrap()), text);
        }
        assert_eq!(delta_type_text(&type_of_text("varchar(10)").unwrap()), "STRING");
        assert_eq!(delta_type_text(&type_of_text("decimal").unwrap()), "DECIMAL(10,0)");
    }

    #[test]
    fn a_known_type_that_is_not_served_is_refused_by_name() {
        assert_eq!(type_of_text("VARIANT").unwrap_err().class(), "UNSUPPORTED_FEATURE");
        assert_eq!(type_of_text("FROBNICATE").unwrap_err().class(), "UNSUPPORTED_DATATYPE");
        assert_eq!(type_of_text("DECIMAL(39,0)").unwrap_err().class(), "UNSUPPORTED_DATATYPE");
    }
}
