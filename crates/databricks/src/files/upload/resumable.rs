//! A file as one stream, in pieces: after a failure the storage says how much it has, and the rest follows.

use std::sync::atomic::{AtomicU64, Ordering};

use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, Result,
    http::{Body, Link},
    resilience::Operation,
};

use super::{
    Outcome, UploadReport, UploadRoute,
    feed::{Feed, Part},
    is_barred, is_unreachable,
    session::Session,
};
use crate::api::{
    Client,
    client::LINKS,
    storage::{PieceRequest, Received, Reply},
    transfers::transfer_time,
};

pub(super) async fn upload(mut session: Session, mut feed: Feed) -> Result<Outcome> {
    let link = match session.client().resumable_link(session.path(), &session.token).await {
        Ok(link) => link,
        Err(why) if is_barred(&why) => return Ok(feed.barred(why)),
        Err(error) => return Err(error),
    };
    session.ends_by(link.clone());
    let mut pieces = 0;
    loop {
        let part = match feed.next().await {
            Ok(part) => part,
            Err(error) => return fail(session, error).await,
        };
        if part.last
            && let Err(error) = feed.check_unchanged().await
        {
            return fail(session, error).await;
        }
        match piece(session.client(), &link, &part).await {
            Ok(()) => {}
            Err(why) if part.number == 1 && is_unreachable(&why) => {
                session.abort().await;
                return Ok(Outcome::Barred { why, feed, first: part.held() });
            }
            Err(error) => {
                let taken = error.kind() == ErrorKind::Conflict && !session.target.overwrite;
                let error = if taken { already_there(error) } else { error };
                return fail(session, error).await;
            }
        }
        pieces += 1;

        if part.last {
            session.over();
            let (bytes, route) = (part.end(), UploadRoute::Resumable);
            return Ok(Outcome::Done(UploadReport { bytes, route, parts: pieces }));
        }
    }
}

async fn fail(session: Session, error: Error) -> Result<Outcome> {
    session.abort().await;
    Err(error)
}

fn already_there(error: Error) -> Error {
    Error::new(ErrorKind::AlreadyExists, "there is a file already").with_source(error)
}

/// Sends one piece until the storage has all of it.
async fn piece(client: &Client, link: &Link, part: &Part) -> Result<()> {
    // What of the file the storage is known to have. It is asked for after a failure: more may have arrived than was
    // confirmed.
    let known = AtomicU64::new(part.start);
    let known = &known;
    let time = transfer_time(part.length);
    let operation = Operation::read("file.piece").with_class(LINKS).with_attempt_timeout(time);
    let sent = client
        .storage(operation, |http, attempt| async move {
            let call = |range: String, body: Body| {
                Client::put_piece(PieceRequest { http: http.clone(), link, range, body, timeout: attempt.timeout })
            };
            let mut ask = attempt.number > 1;
            loop {
                let from = known.load(Ordering::Relaxed);
                let reply = if ask {
                    let total = if part.last { part.end().to_string() } else { "*".to_owned() };
                    call(format!("bytes */{total}"), Body::empty()).await?
                } else {
                    call(content_range(part, from), part.body(from)).await?
                };
                match reply {
                    Reply::Expired => return Ok(false),
                    Reply::Done(Received::Everything) if part.last => return Ok(true),
                    Reply::Done(Received::Everything) => {
                        return Err(Error::new(ErrorKind::Protocol, "the storage calls a file complete that is not"));
                    }
                    Reply::Done(Received::UpTo(have)) => {
                        if !(part.start..=part.end()).contains(&have) {
                            return Err(Error::new(
                                ErrorKind::Protocol,
                                "the storage has another part of the file than it was sent",
                            )
                            .with_context("has", have.to_string())
                            .with_context("sent", format!("{}..{}", part.start, part.end())));
                        }
                        known.store(have, Ordering::Relaxed);
                        if have == part.end() && !part.last {
                            return Ok(true);
                        }
                        if !ask && have <= from {
                            return Err(Error::new(
                                ErrorKind::Unavailable,
                                "the storage took nothing of what it was sent",
                            )
                            .with_fault(Fault::transient(Effect::Unknown)));
                        }
                        ask = false;
                    }
                }
            }
        })
        .await?;
    if sent {
        return Ok(());
    }
    Err(Error::new(ErrorKind::PermissionDenied, "the link of the upload has expired: begin it again"))
}

fn content_range(part: &Part, from: u64) -> String {
    let total = if part.last { part.end().to_string() } else { "*".to_owned() };
    // An empty range cannot be written: all has arrived, only the end was not told.
    if from == part.end() { format!("bytes */{total}") } else { format!("bytes {from}-{}/{total}", part.end() - 1) }
}
