//! What comes down, written somewhere.

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use twinhouse_core::{Error, ErrorKind, Result};

/// Writes all pieces, flushes, and says how much it was. What was written before an error stays written.
pub(crate) async fn copy_to(
    mut pieces: impl Stream<Item = Result<Bytes>> + Unpin,
    to: &mut (impl AsyncWrite + Unpin + ?Sized),
) -> Result<u64> {
    let unwritable =
        |error: std::io::Error| Error::new(ErrorKind::Data, "what came could not be written").with_source(error);
    let mut written = 0;
    while let Some(piece) = pieces.try_next().await? {
        to.write_all(&piece).await.map_err(unwritable)?;
        written += piece.len() as u64;
    }
    to.flush().await.map_err(unwritable)?;
    Ok(written)
}
