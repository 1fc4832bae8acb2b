//! Who is asking.

use axum::{
    Json, Router,
    extract::Extension,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;

use super::{WORKSPACE_HEADER, WORKSPACE_ID};
use crate::databricks::engine::USER;

/// Whose token came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    User,
    /// The service principal, by its client id.
    Principal(String),
}

impl Who {
    /// The name that the service gives as `userName`: a service principal's is its client id.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User => USER,
            Self::Principal(client_id) => client_id,
        }
    }
}

pub(super) fn routes() -> Router {
    Router::new().route("/api/2.0/preview/scim/v2/Me", get(me))
}

async fn me(Extension(who): Extension<Who>) -> Response {
    let mut me = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": who.name(),
        "active": true,
        "groups": [{ "display": "admins", "type": "direct", "value": "100" }],
    });
    match &who {
        Who::User => {
            me["id"] = json!("1");
            me["displayName"] = json!("Sandbox");
            me["name"] = json!({ "givenName": "Sandbox" });
            me["emails"] = json!([{ "type": "work", "value": USER, "primary": true }]);
        }
        Who::Principal(_) => {
            me["id"] = json!("2");
            me["displayName"] = json!("sandbox-principal");
        }
    }
    // By this header clients learn the number of their workspace.
    ([(WORKSPACE_HEADER, WORKSPACE_ID)], Json(me)).into_response()
}
