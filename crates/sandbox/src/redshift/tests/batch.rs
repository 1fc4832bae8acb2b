//! The protocol by hand: messages in an order that no library here sends.

use bytes::BytesMut;
use postgres_protocol::{
    IsNull,
    authentication::md5_hash,
    message::{backend::Message, frontend},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;

struct Raw {
    socket: TcpStream,
    out: BytesMut,
    input: BytesMut,
}

impl Raw {
    async fn enter(cluster: &Cluster) -> Self {
        let socket = TcpStream::connect(cluster.front.address()).await.expect("connected");
        let mut raw = Self { socket, out: BytesMut::new(), input: BytesMut::new() };
        let who = [("user", USER), ("database", cluster.database.as_str())];
        frontend::startup_message(who, &mut raw.out).expect("written");
        raw.send().await;
        let Some(Message::AuthenticationMd5Password(body)) = raw.next().await else { panic!("no question") };
        let hash = md5_hash(USER.as_bytes(), PASSWORD.as_bytes(), body.salt());
        frontend::password_message(hash.as_bytes(), &mut raw.out).expect("written");
        raw.send().await;
        raw.until_ready().await;
        raw
    }

    async fn send(&mut self) {
        self.socket.write_all(&self.out.split()).await.expect("sent");
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.input).expect("understood") {
                return Some(message);
            }
            if self.socket.read_buf(&mut self.input).await.expect("read") == 0 {
                return None;
            }
        }
    }

    /// What comes, one word each, up to an answer to a Sync or the end.
    async fn until_ready(&mut self) -> Vec<&'static str> {
        let mut words = Vec::new();
        loop {
            words.push(match self.next().await {
                None => "end",
                Some(Message::ReadyForQuery(_)) => return words,
                Some(Message::ErrorResponse(_)) => "error",
                Some(Message::ParseComplete) => "parsed",
                Some(Message::BindComplete) => "bound",
                Some(Message::CloseComplete) => "closed",
                Some(Message::RowDescription(_)) => "columns",
                Some(Message::DataRow(_)) => "row",
                Some(Message::CommandComplete(_)) => "done",
                Some(_) => continue,
            });
            if words.last() == Some(&"end") {
                return words;
            }
        }
    }

    fn parse(&mut self, name: &str, sql: &str) -> &mut Self {
        frontend::parse(name, sql, [], &mut self.out).expect("written");
        self
    }

    fn execute(&mut self, name: &str) -> &mut Self {
        let no_value = |(), _: &mut BytesMut| Ok(IsNull::Yes);
        let bound = frontend::bind("", name, [], [], no_value, [1], &mut self.out);
        assert!(bound.is_ok());
        frontend::execute("", 0, &mut self.out).expect("written");
        self
    }

    fn close(&mut self, name: &str) -> &mut Self {
        frontend::close(b'S', name, &mut self.out).expect("written");
        self
    }

    fn query(&mut self, sql: &str) -> &mut Self {
        frontend::query(sql, &mut self.out).expect("written");
        self
    }

    fn sync(&mut self) -> &mut Self {
        frontend::sync(&mut self.out);
        self
    }

    fn flush(&mut self) -> &mut Self {
        frontend::flush(&mut self.out);
        self
    }
}

#[tokio::test]
async fn what_follows_a_failure_is_read_over_up_to_the_sync() {
    let cluster = Cluster::start().await;
    let mut client = Raw::enter(&cluster).await;
    // Of the front's own refusals too, and of what it would carry out itself.
    let rest = ["select 1", "savepoint a", "select count(*) from stl_query"];
    for bad in ["select wrong", "savepoint a"] {
        for heard in [true, false] {
            client.parse("", bad).flush();
            if heard {
                client.send().await;
                assert!(matches!(client.next().await, Some(Message::ErrorResponse(_))));
            }
            for sql in rest {
                client.parse("", sql).execute("");
            }
            client.query("copy t from 's3://staging/x' iam_role default").flush().sync();
            client.send().await;
            assert_eq!(client.until_ready().await, if heard { vec![] } else { vec!["error"] });
            // Nothing is left that later answers could be taken for.
            client.query("select query from stl_query limit 0").send().await;
            assert_eq!(client.until_ready().await, ["columns", "done"]);
        }
    }
    assert!(cluster.front.activity().is_empty());
}

#[tokio::test]
async fn a_failed_batch_takes_nothing_of_the_next_with_it() {
    let cluster = Cluster::start().await;
    let mut client = Raw::enter(&cluster).await;
    for _ in 0..50 {
        client.parse("", "select wrong").execute("").sync();
        client.parse("", "select 1.5").execute("").sync().query("select 2").send().await;
        assert_eq!(client.until_ready().await, ["error"]);
        assert_eq!(client.until_ready().await, ["parsed", "bound", "row", "done"]);
        assert_eq!(client.until_ready().await, ["columns", "row", "done"]);
    }
}

#[tokio::test]
async fn a_closed_statement_can_be_made_anew_under_its_name() {
    let cluster = Cluster::start().await;
    let mut client = Raw::enter(&cluster).await;
    client.parse("s", "select 1").execute("s").close("s").parse("s", "select 2.5").sync().send().await;
    assert_eq!(client.until_ready().await, ["parsed", "bound", "row", "done", "closed", "parsed"]);
    client.execute("s").sync().send().await;
    assert!(matches!(client.next().await, Some(Message::BindComplete)));
    let Some(Message::DataRow(row)) = client.next().await else { panic!("no row") };
    // Redshift's own form of a number: the front knows what the name means now.
    assert_eq!(&row.buffer()[4..], 25_i128.to_be_bytes());
}

#[tokio::test]
async fn what_the_front_adds_to_a_batch_is_added_again_where_it_was_read_over() {
    let cluster = Cluster::start().await;
    let mut client = Raw::enter(&cluster).await;
    client.query("create table t (a int)").parse("s", "select 2.5").parse("t", "truncate t").sync().send().await;
    assert_eq!(client.until_ready().await, ["done"]);
    assert_eq!(client.until_ready().await, ["parsed", "parsed"]);
    client.query("begin").parse("", "select wrong").execute("").execute("s").execute("t").sync().send().await;
    assert_eq!(client.until_ready().await, ["done"]);
    assert_eq!(client.until_ready().await, ["error"]);
    client.query("rollback").query("begin").query("insert into t values (1)").send().await;
    for _ in 0..3 {
        assert_eq!(client.until_ready().await, ["done"]);
    }
    client.execute("s").execute("t").sync().query("rollback").send().await;
    assert!(matches!(client.next().await, Some(Message::BindComplete)));
    let Some(Message::DataRow(row)) = client.next().await else { panic!("no row") };
    assert_eq!(&row.buffer()[4..], 25_i128.to_be_bytes());
    assert_eq!(client.until_ready().await, ["done", "bound", "done"]);
    assert_eq!(client.until_ready().await, ["done"]);
    client.query("select a from t").send().await;
    assert_eq!(client.until_ready().await, ["columns", "done"]);
}

#[tokio::test]
async fn a_client_that_stops_writing_still_gets_its_answers() {
    let cluster = Cluster::start().await;
    let mut client = Raw::enter(&cluster).await;
    client.query("select 1").parse("", "select 2").execute("").flush().send().await;
    client.socket.shutdown().await.expect("half closed");
    assert_eq!(client.until_ready().await, ["columns", "row", "done"]);
    assert_eq!(client.until_ready().await, ["parsed", "bound", "row", "done", "end"]);
}
