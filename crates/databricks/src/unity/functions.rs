//! Functions.

use arrow::datatypes::DataType;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use twinhouse_core::{Result, http::Method};

use super::{
    Calls, ColumnTypeName, Listing, NewColumn, Repeat,
    columns::{Described, data_type, spelling},
    found,
    name::{OBJECT, bad, check_full, check_new, check_part, check_principal},
    pages::{Query, page, refused},
};
use crate::{
    setters::setters,
    wire::{self, count, nullable},
};

/// A parameter of a function, or a column of the table that it answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "RawParameter")]
#[non_exhaustive]
pub struct FunctionParameter {
    /// The name.
    pub name: String,
    /// The type.
    pub data_type: DataType,
    /// Its kind.
    pub type_name: Option<ColumnTypeName>,
    /// Its SQL.
    pub type_text: String,
    /// Its place, from 0.
    pub position: Option<u64>,
    /// What it is if the caller leaves it out, as SQL.
    pub parameter_default: Option<String>,
    /// What it is about.
    pub comment: Option<String>,
}

#[derive(Deserialize)]
struct RawParameter {
    #[serde(flatten)]
    column: wire::Column,
    #[serde(default)]
    parameter_default: Option<String>,
}

impl From<RawParameter> for FunctionParameter {
    fn from(raw: RawParameter) -> Self {
        let column = raw.column;
        Self {
            data_type: data_type(&column),
            name: column.name,
            type_name: column.type_name.map(ColumnTypeName::from),
            type_text: column.type_text.unwrap_or_default(),
            position: column.position,
            parameter_default: raw.parameter_default,
            comment: column.comment.filter(|comment| !comment.is_empty()),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    #[serde(deserialize_with = "nullable")]
    parameters: Vec<FunctionParameter>,
}

/// Parameters in the order of their positions.
fn parameters<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<FunctionParameter>, D::Error> {
    let mut all = nullable::<D, Parameters>(from)?.parameters;
    all.sort_by_key(|parameter| parameter.position.unwrap_or(0));
    Ok(all)
}

/// A function as the service describes it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// The name.
    pub name: String,
    /// The catalog that it is in.
    pub catalog_name: String,
    /// The schema that it is in.
    pub schema_name: String,
    /// `catalog.schema.function`
    pub full_name: Option<String>,
    /// Another function of the same name, made later, has another id.
    pub function_id: Option<String>,
    /// What it takes.
    #[serde(deserialize_with = "parameters")]
    pub input_params: Vec<FunctionParameter>,
    /// The columns of the table that it answers, if it answers one.
    #[serde(deserialize_with = "parameters")]
    pub return_params: Vec<FunctionParameter>,
    /// The kind of its answer.
    pub data_type: Option<ColumnTypeName>,
    /// The type of its answer.
    pub full_data_type: Option<String>,
    /// `SQL` or `EXTERNAL`.
    pub routine_body: Option<String>,
    /// What it does, in its language.
    pub routine_definition: Option<String>,
    /// The language of an external function.
    pub external_language: Option<String>,
    /// Whether the same input always gives the same answer.
    pub is_deterministic: Option<bool>,
    /// Whether a null as input is a null as answer, without a call.
    pub is_null_call: Option<bool>,
    /// What it does to tables.
    pub sql_data_access: Option<String>,
    /// With whose rights it runs.
    pub security_type: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// What it is about.
    pub comment: Option<String>,
    /// Properties: a map, as JSON in text.
    pub properties: Option<String>,
    /// The metastore that it is in.
    pub metastore_id: Option<String>,
    /// Whether only its description may be read.
    #[serde(deserialize_with = "nullable")]
    pub browse_only: bool,
    /// When it was made.
    #[serde(deserialize_with = "count")]
    pub created_at: Option<u64>,
    /// By whom.
    pub created_by: Option<String>,
    /// When it was last changed.
    #[serde(deserialize_with = "count")]
    pub updated_at: Option<u64>,
    /// By whom.
    pub updated_by: Option<String>,
}

page!(FunctionPage, functions: FunctionInfo);

/// Which functions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListFunctions {
    /// The catalog.
    pub catalog_name: String,
    /// The schema.
    pub schema_name: String,
    /// The most that one page may have; 0, the default, leaves the choice to the service.
    pub max_results: u32,
    /// Also those of which only the description may be read.
    pub include_browse: bool,
}

impl ListFunctions {
    /// Those of this schema.
    pub fn new(catalog_name: impl Into<String>, schema_name: impl Into<String>) -> Self {
        Self { catalog_name: catalog_name.into(), schema_name: schema_name.into(), ..Self::default() }
    }

    setters! {
        /// The most that one page may have.
        with_max_results(max_results: is u32);
        /// Also those of which only the description may be read.
        with_include_browse(include_browse: is bool);
    }
}

/// A scalar SQL function that is to be made. For other kinds there is `CREATE FUNCTION`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CreateFunction {
    /// The catalog that it is to be in.
    pub catalog_name: String,
    /// The schema that it is to be in.
    pub schema_name: String,
    /// The name.
    pub name: String,
    /// What it takes.
    pub input_params: Vec<NewColumn>,
    /// The type of its answer.
    pub data_type: DataType,
    /// The SQL expression that it stands for.
    pub routine_definition: String,
    /// Whether the same input always gives the same answer. On unless changed.
    pub is_deterministic: bool,
    /// What it is about.
    pub comment: Option<String>,
}

impl CreateFunction {
    /// A function without parameters that answers this expression.
    pub fn sql(
        catalog: impl Into<String>,
        schema: impl Into<String>,
        name: impl Into<String>,
        data_type: DataType,
        definition: impl Into<String>,
    ) -> Self {
        Self {
            catalog_name: catalog.into(),
            schema_name: schema.into(),
            name: name.into(),
            input_params: Vec::new(),
            data_type,
            routine_definition: definition.into(),
            is_deterministic: true,
            comment: None,
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, data_type: DataType) -> Self {
        self.input_params.push(NewColumn::new(name, data_type));
        self
    }

    setters! {
        /// Whether the same input always gives the same answer.
        with_deterministic(is_deterministic: is bool);
        /// What it is about.
        with_comment(comment: some String);
    }

    fn check(&self) -> Result<()> {
        check_part("catalog_name", &self.catalog_name)?;
        check_part("schema_name", &self.schema_name)?;
        check_new("name", &self.name)?;
        if self.routine_definition.trim().is_empty() {
            return Err(bad("routine_definition", "is empty: what does the function answer?"));
        }
        NewColumn::new("answer", self.data_type.clone()).check("data_type")?;
        let mut seen = std::collections::HashSet::new();
        for parameter in &self.input_params {
            parameter.check("input_params")?;
            if !seen.insert(parameter.name.to_lowercase()) {
                return Err(bad("input_params", "names a parameter twice"));
            }
        }
        Ok(())
    }

    fn body(&self) -> impl Serialize {
        let parameters: Vec<_> =
            self.input_params.iter().enumerate().map(|(at, parameter)| Described::parameter(at, parameter)).collect();
        let answer = spelling(&self.data_type);
        let mut info = json!({
            "name": self.name,
            "catalog_name": self.catalog_name,
            "schema_name": self.schema_name,
            "input_params": { "parameters": parameters },
            "data_type": answer.name,
            "full_data_type": answer.text,
            "routine_body": "SQL",
            "routine_definition": self.routine_definition,
            "parameter_style": "S",
            "is_deterministic": self.is_deterministic,
            "sql_data_access": "CONTAINS_SQL",
            "is_null_call": false,
            "security_type": "DEFINER",
            "specific_name": self.name,
        });
        if let Some(comment) = &self.comment {
            info["comment"] = comment.as_str().into();
        }
        json!({ "function_info": info })
    }
}

/// Functions. See [`UnityCatalog::functions`](super::UnityCatalog::functions).
#[derive(Clone, Debug)]
pub struct Functions {
    calls: Calls,
}

impl Functions {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The functions of a schema that the caller may see.
    pub fn list(&self, request: ListFunctions) -> Listing<FunctionInfo> {
        let checked = check_part("catalog_name", &request.catalog_name)
            .and_then(|()| check_part("schema_name", &request.schema_name));
        if let Err(error) = checked {
            return refused(error);
        }
        let query = Query::default()
            .text("catalog_name", request.catalog_name)
            .text("schema_name", request.schema_name)
            .switch("include_browse", request.include_browse);
        self.calls.list::<FunctionPage>("function.list", &["functions"], query, request.max_results)
    }

    /// One function, by `catalog.schema.function`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none of that name.
    pub async fn get(&self, full_name: &str) -> Result<FunctionInfo> {
        check_full("full_name", full_name, OBJECT)?;
        self.calls.get("function.get", &["functions", full_name], Query::default()).await
    }

    /// Whether there is a function of that name, as far as the caller may know.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), except that nothing there is no error.
    pub async fn exists(&self, full_name: &str) -> Result<bool> {
        found(self.get(full_name).await)
    }

    /// Makes a function. The service calls this part of its API experimental.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) before anything is sent, naming the field;
    /// [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists).
    pub async fn create(&self, request: CreateFunction) -> Result<FunctionInfo> {
        request.check()?;
        self.calls.send(("function.create", Repeat::Never), Method::POST, &["functions"], &request.body()).await
    }

    /// Gives the function another owner: all that the service lets be changed.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn update_owner(&self, full_name: &str, owner: &str) -> Result<FunctionInfo> {
        check_full("full_name", full_name, OBJECT)?;
        check_principal("owner", owner)?;
        let body = json!({ "owner": owner });
        self.calls.send(("function.update", Repeat::Harmless), Method::PATCH, &["functions", full_name], &body).await
    }

    /// Deletes a function; with `force`, even if something needs it.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn delete(&self, full_name: &str, force: bool) -> Result<()> {
        check_full("full_name", full_name, OBJECT)?;
        let query = Query::default().switch("force", force);
        self.calls.delete("function.delete", &["functions", full_name], query).await
    }
}
