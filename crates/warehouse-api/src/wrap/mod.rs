//! Warehouses around warehouses.

mod forward;
mod traced;

pub use traced::Traced;
