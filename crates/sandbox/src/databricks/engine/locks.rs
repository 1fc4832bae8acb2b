//! Keeps OPTIMIZE apart from statements that change rows.
//!
//! The engine does not see that a file which a change takes out was already rewritten by OPTIMIZE, and would keep both
//! the changed rows and the rewritten ones. So OPTIMIZE waits for the changes of its table, and they for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use uuid::Uuid;

/// One lock for each table in use.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<HashMap<Uuid, Weak<RwLock<()>>>>);

/// Held while a statement changes a table.
#[derive(Debug)]
pub(super) enum Turn {
    Rows { _guard: OwnedRwLockReadGuard<()> },
    Files { _guard: OwnedRwLockWriteGuard<()> },
}

impl Locks {
    /// For a statement that changes rows; many may at once.
    pub(super) async fn rows(&self, table: Uuid) -> Turn {
        Turn::Rows { _guard: self.of(table).read_owned().await }
    }

    /// For a statement that moves rows between files.
    pub(super) async fn files(&self, table: Uuid) -> Turn {
        Turn::Files { _guard: self.of(table).write_owned().await }
    }

    fn of(&self, table: Uuid) -> Arc<RwLock<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(&table).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(RwLock::new(()));
        locks.insert(table, Arc::downgrade(&lock));
        lock
    }
}
