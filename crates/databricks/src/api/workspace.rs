//! `/api/2.0/workspace`.

use bytes::Bytes;
use serde_json::{Value, json};
use twinhouse_core::{
    Result,
    http::{Body, HeaderValue, Method, Request, header},
    resilience::Operation,
};

use super::client::{Client, TRANSFER, WORKSPACE};
use crate::wire::{ExportedObject, ImportObject, ObjectListing, WorkspaceObject};

/// What is exported is no larger than this; the service's own limit is 10 MB.
const LARGEST_EXPORT: usize = 64 << 20;

impl Client {
    pub(crate) async fn workspace_import(&self, object: &ImportObject<'_>) -> Result<()> {
        let request = self.workspace_call(Method::POST, "import").with_body(Body::json(object)?);
        self.done(importing(object.overwrite), request).await
    }

    /// The same, with a form of parts: a third less to send than in base64.
    pub(crate) async fn workspace_import_form(
        &self,
        form: Bytes,
        media_type: HeaderValue,
        overwrite: bool,
    ) -> Result<()> {
        let request = self.workspace_call(Method::POST, "import").with_body(Body::bytes(form));
        self.done(importing(overwrite), request.with_header(header::CONTENT_TYPE, media_type)).await
    }

    pub(crate) async fn workspace_export(&self, path: &str, format: Option<&str>) -> Result<ExportedObject> {
        self.json(Operation::read("workspace.export").with_class(WORKSPACE), self.export_call(path, format)).await
    }

    /// The bytes themselves.
    pub(crate) async fn workspace_download(&self, path: &str, format: Option<&str>) -> Result<Bytes> {
        let request = self.export_call(path, format).with_query([("direct_download", "true")]);
        let operation = Operation::read("workspace.download").with_class(WORKSPACE).with_attempt_timeout(TRANSFER);
        self.bytes(operation, request, LARGEST_EXPORT).await
    }

    pub(crate) async fn workspace_list(&self, path: &str, modified_after: Option<u64>) -> Result<Vec<WorkspaceObject>> {
        let after = modified_after.map(|after| after.to_string());
        let mut query = vec![("path", path)];
        query.extend(after.as_deref().map(|after| ("notebooks_modified_after", after)));
        let request = self.workspace_call(Method::GET, "list").with_query(query);
        let listing: ObjectListing =
            self.json(Operation::read("workspace.list").with_class(WORKSPACE), request).await?;
        Ok(listing.objects)
    }

    pub(crate) async fn workspace_status(&self, path: &str) -> Result<WorkspaceObject> {
        let request = self.workspace_call(Method::GET, "get-status").with_query([("path", path)]);
        self.json(Operation::read("workspace.status").with_class(WORKSPACE), request).await
    }

    pub(crate) async fn workspace_mkdirs(&self, path: &str) -> Result<()> {
        let operation = Operation::read("workspace.mkdirs").with_class(WORKSPACE);
        self.done(operation, self.workspace_post("mkdirs", &json!({ "path": path }))?).await
    }

    pub(crate) async fn workspace_delete(&self, path: &str, recursive: bool) -> Result<()> {
        let body = json!({ "path": path, "recursive": recursive });
        let operation = Operation::read("workspace.delete").with_class(WORKSPACE);
        self.done(operation, self.workspace_post("delete", &body)?).await
    }

    fn export_call(&self, path: &str, format: Option<&str>) -> Request {
        let mut query = vec![("path", path)];
        query.extend(format.map(|format| ("format", format)));
        self.workspace_call(Method::GET, "export").with_query(query)
    }

    fn workspace_call(&self, method: Method, call: &str) -> Request {
        self.request(method, ["api", "2.0", "workspace", call])
    }

    fn workspace_post(&self, call: &str, body: &Value) -> Result<Request> {
        Ok(self.workspace_call(Method::POST, call).with_body(Body::json(body)?))
    }
}

/// Replacing twice is replacing; creating twice fails over itself.
fn importing(overwrite: bool) -> Operation {
    let operation = if overwrite { Operation::read("workspace.import") } else { Operation::write("workspace.import") };
    operation.with_class(WORKSPACE).with_attempt_timeout(TRANSFER)
}
