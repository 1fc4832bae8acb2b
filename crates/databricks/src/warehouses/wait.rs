//! Waiting for a warehouse to run, or to stop.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};

use super::{Warehouse, WarehouseState, Warehouses};

/// First and longest pause between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

type Progress = Arc<dyn Fn(&Warehouse) + Send + Sync>;

/// How a wait is carried out.
#[derive(Clone)]
#[non_exhaustive]
pub struct WaitOptions {
    /// How long it may take.
    pub timeout: Duration,
    /// Called with what each look found.
    progress: Option<Progress>,
}

impl WaitOptions {
    /// At most so long.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, progress: None }
    }

    /// Calls this with what each look found.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(&Warehouse) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

/// Twenty minutes, which a classic warehouse may need to start.
impl Default for WaitOptions {
    fn default() -> Self {
        Self::new(Duration::from_secs(20 * 60))
    }
}

impl fmt::Debug for WaitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Warehouses {
    /// Waits until a warehouse runs, looking less and less often, every 10 s at last. It is not started here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if it is stopped or removed instead, with the service's summary of its health;
    /// [`ErrorKind::Timeout`] when the time is up; as [`get`](Self::get).
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting, not the warehouse.
    pub async fn wait_running(&self, id: &str, options: WaitOptions) -> Result<Warehouse> {
        use WarehouseState as S;
        let failed = |state: &S| matches!(state, S::Stopped | S::Deleting | S::Deleted);
        self.wait(id, options, S::Running, failed).await
    }

    /// Waits until a warehouse is stopped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if it is removed instead; [`ErrorKind::Timeout`] when the time is up; as
    /// [`get`](Self::get).
    ///
    /// # Cancellation
    ///
    /// As [`wait_running`](Self::wait_running).
    pub async fn wait_stopped(&self, id: &str, options: WaitOptions) -> Result<Warehouse> {
        use WarehouseState as S;
        self.wait(id, options, S::Stopped, |state| matches!(state, S::Deleting | S::Deleted)).await
    }

    async fn wait(
        &self,
        id: &str,
        options: WaitOptions,
        wanted: WarehouseState,
        failed: impl Fn(&WarehouseState) -> bool,
    ) -> Result<Warehouse> {
        let mut last = WarehouseState::default();
        let looking = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let warehouse = self.get(id).await?;
                if let Some(progress) = &options.progress {
                    progress(&warehouse);
                }
                if warehouse.state == wanted {
                    return Ok(warehouse);
                }
                if failed(&warehouse.state) {
                    return Err(failure(id, &wanted, &warehouse));
                }
                last = warehouse.state;
                sleep(pause).await;
                pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            }
        };
        let waited = timeout(options.timeout, looking).await;
        waited.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("the warehouse was not {wanted} in time"))
                .with_fault(Fault::transient(Effect::None))
                .with_context("wait", "warehouse")
                .with_context("warehouse", id)
                .with_context("state", last.as_str())
                .with_context("limit", format!("{:?}", options.timeout)))
        })
    }
}

fn failure(id: &str, wanted: &WarehouseState, warehouse: &Warehouse) -> Error {
    let health = warehouse.health.as_ref();
    let summary = health.and_then(|health| health.summary.as_deref().or(health.message.as_deref()));
    let text = format!("the warehouse is {} and will not be {wanted}", warehouse.state);
    let mut error = Error::new(ErrorKind::Unavailable, text)
        .with_context("warehouse", id)
        .with_context("state", warehouse.state.as_str());
    if let Some(summary) = summary.filter(|summary| !summary.is_empty()) {
        error = error.with_context("summary", summary);
    }
    if let Some(details) = health.and_then(|health| health.details.as_deref()).filter(|details| !details.is_empty()) {
        error = error.with_context("details", details);
    }
    error
}
