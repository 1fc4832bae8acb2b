//! An upload that was begun: it ends complete, or is given up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use twinhouse_core::{Error, Result, Secret, http::Link};

use super::Target;
use crate::{api::Client, files::entry::FileMetadata};

/// How long giving up may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gives the upload up when it is dropped, unless it was completed: storage keeps, and bills, what was begun.
pub(super) struct Session {
    pub(super) target: Target,
    pub(super) token: Secret,
    /// When it was begun, by the service's clock.
    begun: Option<DateTime<Utc>>,
    /// How it is given up; `None` once it is over.
    ending: Option<Ending>,
}

#[derive(Clone)]
enum Ending {
    /// By a link that is still to be asked for.
    Ask,
    /// By this link.
    Link(Link),
}

impl Session {
    pub(super) fn parts(target: &Target, token: Secret, date: Option<String>) -> Self {
        let begun = date.and_then(|date| DateTime::parse_from_rfc2822(&date).ok()).map(|date| date.to_utc());
        Self { target: target.clone(), token, begun, ending: Some(Ending::Ask) }
    }

    pub(super) fn resumable(target: &Target, token: Secret) -> Self {
        // There is nothing to give up before there is a link.
        Self { target: target.clone(), token, begun: None, ending: None }
    }

    pub(super) fn client(&self) -> &Client {
        &self.target.client
    }

    pub(super) fn path(&self) -> &str {
        self.target.path.as_str()
    }

    /// From now on the upload is given up by this link.
    pub(super) fn ends_by(&mut self, link: Link) {
        self.ending = Some(Ending::Link(link));
    }

    /// It is complete.
    pub(super) fn over(mut self) {
        self.ending = None;
    }

    /// Gives it up, and waits for that; that it fails is only noted.
    pub(super) async fn abort(mut self) {
        if let Some(ending) = self.ending.take() {
            abort(self.target.clone(), self.token.clone(), ending).await;
        }
    }

    /// Whether the file is there as this upload makes it: after a lost answer nobody else can tell.
    pub(super) async fn is_there(&self, length: u64) -> Result<bool> {
        let found = FileMetadata::of(self.client().fs_head("files", self.path()).await?.headers());
        let fresh = match (found.last_modified, self.begun) {
            (Some(modified), Some(begun)) => modified >= begun,
            _ => false,
        };
        Ok(fresh && found.content_length == Some(length))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(ending) = self.ending.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(abort(self.target.clone(), self.token.clone(), ending));
    }
}

async fn abort(target: Target, token: Secret, ending: Ending) {
    let path = target.path.as_str();
    let work = async {
        let link = match ending {
            Ending::Link(link) => link,
            Ending::Ask => target.client.abort_link(path, &token, target.options.link_lifetime).await?,
        };
        target.client.delete_link(&link).await
    };
    let failed = |error: Option<&Error>| {
        tracing::warn!(path, error = error.map(tracing::field::display), "an upload could not be given up");
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => failed(Some(&error)),
        Err(_) => failed(None),
    }
}
