//! `/api/2.0/sql/statements`.

use twinhouse_core::{
    Result,
    http::{Body, Method},
    resilience::Operation,
};

use super::client::{CANCEL, Client, STATEMENTS};
use crate::wire::{ExecuteStatement, ResultData, Statement};

impl Client {
    /// Submits. The service has no token to recognise a repeated submission by, so a submission is repeated only when
    /// it certainly was not begun, whatever the statement does.
    pub(crate) async fn execute(&self, statement: &ExecuteStatement<'_>) -> Result<Statement> {
        let request = self.request(Method::POST, ["api", "2.0", "sql", "statements"]).with_body(Body::json(statement)?);
        self.json(Operation::write("statement.submit").with_class(STATEMENTS), request).await
    }

    pub(crate) async fn statement(&self, id: &str) -> Result<Statement> {
        let request = self.request(Method::GET, ["api", "2.0", "sql", "statements", id]);
        self.json(Operation::read("statement.status").with_class(STATEMENTS), request).await
    }

    /// The rows of one chunk, or fresh links to it.
    pub(crate) async fn chunk(&self, id: &str, index: u64) -> Result<ResultData> {
        let index = index.to_string();
        let path = ["api", "2.0", "sql", "statements", id, "result", "chunks", &index];
        let request = self.request(Method::GET, path);
        self.json(Operation::read("statement.chunk").with_class(STATEMENTS), request).await
    }

    /// Asks for the statement to be stopped. The service takes note and stops it later.
    pub(crate) async fn cancel(&self, id: &str) -> Result<()> {
        let request = self.request(Method::POST, ["api", "2.0", "sql", "statements", id, "cancel"]);
        let request = request.with_body(Body::json(&serde_json::json!({}))?);
        // To stop it twice is to stop it.
        self.done(Operation::read("statement.cancel").with_class(CANCEL), request).await
    }

    /// Gives the result up.
    pub(crate) async fn close(&self, id: &str) -> Result<()> {
        let request = self.request(Method::DELETE, ["api", "2.0", "sql", "statements", id]);
        self.done(Operation::read("statement.close").with_class(CANCEL), request).await
    }
}
