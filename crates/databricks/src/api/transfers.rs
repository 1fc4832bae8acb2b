//! `/api/2.0/fs`, as far as files travel past the service: through links to the storage behind it.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use futures::stream::BoxStream;
use serde_json::json;
use twinhouse_core::{
    Result, Secret,
    http::{Body, Link, Method, Request, Response},
    resilience::Operation,
};

use super::{
    client::{Client, FILES, TRANSFER},
    pages::{list, page},
};
use crate::wire::{AbortLink, DirectoryItem, PartLinks, PresignedUrl, ResumableLink, UploadBegun, UploadedPart};

page!(DirectoryPage, contents: DirectoryItem);

/// No answer about links comes near this many bytes.
const LARGEST_ANSWER: usize = 16 << 20;
/// Slower than this, in bytes a second, and a transfer counts as hung.
const SLOWEST: u64 = 256 << 10;

/// How long the transfer of so many bytes may take.
pub(crate) fn transfer_time(bytes: u64) -> Duration {
    TRANSFER.max(Duration::from_secs(bytes / SLOWEST))
}

/// The moment, this far from now, in the form of the service.
fn end_of(lifetime: Duration) -> String {
    let end = TimeDelta::from_std(lifetime).ok().and_then(|lifetime| Utc::now().checked_add_signed(lifetime));
    end.unwrap_or_else(Utc::now).to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Client {
    /// Begins an upload of several requests, and says when that was by the service's clock. One that is begun and not
    /// used does no harm.
    pub(crate) async fn initiate_upload(&self, path: &str, overwrite: bool) -> Result<(UploadBegun, Option<String>)> {
        let overwrite = if overwrite { "true" } else { "false" };
        let query = [("action", "initiate-upload"), ("overwrite", overwrite)];
        let request = self.fs(Method::POST, "files", path).with_query(query);
        let answer = self.open(Operation::read("file.initiate").with_class(FILES), request).await?;
        let date = answer.header("date").map(str::to_owned);
        Ok((answer.into_json(LARGEST_ANSWER).await?, date))
    }

    /// Links for `count` parts from `start` on.
    pub(crate) async fn upload_part_links(
        &self,
        path: &str,
        session: &Secret,
        start: u64,
        count: u64,
        lifetime: Duration,
    ) -> Result<Vec<PresignedUrl>> {
        let body = json!({
            "path": path,
            "session_token": session.expose(),
            "start_part_number": start,
            "count": count,
            "expire_time": end_of(lifetime),
        });
        let request = self.fs_call("create-upload-part-urls").with_body(Body::json(&body)?);
        let links: PartLinks = self.json(Operation::read("file.part_links").with_class(FILES), request).await?;
        Ok(links.upload_part_urls)
    }

    /// The link that a whole file goes to, piece by piece.
    pub(crate) async fn resumable_link(&self, path: &str, session: &Secret) -> Result<Link> {
        let body = json!({ "path": path, "session_token": session.expose() });
        let request = self.fs_call("create-resumable-upload-url").with_body(Body::json(&body)?);
        let link: ResumableLink = self.json(Operation::read("file.resumable_link").with_class(FILES), request).await?;
        Ok(link.resumable_upload_url.into_link())
    }

    /// The link that gives an upload up.
    pub(crate) async fn abort_link(&self, path: &str, session: &Secret, lifetime: Duration) -> Result<Link> {
        let body = json!({ "path": path, "session_token": session.expose(), "expire_time": end_of(lifetime) });
        let request = self.fs_call("create-abort-upload-url").with_body(Body::json(&body)?);
        let link: AbortLink = self.json(Operation::read("file.abort_link").with_class(FILES), request).await?;
        Ok(link.abort_upload_url.into_link())
    }

    /// Makes one file of the parts. After a lost answer it may fail although it did.
    pub(crate) async fn complete_upload(&self, path: &str, session: &Secret, parts: &[UploadedPart]) -> Result<()> {
        let query = [("action", "complete-upload"), ("upload_type", "multipart"), ("session_token", session.expose())];
        let request = self.fs(Method::POST, "files", path).with_query(query);
        let request = request.with_body(Body::json(&json!({ "parts": parts }))?);
        // The storage puts the parts together before it answers.
        let operation = Operation::read("file.complete").with_class(FILES).with_attempt_timeout(TRANSFER);
        self.done(operation, request).await
    }

    /// A link to read a file by.
    pub(crate) async fn download_link(&self, path: &str, lifetime: Duration) -> Result<Link> {
        let end = end_of(lifetime);
        let request = self.fs_call("create-download-url").with_query([("path", path), ("expire_time", end.as_str())]);
        let link: PresignedUrl = self.json(Operation::read("file.download_link").with_class(FILES), request).await?;
        Ok(link.into_link())
    }

    /// Sends a whole file in one request.
    pub(crate) async fn send_file(&self, operation: Operation, path: &str, overwrite: bool, body: Body) -> Result<()> {
        let overwrite = if overwrite { "true" } else { "false" };
        let operation = operation.with_class(FILES).with_attempt_timeout(transfer_time(body.len()));
        let request = self.fs(Method::PUT, "files", path).with_query([("overwrite", overwrite)]);
        self.done(operation, request.with_body(body)).await
    }

    /// The head of the answer to a question about a file or directory: `what` is `files` or `directories`.
    pub(crate) async fn fs_head(&self, what: &str, path: &str) -> Result<Response> {
        self.open(Operation::read("file.metadata").with_class(FILES), self.fs(Method::HEAD, what, path)).await
    }

    /// What is in a directory, in pages of this size.
    pub(crate) fn directory(&self, path: Result<&str>, size: Option<u16>) -> BoxStream<'static, Result<DirectoryItem>> {
        let size = size.map(|size| size.to_string());
        let size = size.as_deref().map(|size| ("page_size", size));
        let request = path.map(|path| self.fs(Method::GET, "directories", path).with_query(size));
        list::<DirectoryPage>(self, Operation::read("directory.list").with_class(FILES), request)
    }

    /// Removes a file.
    pub(crate) async fn remove_file(&self, path: &str) -> Result<()> {
        self.done(Operation::read("file.delete").with_class(FILES), self.fs(Method::DELETE, "files", path)).await
    }

    /// Removes an empty directory.
    pub(crate) async fn remove_directory(&self, path: &str) -> Result<()> {
        self.done(Operation::read("directory.delete").with_class(FILES), self.fs(Method::DELETE, "directories", path))
            .await
    }

    fn fs_call(&self, name: &str) -> Request {
        self.request(Method::POST, ["api", "2.0", "fs", name])
    }
}
