//! UPDATE, DELETE and TRUNCATE.

use std::sync::Arc;

use datafusion::{common::Column, sql::sqlparser::ast::Expr};

use super::{
    Engine, Outcome,
    catalog::Place,
    insert::{commit_properties, guarded},
    prepare::{Prepared, find_column, unqualified},
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{Lexed, ObjectPath, Statement, cast_to_type},
};

/// The relation that stands for the table that is changed.
const TARGET: &str = "__target";

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
        let prepared =
            self.prepare(lexed, statement, place, &[opened.arrow_schema()?], vec![(TARGET, provider)]).await?;
        Ok((opened, prepared))
    }

    pub(super) async fn update(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<Outcome> {
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
        for (name, _) in assignments {
            let column = find_column(&opened, name)?;
            let (Some(value), Some(field)) = (planned.next(), fields.field(&column)) else {
                return Err(SqlError::internal("an assignment without a value"));
            };
            let value = cast_to_type(unqualified(value)?, field.data_type());
            builder = builder.with_update(Column::from_name(column), guarded(value, field));
        }
        if let Some(predicate) = planned.next() {
            builder = builder.with_predicate(unqualified(predicate)?);
        }
        let (_, metrics) = builder.await?;
        Outcome::counts(&[("num_affected_rows", metrics.num_updated_rows as u64)])
    }

    pub(super) async fn delete(&self, lexed: &Lexed, statement: &Statement, place: &Place) -> SqlResult<Outcome> {
        let Statement::Delete { table, .. } = statement else { return Err(SqlError::internal("not a delete")) };
        let (opened, prepared) = self.prepare_target(lexed, statement, table, place).await?;
        let Statement::Delete { table, alias, predicate } = &prepared.statement else {
            return Err(SqlError::internal("not a delete"));
        };
        let alias = alias_of(table, alias.as_deref());
        let exprs: Vec<Expr> = predicate.iter().cloned().collect();
        let planned = prepared.expressions(&[(TARGET, &alias)], &exprs).await?;
        // Without a condition delta-rs does not count.
        let all = if planned.is_empty() { Some(self.count(table, place).await?) } else { None };
        let mut builder = opened
            .table
            .clone()
            .delete()
            .with_session_state(Arc::new(prepared.context.state()))
            .with_commit_properties(commit_properties());
        if let Some(predicate) = planned.into_iter().next() {
            builder = builder.with_predicate(unqualified(predicate)?);
        }
        let (_, metrics) = builder.await?;
        let rows = all.unwrap_or(metrics.num_deleted_rows.unwrap_or_default() as u64);
        Outcome::counts(&[("num_affected_rows", rows)])
    }

    async fn count(&self, table: &ObjectPath, place: &Place) -> SqlResult<u64> {
        let counted = Box::pin(self.scalar(&format!("SELECT count(*) FROM {table}"), place)).await?;
        let counted = arrow::compute::cast(&counted, &arrow::datatypes::DataType::UInt64)?;
        Ok(arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt64Type>(counted.as_ref()).value(0))
    }

    pub(super) async fn truncate(&self, table: &ObjectPath, place: &Place) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        opened.table.delete().with_commit_properties(commit_properties()).await?;
        Ok(Outcome::Nothing)
    }
}

/// The name by which the statement calls its target.
pub(super) fn alias_of(table: &ObjectPath, alias: Option<&str>) -> String {
    alias.map(str::to_owned).or_else(|| table.0.last().cloned()).unwrap_or_default()
}
