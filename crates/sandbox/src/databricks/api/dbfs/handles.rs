//! Files that are being written, by their handles.

use std::{
    collections::HashMap,
    fs::File,
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::databricks::api::reply::{ApiError, ApiResult};

/// A handle that nothing is done with for so long is gone.
const IDLE: Duration = Duration::from_secs(600);

/// All open handles.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<HashMap<u64, Handle>>);

#[derive(Clone, Debug)]
struct Handle {
    file: Arc<Mutex<File>>,
    used: Instant,
}

impl Handles {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Handle>> {
        let mut handles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|_, handle| handle.used.elapsed() < IDLE);
        handles
    }

    pub(super) fn open(&self, file: File) -> u64 {
        let mut handles = self.lock();
        // Large, as the service's are, and yet exact in every client's numbers.
        let number = loop {
            let number = fastrand::u64(1 << 40..1 << 53);
            if !handles.contains_key(&number) {
                break number;
            }
        };
        handles.insert(number, Handle { file: Arc::new(Mutex::new(file)), used: Instant::now() });
        number
    }

    pub(super) fn append(&self, number: u64, data: &[u8]) -> ApiResult<()> {
        let file = {
            let mut handles = self.lock();
            let handle = handles.get_mut(&number).ok_or_else(|| unknown(number))?;
            handle.used = Instant::now();
            Arc::clone(&handle.file)
        };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.write_all(data)?)
    }

    pub(super) fn close(&self, number: u64) -> ApiResult<()> {
        self.lock().remove(&number).map(drop).ok_or_else(|| unknown(number))
    }
}

fn unknown(number: u64) -> ApiError {
    ApiError::missing(format!("The handle {number} does not exist: it was closed, or not used for ten minutes."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_handle_that_is_not_used_is_gone_after_ten_minutes() {
        let handles = Handles::default();
        let handle = handles.open(tempfile::tempfile().unwrap());
        for _ in 0..3 {
            tokio::time::advance(IDLE - Duration::from_secs(1)).await;
            handles.append(handle, b"x").unwrap();
        }
        tokio::time::advance(IDLE).await;
        assert!(handles.append(handle, b"x").unwrap_err().is_not_found());
        assert!(handles.close(handle).unwrap_err().is_not_found());
    }
}
