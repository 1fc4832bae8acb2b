//! How sessions are made and made clean again.

use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use twinhouse_auth::Proof;
use twinhouse_core::{
    Error, ErrorKind, Result,
    resilience::{Operation, Policy},
};

use super::Session;
use crate::{
    config::RedshiftConfig,
    error,
    wire::{CancelKey, Connection, Connector, TransactionState, auth},
};

/// How long one try at a connection may take; the pool's own limit covers all tries.
const ONE_TRY: Duration = Duration::from_secs(30);

/// Opens sessions with the credential that is good at the moment.
#[derive(Debug)]
pub(crate) struct Sessions {
    config: RedshiftConfig,
    connector: Connector,
    policy: Policy,
}

impl Sessions {
    pub(crate) fn new(config: RedshiftConfig, connector: Connector, policy: Policy) -> Self {
        Self { config, connector, policy }
    }

    async fn open(&self) -> Result<Session> {
        let (credential, generation) = self.config.credentials.credential().await?;
        let Proof::Login { user, password } = credential.proof() else {
            return Err(Error::new(ErrorKind::Config, "the credential for a database must be a login")
                .with_context("credential source", self.config.credentials.name()));
        };
        let login = auth::Login {
            user,
            password,
            database: &self.config.database,
            application: self.config.application.as_deref(),
        };
        let mut connection = Connection::new(self.connector.connect().await?);
        let key = match auth::log_in(&mut connection, &login).await {
            Ok(key) => key,
            Err(error) => {
                if error.kind() == ErrorKind::Unauthenticated {
                    self.config.credentials.invalidate(generation);
                }
                return Err(error.with_context("host", self.config.host.clone()));
            }
        };
        let key = CancelKey::new(self.connector.clone(), key);
        Session::set_up(connection, key, self.config.schema.as_deref()).await
    }
}

impl Manager for Sessions {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session> {
        let limit = self.config.pool.connect.min(ONE_TRY);
        let operation = Operation::read("connection.open").with_class("connection").with_attempt_timeout(limit);
        self.policy.execute(operation, |_| self.open()).await.map_err(error::harmless)
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<Error> {
        // The guard lets nothing else come back; a defect there must not hand one user's query to the next.
        if !session.is_quiet() || session.is_spoiled() || session.transaction() != TransactionState::None {
            return Err(RecycleError::message("the session is not at rest"));
        }
        session.reset().await.map_err(RecycleError::Backend)
    }
}
