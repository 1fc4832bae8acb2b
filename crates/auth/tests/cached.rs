//! The cache in front of a scripted source, on tokio's paused clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, advance, sleep};
use twinhouse_auth::{Cached, Credential, CredentialProvider, CredentialSource, Proof};
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Gives token `n` at fetch `n`, after a while, unless the script says that it fails, hangs or panics.
#[derive(Clone, Debug, Default)]
struct Script {
    fetches: Arc<AtomicU32>,
    lifetime: Option<Duration>,
    takes: Duration,
    /// Fetches, counted from 1, that do not go well.
    fails: Vec<u32>,
    hangs: Vec<u32>,
    panics: Vec<u32>,
    down: bool,
}

impl Script {
    fn living(lifetime: Duration) -> Self {
        Self { lifetime: Some(lifetime), takes: SECOND, ..Self::default() }
    }

    fn count(&self) -> u32 {
        self.fetches.load(SeqCst)
    }
}

#[async_trait]
impl CredentialSource for Script {
    async fn fetch(&self) -> Result<Credential> {
        let number = self.fetches.fetch_add(1, SeqCst) + 1;
        sleep(self.takes).await;
        if self.panics.contains(&number) {
            std::panic::resume_unwind(Box::new("scripted"));
        }
        if self.hangs.contains(&number) {
            std::future::pending::<()>().await;
        }
        if self.fails.contains(&number) {
            return Err(Error::new(ErrorKind::Unauthenticated, format!("refused {number}")));
        }
        if self.down {
            return Err(Error::new(ErrorKind::Unavailable, "down").with_fault(Fault::transient(Effect::Unknown)));
        }
        let credential = Credential::bearer(number.to_string());
        Ok(match self.lifetime {
            Some(lifetime) => credential.with_lifetime(lifetime),
            None => credential,
        })
    }

    fn name(&self) -> &'static str {
        "script"
    }
}

async fn token(cached: &Cached) -> Result<String> {
    let (credential, _) = cached.credential().await?;
    match credential.proof() {
        Proof::Bearer(token) => Ok(token.expose().to_owned()),
        other => panic!("{other:?} is no token"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_cause_one_fetch_and_later_ones_none() {
    let script = Script::living(60 * MINUTE);
    let cached = Cached::new(script.clone());
    let callers = (0..100).map(|_| {
        let cached = cached.clone();
        tokio::spawn(async move { token(&cached).await.unwrap() })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert_eq!(caller.await.unwrap(), "1");
    }
    let began = Instant::now();
    assert_eq!(token(&cached).await.unwrap(), "1");
    assert_eq!((script.count(), began.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn sdk_go_671_a_caller_that_goes_away_does_not_stop_the_fetch_for_the_others() {
    let script = Script::living(60 * MINUTE);
    let cached = Cached::new(script.clone());
    assert!(tokio::time::timeout(SECOND / 2, cached.credential()).await.is_err());
    let began = Instant::now();
    assert_eq!(token(&cached).await.unwrap(), "1");
    assert_eq!((script.count(), began.elapsed()), (1, SECOND / 2), "the fetch went on");
}

#[tokio::test(start_paused = true)]
async fn it_is_fresh_then_stale_then_expired() {
    // Half of two minutes is less than twenty minutes; twenty minutes are less than half of an hour.
    for (lifetime, stale_at) in [(2 * MINUTE, MINUTE), (60 * MINUTE, 40 * MINUTE)] {
        let script = Script::living(lifetime);
        let cached = Cached::new(script.clone());
        assert_eq!(token(&cached).await.unwrap(), "1");
        advance(stale_at - SECOND).await;
        assert_eq!(token(&cached).await.unwrap(), "1");
        sleep(SECOND / 2).await;
        assert_eq!(script.count(), 1, "still fresh");
        advance(SECOND / 2).await;

        let began = Instant::now();
        assert_eq!(token(&cached).await.unwrap(), "1");
        assert_eq!(began.elapsed(), Duration::ZERO, "stale, but good: nobody waits");
        assert_eq!(token(&cached).await.unwrap(), "1");
        sleep(2 * SECOND).await;
        assert_eq!((token(&cached).await.unwrap().as_str(), script.count()), ("2", 2), "renewed behind the callers");

        // Nobody asks until it is about to expire: the caller waits for a new one.
        advance(lifetime - 41 * SECOND).await;
        let began = Instant::now();
        assert_eq!(token(&cached).await.unwrap(), "3");
        assert_eq!(began.elapsed(), SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn sdk_py_362_forty_seconds_before_its_end_a_token_counts_as_expired() {
    for (age, fetches) in [(2 * MINUTE - 41 * SECOND, 1), (2 * MINUTE - 40 * SECOND, 2)] {
        let script = Script { takes: Duration::ZERO, ..Script::living(2 * MINUTE) };
        let cached = Cached::new(script.clone());
        token(&cached).await.unwrap();
        advance(age).await;
        assert_eq!(token(&cached).await.unwrap(), fetches.to_string(), "at age {age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_born_expired_is_used_once() {
    let cached = Cached::new(Script::living(10 * SECOND));
    assert_eq!(token(&cached).await.unwrap(), "1");
    assert_eq!(token(&cached).await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_credential_without_end_is_kept() {
    let script = Script::default();
    let cached = Cached::new(script.clone());
    token(&cached).await.unwrap();
    advance(Duration::from_secs(400 * 86_400)).await;
    assert_eq!((token(&cached).await.unwrap().as_str(), script.count()), ("1", 1));
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_renewal_in_the_background_the_source_has_a_minutes_rest() {
    let script = Script { fails: vec![2], ..Script::living(60 * MINUTE) };
    let cached = Cached::new(script.clone());
    token(&cached).await.unwrap();
    advance(40 * MINUTE).await;
    for _ in 0..59 {
        assert_eq!(token(&cached).await.unwrap(), "1", "the old one is good, whatever the source says");
        sleep(SECOND).await;
    }
    assert_eq!(script.count(), 2);
    sleep(2 * SECOND).await;
    token(&cached).await.unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(token(&cached).await.unwrap(), "3");
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_fetched_anew_even_during_that_rest() {
    let script = Script { fails: vec![2], ..Script::living(2 * MINUTE) };
    let cached = Cached::new(script.clone());
    token(&cached).await.unwrap();
    advance(75 * SECOND).await;
    assert_eq!(token(&cached).await.unwrap(), "1");
    sleep(10 * SECOND).await;
    assert_eq!(token(&cached).await.unwrap(), "3", "expired at 80 s, refused at 76 s");
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waited_hears_the_failure_and_the_next_caller_tries_again() {
    let script = Script { fails: vec![1], ..Script::living(60 * MINUTE) };
    let cached = Cached::new(script.clone());
    let (first, second) = tokio::join!(token(&cached), token(&cached));
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unauthenticated, "refused 1"));
        assert_eq!(error.context("credential source"), Some("script"));
    }
    assert_eq!(token(&cached).await.unwrap(), "2");
}

/// What the token service may have done is nothing to whoever wanted to send something: it was not sent.
#[tokio::test(start_paused = true)]
async fn whoever_gets_no_credential_has_certainly_done_nothing() {
    let script = Script { down: true, ..Script::default() };
    let error = token(&Cached::new(script)).await.unwrap_err();
    assert_eq!((error.kind(), error.fault()), (ErrorKind::Unavailable, Fault::transient(Effect::None)));
}

#[tokio::test(start_paused = true)]
async fn many_callers_who_are_refused_cause_one_refresh() {
    let script = Script::living(60 * MINUTE);
    let cached = Cached::new(script.clone());
    let callers = (0..50).map(|number| {
        let cached = cached.clone();
        tokio::spawn(async move {
            let (_, generation) = cached.credential().await.unwrap();
            // The refusals come in at different times, some long after the new token is there.
            sleep(number * SECOND / 10).await;
            cached.invalidate(generation);
            token(&cached).await.unwrap()
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert_eq!(caller.await.unwrap(), "2");
    }
    assert_eq!(script.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_or_panics_ends_and_the_next_one_goes() {
    let script = Script { hangs: vec![1], panics: vec![2], ..Script::living(60 * MINUTE) };
    let cached = Cached::new(script.clone());
    let error = token(&cached).await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("credential")));
    let error = token(&cached).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(token(&cached).await.unwrap(), "3");
}

#[test]
fn a_fetch_that_died_with_its_runtime_is_begun_anew_in_the_next() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let cached = Cached::new(Script::living(60 * MINUTE));
    let first = runtime();
    first.block_on(async {
        assert!(tokio::time::timeout(SECOND / 2, cached.credential()).await.is_err());
    });
    drop(first);
    assert_eq!(runtime().block_on(token(&cached)).unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_in_debug() {
    let cached = Cached::new(twinhouse_auth::sources::StaticLogin::new("analyst", "canary"));
    let held = cached.credential().await.unwrap();
    let pat = twinhouse_auth::sources::Pat::new("canary");
    let shown = format!("{cached:?} {held:?} {pat:?}");
    assert!(shown.contains("analyst") && !shown.contains("canary"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_token_or_user_is_refused() {
    for cached in [
        Cached::new(twinhouse_auth::sources::Pat::new("")),
        Cached::new(twinhouse_auth::sources::StaticLogin::new("", "x")),
    ] {
        assert_eq!(cached.credential().await.unwrap_err().kind(), ErrorKind::Config);
    }
}

/// With two caches, one behind the other, a token is handed on that the inner one has kept too long already.
#[tokio::test(start_paused = true)]
async fn sdk_go_1549_no_call_in_hours_is_given_a_token_that_has_run_out() {
    let script = Script::living(60 * MINUTE);
    let cached = Cached::new(script.clone());
    for _ in 0..(6 * 60) {
        let (credential, _) = cached.credential().await.unwrap();
        let left = credential.expires_at().unwrap().saturating_duration_since(Instant::now());
        assert!(left > 40 * SECOND, "{left:?}");
        sleep(MINUTE).await;
    }
    assert!((6..=10).contains(&script.count()), "{}", script.count());
}
