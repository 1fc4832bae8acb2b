//! Keeps statements that move or take away all rows of a table apart from those that change some.
//!
//! The engine does not see that a file which a change takes out was already rewritten by OPTIMIZE, and would keep both
//! the changed rows and the rewritten ones. So OPTIMIZE waits for the changes of its table, and they for it; RESTORE and
//! CREATE OR REPLACE likewise.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use uuid::Uuid;

use crate::databricks::sql::Turn;

/// One lock for each table in use.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<HashMap<Uuid, Weak<RwLock<()>>>>);

/// Held while a statement changes a table.
#[derive(Debug)]
pub(super) enum Held {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl Locks {
    /// Waits for this statement's turn at the table.
    pub(super) async fn take(&self, table: Uuid, turn: Turn) -> Held {
        let lock = self.of(table);
        match turn {
            Turn::Rows => Held::Shared { _guard: lock.read_owned().await },
            Turn::Files | Turn::Whole => Held::Alone { _guard: lock.write_owned().await },
        }
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
