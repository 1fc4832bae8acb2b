//! Which columns mean which, and which type may become which.

use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::entries;

/// Columns, or fields of a struct, that values are wanted for.
pub(super) struct Wanted<'a> {
    pub(super) fields: &'a Fields,
    /// The server's own spelling of each type, where it is known.
    pub(super) native: &'a [&'a str],
}

impl Wanted<'_> {
    /// For each wanted field the index of its source. Whatever is wrong is added to `problems`.
    pub(super) fn sources(&self, path: &str, got: &Fields, problems: &mut Vec<String>) -> Vec<Option<usize>> {
        let mut sources: Vec<Option<usize>> = vec![None; self.fields.len()];
        let mut named = vec![false; self.fields.len()];
        for (index, field) in got.iter().enumerate() {
            match self.find(field.name()).as_slice() {
                [] => problems.push(format!(
                    "column `{path}{}`: the table has none of that name, got {}",
                    field.name(),
                    field.data_type()
                )),
                &[wanted] => match sources[wanted] {
                    Some(first) => problems.push(format!(
                        "column `{path}{}`: wanted one source, got both `{}` and `{}`",
                        self.fields[wanted].name(),
                        got[first].name(),
                        field.name()
                    )),
                    None => {
                        named[wanted] = true;
                        sources[wanted] = Some(index);
                        self.check(path, wanted, field, problems);
                    }
                },
                several => {
                    let names: Vec<_> = several
                        .iter()
                        .map(|&wanted| {
                            named[wanted] = true;
                            format!("`{}`", self.fields[wanted].name())
                        })
                        .collect();
                    problems.push(format!(
                        "column `{path}{}`: could mean any of {}, got {}",
                        field.name(),
                        names.join(", "),
                        field.data_type()
                    ));
                }
            }
        }
        for (wanted, field) in self.fields.iter().enumerate() {
            if !field.is_nullable() && !named[wanted] {
                problems.push(format!(
                    "column `{path}{}`: wanted {} not null, got no column",
                    field.name(),
                    self.spelling(wanted)
                ));
            }
        }
        sources
    }

    /// The wanted fields that a name may mean: the one of exactly that name, else all that differ in case only.
    fn find(&self, name: &str) -> Vec<usize> {
        if let Some(exact) = self.fields.iter().position(|field| field.name() == name) {
            return vec![exact];
        }
        let lower = name.to_lowercase();
        let alike = |field: &FieldRef| field.name().to_lowercase() == lower;
        self.fields.iter().enumerate().filter(|(_, field)| alike(field)).map(|(index, _)| index).collect()
    }

    fn check(&self, path: &str, wanted: usize, got: &Field, problems: &mut Vec<String>) {
        let want = &self.fields[wanted];
        if *got.data_type() == DataType::Null && !want.is_nullable() {
            problems.push(format!(
                "column `{path}{}`: wanted {} not null, got Null",
                want.name(),
                self.spelling(wanted)
            ));
        } else {
            check(
                &format!("{path}{}", want.name()),
                want.data_type(),
                got.data_type(),
                &self.spelling(wanted),
                problems,
            );
        }
    }

    fn spelling(&self, wanted: usize) -> String {
        let data_type = self.fields[wanted].data_type();
        match self.native.get(wanted) {
            Some(native) => format!("{native} ({data_type})"),
            None => data_type.to_string(),
        }
    }
}

/// Adds to `problems` what keeps values of type `got` out of a column of type `want`.
fn check(path: &str, want: &DataType, got: &DataType, spelling: &str, problems: &mut Vec<String>) {
    let element = |want: &Field, got: &Field, step: &str, problems: &mut Vec<String>| {
        let (path, spelling) = (format!("{path}{step}"), want.data_type().to_string());
        if *got.data_type() == DataType::Null && !want.is_nullable() {
            problems.push(format!("column `{path}`: wanted {spelling} not null, got Null"));
        } else {
            check(&path, want.data_type(), got.data_type(), &spelling, problems);
        }
    };
    match (want, got) {
        (_, DataType::Null) => {}
        (_, DataType::Dictionary(_, values)) if want != got => check(path, want, values, spelling, problems),
        (
            DataType::List(want) | DataType::LargeList(want),
            DataType::List(got)
            | DataType::LargeList(got)
            | DataType::FixedSizeList(got, _)
            | DataType::ListView(got)
            | DataType::LargeListView(got),
        ) => element(want, got, "[]", problems),
        (DataType::Map(want, _), DataType::Map(got, _)) => {
            if let (Some((want_key, want_value)), Some((got_key, got_value))) = (entries(want), entries(got)) {
                element(want_key, got_key, "[key]", problems);
                element(want_value, got_value, "[value]", problems);
            }
        }
        (DataType::Struct(want), DataType::Struct(got)) => {
            Wanted { fields: want, native: &[] }.sources(&format!("{path}."), got, problems);
        }
        _ if leaf(want, got) => {}
        _ => problems.push(format!("column `{path}`: wanted {spelling}, got {got}")),
    }
}

/// The index of each wanted struct field's source, for schemas that have passed the check.
pub(super) fn struct_sources(want: &Fields, got: &Fields) -> Vec<Option<usize>> {
    Wanted { fields: want, native: &[] }.sources("", got, &mut Vec::new())
}

/// Whether each value of `got` is a value of `want`, or can be told from its neighbours that it is not.
fn leaf(want: &DataType, got: &DataType) -> bool {
    use DataType::*;
    if want == got {
        return true;
    }
    match (want, got) {
        (Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64, _) => match (bits(want), bits(got)) {
            (Some((want_signed, want)), Some((got_signed, got))) => {
                if want_signed == got_signed {
                    want >= got
                } else {
                    want_signed && want > got
                }
            }
            _ => false,
        },
        (
            Decimal32(precision, scale)
            | Decimal64(precision, scale)
            | Decimal128(precision, scale)
            | Decimal256(precision, scale),
            _,
        ) => digits(got).is_some_and(|(whole, fraction)| {
            let (precision, scale) = (i16::from(*precision), i16::from(*scale));
            precision - scale >= whole && scale >= fraction
        }),
        (Float32, Float16 | Int8 | Int16 | UInt8 | UInt16) => true,
        (Float64, Float16 | Float32 | Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32) => true,
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView | FixedSizeBinary(_)) => true,
        (Date32, Date64) | (Date64, Date32) => true,
        (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (Timestamp(_, want), Timestamp(_, got)) => want.is_some() == got.is_some(),
        _ => false,
    }
}

/// Signedness and width of an integer.
fn bits(data_type: &DataType) -> Option<(bool, u8)> {
    Some(match data_type {
        DataType::Int8 => (true, 8),
        DataType::Int16 => (true, 16),
        DataType::Int32 => (true, 32),
        DataType::Int64 => (true, 64),
        DataType::UInt8 => (false, 8),
        DataType::UInt16 => (false, 16),
        DataType::UInt32 => (false, 32),
        DataType::UInt64 => (false, 64),
        _ => return None,
    })
}

/// How many digits an exact number may have before and after the point.
fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => (i16::from(*precision) - i16::from(*scale), i16::from(*scale)),
        _ => return None,
    })
}
