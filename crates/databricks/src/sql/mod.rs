//! SQL on a warehouse of one's choice: statements, sessions, the history of queries, and the builder of queries.
//!
//! [`SqlClient`] waits, streams, cancels and checks what comes; [`Statements`] is one call for each endpoint.
//!
//! ```no_run
//! use serde::Deserialize;
//! use twinhouse_databricks::{
//!     DatabricksClient,
//!     sql::{QueryBuilder, SqlRequest, col},
//! };
//!
//! #[derive(Deserialize)]
//! struct Region {
//!     region: String,
//!     orders: i64,
//! }
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let client = DatabricksClient::from_env()?;
//! let sql = client.sql("1234567890abcdef");
//!
//! let query = QueryBuilder::new()
//!     .select(["region"])
//!     .select_as("count(*)", "orders")
//!     .from("main.sales.orders")
//!     .where_(col("placed").ge("2026-01-01"))
//!     .group_by(["region"])
//!     .limit(100);
//! for row in sql.fetch_all::<Region>(query.build()?).await? {
//!     println!("{} {}", row.region, row.orders);
//! }
//!
//! let result = sql.execute(SqlRequest::read("select * from main.sales.orders").with_row_limit(10)).await?;
//! println!("{:?} rows, cut short: {}", result.manifest().total_row_count, result.manifest().truncated);
//! # Ok(())
//! # }
//! ```

mod check;
mod client;
mod history;
mod query;
mod request;
mod response;
mod result;
mod session;
mod statements;

pub use client::SqlClient;
pub use history::{QueryFilter, QueryHistory, QueryInfo, QueryStatus};
pub use query::{Column, Condition, Join, Nulls, QueryBuilder, Source, col, expr};
pub use request::{CLIENT_ID_TAG, Disposition, Format, QueryTag, SqlRequest, StatementParameter};
pub use response::{
    ChunkInfo, ExternalLink, ResultChunk, ResultColumn, ResultManifest, StatementError, StatementResponse,
};
pub use result::{RawResult, StatementResult};
pub use session::{SessionBuilder, SqlSession};
pub use statements::{Compression, ExecuteStatementRequest, OnWaitTimeout, Statements};

pub use crate::wire::StatementState;

use crate::client::DatabricksClient;

impl DatabricksClient {
    /// SQL on this warehouse. Nothing is sent.
    pub fn sql(&self, warehouse_id: impl Into<String>) -> SqlClient {
        SqlClient::new(self.api().clone(), self.config(), warehouse_id.into())
    }

    /// The Statement Execution API, one call for each endpoint: `/api/2.0/sql/statements`.
    pub fn statements(&self) -> Statements {
        Statements::new(self.api().clone())
    }

    /// The history of queries: `/api/2.0/sql/history/queries`.
    pub fn query_history(&self) -> QueryHistory {
        QueryHistory::new(self.api().clone())
    }
}
