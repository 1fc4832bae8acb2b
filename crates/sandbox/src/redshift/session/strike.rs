//! Scheduled faults.

use std::io;

use super::{
    super::{
        relay::{Expected, Request},
        report::Report,
        statement::Verb,
        wire::put,
    },
    Session,
};
use crate::faults::{FaultKind, When};

impl Session {
    /// A scheduled fault strikes this statement.
    pub(super) async fn fault(&mut self, kind: FaultKind, text: &str, verb: Verb) -> io::Result<()> {
        self.settle().await?;
        match kind {
            FaultKind::SerializationConflict => {
                let report = self.conflict();
                // A COMMIT that fails leaves no transaction behind.
                self.strike(report, verb == Verb::Commit).await
            }
            FaultKind::DiskFull => self.strike(disk_full(), false).await,
            FaultKind::KillBackend => {
                self.shared.terminate(self.asker.pid).await;
                // The dying engine says so to the client, and hangs up.
                std::future::pending().await
            }
            FaultKind::Reset { when: When::Before } => self.reset().await,
            FaultKind::Reset { when: When::After } => {
                let analysis = self.analyse(text);
                self.switch.reset();
                self.run(text.to_owned(), analysis).await?;
                self.flush().await?;
                self.link.wait_idle().await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            FaultKind::DropIdle => {
                let analysis = self.analyse(text);
                self.switch.drop_idle();
                self.run(text.to_owned(), analysis).await
            }
            // The schedule refuses the others for this front.
            _ => Ok(()),
        }
    }

    /// The statement fails without having been run.
    pub(super) async fn strike(&mut self, report: Report, rolled_back: bool) -> io::Result<()> {
        self.link.lock().diverted = true;
        if rolled_back {
            self.quietly("ROLLBACK").await?;
        }
        let failed = self.fail(report).await;
        self.link.lock().diverted = false;
        failed?.ok();
        self.tell_ready().await
    }

    /// Ends the connection without a word.
    pub(super) async fn reset(&mut self) -> io::Result<()> {
        self.switch.reset();
        // The stream under it dies on this write.
        self.write(&[0]).await?;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    pub(super) async fn fault_in_extended(&mut self, kind: FaultKind) -> io::Result<Option<Report>> {
        match kind {
            FaultKind::SerializationConflict => return Ok(Some(self.conflict())),
            FaultKind::DiskFull => return Ok(Some(disk_full())),
            FaultKind::Reset { when: When::Before } => self.reset().await?,
            // The schedule refuses the others for this front, or they strike the work.
            _ => {}
        }
        Ok(None)
    }

    /// A prepared statement is on its way to the engine, and a fault strikes it there.
    pub(super) async fn fault_in_execution(&mut self, kind: FaultKind) -> io::Result<()> {
        match kind {
            FaultKind::KillBackend => {
                self.flush().await?;
                self.shared.terminate(self.asker.pid).await;
                std::future::pending().await
            }
            FaultKind::Reset { .. } => {
                self.switch.reset();
                // Only with this is it done for good, where no transaction is open.
                put(&mut self.pending, b'S', |_| {});
                self.expect(Expected::new(Request::Sync));
                self.flush().await?;
                self.link.wait_idle().await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => {
                self.switch.drop_idle();
                Ok(())
            }
        }
    }

    pub(super) fn conflict(&self) -> Report {
        Report::serialization_conflict(format!(
            "Serializable isolation violation on table - 100001, transactions forming the cycle are: 1, 2 (pid:{})",
            self.asker.pid
        ))
    }
}

/// Whether a statement of the extended protocol meets this when it is executed, and not when it is prepared.
pub(super) fn strikes_the_work(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::KillBackend | FaultKind::DropIdle | FaultKind::Reset { when: When::After })
}

fn disk_full() -> Report {
    Report::error("53100", "could not extend relation: No space left on device").with_hint("Check free disk space.")
}
