//! What nearly every program needs: `use twinhouse::prelude::*`.

pub use crate::connect;
pub use twinhouse_core::{Error, ErrorKind, Report, Result};
pub use twinhouse_warehouse_api::{
    BatchStream, CallOptions, LoadRequest, LoadToken, Params, StatementRequest, TableRef, Transaction, Warehouse,
    WarehouseExt,
};
