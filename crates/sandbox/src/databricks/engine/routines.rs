//! Functions that users make: kept in the catalog, written out where they are called.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use deltalake::kernel::DataType;

use super::{
    Engine, Outcome, Request,
    catalog::{FullName, Place, check_name, now_ms, schema_mut},
    ddl::already_exists,
    governance::Governance,
    prepare::quote,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{CreateFunction, ObjectPath, Parameters, Routine, check_body, delta_type_text, expr_of_text, is_builtin},
};

/// A scalar function of SQL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionEntry {
    pub(crate) id: Uuid,
    /// Name, type, comment.
    pub(crate) parameters: Vec<(String, DataType, Option<String>)>,
    pub(crate) returns: DataType,
    /// The expression, as it is written.
    pub(crate) body: String,
    pub(crate) deterministic: bool,
    pub(crate) comment: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at: u64,
    #[serde(default)]
    pub(crate) governance: Governance,
}

impl FunctionEntry {
    fn routine(&self, name: &str) -> SqlResult<Routine> {
        Ok(Routine {
            name: name.to_owned(),
            parameters: self.parameters.iter().map(|(name, kind, _)| (name.clone(), delta_type_text(kind))).collect(),
            returns: delta_type_text(&self.returns),
            body: expr_of_text(&self.body)?,
        })
    }
}

impl SqlError {
    pub(crate) fn function_not_found(name: impl std::fmt::Display) -> Self {
        let text = format!(
            "The routine {name} cannot be found. Verify the spelling and correctness of the schema and catalog."
        );
        Self::new("ROUTINE_NOT_FOUND", "42883", text)
    }
}

impl Engine {
    pub(crate) async fn create_function(&self, create: &CreateFunction, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(&create.name)?;
        check_name(&name.name)?;
        self.0.catalog.schema_exists(&name.catalog, &name.schema)?;
        if create.or_replace && create.if_not_exists {
            return Err(SqlError::unsupported("CREATE OR REPLACE FUNCTION IF NOT EXISTS"));
        }
        let entry = FunctionEntry {
            id: Uuid::new_v4(),
            parameters: create.parameters.clone(),
            returns: create.returns.clone(),
            body: create.body.clone(),
            deterministic: create.deterministic,
            comment: create.comment.clone(),
            created_at: now_ms(),
            governance: Governance::default(),
        };
        self.check_function(&name, &entry).await?;
        self.0.catalog.change(|listing| {
            let functions = &mut schema_mut(listing, &name.catalog, &name.schema)?.functions;
            if functions.contains_key(&name.name) && !create.or_replace {
                return if create.if_not_exists { Ok(()) } else { Err(already_exists("ROUTINE", &name)) };
            }
            functions.insert(name.name.clone(), entry);
            Ok(())
        })?;
        Ok(Outcome::Nothing)
    }

    /// Refuses a body that does not plan over the parameters.
    async fn check_function(&self, name: &FullName, entry: &FunctionEntry) -> SqlResult<()> {
        let mut seen = std::collections::HashSet::new();
        if let Some((twice, ..)) = entry.parameters.iter().find(|(name, ..)| !seen.insert(name.to_lowercase())) {
            let text = format!("The parameter {} of the function is named twice.", quote(twice));
            return Err(SqlError::new("DUPLICATE_ROUTINE_PARAMETER_NAMES", "42734", text));
        }
        let is_aggregate = |name: &str| {
            self.0.base.aggregate_functions().contains_key(name) || self.0.base.window_functions().contains_key(name)
        };
        check_body(&name.name, &expr_of_text(&entry.body)?, &is_aggregate)?;
        let null = |(name, kind, _): &(String, DataType, Option<String>)| {
            format!("CAST(NULL AS {}) AS {}", delta_type_text(kind), quote(name))
        };
        let nulls: Vec<String> = entry.parameters.iter().map(null).collect();
        let from = if nulls.is_empty() {
            String::new()
        } else {
            format!(" FROM (SELECT {}) AS {}", nulls.join(", "), quote(&name.name))
        };
        let sql = format!(
            "DESCRIBE QUERY SELECT CAST(({}) AS {}) AS answer{from}",
            entry.body,
            delta_type_text(&entry.returns)
        );
        let place = Place { catalog: name.catalog.clone(), schema: name.schema.clone(), ..Place::default() };
        let request = Request { sql, parameters: Parameters::default(), place };
        Box::pin(self.run(&request)).await.map(drop)
    }

    pub(crate) fn drop_function(&self, path: &ObjectPath, if_exists: bool, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            schema.functions.remove(&name.name).ok_or_else(|| SqlError::function_not_found(&name))
        });
        match dropped {
            Err(error) if !(if_exists && error.sqlstate() == "42883") => Err(error),
            _ => Ok(Outcome::Nothing),
        }
    }

    pub(crate) fn function(&self, name: &FullName) -> SqlResult<FunctionEntry> {
        self.0.catalog.read(|listing| {
            let schema = super::catalog::schema_of(listing, &name.catalog, &name.schema)?;
            schema.functions.get(&name.name).cloned().ok_or_else(|| SqlError::function_not_found(name))
        })
    }

    /// The function that a call means. A function of the language goes before one that a user has made, unless the call
    /// names its schema.
    pub(super) fn routine(&self, path: &[String], place: &Place) -> SqlResult<Option<Routine>> {
        match path {
            [name] if is_builtin(name) => return Ok(None),
            [] | [_, _, _, _, ..] => return Ok(None),
            _ => {}
        }
        let name = place.resolve(&ObjectPath(path.to_vec()))?;
        self.function(&name).ok().map(|entry| entry.routine(&name.name)).transpose()
    }
}
