//! Sessions on the server, kept and handed out: each to one user at a time, clean, and never with somebody's query on it.

mod checkout;
pub(crate) mod session;
mod sessions;

pub(crate) use checkout::{Checkout, Pool};
pub(crate) use session::{Answer, Extras, Session};
pub(crate) use sessions::Sessions;
