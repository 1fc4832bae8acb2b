//! The change data feed: what each version has inserted, updated and deleted.

use std::{
    collections::VecDeque,
    fmt,
    ops::{RangeFrom, RangeInclusive},
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};

use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use serde::de::DeserializeOwned;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, Dialect, Expression, StatementRequest, Value, WarehouseExt as _,
    arrow::{
        array::{Array as _, AsArray as _, RecordBatch},
        compute::cast,
        datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType},
    },
};

use crate::{filter::where_clause, table::DeltaTable};

const KIND: &str = "_change_type";
const VERSION: &str = "_commit_version";
const TIMESTAMP: &str = "_commit_timestamp";

/// Which versions the changes of are read, both ends included.
///
/// ```
/// use twinhouse_delta::ChangeRange;
///
/// assert_eq!(ChangeRange::from(3..=5), ChangeRange::Versions(3, Some(5)));
/// assert_eq!(ChangeRange::from(3..), ChangeRange::Versions(3, None));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeRange {
    /// From a version to another, or to the latest.
    Versions(u64, Option<u64>),
    /// From a moment to another, or to the latest.
    Timestamps(DateTime<Utc>, Option<DateTime<Utc>>),
}

impl ChangeRange {
    fn sql(self, dialect: &dyn Dialect) -> Result<String> {
        let backwards =
            || Error::new(ErrorKind::InvalidInput, "the changes would end before they begin: swap the ends");
        Ok(match self {
            Self::Versions(from, Some(to)) if to < from => return Err(backwards()),
            Self::Timestamps(from, Some(to)) if to < from => return Err(backwards()),
            Self::Versions(from, None) => from.to_string(),
            Self::Versions(from, Some(to)) => format!("{from}, {to}"),
            Self::Timestamps(from, to) => {
                let moments = [Some(from), to].into_iter().flatten();
                let literals = moments.map(|moment| dialect.literal(&Value::from(moment)));
                literals.collect::<Result<Vec<_>>>()?.join(", ")
            }
        })
    }
}

impl From<RangeInclusive<u64>> for ChangeRange {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self::Versions(*range.start(), Some(*range.end()))
    }
}

impl From<RangeFrom<u64>> for ChangeRange {
    fn from(range: RangeFrom<u64>) -> Self {
        Self::Versions(range.start, None)
    }
}

impl From<RangeInclusive<DateTime<Utc>>> for ChangeRange {
    fn from(range: RangeInclusive<DateTime<Utc>>) -> Self {
        Self::Timestamps(*range.start(), Some(*range.end()))
    }
}

impl From<RangeFrom<DateTime<Utc>>> for ChangeRange {
    fn from(range: RangeFrom<DateTime<Utc>>) -> Self {
        Self::Timestamps(range.start, None)
    }
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It came.
    Insert,
    /// It went.
    Delete,
    /// It was updated; this is how it was.
    UpdatePreimage,
    /// It was updated; this is how it is.
    UpdatePostimage,
}

impl ChangeKind {
    /// As Delta writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::UpdatePreimage => "update_preimage",
            Self::UpdatePostimage => "update_postimage",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChangeKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let all = [Self::Insert, Self::Delete, Self::UpdatePreimage, Self::UpdatePostimage];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "a kind of change that is not known here").with_context("change", text)
        })
    }
}

/// One change of one row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change<T> {
    /// What happened.
    pub kind: ChangeKind,
    /// In which version.
    pub version: u64,
    /// When that version was made.
    pub timestamp: DateTime<Utc>,
    /// The row.
    pub row: T,
}

/// A reading of changes. Made by [`DeltaTable::changes`].
#[derive(Clone, Debug)]
#[must_use = "nothing is read until the changes are asked for"]
pub struct ChangesBuilder {
    table: DeltaTable,
    range: ChangeRange,
    filters: Vec<Expression>,
    options: CallOptions,
}

impl DeltaTable {
    /// Reads what has changed. The table must keep a change data feed: its property `delta.enableChangeDataFeed` was
    /// `true` in all of these versions. Nothing is sent yet.
    ///
    /// ```no_run
    /// # async fn example(orders: &twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
    /// use futures::TryStreamExt as _;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     id: i64,
    /// }
    ///
    /// let mut changes = orders.changes(3..=5).rows::<Order>().await?;
    /// while let Some(change) = changes.try_next().await? {
    ///     println!("version {}: {} {}", change.version, change.kind, change.row.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn changes(&self, range: impl Into<ChangeRange>) -> ChangesBuilder {
        let range = range.into();
        ChangesBuilder { table: self.clone(), range, filters: Vec::new(), options: CallOptions::default() }
    }
}

impl ChangesBuilder {
    /// Only changes for which this holds, over the row's columns and `_change_type`, `_commit_version` and
    /// `_commit_timestamp`. Said several times, all must hold.
    pub fn with_filter(mut self, filter: impl Into<Expression>) -> Self {
        self.filters.push(filter.into());
        self
    }

    /// Replaces the call options.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// The changes as Arrow batches: the row's columns and the three that begin with an underscore.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a range that ends before it begins; the server's error if the table keeps no
    /// change data feed or a version does not exist.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement.
    pub async fn batches(&self) -> Result<BatchStream> {
        let dialect = self.table.dialect();
        let sql = format!(
            "SELECT * FROM table_changes({}, {}){}",
            dialect.string(&self.table.sql_name()?)?,
            self.range.sql(dialect)?,
            where_clause(dialect, &self.filters)?
        );
        self.table.warehouse().query(StatementRequest::read(sql).with_options(self.options.clone())).await
    }

    /// The changes, with their rows as `T`.
    ///
    /// # Errors
    ///
    /// As [`batches`](Self::batches); [`ErrorKind::Data`] through the stream if a row does not fit `T`.
    ///
    /// # Cancellation
    ///
    /// As [`batches`](Self::batches).
    pub async fn rows<T: DeserializeOwned + Send + 'static>(&self) -> Result<ChangeStream<T>> {
        let batches = self.batches().await?;
        let decoded = batches.then(|batch| async { decode::<T>(batch?).await });
        Ok(ChangeStream { decoded: decoded.boxed(), rows: VecDeque::new(), failed: false })
    }
}

/// Changes as they arrive. Its end is the end of the result; an error is the last that comes.
pub struct ChangeStream<T> {
    decoded: BoxStream<'static, Result<VecDeque<Change<T>>>>,
    rows: VecDeque<Change<T>>,
    failed: bool,
}

/// Nothing in it is pinned: changes are handed out whole.
impl<T> Unpin for ChangeStream<T> {}

impl<T> Stream for ChangeStream<T> {
    type Item = Result<Change<T>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(change) = self.rows.pop_front() {
                return Poll::Ready(Some(Ok(change)));
            }
            if self.failed {
                return Poll::Ready(None);
            }
            match self.decoded.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(rows))) => self.rows = rows,
                Poll::Ready(Some(Err(error))) => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl<T> fmt::Debug for ChangeStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeStream").field("decoded", &self.rows.len()).finish_non_exhaustive()
    }
}

/// The three columns of the feed, and the rest as rows.
async fn decode<T: DeserializeOwned + Send + 'static>(batch: RecordBatch) -> Result<VecDeque<Change<T>>> {
    let malformed = |name: &str| {
        Error::new(ErrorKind::Protocol, "the change data feed lacks one of its columns").with_context("column", name)
    };
    let typed = |name: &str, to: &DataType| {
        let column = batch.column_by_name(name).ok_or_else(|| malformed(name))?;
        let typed = cast(column, to).map_err(|cause| malformed(name).with_source(cause))?;
        if typed.null_count() == 0 { Ok(typed) } else { Err(malformed(name)) }
    };
    let kinds = typed(KIND, &DataType::Utf8)?;
    let versions = typed(VERSION, &DataType::Int64)?;
    let moments = typed(TIMESTAMP, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
    let own = |name: &str| [KIND, VERSION, TIMESTAMP].contains(&name);
    let rest: Vec<usize> =
        batch.schema().fields().iter().enumerate().filter(|(_, f)| !own(f.name())).map(|(at, _)| at).collect();
    let rows = batch.project(&rest).map_err(|cause| malformed("the row's").with_source(cause))?;
    let rows = BatchStream::from_batches(rows.schema(), vec![rows]).rows::<T>().collect_rows().await?;
    let (kinds, versions) = (kinds.as_string::<i32>(), versions.as_primitive::<Int64Type>());
    let moments = moments.as_primitive::<TimestampMicrosecondType>();
    rows.into_iter()
        .enumerate()
        .map(|(at, row)| {
            Ok(Change {
                kind: kinds.value(at).parse()?,
                version: u64::try_from(versions.value(at)).map_err(|_| malformed(VERSION))?,
                timestamp: DateTime::from_timestamp_micros(moments.value(at)).ok_or_else(|| malformed(TIMESTAMP))?,
                row,
            })
        })
        .collect()
}
