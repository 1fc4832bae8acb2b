//! MERGE INTO

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    catalog::view::ViewTable,
    common::{Column, TableReference},
    logical_expr::{Expr as Plan, LogicalPlan, LogicalPlanBuilder},
    prelude::DataFrame,
    sql::sqlparser::ast::Expr,
};
use deltalake::operations::merge::MergeBuilder;

use super::{
    Engine, Outcome,
    catalog::Place,
    commit::{ATTEMPTS, commit_properties},
    dml::{alias_of, assigned_column, assigned_twice},
    fit::{guarded, is_generated},
    insert::{TARGET, too_many_attempts},
    prepare::{Prepared, find_column},
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{Lexed, Merge, MergeAction, MergeKind, ObjectPath, Statement, cast_to_type},
};

const SOURCE: &str = "__source";

/// One clause in the engine's terms.
struct Clause {
    kind: MergeKind,
    predicate: Option<Plan>,
    /// `None` deletes.
    values: Option<Vec<(String, Plan)>>,
}

impl Engine {
    pub(super) async fn merge(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        merge: &Merge,
        place: &Place,
    ) -> SqlResult<Outcome> {
        check(merge)?;
        for _ in 0..ATTEMPTS {
            if let Some(outcome) = self.merge_once(lexed, statement, merge, place).await? {
                return Ok(outcome);
            }
        }
        Err(too_many_attempts())
    }

    /// `None` if the commit lost in a way that lets the statement begin anew.
    async fn merge_once(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        merge: &Merge,
        place: &Place,
    ) -> SqlResult<Option<Outcome>> {
        let opened = self.open_table(&merge.target, place).await?;
        let provider = opened.provider(&self.0.base).await?;
        let known = [opened.arrow_schema()?];
        let defaults = self.defaults(&opened, place).await?;
        let prepared = self.prepare_with(lexed, statement, place, &known, vec![(TARGET, provider)], &defaults).await?;
        let Statement::Merge(planned) = &prepared.statement else { return Err(SqlError::internal("not a merge")) };
        let target_alias = alias_of(&planned.target, planned.target_alias.as_deref());
        let source_alias = planned.source_alias.clone();
        if target_alias == source_alias {
            return Err(SqlError::new(
                "AMBIGUOUS_REFERENCE",
                "42704",
                "The target and the source of a MERGE need different names.",
            ));
        }
        let source = prepared.plan(&planned.source).await?;
        // One level of unqualified columns: the merge puts its own name before them.
        let columns: Vec<Plan> = source
            .schema()
            .columns()
            .into_iter()
            .map(|column| Plan::Column(column.clone()).alias(column.name))
            .collect();
        let source = LogicalPlanBuilder::from(source).project(columns)?.build()?;
        let view = Arc::new(ViewTable::new(source.clone(), None));
        prepared.context.register_table(TableReference::bare(SOURCE), view)?;
        let names = Names { target: &target_alias, source: &source_alias };
        let clauses = self.merge_clauses(&opened, &prepared, planned, &names, &source).await?;
        let both = [(TARGET, target_alias.as_str()), (SOURCE, source_alias.as_str())];
        let on = one(prepared.expressions(&both, std::slice::from_ref(&planned.on)).await?)?;
        let frame = DataFrame::new(prepared.context.state(), source);
        let mut builder = opened
            .table
            .clone()
            .merge(frame, on)
            .with_session_state(Arc::new(prepared.context.state()))
            .with_source_alias(&source_alias)
            .with_target_alias(&target_alias)
            .with_merge_schema(merge.schema_evolution)
            .with_commit_properties(commit_properties());
        for clause in clauses {
            builder = add(builder, clause)?;
        }
        let metrics = match builder.await {
            Ok((_, metrics)) => metrics,
            Err(error) => return self.begin_anew(&opened, error).await.map(|()| None),
        };
        let (updated, deleted, inserted) = (
            metrics.num_target_rows_updated as u64,
            metrics.num_target_rows_deleted as u64,
            metrics.num_target_rows_inserted as u64,
        );
        Outcome::counts(&[
            ("num_affected_rows", updated + deleted + inserted),
            ("num_updated_rows", updated),
            ("num_deleted_rows", deleted),
            ("num_inserted_rows", inserted),
        ])
        .map(Some)
    }

    async fn merge_clauses(
        &self,
        opened: &Opened,
        prepared: &Prepared,
        merge: &Merge,
        names: &Names<'_>,
        source: &LogicalPlan,
    ) -> SqlResult<Vec<Clause>> {
        let mut clauses = Vec::with_capacity(merge.clauses.len());
        for clause in &merge.clauses {
            let visible = names.visible(clause.kind);
            let predicate = match &clause.predicate {
                Some(predicate) => Some(one(prepared.expressions(&visible, std::slice::from_ref(predicate)).await?)?),
                None => None,
            };
            let assigned: Option<Vec<(String, Expr)>> = match &clause.action {
                MergeAction::Delete => None,
                MergeAction::Update(assignments) => {
                    let column = |path| match assigned_column(opened, names.target, path) {
                        Err(_) if merge.schema_evolution && has_column(source, path) => Ok(last_name(path)),
                        found => found,
                    };
                    let pairs = assignments.iter().map(|(path, value)| Ok((column(path)?, value.clone())));
                    Some(pairs.collect::<SqlResult<_>>()?)
                }
                MergeAction::Insert { columns, values } => {
                    Some(columns.iter().cloned().zip(values.iter().cloned()).collect())
                }
                MergeAction::UpdateAll { except } | MergeAction::InsertAll { except } => {
                    let values = all_columns(opened, source, names, except, merge.schema_evolution)?;
                    clauses.push(Clause { kind: clause.kind, predicate, values: Some(values) });
                    continue;
                }
            };
            let values = match assigned {
                None => None,
                Some(assigned) => {
                    let exprs: Vec<Expr> = assigned.iter().map(|(_, value)| value.clone()).collect();
                    let planned = prepared.expressions(&visible, &exprs).await?;
                    let pairs =
                        assigned.iter().zip(planned).map(|((name, _), value)| match fit(opened, name, value.clone()) {
                            Err(_) if merge.schema_evolution && given(source).any(|given| given == *name) => {
                                Ok((name.clone(), value))
                            }
                            fitted => fitted,
                        });
                    let pairs: Vec<(String, Plan)> = pairs.collect::<SqlResult<_>>()?;
                    let mut set = HashSet::new();
                    if let Some((twice, _)) = pairs.iter().find(|(column, _)| !set.insert(column.to_lowercase())) {
                        return Err(assigned_twice(twice));
                    }
                    Some(pairs)
                }
            };
            clauses.push(Clause { kind: clause.kind, predicate, values });
        }
        Ok(clauses)
    }
}

struct Names<'a> {
    target: &'a str,
    source: &'a str,
}

impl Names<'_> {
    /// A row that only one side has can only speak of that side.
    fn visible(&self, kind: MergeKind) -> Vec<(&str, &str)> {
        match kind {
            MergeKind::Matched => vec![(TARGET, self.target), (SOURCE, self.source)],
            MergeKind::NotMatched => vec![(SOURCE, self.source)],
            MergeKind::NotMatchedBySource => vec![(TARGET, self.target)],
        }
    }
}

/// Only the last clause of each kind may go without a condition.
fn check(merge: &Merge) -> SqlResult<()> {
    for kind in [MergeKind::Matched, MergeKind::NotMatched, MergeKind::NotMatchedBySource] {
        let of_kind: Vec<_> = merge.clauses.iter().filter(|clause| clause.kind == kind).collect();
        let early = of_kind.iter().rev().skip(1).any(|clause| clause.predicate.is_none());
        if early {
            let class = match kind {
                MergeKind::Matched => "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION",
                MergeKind::NotMatched => "NON_LAST_NOT_MATCHED_BY_TARGET_CLAUSE_OMIT_CONDITION",
                MergeKind::NotMatchedBySource => "NON_LAST_NOT_MATCHED_BY_SOURCE_CLAUSE_OMIT_CONDITION",
            };
            let text = "When there are more than one clauses of a kind in a MERGE statement, only the last can omit the condition.";
            return Err(SqlError::new(class, "42613", text));
        }
    }
    Ok(())
}

fn one(exprs: Vec<Plan>) -> SqlResult<Plan> {
    exprs.into_iter().next().ok_or_else(|| SqlError::internal("an expression is missing"))
}

fn fit(opened: &Opened, name: &str, value: Plan) -> SqlResult<(String, Plan)> {
    let column = find_column(opened, name)?;
    let fields = opened.fields()?;
    let field = fields.field(&column).ok_or_else(|| SqlError::internal("a column without a type"))?;
    let value =
        if field.data_type().as_primitive_opt().is_some() { cast_to_type(value, field.data_type()) } else { value };
    let value = guarded(value, field);
    Ok((column, value))
}

/// The names of the source's columns.
fn given(source: &LogicalPlan) -> impl Iterator<Item = String> {
    source.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>().into_iter()
}

fn last_name(path: &ObjectPath) -> String {
    path.0.last().cloned().unwrap_or_default()
}

fn has_column(source: &LogicalPlan, path: &ObjectPath) -> bool {
    given(source).any(|given| given == last_name(path))
}

/// `SET *` and `INSERT *`: every column of the target, by name, from the source.
fn all_columns(
    opened: &Opened,
    source: &LogicalPlan,
    names: &Names<'_>,
    except: &[String],
    evolve: bool,
) -> SqlResult<Vec<(String, Plan)>> {
    let given: Vec<String> = given(source).collect();
    let mut values = Vec::new();
    let fields = opened.fields()?;
    for field in fields.fields() {
        if except.iter().any(|name| name.eq_ignore_ascii_case(field.name())) {
            continue;
        }
        let Some(name) = given.iter().find(|name| name.to_lowercase() == field.name().to_lowercase()) else {
            if evolve || is_generated(field) {
                continue;
            }
            return Err(SqlError::unresolved_column(super::prepare::quote(field.name()), &given));
        };
        let value = Plan::Column(Column::new(Some(TableReference::bare(names.source)), name));
        values.push(fit(opened, field.name(), value)?);
    }
    if evolve {
        for name in given.iter().filter(|name| fields.field(name.as_str()).is_none()) {
            values.push((name.clone(), Plan::Column(Column::new(Some(TableReference::bare(names.source)), name))));
        }
    }
    Ok(values)
}

fn add(builder: MergeBuilder, clause: Clause) -> SqlResult<MergeBuilder> {
    let Clause { kind, predicate, values } = clause;
    let column = |name: String| Column::from_name(name);
    Ok(match (kind, values) {
        (MergeKind::Matched, None) => builder.when_matched_delete(|delete| match predicate {
            Some(predicate) => delete.predicate(predicate),
            None => delete,
        })?,
        (MergeKind::NotMatchedBySource, None) => {
            builder.when_not_matched_by_source_delete(|delete| match predicate {
                Some(predicate) => delete.predicate(predicate),
                None => delete,
            })?
        }
        (MergeKind::NotMatched, None) => return Err(SqlError::internal("nothing to insert")),
        (MergeKind::NotMatched, Some(values)) => builder.when_not_matched_insert(|mut insert| {
            if let Some(predicate) = predicate {
                insert = insert.predicate(predicate);
            }
            values.into_iter().fold(insert, |insert, (name, value)| insert.set(column(name), value))
        })?,
        (MergeKind::Matched, Some(values)) => builder.when_matched_update(|mut update| {
            if let Some(predicate) = predicate {
                update = update.predicate(predicate);
            }
            values.into_iter().fold(update, |update, (name, value)| update.update(column(name), value))
        })?,
        (MergeKind::NotMatchedBySource, Some(values)) => builder.when_not_matched_by_source_update(|mut update| {
            if let Some(predicate) = predicate {
                update = update.predicate(predicate);
            }
            values.into_iter().fold(update, |update, (name, value)| update.update(column(name), value))
        })?,
    })
}
