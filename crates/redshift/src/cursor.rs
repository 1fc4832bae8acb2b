//! Results page by page, for readers that pause for long between pages.

use std::num::NonZeroU32;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, Dialect as _, RedshiftDialect, StatementRequest, Transaction as _,
};

use futures::StreamExt as _;

use crate::{
    statement::{Page, Plan, Source, text::Words},
    transaction::{CursorPlace, RedshiftTransaction, Seat, in_transaction},
};

/// A session has one cursor, so that one name does.
const DECLARE: &str = "DECLARE twinhouse_cursor CURSOR FOR ";
/// Sent before the next statement where a reader went away.
pub(crate) const CLOSE: &str = "CLOSE twinhouse_cursor";

/// Declares a cursor for the query and streams its pages.
pub(crate) async fn open(
    seat: Seat,
    owner: Option<RedshiftTransaction>,
    request: &StatementRequest,
    fetch_size: NonZeroU32,
) -> Result<BatchStream> {
    let words = Words::of(request.sql());
    if words.is_several() || !matches!(words.verb(), "SELECT" | "WITH") {
        return Err(Error::new(ErrorKind::InvalidInput, "a cursor reads one query"));
    }
    let query = RedshiftDialect.inline(request.sql(), request.params())?;
    let source = Source::new(request.sql(), &query).behind(DECLARE);
    let declare = Plan::plain(format!("{DECLARE}{query}"), source)?;
    let options = request.options().clone();
    seat.execute(declare, &options).await.map_err(in_transaction)?;
    let mut pages = Pages { seat, owner, options, size: fetch_size, page: None, rows: 0, schema: None, open: true };
    pages.fetch().await?;
    let schema = pages.schema.clone().ok_or_else(|| Error::new(ErrorKind::Protocol, "a page has no columns"))?;
    if let Some(field) = schema.fields().iter().find(|field| *field.data_type() == DataType::Float32) {
        let wish = "reads pages as text, which has too few digits for `real`: cast the column to double precision";
        return Err(Error::unsupported("redshift", wish).with_context("column", field.name().clone()));
    }
    let batches = futures::stream::unfold(Some(pages), |pages| async move {
        let mut pages = pages?;
        match pages.next().await {
            Ok(Some(batch)) => Some((Ok(batch), Some(pages))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(BatchStream::new(schema, batches))
}

/// An open cursor.
struct Pages {
    seat: Seat,
    /// The transaction, where it was opened for the cursor alone.
    owner: Option<RedshiftTransaction>,
    options: CallOptions,
    size: NonZeroU32,
    page: Option<BatchStream>,
    /// Rows of this page so far.
    rows: u64,
    schema: Option<SchemaRef>,
    open: bool,
}

impl Pages {
    async fn fetch(&mut self) -> Result<()> {
        let fetch = format!("FETCH FORWARD {} FROM twinhouse_cursor", self.size);
        let plan = Plan::plain(fetch.clone(), Source::new(&fetch, &fetch))?;
        let page_of = self.schema.clone().map_or(Page::First, Page::Later);
        let page = self.seat.query(plan, &self.options, Some(page_of)).await.map_err(in_transaction)?;
        self.schema.get_or_insert_with(|| page.schema().clone());
        (self.page, self.rows) = (Some(page), 0);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(page) = &mut self.page {
                if let Some(batch) = page.next().await {
                    let batch = batch.map_err(in_transaction)?;
                    self.rows += batch.num_rows() as u64;
                    return Ok(Some(batch));
                }
                self.page = None;
                if self.rows < u64::from(self.size.get()) {
                    return self.close().await.map(|()| None);
                }
            }
            self.fetch().await?;
        }
    }

    async fn close(&mut self) -> Result<()> {
        let plan = Plan::plain(CLOSE.to_owned(), Source::new(CLOSE, CLOSE))?;
        self.seat.execute(plan, &self.options).await.map_err(in_transaction)?;
        self.open = false;
        match self.owner.take() {
            Some(owner) => Box::new(owner).commit().await,
            None => Ok(()),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // A transaction of its own is rolled back; another one closes the cursor before its next statement.
        if self.open && self.owner.is_none() {
            *self.seat.cursor() = CursorPlace::Left;
        }
    }
}

impl RedshiftTransaction {
    /// Runs a query behind a cursor and streams it in pages of `fetch_size` rows; other statements may run in the
    /// transaction while no page is half read. Single-node clusters take at most 1000 rows at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if a cursor is open already, or the query gives `real` columns, whose text has too few
    /// digits; whatever the query fails with.
    ///
    /// # Cancellation
    ///
    /// A stream that is dropped between two pages closes the cursor before the next statement; inside a page, the
    /// transaction is undone.
    pub async fn cursor(&mut self, request: StatementRequest, fetch_size: NonZeroU32) -> Result<BatchStream> {
        open(self.seat().clone(), None, &request, fetch_size).await
    }
}
