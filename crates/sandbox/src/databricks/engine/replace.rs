//! The rows that an INSERT takes the place of: REPLACE WHERE, USING and ON, OVERWRITE of a partition.

use arrow::array::Array;
use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr as Plan, LogicalPlan, LogicalPlanBuilder, ident, in_list, lit},
    prelude::DataFrame,
    sql::sqlparser::ast::{BinaryOperator, Expr},
};
use futures::TryStreamExt;

use super::{
    dml::alias_of,
    fit::Fitted,
    insert::TARGET,
    prepare::{Prepared, find_column, unqualified},
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{Insert, InsertMode, ReplaceOn},
};

/// The most different keys that a REPLACE USING or ON may bring: they become one condition.
const MOST_KEYS: usize = 10_000;

/// What goes.
pub(super) enum Replaced {
    Nothing,
    Everything,
    Where(Plan),
}

/// A column by which rows are replaced.
struct Key {
    column: String,
    /// NULL equals NULL.
    null_safe: bool,
}

/// The rows that the statement replaces; the keys of USING and ON are read from the rows that come.
pub(super) async fn replaced(
    opened: &Opened,
    prepared: &Prepared,
    insert: &Insert,
    fixed: &[(String, ScalarValue)],
    fitted: &Fitted,
) -> SqlResult<Replaced> {
    let keys = match &insert.mode {
        InsertMode::Append => return Ok(Replaced::Nothing),
        InsertMode::Overwrite => {
            let equal = |(name, value): &(String, ScalarValue)| equals(name, value);
            let conditions = fixed.iter().map(equal).reduce(Plan::and);
            return Ok(conditions.map_or(Replaced::Everything, Replaced::Where));
        }
        InsertMode::ReplaceWhere(predicate) => {
            let exprs = prepared.expressions(&[(TARGET, TARGET)], std::slice::from_ref(predicate.as_ref())).await?;
            let predicate = exprs.into_iter().next().ok_or_else(|| SqlError::internal("no condition"))?;
            return Ok(Replaced::Where(unqualified(predicate)?));
        }
        InsertMode::ReplaceUsing(columns) => {
            let key = |name: &String| Ok(Key { column: find_column(opened, name)?, null_safe: false });
            columns.iter().map(key).collect::<SqlResult<Vec<Key>>>()?
        }
        InsertMode::ReplaceOn(on) => {
            let mut keys = Vec::new();
            keys_of(&on.on, on, opened, insert, fitted, &mut keys)?;
            keys
        }
    };
    match condition(prepared, &fitted.plan, &keys).await? {
        Some(condition) => Ok(Replaced::Where(condition)),
        None => Ok(Replaced::Nothing),
    }
}

/// A conjunction of `t.a = s.a` and `t.a <=> s.a` as keys.
fn keys_of(
    expr: &Expr,
    on: &ReplaceOn,
    opened: &Opened,
    insert: &Insert,
    fitted: &Fitted,
    keys: &mut Vec<Key>,
) -> SqlResult<()> {
    let other = || SqlError::unsupported("REPLACE ON with more than equal columns of target and source, joined by AND");
    let (left, op, right) = match expr {
        Expr::Nested(inner) => return keys_of(inner, on, opened, insert, fitted, keys),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            keys_of(left, on, opened, insert, fitted, keys)?;
            return keys_of(right, on, opened, insert, fitted, keys);
        }
        Expr::BinaryOp { left, op, right } => (left, op, right),
        _ => return Err(other()),
    };
    let null_safe = match op {
        BinaryOperator::Eq => false,
        BinaryOperator::Spaceship => true,
        _ => return Err(other()),
    };
    let side = |expr: &Expr| match expr {
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., side, column] => Some((side.value.to_lowercase(), column.value.clone())),
            _ => None,
        },
        _ => None,
    };
    let (Some(left), Some(right)) = (side(left), side(right)) else { return Err(other()) };
    let target = alias_of(&insert.table, on.target_alias.as_deref()).to_lowercase();
    let source = on.source_alias.as_deref().map(str::to_lowercase);
    let (mine, theirs) = if left.0 == target { (left, right) } else { (right, left) };
    if mine.0 != target || source.is_some_and(|source| source != theirs.0) {
        return Err(other());
    }
    let column = find_column(opened, &mine.1)?;
    // A row must take the place of those that it is equal to.
    let same = |(to, from): &(String, String)| *to == column && from.to_lowercase() == theirs.1.to_lowercase();
    if !fitted.pairs.iter().any(same) {
        return Err(SqlError::unsupported("REPLACE ON between a column and one that is not written into it"));
    }
    keys.push(Key { column, null_safe });
    Ok(())
}

/// The rows of the table that have a key of the new rows, as one condition. `None` if there are no new rows.
async fn condition(prepared: &Prepared, plan: &LogicalPlan, keys: &[Key]) -> SqlResult<Option<Plan>> {
    let columns: Vec<Plan> = keys.iter().map(|key| ident(&key.column)).collect();
    let distinct = LogicalPlanBuilder::from(plan.clone()).project(columns)?.distinct()?.build()?;
    let mut stream = DataFrame::new(prepared.context.state(), distinct).execute_stream().await?;
    let mut rows: Vec<Vec<ScalarValue>> = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, row));
            rows.push(values.collect::<Result<_, _>>()?);
        }
        let unequal = batch.columns().iter().zip(keys).any(|(column, key)| !key.null_safe && column.null_count() > 0);
        if unequal {
            return Err(SqlError::unsupported(
                "REPLACE by a column that is NULL in a new row and compared by equality",
            ));
        }
        if rows.len() > MOST_KEYS {
            return Err(SqlError::unsupported(format_args!("a REPLACE with more than {MOST_KEYS} different keys")));
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let [key] = keys else {
        let row = |row: &Vec<ScalarValue>| {
            keys.iter().zip(row).map(|(key, value)| equals(&key.column, value)).reduce(Plan::and)
        };
        return Ok(any(rows.iter().filter_map(row).collect()));
    };
    let (null, values): (Vec<_>, Vec<_>) = rows.into_iter().flatten().partition(ScalarValue::is_null);
    let listed = in_list(ident(&key.column), values.iter().map(|value| lit(value.clone())).collect(), false);
    Ok(match (null.is_empty(), values.is_empty()) {
        (true, _) => Some(listed),
        (false, true) => Some(ident(&key.column).is_null()),
        (false, false) => Some(listed.or(ident(&key.column).is_null())),
    })
}

fn equals(column: &str, value: &ScalarValue) -> Plan {
    if value.is_null() { ident(column).is_null() } else { ident(column).eq(lit(value.clone())) }
}

/// One of the conditions, as a tree of little depth.
fn any(mut conditions: Vec<Plan>) -> Option<Plan> {
    while conditions.len() > 1 {
        let mut halved = Vec::with_capacity(conditions.len().div_ceil(2));
        let mut rest = conditions.into_iter();
        while let Some(first) = rest.next() {
            halved.push(match rest.next() {
                Some(second) => first.or(second),
                None => first,
            });
        }
        conditions = halved;
    }
    conditions.pop()
}
