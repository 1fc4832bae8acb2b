//! What a table looks like: types, columns, the rules for their names, and how two schemas differ.
//!
//! [`DeltaType`] reads and writes the types of Databricks SQL; [`TableSchema`] is a list of [`Column`]s;
//! [`SchemaDiff`] says what lies between two of them, by the rules of Delta's type [widening](DeltaType::widening).

mod arrow;
mod column;
mod diff;
mod lexer;
mod names;
mod parse;
mod path;
mod types;
mod widening;

#[cfg(test)]
pub(crate) mod generate;
#[cfg(test)]
mod tests;

pub(crate) use self::column::inlined;
pub use self::{
    column::{Column, TableSchema},
    diff::{Change, Compatibility, Difference, SchemaDiff},
    names::{ColumnMapping, is_reserved_word},
    path::FieldPath,
    types::{DeltaType, IntervalUnit, StructField},
    widening::Widening,
};
