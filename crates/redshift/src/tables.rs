//! Tables: how they are found, described and listed.
//!
//! Everything comes from `SVV_ALL_TABLES` and `SVV_ALL_COLUMNS`, which provisioned clusters and serverless workgroups
//! both have. The server folds names to lower case, quoted or not, unless it is set to tell cases apart; a look-up asks
//! for the name as given and as folded, and prefers the former.

mod describe;
mod list;
mod types;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, future::Future};

use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

#[cfg(feature = "data-api")]
pub(crate) use self::{
    describe::look_up,
    list::{Page, Progress, Source},
};
pub(crate) use self::{
    describe::{Described, describe, kind, planned},
    list::list,
    types::{Carrier, Limit},
};
use crate::pool::Session;

/// Where a session looks for names that are not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Here {
    pub(crate) database: String,
    schemas: Vec<String>,
}

/// A look into the catalogue; it may be repeated.
fn look(name: &'static str) -> Operation {
    Operation::read(name).with_class("catalog")
}

/// Whoever can put a question to the server: a session of the wire, or the other road.
pub(crate) trait Ask: Send {
    /// The rows of the answer, as text.
    fn ask(&mut self, sql: &str) -> impl Future<Output = Result<Vec<Vec<Option<String>>>>> + Send;
}

impl Ask for Session {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        Ok(Session::ask(self, sql).await?.rows)
    }
}

pub(crate) async fn here(session: &mut impl Ask) -> Result<Here> {
    // Functions of the leader node: they must not meet a table in one query.
    let answer = session.ask("SELECT current_database(), current_schemas(false)").await?;
    let row = answer.into_iter().next().unwrap_or_default();
    let mut values = row.into_iter().map(Option::unwrap_or_default);
    match (values.next(), values.next()) {
        (Some(database), Some(schemas)) => Ok(Here { database, schemas: elements(&schemas) }),
        _ => Err(Error::new(ErrorKind::Protocol, "the server does not say which database this is")),
    }
}

/// The elements of an array in the server's text form: `{public,"a \"b\""}`.
fn elements(text: &str) -> Vec<String> {
    let inside = text.trim().trim_start_matches('{').trim_end_matches('}');
    let (mut all, mut element, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        any = true;
        match c {
            '"' => quoted = !quoted,
            '\\' => element.extend(chars.next()),
            ',' if !quoted => all.push(std::mem::take(&mut element)),
            c => element.push(c),
        }
    }
    if any {
        all.push(element);
    }
    all
}

/// A name as the server may have stored it, as literals: `'Ab', 'ab'`.
pub(crate) fn either(name: &str) -> Result<String> {
    literals([name.to_owned(), name.to_ascii_lowercase()])
}

fn literals(names: impl IntoIterator<Item = String>) -> Result<String> {
    let distinct: BTreeSet<String> = names.into_iter().collect();
    let literals: Vec<_> = distinct.iter().map(|name| RedshiftDialect.string(name)).collect::<Result<_>>()?;
    Ok(literals.join(", "))
}
