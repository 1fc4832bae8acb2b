//! One run over all tables.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream};
use tokio::{sync::watch, time::Instant};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_warehouse_api::TableRef;

use super::{
    background::Stop,
    decide::{DueTask, MaintenanceTask, due},
    health::{HealthThresholds, TableHealth, judge},
    log::{ANALYZED, State, note},
    policy::MaintenancePolicy,
    report::{MaintenanceReport, TableReport, TaskOutcome, TaskReport},
};
use crate::{
    maintain::{AnalyzeOptions, OptimizeOptions, VacuumOptions},
    table::DeltaTable,
};

const CONCURRENCY: usize = 4;

type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Looks after tables by their policies. Cheap to clone.
///
/// ```no_run
/// # async fn example(client: twinhouse_delta::DeltaClient) -> twinhouse_core::Result<()> {
/// use std::time::Duration;
/// use twinhouse_delta::{MaintenancePolicy, MaintenanceScheduler, OptimizePolicy, Stop};
///
/// let by_day = OptimizePolicy::default().with_z_order(["day"]);
/// let scheduler = MaintenanceScheduler::new()
///     .with_table(client.table("orders"), MaintenancePolicy::default().with_optimize(by_day))
///     .with_table(client.table("customers"), MaintenancePolicy::default());
///
/// let report = scheduler.run_once().await;
/// for (table, error) in report.errors() {
///     eprintln!("{table}: {error}");
/// }
///
/// let handle = scheduler.start(Duration::from_secs(3600));
/// handle.stop(Stop::Finish).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MaintenanceScheduler {
    tables: Vec<(DeltaTable, MaintenancePolicy)>,
    concurrency: usize,
    thresholds: HealthThresholds,
    clock: Clock,
    /// The versions at which OPTIMIZE found nothing to do.
    idle: Arc<Mutex<HashMap<TableRef, u64>>>,
}

impl Default for MaintenanceScheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MaintenanceScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaintenanceScheduler")
            .field("tables", &self.tables)
            .field("concurrency", &self.concurrency)
            .field("thresholds", &self.thresholds)
            .finish_non_exhaustive()
    }
}

impl MaintenanceScheduler {
    /// No tables yet; four at once; this machine's clock.
    pub fn new() -> Self {
        Self {
            tables: Vec::new(),
            concurrency: CONCURRENCY,
            thresholds: HealthThresholds::default(),
            clock: Arc::new(Utc::now),
            idle: Arc::default(),
        }
    }

    /// Adds a table.
    #[must_use]
    pub fn with_table(mut self, table: DeltaTable, policy: MaintenancePolicy) -> Self {
        self.tables.push((table, policy));
        self
    }

    /// Sets how many tables are worked on at once; at least one.
    #[must_use]
    pub fn with_concurrency(mut self, tables: usize) -> Self {
        self.concurrency = tables.max(1);
        self
    }

    /// Sets from where on [`analyze_table`](Self::analyze_table) remarks on something.
    #[must_use]
    pub fn with_thresholds(mut self, thresholds: HealthThresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Sets what tells the time, to which ages are compared. It should agree with the server's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How a table is doing, whether or not it is one of the scheduler's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such table.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement at work.
    pub async fn analyze_table(&self, table: &DeltaTable) -> Result<TableHealth> {
        let now = (self.clock)();
        let state = State::read(table, None, now).await?;
        Ok(judge(table.table_ref(), &state, &self.thresholds, now))
    }

    /// What is due for each table now. Nothing is done.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statements at work.
    pub async fn plan(&self) -> Vec<(TableRef, Result<Vec<DueTask>>)> {
        let looks: Vec<_> = self.tables.iter().map(|(table, policy)| self.look(table, policy)).collect();
        stream::iter(looks).buffered(self.concurrency).collect().await
    }

    async fn look(&self, table: &DeltaTable, policy: &MaintenancePolicy) -> (TableRef, Result<Vec<DueTask>>) {
        let now = (self.clock)();
        let tasks = State::read(table, Some(policy), now).await.map(|state| {
            let due = |task| self.due(task, table, policy, &state, now);
            MaintenanceTask::ALL.into_iter().filter_map(due).collect()
        });
        (table.table_ref().clone(), tasks)
    }

    /// Looks at every table once and does what is due. A table that fails does not stop the others; what it failed
    /// with stands in the report.
    ///
    /// Another scheduler at work on the same tables does no harm: what is due is decided anew before each task, and
    /// the loser of a conflict leaves the table as the winner made it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statements at work and begins no other.
    pub async fn run_once(&self) -> MaintenanceReport {
        let (_running, stop) = watch::channel(None);
        self.run(stop).await
    }

    /// As [`run_once`](Self::run_once), until told to stop.
    pub(super) async fn run(&self, mut stop: watch::Receiver<Option<Stop>>) -> MaintenanceReport {
        let (started, began) = ((self.clock)(), Instant::now());
        let asked = stop.clone();
        // Collected: a future that keeps the closure is not `Send`.
        let work: Vec<_> = self
            .tables
            .iter()
            .enumerate()
            .map(|(index, (table, policy))| {
                let asked = asked.clone();
                async move { (index, self.look_after(table, policy, &asked).await) }
            })
            .collect();
        let mut work = Box::pin(stream::iter(work).buffer_unordered(self.concurrency));
        let mut tables = Vec::with_capacity(self.tables.len());
        loop {
            tokio::select! {
                biased;
                () = cancelled(&mut stop) => break,
                next = work.next() => match next {
                    Some((index, Some(report))) => tables.push((index, report)),
                    Some((_, None)) => {}
                    None => break,
                },
            }
        }
        tables.sort_by_key(|(index, _)| *index);
        let interrupted = tables.len() < self.tables.len();
        let tables = tables.into_iter().map(|(_, report)| report).collect();
        MaintenanceReport { started, elapsed: began.elapsed(), tables, interrupted }
    }

    /// `None` if the run was to stop before the table's turn.
    async fn look_after(
        &self,
        table: &DeltaTable,
        policy: &MaintenancePolicy,
        stop: &watch::Receiver<Option<Stop>>,
    ) -> Option<TableReport> {
        let mut report = TableReport { table: table.table_ref().clone(), tasks: Vec::new(), error: None };
        let mut state = None;
        for task in MaintenanceTask::ALL {
            if stop.borrow().is_some() {
                return (!report.tasks.is_empty()).then_some(report);
            }
            let now = (self.clock)();
            let seen = match state.take() {
                Some(seen) => seen,
                None => match State::read(table, Some(policy), now).await {
                    Ok(seen) => seen,
                    Err(error) => {
                        tracing::warn!(table = %table.table_ref(), %error, "cannot look at a table");
                        report.error = Some(error);
                        return Some(report);
                    }
                },
            };
            let Some(DueTask { reason, .. }) = self.due(task, table, policy, &seen, now) else {
                state = Some(seen);
                continue;
            };
            let began = Instant::now();
            let outcome = match self.carry_out(task, table, policy, &seen, now).await {
                Ok(outcome) => outcome,
                Err(error) if error.kind() == ErrorKind::Conflict => TaskOutcome::Conflict(error),
                Err(error) => {
                    tracing::warn!(table = %table.table_ref(), ?task, %error, "maintenance failed");
                    TaskOutcome::Failed(error)
                }
            };
            report.tasks.push(TaskReport { task, reason, outcome, elapsed: began.elapsed() });
        }
        Some(report)
    }

    fn due(
        &self,
        task: MaintenanceTask,
        table: &DeltaTable,
        policy: &MaintenancePolicy,
        state: &State,
        now: DateTime<Utc>,
    ) -> Option<DueTask> {
        let idle = || self.idle().get(table.table_ref()).copied();
        if task == MaintenanceTask::Optimize && state.log.last_write.is_some() && idle() == state.log.last_write {
            return None;
        }
        due(task, policy, state, now).map(|reason| DueTask { task, reason })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, HashMap<TableRef, u64>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(
        &self,
        task: MaintenanceTask,
        table: &DeltaTable,
        policy: &MaintenancePolicy,
        state: &State,
        now: DateTime<Utc>,
    ) -> Result<TaskOutcome> {
        match task {
            MaintenanceTask::Optimize => {
                let mut options = OptimizeOptions::default();
                if let Some(policy) = &policy.optimize {
                    options = options.with_z_order(&policy.z_order);
                    options.filter = policy.filter.clone();
                }
                let report = table.optimize(options).await?;
                if let (0, Some(version)) = (report.num_files_added + report.num_files_removed, state.log.last_write) {
                    self.idle().insert(table.table_ref().clone(), version);
                }
                Ok(TaskOutcome::Optimized(Box::new(report)))
            }
            MaintenanceTask::Vacuum => {
                let mut options = VacuumOptions::default();
                if let Some(policy) = &policy.vacuum {
                    options.retain = policy.retain;
                    options.mode = policy.mode;
                }
                table.vacuum(options).await?;
                Ok(TaskOutcome::Vacuumed)
            }
            MaintenanceTask::Analyze => {
                let what = policy.analyze.as_ref().map(|policy| policy.what.clone()).unwrap_or_default();
                table.analyze(AnalyzeOptions::default().with_what(what)).await?;
                let noted = table.set_properties([(ANALYZED, note(state.log.version, now))]).await;
                noted.map_err(|error| error.with_context("while", "noting that the table was analyzed"))?;
                Ok(TaskOutcome::Analyzed)
            }
        }
    }
}

/// Resolves when the run is to end at once: told so, or nobody holds the handle any more.
async fn cancelled(stop: &mut watch::Receiver<Option<Stop>>) {
    // An error means that the handle is gone.
    let _ = stop.wait_for(|asked| *asked == Some(Stop::Cancel)).await;
}
