//! The plan of an evolution: what will be done, what is worth knowing, what is in the way.

use std::fmt;

use twinhouse_core::{Error, ErrorKind, Result};

use super::{options::EvolutionOptions, step::EvolutionStep};
use crate::{
    ddl::{MAPPING, TableDescription, WIDENING},
    schema::{
        Change, Column, ColumnMapping, DeltaType, Difference, FieldPath, SchemaDiff, StructField, TableSchema,
        is_reserved_word,
    },
};

/// Something that the wanted schema asks for and the evolution will not do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// Where.
    pub path: FieldPath,
    /// Why not, and what would help.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

/// What lies between a table and a wanted schema, as steps in the order in which they will be made.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EvolutionPlan {
    /// All differences, in the names that hold after the renames.
    pub diff: SchemaDiff,
    /// What will be done.
    pub steps: Vec<EvolutionStep>,
    /// What is worth knowing before.
    pub warnings: Vec<String>,
    /// What is in the way. With one of these nothing at all is done.
    pub refusals: Vec<Refusal>,
}

impl EvolutionPlan {
    /// Plans the way from a table to a wanted schema. Nothing is sent.
    ///
    /// ```
    /// use twinhouse_delta::{EvolutionOptions, EvolutionPlan, TableDescription, schema::{Column, DeltaType, TableSchema}};
    ///
    /// let present = TableDescription::of_schema(TableSchema::new([Column::new("id", DeltaType::Long)]));
    /// let wanted = TableSchema::new([Column::new("id", DeltaType::Long), Column::new("note", DeltaType::String)]);
    /// let plan = EvolutionPlan::between(&present, &wanted, &EvolutionOptions::default())?;
    /// assert_eq!(plan.steps.iter().map(ToString::to_string).collect::<Vec<_>>(), ["add note"]);
    /// # Ok::<(), twinhouse_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] or [`ErrorKind::Unsupported`] if no table can have the wanted schema. What this table
    /// cannot become stands in [`refusals`](Self::refusals).
    pub fn between(present: &TableDescription, wanted: &TableSchema, options: &EvolutionOptions) -> Result<Self> {
        // Names are checked against the table's own rules where they are new.
        wanted.check(ColumnMapping::On)?;
        let mut planner = Planner {
            wanted,
            options,
            mapping: present.column_mapping(),
            present,
            enabled: Vec::new(),
            steps: Vec::new(),
            plan: Self::default(),
        };
        let renamed = planner.renames(present)?;
        planner.plan.diff = SchemaDiff::between(&renamed, wanted);
        planner.differences();
        Ok(planner.finish())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    /// An error if something is in the way, which names all of it.
    pub(super) fn check(&self) -> Result<()> {
        let Some(first) = self.refusals.first() else { return Ok(()) };
        let all: Vec<String> = self.refusals.iter().map(ToString::to_string).collect();
        Err(Error::new(ErrorKind::InvalidInput, "the table cannot become what is wanted")
            .with_context("column", first.path.to_string())
            .with_context("why", all.join("; ")))
    }
}

struct Planner<'a> {
    wanted: &'a TableSchema,
    options: &'a EvolutionOptions,
    mapping: ColumnMapping,
    present: &'a TableDescription,
    enabled: Vec<EvolutionStep>,
    /// With the place of each among the others.
    steps: Vec<(u8, EvolutionStep)>,
    plan: EvolutionPlan,
}

impl Planner<'_> {
    fn refuse(&mut self, path: &FieldPath, why: impl Into<String>) {
        self.plan.refusals.push(Refusal { path: path.clone(), why: why.into() });
    }

    /// The present schema as it is when the renames that are left have been made.
    fn renames(&mut self, present: &TableDescription) -> Result<TableSchema> {
        let mut schema = present.schema.clone();
        for (from, to) in &self.options.renames {
            let new = match from.parent() {
                Some(parent) => parent.then(to),
                None => FieldPath::from(to.as_str()),
            };
            match (schema.data_type(from).is_some(), schema.data_type(&new).is_some()) {
                (false, _) => continue,
                (true, true) if !from.same_names(&new) => {
                    self.refuse(from, format!("cannot be renamed to {to}: both are there"));
                    continue;
                }
                _ => {}
            }
            if self.mapped(from, "a rename") {
                schema = renamed(&schema, from.parts(), to);
                self.steps.push((1, EvolutionStep::Rename { from: from.clone(), to: to.clone() }));
            }
        }
        Ok(schema)
    }

    fn differences(&mut self) {
        let differences: Vec<Difference> = self.plan.diff.differences().to_vec();
        let mut added = Vec::new();
        for Difference { path, change } in differences {
            match change {
                Change::Added { data_type, nullable } => self.add(&path, data_type, nullable, &mut added),
                Change::Removed if !self.options.drops => {
                    self.refuse(&path, "is not in the wanted schema: allow drops, or keep it");
                }
                Change::Removed if self.lays_out(&path) => {
                    self.refuse(&path, "the table is partitioned or clustered by it: it cannot be dropped");
                }
                Change::Removed => {
                    if self.mapped(&path, "a drop") {
                        self.plan.warnings.push(format!("{path} is dropped with its values"));
                        self.steps.push((3, EvolutionStep::Drop { path }));
                    }
                }
                Change::Type { from, to, widening } => self.widen(path, from, to, widening.map(|w| w.needs_feature)),
                Change::Nullability { nullable: true } => self.steps.push((5, EvolutionStep::AllowNulls { path })),
                Change::Nullability { nullable: false } => self.refuse_nulls(path),
                Change::Comment { to } => {
                    self.steps.push((6, EvolutionStep::Comment { path, comment: to.unwrap_or_default() }));
                }
                Change::Case { to } => {
                    self.plan.warnings.push(format!("{path} stays spelled so, not {to}: case does not matter"));
                }
                Change::Position { .. } => {
                    self.plan.warnings.push(format!("{path} stays at its place among the others"))
                }
            }
        }
        if !added.is_empty() {
            self.steps.push((2, EvolutionStep::Add { columns: added }));
        }
    }

    fn add(
        &mut self,
        path: &FieldPath,
        data_type: DeltaType,
        nullable: bool,
        added: &mut Vec<(FieldPath, DeltaType, Option<String>)>,
    ) {
        let column = self.wanted.column(path.column()).filter(|_| !path.is_nested());
        if column.is_some_and(|column| column.default.is_some()) {
            return self
                .refuse(path, "a new column cannot have a default at once: add it without, then set the default");
        }
        if column.is_some_and(|column| column.generated.is_some()) {
            return self.refuse(path, "only a new table can have a generated column");
        }
        let bare = Column::new(path.parts().last().cloned().unwrap_or_default(), data_type.clone());
        if let Err(error) = bare.check(self.mapping) {
            return self.refuse(path, error.message().to_owned());
        }
        if let Some(name) = path.parts().last().filter(|name| is_reserved_word(name)) {
            self.plan.warnings.push(format!("{name} is a reserved word: write it in backticks"));
        }
        added.push((path.clone(), data_type, self.wanted.comment(path)));
        if !nullable {
            self.refuse_nulls(path.clone());
        }
    }

    fn widen(&mut self, path: FieldPath, from: DeltaType, to: DeltaType, feature: Option<bool>) {
        let Some(needs_feature) = feature else {
            return self.refuse(&path, format!("{from} does not widen to {to}: the table would have to be rewritten"));
        };
        if !self.options.widening {
            return self.refuse(&path, format!("{from} would have to widen to {to}, which is not allowed"));
        }
        let enabled = self.present.properties.get(WIDENING).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if !needs_feature || enabled || self.enable(&path, WIDENING, "true", "a wider type") {
            self.steps.push((4, EvolutionStep::Widen { path, from, to }));
        }
    }

    fn refuse_nulls(&mut self, path: FieldPath) {
        if path.is_nested() {
            return self.refuse(&path, "a field inside a column cannot refuse nulls once the table is there");
        }
        if !self.options.not_null {
            return self.refuse(&path, "would have to refuse nulls, which is not allowed");
        }
        self.plan.warnings.push(format!("{path} refuses nulls only if no row that is there holds one"));
        self.steps.push((7, EvolutionStep::RefuseNulls { path }));
    }

    fn lays_out(&self, path: &FieldPath) -> bool {
        let path = path.to_string().to_lowercase();
        let names = self.present.partitioned_by.iter().chain(&self.present.clustered_by);
        names.map(|name| name.to_lowercase()).any(|name| name == path || name.starts_with(&format!("{path}.")))
    }

    fn mapped(&mut self, path: &FieldPath, what: &str) -> bool {
        self.mapping == ColumnMapping::On || self.enable(path, MAPPING, "name", what)
    }

    /// Whether the feature will be there when it is needed.
    fn enable(&mut self, path: &FieldPath, property: &'static str, value: &'static str, what: &str) -> bool {
        if !self.options.upgrades {
            self.refuse(path, format!("{what} needs `{property}` = `{value}`: set it, or allow upgrades"));
            return false;
        }
        let step = EvolutionStep::Enable { property, value };
        if !self.enabled.contains(&step) {
            let warning = format!("`{property}` = `{value}` locks older readers and writers out of the table");
            self.plan.warnings.push(warning);
            self.enabled.push(step);
        }
        true
    }

    fn finish(mut self) -> EvolutionPlan {
        self.steps.sort_by_key(|(place, _)| *place);
        self.plan.steps = self.enabled.into_iter().chain(self.steps.into_iter().map(|(_, step)| step)).collect();
        self.plan
    }
}

/// The schema with what is at the path renamed.
pub(super) fn renamed(schema: &TableSchema, path: &[String], to: &str) -> TableSchema {
    let Some((name, inside)) = path.split_first() else { return schema.clone() };
    let column = |column: &Column| {
        let mut column = column.clone();
        if column.name.to_lowercase() == name.to_lowercase() {
            if inside.is_empty() {
                to.clone_into(&mut column.name);
            } else {
                column.data_type = renamed_type(&column.data_type, inside, to);
            }
        }
        column
    };
    schema.columns().iter().map(column).collect()
}

fn renamed_type(data_type: &DeltaType, path: &[String], to: &str) -> DeltaType {
    let Some((name, inside)) = path.split_first() else { return data_type.clone() };
    let name = name.to_lowercase();
    match data_type {
        DeltaType::Array(element) if name == "element" => DeltaType::array_of(renamed_type(element, inside, to)),
        DeltaType::Map(key, value) if name == "key" => {
            DeltaType::map_of(renamed_type(key, inside, to), (**value).clone())
        }
        DeltaType::Map(key, value) if name == "value" => {
            DeltaType::map_of((**key).clone(), renamed_type(value, inside, to))
        }
        DeltaType::Struct(fields) => {
            let field = |field: &StructField| {
                let mut field = field.clone();
                if field.name.to_lowercase() == name {
                    if inside.is_empty() {
                        to.clone_into(&mut field.name);
                    } else {
                        field.data_type = renamed_type(&field.data_type, inside, to);
                    }
                }
                field
            };
            DeltaType::Struct(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}
