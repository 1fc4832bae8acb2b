//! A file in parts, several at once.

use std::{collections::BTreeMap, time::Duration};

use tokio::task::JoinSet;
use twinhouse_core::{Effect, Error, ErrorKind, Result, Secret, http::Link};

use super::{
    super::options::{MOST_PARTS, too_many_parts},
    Outcome, UploadReport, UploadRoute,
    feed::{Feed, Part},
    is_barred, is_unreachable,
    session::Session,
};
use crate::{
    api::{Client, storage::Reply},
    wire::UploadedPart,
};

/// How often the link of one part is replaced before its refusal counts.
const REFRESHES: u32 = 3;

pub(super) async fn upload(session: Session, feed: Feed) -> Result<Outcome> {
    let done = match send(&session, feed).await {
        Ok(Sent::All { parts, bytes }) => complete(&session, &parts, bytes).await.map(|()| {
            let parts = parts.len() as u64;
            Outcome::Done(UploadReport { bytes, route: UploadRoute::Multipart, parts })
        }),
        Ok(Sent::Nothing(barred)) => Ok(*barred),
        Err(error) => Err(error),
    };
    match &done {
        Ok(Outcome::Done(_)) => session.over(),
        _ => session.abort().await,
    }
    done
}

enum Sent {
    All { parts: Vec<UploadedPart>, bytes: u64 },
    Nothing(Box<Outcome>),
}

/// Sends all parts. No more are held or on their way than may travel at once.
async fn send(session: &Session, mut feed: Feed) -> Result<Sent> {
    let parallel = session.target.options.parallel;
    let mut links = Links::new(session);
    let mut tasks = JoinSet::new();
    let mut sent = BTreeMap::new();
    let mut bytes = 0;
    loop {
        while tasks.len() >= parallel {
            join(&mut tasks, &mut sent).await?;
        }
        let part = feed.next().await?;
        if part.number > MOST_PARTS {
            return Err(too_many_parts());
        }
        let (number, last, length) = (part.number, part.last, part.length);
        bytes += length;
        if number == 1 {
            // Alone, so that it is known whether the storage can be reached before anything is spent on it.
            let held = part.held();
            match first(session, &mut links, part).await {
                Ok(etag) => sent.insert(number, etag),
                Err(why) if is_barred(&why) || (is_unreachable(&why) && why.operation() != Some("file.part_links")) => {
                    return Ok(Sent::Nothing(Box::new(Outcome::Barred { why, feed, first: held })));
                }
                Err(error) => return Err(error),
            };
        } else {
            let left = feed.parts_left().map_or(parallel as u64, |left| left + 1);
            let link = links.take(number, left.min(parallel as u64)).await?;
            let (client, links) = (session.client().clone(), links.source());
            tasks.spawn(async move { Ok((number, put(&client, &links, link, &part).await?)) });
        }
        if last {
            break;
        }
    }
    while !tasks.is_empty() {
        join(&mut tasks, &mut sent).await?;
    }
    feed.check_unchanged().await?;
    let parts = sent.into_iter().map(|(part_number, etag)| UploadedPart { part_number, etag }).collect();
    Ok(Sent::All { parts, bytes })
}

async fn first(session: &Session, links: &mut Links, part: Part) -> Result<String> {
    let link = links.take(1, 1).await?;
    put(session.client(), &links.source(), link, &part).await
}

async fn join(tasks: &mut JoinSet<Result<(u64, String)>>, sent: &mut BTreeMap<u64, String>) -> Result<()> {
    let Some(done) = tasks.join_next().await else { return Ok(()) };
    let (number, etag) = done.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "the upload of a part broke off").with_source(cause))
    })?;
    sent.insert(number, etag);
    Ok(())
}

/// Sends one part, by a new link where the old one has died.
async fn put(client: &Client, links: &LinkSource, mut link: Link, part: &Part) -> Result<String> {
    let body = part.body(part.start);
    let at = |error: Error| error.with_context("part", part.number.to_string());
    for _ in 0..=REFRESHES {
        match client.put_part(&link, &body).await.map_err(at)? {
            Reply::Done(etag) => return Ok(etag),
            Reply::Expired => {
                tracing::debug!(part = part.number, "the link of a part has expired, asking for another");
                let fresh = links.ask(part.number, 1).await?.remove(&part.number);
                link = fresh.ok_or_else(|| at(no_link()))?;
            }
        }
    }
    Err(at(Error::new(ErrorKind::PermissionDenied, "the storage calls every link of a part expired")))
}

/// Completes; after a lost answer looks whether it is complete.
async fn complete(session: &Session, parts: &[UploadedPart], bytes: u64) -> Result<()> {
    let Err(error) = session.client().complete_upload(session.path(), &session.token, parts).await else {
        return Ok(());
    };
    if error.fault().effect == Effect::Unknown && session.is_there(bytes).await.unwrap_or(false) {
        tracing::debug!(path = session.path(), "the answer to the completion of a file was lost; the file is there");
        return Ok(());
    }
    Err(error)
}

/// Asks for links.
#[derive(Clone)]
struct LinkSource {
    client: Client,
    path: String,
    token: Secret,
    lifetime: Duration,
}

/// Links, asked for in batches and given out one by one.
struct Links {
    source: LinkSource,
    ready: BTreeMap<u64, Link>,
}

impl LinkSource {
    async fn ask(&self, start: u64, count: u64) -> Result<BTreeMap<u64, Link>> {
        let links = self.client.upload_part_links(&self.path, &self.token, start, count, self.lifetime).await?;
        // By number: the order is the service's.
        Ok(links.into_iter().filter_map(|link| Some((link.part_number?, link.into_link()))).collect())
    }
}

impl Links {
    fn new(session: &Session) -> Self {
        let source = LinkSource {
            client: session.client().clone(),
            path: session.path().to_owned(),
            token: session.token.clone(),
            lifetime: session.target.options.link_lifetime,
        };
        Self { source, ready: BTreeMap::new() }
    }

    fn source(&self) -> LinkSource {
        self.source.clone()
    }

    async fn take(&mut self, number: u64, batch: u64) -> Result<Link> {
        if !self.ready.contains_key(&number) {
            self.ready.extend(self.source.ask(number, batch.max(1)).await?);
        }
        self.ready.remove(&number).ok_or_else(|| no_link().with_context("part", number.to_string()))
    }
}

fn no_link() -> Error {
    Error::new(ErrorKind::Protocol, "the service gave no link for a part that it was asked for")
}
