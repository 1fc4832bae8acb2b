//! The one metastore.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{METASTORE_ID, PAGE, Unity, page};
use crate::databricks::{
    api::{
        WORKSPACE_ID,
        reply::{ApiResult, Query},
    },
    engine::{Place, USER},
};

const NAME: &str = "sandbox";
const REGION: &str = "us-east-1";

impl Unity {
    fn metastore(&self) -> Value {
        json!({
            "metastore_id": METASTORE_ID,
            "name": NAME,
            "cloud": "aws",
            "region": REGION,
            "global_metastore_id": format!("aws:{REGION}:{METASTORE_ID}"),
            "owner": USER,
            "privilege_model_version": "1.0",
            "external_access_enabled": self.storage.is_some(),
            "delta_sharing_scope": "INTERNAL",
        })
    }
}

pub(super) async fn summary(State(unity): State<Unity>) -> Json<Value> {
    Json(unity.metastore())
}

pub(super) async fn list(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let (names, next) = unity.paging(&query, PAGE)?.cut(vec![METASTORE_ID.to_owned()]);
    Ok(page("metastores", names.iter().map(|_| unity.metastore()).collect(), next))
}

pub(super) async fn assignment() -> Json<Value> {
    Json(json!({
        "metastore_id": METASTORE_ID,
        "workspace_id": WORKSPACE_ID.parse::<u64>().unwrap_or_default(),
        "default_catalog_name": Place::default().catalog,
    }))
}
