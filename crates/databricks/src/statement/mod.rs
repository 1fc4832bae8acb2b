//! Statements: submitting them, looking at them, stopping them, reading their rows.
//!
//! Rows come by one of two routes, and the answer says which: Arrow files behind presigned links ([`links`]) or JSON
//! in the answer itself ([`inline`]). Both yield exactly the columns that the manifest announces and exactly as many
//! rows, or an error.

mod arrow;
mod bind;
mod chunk;
mod conform;
mod driver;
mod inline;
mod json;
mod links;
mod live;
mod plan;
mod results;
mod text;
mod wishes;

use std::sync::{Arc, OnceLock};

use ::arrow::array::RecordBatch;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::time::Instant;
use twinhouse_core::{Error, ErrorKind, Result, telemetry::StatementWatch};
use twinhouse_warehouse_api::{
    CallOptions, OnDrop, StatementDriver as _, StatementHandle, StatementId, StatementRequest, submit_watched,
};

pub(crate) use bind::{MAX_STATEMENT, parameter};
pub(crate) use driver::Driver;
use live::Live;
pub(crate) use wishes::{Delivery, Wishes};

use crate::{
    api::Client,
    config::{DatabricksConfig, ResultRoute},
    error::BACKEND,
    wire::{ExecuteStatement, Tag},
};

/// Under which name a label appears among a query's tags.
const LABEL_TAG: &str = "label";
/// The service keeps a submission for at least this many seconds, or not at all.
const SHORTEST_WAIT: u64 = 5;

/// How statements are submitted and read.
#[derive(Clone, Debug)]
struct Settings {
    warehouse_id: String,
    /// Its own place for names, so that none is sent beside it.
    session: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    route: ResultRoute,
    wait: u64,
    timeout: u64,
    downloads: usize,
}

impl Settings {
    fn new(config: &DatabricksConfig, warehouse_id: String) -> Self {
        Self {
            warehouse_id,
            session: None,
            catalog: config.catalog.clone(),
            schema: config.schema.clone(),
            route: config.route,
            wait: config.wait.as_secs(),
            timeout: config.timeout.as_secs(),
            downloads: config.parallel_downloads,
        }
    }

    /// How long the service may keep the submission: well within the request's own time and the call's, because a call
    /// that runs out before it has an id cannot cancel.
    fn wait(&self, options: &CallOptions) -> u64 {
        let call = options.timeout.map_or(u64::MAX, |limit| limit.as_secs());
        let wait = self.wait.min(self.timeout / 2).min(call / 2);
        if wait < SHORTEST_WAIT { 0 } else { wait }
    }
}

/// Submits statements, and remembers which of them are alive.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    client: Client,
    settings: Arc<Settings>,
    live: Live,
}

impl Statements {
    pub(crate) fn new(client: Client, config: &DatabricksConfig) -> Result<Self> {
        Ok(Self::on(client, config, config.required_warehouse()?.to_owned()))
    }

    /// On a warehouse that need not be the configured one.
    pub(crate) fn on(client: Client, config: &DatabricksConfig, warehouse_id: String) -> Self {
        Self { client, settings: Arc::new(Settings::new(config, warehouse_id)), live: Live::default() }
    }

    /// The same inside a session, with an end of its own.
    pub(crate) fn in_session(&self, session: String) -> Self {
        let settings = Settings { session: Some(session), ..(*self.settings).clone() };
        Self { client: self.client.clone(), settings: Arc::new(settings), live: Live::default() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn warehouse_id(&self) -> &str {
        &self.settings.warehouse_id
    }

    /// The catalog and schema that names without them belong to.
    pub(crate) fn place(&self) -> (Option<&str>, Option<&str>) {
        (self.settings.catalog.as_deref(), self.settings.schema.as_deref())
    }

    /// Hands the statement to the service, in a task of its own.
    pub(crate) async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        Ok(self.submit_with(request, Wishes::default()).await?.0)
    }

    /// As [`submit`](Self::submit), with what the contract has no words for.
    pub(crate) async fn submit_with(
        &self,
        request: StatementRequest,
        wishes: Wishes,
    ) -> Result<(StatementHandle, Driver)> {
        let options = request.options().clone();
        let watch = StatementWatch::new(BACKEND, request.sql());
        let statements = self.clone();
        let kept = Arc::new(OnceLock::new());
        let keep = Arc::clone(&kept);
        let submission = async move {
            let driver = statements.execute(request, wishes).await?;
            // A warehouse that was closed meanwhile has nobody left who would stop this one.
            if !statements.live.add(&driver) {
                driver.cancel().await?;
                return Err(live::closed());
            }
            let _ = keep.set(driver.clone());
            Ok(driver)
        };
        let handle = submit_watched(watch, options, submission).await?;
        let driver = kept.get().cloned();
        let driver = driver.ok_or_else(|| Error::new(ErrorKind::Internal, "a submission without a statement"))?;
        Ok((handle, driver))
    }

    /// Runs the statement and hands out the files of its result as they are.
    pub(crate) async fn files(
        &self,
        request: StatementRequest,
        wishes: Wishes,
    ) -> Result<(Driver, BoxStream<'static, Result<Bytes>>)> {
        let deadline = request.options().timeout.and_then(|limit| Instant::now().checked_add(limit));
        let (handle, driver) = self.submit_with(request, wishes).await?;
        let files = chunk::files(driver.clone(), handle, deadline).await?;
        Ok((driver, files))
    }

    /// The rows of one chunk of a result.
    pub(crate) async fn chunk(&self, id: &StatementId, index: u64) -> Result<Vec<RecordBatch>> {
        chunk::rows(&self.client, id, index).await.map_err(|error| error.with_statement_id(id.as_str()))
    }

    /// Finds a statement again. It is somebody else's: letting go of it changes nothing.
    pub(crate) async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        let answer = self.client.statement(id.as_str()).await.map_err(|error| error.with_statement_id(id.as_str()))?;
        let driver = Driver::attached(self.client.clone(), id.as_str().to_owned(), answer, self.settings.downloads);
        Ok(StatementHandle::new(Arc::new(driver), &CallOptions::default().with_on_drop(OnDrop::Detach)))
    }

    /// Takes a statement over whose id was lost: it is ours.
    pub(crate) async fn adopt(&self, id: &StatementId, options: &CallOptions) -> Result<StatementHandle> {
        let answer = self.client.statement(id.as_str()).await.map_err(|error| error.with_statement_id(id.as_str()))?;
        let driver = Driver::submitted(self.client.clone(), id.as_str().to_owned(), answer, self.settings.downloads);
        if !self.live.add(&driver) {
            driver.cancel().await?;
            return Err(live::closed());
        }
        Ok(StatementHandle::new(Arc::new(driver), options))
    }

    /// Stops what is alive and refuses what comes.
    pub(crate) async fn close(&self) {
        self.live.close().await;
    }

    /// Fails once [`close`](Self::close) was called.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.live.check()
    }

    async fn execute(&self, request: StatementRequest, wishes: Wishes) -> Result<Driver> {
        self.live.check()?;
        let settings = &*self.settings;
        let (sql, parameters) = bind::bind(&request, &wishes.typed, &wishes.positional)?;
        let delivery = wishes.delivery.unwrap_or_else(|| settings.route.into());
        let label = request.options().label.iter();
        let label = label.map(|label| Tag { key: LABEL_TAG.to_owned(), value: Some(label.clone()) });
        let place = |own: Option<String>, default: &Option<String>| match settings.session {
            Some(_) => None,
            None => own.or_else(|| default.clone()),
        };
        let catalog = place(wishes.catalog, &settings.catalog);
        let schema = place(wishes.schema, &settings.schema);
        let answer = self
            .client
            .execute(&ExecuteStatement {
                statement: &sql,
                warehouse_id: &settings.warehouse_id,
                session_id: settings.session.as_deref(),
                catalog: catalog.as_deref(),
                schema: schema.as_deref(),
                parameters,
                row_limit: wishes.row_limit,
                byte_limit: wishes.byte_limit,
                disposition: delivery.disposition,
                format: delivery.format,
                result_compression: delivery.compression,
                wait_timeout: format!("{}s", settings.wait(request.options())),
                on_wait_timeout: "CONTINUE",
                query_tags: label.chain(wishes.tags).collect(),
            })
            .await?;
        let id = answer
            .statement_id
            .clone()
            .filter(|id| !id.is_empty())
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the service accepted a statement without naming it"))?;
        Ok(Driver::submitted(self.client.clone(), id, answer, settings.downloads))
    }
}
