//! Where the operations are tried: a backend, its table, and a client that sees what really happened.

use std::{sync::Arc, time::Duration};

use arrow::datatypes::DataType;
use twinhouse_core::{config::Env, resilience::Registry};
use twinhouse_databricks::{DatabricksConfig, DatabricksWarehouse, ResultRoute};
use twinhouse_sandbox::Sandbox;
use twinhouse_testkit::conformance::{Cell, Fixture as _, cells};
use twinhouse_warehouse_api::{TableRef, Warehouse, WarehouseExt as _};

use crate::fixtures::{OnDatabricks, OnRedshift, data_api_of, databricks_builder, redshift_of};

/// A road into a warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    Links,
    Inline,
    Wire,
    DataApi,
}

impl Backend {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Links => "Databricks, results behind links",
            Self::Inline => "Databricks, results in the answer",
            Self::Wire => "Redshift, PostgreSQL wire",
            Self::DataApi => "Redshift, Data API",
        }
    }

    pub(super) fn is_databricks(self) -> bool {
        matches!(self, Self::Links | Self::Inline)
    }
}

/// As whom a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// A personal access token, or a password.
    Fixed,
    /// A service principal, whose tokens can be had again.
    OAuth,
}

/// A table with the columns `id` and `v`, and everything to use it.
pub(super) struct Place<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) backend: Backend,
    pub(super) table: TableRef,
    /// The table's quoted name.
    pub(super) name: String,
    /// Never meets a fault.
    pub(super) observer: Arc<dyn Warehouse>,
}

impl<'a> Place<'a> {
    pub(super) async fn new(sandbox: &'a Sandbox, backend: Backend) -> Self {
        let scratch =
            if backend.is_databricks() { OnDatabricks::LINKS.scratch() } else { OnRedshift::default().scratch() };
        let table = scratch.table("matrix");
        let observer =
            connect(sandbox, if backend.is_databricks() { Backend::Links } else { Backend::Wire }, Login::Fixed).await;
        let dialect = &observer.info().dialect;
        let name = dialect.table(&table).expect("a plain name");
        let bigint = dialect.type_name(&DataType::Int64).expect("a common type");
        observer.execute(format!("create table {name} (id {bigint} not null, v {bigint})")).await.expect("a table");
        Self { sandbox, backend, table, name, observer }
    }

    /// A client that shares nothing with those before it, as far as clients share nothing.
    pub(super) async fn connect(&self, login: Login) -> Arc<dyn Warehouse> {
        connect(self.sandbox, self.backend, login).await
    }

    /// A query of `rows` numbers from 0 on, in the column `i`.
    pub(super) fn rows_query(&self, rows: u64) -> String {
        let query = if self.backend.is_databricks() {
            OnDatabricks::LINKS.rows_query(rows)
        } else {
            OnRedshift::default().rows_query(rows)
        };
        format!("select i /* meets_fault */ from ({query}) as q order by i")
    }

    /// The rows of the table from `from` up to `to`, as they are.
    pub(super) async fn rows(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let sql = format!("select id, v from {} where id >= {from} and id < {to} order by id, v", self.name);
        let batches = self.observer.query(sql).await.expect("a query").collect_batches().await.expect("rows");
        let pair = |row: Vec<Cell>| match row.as_slice() {
            [Cell::Int(id), Cell::Int(v)] => (*id, *v),
            other => panic!("{other:?}"),
        };
        cells(&batches).into_iter().map(pair).collect()
    }
}

async fn connect(sandbox: &Sandbox, backend: Backend, login: Login) -> Arc<dyn Warehouse> {
    match backend {
        Backend::Links | Backend::Inline => {
            let access = sandbox.databricks().await.expect("a workspace");
            let route = if backend == Backend::Inline { ResultRoute::Inline } else { ResultRoute::Links };
            let builder = match login {
                Login::Fixed => databricks_builder(access),
                Login::OAuth => DatabricksConfig::builder()
                    .env(Env::empty())
                    .host(&access.url)
                    .client_id(&access.client_id)
                    .client_secret(access.client_secret.clone())
                    .warehouse_id(&access.warehouse_id)
                    .catalog("main")
                    .schema("default")
                    .staging(&access.staging)
                    .registry(Registry::new()),
            };
            let config = builder.result_route(route).wait(Duration::ZERO).build().expect("settings");
            Arc::new(DatabricksWarehouse::new(config).expect("a client"))
        }
        Backend::Wire => Arc::new(redshift_of(sandbox).await.expect("a cluster")),
        Backend::DataApi => Arc::new(data_api_of(sandbox).await.expect("a Data API")),
    }
}
