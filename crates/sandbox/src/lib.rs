//! Both warehouses on one laptop: real engines behind the vendors' own protocols, for development and tests.

mod faults;

pub use faults::{FaultKind, FaultRule, Faults, Front, ScheduledFault, When};
