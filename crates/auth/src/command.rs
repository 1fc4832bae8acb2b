//! A program that gives tokens: run without a shell, for so long and no longer.

use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};

/// How long a command-line tool may take. The Azure one needs several seconds to start.
const LIMIT: Duration = Duration::from_secs(60);
/// What a program writes is no longer than this, in bytes: neither a token nor a complaint is.
const LONGEST: u64 = 1 << 20;
/// The longest text of a program that goes into an error, in characters.
const QUOTE: usize = 300;
/// No address, name or number in an error message has this many characters in one word; tokens have.
const WORD: usize = 24;

/// A program and how long it may take.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    program: PathBuf,
    limit: Duration,
}

impl Command {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, limit: LIMIT }
    }

    pub(crate) fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn program(&self) -> &PathBuf {
        &self.program
    }

    /// What it writes to its standard output. The program is killed when the future is dropped or the time is over.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let named = |error: Error| error.with_context("program", self.program.display().to_string());
        let (status, said, complaint) = match tokio::time::timeout(self.limit, self.hear(arguments)).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(cause)) if cause.kind() == io::ErrorKind::FileTooLarge => {
                return Err(named(Error::new(ErrorKind::Protocol, "the program said more than any token has")));
            }
            Ok(Err(cause)) => {
                return Err(named(
                    Error::new(ErrorKind::Config, "the program that gives tokens cannot be run").with_source(cause),
                ));
            }
            Err(_) => {
                return Err(named(
                    Error::new(ErrorKind::Timeout, format!("the program gave no token within {:?}", self.limit))
                        .with_fault(Fault::transient(Effect::None))
                        .with_context("wait", "program"),
                ));
            }
        };
        if !status.success() {
            let complaint = tame(&String::from_utf8_lossy(&complaint));
            let error = Error::new(ErrorKind::Unauthenticated, "the program that gives tokens gave none");
            return Err(named(error.with_context("exit", status.to_string()).with_context("said", complaint)));
        }
        Ok(said)
    }

    /// How it ended, what it said, and what it complained of.
    async fn hear(&self, arguments: &[&str]) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (said, complaint) = (child.stdout.take(), child.stderr.take());
        let (said, complaint) = tokio::try_join!(all(said), all(complaint))?;
        Ok((child.wait().await?, said, complaint))
    }
}

/// All that comes, unless it does not end.
async fn all(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(LONGEST + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > LONGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// A program's words, without what may be a secret: it may have been told one, and repeat it.
fn tame(text: &str) -> String {
    let tamed = text.split_whitespace().map(|word| {
        let begins = ["dapi", "dose", "eyJ"].iter().any(|start| word.contains(start));
        let address = word.contains("://") && !word.contains(['?', '@', '#']);
        if begins || (word.chars().count() >= WORD && !address) { "***" } else { word }
    });
    tamed.collect::<Vec<_>>().join(" ").chars().take(QUOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_may_be_secrets_are_blotted_out() {
        let said = "ERROR: run 'az login'\n see https://aka.ms/azure-cli-login-and-more token=eyJx short dapi1 0123456789abcdefghijklmnopqrst";
        assert_eq!(tame(said), "ERROR: run 'az login' see https://aka.ms/azure-cli-login-and-more *** short *** ***");
        assert_eq!(tame("https://example.com/callback?code=1234567890"), "***");
        assert_eq!(tame(&"word ".repeat(1000)).len(), QUOTE);
    }
}
