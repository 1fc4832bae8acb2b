//! Types and schemas at random.

use std::collections::HashSet;

use proptest::{collection::vec, option, prelude::*};

use super::{Column, DeltaType, IntervalUnit, StructField, TableSchema};

/// Types that a table can hold and whose every part widens or does not.
pub(crate) fn stored_scalar() -> impl Strategy<Value = DeltaType> {
    use DeltaType::{Binary, Boolean, Byte, Char, Date, Double, Float, Int, Long, Short, String};
    prop_oneof![
        4 => proptest::sample::select(vec![Byte, Short, Int, Long, Float, Double, Date]),
        2 => proptest::sample::select(vec![Boolean, String, Binary, DeltaType::Timestamp, DeltaType::TimestampNtz]),
        2 => (1..=38u8).prop_flat_map(|precision| (0..=precision)
            .prop_map(move |scale| DeltaType::Decimal { precision, scale })),
        1 => (1..9u32).prop_map(Char),
        1 => (1..9u32).prop_map(DeltaType::Varchar),
    ]
}

pub(crate) fn any_scalar() -> impl Strategy<Value = DeltaType> {
    let unit = |names: std::ops::Range<usize>| (names.clone(), names);
    let interval = |(a, b): (usize, usize)| DeltaType::Interval {
        from: IntervalUnit::ALL[a.min(b)].1,
        to: IntervalUnit::ALL[a.max(b)].1,
    };
    prop_oneof![
        8 => stored_scalar(),
        1 => unit(0..2).prop_map(interval),
        1 => unit(2..6).prop_map(interval),
        1 => Just(DeltaType::Variant),
        1 => Just(DeltaType::Void),
    ]
}

/// Names that SQL must quote well, and plain ones.
pub(crate) fn hostile_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]", "[^\0]{1,12}", Just("a`b'c\"; drop table t --".to_owned()), Just("select".to_owned())]
}

pub(crate) fn nested(scalar: BoxedStrategy<DeltaType>, name: BoxedStrategy<String>) -> BoxedStrategy<DeltaType> {
    scalar
        .prop_recursive(3, 20, 4, move |inner| {
            let field = (name.clone(), inner.clone(), any::<bool>(), option::of("[^\0]{0,9}"));
            prop_oneof![
                inner.clone().prop_map(DeltaType::array_of),
                (inner.clone(), inner.clone()).prop_map(|(key, value)| DeltaType::map_of(key, value)),
                vec(field, 1..4).prop_map(|fields| DeltaType::Struct(distinct(
                    fields.into_iter().map(|(name, data_type, nullable, comment)| StructField {
                        name,
                        data_type,
                        nullable,
                        comment
                    }),
                    |field| &field.name
                ))),
            ]
        })
        .boxed()
}

/// A schema of few names, so that two of them have much in common.
pub(crate) fn schema() -> impl Strategy<Value = TableSchema> {
    let data_type = nested(stored_scalar().boxed(), "[a-dA-D]".boxed());
    let column = ("[a-fA-F]", data_type, any::<bool>(), option::of("[xy]"));
    vec(column, 1..6).prop_map(|columns| {
        let columns = columns.into_iter().map(|(name, data_type, nullable, comment)| {
            let mut column = Column::new(name, data_type);
            (column.nullable, column.comment) = (nullable, comment);
            column
        });
        TableSchema::new(distinct(columns, |column| &column.name))
    })
}

fn distinct<T>(parts: impl Iterator<Item = T>, name: impl Fn(&T) -> &String) -> Vec<T> {
    let mut seen = HashSet::new();
    parts.filter(|part| seen.insert(name(part).to_lowercase())).collect()
}
