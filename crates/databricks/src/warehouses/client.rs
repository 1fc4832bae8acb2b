//! One call for each endpoint, and the waiting.

use futures::Stream;
use serde::Deserialize;
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Body, Method, Request},
    resilience::Operation,
};

use super::{Warehouse, WarehouseRequest};
use crate::api::{
    Client,
    client::WAREHOUSES,
    pages::{list, page},
};

/// Warehouses of one page.
const PAGE: &str = "100";

/// SQL warehouses: `/api/2.0/sql/warehouses`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Warehouses {
    client: Client,
}

impl Warehouses {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// All warehouses that may be used, page by page as they are asked for. A page may be empty.
    ///
    /// # Errors
    ///
    /// Through the stream: those of the service.
    pub fn list(&self) -> impl Stream<Item = Result<Warehouse>> + Send + Unpin + 'static {
        let request = self.client.request(Method::GET, ["api", "2.0", "sql", "warehouses"]);
        list::<WarehousePage>(&self.client, read("warehouse.list"), Ok(request.with_query([("page_size", PAGE)])))
    }

    /// One warehouse.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for an id that the workspace does not know.
    pub async fn get(&self, id: &str) -> Result<Warehouse> {
        let request = self.of(Method::GET, id, None)?;
        let mut warehouse: Warehouse = self.client.json(read("warehouse.get"), request).await.map_err(named(id))?;
        if warehouse.id.is_empty() {
            id.clone_into(&mut warehouse.id);
        }
        Ok(warehouse)
    }

    /// Starts a warehouse, and does not wait for it. One that runs is left alone.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn start(&self, id: &str) -> Result<()> {
        // To start it twice is to start it.
        self.change("warehouse.start", id, "start").await
    }

    /// Stops a warehouse, and what runs on it, and does not wait. One that is stopped is left alone.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn stop(&self, id: &str) -> Result<()> {
        self.change("warehouse.stop", id, "stop").await
    }

    /// Makes a warehouse, which starts at once, and answers its id. The service has no token to know a repeated call
    /// by; the names of warehouses differ, so that a second one is refused.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] naming the field; those of the service.
    pub async fn create(&self, request: &WarehouseRequest) -> Result<String> {
        request.check()?;
        let body = Body::json(request)?;
        let request = self.client.request(Method::POST, ["api", "2.0", "sql", "warehouses"]).with_body(body);
        let created: Created =
            self.client.json(Operation::write("warehouse.create").with_class(WAREHOUSES), request).await?;
        created
            .id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the service made a warehouse without naming it"))
    }

    /// Changes a warehouse. It is described in full: what is left out falls back to the service's defaults.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`get`](Self::get).
    pub async fn edit(&self, id: &str, request: &WarehouseRequest) -> Result<()> {
        request.check()?;
        let call = self.of(Method::POST, id, Some("edit"))?.with_body(Body::json(request)?);
        // The same description twice is the same warehouse.
        self.client.done(read("warehouse.edit"), call).await.map_err(named(id))
    }

    /// Removes a warehouse. One that is not there is fine.
    ///
    /// # Errors
    ///
    /// Those of the service.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let request = self.of(Method::DELETE, id, None)?;
        match self.client.done(read("warehouse.delete"), request).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done.map_err(named(id)),
        }
    }

    async fn change(&self, operation: &'static str, id: &str, what: &'static str) -> Result<()> {
        let request = self.of(Method::POST, id, Some(what))?.with_body(Body::json(&serde_json::json!({}))?);
        self.client.done(read(operation), request).await.map_err(named(id))
    }

    fn of(&self, method: Method, id: &str, what: Option<&'static str>) -> Result<Request> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(Error::new(ErrorKind::InvalidInput, "the id of a warehouse has letters, digits and hyphens")
                .with_context("field", "id")
                .with_context("id", id.escape_debug().to_string()));
        }
        Ok(self.client.request(method, ["api", "2.0", "sql", "warehouses", id].into_iter().chain(what)))
    }
}

fn read(name: &'static str) -> Operation {
    Operation::read(name).with_class(WAREHOUSES)
}

fn named(id: &str) -> impl FnOnce(Error) -> Error + '_ {
    move |error| error.with_context("warehouse", id)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Created {
    id: Option<String>,
}

page!(WarehousePage, warehouses: Warehouse);
