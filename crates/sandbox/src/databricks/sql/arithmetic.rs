//! Operators whose types or errors differ between Databricks and DataFusion.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, Result as EngineResult, ScalarValue},
    logical_expr::{
        Cast, Expr, ExprSchemable,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};

use crate::databricks::error::SqlError;

use super::{
    decimal::{self, Op},
    udf::{self, Kind},
};

/// Plans `+ - * / %`, `||` and comparisons as Databricks computes them.
#[derive(Debug)]
pub(crate) struct Arithmetic;

impl ExprPlanner for Arithmetic {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> EngineResult<PlannerResult<RawBinaryExpr>> {
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        Ok(match expr.op {
            BinaryOperator::Plus => arithmetic(expr, Kind::Add, Op::Add, &left, &right),
            BinaryOperator::Minus if left == DataType::Date32 && right == DataType::Date32 => {
                return Err(SqlError::unsupported("an INTERVAL between two dates; `datediff` counts the days").into());
            }
            BinaryOperator::Minus => arithmetic(expr, Kind::Subtract, Op::Subtract, &left, &right),
            BinaryOperator::Multiply => arithmetic(expr, Kind::Multiply, Op::Multiply, &left, &right),
            BinaryOperator::Divide => divide(expr, &left, &right),
            BinaryOperator::Modulo if left.is_integer() && right.is_integer() => {
                let wide = wider(&left, &right);
                planned(Kind::Remainder, cast(expr.left, &wide), cast(expr.right, &wide))
            }
            BinaryOperator::StringConcat if left.is_string() != right.is_string() => {
                let expr = RawBinaryExpr { left: text(expr.left, &left), right: text(expr.right, &right), ..expr };
                PlannerResult::Original(expr)
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Spaceship => comparison(expr, &left, &right),
            _ => PlannerResult::Original(expr),
        })
    }
}

fn arithmetic(
    expr: RawBinaryExpr,
    kind: Kind,
    op: Op,
    left: &DataType,
    right: &DataType,
) -> PlannerResult<RawBinaryExpr> {
    if left.is_integer() && right.is_integer() {
        let wide = wider(left, right);
        return match expr.left {
            // One call for `a + b + c`: DataFusion's time to plan nested calls grows with the cube of their number.
            Expr::ScalarFunction(mut chain) if chain.name() == kind.name() && left == &wide => {
                chain.args.push(cast(expr.right, &wide));
                PlannerResult::Planned(Expr::ScalarFunction(chain))
            }
            first => planned(kind, cast(first, &wide), cast(expr.right, &wide)),
        };
    }
    if !is_decimal(left) && !is_decimal(right) {
        return PlannerResult::Original(expr);
    }
    let (Some((l, left)), Some((r, right))) = (exact(expr.left.clone(), left), exact(expr.right.clone(), right)) else {
        return PlannerResult::Original(expr);
    };
    if decimal::differs_from_arrow(op, left, right) {
        return planned(Kind::Decimal(op), l, r);
    }
    PlannerResult::Original(RawBinaryExpr { op: expr.op, left: l, right: r })
}

fn divide(expr: RawBinaryExpr, left: &DataType, right: &DataType) -> PlannerResult<RawBinaryExpr> {
    if (is_decimal(left) || is_decimal(right))
        && let (Some((l, _)), Some((r, _))) = (exact(expr.left.clone(), left), exact(expr.right.clone(), right))
    {
        return planned(Kind::Decimal(Op::Divide), l, r);
    }
    let number = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
    if number(left) && number(right) {
        return planned(Kind::Divide, cast(expr.left, &DataType::Float64), cast(expr.right, &DataType::Float64));
    }
    PlannerResult::Original(expr)
}

/// A text beside a number, date or moment is read as one.
fn comparison(expr: RawBinaryExpr, left: &DataType, right: &DataType) -> PlannerResult<RawBinaryExpr> {
    let target = |other: &DataType| match other {
        other if other.is_integer() => Some("BIGINT"),
        other if other.is_numeric() => Some("DOUBLE"),
        DataType::Date32 => Some("DATE"),
        DataType::Timestamp(_, Some(_)) => Some("TIMESTAMP"),
        DataType::Timestamp(_, None) => Some("TIMESTAMP_NTZ"),
        DataType::Boolean => Some("BOOLEAN"),
        _ => None,
    };
    let read = |expr: Expr, other: &DataType| match target(other) {
        Some(to) => udf::cast_to(expr, to),
        None => expr,
    };
    PlannerResult::Original(match (left.is_string(), right.is_string()) {
        (true, false) => RawBinaryExpr { left: read(expr.left, right), ..expr },
        (false, true) => RawBinaryExpr { right: read(expr.right, left), ..expr },
        _ => expr,
    })
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..))
}

/// The operand as a decimal; an integer literal takes only the digits it needs.
fn exact(expr: Expr, data_type: &DataType) -> Option<(Expr, decimal::Shape)> {
    if let Some(value) = literal(&expr) {
        let digits = value.unsigned_abs().checked_ilog10().map_or(1, |log| log as u8 + 1);
        let value = ScalarValue::Decimal128(Some(i128::from(value)), digits, 0);
        return Some((Expr::Literal(value, None), (digits, 0)));
    }
    let shape = decimal::shape_of(data_type)?;
    Some((cast(expr, &DataType::Decimal128(shape.0, shape.1)), shape))
}

fn literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        Expr::Literal(ScalarValue::Int32(value), _) => value.map(i64::from),
        Expr::Cast(Cast { expr, field, .. }) if field.data_type().is_integer() => literal(expr),
        _ => None,
    }
}

fn wider(left: &DataType, right: &DataType) -> DataType {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(8);
    if width(left) >= width(right) { left.clone() } else { right.clone() }
}

fn cast(expr: Expr, to: &DataType) -> Expr {
    match (&expr, literal(&expr), to) {
        (_, Some(value), DataType::Int32) if i32::try_from(value).is_ok() => {
            Expr::Literal(ScalarValue::Int32(Some(value as i32)), None)
        }
        (_, Some(value), DataType::Int64) => Expr::Literal(ScalarValue::Int64(Some(value)), None),
        (_, Some(value), DataType::Float64) => Expr::Literal(ScalarValue::Float64(Some(value as f64)), None),
        _ => Expr::Cast(Cast::new(Box::new(expr), to.clone())),
    }
}

fn text(expr: Expr, data_type: &DataType) -> Expr {
    if data_type.is_string() || data_type.is_null() { expr } else { udf::cast_to(expr, "STRING") }
}

fn planned(kind: Kind, left: Expr, right: Expr) -> PlannerResult<RawBinaryExpr> {
    let function = Arc::new(udf::function(kind));
    PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![left, right])))
}
