//! What a token means: written once, kept for ever.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{LoadToken, TableRef};
use uuid::Uuid;

use super::{Staged, replacement::Replacement};
use crate::api::Client;

pub(super) const FILE: &str = "load.json";
const FORMAT: u32 = 1;
/// So much of a table's name is readable in its directory; the rest is in the hash.
const READABLE: usize = 40;

/// The files of one load, and whether the table has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    format: u32,
    /// Which attempt wrote it: of two at once, one knows that it is not its own.
    writer: String,
    token: String,
    table: String,
    pub(super) loaded: bool,
    pub(super) staged: Staged,
    /// What it does beyond adding rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replacement: Option<Replacement>,
}

impl Ledger {
    pub(super) fn new(token: &LoadToken, table: String, staged: Staged) -> Self {
        let writer = Uuid::new_v4().to_string();
        let token = token.as_str().to_owned();
        Self { format: FORMAT, writer, token, table, loaded: false, staged, replacement: None }
    }

    pub(super) fn with_replacement(self, replacement: Replacement) -> Self {
        Self { replacement: Some(replacement), ..self }
    }

    pub(super) async fn read(client: &Client, directory: &str) -> Result<Option<Self>> {
        let Some(content) = client.file(&path(directory)).await? else { return Ok(None) };
        let unreadable = || {
            Error::new(ErrorKind::Protocol, "the ledger of this load cannot be read")
                .with_context("file", path(directory))
        };
        let ledger: Self = serde_json::from_slice(&content).map_err(|_| unreadable())?;
        if ledger.format == FORMAT { Ok(Some(ledger)) } else { Err(unreadable()) }
    }

    /// Creates the ledger, or answers the one that is there: from now on it says what the token means.
    pub(super) async fn create(self, client: &Client, directory: &str) -> Result<Self> {
        if client.create_file(&path(directory), self.content()?).await? {
            return Ok(self);
        }
        Self::read(client, directory).await?.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "the ledger of this load came and went: somebody else works on it")
                .with_context("file", path(directory))
        })
    }

    pub(super) async fn mark_loaded(&mut self, client: &Client, directory: &str) -> Result<()> {
        self.loaded = true;
        self.write(client, directory).await
    }

    /// Writes what has been learnt over what was known.
    pub(super) async fn write(&self, client: &Client, directory: &str) -> Result<()> {
        client.put_file(&path(directory), self.content()?).await
    }

    /// Gives the token back.
    pub(super) async fn delete(client: &Client, directory: &str) -> Result<()> {
        client.delete_file(&path(directory)).await
    }

    fn content(&self) -> Result<Bytes> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|cause| {
            Error::new(ErrorKind::Internal, "the ledger of a load cannot be written").with_source(cause)
        })
    }
}

fn path(directory: &str) -> String {
    format!("{directory}/{FILE}")
}

/// The directory of a token: one table's, or one name's where the load makes the table. Neither it nor anything above
/// it begins with a character that readers skip.
pub(super) fn directory(staging: &str, table: &TableRef, id: Option<&str>, token: &LoadToken) -> String {
    let full = table.to_string().to_lowercase();
    let mut hash = Sha256::new();
    hash.update(&full);
    hash.update([0]);
    hash.update(id.unwrap_or_default());
    let hash = hash.finalize();
    let short: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = table.name().chars().take(READABLE).map(legal).collect();
    format!("{staging}/t-{name}-{short}/{token}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_one_tables_and_one_tokens_and_never_hidden() {
        let token = LoadToken::new("a-1").unwrap();
        let at = |name: &str, id| {
            directory("/Volumes/c/s/v", &TableRef::new(name).with_schema("s").with_catalog("c"), id, &token)
        };
        let orders = at("orders", Some("1"));
        assert!(orders.starts_with("/Volumes/c/s/v/t-orders-") && orders.ends_with("/a-1"), "{orders}");
        assert_eq!(orders, at("orders", Some("1")));
        assert_ne!(orders, at("orders", Some("2")), "a table made anew is another");
        assert_ne!(at("a.b", None), at("a-b", None), "names that look alike are told apart");
        assert!(
            at("_x'`/..", None).split('/').all(|part| !part.starts_with(['_', '.']) && !part.contains(['\'', '`']))
        );
    }
}
