//! What every part of a warehouse shares: the pool, the policies, the statements that run, the staging place.

use std::{sync::Arc, time::Duration};

use twinhouse_core::{
    Result,
    resilience::{BreakerOptions, Policy},
};
use twinhouse_warehouse_api::{RedshiftDialect, WarehouseInfo};

use crate::{
    config::RedshiftConfig,
    error,
    load::Slices,
    pool::{Meter, Pool, Sessions},
    settings::SessionSettings,
    staging::Staging,
    statement::Running,
    views::DeploymentCell,
    wire::Connector,
};

/// One server, as this program is connected to it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    info: WarehouseInfo,
    config: RedshiftConfig,
    pool: Pool,
    policy: Policy,
    transactions: Policy,
    running: Running,
    staging: Option<Staging>,
    deployment: DeploymentCell,
    slices: Slices,
}

impl Cluster {
    pub(crate) fn new(config: RedshiftConfig) -> Result<Arc<Self>> {
        let connector = Connector::new(
            config.host.clone(),
            config.port,
            config.sslmode,
            config.root_certificate.clone(),
            config.pool.keepalive,
        );
        let staging = config.staging.as_ref().map(|prefix| Staging::s3(prefix, &config)).transpose()?;
        Self::over(config, connector, staging)
    }

    /// The same over any way to the server and any staging place.
    pub(crate) fn over(config: RedshiftConfig, connector: Connector, staging: Option<Staging>) -> Result<Arc<Self>> {
        let host = format!("{}:{}", config.host, config.port);
        let policy = Policy::builder().server("redshift", host.as_str()).build();
        // Conflicts are the server at work, not the server in trouble: they must not open the breaker.
        let transactions = Policy::builder()
            .server("redshift", host.as_str())
            .max_attempts(8)
            .backoff(Duration::from_millis(100), Duration::from_secs(5))
            .breaker(BreakerOptions::default().with_faults(u32::MAX))
            .build();
        let schema = config.schema.clone().unwrap_or_else(|| "public".to_owned());
        let info = WarehouseInfo::new("redshift", host.as_str(), Arc::new(RedshiftDialect))
            .with_defaults(Some(config.database.clone()), Some(schema));
        let meter = Meter::new(host.as_str());
        let sessions = Sessions::new(config.clone(), connector, policy.clone(), meter.clone());
        let pool = Pool::new(sessions, config.pool, meter)?;
        let running = Running::default();
        let deployment = DeploymentCell::default();
        Ok(Arc::new(Self {
            info,
            config,
            pool,
            policy,
            transactions,
            running,
            staging,
            deployment,
            slices: Slices::default(),
        }))
    }

    pub(crate) fn slices(&self) -> &Slices {
        &self.slices
    }

    /// The same server, for calls whose sessions run with these settings.
    pub(crate) fn with_settings(&self, settings: SessionSettings) -> Result<Arc<Self>> {
        settings.check()?;
        Ok(Arc::new(Self { pool: self.pool.with_settings(settings), ..self.clone() }))
    }

    pub(crate) fn info(&self) -> &WarehouseInfo {
        &self.info
    }

    pub(crate) fn config(&self) -> &RedshiftConfig {
        &self.config
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Repeats single statements and requests.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Repeats whole transactions.
    pub(crate) fn transactions(&self) -> &Policy {
        &self.transactions
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    pub(crate) fn staging(&self) -> Option<&Staging> {
        self.staging.as_ref()
    }

    /// What the server is, once it was asked.
    pub(crate) fn deployment(&self) -> &DeploymentCell {
        &self.deployment
    }

    /// What has begun may go on until the time that `close` gives it has run out.
    pub(crate) fn check_not_over(&self) -> Result<()> {
        if self.pool.is_over() { Err(error::closed()) } else { Ok(()) }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.pool.is_closed() { Err(error::closed()) } else { Ok(()) }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
        self.pool.drained(self.config.pool.drain).await;
        self.running.cancel_all().await;
    }
}
