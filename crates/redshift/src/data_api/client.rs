//! The calls of the service, each through the one policy.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_redshiftdata::{
    Client as Sdk,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        describe_statement::DescribeStatementOutput, execute_statement::ExecuteStatementOutput,
        get_statement_result::GetStatementResultOutput,
    },
};
use tokio::sync::OnceCell;
use twinhouse_core::{
    ErrorKind, Report, Result,
    resilience::{Operation, Policy, Rate},
};
use uuid::Uuid;

use super::{
    config::{DataApiConfig, Login, Target},
    error::call_failed,
};

/// How long the service may hold an answer back until the statement is over. It allows 30 s.
pub(super) const LONG_POLL: Duration = Duration::from_secs(5);
/// What a call may take beside that.
const ATTEMPT: Duration = Duration::from_secs(60);
/// How long a warehouse that is closed waits for each of its statements to stop.
const CANCEL: Duration = Duration::from_secs(10);

/// The service, as this program may use it. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Client {
    config: Arc<DataApiConfig>,
    policy: Policy,
    /// Made by the first call: looking for an identity may need the network.
    sdk: Arc<OnceCell<Sdk>>,
    /// The ids of statements that somebody holds a handle to.
    held: Arc<Mutex<BTreeSet<String>>>,
}

/// One statement as it is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Sending {
    pub(super) sql: String,
    pub(super) name: Option<String>,
    /// In this session; else in one of its own.
    pub(super) session: Option<String>,
    /// How long the session outlives the statement.
    pub(super) keep_alive: Option<Duration>,
}

/// Several statements as they are sent.
#[derive(Clone, Debug)]
pub(super) struct SendingBatch {
    pub(super) sqls: Vec<String>,
    pub(super) name: Option<String>,
    pub(super) mode: aws_sdk_redshiftdata::types::ExecutionMode,
}

impl Client {
    pub(super) fn new(config: DataApiConfig) -> Self {
        // Calls a second, from the quotas page of the Management Guide.
        let policy = Policy::builder()
            .server("redshift-data", config.host().as_str())
            .rate("data.execute", Rate::per_second(30.0))
            .rate("data.batch", Rate::per_second(20.0))
            .rate("data.describe", Rate::per_second(100.0))
            .rate("data.result", Rate::per_second(20.0))
            .rate("data.cancel", Rate::per_second(3.0))
            .rate("data.list", Rate::per_second(3.0))
            .build();
        Self { config: Arc::new(config), policy, sdk: Arc::default(), held: Arc::default() }
    }

    pub(super) fn config(&self) -> &DataApiConfig {
        &self.config
    }

    pub(super) fn held(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops what somebody still holds a handle to.
    pub(super) async fn cancel_held(&self) {
        let ids: Vec<_> = self.held().iter().cloned().collect();
        let cancel = ids.iter().map(|id| async move {
            match tokio::time::timeout(CANCEL, self.cancel(id)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(statement = %id, error = %Report(&error), "could not cancel"),
                Err(_) => tracing::warn!(statement = %id, "no answer to a cancellation"),
            }
        });
        futures::future::join_all(cancel).await;
    }

    async fn sdk(&self) -> &Sdk {
        self.sdk
            .get_or_init(|| async {
                let config = &self.config;
                let mut sdk = aws_sdk_redshiftdata::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .credentials_provider(config.identity.provider(&config.region).await)
                    .region(Region::new(config.region.clone()))
                    // Only our policy repeats and limits.
                    .retry_config(RetryConfig::disabled())
                    .timeout_config(TimeoutConfig::disabled());
                if let Some(endpoint) = &config.endpoint {
                    sdk = sdk.endpoint_url(endpoint.clone());
                }
                Sdk::from_conf(sdk.build())
            })
            .await
    }

    /// Sends one call, as often as it takes and the operation allows.
    pub(super) async fn call<T, E, Fut>(&self, operation: Operation, send: impl Fn(Sdk) -> Fut) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<T, SdkError<E>>>,
    {
        let sdk = self.sdk().await;
        self.policy
            .execute(operation.with_attempt_timeout(ATTEMPT), |_| {
                let sent = send(sdk.clone());
                async move { sent.await.map_err(call_failed) }
            })
            .await
    }

    /// Hands in one statement. The token makes it one however often it is sent.
    pub(super) async fn execute(&self, sending: Sending) -> Result<ExecuteStatementOutput> {
        let token = Uuid::new_v4().to_string();
        let operation = Operation::read("data.execute").with_class("data.execute");
        let answer = self.call(operation, |sdk| {
            let call = sdk
                .execute_statement()
                .sql(&sending.sql)
                .client_token(&token)
                .set_statement_name(sending.name.clone())
                .set_session_keep_alive_seconds(sending.keep_alive.map(seconds));
            match &sending.session {
                Some(session) => call.session_id(session).send(),
                None => {
                    let (cluster, workgroup) = self.config.target.parts();
                    let (user, secret) = self.config.login.parts();
                    call.database(&self.config.database)
                        .set_cluster_identifier(cluster)
                        .set_workgroup_name(workgroup)
                        .set_db_user(user)
                        .set_secret_arn(secret)
                        .send()
                }
            }
        });
        answer.await
    }

    /// Hands in several statements as one.
    pub(super) async fn batch(&self, batch: SendingBatch) -> Result<String> {
        let token = Uuid::new_v4().to_string();
        let operation = Operation::read("data.batch").with_class("data.batch");
        let answer = self
            .call(operation, |sdk| {
                let (cluster, workgroup) = self.config.target.parts();
                let (user, secret) = self.config.login.parts();
                sdk.batch_execute_statement()
                    .set_sqls(Some(batch.sqls.clone()))
                    .client_token(&token)
                    .execution_mode(batch.mode.clone())
                    .set_statement_name(batch.name.clone())
                    .database(&self.config.database)
                    .set_cluster_identifier(cluster)
                    .set_workgroup_name(workgroup)
                    .set_db_user(user)
                    .set_secret_arn(secret)
                    .send()
            })
            .await?;
        super::id_of(answer.id())
    }

    /// One look. With `wait`, the service answers when the statement is over or the time is.
    pub(super) async fn describe(&self, id: &str, wait: bool) -> Result<DescribeStatementOutput> {
        let look = |wait: Option<i32>| {
            let operation = Operation::read("data.describe").with_class("data.describe");
            self.call(operation, move |sdk| sdk.describe_statement().id(id).set_wait_time_seconds(wait).send())
        };
        match look(wait.then(|| seconds(LONG_POLL))).await {
            // Too many wait for this statement at once: look without waiting.
            Err(error) if wait && error.kind() == ErrorKind::ResourceExhausted => look(None).await,
            answer => answer,
        }
    }

    /// One page of rows.
    pub(super) async fn page(&self, id: &str, token: Option<&str>) -> Result<GetStatementResultOutput> {
        let operation = Operation::read("data.result").with_class("data.result");
        self.call(operation, |sdk| sdk.get_statement_result().id(id).set_next_token(token.map(str::to_owned)).send())
            .await
    }

    /// Asks the service to stop it. One that is over is no error.
    pub(super) async fn cancel(&self, id: &str) -> Result<()> {
        let operation = Operation::read("data.cancel").with_class("data.cancel");
        let answer = self.call(operation, |sdk| sdk.cancel_statement().id(id).send()).await;
        match answer {
            Ok(_) => Ok(()),
            // The service has no code for `over already`: ask.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                let status = self.describe(id, false).await?.status().map(|status| status.as_str().to_owned());
                let over = matches!(status.as_deref(), Some("FINISHED" | "FAILED" | "ABORTED"));
                if over { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

impl Target {
    fn parts(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Cluster(name) => (Some(name.clone()), None),
            Self::Workgroup(name) => (None, Some(name.clone())),
        }
    }
}

impl Login {
    fn parts(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Identity => (None, None),
            Self::User(name) => (Some(name.clone()), None),
            Self::Secret(arn) => (None, Some(arn.clone())),
        }
    }
}
