//! The conformance suite: what every [`Warehouse`](twinhouse_warehouse_api::Warehouse) must do, as a library of cases.
//!
//! A backend writes one [`Fixture`] and one line, [`conformance!`](crate::conformance!), which becomes one test for each
//! case. A case says what it [needs](Need); where the warehouse does not promise that, the suite checks that it *is*
//! refused, so that the capabilities and the code cannot drift apart. Each case makes its own tables and drops them.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use twinhouse_testkit::conformance::{Fixture, Scratch};
//! use twinhouse_warehouse_api::Warehouse;
//! # async fn connect() -> twinhouse_core::Result<Arc<dyn Warehouse>> {
//! #     Err(twinhouse_core::Error::new(twinhouse_core::ErrorKind::Connection, "example"))
//! # }
//!
//! #[derive(Debug)]
//! struct Mine;
//!
//! #[async_trait]
//! impl Fixture for Mine {
//!     fn name(&self) -> &str {
//!         "mine"
//!     }
//!     async fn warehouse(&self) -> twinhouse_core::Result<Arc<dyn Warehouse>> {
//!         connect().await
//!     }
//!     fn scratch(&self) -> Scratch {
//!         Scratch::new(None, Some("scratch"))
//!     }
//!     fn rows_query(&self, rows: u64) -> String {
//!         format!("select id as i, concat('row ', id) as t, cast(id as decimal(18, 2)) as d from range({rows})")
//!     }
//!     fn slow_query(&self, marker: &str) -> String {
//!         format!("/* {marker} */ select count(*) as n from range(1000000) a cross join range(1000000) b")
//!     }
//!     async fn is_running(&self, _marker: &str) -> Option<bool> {
//!         None // this server cannot be asked; the cases then check the client's side only
//!     }
//! }
//!
//! mod suite {
//!     use super::*;
//!     twinhouse_testkit::conformance!(Mine);
//! }
//! ```
//!
//! `cargo test -- --nocapture` prints a line `conformance <backend> <theme>::<case> <outcome>` for each case, to be
//! gathered into a table.

mod batch;
mod case;
mod cell;
mod context;
mod fixture;
mod list;
mod need;

mod cancel;
mod errors;
mod identifiers;
mod load;
mod load_columns;
mod load_create;
mod load_modes;
mod merge;
mod merge_clauses;
mod merge_sources;
mod nested;
mod params;
mod results;
mod session;
mod tables;
mod transactions;
mod unload;
mod values;

pub use batch::{column, table_batch};
pub use case::{Case, CaseResult, Failure, Outcome, run};
pub use cell::{Cell, cells};
pub use context::Context;
pub use fixture::{Fixture, Scratch};
pub use list::CASES;
pub use need::Need;
