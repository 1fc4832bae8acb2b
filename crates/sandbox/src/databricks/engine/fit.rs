//! Rows brought into the columns of a table.

use std::collections::HashSet;

use datafusion::{
    common::{Column, ExprSchema, ScalarValue},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast},
};
use deltalake::kernel::{
    DataType, MetadataValue, StructField, StructType, engine::arrow_conversion::TryIntoKernel as _,
};

use super::{
    Engine,
    ddl::LENGTH,
    defaults::Defaults,
    insert::delta_arrow,
    metadata::GENERATED,
    prepare::{find_column, quote},
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{DUPLICATE, arrow_of_delta, cast_to_type, fit_length, not_null},
};

/// How the columns of a source find those of a table.
#[derive(Debug, Default)]
pub(super) struct Fit<'a> {
    /// The columns that the source gives; all of them if empty.
    pub(super) columns: &'a [String],
    pub(super) by_name: bool,
    /// Columns that have one value in all rows.
    pub(super) fixed: Vec<(String, ScalarValue)>,
    /// What the table lacks is added to it.
    pub(super) evolve: bool,
    pub(super) defaults: Defaults,
}

/// Rows in the table's columns, and where each column came from.
pub(super) struct Fitted {
    pub(super) plan: LogicalPlan,
    /// The table's column, and the source's.
    pub(super) pairs: Vec<(String, String)>,
    /// The source brings columns that the table lacks.
    pub(super) evolves: bool,
}

impl Engine {
    /// The source with the table's columns, in its order and its types.
    pub(super) fn fit(&self, opened: &Opened, source: LogicalPlan, fit: &Fit<'_>) -> SqlResult<Fitted> {
        let fields = opened.fields()?;
        let given: Vec<(String, Column)> =
            source.schema().columns().into_iter().map(|column| (plain_name(&column.name).to_owned(), column)).collect();
        let targets = targets(opened, &fields, &given, fit)?;
        let mut columns = Vec::new();
        for field in fields.fields() {
            let fixed = fit.fixed.iter().find(|(name, _)| name == field.name());
            let value = match (targets.iter().position(|target| target == field.name()), fixed) {
                (Some(index), _) => Expr::Column(given[index].1.clone()),
                (None, Some((_, value))) => Expr::Literal(value.clone(), None),
                (None, None) if is_generated(field) => continue,
                (None, None) => Expr::Literal(fit.defaults.value(field.name()), None),
            };
            columns.push(guarded(shaped(value, field.data_type())?, field).alias(field.name()));
        }
        let known = columns.len();
        for ((_, column), target) in given.iter().zip(&targets) {
            if fields.field(target).is_none() {
                columns.push(added(&source, column)?.alias(target));
            }
        }
        let evolves = columns.len() > known;
        let pairs = targets.into_iter().zip(given).map(|(target, (name, _))| (target, name)).collect();
        let plan = LogicalPlanBuilder::from(source).project(columns)?.build()?;
        Ok(Fitted { plan, pairs, evolves })
    }
}

/// True if the table computes the column itself.
pub(super) fn is_generated(field: &StructField) -> bool {
    field.metadata.contains_key(GENERATED)
}

/// For each column of the source the name of the column it fills.
fn targets(opened: &Opened, fields: &StructType, given: &[(String, Column)], fit: &Fit<'_>) -> SqlResult<Vec<String>> {
    let fixed = |name: &str| fit.fixed.iter().any(|(fixed, _)| fixed == name);
    let mut targets: Vec<String> = if fit.by_name {
        let target = |name: &String| match find_column(opened, name) {
            Err(_) if fit.evolve => Ok(name.clone()),
            found => found,
        };
        given.iter().map(|(name, _)| target(name)).collect::<SqlResult<_>>()?
    } else if fit.columns.is_empty() {
        let open: Vec<&StructField> = fields.fields().filter(|field| !fixed(field.name())).collect();
        let all = open.len() == given.len();
        // What the table computes may be left out.
        let open = open.into_iter().filter(|field| all || !is_generated(field));
        open.map(|field| field.name().clone()).collect()
    } else {
        fit.columns.iter().map(|name| find_column(opened, name)).collect::<SqlResult<_>>()?
    };
    if fit.evolve && !fit.by_name {
        targets.extend(given.iter().skip(targets.len()).map(|(name, _)| name.clone()));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = targets.iter().find(|name| !seen.insert(name.to_lowercase()) || fixed(name)) {
        let text = format!("The column {} is given more than once.", quote(twice));
        return Err(SqlError::new("COLUMN_ALREADY_EXISTS", "42711", text));
    }
    if targets.len() != given.len() {
        let kind = if targets.len() > given.len() { "NOT_ENOUGH_DATA_COLUMNS" } else { "TOO_MANY_DATA_COLUMNS" };
        let names = |names: Vec<&str>| names.into_iter().map(quote).collect::<Vec<_>>().join(", ");
        let text = format!(
            "Cannot write to {}, the reason is {}: Table columns: {}. Data columns: {}.",
            opened.name,
            if targets.len() > given.len() { "not enough data columns" } else { "too many data columns" },
            names(targets.iter().map(String::as_str).collect()),
            names(given.iter().map(|(name, _)| name.as_str()).collect())
        );
        return Err(SqlError::new(format!("INSERT_COLUMN_ARITY_MISMATCH.{kind}"), "21S01", text));
    }
    Ok(targets)
}

/// A column that the table does not have yet, in the type that it will have.
fn added(source: &LogicalPlan, column: &Column) -> SqlResult<Expr> {
    let field = source.schema().field_from_column(column)?;
    let arrow = delta_arrow(field.data_type())?;
    if arrow.is_null() {
        return Err(SqlError::unsupported("a column of the type VOID"));
    }
    let delta: DataType = (&arrow).try_into_kernel()?;
    let value = Expr::Column(column.clone());
    Ok(if arrow.is_nested() { cast(value, arrow) } else { cast_to_type(value, &delta) })
}

/// The value, or an error if the column does not take it: NULL, or a text that is too long.
pub(super) fn guarded(value: Expr, field: &StructField) -> Expr {
    let value = match field.metadata.get(LENGTH) {
        Some(MetadataValue::String(declared)) => fit_length(value, declared),
        _ => value,
    };
    if field.is_nullable() { value } else { not_null(value, field.name()) }
}

/// Databricks' cast where values are involved; Arrow's own where only the shape of nested values changes.
fn shaped(value: Expr, to: &DataType) -> SqlResult<Expr> {
    if matches!(to, DataType::Primitive(_)) {
        return Ok(cast_to_type(value, to));
    }
    Ok(cast(value, arrow_of_delta(to)?))
}

pub(super) fn plain_name(name: &str) -> &str {
    name.split(DUPLICATE).next().unwrap_or_default()
}
