//! `/api/2.0/sql/statements`.

use serde::{Serialize, de::DeserializeOwned};
use twinhouse_core::{
    Result,
    http::{Body, Method},
    resilience::Operation,
};

use super::client::{CANCEL, Client, STATEMENT_SUBMIT, STATEMENTS, WAREHOUSES};
use crate::wire::{OpenSession, OpenedSession, ResultData, Statement};

impl Client {
    /// Submits. The service has no token to recognise a repeated submission by, so a submission is repeated only when
    /// it certainly was not begun, whatever the statement does.
    pub(crate) async fn execute<S: Serialize + Sync>(&self, statement: &S) -> Result<Statement> {
        let request = self.request(Method::POST, ["api", "2.0", "sql", "statements"]).with_body(Body::json(statement)?);
        self.json(Operation::write("statement.submit").with_class(STATEMENT_SUBMIT), request).await
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

    /// Opens a session. One that nobody got to know lapses by itself.
    pub(crate) async fn open_session(&self, session: &OpenSession<'_>) -> Result<OpenedSession> {
        let request = self.request(Method::POST, ["api", "2.0", "sql", "sessions"]).with_body(Body::json(session)?);
        self.json(Operation::write("session.open").with_class(STATEMENTS), request).await
    }

    pub(crate) async fn close_session(&self, id: &str, warehouse_id: &str) -> Result<()> {
        let request = self.request(Method::DELETE, ["api", "2.0", "sql", "sessions", id]);
        let request = request.with_query([("warehouse_id", warehouse_id)]);
        self.done(Operation::read("session.close").with_class(CANCEL), request).await
    }

    /// One page of the history of queries.
    pub(crate) async fn query_history<T: DeserializeOwned>(&self, query: &[(&'static str, String)]) -> Result<T> {
        let request = self.request(Method::GET, ["api", "2.0", "sql", "history", "queries"]);
        let request = request.with_query(query.iter().map(|(name, value)| (*name, value.as_str())));
        self.json(Operation::read("history.list").with_class(WAREHOUSES), request).await
    }
}
