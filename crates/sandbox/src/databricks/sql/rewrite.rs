//! Turns a query of Databricks into one that DataFusion answers in the same way.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::sqlparser::{
    ast::{
        CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
        LimitClause, ObjectName, ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias,
        TableFactor, TableVersion, UnaryOperator, Value, VisitMut, VisitorMut, WindowFrameBound, WindowType,
    },
    parser::Parser,
};

use super::{
    ast::{CopyInto, ObjectPath},
    dialect::{CAST, Databricks, TRY_CAST, call, cast_call},
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
        Self { context, tables: Tables { replace: true, ..Tables::default() }, plain: 0 }
    }

    /// Rewrites a query or an expression in place. Tables are numbered on from those of earlier calls.
    pub(crate) fn rewrite<T: VisitMut>(&mut self, node: &mut T) -> SqlResult<()> {
        match node.visit(self) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

/// The names of common table expressions that a query can see.
#[derive(Debug, Default)]
struct Tables {
    uses: Vec<TableUse>,
    scopes: Vec<Scope>,
    replace: bool,
    /// Longer names of the tables, to shorten `catalog.schema.table.column`.
    qualifiers: HashMap<Vec<String>, String>,
}

#[derive(Debug, Default)]
struct Scope {
    names: Vec<String>,
    bodies: Vec<usize>,
    visible: usize,
}

impl Tables {
    fn enter(&mut self, query: &Query) {
        let address = std::ptr::from_ref(query).addr();
        // A common table expression does not see itself nor those after it.
        if let Some(scope) = self.scopes.last_mut()
            && let Some(index) = scope.bodies.iter().position(|body| *body == address)
        {
            scope.visible = index;
        }
        let mut scope = Scope::default();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                scope.names.push(cte.alias.name.value.to_lowercase());
                scope.bodies.push(if with.recursive { 0 } else { std::ptr::from_ref(cte.query.as_ref()).addr() });
            }
            scope.visible = scope.names.len();
        }
        self.scopes.push(scope);
    }

    fn leave(&mut self, query: &Query) {
        self.scopes.pop();
        let address = std::ptr::from_ref(query).addr();
        if let Some(scope) = self.scopes.last_mut()
            && let Some(index) = scope.bodies.iter().position(|body| *body == address)
        {
            scope.visible = scope.names.len().max(index);
        }
    }

    fn is_cte(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.scopes.iter().any(|scope| scope.names[..scope.visible].contains(&name))
    }

    fn relation(&mut self, factor: &mut TableFactor) -> SqlResult<()> {
        let TableFactor::Table { name, alias, args, version, sample, .. } = factor else {
            return match factor {
                TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => Ok(()),
                _ => Err(SqlError::unsupported("this kind of table in FROM")),
            };
        };
        if sample.is_some() {
            return Err(SqlError::unsupported("TABLESAMPLE"));
        }
        let parts: Vec<String> = name
            .0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => Ok(ident.value.clone()),
                ObjectNamePart::Function(_) => Err(SqlError::unsupported("a function in a table name")),
            })
            .collect::<SqlResult<_>>()?;
        if args.is_some() {
            return if parts.len() == 1 && parts[0].eq_ignore_ascii_case("range") {
                Ok(())
            } else {
                Err(SqlError::new(
                    "UNRESOLVABLE_TABLE_VALUED_FUNCTION",
                    "42883",
                    format!("Could not resolve {} to a table-valued function.", ObjectPath(parts)),
                ))
            };
        }
        let own = parts.len() == 1 && parts[0] == CopyInto::SOURCE;
        if parts.len() == 1 && (own || self.is_cte(&parts[0])) {
            return Ok(());
        }
        let relation = relation_name(self.uses.len());
        self.uses.push(TableUse { path: ObjectPath(parts.clone()), version: version.take() });
        if !self.replace {
            return Ok(());
        }
        *name = ObjectName::from(vec![Ident::with_quote('`', relation)]);
        let shown = match alias {
            Some(alias) => alias.name.value.clone(),
            None => {
                let last = parts.last().cloned().unwrap_or_default();
                *alias = Some(TableAlias {
                    explicit: true,
                    name: Ident::with_quote('`', last.clone()),
                    columns: Vec::new(),
                    at: None,
                });
                last
            }
        };
        for from in 0..parts.len().saturating_sub(1) {
            self.qualifiers.insert(parts[from..].iter().map(|part| part.to_lowercase()).collect(), shown.clone());
        }
        Ok(())
    }
}

/// The longest chain of operators: each one takes stack to look at.
const DEEPEST: usize = 1000;

/// Counts a chain like `a + b + c` without descending into it by recursion.
fn check_depth(expr: &Expr) -> SqlResult<()> {
    let (mut depth, mut next) = (0, expr);
    while let Expr::BinaryOp { left: inner, .. } | Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } = next {
        (depth, next) = (depth + 1, inner);
        if depth > DEEPEST {
            let text = format!("The statement has an expression of more than {DEEPEST} operators in a chain.");
            return Err(SqlError::new("FAILED_TO_PARSE_TOO_COMPLEX", "54001", text));
        }
    }
    Ok(())
}

impl VisitorMut for Tables {
    type Break = SqlError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        flow(check_depth(expr))
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(self.relation(factor))
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
fn display_name(expr: &Expr) -> String {
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
