//! How sessions are made and made clean again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use tokio::time::Instant;
use twinhouse_auth::{Credential, Generation, Proof};
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, Result,
    resilience::{Operation, Policy},
};

use super::{Life, Meter, Reason, Session};
use crate::{
    config::{PoolOptions, RedshiftConfig},
    error,
    wire::{CancelKey, Connection, Connector, TransactionState, auth},
};

/// How long one try at a connection may take; the limit for all tries is the configured one.
const ONE_TRY: Duration = Duration::from_secs(30);

/// A session and its time.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(super) session: Session,
    pub(super) life: Life,
}

impl Pooled {
    /// Why it must not be handed out again, if so.
    pub(super) fn outlived(&self, options: &PoolOptions) -> Option<Reason> {
        // Up to a tenth off, by the process's number: sessions that were opened together shall not end together.
        let early = options.lifetime / 100 * (self.session.cancel_key().process().unsigned_abs() % 11);
        if self.life.age() >= options.lifetime - early {
            Some(Reason::Lifetime)
        } else if self.life.idle() >= options.idle {
            Some(Reason::Idle)
        } else {
            None
        }
    }
}

/// Opens sessions with the credential that is good at the moment.
#[derive(Debug)]
pub(crate) struct Sessions {
    config: RedshiftConfig,
    connector: Connector,
    policy: Policy,
    meter: Meter,
    /// When a session was last found silent: those that have lain unused since before share its fate.
    silent: Mutex<Option<Instant>>,
}

impl Sessions {
    pub(crate) fn new(config: RedshiftConfig, connector: Connector, policy: Policy, meter: Meter) -> Self {
        Self { config, connector, policy, meter, silent: Mutex::default() }
    }

    fn silent(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One try. `retried` says that a credential was refused before and replaced.
    async fn open(&self, retried: &Mutex<bool>) -> Result<Pooled> {
        let credentials = &self.config.credentials;
        let (credential, generation) = credentials.credential().await?;
        let Proof::Login { user, password } = credential.proof() else {
            return Err(Error::new(ErrorKind::Config, "the credential for a database must be a login")
                .with_context("credential source", credentials.name()));
        };
        let login = auth::Login {
            user,
            password,
            database: &self.config.database,
            application: self.config.application.as_deref(),
        };
        let mut connection = Connection::new(self.connector.connect().await?).told_to(self.config.notices.clone());
        let key = match auth::log_in(&mut connection, &login).await {
            Ok(key) => key,
            Err(error) => {
                let error = error
                    .with_context("host", self.config.host.clone())
                    .with_context("credential source", credentials.name());
                return Err(if error.kind() == ErrorKind::Unauthenticated {
                    self.refused(error, &credential, generation, retried).await
                } else {
                    error
                });
            }
        };
        let key = CancelKey::new(self.connector.clone(), key);
        let life = self.meter.born();
        let session = Session::set_up(connection, key, self.config.schema.as_deref()).await?;
        Ok(Pooled { session, life })
    }

    /// A credential may have expired or been replaced since it was fetched: another try is worth it, once, if the
    /// source has another one now.
    async fn refused(&self, error: Error, old: &Credential, generation: Generation, retried: &Mutex<bool>) -> Error {
        let credentials = &self.config.credentials;
        credentials.invalidate(generation);
        if std::mem::replace(&mut *retried.lock().unwrap_or_else(PoisonError::into_inner), true) {
            return error;
        }
        match credentials.credential().await {
            Ok((new, _)) if new.proof() != old.proof() => error.with_fault(Fault::transient(Effect::None)),
            _ => error,
        }
    }
}

impl Manager for Sessions {
    type Type = Pooled;
    type Error = Error;

    async fn create(&self) -> Result<Pooled> {
        let limit = self.config.pool.connect;
        let operation = Operation::read("connection.open")
            .with_class("connection")
            .with_timeout(limit)
            .with_attempt_timeout(limit.min(ONE_TRY));
        let retried = Mutex::new(false);
        let opened = self.policy.execute(operation, |_| self.open(&retried)).await;
        opened.map_err(|error| error::harmless(error::connecting(error, limit)))
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<Error> {
        if let Some(reason) = pooled.outlived(&self.config.pool) {
            pooled.life.ends(reason);
            return Err(RecycleError::message("the session has had its time"));
        }
        let session = &mut pooled.session;
        // The guard lets nothing else come back; a defect there must not hand one user's query to the next.
        if !session.is_quiet() || session.is_spoiled() || session.transaction() != TransactionState::None {
            return Err(RecycleError::message("the session is not at rest"));
        }
        // One network drops all that were silent at a time: they are not waited for one after the other.
        if self.silent().is_some_and(|when| pooled.life.idle() >= when.elapsed()) {
            return Err(RecycleError::message("the session was silent while another was lost"));
        }
        match tokio::time::timeout(self.config.pool.recycle, session.reset()).await {
            Ok(reset) => reset.map_err(RecycleError::Backend),
            Err(_) => {
                *self.silent() = Some(Instant::now());
                Err(RecycleError::message("the session did not answer"))
            }
        }
    }
}
