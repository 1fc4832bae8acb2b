//! What lies between two schemas.

use std::{collections::HashMap, fmt};

use super::{
    column::{Column, TableSchema},
    path::FieldPath,
    types::{DeltaType, StructField},
    widening::Widening,
};

/// One thing in which two schemas differ, and where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Where, in the names of the present schema.
    pub path: FieldPath,
    /// What is to change there.
    pub change: Change,
}

/// What is to change, from the present schema to the wanted one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Only the wanted schema has it.
    Added {
        /// Its type.
        data_type: DeltaType,
        /// Whether it may hold nulls, as the rows that are there will.
        nullable: bool,
    },
    /// Only the present schema has it.
    Removed,
    /// The types differ.
    Type {
        /// The present type.
        from: DeltaType,
        /// The wanted type.
        to: DeltaType,
        /// How the one widens to the other, if it does.
        widening: Option<Widening>,
    },
    /// Nulls are to be allowed (`nullable`) or refused.
    Nullability {
        /// Whether the wanted schema allows them.
        nullable: bool,
    },
    /// The comments differ.
    Comment {
        /// The wanted one.
        to: Option<String>,
    },
    /// The names differ in case only.
    Case {
        /// The wanted spelling.
        to: String,
    },
    /// It stands elsewhere among those that both have.
    Position {
        /// Its present place, from 0.
        from: usize,
        /// Its wanted place, from 0.
        to: usize,
    },
}

/// How far a table is from a wanted schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compatibility {
    /// Nothing is to be done: at most order and case differ, and neither matters to Delta.
    Identical,
    /// Columns or fields are added, nulls allowed, comments changed: what is there stays as it is.
    Evolution,
    /// The same, and types grow by Delta's type widening.
    Widening,
    /// Something would be lost, refused or rewritten.
    Incompatible,
}

impl Change {
    /// What this one change alone makes of the two schemas.
    pub fn compatibility(&self) -> Compatibility {
        match self {
            Self::Added { nullable: true, .. } | Self::Nullability { nullable: true } | Self::Comment { .. } => {
                Compatibility::Evolution
            }
            Self::Type { widening: Some(_), .. } => Compatibility::Widening,
            Self::Case { .. } | Self::Position { .. } => Compatibility::Identical,
            Self::Added { nullable: false, .. }
            | Self::Removed
            | Self::Type { widening: None, .. }
            | Self::Nullability { nullable: false } => Compatibility::Incompatible,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.change {
            Change::Added { data_type, nullable } => {
                write!(f, "added, {data_type}{}", if *nullable { "" } else { " NOT NULL" })
            }
            Change::Removed => f.write_str("removed"),
            Change::Type { from, to, .. } => write!(f, "{from} to {to}"),
            Change::Nullability { nullable: true } => f.write_str("nulls allowed"),
            Change::Nullability { nullable: false } => f.write_str("nulls refused"),
            Change::Comment { .. } => f.write_str("another comment"),
            Change::Case { to } => write!(f, "spelled {to}"),
            Change::Position { from, to } => write!(f, "from place {from} to {to}"),
        }
    }
}

/// All that is to change between a present schema and a wanted one, nested fields included.
///
/// ```
/// use twinhouse_delta::schema::{Column, Compatibility, DeltaType, SchemaDiff, TableSchema};
///
/// let present = TableSchema::new([Column::new("n", DeltaType::Int)]);
/// let wanted = TableSchema::new([Column::new("n", DeltaType::Long), Column::new("note", DeltaType::String)]);
///
/// let diff = SchemaDiff::between(&present, &wanted);
/// assert_eq!(diff.compatibility(), Compatibility::Widening);
/// let said: Vec<_> = diff.differences().iter().map(ToString::to_string).collect();
/// assert_eq!(said, ["n: INT to BIGINT", "note: added, STRING"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchemaDiff(Vec<Difference>);

impl SchemaDiff {
    /// Compares by name, whatever the case. Defaults and generated columns are not compared: the server does not
    /// describe them.
    pub fn between(present: &TableSchema, wanted: &TableSchema) -> Self {
        let mut diff = Self::default();
        let present: Vec<_> = present.columns().iter().map(Part::of_column).collect();
        let wanted: Vec<_> = wanted.columns().iter().map(Part::of_column).collect();
        diff.fields(None, &present, &wanted);
        diff
    }

    /// The differences, in the order of the present schema; what is added follows what is there.
    pub fn differences(&self) -> &[Difference] {
        &self.0
    }

    /// What they come to together.
    pub fn compatibility(&self) -> Compatibility {
        self.0.iter().map(|difference| difference.change.compatibility()).max().unwrap_or(Compatibility::Identical)
    }

    fn note(&mut self, path: &FieldPath, change: Change) {
        self.0.push(Difference { path: path.clone(), change });
    }

    fn fields(&mut self, parent: Option<&FieldPath>, present: &[Part<'_>], wanted: &[Part<'_>]) {
        let at = |name: &str| parent.map_or_else(|| FieldPath::from(name), |parent| parent.then(name));
        let places: HashMap<String, &Part<'_>> = wanted.iter().map(|part| (part.name.to_lowercase(), part)).collect();
        let known: HashMap<String, usize> = present
            .iter()
            .filter(|part| places.contains_key(&part.name.to_lowercase()))
            .enumerate()
            .map(|(place, part)| (part.name.to_lowercase(), place))
            .collect();
        let order: Vec<String> =
            wanted.iter().map(|part| part.name.to_lowercase()).filter(|name| known.contains_key(name)).collect();
        for part in present {
            let (path, name) = (at(part.name), part.name.to_lowercase());
            let Some(other) = places.get(&name) else {
                self.note(&path, Change::Removed);
                continue;
            };
            self.types(&path, part.data_type, other.data_type);
            if part.nullable != other.nullable {
                self.note(&path, Change::Nullability { nullable: other.nullable });
            }
            if part.comment != other.comment {
                self.note(&path, Change::Comment { to: other.comment.map(str::to_owned) });
            }
            if part.name != other.name {
                self.note(&path, Change::Case { to: other.name.to_owned() });
            }
            let place = order.iter().position(|known| *known == name);
            if let (Some(&from), Some(to)) = (known.get(&name), place)
                && from != to
            {
                self.note(&path, Change::Position { from, to });
            }
        }
        for part in wanted.iter().filter(|part| !known.contains_key(&part.name.to_lowercase())) {
            let data_type = part.data_type.clone();
            self.note(&at(part.name), Change::Added { data_type, nullable: part.nullable });
        }
    }

    fn types(&mut self, path: &FieldPath, present: &DeltaType, wanted: &DeltaType) {
        match (present, wanted) {
            (DeltaType::Struct(present), DeltaType::Struct(wanted)) => {
                let present: Vec<_> = present.iter().map(Part::of_field).collect();
                let wanted: Vec<_> = wanted.iter().map(Part::of_field).collect();
                self.fields(Some(path), &present, &wanted);
            }
            (DeltaType::Array(present), DeltaType::Array(wanted)) => {
                self.types(&path.then("element"), present, wanted);
            }
            (DeltaType::Map(present_key, present), DeltaType::Map(wanted_key, wanted)) => {
                self.types(&path.then("key"), present_key, wanted_key);
                self.types(&path.then("value"), present, wanted);
            }
            (from, to) if from == to => {}
            (from, to) => {
                let widening = from.widening(to);
                self.note(path, Change::Type { from: from.clone(), to: to.clone(), widening });
            }
        }
    }
}

/// What columns and fields have in common.
struct Part<'a> {
    name: &'a str,
    data_type: &'a DeltaType,
    nullable: bool,
    /// An empty one is none.
    comment: Option<&'a str>,
}

impl<'a> Part<'a> {
    fn of_column(column: &'a Column) -> Self {
        let Column { name, data_type, nullable, comment, .. } = column;
        Self { name, data_type, nullable: *nullable, comment: comment.as_deref().filter(|text| !text.is_empty()) }
    }

    fn of_field(field: &'a StructField) -> Self {
        let StructField { name, data_type, nullable, comment } = field;
        Self { name, data_type, nullable: *nullable, comment: comment.as_deref().filter(|text| !text.is_empty()) }
    }
}
