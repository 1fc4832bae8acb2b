//! From a parsed statement to plans and expressions over fresh snapshots.

use std::{collections::HashMap, sync::Arc};

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use datafusion::{
    catalog::TableProvider,
    common::{
        DFSchema, ScalarValue, TableReference,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::{Expr as Plan, LogicalPlan, expr::InList, simplify::SimplifyContext},
    optimizer::simplify_expressions::ExprSimplifier,
    physical_plan::stream::RecordBatchStreamAdapter,
    prelude::{DataFrame, SessionContext},
    sql::{
        parser::Statement as Planned,
        sqlparser::{
            ast::{Expr, Ident, Query, SelectItem, SetExpr, Statement as Ast},
            parser::Parser,
        },
    },
};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{
    Engine, Outcome, Request, USER,
    catalog::Place,
    defaults::Defaults,
    files::parquet_path,
    result::normalise,
    session::{respell, session},
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{
        CallContext, CopySource, InsertMode, Lexed, MergeAction, Parameters, Rewriter, Spelling, Statement, TableUse,
        display_names, find_tables, inline_calls, parse, relation_name,
    },
};

/// The most values that a subquery in a condition of UPDATE, DELETE or MERGE may give.
const MOST_SUBQUERY_ROWS: usize = 100_000;

/// A statement in DataFusion's terms, and a session that knows its tables.
pub(super) struct Prepared {
    pub(super) context: SessionContext,
    pub(super) statement: Statement,
}

/// A place in a statement that DataFusion will plan.
enum Node<'a> {
    Query(&'a mut Query),
    Expr(&'a mut Expr),
}

/// All such places, in reading order.
fn nodes(statement: &mut Statement) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    match statement {
        Statement::Query(query) | Statement::DescribeQuery(query) | Statement::Explain { query, .. } => {
            nodes.push(Node::Query(query));
        }
        Statement::CreateTable(create) => nodes.extend(create.query.as_mut().map(|query| Node::Query(query))),
        Statement::Insert(insert) => {
            nodes.push(Node::Query(&mut insert.source));
            if let InsertMode::ReplaceWhere(predicate) = &mut insert.mode {
                nodes.push(Node::Expr(predicate));
            }
        }
        Statement::Update { assignments, predicate, .. } => {
            nodes.extend(assignments.iter_mut().map(|(_, value)| Node::Expr(value)));
            nodes.extend(predicate.as_mut().map(Node::Expr));
        }
        Statement::Delete { predicate, .. } => nodes.extend(predicate.as_mut().map(Node::Expr)),
        Statement::Merge(merge) => {
            nodes.push(Node::Query(&mut merge.source));
            nodes.push(Node::Expr(&mut merge.on));
            for clause in &mut merge.clauses {
                nodes.extend(clause.predicate.as_mut().map(Node::Expr));
                match &mut clause.action {
                    MergeAction::Update(assignments) => {
                        nodes.extend(assignments.iter_mut().map(|(_, value)| Node::Expr(value)));
                    }
                    MergeAction::Insert { values, .. } => nodes.extend(values.iter_mut().map(Node::Expr)),
                    _ => {}
                }
            }
        }
        Statement::CopyInto(copy) => {
            if let CopySource::Select { query, .. } = &mut copy.source {
                nodes.push(Node::Query(query));
            }
        }
        _ => {}
    }
    nodes
}

impl Engine {
    /// Opens every table that the statement reads and spells all names alike. `known` are the columns of what it
    /// writes, which lead in the spelling; `extra` are relations that are no tables.
    pub(super) async fn prepare(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        place: &Place,
        known: &[SchemaRef],
        extra: Vec<(&str, Arc<dyn TableProvider>)>,
    ) -> SqlResult<Prepared> {
        self.prepare_with(lexed, statement, place, known, extra, &Defaults::default()).await
    }

    /// As [`Engine::prepare`], with the defaults of the table that the statement writes.
    pub(super) async fn prepare_with(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        place: &Place,
        known: &[SchemaRef],
        extra: Vec<(&str, Arc<dyn TableProvider>)>,
        defaults: &Defaults,
    ) -> SqlResult<Prepared> {
        let mut original = statement.clone();
        let mut uses: Vec<TableUse> = Vec::new();
        for node in nodes(&mut original) {
            uses.extend(match node {
                Node::Query(query) => find_tables(query)?,
                Node::Expr(expr) => find_tables(expr)?,
            });
        }
        let context = session(&self.0.base);
        let mut spelling = Spelling::default();
        known.iter().for_each(|schema| spelling.learn(schema));
        let mut providers = Vec::with_capacity(uses.len() + extra.len());
        for (index, used) in uses.iter().enumerate() {
            let provider = match (parquet_path(&used.path), &used.changes) {
                (_, Some(boundaries)) => self.changes(&used.path, boundaries, place).await?,
                (Some(path), _) => self.parquet_at(path, &context.state()).await?,
                (None, None) => match self.relation(used, place).await? {
                    Some(relation) => relation,
                    None => self.open_use(used, place).await?.provider(&context.state()).await?,
                },
            };
            spelling.learn(provider.schema().as_ref());
            providers.push((relation_name(index), provider));
        }
        for (name, provider) in extra {
            spelling.learn(provider.schema().as_ref());
            providers.push((name.to_owned(), provider));
        }
        for (name, provider) in providers {
            context.register_table(TableReference::bare(name), respell(provider, &spelling)?)?;
        }
        let mut statement = parse(&spelling.apply(lexed))?;
        defaults.fill(&mut statement);
        let mut rewriter = Rewriter::new(CallContext { catalog: &place.catalog, schema: &place.schema, user: USER });
        let routine = |path: &[String]| self.routine(path, place);
        for node in nodes(&mut statement) {
            match node {
                Node::Query(query) => inline_calls(query, &routine).and_then(|()| rewriter.rewrite(query))?,
                Node::Expr(expr) => inline_calls(expr, &routine).and_then(|()| rewriter.rewrite(expr))?,
            }
        }
        Ok(Prepared { context, statement })
    }

    /// Runs a query and names its columns as they were written.
    pub(super) async fn query(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<Outcome> {
        let Statement::Query(written) = statement else { return Err(SqlError::internal("not a query")) };
        let names = display_names(written);
        let prepared = self.prepare(lexed, statement, place, &[], Vec::new()).await?;
        let Statement::Query(query) = &prepared.statement else { return Err(SqlError::internal("not a query")) };
        let frame = prepared.frame(query).await?;
        // It holds the tables, and so keeps their files until the last row is read.
        let plan = frame.logical_plan().clone();
        let stream = normalise(frame.execute_stream().await?, show_names(names))?;
        let schema = stream.schema();
        let stream = stream.inspect(move |_| _ = &plan);
        Ok(Outcome::Rows(Box::pin(RecordBatchStreamAdapter::new(schema, stream))))
    }

    /// The columns of a query, without running it.
    pub(super) async fn query_schema(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        place: &Place,
    ) -> SqlResult<SchemaRef> {
        let Statement::DescribeQuery(written) = statement else { return Err(SqlError::internal("not a query")) };
        let names = display_names(written);
        let prepared = self.prepare(lexed, statement, place, &[], Vec::new()).await?;
        let Statement::DescribeQuery(query) = &prepared.statement else {
            return Err(SqlError::internal("not a query"));
        };
        let frame = prepared.frame(query).await?;
        let (state, plan) = frame.into_parts();
        // Types are settled by the analyzer.
        let plan = state.optimize(&plan)?;
        let empty = datafusion::physical_plan::EmptyRecordBatchStream::new(Arc::new(plan.schema().as_arrow().clone()));
        Ok(normalise(Box::pin(empty), show_names(names))?.schema())
    }

    /// The first column of a query's result.
    pub(super) async fn scalar(&self, sql: &str, place: &Place) -> SqlResult<ArrayRef> {
        let request = Request { sql: sql.to_owned(), parameters: Parameters::default(), place: place.clone() };
        let Outcome::Rows(stream) = self.run(&request).await?.0 else { return Err(SqlError::internal("no rows")) };
        let batches: Vec<_> = stream.try_collect().await?;
        let first = batches.iter().find(|batch| batch.num_rows() > 0);
        first.map(|batch| Arc::clone(batch.column(0))).ok_or_else(|| SqlError::internal("no rows"))
    }
}

fn show_names(names: HashMap<String, String>) -> impl Fn(&str) -> String {
    move |name| names.get(&name.to_lowercase()).cloned().unwrap_or_else(|| name.to_owned())
}

impl Prepared {
    /// The plan of a query.
    pub(super) async fn plan(&self, query: &Query) -> SqlResult<LogicalPlan> {
        let ast = Ast::Query(Box::new(query.clone()));
        Ok(self.context.state().statement_to_plan(Planned::Statement(Box::new(ast))).await?)
    }

    pub(super) async fn frame(&self, query: &Query) -> SqlResult<DataFrame> {
        Ok(DataFrame::new(self.context.state(), self.plan(query).await?))
    }

    /// Plans expressions over relations, given as `(registered name, alias)`.
    pub(super) async fn expressions(&self, relations: &[(&str, &str)], exprs: &[Expr]) -> SqlResult<Vec<Plan>> {
        if exprs.is_empty() {
            return Ok(Vec::new());
        }
        let from: Vec<String> =
            relations.iter().map(|(name, alias)| format!("{} AS {}", quote(name), quote(alias))).collect();
        let sql = format!("SELECT 1 FROM {}", from.join(" CROSS JOIN "));
        let parsed = Parser::new(&datafusion::sql::sqlparser::dialect::DatabricksDialect)
            .try_with_sql(&sql)
            .and_then(|mut parser| parser.parse_query());
        let mut query = parsed.map_err(SqlError::internal)?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = exprs
                .iter()
                .enumerate()
                .map(|(index, expr)| SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: Ident::with_quote('`', format!("__e{index}")),
                })
                .collect();
        }
        let plan = self.plan(&query).await?;
        let LogicalPlan::Projection(projection) = &plan else {
            return Err(SqlError::unsupported("aggregates and window functions in this place"));
        };
        let input = projection.input.schema();
        let mut planned = Vec::with_capacity(exprs.len());
        for expr in &projection.expr {
            let expr = self.without_subqueries(expr.clone().unalias()).await?;
            planned.push(self.simplify(expr, input)?);
        }
        Ok(planned)
    }

    fn simplify(&self, expr: Plan, schema: &Arc<DFSchema>) -> SqlResult<Plan> {
        let context = SimplifyContext::builder().with_schema(Arc::clone(schema)).with_current_time().build();
        let simplifier = ExprSimplifier::new(context);
        let coerced = simplifier.coerce(expr, schema)?;
        Ok(simplifier.simplify(coerced)?)
    }

    /// Puts the values of subqueries in their place: delta-rs plans none in conditions.
    async fn without_subqueries(&self, expr: Plan) -> SqlResult<Plan> {
        let mut found = Vec::new();
        expr.apply(|part| {
            if let Plan::InSubquery(_) | Plan::ScalarSubquery(_) | Plan::Exists(_) = part {
                found.push(part.clone());
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        let mut values = Vec::with_capacity(found.len());
        for part in &found {
            values.push(self.value_of(part).await?);
        }
        let replaced = expr.transform_up(|part| match found.iter().position(|known| *known == part) {
            Some(index) => Ok(Transformed::yes(match (&values[index], &part) {
                (Value::One(value), _) => Plan::Literal(value.clone(), None),
                (Value::Many(list), Plan::InSubquery(inner)) => Plan::InList(InList {
                    expr: inner.expr.clone(),
                    list: list.iter().map(|value| Plan::Literal(value.clone(), None)).collect(),
                    negated: inner.negated,
                }),
                _ => part,
            })),
            None => Ok(Transformed::no(part)),
        });
        Ok(replaced.data()?)
    }

    async fn value_of(&self, part: &Plan) -> SqlResult<Value> {
        let subquery = match part {
            Plan::InSubquery(inner) => &inner.subquery,
            Plan::ScalarSubquery(inner) => inner,
            Plan::Exists(inner) => &inner.subquery,
            _ => return Err(SqlError::internal("not a subquery")),
        };
        if !subquery.outer_ref_columns.is_empty() {
            return Err(SqlError::unsupported("a correlated subquery in UPDATE, DELETE or MERGE"));
        }
        let frame = DataFrame::new(self.context.state(), subquery.subquery.as_ref().clone());
        let mut stream = frame.execute_stream().await?;
        let empty = ScalarValue::try_from(stream.schema().field(0).data_type())?;
        let mut values = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            for row in 0..batch.num_rows() {
                values.push(ScalarValue::try_from_array(batch.column(0), row)?);
            }
            if values.len() > MOST_SUBQUERY_ROWS {
                return Err(SqlError::unsupported(format_args!(
                    "a subquery of more than {MOST_SUBQUERY_ROWS} rows here"
                )));
            }
        }
        Ok(match part {
            Plan::Exists(inner) => Value::One(ScalarValue::Boolean(Some(values.is_empty() == inner.negated))),
            Plan::ScalarSubquery(_) if values.len() > 1 => {
                let text = "More than one row returned by a subquery used as an expression.";
                return Err(SqlError::new("SCALAR_SUBQUERY_TOO_MANY_ROWS", "21000", text));
            }
            Plan::ScalarSubquery(_) => Value::One(values.pop().unwrap_or(empty)),
            _ => Value::Many(values),
        })
    }
}

enum Value {
    One(ScalarValue),
    Many(Vec<ScalarValue>),
}

/// An identifier in backticks.
pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The expression with its columns named alone, as delta-rs names those of its target.
pub(super) fn unqualified(expr: Plan) -> SqlResult<Plan> {
    let stripped = expr.transform_up(|part| {
        Ok(match part {
            Plan::Column(mut column) if column.relation.is_some() => {
                column.relation = None;
                Transformed::yes(Plan::Column(column))
            }
            other => Transformed::no(other),
        })
    });
    Ok(stripped.data()?)
}

/// The column of a table that a statement names, whatever its case.
pub(super) fn find_column(opened: &Opened, name: &str) -> SqlResult<String> {
    let fields = opened.fields()?;
    let found = fields.fields().find(|field| field.name().to_lowercase() == name.to_lowercase());
    found.map(|field| field.name().clone()).ok_or_else(|| {
        let known: Vec<String> = fields.fields().take(5).map(|field| quote(field.name())).collect();
        SqlError::unresolved_column(quote(name), &known)
    })
}
