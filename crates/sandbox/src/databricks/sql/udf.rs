//! The functions that DataFusion lacks or answers differently.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray},
    compute::kernels::numeric,
    datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, TimeUnit},
    error::ArrowError,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafusion::{
    common::{Result as EngineResult, ScalarValue},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
    },
};

use super::{
    cast::{cast_array, date_of_days, days, try_zip},
    decimal::{self, Op, divide_by_zero},
    dialect::{CAST, TRY_CAST},
    text::{date_format, decode, fit, hex, substring, unhex},
    types::{arrow_of_delta, delta_type_text, type_of_text},
};
use crate::databricks::error::{SqlError, SqlResult};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Cast,
    TryCast,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    IntDivide,
    Decimal(Op),
    Substring,
    Days,
    Date,
    Moment,
    TypeOf,
    Hex,
    Unhex,
    Base64,
    Unbase64,
    DateFormat,
    RaiseError,
    NotNull,
    FitLength,
    Negate,
}

/// Those that can be called by name.
const NAMED: &[Kind] = &[
    Kind::Cast,
    Kind::TryCast,
    Kind::IntDivide,
    Kind::Substring,
    Kind::Days,
    Kind::Date,
    Kind::Moment,
    Kind::TypeOf,
    Kind::Hex,
    Kind::Unhex,
    Kind::Base64,
    Kind::Unbase64,
    Kind::DateFormat,
    Kind::RaiseError,
    Kind::Negate,
];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cast => CAST,
            Self::TryCast => TRY_CAST,
            Self::Add => "__add",
            Self::Subtract => "__subtract",
            Self::Multiply => "__multiply",
            Self::Divide => "__divide",
            Self::Remainder => "__remainder",
            Self::IntDivide => "__int_div",
            Self::Decimal(Op::Add) => "__decimal_add",
            Self::Decimal(Op::Subtract) => "__decimal_subtract",
            Self::Decimal(Op::Multiply) => "__decimal_multiply",
            Self::Decimal(Op::Divide) => "__decimal_divide",
            Self::Substring => "__substring",
            Self::Days => "__days",
            Self::Date => "__date",
            Self::Moment => "__moment",
            Self::TypeOf => "__typeof",
            Self::Hex => "hex",
            Self::Unhex => "unhex",
            Self::Base64 => "base64",
            Self::Unbase64 => "unbase64",
            Self::DateFormat => "date_format",
            Self::RaiseError => "raise_error",
            Self::NotNull => "__not_null",
            Self::FitLength => "__fit_length",
            Self::Negate => "__negate",
        }
    }

    fn returns(self, arguments: &[FieldRef], literals: &[Option<&ScalarValue>]) -> SqlResult<DataType> {
        let first = arguments.first().map_or(&DataType::Null, |field| field.data_type());
        Ok(match self {
            Self::Cast | Self::TryCast => {
                let Some(Some(Some(text))) =
                    literals.get(1).map(|literal| literal.map(|literal| literal.try_as_str().flatten()))
                else {
                    return Err(SqlError::internal("a cast without a type"));
                };
                arrow_of_delta(&type_of_text(text)?)?
            }
            Self::Add | Self::Subtract | Self::Multiply | Self::Remainder => first.clone(),
            Self::Divide => DataType::Float64,
            Self::IntDivide => DataType::Int64,
            Self::Decimal(op) => {
                let shapes: Vec<_> =
                    arguments.iter().filter_map(|field| decimal::shape_of(field.data_type())).collect();
                let [left, right] = shapes[..] else {
                    return Err(SqlError::internal("decimal arithmetic on other types"));
                };
                let (precision, scale) = decimal::result_shape(op, left, right);
                DataType::Decimal128(precision, scale)
            }
            Self::Substring if matches!(first, DataType::Binary) => DataType::Binary,
            Self::Substring | Self::TypeOf | Self::Hex | Self::Base64 | Self::DateFormat => DataType::Utf8,
            Self::Days => DataType::Int32,
            Self::Date => DataType::Date32,
            Self::Moment => match first {
                DataType::Date32 | DataType::Timestamp(..) => first.clone(),
                _ => moment(),
            },
            Self::Unhex | Self::Unbase64 => DataType::Binary,
            Self::RaiseError => DataType::Null,
            Self::NotNull | Self::Negate => first.clone(),
            Self::FitLength => DataType::Utf8,
        })
    }

    fn compute(self, args: &[ArrayRef], arguments: &[FieldRef], to: &DataType) -> SqlResult<ArrayRef> {
        let argument = |index: usize| args.get(index).ok_or_else(|| SqlError::internal("an argument is missing"));
        match self {
            Self::Cast | Self::TryCast => cast_array(argument(0)?, to, self == Self::TryCast),
            Self::Add => chain(args, |a, b| numeric::add(a, b)),
            Self::Subtract => chain(args, |a, b| numeric::sub(a, b)),
            Self::Multiply => chain(args, |a, b| numeric::mul(a, b)),
            Self::Remainder => match numeric::rem(argument(0)?, argument(1)?) {
                Err(ArrowError::DivideByZero) => Err(SqlError::new(
                    "REMAINDER_BY_ZERO",
                    "22012",
                    "Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL instead.",
                )),
                other => checked(other),
            },
            Self::Divide => {
                let quotient: Float64Array = try_zip::<Float64Type, Float64Type>(
                    argument(0)?.as_primitive(),
                    argument(1)?.as_primitive(),
                    |a, b| if b == 0.0 { Err(divide_by_zero()) } else { Ok(a / b) },
                )?;
                Ok(Arc::new(quotient))
            }
            Self::IntDivide => {
                let (left, right) = (cast_array(argument(0)?, to, false)?, cast_array(argument(1)?, to, false)?);
                let quotient: Int64Array =
                    try_zip::<Int64Type, Int64Type>(left.as_primitive(), right.as_primitive(), |a, b| match b {
                        0 => Err(divide_by_zero()),
                        b => a.checked_div(b).ok_or_else(overflow),
                    })?;
                Ok(Arc::new(quotient))
            }
            Self::Decimal(op) => decimal::compute(op, argument(0)?, argument(1)?),
            Self::Substring => {
                let from = cast_array(argument(1)?, &DataType::Int64, false)?;
                let length = args.get(2).map(|length| cast_array(length, &DataType::Int64, false)).transpose()?;
                substring(argument(0)?, from.as_primitive(), length.as_ref().map(|length| length.as_primitive()))
            }
            Self::Days => days(argument(0)?),
            Self::Date => date_of_days(argument(0)?),
            Self::Moment => cast_array(argument(0)?, to, false),
            Self::TypeOf => {
                let text = super::super::engine::type_text_of_arrow(arguments[0].data_type())?.to_lowercase();
                Ok(Arc::new(StringArray::from(vec![text; argument(0)?.len()])))
            }
            Self::Hex => hex(argument(0)?),
            Self::Unhex => Ok(Arc::new(decode(argument(0)?, unhex)?)),
            Self::Base64 => {
                let bytes = cast_array(argument(0)?, &DataType::Binary, false)?;
                let texts: StringArray = bytes
                    .as_binary::<i32>()
                    .iter()
                    .map(|bytes| bytes.map(|bytes| BASE64_STANDARD.encode(bytes)))
                    .collect();
                Ok(Arc::new(texts))
            }
            Self::Unbase64 => Ok(Arc::new(decode(argument(0)?, |text| BASE64_STANDARD.decode(text).ok())?)),
            Self::DateFormat => {
                let micros = cast_array(argument(0)?, &moment(), false)?;
                let patterns = cast_array(argument(1)?, &DataType::Utf8, false)?;
                date_format(&micros, patterns.as_string())
            }
            Self::NotNull => {
                let value = argument(0)?;
                if value.null_count() == 0 {
                    return Ok(Arc::clone(value));
                }
                let names = cast_array(argument(1)?, &DataType::Utf8, false)?;
                let text = format!("NOT NULL constraint violated for column: {}.", names.as_string::<i32>().value(0));
                Err(SqlError::new("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", text))
            }
            Self::Negate => checked(numeric::neg(argument(0)?)),
            Self::FitLength => {
                let texts = cast_array(argument(0)?, &DataType::Utf8, false)?;
                let declared = cast_array(argument(1)?, &DataType::Utf8, false)?;
                fit(texts.as_string(), declared.as_string::<i32>().value(0))
            }
            Self::RaiseError => {
                let texts = cast_array(argument(0)?, &DataType::Utf8, false)?;
                let text = if texts.is_empty() { "" } else { texts.as_string::<i32>().value(0) };
                Err(SqlError::new("USER_RAISED_EXCEPTION", "P0001", text))
            }
        }
    }
}

fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// From left to right: what overflows in between has overflowed.
fn chain(args: &[ArrayRef], op: impl Fn(&ArrayRef, &ArrayRef) -> Result<ArrayRef, ArrowError>) -> SqlResult<ArrayRef> {
    let (first, rest) = args.split_first().ok_or_else(|| SqlError::internal("an argument is missing"))?;
    rest.iter().try_fold(Arc::clone(first), |sum, next| checked(op(&sum, next)))
}

fn checked(result: Result<ArrayRef, ArrowError>) -> SqlResult<ArrayRef> {
    result.map_err(|error| match error {
        ArrowError::ArithmeticOverflow(_) => overflow(),
        other => other.into(),
    })
}

pub(super) fn overflow() -> SqlError {
    SqlError::new(
        "ARITHMETIC_OVERFLOW",
        "22003",
        "The result does not fit the type. Use 'try_' functions to tolerate overflow and return NULL instead.",
    )
}

/// One function of ours.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> EngineResult<DataType> {
        let fields: Vec<FieldRef> =
            types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        Ok(self.kind.returns(&fields, &[])?)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> EngineResult<FieldRef> {
        let data_type = self.kind.returns(args.arg_fields, args.scalar_arguments)?;
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        let scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let to = args.return_field.data_type().clone();
        let arrays: Vec<ArrayRef> = args
            .args
            .into_iter()
            .enumerate()
            .map(|(index, value)| match value {
                // The type of a cast is not worth a column.
                value @ ColumnarValue::Scalar(_)
                    if index == 1
                        && matches!(self.kind, Kind::Cast | Kind::TryCast | Kind::NotNull | Kind::FitLength) =>
                {
                    value.into_array(1)
                }
                value => value.into_array(rows),
            })
            .collect::<EngineResult<_>>()?;
        let computed = self.kind.compute(&arrays, &args.arg_fields, &to)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&computed, 0)?));
        }
        Ok(ColumnarValue::Array(computed))
    }
}

/// The function of a kind.
pub(super) fn function(kind: Kind) -> ScalarUDF {
    let volatility = if kind == Kind::RaiseError { Volatility::Volatile } else { Volatility::Immutable };
    ScalarUDF::new_from_impl(Function { kind, signature: Signature::variadic_any(volatility) })
}

/// All that a query may call.
pub(crate) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    NAMED.iter().map(|kind| Arc::new(function(*kind))).collect()
}

/// `CAST(expr AS to)`
pub(super) fn cast_to(expr: Expr, to: &str) -> Expr {
    let to = Expr::Literal(ScalarValue::Utf8(Some(to.to_owned())), None);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function(Kind::Cast)), vec![expr, to]))
}

/// [`cast_to`] for a type of a table.
pub(crate) fn cast_to_type(expr: Expr, to: &deltalake::kernel::DataType) -> Expr {
    cast_to(expr, &delta_type_text(to))
}

/// The value, or an error if it is NULL.
pub(crate) fn not_null(expr: Expr, column: &str) -> Expr {
    let column = Expr::Literal(ScalarValue::Utf8(Some(column.to_owned())), None);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function(Kind::NotNull)), vec![expr, column]))
}

/// The text in the length of a `varchar(n)` or `char(n)`, or an error if it is longer.
pub(crate) fn fit_length(expr: Expr, declared: &str) -> Expr {
    let declared = Expr::Literal(ScalarValue::Utf8(Some(declared.to_owned())), None);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function(Kind::FitLength)), vec![expr, declared]))
}
