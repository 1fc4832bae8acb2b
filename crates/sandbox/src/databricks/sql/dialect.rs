//! The project's own Databricks dialect for sqlparser.

use std::any::TypeId;

use datafusion::sql::sqlparser::{
    ast::{
        Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Value,
    },
    dialect::{DatabricksDialect, Dialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use super::types::{delta_type_text, parse_type};

/// The name of the function that every cast becomes: Databricks casts unlike Arrow.
pub(crate) const CAST: &str = "__cast";
/// As [`CAST`], with NULL for what cannot be cast.
pub(crate) const TRY_CAST: &str = "__try_cast";

/// sqlparser's dialect with Databricks' casts and operators.
#[derive(Debug)]
pub(crate) struct Databricks;

impl Dialect for Databricks {
    // sqlparser asks `dialect_of!` in places that have no method of their own.
    fn dialect(&self) -> TypeId {
        TypeId::of::<DatabricksDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        DatabricksDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        DatabricksDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        DatabricksDialect.is_identifier_part(ch)
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn supports_cte_without_as(&self) -> bool {
        true
    }

    fn supports_from_first_select(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let name = match parser.peek_token().token {
            Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::CAST => CAST,
            Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::TRY_CAST => TRY_CAST,
            _ => return None,
        };
        if parser.peek_nth_token(1).token != Token::LParen {
            return None;
        }
        parser.next_token();
        parser.next_token();
        Some(cast(parser, name))
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        match parser.peek_token().token {
            Token::DoubleColon => {
                parser.next_token();
                Some(parse_type(parser).map(|to| cast_call(CAST, expr.clone(), &delta_type_text(&to))))
            }
            // `a DIV b`
            Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::DIV => {
                parser.next_token();
                let right = parser.parse_subexpr(self.prec_value(Precedence::MulDivModOp));
                Some(right.map(|right| call("__int_div", vec![expr.clone(), right])))
            }
            _ => None,
        }
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            // As strong as plus and minus, weaker than the rest of arithmetic.
            Token::StringConcat => Some(Ok(self.prec_value(Precedence::PlusMinus))),
            Token::Word(ref word) if word.quote_style.is_none() && word.keyword == Keyword::DIV => {
                Some(Ok(self.prec_value(Precedence::MulDivModOp)))
            }
            _ => None,
        }
    }
}

fn cast(parser: &mut Parser<'_>, name: &str) -> Result<Expr, ParserError> {
    let expr = parser.parse_expr()?;
    parser.expect_keyword_is(Keyword::AS)?;
    let to = parse_type(parser)?;
    parser.expect_token(&Token::RParen)?;
    Ok(cast_call(name, expr, &delta_type_text(&to)))
}

/// The call that casts `expr`.
pub(crate) fn cast_call(name: &str, expr: Expr, type_text: &str) -> Expr {
    call(name, vec![expr, Expr::value(Value::SingleQuotedString(type_text.to_owned()))])
}

/// `CAST(expr AS type)` as the parser would have read it.
pub(crate) fn cast_expr(expr: Expr, type_text: &str) -> Expr {
    cast_call(CAST, expr, type_text)
}

/// A plain call of a function.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
