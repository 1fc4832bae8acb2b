//! A server that answers each connection from a script and remembers what it was sent.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};
use twinhouse_core::http::Url;

/// What to do with one request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Send this and go on with the connection.
    Answer(String),
    /// Send this and close the connection.
    AnswerAndClose(String),
    /// Send this and then nothing more, without closing.
    AnswerAndHang(String),
}

pub(crate) fn json(body: &str) -> Step {
    Step::Answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// An address at which nobody listens. Nobody else can begin to while the socket is held.
pub(crate) fn nobody() -> (Url, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    (format!("http://{}/", socket.local_addr().unwrap()).parse().unwrap(), socket)
}

/// Requests as they came, head and body.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Starts a server that goes through the steps, one for each request, in order.
pub(crate) async fn serve(steps: impl IntoIterator<Item = Step>) -> (Url, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let seen = Seen::default();
    let steps = Arc::new(Mutex::new(steps.into_iter().collect::<Vec<_>>().into_iter()));
    let (log, script) = (seen.clone(), steps);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, script.clone(), log.clone()));
        }
    });
    (url, seen)
}

pub(crate) async fn converse<S>(mut stream: S, steps: Arc<Mutex<std::vec::IntoIter<Step>>>, seen: Seen)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(request) = read_request(&mut stream).await {
        seen.0.lock().unwrap().push(request);
        let Some(step) = steps.lock().unwrap().next() else { return };
        let (text, then_close, then_hang) = match step {
            Step::Answer(text) => (text, false, false),
            Step::AnswerAndClose(text) => (text, true, false),
            Step::AnswerAndHang(text) => (text, false, true),
        };
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        if then_hang {
            std::future::pending::<()>().await;
        }
        if then_close {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}
