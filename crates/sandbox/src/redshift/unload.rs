//! UNLOAD: read here so that it can be refused by name.

use std::io;

use super::{lexer::Lexed, report::Report, session::Session};

/// An UNLOAD.
#[derive(Clone, Debug)]
pub(super) struct UnloadStatement;

impl UnloadStatement {
    pub(super) fn parse(_: &Lexed<'_>) -> Result<Self, Report> {
        Err(Report::not_in_sandbox("UNLOAD"))
    }
}

impl Session {
    pub(super) async fn unload(&mut self, _: &UnloadStatement, _: i64) -> io::Result<Result<i64, Report>> {
        self.fail(Report::not_in_sandbox("UNLOAD")).await
    }
}
