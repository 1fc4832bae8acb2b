//! Unity Catalog: catalogs, schemas, tables, volumes, functions, permissions and temporary credentials.
//!
//! [`UnityCatalog`] gives a client for each kind of thing, under the names of the vendor's own SDK. Listings are
//! streams: they read one page at a time, survive empty pages and end with `None` only when they are complete.
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use twinhouse_databricks::{
//!     DatabricksClient,
//!     unity::{CreateSchema, ListTables, PermissionsChange, Privilege, SecurableType},
//! };
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let catalog = DatabricksClient::from_env()?.catalog();
//!
//! catalog.schemas().create(CreateSchema::new("main", "sales").with_comment("what was sold")).await?;
//! let change = PermissionsChange::new("analysts").with_add([Privilege::UseSchema, Privilege::Select]);
//! catalog.grants().update(SecurableType::Schema, "main.sales", [change]).await?;
//!
//! let mut tables = catalog.tables().list(ListTables::new("main", "sales"));
//! while let Some(table) = tables.try_next().await? {
//!     for column in &table.columns {
//!         println!("{}.{}: {}", table.name, column.name, column.data_type);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Names are checked before they are sent, and travel as one escaped segment of the path. What this code does not know
//! (a type of table, a privilege) is kept as it came. Deletions and creations are repeated only when the server
//! certainly did nothing.

mod catalogs;
mod columns;
mod constraints;
mod credentials;
mod functions;
mod grants;
mod metastores;
mod name;
mod pages;
mod refreshing;
mod schemas;
mod tables;
mod volumes;

use serde::{Serialize, de::DeserializeOwned};
use twinhouse_core::{
    ErrorKind, Result,
    http::{Body, Method, Request},
    resilience::Operation,
};

pub use self::{
    catalogs::{CatalogInfo, CatalogType, Catalogs, CreateCatalog, IsolationMode, ListCatalogs, UpdateCatalog},
    columns::{ColumnInfo, ColumnMask, ColumnTypeName, NewColumn},
    constraints::{ForeignKeyConstraint, PrimaryKeyConstraint, TableConstraint, TableConstraints},
    credentials::{
        CredentialScope, PathOperation, TableOperation, TemporaryCredential, TemporaryCredentials,
        TemporaryCredentialsClient, VolumeOperation,
    },
    functions::{CreateFunction, FunctionInfo, FunctionParameter, Functions, ListFunctions},
    grants::{
        EffectivePrivilege, EffectivePrivilegeAssignment, Grants, PermissionsChange, Privilege, PrivilegeAssignment,
        SecurableType,
    },
    metastores::{MetastoreAssignment, MetastoreInfo, Metastores},
    pages::Listing,
    refreshing::RefreshingCredentials,
    schemas::{CreateSchema, ListSchemas, SchemaInfo, Schemas, UpdateSchema},
    tables::{
        CreateTable, DataSourceFormat, ListSummaries, ListTables, RowFilter, TableInfo, TableSummary, TableType, Tables,
    },
    volumes::{CreateVolume, ListVolumes, UpdateVolume, VolumeInfo, VolumeType, Volumes},
};
use crate::{
    api::{
        Client,
        client::CATALOG,
        pages::{Page, list},
    },
    client::DatabricksClient,
};

/// Unity Catalog: catalogs, schemas, tables, volumes, functions, permissions and temporary credentials. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UnityCatalog {
    client: Client,
}

impl DatabricksClient {
    /// Unity Catalog: catalogs, schemas, tables, volumes, functions, permissions and temporary credentials.
    pub fn catalog(&self) -> UnityCatalog {
        UnityCatalog { client: self.api().clone() }
    }
}

impl UnityCatalog {
    /// Catalogs, the first level.
    pub fn catalogs(&self) -> Catalogs {
        Catalogs::new(self.calls())
    }

    /// Schemas, the second level.
    pub fn schemas(&self) -> Schemas {
        Schemas::new(self.calls())
    }

    /// Tables and views.
    pub fn tables(&self) -> Tables {
        Tables::new(self.calls())
    }

    /// Primary and foreign keys.
    pub fn table_constraints(&self) -> TableConstraints {
        TableConstraints::new(self.calls())
    }

    /// Volumes, where files are.
    pub fn volumes(&self) -> Volumes {
        Volumes::new(self.calls())
    }

    /// Functions.
    pub fn functions(&self) -> Functions {
        Functions::new(self.calls())
    }

    /// Who may do what.
    pub fn grants(&self) -> Grants {
        Grants::new(self.calls())
    }

    /// The metastore behind everything.
    pub fn metastores(&self) -> Metastores {
        Metastores::new(self.calls())
    }

    /// Short-lived keys to the storage behind tables, volumes and paths.
    pub fn temporary_credentials(&self) -> TemporaryCredentialsClient {
        TemporaryCredentialsClient::new(self.calls())
    }

    fn calls(&self) -> Calls {
        Calls { client: self.client.clone() }
    }
}

/// The path below which nearly everything of Unity Catalog is.
const BASE: [&str; 3] = ["api", "2.1", "unity-catalog"];

/// The calls of Unity Catalog, which have few shapes.
#[derive(Clone, Debug)]
struct Calls {
    client: Client,
}

/// Whether a call may be sent twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It reads, or says the same thing each time.
    Harmless,
    /// Only if the server certainly did nothing.
    Never,
}

impl Repeat {
    fn operation(self, name: &'static str) -> Operation {
        match self {
            Self::Harmless => Operation::read(name),
            Self::Never => Operation::write(name),
        }
        .with_class(CATALOG)
    }
}

impl Calls {
    /// A request to what has this path below [`BASE`]; each part is one segment, whatever is in it.
    fn request(&self, method: Method, path: &[&str]) -> Request {
        self.client.request(method, BASE.iter().chain(path).copied())
    }

    async fn get<T: DeserializeOwned>(&self, name: &'static str, path: &[&str], query: pages::Query) -> Result<T> {
        let request = self.request(Method::GET, path).with_query(query.pairs());
        self.client.json(Repeat::Harmless.operation(name), request).await
    }

    /// Sends a body and reads the answer.
    async fn send<T: DeserializeOwned>(
        &self,
        (name, repeat): (&'static str, Repeat),
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T> {
        let request = self.request(method, path).with_body(Body::json(body)?);
        self.client.json(repeat.operation(name), request).await
    }

    async fn delete(&self, name: &'static str, path: &[&str], query: pages::Query) -> Result<()> {
        let request = self.request(Method::DELETE, path).with_query(query.pairs());
        self.client.done(Repeat::Never.operation(name), request).await
    }

    /// `max_results` is always sent: without it the service sends everything at once, in an older way.
    fn list<P: Page>(
        &self,
        name: &'static str,
        path: &[&str],
        query: pages::Query,
        max_results: u32,
    ) -> Listing<P::Item> {
        let query = query.text("max_results", max_results.to_string());
        let request = self.request(Method::GET, path).with_query(query.pairs());
        let request = name::check_page(max_results).map(|()| request);
        list::<P>(&self.client, Repeat::Harmless.operation(name), request)
    }
}

/// Whether what was asked for is there.
fn found<T>(answer: Result<T>) -> Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
