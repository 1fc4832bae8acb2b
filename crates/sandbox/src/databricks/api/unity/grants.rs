//! Who may do what. It is kept and inherited; nothing is refused for want of it, for one user runs everything.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PAGE, Unity, page, refusal, three_parts, two_parts};
use crate::databricks::{
    api::reply::{ApiError, ApiResult, Query, body_of},
    engine::Securable,
    error::SqlError,
};

/// The smallest page that a client may ask for: all privileges of one principal are on one page.
const SMALLEST_PAGE: usize = 150;

const TABLE: &[&str] = &["ALL_PRIVILEGES", "APPLY_TAG", "MANAGE", "MODIFY", "REFRESH", "SELECT"];
const VOLUME: &[&str] = &["ALL_PRIVILEGES", "APPLY_TAG", "MANAGE", "READ_VOLUME", "WRITE_VOLUME"];
const FUNCTION: &[&str] = &["ALL_PRIVILEGES", "EXECUTE", "MANAGE"];
const SCHEMA: &[&str] = &[
    "CREATE_FUNCTION",
    "CREATE_MATERIALIZED_VIEW",
    "CREATE_MODEL",
    "CREATE_TABLE",
    "CREATE_VIEW",
    "CREATE_VOLUME",
    "EXTERNAL_USE_SCHEMA",
    "USE_SCHEMA",
];
const CATALOG: &[&str] = &["BROWSE", "CREATE_SCHEMA", "USE_CATALOG"];

/// Whether the privilege can be given on it: what can be given below can be given above, and is inherited.
fn fits(securable: &Securable, privilege: &str) -> bool {
    let below: &[&[&str]] = match securable {
        Securable::Table(_) => &[TABLE],
        Securable::Volume(_) => &[VOLUME],
        Securable::Function(_) => &[FUNCTION],
        Securable::Schema(..) => &[TABLE, VOLUME, FUNCTION, SCHEMA],
        Securable::Catalog(_) => &[TABLE, VOLUME, FUNCTION, SCHEMA, CATALOG],
    };
    below.iter().any(|known| known.contains(&privilege))
}

fn securable((kind, name): &(String, String)) -> ApiResult<Securable> {
    Ok(match kind.to_ascii_uppercase().as_str() {
        "CATALOG" => Securable::Catalog(name.to_lowercase()),
        "SCHEMA" => {
            let (catalog, schema) = two_parts(name)?;
            Securable::Schema(catalog, schema)
        }
        "TABLE" => Securable::Table(three_parts(name)?),
        "VOLUME" => Securable::Volume(three_parts(name)?),
        "FUNCTION" => Securable::Function(three_parts(name)?),
        other => return Err(ApiError::not_implemented(format_args!("permissions on {other}"))),
    })
}

fn refused(error: &SqlError, securable: &Securable) -> ApiError {
    let kind = securable.kind();
    let kind = format!("{}{}", &kind[..1], kind[1..].to_lowercase());
    refusal(error, &kind, &securable.name())
}

/// Principals of a page.
fn cut(
    unity: &Unity,
    query: &Query,
    names: impl IntoIterator<Item = String>,
) -> ApiResult<(Vec<String>, Option<String>)> {
    let asked = query.count("max_results")?;
    if asked.is_some_and(|asked| asked > 0 && asked < SMALLEST_PAGE) {
        return Err(ApiError::invalid(format!("max_results must be 0 or at least {SMALLEST_PAGE}")));
    }
    let wanted = query.text("principal");
    let names: Vec<String> = names.into_iter().filter(|name| wanted.is_none_or(|wanted| wanted == name)).collect();
    Ok(unity.paging(query, PAGE)?.cut(names))
}

impl Unity {
    fn grants(&self, securable: &Securable) -> ApiResult<BTreeMap<String, BTreeSet<String>>> {
        let found = self.engine.catalog().read(|listing| Ok(securable.governance(listing)?.grants.clone()));
        found.map_err(|error: SqlError| refused(&error, securable))
    }
}

fn assignment(principal: &str, privileges: &BTreeSet<String>) -> Value {
    json!({ "principal": principal, "privileges": privileges })
}

pub(super) async fn list(
    State(unity): State<Unity>,
    Path(path): Path<(String, String)>,
    query: Query,
) -> ApiResult<Json<Value>> {
    let grants = unity.grants(&securable(&path)?)?;
    let (names, next) = cut(&unity, &query, grants.keys().cloned())?;
    Ok(page("privilege_assignments", names.iter().map(|name| assignment(name, &grants[name])).collect(), next))
}

pub(super) async fn effective(
    State(unity): State<Unity>,
    Path(path): Path<(String, String)>,
    query: Query,
) -> ApiResult<Json<Value>> {
    let own = securable(&path)?;
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (principal, privileges) in unity.grants(&own)? {
        let given = privileges.iter().map(|privilege| json!({ "privilege": privilege }));
        all.entry(principal).or_default().extend(given);
    }
    for outer in own.around() {
        for (principal, privileges) in unity.grants(&outer)? {
            let inherited = privileges.iter().map(|privilege| {
                json!({
                    "privilege": privilege,
                    "inherited_from_type": outer.kind(),
                    "inherited_from_name": outer.name(),
                })
            });
            all.entry(principal).or_default().extend(inherited);
        }
    }
    let (names, next) = cut(&unity, &query, all.keys().cloned())?;
    let assignments = names.iter().map(|name| json!({ "principal": name, "privileges": all[name] })).collect();
    Ok(page("privilege_assignments", assignments, next))
}

#[derive(Deserialize)]
struct Changes {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    principal: String,
    #[serde(default)]
    add: Option<Vec<String>>,
    #[serde(default)]
    remove: Option<Vec<String>>,
}

pub(super) async fn update(
    State(unity): State<Unity>,
    Path(path): Path<(String, String)>,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    let securable = securable(&path)?;
    let Changes { changes } = body_of(&body)?;
    for change in &changes {
        if change.principal.trim().is_empty() {
            return Err(ApiError::invalid("Missing required field: principal"));
        }
        let all = change.add.iter().chain(&change.remove).flatten();
        if let Some(privilege) = all.into_iter().find(|privilege| !fits(&securable, privilege)) {
            let kind = securable.kind();
            return Err(ApiError::invalid(format!("Privilege {privilege} is not applicable to this entity [{kind}]")));
        }
    }
    let changed = unity.engine.catalog().change(|listing| {
        let governance = securable.governance_mut(listing)?;
        for change in &changes {
            let held = governance.grants.entry(change.principal.clone()).or_default();
            held.extend(change.add.iter().flatten().cloned());
            held.retain(|privilege| !change.remove.iter().flatten().any(|removed| removed == privilege));
        }
        governance.grants.retain(|_, held| !held.is_empty());
        Ok(governance.grants.clone())
    });
    let grants = changed.map_err(|error| refused(&error, &securable))?;
    Ok(page("privilege_assignments", grants.iter().map(|(name, held)| assignment(name, held)).collect(), None))
}
