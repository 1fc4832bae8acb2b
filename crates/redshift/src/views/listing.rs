//! A view's rows as a stream, page by page.

use std::{collections::VecDeque, sync::Arc};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::Result;

use super::{Fields, View};
use crate::cluster::Cluster;

/// How many rows are read at a time.
const PAGE: usize = 500;

/// Which rows of a view are listed, and what is made of them.
#[derive(Debug)]
pub(crate) struct Listing<T> {
    pub(crate) operation: &'static str,
    pub(crate) view: View,
    /// Conditions, all of which must hold.
    pub(crate) wanted: Vec<String>,
    /// The columns that tell rows apart: pages are read in their order.
    pub(crate) order: &'static [&'static str],
    /// Last ones first.
    pub(crate) descending: bool,
    /// The values of those columns, as literals.
    pub(crate) key: fn(&T) -> Result<Vec<String>>,
    pub(crate) read: fn(&mut Fields) -> Result<T>,
}

struct Reader<T> {
    cluster: Arc<Cluster>,
    listing: Listing<T>,
    after: Option<Vec<String>>,
    page: VecDeque<T>,
    ended: bool,
}

impl<T: Send + 'static> Listing<T> {
    /// The rows, in order. Nothing is read before the first is asked for, and no page before the one before is used up.
    /// An error ends the stream.
    pub(crate) fn stream(self, cluster: Arc<Cluster>) -> BoxStream<'static, Result<T>> {
        let reader = Reader { cluster, listing: self, after: None, page: VecDeque::new(), ended: false };
        stream::try_unfold(reader, |mut reader| async move {
            while reader.page.is_empty() && !reader.ended {
                reader.turn().await?;
            }
            Ok(reader.page.pop_front().map(|row| (row, reader)))
        })
        .boxed()
    }

    pub(super) fn rest(&self, after: Option<&[String]>) -> String {
        let mut wanted = self.wanted.clone();
        wanted.extend(after.map(|after| behind(self.order, after, if self.descending { '<' } else { '>' })));
        let filter = if wanted.is_empty() { String::new() } else { format!("WHERE {} ", wanted.join(" AND ")) };
        let direction = if self.descending { " DESC" } else { "" };
        let order: Vec<String> = self.order.iter().map(|column| format!("{column}{direction}")).collect();
        format!("{filter}ORDER BY {} LIMIT {PAGE}", order.join(", "))
    }
}

impl<T> Reader<T>
where
    T: Send + 'static,
{
    async fn turn(&mut self) -> Result<()> {
        self.cluster.check_open()?;
        let (listing, rest) = (&self.listing, self.listing.rest(self.after.as_deref()));
        let rows = listing.view.read(&self.cluster, listing.operation, &rest).await?;
        self.ended = rows.len() < PAGE;
        self.page = rows.into_iter().map(|mut row| (listing.read)(&mut row)).collect::<Result<_>>()?;
        if let Some(last) = self.page.back() {
            self.after = Some((listing.key)(last)?);
        }
        Ok(())
    }
}

/// `(a > 1 OR (a = 1 AND (b > 2)))`.
fn behind(columns: &[&str], after: &[String], sign: char) -> String {
    match (columns, after) {
        ([column, columns @ ..], [value, after @ ..]) if !columns.is_empty() => {
            format!("({column} {sign} {value} OR ({column} = {value} AND {}))", behind(columns, after, sign))
        }
        ([column], [value, ..]) => format!("({column} {sign} {value})"),
        _ => "TRUE".to_owned(),
    }
}
