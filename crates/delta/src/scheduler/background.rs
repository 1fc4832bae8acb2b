//! A scheduler as a background task.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{report::MaintenanceReport, run::MaintenanceScheduler};

/// How a background scheduler stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// Statements at work finish; no other is begun.
    Finish,
    /// Statements at work are cancelled, on the server too.
    Cancel,
}

/// A scheduler that runs in the background.
///
/// Dropping it stops the scheduler as [`Stop::Cancel`] does, without waiting for it.
#[derive(Debug)]
pub struct MaintenanceHandle {
    stop: watch::Sender<Option<Stop>>,
    reports: watch::Receiver<Option<Arc<MaintenanceReport>>>,
    task: JoinHandle<()>,
}

impl MaintenanceScheduler {
    /// Runs now and then every so often, from begin to begin; a run that takes longer delays the next. Must be called
    /// inside a tokio runtime.
    ///
    /// # Panics
    ///
    /// If `every` is zero, or outside of a tokio runtime.
    pub fn start(self, every: Duration) -> MaintenanceHandle {
        let (stop, mut asked) = watch::channel(None);
        let (sender, reports) = watch::channel(None);
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    // Told to stop, or the handle is gone.
                    _ = asked.wait_for(Option::is_some) => return,
                    _ = ticks.tick() => {}
                }
                let report = self.run(asked.clone()).await;
                sender.send_replace(Some(Arc::new(report)));
            }
        });
        MaintenanceHandle { stop, reports, task }
    }
}

impl MaintenanceHandle {
    /// The report of the latest run that has ended, if one has.
    pub fn latest(&self) -> Option<Arc<MaintenanceReport>> {
        self.reports.borrow().clone()
    }

    /// Waits for the next run to end, and answers its report; `None` if the scheduler has stopped. Reports that nobody
    /// waited for are skipped, except the latest.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn next_report(&mut self) -> Option<Arc<MaintenanceReport>> {
        self.reports.changed().await.ok()?;
        self.reports.borrow_and_update().clone()
    }

    /// Stops the scheduler, waits until it has stopped, and answers the report of its last run, which may have been
    /// interrupted.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the handle: what is at work is cancelled.
    pub async fn stop(mut self, how: Stop) -> Option<Arc<MaintenanceReport>> {
        self.stop.send_replace(Some(how));
        // The task ends by itself; if it panicked, the last report stands.
        let _ = (&mut self.task).await;
        self.latest()
    }
}
