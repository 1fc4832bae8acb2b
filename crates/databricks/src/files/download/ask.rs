//! Asks for a file from some byte on: by a link where there is one, else through the workspace.

use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{HeaderMap, HeaderValue, Link, header},
};

use super::version::{Version, replaced};
use crate::{
    api::{
        Client,
        storage::{Opened, Reply},
    },
    files::{
        options::{DownloadRoute, TransferOptions},
        path::VolumePath,
    },
};

/// How often a link that has expired is replaced for one question.
const REFRESHES: u32 = 3;

pub(super) struct Asker {
    client: Client,
    path: VolumePath,
    options: TransferOptions,
    /// The byte after the last that is wanted.
    end: Option<u64>,
    link: Option<Link>,
    by_link: bool,
}

impl Asker {
    pub(super) fn new(client: Client, path: VolumePath, options: TransferOptions, end: Option<u64>) -> Self {
        let by_link = options.download_route == DownloadRoute::Auto;
        Self { client, path, options, end, link: None, by_link }
    }

    pub(super) fn path(&self) -> &str {
        self.path.as_str()
    }

    /// The byte after the last that is wanted, which the file may not have.
    pub(super) fn end(&self) -> Option<u64> {
        self.end
    }

    /// The file from this byte on, if it is still as it was.
    pub(super) async fn ask(&mut self, start: u64, version: Option<&Version>) -> Result<Opened> {
        let headers = self.conditions(start, version);
        let opened = self.open(&headers).await.map_err(|error| match error.context("status") {
            Some("412") => replaced().with_source(error),
            // There were more bytes in it, or the first answer said so.
            Some("416") if version.is_some() => replaced().with_source(error),
            Some("416") => Error::new(ErrorKind::InvalidInput, "the range begins beyond the end of the file")
                .with_context("field", "range")
                .with_context("start", start.to_string())
                .with_source(error),
            _ => error,
        });
        opened.map_err(|error| error.with_context("path", self.path().to_owned()))
    }

    async fn open(&mut self, headers: &HeaderMap) -> Result<Opened> {
        if self.by_link {
            match self.open_by_link(headers).await {
                Err(why) if is_way_barred(&why) => {
                    tracing::debug!(path = self.path(), error = %why, "no way to the storage, reading through the workspace");
                    self.by_link = false;
                }
                opened => return opened,
            }
        }
        self.client.read_file(self.path(), headers.clone()).await
    }

    async fn open_by_link(&mut self, headers: &HeaderMap) -> Result<Opened> {
        for _ in 0..=REFRESHES {
            let link = match self.link.take() {
                Some(link) => link,
                None => self.client.download_link(self.path(), self.options.link_lifetime).await?,
            };
            if let Reply::Done(opened) = self.client.read_link(&link, headers).await? {
                self.link = Some(link);
                return Ok(opened);
            }
        }
        Err(Error::new(ErrorKind::PermissionDenied, "the storage calls every link to the file expired"))
    }

    fn conditions(&self, start: u64, version: Option<&Version>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if start > 0 || self.end.is_some() {
            let end = self.end.map_or_else(String::new, |end| (end - 1).to_string());
            if let Ok(range) = HeaderValue::from_str(&format!("bytes={start}-{end}")) {
                headers.insert(header::RANGE, range);
            }
        }
        if let Some(version) = version {
            version.require(&mut headers);
        }
        headers
    }
}

/// True if the workspace may know another way: it gives no links, or nobody gets through to the storage. If it knows
/// none either, what it says is the error: a barred way is never an empty file.
fn is_way_barred(error: &Error) -> bool {
    let unknown_zone = error.context("reason") == Some("FILES_API_REQUESTER_NETWORK_ZONE_UNKNOWN");
    let refused = matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::Connection
    );
    let unreached = error.kind() == ErrorKind::Timeout && error.context("wait") == Some("connect");
    unknown_zone || refused || unreached
}
