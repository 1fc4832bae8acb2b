//! A scripted token service.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use twinhouse_auth::{Credential, CredentialSource};
use twinhouse_core::{
    Error, Report,
    http::{Http, Url},
    resilience::Policy,
};

/// Answers request after request from a script, an empty answer by hanging up; keeps what it was sent.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) url: Url,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub(crate) async fn start<S: AsRef<str>>(answers: impl FnOnce(&Url) -> Vec<S>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let answers: VecDeque<String> = answers(&url).iter().map(|answer| answer.as_ref().to_owned()).collect();
        let service = Self { url, seen: Arc::default() };
        let (seen, answers) = (service.seen.clone(), Arc::new(Mutex::new(answers)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answers.clone(), seen.clone()));
            }
        });
        service
    }

    /// First lines of the requests.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|sent| sent.lines().next().unwrap().to_owned()).collect()
    }

    /// A request as it was sent.
    pub(crate) fn sent(&self, index: usize) -> String {
        self.seen.lock().unwrap()[index].clone()
    }

    /// A field of the form in a request.
    pub(crate) fn field(&self, index: usize, name: &str) -> Option<String> {
        let sent = self.sent(index);
        let form: Url = format!("http://h/?{}", sent.split_once("\r\n\r\n").unwrap().1).parse().unwrap();
        form.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

async fn converse(mut stream: TcpStream, answers: Arc<Mutex<VecDeque<String>>>, seen: Arc<Mutex<Vec<String>>>) {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        text += std::str::from_utf8(&chunk[..count]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        seen.lock().unwrap().push(std::mem::take(&mut text));
        let answer = answers.lock().unwrap().pop_front().expect("a request too many");
        if answer.is_empty() {
            return;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

pub(crate) fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn issued() -> String {
    token("canary-token", 3600)
}

pub(crate) fn token(token: &str, seconds: u64) -> String {
    answer("200 OK", &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#))
}

pub(crate) fn http() -> Http {
    Http::builder().build().unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy::builder().backoff(Duration::from_millis(1), Duration::from_millis(2)).build()
}

/// A JWT with these claims; nobody checks its signature.
pub(crate) fn jwt(claims: &str) -> String {
    format!("eyJh.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

/// What goes with each request: the names and values of the headers.
pub(crate) fn headers(credential: &Credential) -> Vec<(String, String)> {
    let headers = credential.headers().unwrap();
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

pub(crate) fn lifetime(credential: &Credential) -> u64 {
    (credential.expires_at().unwrap() - credential.obtained_at()).as_secs_f64().round() as u64
}

/// This many seconds from now, in seconds since 1970.
pub(crate) fn later(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

/// It ends at this second since 1970, however long it took to get it.
#[track_caller]
pub(crate) fn assert_ends(credential: &Credential, end: u64) {
    let left = credential.expires_at().unwrap().saturating_duration_since(Instant::now());
    let found = (SystemTime::now() + left).duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((found - end as f64).abs() < 2.0, "it ends at {found}, and not at {end}");
}

/// Nothing that is printed shows a secret.
#[track_caller]
pub(crate) fn assert_discreet(source: &dyn CredentialSource, error: &Error) {
    let printed = format!("{source:?} {error} {error:?} {}", Report(error));
    assert!(!printed.contains("canary"), "{printed}");
}
