//! The thread and the runtime that the servers live on, whatever runtime their user comes and goes with.

use std::{
    pin::Pin,
    sync::mpsc::{self, Receiver, Sender},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};
use twinhouse_core::{Error, ErrorKind, Result};

const WORKERS: usize = 2;
/// How long the servers may take to stop.
const STOP: Duration = Duration::from_secs(60);
/// How long tasks that nobody stopped may take to reach their next `await`.
const LEFTOVERS: Duration = Duration::from_secs(2);
/// How long a drop waits for all of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A thread with a runtime.
#[derive(Debug)]
pub(crate) struct Home {
    handle: Handle,
    closing: Sender<Closing>,
}

struct Closing {
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    tidy: Box<dyn FnOnce() -> Result<()> + Send>,
    ended: Box<dyn FnOnce(Result<()>) + Send>,
}

impl Home {
    pub(crate) fn open() -> Result<Self> {
        let failed =
            |error| Error::new(ErrorKind::Internal, "could not start a thread for the sandbox").with_source(error);
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("twinhouse-sandbox-worker")
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (closing, orders) = mpsc::channel();
        std::thread::Builder::new()
            .name("twinhouse-sandbox".to_owned())
            .spawn(move || live(runtime, &orders))
            .map_err(failed)?;
        Ok(Self { handle, closing })
    }

    /// Runs the future here. It goes on if the caller is dropped.
    pub(crate) async fn run<T, F>(&self, future: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.handle.spawn(future).await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "a task of the sandbox ended early").with_source(error))
        })
    }

    /// Stops the servers, ends the runtime and tidies up, in this order.
    pub(crate) async fn close(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
        tidy: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (tell, told) = oneshot::channel();
        self.order(stop, tidy, move |result| drop(tell.send(result)))?;
        told.await.unwrap_or_else(|_| Err(lost()))
    }

    /// The same, for a drop: it blocks, though not for ever.
    pub(crate) fn close_blocking(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
        tidy: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (tell, told) = mpsc::channel();
        self.order(stop, tidy, move |result| drop(tell.send(result)))?;
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(lost()))
    }

    fn order(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
        tidy: impl FnOnce() -> Result<()> + Send + 'static,
        ended: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let closing = Closing { stop: Box::pin(stop), tidy: Box::new(tidy), ended: Box::new(ended) };
        self.closing.send(closing).map_err(|_| lost())
    }
}

fn live(runtime: Runtime, orders: &Receiver<Closing>) {
    // No order at all: the sandbox was given up while it was being made.
    let Ok(Closing { stop, tidy, ended }) = orders.recv() else { return runtime.shutdown_timeout(LEFTOVERS) };
    let stopped = runtime.block_on(async { tokio::time::timeout(STOP, stop).await });
    if stopped.is_err() {
        tracing::warn!(limit = ?STOP, "the servers of the sandbox did not stop in time");
    }
    runtime.shutdown_timeout(LEFTOVERS);
    ended(tidy());
}

fn lost() -> Error {
    Error::new(ErrorKind::Internal, "the thread of the sandbox is gone")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn it_serves_many_runtimes_and_ends_in_order() {
        let home = Home::open().unwrap();
        for _ in 0..3 {
            let runtime = Builder::new_current_thread().build().unwrap();
            let name = runtime.block_on(home.run(async { Ok(std::thread::current().name().map(str::to_owned)) }));
            assert_eq!(name.unwrap().as_deref(), Some("twinhouse-sandbox-worker"));
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(what)
        };
        let (stop, tidy) = (note("stop"), note("tidy"));
        let tidy = move || {
            tidy();
            Ok(())
        };
        home.close_blocking(async move { stop() }, tidy).unwrap();
        assert_eq!(*order.lock().unwrap(), ["stop", "tidy"]);
    }

    #[tokio::test]
    async fn a_panic_in_there_is_an_error_out_here() {
        let home = Home::open().unwrap();
        let error = home.run::<(), _>(async { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        home.close(async {}, || Ok(())).await.unwrap();
        let error = home.run(async { Ok(()) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}
