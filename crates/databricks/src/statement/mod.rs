//! Statements: submitting them, looking at them, stopping them, reading their rows.
//!
//! Rows come by one of two routes, and the answer says which: Arrow files behind presigned links ([`links`]) or JSON
//! in the answer itself ([`inline`]). Both yield exactly the columns that the manifest announces and exactly as many
//! rows, or an error.

mod arrow;
mod bind;
mod conform;
mod driver;
mod inline;
mod json;
mod links;
mod live;
mod plan;
mod results;
mod text;

use std::sync::Arc;

use tracing::{Instrument as _, Span};
use twinhouse_core::{Error, ErrorKind, Result, telemetry::span};
use twinhouse_warehouse_api::{
    CallOptions, OnDrop, StatementDriver as _, StatementHandle, StatementId, StatementRequest, submit_in_task,
};

pub(crate) use bind::MAX_STATEMENT;
use driver::Driver;
use live::Live;

use crate::{
    api::Client,
    config::{DatabricksConfig, ResultRoute},
    error::BACKEND,
    wire::{ExecuteStatement, QueryTag},
};

/// Under which name a label appears among a query's tags.
const LABEL_TAG: &str = "label";
/// The service keeps a submission for at least this many seconds, or not at all.
const SHORTEST_WAIT: u64 = 5;

/// How statements are submitted and read.
#[derive(Debug)]
struct Settings {
    warehouse_id: String,
    catalog: Option<String>,
    schema: Option<String>,
    route: ResultRoute,
    wait: u64,
    timeout: u64,
    downloads: usize,
}

impl Settings {
    fn new(config: &DatabricksConfig) -> Result<Self> {
        Ok(Self {
            warehouse_id: config.required_warehouse()?.to_owned(),
            catalog: config.catalog.clone(),
            schema: config.schema.clone(),
            route: config.route,
            wait: config.wait.as_secs(),
            timeout: config.timeout.as_secs(),
            downloads: config.parallel_downloads,
        })
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
        Ok(Self { client, settings: Arc::new(Settings::new(config)?), live: Live::default() })
    }

    /// Hands the statement to the service, in a task of its own.
    pub(crate) async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        let options = request.options().clone();
        let span = span::statement(BACKEND, request.sql());
        let statements = self.clone();
        let submission = async move {
            let driver = statements.execute(request).await?;
            span::statement_id(&Span::current(), driver.id().as_str());
            // A warehouse that was closed meanwhile has nobody left who would stop this one.
            if !statements.live.add(&driver) {
                driver.cancel().await?;
                return Err(live::closed());
            }
            Ok(driver)
        };
        submit_in_task(options, submission.instrument(span)).await
    }

    /// Finds a statement again. It is somebody else's: letting go of it changes nothing.
    pub(crate) async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        let answer = self.client.statement(id.as_str()).await.map_err(|error| error.with_statement_id(id.as_str()))?;
        let driver = Driver::attached(self.client.clone(), id.as_str().to_owned(), answer, self.settings.downloads);
        Ok(StatementHandle::new(Arc::new(driver), &CallOptions::default().with_on_drop(OnDrop::Detach)))
    }

    /// Stops what is alive and refuses what comes.
    pub(crate) async fn close(&self) {
        self.live.close().await;
    }

    /// Fails once [`close`](Self::close) was called.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.live.check()
    }

    async fn execute(&self, request: StatementRequest) -> Result<Driver> {
        self.live.check()?;
        let settings = &*self.settings;
        let (sql, parameters) = bind::bind(&request)?;
        let (disposition, format, result_compression) = match settings.route {
            ResultRoute::Links => ("EXTERNAL_LINKS", "ARROW_STREAM", Some("LZ4_FRAME")),
            ResultRoute::Inline => ("INLINE", "JSON_ARRAY", None),
        };
        let tags = request.options().label.iter().map(|label| QueryTag { key: LABEL_TAG, value: label.clone() });
        let answer = self
            .client
            .execute(&ExecuteStatement {
                statement: &sql,
                warehouse_id: &settings.warehouse_id,
                catalog: settings.catalog.as_deref(),
                schema: settings.schema.as_deref(),
                parameters,
                disposition,
                format,
                result_compression,
                wait_timeout: format!("{}s", settings.wait(request.options())),
                on_wait_timeout: "CONTINUE",
                query_tags: tags.collect(),
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
