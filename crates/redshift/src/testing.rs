//! A cluster whose server is in memory and answers simple queries as a test tells it to, transactions included.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use twinhouse_core::config::Env;

use crate::{
    cluster::Cluster,
    config::RedshiftBuilder,
    staging::Staging,
    wire::script::{self, Log, Peer, columns, complete, connector, message, ready, row},
};

/// One answer.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    Rows(Vec<Vec<Option<String>>>),
    /// The command's tag.
    Done(String),
    /// SQLSTATE and message.
    Error(&'static str, String),
    HangUp,
    Nothing,
}

impl Say {
    pub(crate) fn done(tag: impl Into<String>) -> Self {
        Self::Done(tag.into())
    }

    pub(crate) fn row(values: &[&str]) -> Self {
        Self::rows(&[values])
    }

    pub(crate) fn rows(rows: &[&[&str]]) -> Self {
        let text = |value: &&str| Some((*value).to_owned()).filter(|text| text != "<null>");
        Self::Rows(rows.iter().map(|row| row.iter().map(text).collect()).collect())
    }

    pub(crate) fn none() -> Self {
        Self::Rows(Vec::new())
    }
}

/// The server's side of one session.
#[async_trait]
pub(crate) trait Answers: Send {
    async fn answer(&mut self, sql: &str) -> Say;

    /// Names and type ids of what a statement would give.
    fn describe(&self, _sql: &str) -> Vec<(&'static str, u32)> {
        Vec::new()
    }
}

/// A cluster whose sessions answer like this; settings are taken without asking.
pub(crate) fn cluster<A: Answers + 'static>(
    log: &Log,
    staging: Option<Staging>,
    session: impl Fn() -> A + Send + Sync + 'static,
) -> Arc<Cluster> {
    let url = "redshift://u:p@scripted/dev?sslmode=disable&pool=4&iam_role=arn:aws:iam::1:role/r";
    let config = RedshiftBuilder::from_url(url).unwrap().env(Env::empty()).build().unwrap();
    let connector = connector(log, move |peer| serve(peer, session()).boxed());
    Cluster::over(config, connector, staging).unwrap()
}

async fn serve(mut peer: Peer, mut session: impl Answers) {
    peer.welcome().await;
    let (mut state, mut prepared) = (b'I', String::new());
    while let Some((tag, body)) = peer.message().await {
        let text = |body: &[u8]| String::from_utf8(body.iter().copied().take_while(|&b| b != 0).collect()).unwrap();
        match tag {
            b'Q' => {
                let sql = text(&body);
                let setting = ["SET ", "RESET "].iter().any(|word| sql.starts_with(word));
                if !setting {
                    peer.log.note(format!("{} {sql}", peer.process));
                }
                let say = match state {
                    b'E' if sql != "ROLLBACK" => Say::Error("25P02", "current transaction is aborted".to_owned()),
                    _ if setting => Say::done("SET"),
                    _ => session.answer(&sql).await,
                };
                let (said, next) = match say {
                    Say::HangUp => return,
                    Say::Nothing => continue,
                    Say::Error(code, text) => {
                        (script::error("ERROR", code, &text), if state == b'I' { b'I' } else { b'E' })
                    }
                    Say::Done(tag) => (complete(&tag), state),
                    Say::Rows(rows) => {
                        let width = rows.first().map_or(1, Vec::len);
                        let mut said = columns(&vec![("c", 1043); width]);
                        for values in &rows {
                            said.extend(row(&values
                                .iter()
                                .map(|v| v.as_deref().map(str::as_bytes))
                                .collect::<Vec<_>>()));
                        }
                        said.extend(complete("SELECT"));
                        (said, state)
                    }
                };
                state = match (sql.as_str(), next) {
                    ("BEGIN", b'I') => b'T',
                    ("COMMIT" | "ROLLBACK", _) => b'I',
                    _ => next,
                };
                peer.send(&[said, ready(state)].concat()).await;
            }
            b'P' => {
                prepared = text(&body[1..]);
                peer.log.note(format!("{} prepare {prepared}", peer.process));
                peer.send(&message(b'1', b"")).await;
            }
            b'D' => peer.send(&[message(b't', &[0, 0]), columns(&session.describe(&prepared))].concat()).await,
            b'S' => peer.send(&ready(state)).await,
            b'X' => {
                peer.log.note(format!("{} goodbye", peer.process));
                return;
            }
            other => panic!("message {}", char::from(other)),
        }
    }
    peer.log.note(format!("{} gone", peer.process));
}

/// The values of a statement's literals, as the server's lexer takes them: a backslash escapes in each.
pub(crate) fn literals(sql: &str) -> Vec<String> {
    split(sql).0
}

/// The statement with a question mark for each literal.
pub(crate) fn without_literals(sql: &str) -> String {
    split(sql).1
}

fn split(sql: &str) -> (Vec<String>, String) {
    let (mut values, mut rest, mut chars) = (Vec::new(), String::new(), sql.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let mut value = String::new();
                loop {
                    match chars.next().expect("a literal that ends") {
                        '\\' => value.extend(chars.next()),
                        '\'' if chars.peek() == Some(&'\'') => value.extend(chars.next()),
                        '\'' => break,
                        c => value.push(c),
                    }
                }
                values.push(value);
                rest.push('?');
            }
            c => rest.push(c),
        }
    }
    (values, rest)
}
