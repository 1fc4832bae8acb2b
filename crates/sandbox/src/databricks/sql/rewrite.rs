//! Turns a query of Databricks into one that DataFusion answers in the same way.

mod calls;
mod display;
mod tables;

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::sqlparser::{
    ast::{
        CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
        LimitClause, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, TableVersion, UnaryOperator, Value,
        VisitMut, VisitorMut, WindowFrameBound, WindowType,
    },
    parser::Parser,
};

pub(crate) use self::{
    calls::{Routine, check_body, inline_calls},
    display::display_names,
};
use self::{display::display_name, tables::Tables};
use super::{
    ast::ObjectPath,
    dialect::{CAST, Databricks, call, cast_call},
    functions::{CallContext, rewrite_call},
};
use crate::databricks::error::{SqlError, SqlResult};

/// Marks the second of two equal column names, which DataFusion refuses; cut off again in the result.
pub(crate) const DUPLICATE: char = '\u{0}';

/// A table that a query reads, in the order of reading.
#[derive(Clone, Debug)]
pub(crate) struct TableUse {
    pub(crate) path: ObjectPath,
    pub(crate) version: Option<TableVersion>,
    /// The boundaries of a `table_changes` over the table.
    pub(crate) changes: Option<Vec<Expr>>,
}

/// The relation that stands for the n-th table of a statement.
pub(crate) fn relation_name(index: usize) -> String {
    format!("__t{index}")
}

/// Lists the tables that are read, in the order in which [`Rewriter`] will replace them.
pub(crate) fn find_tables<T: VisitMut + Clone>(node: &T) -> SqlResult<Vec<TableUse>> {
    let mut finder = Tables::default();
    match node.clone().visit(&mut finder) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(finder.uses),
    }
}

/// Replaces tables by their relations, literals and functions by what DataFusion understands.
#[derive(Debug)]
pub(crate) struct Rewriter<'a> {
    context: CallContext<'a>,
    tables: Tables,
    plain: usize,
}

impl<'a> Rewriter<'a> {
    pub(crate) fn new(context: CallContext<'a>) -> Self {
        Self { context, tables: Tables::replacing(), plain: 0 }
    }

    /// Rewrites a query or an expression in place. Tables are numbered on from those of earlier calls.
    pub(crate) fn rewrite<T: VisitMut>(&mut self, node: &mut T) -> SqlResult<()> {
        match node.visit(self) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.tables.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.tables.leave(query);
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            limit.iter_mut().for_each(|limit| *limit = plain_number(limit));
            offset.iter_mut().for_each(|offset| offset.value = plain_number(&offset.value));
        }
        if let Some(order_by) = &mut query.order_by
            && let OrderByKind::Expressions(exprs) = &mut order_by.kind
        {
            exprs.iter_mut().for_each(|order| order.expr = plain_number(&order.expr));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(self.tables.relation(factor))
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(range(factor))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        flow(check_select(select).map(|()| name_columns(select)))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
            exprs.iter_mut().for_each(|expr| *expr = plain_number(expr));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expr {
            // The sign is part of the literal: its digits alone may not fit.
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => {
                if let Some(digits) = number(inner) {
                    *expr = Expr::value(Value::Number(format!("-{digits}"), false));
                }
            }
            Expr::Interval(_) => self.plain += 1,
            Expr::CompoundIdentifier(parts) => self.shorten(parts),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expr {
            Expr::Interval(_) => self.plain -= 1,
            Expr::Value(_) if self.plain == 0 => {
                if let Some(digits) = number(expr) {
                    *expr = typed_number(&digits);
                }
            }
            Expr::Function(function) => match self.function(function) {
                Ok(Some(new)) => *expr = new,
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(error),
            },
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: value } => {
                *expr = call("__negate", vec![value.as_ref().clone()])
            }
            Expr::Substring { expr: text, substring_from, substring_for, .. } => {
                let mut arguments = vec![text.as_ref().clone()];
                arguments
                    .extend([substring_from, substring_for].into_iter().flatten().map(|part| part.as_ref().clone()));
                *expr = call("__substring", arguments);
            }
            Expr::RLike { negated, expr: value, pattern, .. } => {
                let like = call("regexp_like", vec![value.as_ref().clone(), pattern.as_ref().clone()]);
                *expr = if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(like) } } else { like };
            }
            Expr::Extract { .. } => *expr = cast_call(CAST, expr.clone(), "INT"),
            Expr::Ceil { expr: value, .. } => {
                *expr = cast_call(CAST, call("ceil", vec![value.as_ref().clone()]), "BIGINT")
            }
            Expr::Floor { expr: value, .. } => {
                *expr = cast_call(CAST, call("floor", vec![value.as_ref().clone()]), "BIGINT");
            }
            Expr::CompoundFieldAccess { .. } | Expr::JsonAccess { .. } => {
                return ControlFlow::Break(SqlError::unsupported("subscripts and paths into nested values"));
            }
            Expr::AtTimeZone { .. } => return ControlFlow::Break(SqlError::unsupported("AT TIME ZONE")),
            Expr::Lambda(_) => return ControlFlow::Break(SqlError::unsupported("lambda functions")),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn function(&self, function: &mut Function) -> SqlResult<Option<Expr>> {
        if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
            spec.order_by.iter_mut().for_each(|order| order.expr = plain_number(&order.expr));
            if let Some(frame) = &mut spec.window_frame {
                for bound in [Some(&mut frame.start_bound), frame.end_bound.as_mut()].into_iter().flatten() {
                    if let WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) = bound {
                        **rows = plain_number(rows);
                    }
                }
            }
        }
        rewrite_call(function, &self.context)
    }

    /// `catalog.schema.table.column` to `table.column`.
    fn shorten(&self, parts: &mut Vec<Ident>) {
        for length in (2..parts.len()).rev() {
            let prefix: Vec<String> = parts[..length].iter().map(|part| part.value.to_lowercase()).collect();
            if let Some(alias) = self.tables.qualifiers.get(&prefix) {
                parts.splice(..length, [Ident::with_quote('`', alias.clone())]);
                return;
            }
        }
    }
}

fn flow(result: SqlResult<()>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn check_select(select: &Select) -> SqlResult<()> {
    let refused = [
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (!select.cluster_by.is_empty() || !select.distribute_by.is_empty(), "CLUSTER BY and DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.into.is_some(), "SELECT … INTO"),
        (select.top.is_some(), "TOP"),
    ];
    match refused.iter().find(|(present, _)| *present) {
        Some((_, what)) => Err(SqlError::unsupported(what)),
        None => Ok(()),
    }
}

fn number(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A literal with Databricks' type: INT if it fits, then BIGINT, then DECIMAL; DOUBLE with an exponent.
fn typed_number(digits: &str) -> Expr {
    let plain = Expr::value(Value::Number(digits.to_owned(), false));
    if digits.contains('e') {
        return cast_call(CAST, text(digits), "DOUBLE");
    }
    if digits.contains('.') {
        let bare = digits.trim_start_matches('-');
        let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
        let whole = whole.trim_start_matches('0').len();
        let precision = (whole + fraction.len()).max(1);
        return cast_call(CAST, text(digits), &format!("DECIMAL({precision},{})", fraction.len()));
    }
    if digits.parse::<i32>().is_ok() {
        return Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(plain),
            data_type: DataType::Int(None),
            array: false,
            format: None,
        };
    }
    if digits.parse::<i64>().is_ok() {
        return plain;
    }
    let precision = digits.trim_start_matches('-').trim_start_matches('0').len();
    cast_call(CAST, text(digits), &format!("DECIMAL({precision},0)"))
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

/// Undoes [`typed_number`], and a typed parameter, where DataFusion wants a bare number.
pub(super) fn plain_number(expr: &Expr) -> Expr {
    match expr {
        Expr::Cast { expr: inner, data_type: DataType::Int(None), .. } if number(inner).is_some() => {
            inner.as_ref().clone()
        }
        Expr::Function(function) if function.name.to_string() == CAST => {
            let FunctionArguments::List(list) = &function.args else { return expr.clone() };
            let digits = list.args.first().and_then(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
                    Value::SingleQuotedString(digits) if digits.parse::<i64>().is_ok() => Some(digits.clone()),
                    _ => None,
                },
                _ => None,
            });
            digits.map_or_else(|| expr.clone(), |digits| Expr::value(Value::Number(digits, false)))
        }
        _ => expr.clone(),
    }
}

/// `range(a, b)` calls its column `id` here and `value` there.
fn range(factor: &mut TableFactor) -> SqlResult<()> {
    let TableFactor::Table { args: Some(args), alias, name, .. } = factor else { return Ok(()) };
    if !name.to_string().eq_ignore_ascii_case("range") {
        return Ok(());
    }
    args.args.truncate(3);
    for argument in &mut args.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
            *expr = plain_number(expr);
        }
    }
    let alias = alias.take();
    let parsed =
        Parser::new(&Databricks).try_with_sql("SELECT value AS id FROM range(1)").and_then(|mut p| p.parse_query());
    let mut query = parsed.map_err(SqlError::internal)?;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(table) = select.from.first_mut()
    {
        table.relation = factor.clone();
    }
    *factor = TableFactor::Derived { lateral: false, subquery: query, alias, sample: None };
    Ok(())
}

/// Gives every unnamed expression the name that Databricks gives it, and tells equal names apart.
fn name_columns(select: &mut Select) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for item in &mut select.projection {
        let name = match &*item {
            SelectItem::UnnamedExpr(expr) => display_name(expr),
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            _ => continue,
        };
        let count = seen.entry(name.to_lowercase()).or_default();
        *count += 1;
        let unique = if *count == 1 { name.clone() } else { format!("{name}{DUPLICATE}{count}") };
        let plain = match &*item {
            SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => *count == 1,
            _ => false,
        };
        if !plain && let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = &*item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('`', unique) };
        }
    }
}
