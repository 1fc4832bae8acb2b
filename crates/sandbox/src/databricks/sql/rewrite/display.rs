//! The names that Databricks gives to columns.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SelectItem, SetExpr, UnaryOperator, Value,
};

use super::number;
use crate::databricks::sql::dialect::{CAST, TRY_CAST};

/// The names of the result as they were written, by their lower case.
pub(crate) fn display_names(query: &Query) -> HashMap<String, String> {
    let mut names = HashMap::new();
    let mut body = query.body.as_ref();
    loop {
        match body {
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(inner) => body = inner.body.as_ref(),
            SetExpr::Select(select) => {
                for item in &select.projection {
                    let name = match item {
                        SelectItem::UnnamedExpr(expr) => display_name(expr),
                        SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                        _ => continue,
                    };
                    names.entry(name.to_lowercase()).or_insert(name);
                }
                return names;
            }
            _ => return names,
        }
    }
}

/// The name of an unnamed column: the last part of a name, else the expression's text.
pub(super) fn display_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        Expr::Nested(inner) => display_name(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            Value::Boolean(truth) => truth.to_string(),
            other => other.to_string(),
        },
        Expr::BinaryOp { left, op, right } => format!("({} {op} {})", display_name(left), display_name(right)),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match number(expr) {
            Some(digits) => format!("-{digits}"),
            None => format!("(- {})", display_name(expr)),
        },
        Expr::Function(function) => function_name(function),
        other => other.to_string(),
    }
}

fn function_name(function: &Function) -> String {
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(list) = &function.args else { return format!("{name}()") };
    let arguments: Vec<String> = list
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => display_name(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => "1".to_owned(),
            other => other.to_string(),
        })
        .collect();
    if (name == CAST || name == TRY_CAST) && arguments.len() == 2 {
        // A typed literal such as `1L` or a parameter is shown as its value.
        let literal = matches!(&list.args[0], FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_))));
        return if literal { arguments[0].clone() } else { format!("CAST({} AS {})", arguments[0], arguments[1]) };
    }
    let distinct = if list.duplicate_treatment.is_some() { "DISTINCT " } else { "" };
    format!("{name}({distinct}{})", arguments.join(", "))
}
