//! Finds the tables of a statement, and puts relations in their place.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor,
    TableFunctionArgs, Value, VisitorMut,
};

use super::{TableUse, flow, relation_name};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{
        ast::{CopyInto, ObjectPath},
        parser::path_of_text,
    },
};

/// The names of common table expressions that a query can see.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) uses: Vec<TableUse>,
    scopes: Vec<Scope>,
    replace: bool,
    /// Longer names of the tables, to shorten `catalog.schema.table.column`.
    pub(super) qualifiers: HashMap<Vec<String>, String>,
}

#[derive(Debug, Default)]
struct Scope {
    names: Vec<String>,
    bodies: Vec<usize>,
    visible: usize,
}

impl Tables {
    /// Puts relations in the place of what it finds.
    pub(super) fn replacing() -> Self {
        Self { replace: true, ..Self::default() }
    }

    pub(super) fn enter(&mut self, query: &Query) {
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

    pub(super) fn leave(&mut self, query: &Query) {
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

    pub(super) fn relation(&mut self, factor: &mut TableFactor) -> SqlResult<()> {
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
        let function = |name: &str| parts.len() == 1 && parts[0].eq_ignore_ascii_case(name);
        let mut changes = None;
        let mut path = ObjectPath(parts.clone());
        match args.take() {
            None => {}
            Some(given) if function("range") => {
                *args = Some(given);
                return Ok(());
            }
            Some(given) if function("table_changes") => {
                let (table, boundaries) = changes_arguments(given)?;
                (path, changes) = (table, Some(boundaries));
            }
            Some(_) => {
                return Err(SqlError::new(
                    "UNRESOLVABLE_TABLE_VALUED_FUNCTION",
                    "42883",
                    format!("Could not resolve {path} to a table-valued function."),
                ));
            }
        }
        let own = parts.len() == 1 && parts[0] == CopyInto::SOURCE;
        if parts.len() == 1 && (own || self.is_cte(&parts[0])) {
            return Ok(());
        }
        let relation = relation_name(self.uses.len());
        self.uses.push(TableUse { path, version: version.take(), changes });
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

/// The table and the boundaries of `table_changes('t', start[, end])`.
fn changes_arguments(given: TableFunctionArgs) -> SqlResult<(ObjectPath, Vec<Expr>)> {
    let wrong = || {
        let text = "The function table_changes takes the name of a table as text, a start, and perhaps an end.";
        SqlError::new("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", text)
    };
    let mut exprs = given.args.into_iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        _ => Err(wrong()),
    });
    let name = match exprs.next() {
        Some(Ok(Expr::Value(value))) => match value.value {
            Value::SingleQuotedString(name) => name,
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    let boundaries: Vec<Expr> = exprs.collect::<SqlResult<_>>()?;
    if boundaries.is_empty() || boundaries.len() > 2 {
        return Err(wrong());
    }
    Ok((path_of_text(&name)?, boundaries))
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
