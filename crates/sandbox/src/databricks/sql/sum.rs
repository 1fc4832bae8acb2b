//! `sum` that overflows aloud: DataFusion's wraps around.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array},
    datatypes::{DataType, Decimal128Type, FieldRef, Int64Type},
};
use datafusion::{
    common::{Result as EngineResult, ScalarValue},
    functions_aggregate::sum::Sum,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::AggregateOrderSensitivity,
    },
};

use super::udf::overflow;
use crate::databricks::error::{SqlError, SqlResult};

/// The `sum` of Databricks.
pub(crate) fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(ExactSum(Sum::new())))
}

/// DataFusion's `sum` with other accumulators for what can overflow.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactSum(Sum);

fn is_exact(args: &AccumulatorArgs<'_>) -> bool {
    !args.is_distinct && matches!(args.return_field.data_type(), DataType::Int64 | DataType::Decimal128(..))
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> EngineResult<DataType> {
        self.0.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> EngineResult<Vec<FieldRef>> {
        self.0.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> EngineResult<Box<dyn Accumulator>> {
        if is_exact(&args) {
            return Ok(Box::new(One::new(args.return_field.data_type())));
        }
        self.0.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> EngineResult<Box<dyn GroupsAccumulator>> {
        if is_exact(&args) {
            return Ok(Box::new(Sums::new(args.return_field.data_type())));
        }
        self.0.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> EngineResult<Box<dyn Accumulator>> {
        if is_exact(&args) {
            return Ok(Box::new(One::new(args.return_field.data_type())));
        }
        self.0.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// One sum for each group; none until a value comes.
#[derive(Debug)]
struct Sums {
    data_type: DataType,
    sums: Vec<Option<i128>>,
}

impl Sums {
    fn new(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), sums: Vec::new() }
    }

    fn add(&mut self, group: usize, value: i128, sign: i128) -> SqlResult<()> {
        let sum = self.sums[group].unwrap_or_default().checked_add(sign * value).ok_or_else(overflow)?;
        let fits = match self.data_type {
            DataType::Int64 => i64::try_from(sum).is_ok(),
            DataType::Decimal128(precision, _) => sum.unsigned_abs() < 10u128.pow(u32::from(precision)),
            _ => false,
        };
        if !fits {
            return Err(overflow());
        }
        self.sums[group] = Some(sum);
        Ok(())
    }

    /// Adds a column, or takes it away.
    fn apply(&mut self, column: &ArrayRef, sign: i128, group: impl Fn(usize) -> Option<usize>) -> SqlResult<()> {
        let values: Box<dyn Fn(usize) -> i128> = match column.data_type() {
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values().clone();
                Box::new(move |row| i128::from(values[row]))
            }
            DataType::Decimal128(..) => {
                let values = column.as_primitive::<Decimal128Type>().values().clone();
                Box::new(move |row| values[row])
            }
            other => return Err(SqlError::internal(format_args!("sum of {other}"))),
        };
        for row in 0..column.len() {
            if column.is_valid(row)
                && let Some(group) = group(row)
            {
                self.add(group, values(row), sign)?;
            }
        }
        Ok(())
    }

    fn array(&self, sums: Vec<Option<i128>>) -> EngineResult<ArrayRef> {
        Ok(match self.data_type {
            DataType::Decimal128(precision, scale) => {
                Arc::new(Decimal128Array::from(sums).with_precision_and_scale(precision, scale)?)
            }
            // `add` has seen to it that they fit.
            _ => Arc::new(sums.into_iter().map(|sum| sum.map(|sum| sum as i64)).collect::<Int64Array>()),
        })
    }
}

fn column(values: &[ArrayRef]) -> SqlResult<&ArrayRef> {
    values.first().ok_or_else(|| SqlError::internal("sum of nothing"))
}

impl GroupsAccumulator for Sums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> EngineResult<()> {
        self.sums.resize(total, None);
        let taken = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        Ok(self.apply(column(values)?, 1, |row| taken(row).then_some(groups[row]))?)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> EngineResult<()> {
        self.update_batch(states, groups, None, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> EngineResult<Vec<ArrayRef>> {
        let values = column(values)?;
        let mut each = Self::new(&self.data_type);
        let rows: Vec<usize> = (0..values.len()).collect();
        each.update_batch(std::slice::from_ref(values), &rows, filter, rows.len())?;
        each.state(EmitTo::All)
    }

    fn evaluate(&mut self, emit: EmitTo) -> EngineResult<ArrayRef> {
        let sums = emit.take_needed(&mut self.sums);
        self.array(sums)
    }

    fn state(&mut self, emit: EmitTo) -> EngineResult<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit)?])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<i128>>()
    }
}

/// The sum of everything, or of a window that slides.
#[derive(Debug)]
struct One {
    sums: Sums,
    /// How many values are in it: a sum of none is NULL.
    values: usize,
}

impl One {
    fn new(data_type: &DataType) -> Self {
        Self { sums: Sums { sums: vec![None], ..Sums::new(data_type) }, values: 0 }
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> EngineResult<()> {
        let values = column(values)?;
        self.values += values.len() - values.null_count();
        Ok(self.sums.apply(values, 1, |_| Some(0))?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> EngineResult<()> {
        let values = column(values)?;
        self.sums.apply(values, -1, |_| Some(0))?;
        self.values -= values.len() - values.null_count();
        if self.values == 0 {
            self.sums.sums[0] = None;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> EngineResult<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> EngineResult<ScalarValue> {
        ScalarValue::try_from_array(&self.sums.array(self.sums.sums.clone())?, 0)
    }

    fn state(&mut self) -> EngineResult<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sums.size()
    }
}
