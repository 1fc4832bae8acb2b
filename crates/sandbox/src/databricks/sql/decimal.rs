//! Decimal arithmetic with Databricks' rules for precision and scale.

use arrow::{
    array::{ArrayRef, AsArray, Decimal128Array},
    datatypes::{DataType, Decimal128Type, i256},
};

use super::cast::try_zip;
use crate::databricks::error::{SqlError, SqlResult};

/// Precision and scale of a decimal.
pub(super) type Shape = (u8, i8);

const MAX_PRECISION: i32 = 38;
/// What is kept of the scale when a result would need more than 38 digits.
const MIN_SCALE: i32 = 6;

/// The four operations that have rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// The decimal that holds a type, or `None` if it is no exact number.
pub(super) fn shape_of(data_type: &DataType) -> Option<Shape> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        DataType::Int8 => Some((3, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((20, 0)),
        _ => None,
    }
}

/// The result's shape before it is cut to 38 digits.
fn exact(op: Op, left: Shape, right: Shape) -> (i32, i32) {
    let ((p1, s1), (p2, s2)) = ((i32::from(left.0), i32::from(left.1)), (i32::from(right.0), i32::from(right.1)));
    match op {
        Op::Add | Op::Subtract => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Op::Multiply => (p1 + p2 + 1, s1 + s2),
        Op::Divide => {
            let scale = MIN_SCALE.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
    }
}

/// The shape of a result.
pub(super) fn result_shape(op: Op, left: Shape, right: Shape) -> Shape {
    let (precision, scale) = exact(op, left, right);
    if precision <= MAX_PRECISION {
        return (precision as u8, scale as i8);
    }
    let whole = precision - scale;
    let scale = (MAX_PRECISION - whole).max(scale.min(MIN_SCALE));
    (MAX_PRECISION as u8, scale as i8)
}

/// True if Arrow's own kernel would give another shape.
pub(super) fn differs_from_arrow(op: Op, left: Shape, right: Shape) -> bool {
    op == Op::Divide || exact(op, left, right).0 > MAX_PRECISION
}

/// Computes in 256 bits and rounds half up.
pub(super) fn compute(op: Op, left: &ArrayRef, right: &ArrayRef) -> SqlResult<ArrayRef> {
    let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) = (left.data_type(), right.data_type()) else {
        return Err(SqlError::internal("decimal arithmetic on other types"));
    };
    let (left_shape, right_shape) = ((*p1, *s1), (*p2, *s2));
    let (precision, scale) = result_shape(op, left_shape, right_shape);
    let (s1, s2, scale_to) = (i32::from(*s1), i32::from(*s2), i32::from(scale));
    let limit = power(u32::from(precision))?;
    let computed: Decimal128Array =
        try_zip::<Decimal128Type, Decimal128Type>(left.as_primitive(), right.as_primitive(), |a, b| {
            let (a, b) = (i256::from_i128(a), i256::from_i128(b));
            let value = match op {
                Op::Multiply => rescale(a.checked_mul(b).ok_or_else(overflow)?, s1 + s2, scale_to)?,
                Op::Add | Op::Subtract => {
                    let common = s1.max(s2);
                    let (a, b) = (rescale(a, s1, common)?, rescale(b, s2, common)?);
                    let sum = if op == Op::Add { a.checked_add(b) } else { a.checked_sub(b) };
                    rescale(sum.ok_or_else(overflow)?, common, scale_to)?
                }
                Op::Divide => {
                    if b == i256::ZERO {
                        return Err(divide_by_zero());
                    }
                    let shift = scale_to + s2 - s1;
                    let (a, b) = if shift >= 0 {
                        (a.checked_mul(power(shift as u32)?).ok_or_else(overflow)?, b)
                    } else {
                        (a, b.checked_mul(power(-shift as u32)?).ok_or_else(overflow)?)
                    };
                    divide_half_up(a, b)?
                }
            };
            if value >= limit || value <= -limit {
                return Err(overflow());
            }
            value.to_i128().ok_or_else(overflow)
        })?;
    Ok(std::sync::Arc::new(computed.with_precision_and_scale(precision, scale)?))
}

/// Division by zero, in the service's words.
pub(super) fn divide_by_zero() -> SqlError {
    SqlError::new(
        "DIVIDE_BY_ZERO",
        "22012",
        "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.",
    )
}

fn overflow() -> SqlError {
    SqlError::new(
        "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
        "22003",
        "The value cannot be represented as a decimal of 38 digits.",
    )
}

fn power(exponent: u32) -> SqlResult<i256> {
    i256::from_i128(10).checked_pow(exponent).ok_or_else(overflow)
}

fn rescale(value: i256, from: i32, to: i32) -> SqlResult<i256> {
    if to >= from {
        return value.checked_mul(power((to - from) as u32)?).ok_or_else(overflow);
    }
    divide_half_up(value, power((from - to) as u32)?)
}

fn divide_half_up(a: i256, b: i256) -> SqlResult<i256> {
    let quotient = a.checked_div(b).ok_or_else(overflow)?;
    let rest = a.checked_rem(b).ok_or_else(overflow)?.wrapping_abs();
    let twice = rest.checked_mul(i256::from_i128(2)).ok_or_else(overflow)?;
    if twice < b.wrapping_abs() {
        return Ok(quotient);
    }
    let negative = (a < i256::ZERO) != (b < i256::ZERO);
    Ok(if negative { quotient - i256::ONE } else { quotient + i256::ONE })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn decimal(value: i128, precision: u8, scale: i8) -> ArrayRef {
        Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale).unwrap())
    }

    #[test]
    fn a_quotient_has_the_scale_of_databricks_and_rounds_half_up() {
        let quotient = compute(Op::Divide, &decimal(1, 1, 0), &decimal(3, 1, 0)).unwrap();
        assert_eq!(quotient.data_type(), &DataType::Decimal128(7, 6));
        assert_eq!(quotient.as_primitive::<Decimal128Type>().value(0), 333_333);
        // -0.5 of the last place
        let half = compute(Op::Divide, &decimal(-1, 1, 0), &decimal(2_000_000_000, 10, 0)).unwrap();
        assert_eq!(half.data_type(), &DataType::Decimal128(12, 11));
        assert_eq!(half.as_primitive::<Decimal128Type>().value(0), -50);
        let rounded = rescale(i256::from_i128(-15), 1, 0).unwrap();
        assert_eq!(rounded, i256::from_i128(-2));
    }

    #[test]
    fn a_product_of_more_than_38_digits_gives_up_scale_before_digits() {
        assert_eq!(result_shape(Op::Multiply, (38, 10), (38, 10)), (38, 6));
        assert_eq!(result_shape(Op::Multiply, (15, 2), (16, 2)), (32, 4));
        assert_eq!(result_shape(Op::Add, (38, 2), (38, 2)), (38, 2));
        assert_eq!(result_shape(Op::Divide, (38, 2), (15, 2)), (38, 6));
    }

    #[test]
    fn dividing_by_zero_and_leaving_38_digits_are_errors() {
        assert_eq!(compute(Op::Divide, &decimal(1, 1, 0), &decimal(0, 1, 0)).unwrap_err().class(), "DIVIDE_BY_ZERO");
        let big = decimal(10i128.pow(37), 38, 0);
        assert_eq!(compute(Op::Multiply, &big, &big).unwrap_err().sqlstate(), "22003");
    }
}
