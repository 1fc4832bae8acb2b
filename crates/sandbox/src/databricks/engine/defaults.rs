//! The values that columns have when a statement gives none.

use std::collections::HashMap;

use datafusion::{
    common::ScalarValue,
    sql::sqlparser::ast::{Expr, SetExpr, Value},
};
use deltalake::kernel::MetadataValue;

use super::{Engine, catalog::Place, ddl::DEFAULT, tables::Opened};
use crate::databricks::{
    error::SqlResult,
    sql::{Insert, Merge, MergeAction, ObjectPath, Statement, expr_of_text},
};

/// The defaults of a table's columns, by their names in lower case. A column without one has NULL.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    columns: Vec<String>,
    exprs: HashMap<String, Expr>,
    values: HashMap<String, ScalarValue>,
}

impl Engine {
    /// The defaults of a table, each evaluated once for the whole statement.
    pub(super) async fn defaults(&self, opened: &Opened, place: &Place) -> SqlResult<Defaults> {
        let mut defaults = Defaults::default();
        for field in opened.fields()?.fields() {
            let name = field.name().to_lowercase();
            defaults.columns.push(name.clone());
            let Some(MetadataValue::String(text)) = field.metadata.get(DEFAULT) else { continue };
            let expr = expr_of_text(text)?;
            let value = self.constant(expr.clone(), place).await?;
            defaults.values.insert(name.clone(), ScalarValue::try_from_array(&value, 0)?);
            defaults.exprs.insert(name, expr);
        }
        Ok(defaults)
    }
}

impl Defaults {
    /// The value of a column that is not given.
    pub(super) fn value(&self, column: &str) -> ScalarValue {
        self.values.get(&column.to_lowercase()).cloned().unwrap_or(ScalarValue::Null)
    }

    /// Puts the columns' defaults where a statement says DEFAULT.
    pub(super) fn fill(&self, statement: &mut Statement) {
        match statement {
            Statement::Insert(insert) => self.fill_insert(insert),
            Statement::Update { assignments, .. } => self.fill_assignments(assignments),
            Statement::Merge(merge) => self.fill_merge(merge),
            _ => {}
        }
    }

    fn fill_insert(&self, insert: &mut Insert) {
        let fixed = |column: &str| {
            insert.partition.iter().any(|(name, value)| value.is_some() && name.to_lowercase() == column)
        };
        let targets: Vec<String> = match insert.columns.is_empty() {
            true => self.columns.iter().filter(|column| !fixed(column)).cloned().collect(),
            false => insert.columns.iter().map(|name| name.to_lowercase()).collect(),
        };
        if let SetExpr::Values(values) = insert.source.body.as_mut() {
            for row in &mut values.rows {
                row.content.iter_mut().zip(&targets).for_each(|(value, column)| self.put(column, value));
            }
        }
    }

    fn fill_assignments(&self, assignments: &mut [(ObjectPath, Expr)]) {
        for (column, value) in assignments {
            self.put(column.0.last().map_or("", String::as_str), value);
        }
    }

    fn fill_merge(&self, merge: &mut Merge) {
        for clause in &mut merge.clauses {
            match &mut clause.action {
                MergeAction::Update(assignments) => self.fill_assignments(assignments),
                MergeAction::Insert { columns, values } => {
                    columns.iter().zip(values).for_each(|(column, value)| self.put(column, value));
                }
                _ => {}
            }
        }
    }

    fn put(&self, column: &str, value: &mut Expr) {
        if let Expr::Identifier(ident) = value
            && ident.quote_style.is_none()
            && ident.value.eq_ignore_ascii_case("DEFAULT")
        {
            *value = self.exprs.get(&column.to_lowercase()).cloned().unwrap_or(Expr::value(Value::Null));
        }
    }
}
