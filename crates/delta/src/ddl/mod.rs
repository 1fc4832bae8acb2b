//! Making, changing and describing tables. Everything is checked here before it is sent; each call is one statement
//! and one version of the table.

mod alter;
mod column;
mod create;
mod describe;
mod properties;

#[cfg(test)]
mod tests;

pub(crate) use self::properties::{MAPPING, WIDENING};
pub use self::{
    create::{CreateTable, WhenExists},
    describe::TableDescription,
};
