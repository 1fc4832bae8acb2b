//! UPDATE, DELETE and TRUNCATE.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    common::{Column, TableReference},
    sql::sqlparser::ast::Expr,
};

use super::{
    Engine, Outcome,
    catalog::Place,
    commit::{ATTEMPTS, commit_properties},
    fit::guarded,
    insert::{TARGET, too_many_attempts},
    maintain::named,
    prepare::{Prepared, find_column, quote, unqualified},
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{Lexed, ObjectPath, Statement, cast_to_type},
};

impl Engine {
    async fn prepare_target(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        table: &ObjectPath,
        place: &Place,
    ) -> SqlResult<(Opened, Prepared)> {
        let opened = self.open_table(table, place).await?;
        let provider = opened.provider(&self.0.base).await?;
        let known = [opened.arrow_schema()?];
        let defaults = self.defaults(&opened, place).await?;
        let prepared = self.prepare_with(lexed, statement, place, &known, vec![(TARGET, provider)], &defaults).await?;
        Ok((opened, prepared))
    }

    pub(super) async fn update(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<Outcome> {
        for _ in 0..ATTEMPTS {
            if let Some(outcome) = self.update_once(lexed, statement, place).await? {
                return Ok(outcome);
            }
        }
        Err(too_many_attempts())
    }

    /// `None` if the commit lost in a way that lets the statement begin anew.
    async fn update_once(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<Option<Outcome>> {
        let Statement::Update { table, .. } = statement else { return Err(SqlError::internal("not an update")) };
        let (opened, prepared) = self.prepare_target(lexed, statement, table, place).await?;
        let Statement::Update { table, alias, assignments, predicate } = &prepared.statement else {
            return Err(SqlError::internal("not an update"));
        };
        let alias = alias_of(table, alias.as_deref());
        let mut exprs: Vec<Expr> = assignments.iter().map(|(_, value)| value.clone()).collect();
        exprs.extend(predicate.clone());
        let mut planned = prepared.expressions(&[(TARGET, &alias)], &exprs).await?.into_iter();
        let fields = opened.fields()?;
        let mut builder = opened
            .table
            .clone()
            .update()
            .with_session_state(Arc::new(prepared.context.state()))
            .with_commit_properties(commit_properties());
        let mut set = HashSet::new();
        for (path, _) in assignments {
            let column = assigned_column(&opened, &alias, path)?;
            if !set.insert(column.clone()) {
                return Err(assigned_twice(&column));
            }
            let (Some(value), Some(field)) = (planned.next(), fields.field(&column)) else {
                return Err(SqlError::internal("an assignment without a value"));
            };
            let value = cast_to_type(unqualified(value)?, field.data_type());
            builder = builder.with_update(Column::from_name(column), guarded(value, field));
        }
        if let Some(predicate) = planned.next() {
            builder = builder.with_predicate(unqualified(predicate)?);
        }
        match builder.await {
            Ok((_, metrics)) => Outcome::counts(&[("num_affected_rows", metrics.num_updated_rows as u64)]).map(Some),
            Err(error) => self.begin_anew(&opened, error).await.map(|()| None),
        }
    }

    pub(super) async fn delete(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<Outcome> {
        for _ in 0..ATTEMPTS {
            if let Some(outcome) = self.delete_once(lexed, statement, place).await? {
                return Ok(outcome);
            }
        }
        Err(too_many_attempts())
    }

    /// `None` if the commit lost in a way that lets the statement begin anew.
    async fn delete_once(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<Option<Outcome>> {
        let Statement::Delete { table, .. } = statement else { return Err(SqlError::internal("not a delete")) };
        let (opened, prepared) = self.prepare_target(lexed, statement, table, place).await?;
        let Statement::Delete { table, alias, predicate } = &prepared.statement else {
            return Err(SqlError::internal("not a delete"));
        };
        let alias = alias_of(table, alias.as_deref());
        let exprs: Vec<Expr> = predicate.iter().cloned().collect();
        let planned = prepared.expressions(&[(TARGET, &alias)], &exprs).await?;
        // Without a condition delta-rs does not count.
        let all = match planned.is_empty() {
            true => Some(prepared.context.table(TableReference::bare(TARGET)).await?.count().await? as u64),
            false => None,
        };
        let mut builder = opened
            .table
            .clone()
            .delete()
            .with_session_state(Arc::new(prepared.context.state()))
            .with_commit_properties(commit_properties());
        if let Some(predicate) = planned.into_iter().next() {
            builder = builder.with_predicate(unqualified(predicate)?);
        }
        match builder.await {
            Ok((_, metrics)) => {
                let rows = all.unwrap_or(metrics.num_deleted_rows.unwrap_or_default() as u64);
                Outcome::counts(&[("num_affected_rows", rows)]).map(Some)
            }
            Err(error) => self.begin_anew(&opened, error).await.map(|()| None),
        }
    }

    pub(super) async fn truncate(&self, table: &ObjectPath, place: &Place) -> SqlResult<Outcome> {
        for _ in 0..ATTEMPTS {
            let opened = self.open_table(table, place).await?;
            match opened.table.clone().delete().with_commit_properties(named("TRUNCATE")).await {
                Ok(_) => return Ok(Outcome::Nothing),
                Err(error) => self.begin_anew(&opened, error).await?,
            }
        }
        Err(too_many_attempts())
    }
}

/// The column that `c = …`, `x.c = …` or `schema.t.c = …` sets.
pub(super) fn assigned_column(opened: &Opened, alias: &str, path: &ObjectPath) -> SqlResult<String> {
    let Some((column, before)) = path.0.split_last() else { return Err(SqlError::internal("a column without a name")) };
    let before: Vec<String> = before.iter().map(|part| part.to_lowercase()).collect();
    let name = &opened.name;
    let full = [&name.catalog, &name.schema, &name.name].map(|part| part.to_lowercase());
    if before.is_empty() || before == [alias.to_lowercase()] || full.ends_with(&before) {
        return find_column(opened, column);
    }
    Err(SqlError::unsupported(format_args!("an assignment to {path}, which is no column of the target by itself")))
}

pub(super) fn assigned_twice(column: &str) -> SqlError {
    let text = format!("There is a conflict from these SET columns: [{}].", quote(column));
    SqlError::new("DELTA_CONFLICT_SET_COLUMN", "42701", text)
}

/// The name by which the statement calls its target.
pub(super) fn alias_of(table: &ObjectPath, alias: Option<&str>) -> String {
    alias.map(str::to_owned).or_else(|| table.0.last().cloned()).unwrap_or_default()
}
