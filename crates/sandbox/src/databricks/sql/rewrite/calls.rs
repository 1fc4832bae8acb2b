//! Functions that users have made, written out where they are called.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Query, Select, SelectItem,
    VisitMut, VisitorMut,
};

use super::{display::display_name, flow};
use crate::databricks::{
    error::{SqlError, SqlResult, quoted},
    sql::cast_expr,
};

/// Functions that call each other are written out so deep.
const DEEPEST: usize = 32;

/// A function that a user has made: an expression over its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Routine {
    /// The last part of its name.
    pub(crate) name: String,
    /// Each parameter and its type.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) returns: String,
    pub(crate) body: Expr,
}

/// Finds the function of a name of one to three parts.
pub(crate) type FindRoutine<'a> = &'a dyn Fn(&[String]) -> SqlResult<Option<Routine>>;

/// Replaces calls of users' functions by what they stand for. Columns keep the names of the calls.
pub(crate) fn inline_calls<T: VisitMut>(node: &mut T, find: FindRoutine<'_>) -> SqlResult<()> {
    match node.visit(&mut Inliner { find, depth: 0 }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Refuses a body that is more than an expression over its parameters.
pub(crate) fn check_body(name: &str, body: &Expr, is_aggregate: &dyn Fn(&str) -> bool) -> SqlResult<()> {
    match body.clone().visit(&mut Checker { name, is_aggregate }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Checker<'a> {
    name: &'a str,
    is_aggregate: &'a dyn Fn(&str) -> bool,
}

impl VisitorMut for Checker<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        ControlFlow::Break(SqlError::unsupported("a function whose body reads tables"))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expr {
            Expr::CompoundIdentifier(parts) if parts.len() != 2 || !parts[0].value.eq_ignore_ascii_case(self.name) => {
                ControlFlow::Break(SqlError::unsupported("a path into a parameter of a function"))
            }
            Expr::Function(function)
                if function.over.is_some() || (self.is_aggregate)(&function.name.to_string().to_lowercase()) =>
            {
                let text = "The body of a SQL function cannot contain aggregates or window functions.";
                ControlFlow::Break(SqlError::new("USER_DEFINED_FUNCTIONS.SQL_FUNCTION_BODY", "42601", text))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

struct Inliner<'a> {
    find: FindRoutine<'a>,
    depth: usize,
}

impl VisitorMut for Inliner<'_> {
    type Break = SqlError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let mut written = expr.clone();
            written.visit(self)?;
            if written != *expr {
                let alias = Ident::with_quote('`', display_name(expr));
                *item = SelectItem::ExprWithAlias { expr: written, alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        match self.written_out(function) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *expr = new;
                ControlFlow::Continue(())
            }
            Err(error) => flow(Err(error)),
        }
    }
}

impl Inliner<'_> {
    fn written_out(&self, function: &Function) -> SqlResult<Option<Expr>> {
        let part = |part: &ObjectNamePart| match part {
            ObjectNamePart::Identifier(ident) => Some(ident.value.clone()),
            ObjectNamePart::Function(_) => None,
        };
        let Some(path) = function.name.0.iter().map(part).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let Some(routine) = (self.find)(&path)? else { return Ok(None) };
        if self.depth >= DEEPEST {
            let text = format!("Function {} calls itself, or calls others too deep.", quoted(&routine.name));
            return Err(SqlError::new("UNSUPPORTED_FEATURE", "0A000", text));
        }
        let given = arguments(function, &routine)?;
        let values: HashMap<String, Expr> = routine
            .parameters
            .iter()
            .zip(given)
            .map(|((name, kind), given)| (name.to_lowercase(), cast_expr(given, kind)))
            .collect();
        let mut body = routine.body.clone();
        // What a body calls is written out before the arguments go in: they have been already.
        let mut inner = Inliner { find: self.find, depth: self.depth + 1 };
        if let ControlFlow::Break(error) = body.visit(&mut inner) {
            return Err(error);
        }
        let mut binder = Binder { function: &routine.name, values: &values };
        match body.visit(&mut binder) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(Some(cast_expr(Expr::Nested(Box::new(body)), &routine.returns))),
        }
    }
}

fn arguments(function: &Function, routine: &Routine) -> SqlResult<Vec<Expr>> {
    let plain = function.filter.is_none()
        && function.over.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty();
    let list = match &function.args {
        FunctionArguments::List(list) if plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() => list,
        _ => return Err(SqlError::unsupported(format_args!("this form of a call of {}", quoted(&routine.name)))),
    };
    let given = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        _ => Err(SqlError::unsupported(format_args!("named arguments of {}", quoted(&routine.name)))),
    });
    let given = given.collect::<SqlResult<Vec<_>>>()?;
    if given.len() == routine.parameters.len() {
        return Ok(given);
    }
    let text = format!(
        "The {} requires {} parameters but the actual number is {}.",
        quoted(&routine.name),
        routine.parameters.len(),
        given.len()
    );
    Err(SqlError::new("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", text))
}

/// Puts values in the place of parameters, which may be qualified by the function's name.
struct Binder<'a> {
    function: &'a str,
    values: &'a HashMap<String, Expr>,
}

impl VisitorMut for Binder<'_> {
    type Break = SqlError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let name = match &*expr {
            Expr::Identifier(name) => name,
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [function, name] if function.value.eq_ignore_ascii_case(self.function) => name,
                _ => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        if let Some(value) = self.values.get(&name.value.to_lowercase()) {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}
