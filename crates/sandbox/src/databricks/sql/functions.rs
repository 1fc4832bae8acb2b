//! The functions of Databricks that are known to come out right, and what each becomes.
//!
//! What is not in this list is refused: DataFusion has functions of the same name that answer differently.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, ObjectNamePart, Value, helpers::attached_token::AttachedToken,
};

use super::{
    dialect::{CAST, TRY_CAST, call, cast_call},
    rewrite::plain_number,
};
use crate::databricks::error::{SqlError, SqlResult, quoted};

/// Same name, same answer.
const SAME: &[&str] = &[
    "abs",
    "acos",
    "array_agg",
    "asin",
    "ascii",
    "atan",
    "atan2",
    "avg",
    "cbrt",
    "char_length",
    "character_length",
    "coalesce",
    "concat_ws",
    "cos",
    "count",
    "cume_dist",
    "current_date",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "greatest",
    "initcap",
    "lag",
    "last_value",
    "lead",
    "least",
    "length",
    "ln",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "md5",
    "min",
    "nullif",
    "octet_length",
    "percent_rank",
    "pi",
    "power",
    "radians",
    "regexp_like",
    "replace",
    "reverse",
    "rtrim",
    "signum",
    "sin",
    "split_part",
    "sqrt",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "tan",
    "translate",
    "trim",
    "upper",
    "var_pop",
    "var_samp",
    "uuid",
    "named_struct",
    "array_contains",
    "bool_and",
    "bool_or",
    "bit_length",
    "date_format",
    "hex",
    "unhex",
    "base64",
    "unbase64",
    "raise_error",
    CAST,
    TRY_CAST,
    "__int_div",
];

/// Another name for the same answer.
const RENAMED: &[(&str, &str)] = &[
    ("char", "chr"),
    ("chr", "chr"),
    ("any_value", "first_value"),
    ("every", "bool_and"),
    ("bool_every", "bool_and"),
    ("any", "bool_or"),
    ("some", "bool_or"),
    ("ifnull", "coalesce"),
    ("nvl", "coalesce"),
    ("lcase", "lower"),
    ("ucase", "upper"),
    ("len", "length"),
    ("mean", "avg"),
    ("pow", "power"),
    ("sign", "signum"),
    ("std", "stddev"),
    ("startswith", "starts_with"),
    ("endswith", "ends_with"),
    ("contains", "contains"),
    ("instr", "strpos"),
    ("array", "make_array"),
    ("variance", "var_samp"),
    ("regexp", "regexp_like"),
    ("rlike", "regexp_like"),
    ("array_size", "cardinality"),
];

/// Functions whose number arguments must be plain literals to DataFusion.
const LITERAL_NUMBERS: &[&str] = &[
    "round",
    "left",
    "right",
    "lpad",
    "rpad",
    "repeat",
    "substr",
    "substring",
    "ntile",
    "split_part",
    "lag",
    "lead",
    "chr",
];

/// Whether the language has a function of this name that is known here.
pub(crate) fn is_builtin(name: &str) -> bool {
    let Expr::Function(mut probe) = call(name, Vec::new()) else { return false };
    let nowhere = CallContext { catalog: "", schema: "", user: "" };
    !matches!(rewrite_call(&mut probe, &nowhere), Err(error) if error.class() == "UNRESOLVED_ROUTINE")
}

/// Rewrites one call, after its arguments.
pub(super) fn rewrite_call(function: &mut Function, context: &CallContext<'_>) -> SqlResult<Option<Expr>> {
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
        return Err(unresolved(&function.name.to_string().replace('`', "")));
    };
    let name = ident.value.to_lowercase();
    rename(function, &name);
    if LITERAL_NUMBERS.contains(&name.as_str()) {
        for argument in arguments_mut(function).skip(usize::from(name != "ntile" && name != "chr")) {
            *argument = plain_number(argument);
        }
    }
    if SAME.contains(&name.as_str()) {
        return Ok(None);
    }
    if let Some((_, other)) = RENAMED.iter().find(|(known, _)| *known == name) {
        rename(function, other);
        return Ok(None);
    }
    let mut args = take(function, &name)?;
    let wrong = || wrong_arguments(&name);
    let mut next = || args.next().ok_or_else(wrong);
    let rewritten = match name.as_str() {
        "row_number" | "rank" | "ntile" => {
            let own = Expr::Function(function.clone());
            return Ok(Some(cast_call(CAST, own, "INT")));
        }
        "round" | "left" | "right" | "lpad" | "rpad" | "repeat" => return Ok(None),
        "concat" => {
            let first = next()?;
            args.fold(first, |left, right| binary(left, BinaryOperator::StringConcat, right))
        }
        "substr" | "substring" => {
            let (text, from) = (next()?, next()?);
            let mut all = vec![text, from];
            all.extend(args);
            call("__substring", all)
        }
        "if" | "iff" => {
            let (condition, result, otherwise) = (next()?, next()?, next()?);
            case(vec![(condition, result)], Some(otherwise))
        }
        "nvl2" => {
            let (value, result, otherwise) = (next()?, next()?, next()?);
            case(vec![(Expr::IsNotNull(Box::new(value)), result)], Some(otherwise))
        }
        "isnull" => Expr::IsNull(Box::new(next()?)),
        "isnotnull" => Expr::IsNotNull(Box::new(next()?)),
        "mod" => {
            let (left, right) = (next()?, next()?);
            binary(left, BinaryOperator::Modulo, right)
        }
        "ceil" | "ceiling" => cast_call(CAST, call("ceil", vec![next()?]), "BIGINT"),
        "floor" => cast_call(CAST, call("floor", vec![next()?]), "BIGINT"),
        "locate" => {
            let (needle, text) = (next()?, next()?);
            call("strpos", vec![text, needle])
        }
        "year" | "month" | "quarter" | "hour" | "minute" | "second" | "weekofyear" | "dayofyear" | "day"
        | "dayofmonth" => {
            let part = match name.as_str() {
                "dayofmonth" => "day",
                "weekofyear" => "week",
                "dayofyear" => "doy",
                other => other,
            };
            let moment = next()?;
            cast_call(CAST, call("date_part", vec![text(part), call("__moment", vec![moment])]), "INT")
        }
        "dayofweek" => {
            let day = cast_call(CAST, call("date_part", vec![text("dow"), call("__moment", vec![next()?])]), "INT");
            binary(day, BinaryOperator::Plus, Expr::value(Value::Number("1".to_owned(), false)))
        }
        "date_trunc" => {
            let (unit, moment) = (next()?, next()?);
            cast_call(CAST, call("date_trunc", vec![lower_text(unit), call("__moment", vec![moment])]), "TIMESTAMP")
        }
        "to_date" => one(next()?, args.next(), "DATE")?,
        "to_timestamp" => one(next()?, args.next(), "TIMESTAMP")?,
        "date" => cast_call(CAST, next()?, "DATE"),
        "timestamp" => cast_call(CAST, next()?, "TIMESTAMP"),
        "string" => cast_call(CAST, next()?, "STRING"),
        "int" => cast_call(CAST, next()?, "INT"),
        "bigint" => cast_call(CAST, next()?, "BIGINT"),
        "double" => cast_call(CAST, next()?, "DOUBLE"),
        "decimal" => cast_call(CAST, next()?, "DECIMAL(10,0)"),
        "boolean" => cast_call(CAST, next()?, "BOOLEAN"),
        "binary" => cast_call(CAST, next()?, "BINARY"),
        "current_timestamp" | "now" => cast_call(CAST, call("now", Vec::new()), "TIMESTAMP"),
        "curdate" => call("current_date", Vec::new()),
        "current_catalog" => text(context.catalog),
        "current_schema" | "current_database" => text(context.schema),
        "current_user" | "user" | "session_user" => text(context.user),
        "current_timezone" => text("Etc/UTC"),
        "date_add" | "dateadd" | "date_sub" => {
            let (date, days) = (next()?, next()?);
            let days = cast_call(CAST, days, "INT");
            let op = if name == "date_sub" { BinaryOperator::Minus } else { BinaryOperator::Plus };
            let number = call("__days", vec![cast_call(CAST, date, "DATE")]);
            call("__date", vec![binary(number, op, days)])
        }
        "datediff" | "date_diff" => {
            let (end, start) = (next()?, next()?);
            let days = |date| call("__days", vec![cast_call(CAST, date, "DATE")]);
            binary(days(end), BinaryOperator::Minus, days(start))
        }
        "sha2" => {
            let (value, bits) = (next()?, plain_number(&next()?));
            let digest = match bits.to_string().as_str() {
                "256" | "0" => "sha256",
                "224" => "sha224",
                "384" => "sha384",
                "512" => "sha512",
                _ => return Err(wrong()),
            };
            call("encode", vec![call(digest, vec![value]), text("hex")])
        }
        "collect_list" => {
            let value = next()?;
            let mut aggregate = call("array_agg", vec![value.clone()]);
            if let Expr::Function(aggregate) = &mut aggregate {
                aggregate.filter = Some(Box::new(Expr::IsNotNull(Box::new(value))));
                aggregate.over = function.over.take();
            }
            aggregate
        }
        "count_if" => {
            let condition = next()?;
            call("count", vec![case(vec![(condition, Expr::value(Value::Boolean(true)))], None)])
        }
        "size" | "cardinality" => cast_call(CAST, call("cardinality", vec![next()?]), "INT"),
        "typeof" => call("__typeof", vec![next()?]),
        "try_divide" => {
            let (left, right) = (next()?, next()?);
            let zero = Expr::value(Value::Number("0".to_owned(), false));
            let divisor = call("nullif", vec![right, zero]);
            binary(left, BinaryOperator::Divide, divisor)
        }
        "struct" => {
            let mut pairs = Vec::new();
            for (index, value) in args.enumerate() {
                let name = match &value {
                    Expr::Identifier(ident) => ident.value.clone(),
                    Expr::CompoundIdentifier(parts) => {
                        parts.last().map(|ident| ident.value.clone()).unwrap_or_default()
                    }
                    _ => format!("col{}", index + 1),
                };
                pairs.extend([text(&name), value]);
            }
            call("named_struct", pairs)
        }
        "map" => {
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            while let Some(key) = args.next() {
                keys.push(key);
                values.push(args.next().ok_or_else(wrong)?);
            }
            call("map", vec![call("make_array", keys), call("make_array", values)])
        }
        _ => return Err(unresolved(&name)),
    };
    Ok(Some(rewritten))
}

/// What a call may ask about its statement.
#[derive(Debug)]
pub(crate) struct CallContext<'a> {
    pub(crate) catalog: &'a str,
    pub(crate) schema: &'a str,
    pub(crate) user: &'a str,
}

fn unresolved(name: &str) -> SqlError {
    SqlError::new("UNRESOLVED_ROUTINE", "42883", format!("Cannot resolve routine {} on search path.", quoted(name)))
}

fn wrong_arguments(name: &str) -> SqlError {
    SqlError::new(
        "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        "42605",
        format!("The {} requires other parameters.", quoted(name)),
    )
}

fn one(value: Expr, format: Option<Expr>, to: &str) -> SqlResult<Expr> {
    match format {
        None => Ok(cast_call(CAST, value, to)),
        Some(_) => Err(SqlError::unsupported(format_args!("a format in to_{}", to.to_ascii_lowercase()))),
    }
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName::from(vec![Ident::new(name)]);
}

fn arguments_mut(function: &mut Function) -> impl Iterator<Item = &mut Expr> {
    let list = match &mut function.args {
        FunctionArguments::List(FunctionArgumentList { args, .. }) => args.as_mut_slice(),
        _ => &mut [],
    };
    list.iter_mut().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

fn take(function: &Function, name: &str) -> SqlResult<std::vec::IntoIter<Expr>> {
    let args = match &function.args {
        FunctionArguments::None => Vec::new(),
        FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
                _ => Err(wrong_arguments(name)),
            })
            .collect::<SqlResult<Vec<_>>>()?,
        FunctionArguments::Subquery(_) => return Err(wrong_arguments(name)),
    };
    Ok(args.into_iter())
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

fn lower_text(expr: Expr) -> Expr {
    match &expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(unit) => text(&unit.to_lowercase()),
            _ => expr,
        },
        _ => expr,
    }
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr| Expr::Nested(Box::new(expr));
    nested(Expr::BinaryOp { left: Box::new(nested(left)), op, right: Box::new(nested(right)) })
}

fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: branches.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect(),
        else_result: otherwise.map(Box::new),
    }
}
