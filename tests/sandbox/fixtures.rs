//! The sandbox of this process, and the two backends connected to it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use twinhouse_core::{Result, config::Env, resilience::Registry};
use twinhouse_databricks::{DatabricksBuilder, DatabricksConfig, DatabricksWarehouse, ResultRoute};
use twinhouse_redshift::{
    RedshiftBuilder, RedshiftWarehouse,
    data_api::{DataApiConfig, DataApiWarehouse, Login, Target},
};
use twinhouse_sandbox::{DatabricksAccess, Faults, RedshiftAccess, S3Store, Sandbox, SandboxOptions};
use twinhouse_testkit::conformance::{Fixture, Scratch};
use twinhouse_warehouse_api::{StatementRequest, Warehouse, WarehouseExt as _};

const CATALOG: &str = "main";
const SCHEMA: &str = "default";

/// Names a folder in which what the tests write shall stay.
pub(crate) const KEEP: &str = "TWINHOUSE_PROOF_FOLDER";

/// The file in that folder that has the statements of the tests.
pub(crate) const STATEMENTS: &str = "statements.jsonl";

/// Marks statements that a test has written itself: no builder made them.
pub(crate) const BY_HAND: &str = "/* by hand */ ";

/// How long to wait for what will come true. A machine may be slow, and much else may run on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Looks again until it holds.
pub(crate) async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The sandbox of this process.
pub(crate) async fn shared() -> Result<&'static Sandbox> {
    static KEPT: OnceCell<Sandbox> = OnceCell::const_new();
    match std::env::var_os(KEEP) {
        None => Sandbox::shared().await,
        Some(folder) => {
            let log = std::path::Path::new(&folder).join(STATEMENTS);
            let options = SandboxOptions::default().with_fronts([]).with_data_folder(&folder).with_statement_log(log);
            KEPT.get_or_try_init(|| Sandbox::start(options)).await
        }
    }
}

/// Settings for the workspace; nothing comes from this machine's environment, and nothing is shared with other tests.
pub(crate) fn databricks_builder(access: &DatabricksAccess) -> DatabricksBuilder {
    DatabricksConfig::builder()
        .env(Env::empty())
        .host(&access.url)
        .token(access.token.clone())
        .warehouse_id(&access.warehouse_id)
        .catalog(CATALOG)
        .schema(SCHEMA)
        .staging("/Volumes/main/default/staging")
        .registry(Registry::new())
}

/// Settings for the cluster; nothing comes from this machine's environment.
pub(crate) fn redshift_builder(access: &RedshiftAccess, s3: &S3Store) -> Result<RedshiftBuilder> {
    Ok(RedshiftBuilder::from_url(access.url.expose())?
        .env(Env::empty())
        .iam_role(&s3.iam_role)
        .region(&s3.region)
        .s3_endpoint(&s3.endpoint)
        .s3_keys(s3.access_key.as_str(), s3.secret_key.clone(), None))
}

/// The workspace of a sandbox. Nothing is held back by the server while it works: a slow query has its id at once.
pub(crate) async fn databricks_of(sandbox: &Sandbox) -> Result<DatabricksWarehouse> {
    DatabricksWarehouse::new(databricks_builder(sandbox.databricks().await?).wait(Duration::ZERO).build()?)
}

/// The cluster of a sandbox.
pub(crate) async fn redshift_of(sandbox: &Sandbox) -> Result<RedshiftWarehouse> {
    let access = sandbox.redshift().await?;
    RedshiftWarehouse::new(redshift_builder(access, sandbox.s3())?.build()?)
}

/// The Databricks workspace of the sandbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnDatabricks {
    name: &'static str,
    route: ResultRoute,
    /// How long the server holds back its answer to a submission. `None`: as long as it does by default, 10 s, and a
    /// slow query has no id before.
    wait: Option<Duration>,
}

impl OnDatabricks {
    /// Results behind links, ids at once.
    pub(crate) const LINKS: Self = Self { name: "databricks", route: ResultRoute::Links, wait: Some(Duration::ZERO) };
    /// Results inside the answers.
    pub(crate) const INLINE: Self = Self { name: "databricks inline", route: ResultRoute::Inline, ..Self::LINKS };
    /// As the client does unless told otherwise.
    pub(crate) const WAITING: Self = Self { name: "databricks waiting", wait: None, ..Self::LINKS };
}

/// The Redshift cluster of the sandbox.
#[derive(Debug, Default)]
pub(crate) struct OnRedshift {
    /// Looks at the server beside the warehouse under test.
    observer: OnceCell<RedshiftWarehouse>,
}

#[async_trait]
impl Fixture for OnDatabricks {
    fn name(&self) -> &str {
        self.name
    }

    async fn warehouse(&self) -> Result<Arc<dyn Warehouse>> {
        let mut builder = databricks_builder(shared().await?.databricks().await?).result_route(self.route);
        if let Some(wait) = self.wait {
            builder = builder.wait(wait);
        }
        Ok(Arc::new(DatabricksWarehouse::new(builder.build()?)?))
    }

    fn scratch(&self) -> Scratch {
        Scratch::new(Some(CATALOG), Some(SCHEMA))
    }

    fn rows_query(&self, rows: u64) -> String {
        format!(
            "select id as i, concat('row ', cast(id as string)) as t, \
             cast(cast(id as decimal(18, 0)) * cast('0.01' as decimal(3, 2)) as decimal(20, 2)) as d from range({rows})"
        )
    }

    fn slow_query(&self, marker: &str) -> String {
        format!("select /* {marker} */ sum((a.id * b.id) % 7) as n from range(10000000) a cross join range(1000000) b")
    }

    async fn is_running(&self, marker: &str) -> Option<bool> {
        Some(shared().await.ok()?.is_running(marker))
    }

    fn secrets(&self) -> Vec<String> {
        databricks_secrets()
    }
}

#[async_trait]
impl Fixture for OnRedshift {
    fn name(&self) -> &str {
        "redshift"
    }

    async fn warehouse(&self) -> Result<Arc<dyn Warehouse>> {
        Ok(Arc::new(redshift_of(shared().await?).await?))
    }

    fn scratch(&self) -> Scratch {
        Scratch::new(None, Some("public"))
    }

    /// Made of digits: `generate_series` is not for compute nodes.
    fn rows_query(&self, rows: u64) -> String {
        let digits = rows.saturating_sub(1).checked_ilog10().unwrap_or(0) + 1;
        let i: Vec<_> = (0..digits).map(|d| format!("d{d}.n * {}", 10_u64.pow(d))).collect();
        let from: Vec<_> = (0..digits).map(|d| format!("{DIGITS} as d{d}")).collect();
        format!(
            "select i, 'row ' || cast(i as varchar) as t, cast(i * 0.01 as decimal(20, 2)) as d \
             from (select cast({} as bigint) as i from {}) as r where i < {rows}",
            i.join(" + "),
            from.join(" cross join ")
        )
    }

    fn slow_query(&self, marker: &str) -> String {
        let from: Vec<_> = (0..12).map(|d| format!("{DIGITS} as d{d}")).collect();
        format!("select /* {marker} */ sum(d0.n * d11.n) as n from {}", from.join(" cross join "))
    }

    async fn is_running(&self, marker: &str) -> Option<bool> {
        let observer = async { redshift_of(shared().await?).await };
        let observer = self.observer.get_or_try_init(|| observer).await.ok()?;
        let request = StatementRequest::read(
            "select cast(count(*) as bigint) as n from pg_stat_activity \
             where state = 'active' and pid <> pg_backend_pid() and query like :marker",
        );
        let request = request.bind("marker", format!("%{marker}%"));
        let found: Count = observer.fetch_one(request).await.unwrap_or_else(|error| panic!("cannot look: {error:?}"));
        Some(found.n > 0)
    }

    fn unload_prefix(&self) -> Option<String> {
        Some(known(async |sandbox| Ok(format!("s3://{}/unloads", sandbox.s3().bucket))))
    }

    /// PostgreSQL's own limit; Redshift has 127.
    fn longest_name(&self) -> Option<usize> {
        Some(63)
    }

    fn secrets(&self) -> Vec<String> {
        redshift_secrets()
    }
}

/// The same cluster behind the Data API.
#[derive(Debug, Default)]
pub(crate) struct OnDataApi(OnRedshift);

/// The Data API of a sandbox; nothing comes from this machine's environment.
pub(crate) async fn data_api_of(sandbox: &Sandbox) -> Result<DataApiWarehouse> {
    let (access, aws, s3) = (sandbox.redshift().await?, sandbox.aws().await?, sandbox.s3());
    let config = DataApiConfig::builder()
        .env(Env::empty())
        .target(Target::Cluster(aws.cluster_identifier.clone()))
        .login(Login::Secret(aws.secret_arn.clone()))
        .database(&access.database)
        .region(&s3.region)
        .endpoint(&aws.endpoint)
        .keys(s3.access_key.as_str(), s3.secret_key.clone(), None);
    Ok(DataApiWarehouse::new(config.build()?))
}

#[async_trait]
impl Fixture for OnDataApi {
    fn name(&self) -> &str {
        "redshift data api"
    }

    async fn warehouse(&self) -> Result<Arc<dyn Warehouse>> {
        Ok(Arc::new(data_api_of(Sandbox::shared().await?).await?))
    }

    fn scratch(&self) -> Scratch {
        self.0.scratch()
    }

    fn rows_query(&self, rows: u64) -> String {
        self.0.rows_query(rows)
    }

    fn slow_query(&self, marker: &str) -> String {
        self.0.slow_query(marker)
    }

    async fn is_running(&self, marker: &str) -> Option<bool> {
        self.0.is_running(marker).await
    }

    fn longest_name(&self) -> Option<usize> {
        self.0.longest_name()
    }

    fn secrets(&self) -> Vec<String> {
        redshift_secrets()
    }
}

#[derive(serde::Deserialize)]
struct Count {
    n: i64,
}

const DIGITS: &str = "(select 0 as n union all select 1 union all select 2 union all select 3 union all select 4 \
                      union all select 5 union all select 6 union all select 7 union all select 8 union all select 9)";

/// Once a fixture has connected, what it connects with is known.
fn known<T>(look: impl AsyncFnOnce(&Sandbox) -> Result<T> + Send + 'static) -> T
where
    T: Send + 'static,
{
    // The caller is inside a runtime, which cannot be entered twice.
    let look = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move { look(shared().await?).await })
    });
    look.join().expect("no panic").expect("a sandbox that runs")
}

fn databricks_secrets() -> Vec<String> {
    known(async |sandbox| Ok(vec![sandbox.databricks().await?.token.expose().to_owned()]))
}

fn redshift_secrets() -> Vec<String> {
    known(async |sandbox| {
        let password = sandbox.redshift().await?.password.expose().to_owned();
        Ok(vec![password, sandbox.s3().secret_key.expose().to_owned()])
    })
}

/// A sandbox for tests that break things: one at a time has it, and it is whole again afterwards.
pub(crate) struct Breakable {
    pub(crate) sandbox: &'static Sandbox,
    _turn: MutexGuard<'static, ()>,
}

impl Breakable {
    pub(crate) async fn take() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        static SANDBOX: OnceCell<Sandbox> = OnceCell::const_new();
        let turn = TURN.lock().await;
        let start = || Sandbox::start(SandboxOptions::default().with_fronts([]));
        let sandbox = SANDBOX.get_or_try_init(start).await.expect("a sandbox that starts");
        Self { sandbox, _turn: turn }
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.sandbox.faults()
    }
}

impl Drop for Breakable {
    fn drop(&mut self) {
        self.sandbox.faults().clear();
    }
}
