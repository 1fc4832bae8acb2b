//! Functions: scalar SQL over their parameters, as the engine runs them.

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    PAGE, Unity,
    change::{Change, refuse_others},
    drop_statement, full_name, info, names_in, page, quoted_text, refusal, three_parts,
};
use crate::databricks::{
    api::{
        reply::{ApiError, ApiResult, Query, Segment, body_of},
        tables::{precision_and_scale, type_name},
    },
    engine::{FullName, schema_mut},
    error::SqlError,
    sql::{ObjectPath, column_type_text, delta_type_text, expr_of_text, type_of_text},
};

impl Unity {
    fn function(&self, name: &FullName) -> ApiResult<Value> {
        let text = full_name(name);
        let entry = self.engine.function(name).map_err(|error| refusal(&error, "Function", &text))?;
        let mut info = info(&name.name, entry.created_at, entry.comment.as_deref(), &entry.governance);
        let parameters: Vec<Value> = entry
            .parameters
            .iter()
            .enumerate()
            .map(|(position, (name, kind, comment))| {
                let (precision, scale) = precision_and_scale(kind);
                let mut parameter = json!({
                    "name": name,
                    "type_name": type_name(kind),
                    "type_text": column_type_text(kind),
                    "type_json": serde_json::to_string(kind).map_err(ApiError::internal)?,
                    "type_precision": precision,
                    "type_scale": scale,
                    "position": position,
                    "parameter_mode": "IN",
                    "parameter_type": "PARAM",
                });
                if let Some(comment) = comment {
                    parameter["comment"] = comment.as_str().into();
                }
                Ok(parameter)
            })
            .collect::<ApiResult<_>>()?;
        for (key, value) in [
            ("catalog_name", name.catalog.clone().into()),
            ("schema_name", name.schema.clone().into()),
            ("full_name", text.into()),
            ("function_id", entry.id.to_string().into()),
            ("input_params", json!({ "parameters": parameters })),
            ("data_type", type_name(&entry.returns).into()),
            ("full_data_type", column_type_text(&entry.returns).into()),
            ("routine_body", "SQL".into()),
            ("routine_definition", entry.body.into()),
            ("parameter_style", "S".into()),
            ("is_deterministic", entry.deterministic.into()),
            ("sql_data_access", "CONTAINS_SQL".into()),
            ("is_null_call", true.into()),
            ("security_type", "DEFINER".into()),
            ("specific_name", name.name.clone().into()),
        ] {
            info.insert(key.to_owned(), value);
        }
        Ok(info.into())
    }
}

pub(super) async fn list(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let (place, names) = names_in(&unity, &query, |place| {
        unity.engine.catalog().read(|listing| {
            let schema = listing.get(&place.catalog).and_then(|entry| entry.schemas.get(&place.schema));
            schema.map(|schema| schema.functions.keys().cloned().collect()).unwrap_or_default()
        })
    })?;
    let (names, next) = unity.paging(&query, PAGE)?.cut(names);
    let functions = names.into_iter().flat_map(|name| unity.function(&FullName { name, ..place.clone() })).collect();
    Ok(page("functions", functions, next))
}

pub(super) async fn find(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    Ok(Json(unity.function(&three_parts(&name)?)?))
}

#[derive(Deserialize)]
struct Body {
    function_info: Create,
}

#[derive(Deserialize)]
struct Create {
    name: String,
    catalog_name: String,
    schema_name: String,
    #[serde(default)]
    input_params: Parameters,
    #[serde(default)]
    full_data_type: String,
    #[serde(default)]
    routine_body: String,
    routine_definition: String,
    #[serde(default)]
    is_deterministic: Option<bool>,
    #[serde(default)]
    comment: Option<String>,
    // What is so anyway for scalar SQL.
    #[serde(default, rename = "data_type")]
    _data_type: Value,
    #[serde(default, rename = "parameter_style")]
    _parameter_style: Value,
    #[serde(default, rename = "is_null_call")]
    _is_null_call: Value,
    #[serde(default, rename = "specific_name")]
    _specific_name: Value,
    #[serde(default)]
    sql_data_access: Option<String>,
    #[serde(default)]
    security_type: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    type_text: String,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    parameter_default: Option<String>,
}

impl Create {
    /// The statement that makes the function. Types and body are read first, so that nothing else can hide in them.
    fn statement(&self) -> ApiResult<String> {
        refuse_others(&self.others)?;
        if self.routine_body != "SQL" {
            return Err(ApiError::not_implemented(format_args!("functions with the body {}", self.routine_body)));
        }
        if self.sql_data_access.as_deref() == Some("READS_SQL_DATA") {
            return Err(ApiError::not_implemented("functions whose body reads tables"));
        }
        if self.security_type.as_deref().is_some_and(|kind| kind != "DEFINER") {
            return Err(ApiError::invalid("security_type must be DEFINER"));
        }
        let path = [&self.catalog_name, &self.schema_name, &self.name];
        let path = ObjectPath(path.into_iter().cloned().collect());
        let mut parameters = Vec::new();
        for parameter in &self.input_params.parameters {
            if parameter.parameter_default.is_some() {
                return Err(ApiError::not_implemented("defaults of a function's parameters"));
            }
            let name = ObjectPath(vec![parameter.name.clone()]);
            let kind = delta_type_text(&type_of_text(&parameter.type_text)?);
            let comment = parameter.comment.as_deref().map(|text| format!(" COMMENT {}", quoted_text(text)));
            parameters.push(format!("{name} {kind}{}", comment.unwrap_or_default()));
        }
        let returns = delta_type_text(&type_of_text(&self.full_data_type)?);
        expr_of_text(&self.routine_definition)?;
        let not = if self.is_deterministic == Some(false) { "NOT " } else { "" };
        let comment = self.comment.as_deref().map(|text| format!(" COMMENT {}", quoted_text(text))).unwrap_or_default();
        Ok(format!(
            "CREATE FUNCTION {path}({}) RETURNS {returns} {not}DETERMINISTIC{comment} RETURN {}",
            parameters.join(", "),
            self.routine_definition
        ))
    }
}

pub(super) async fn create(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let Body { function_info: create } = body_of(&body)?;
    let name = format!("{}.{}.{}", create.catalog_name, create.schema_name, create.name);
    unity.run(create.statement()?, "Function", &name).await?;
    Ok(Json(unity.function(&three_parts(&name)?)?))
}

pub(super) async fn update(State(unity): State<Unity>, Segment(name): Segment, body: Bytes) -> ApiResult<Json<Value>> {
    let change = Change::read(&body, &["owner"])?;
    let full = three_parts(&name)?;
    let changed = unity.engine.catalog().change(|listing| {
        let entry = schema_mut(listing, &full.catalog, &full.schema)?.functions.get_mut(&full.name);
        let entry = entry.ok_or_else(|| SqlError::function_not_found(&full))?;
        change.apply(&mut entry.comment, &mut entry.governance);
        Ok(())
    });
    changed.map_err(|error| refusal(&error, "Function", &name))?;
    Ok(Json(unity.function(&full)?))
}

pub(super) async fn remove(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    let FullName { catalog, schema, name: function } = three_parts(&name)?;
    unity.run(drop_statement("FUNCTION", &[&catalog, &schema, &function], false), "Function", &name).await?;
    Ok(Json(json!({})))
}
