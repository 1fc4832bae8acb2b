//! Redshift over HTTPS: statements that are handed in, looked after and fetched, without a connection of one's own.
//!
//! The second road to the same database. A statement outlives the program that sent it, for up to 24 hours, and so do its
//! rows; nothing has to be reachable but AWS. In exchange a call costs more than on the wire, a statement is 200 KB of
//! text at the most and a result 500 MB, and rows cannot be loaded: COPY is a statement like any other, but loads and
//! merges of batches go over the wire.
//!
//! ```no_run
//! # async fn example() -> twinhouse_core::Result<()> {
//! use twinhouse_redshift::data_api::{DataApiConfig, DataApiWarehouse};
//! use twinhouse_warehouse_api::{OnDrop, CallOptions, StatementRequest, Warehouse, WarehouseExt as _};
//!
//! let warehouse = DataApiWarehouse::from_url("redshift-data://workgroup/analytics/dev?region=eu-west-1")?;
//! let nightly = StatementRequest::write("call rebuild_totals()")
//!     .with_options(CallOptions::default().with_on_drop(OnDrop::Detach).with_label("nightly"));
//! let id = warehouse.submit(nightly).await?.id().clone();
//! // Hours later, in another process:
//! let rows = warehouse.attach(&id).await?.stream().await?;
//! # Ok(())
//! # }
//! ```

mod batch;
mod catalog;
mod client;
mod config;
mod error;
mod history;
mod records;
mod session;
mod statement;
mod warehouse;

use twinhouse_core::{Error, ErrorKind, Result};

pub use self::{
    batch::{BatchMode, BatchOutcome, BatchRequest, BatchStatement},
    config::{DataApiBuilder, DataApiConfig, Login, Target},
    history::{PastStatement, StatementFilter},
    session::DataApiSession,
    warehouse::DataApiWarehouse,
};

/// The service's name for what it took.
fn id_of(id: Option<&str>) -> Result<String> {
    id.filter(|id| !id.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| Error::new(ErrorKind::Protocol, "the Data API took a statement and named none"))
}
