//! `/api/2.0/dbfs`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Body, Method, Request},
    resilience::Operation,
};

use super::client::{Client, DBFS};
use crate::wire::{DbfsCreated, DbfsEntry, DbfsListing, DbfsRead};

impl Client {
    /// Makes an empty file that blocks can be added to, and gives back its handle.
    pub(crate) async fn dbfs_create(&self, path: &str, overwrite: bool) -> Result<u64> {
        // Sent twice it would fail over itself, or leave a handle open.
        let operation = Operation::write("dbfs.create").with_class(DBFS);
        let body = json!({ "path": path, "overwrite": overwrite });
        let created: DbfsCreated = self.json(operation, self.dbfs_post("create", &body)?).await?;
        created.handle.ok_or_else(|| Error::new(ErrorKind::Protocol, "the service made a file and gave no handle"))
    }

    /// Adds to the end. Sent twice it would be there twice.
    pub(crate) async fn dbfs_add_block(&self, handle: u64, block: &[u8]) -> Result<()> {
        let body = json!({ "handle": handle, "data": STANDARD.encode(block) });
        let operation = Operation::write("dbfs.add_block").with_class(DBFS);
        self.done(operation, self.dbfs_post("add-block", &body)?).await
    }

    pub(crate) async fn dbfs_close(&self, handle: u64) -> Result<()> {
        let operation = Operation::read("dbfs.close").with_class(DBFS);
        self.done(operation, self.dbfs_post("close", &json!({ "handle": handle }))?).await
    }

    /// Writes a short file.
    pub(crate) async fn dbfs_put(&self, path: &str, contents: &[u8], overwrite: bool) -> Result<()> {
        let body = json!({ "path": path, "contents": STANDARD.encode(contents), "overwrite": overwrite });
        let operation = if overwrite { Operation::read("dbfs.put") } else { Operation::write("dbfs.put") };
        self.done(operation.with_class(DBFS), self.dbfs_post("put", &body)?).await
    }

    /// Reads at most `length` bytes; at the end of the file fewer, and then none.
    pub(crate) async fn dbfs_read(&self, path: &str, offset: u64, length: u64) -> Result<Bytes> {
        let (from, most) = (offset.to_string(), length.to_string());
        let query = [("path", path), ("offset", from.as_str()), ("length", most.as_str())];
        let request = self.dbfs_get("read").with_query(query);
        let read: DbfsRead = self.json(Operation::read("dbfs.read").with_class(DBFS), request).await?;
        let bad = |what: &'static str| Error::new(ErrorKind::Protocol, what).with_context("path", path.to_owned());
        let data = STANDARD.decode(&read.data).map_err(|_| bad("what was read of a file is not base64"))?;
        let got = data.len() as u64;
        if read.bytes_read.unwrap_or(got) != got || got > length {
            return Err(bad("as many bytes came as the service did not say")
                .with_context("said", read.bytes_read.unwrap_or_default().to_string())
                .with_context("came", got.to_string()));
        }
        Ok(data.into())
    }

    pub(crate) async fn dbfs_status(&self, path: &str) -> Result<DbfsEntry> {
        let request = self.dbfs_get("get-status").with_query([("path", path)]);
        self.json(Operation::read("dbfs.status").with_class(DBFS), request).await
    }

    pub(crate) async fn dbfs_list(&self, path: &str) -> Result<Vec<DbfsEntry>> {
        let request = self.dbfs_get("list").with_query([("path", path)]);
        let listing: DbfsListing = self.json(Operation::read("dbfs.list").with_class(DBFS), request).await?;
        Ok(listing.files)
    }

    pub(crate) async fn dbfs_mkdirs(&self, path: &str) -> Result<()> {
        let operation = Operation::read("dbfs.mkdirs").with_class(DBFS);
        self.done(operation, self.dbfs_post("mkdirs", &json!({ "path": path }))?).await
    }

    /// Sent twice it would not find the source.
    pub(crate) async fn dbfs_move(&self, source: &str, destination: &str) -> Result<()> {
        let body = json!({ "source_path": source, "destination_path": destination });
        self.done(Operation::write("dbfs.move").with_class(DBFS), self.dbfs_post("move", &body)?).await
    }

    /// Deletes, or a part of it: large trees go piece by piece.
    pub(crate) async fn dbfs_delete(&self, path: &str, recursive: bool) -> Result<()> {
        let body = json!({ "path": path, "recursive": recursive });
        self.done(Operation::read("dbfs.delete").with_class(DBFS), self.dbfs_post("delete", &body)?).await
    }

    fn dbfs_get(&self, call: &str) -> Request {
        self.request(Method::GET, ["api", "2.0", "dbfs", call])
    }

    fn dbfs_post(&self, call: &str, body: &Value) -> Result<Request> {
        Ok(self.request(Method::POST, ["api", "2.0", "dbfs", call]).with_body(Body::json(body)?))
    }
}
