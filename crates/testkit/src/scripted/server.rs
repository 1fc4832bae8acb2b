//! A loopback HTTP server that answers from a script.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::{
    http::{Answer, Ending, Received},
    script::Script,
};

/// An HTTP/1.1 server on loopback that answers from a script and remembers what it was asked.
///
/// A request takes the first unspent line of the script whose method and path are its own; lines for different paths
/// may thus be spent in any order, those for one path one after the other. A request without a line is answered with
/// 501 and fails [`verify`](Self::verify). The server ends when it is dropped.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use twinhouse_testkit::{Answer, ScriptedServer};
///
/// let server = ScriptedServer::start().await?;
/// server.once("GET", "/status", Answer::status(503));
/// server.once("GET", "/status", Answer::json(serde_json::json!({ "state": "RUNNING" })));
///
/// // … a client of `server.url()` that repeats a 503 …
///
/// server.verify();
/// assert_eq!(server.requests().len(), 2);
/// # Ok(())
/// # }
/// ```
pub struct ScriptedServer {
    address: SocketAddr,
    script: Arc<Script>,
    accepting: AbortHandle,
}

impl ScriptedServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If the machine has no loopback or no port left.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let script = Arc::<Script>::default();
        let accepting = tokio::spawn(accept(listener, script.clone())).abort_handle();
        Ok(Self { address, script, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers one request of this method and path (without query) with `answer`.
    pub fn once(&self, method: &str, path: &str, answer: Answer) -> &Self {
        self.script.add(method, path, answer, Some(1));
        self
    }

    /// Answers every request of this method and path (without query) with `answer`, once earlier lines are spent.
    pub fn always(&self, method: &str, path: &str, answer: Answer) -> &Self {
        self.script.add(method, path, answer, None);
        self
    }

    /// Answers requests that no line is left for, for paths that a test cannot know beforehand. `None` is no answer.
    pub fn otherwise(&self, answer: impl FnMut(&Received) -> Option<Answer> + Send + 'static) -> &Self {
        self.script.otherwise(answer);
        self
    }

    /// Everything it was asked so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.script.requests()
    }

    /// How often it was asked this.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.script.count(method, path)
    }

    /// Checks that every `once` was asked for and that nothing else was.
    ///
    /// # Panics
    ///
    /// If not, with the list of what was missing and what was too much.
    #[track_caller]
    pub fn verify(&self) {
        self.script.verify();
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedServer").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    // Dropped with this task: no connection outlives the server.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, script.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection until it ends. A broken one is the client's to notice: it is what tests provoke.
async fn serve(stream: TcpStream, script: Arc<Script>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = Received::read(&mut stream).await? {
        let answer = script.answer(request);
        match answer.ending {
            Ending::Hang => std::future::pending().await,
            Ending::Close => break,
            Ending::Complete | Ending::Cut(_) => stream.write_all(&answer.bytes()).await?,
        }
        if answer.ending != Ending::Complete {
            break;
        }
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn ask(server: &ScriptedServer, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn lines_of_one_path_are_spent_in_order_and_the_last_may_stay() {
        let server = ScriptedServer::start().await.unwrap();
        server.once("GET", "/a", Answer::status(503).with_header("retry-after", "1"));
        server.always("GET", "/a", Answer::ok("done"));
        let first = ask(&server, "GET /a?x=1 HTTP/1.1\r\n\r\n").await;
        assert!(first.starts_with("HTTP/1.1 503") && first.contains("retry-after: 1"), "{first}");
        for _ in 0..2 {
            assert!(ask(&server, "GET /a HTTP/1.1\r\n\r\n").await.ends_with("\r\n\r\ndone"));
        }
        server.verify();
        assert_eq!(server.count("get", "/a"), 3);
        assert_eq!(server.requests()[0].target, "/a?x=1");
    }

    #[tokio::test]
    async fn bodies_arrive_whole_by_length_and_in_chunks_on_one_connection() {
        let server = ScriptedServer::start().await.unwrap();
        server.always("PUT", "/f", Answer::status(204));
        let both = "PUT /f HTTP/1.1\r\nContent-Length: 3\r\nX-Secret: s3\r\n\r\nabc\
                    PUT /f HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n3;x=y\r\nfgh\r\n0\r\n\r\n";
        ask(&server, both).await;
        let requests = server.requests();
        assert_eq!(requests.iter().map(Received::text).collect::<Vec<_>>(), ["abc", "defgh"]);
        assert_eq!(requests[0].header("X-SECRET"), Some("s3"));
        assert!(!format!("{requests:?}").contains("s3"));
    }

    #[tokio::test]
    async fn a_cut_body_promises_more_than_it_sends() {
        let server = ScriptedServer::start().await.unwrap();
        server.once("GET", "/f", Answer::ok("0123456789").cut_after(4));
        let answer = ask(&server, "GET /f HTTP/1.1\r\n\r\n").await;
        assert!(answer.contains("content-length: 10") && answer.ends_with("\r\n\r\n0123"), "{answer}");
        server.once("GET", "/g", Answer::close());
        assert_eq!(ask(&server, "GET /g HTTP/1.1\r\n\r\n").await, "");
    }

    #[tokio::test]
    async fn what_no_line_foresees_can_be_computed() {
        let server = ScriptedServer::start().await.unwrap();
        server.once("GET", "/a", Answer::ok("line"));
        server.otherwise(|request| (request.method == "GET").then(|| Answer::ok(request.target.clone())));
        assert!(ask(&server, "GET /a HTTP/1.1\r\n\r\n").await.ends_with("line"));
        assert!(ask(&server, "GET /a HTTP/1.1\r\n\r\n").await.ends_with("/a"));
        assert!(ask(&server, "PUT /a HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 501"));
    }

    #[tokio::test]
    async fn a_request_that_nobody_foresaw_is_refused_and_remembered() {
        let server = ScriptedServer::start().await.unwrap();
        server.once("GET", "/wanted", Answer::status(200));
        assert!(ask(&server, "POST /wanted HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 501"));
        let complaint = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.verify())).unwrap_err();
        let complaint = complaint.downcast_ref::<String>().unwrap();
        assert!(complaint.contains("\"GET /wanted\"") && complaint.contains("\"POST /wanted\""), "{complaint}");
    }
}
