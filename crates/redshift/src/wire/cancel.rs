//! Asking the server, over a connection of its own, to stop what a session runs.

use std::{fmt, time::Duration};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use twinhouse_core::{Error, ErrorKind, Result};

use super::{auth::BackendKey, connect::Connector};
use crate::error;

/// How long a request to cancel may take in all; JDBC gives it the same.
const LIMIT: Duration = Duration::from_secs(10);

/// What it takes to stop whatever a session runs at the moment.
#[derive(Clone)]
pub(crate) struct CancelKey {
    connector: Connector,
    key: BackendKey,
}

impl CancelKey {
    pub(crate) fn new(connector: Connector, key: BackendKey) -> Self {
        Self { connector, key }
    }

    /// The server process.
    pub(crate) fn process(&self) -> i32 {
        self.key.0
    }

    /// Asks the server to stop what the session runs, and waits until it has taken note.
    pub(crate) async fn cancel(&self) -> Result<()> {
        let ask = async {
            let mut socket = self.connector.connect().await?;
            let mut request = BytesMut::new();
            frontend::cancel_request(self.key.0, self.key.1, &mut request);
            socket.write_all(&request).await.map_err(error::unreachable)?;
            socket.flush().await.map_err(error::unreachable)?;
            // The server passes the request on before it hangs up, and says nothing.
            let _ = socket.read(&mut [0]).await;
            Ok(())
        };
        tokio::time::timeout(LIMIT, ask).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the server did not take the request to cancel in time")
                .with_context("wait", "cancel")
                .with_context("limit", format!("{LIMIT:?}")))
        })
    }
}

/// The key is a secret: whoever has it can stop our statements.
impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKey").field("process", &self.key.0).finish_non_exhaustive()
    }
}
