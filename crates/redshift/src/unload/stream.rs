//! A result by way of files: for what is too large for the wire.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    basic::Type as Physical,
};
use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation};
use twinhouse_warehouse_api::{BatchStream, StatementRequest};

use super::{
    UnloadCommand, UnloadFormat, UnloadManifest, UnloadOption, UnloadedFile, query,
    run::ask,
    select::{Selection, misread},
};
use crate::{
    RedshiftWarehouse,
    cluster::Cluster,
    copy::Role,
    load::{Call, Place, UNBOUNDED},
    staging::Staging,
};

/// Of one file, in MB. Two of them are in memory at a time.
const FILE: u32 = 32;
const AT_A_TIME: usize = 2;
const ROWS: usize = 8192;

impl RedshiftWarehouse {
    /// The rows of a query by way of files in the staging place: for results that are too large for the wire, and for
    /// readers that are slow, since the server is done before the first row comes.
    ///
    /// Rows come in any order. The types are those of a query over the wire; memory holds two files of 32 MB. The files
    /// are deleted when the stream ends or is dropped.
    ///
    /// ```no_run
    /// use futures::TryStreamExt as _;
    /// use twinhouse_redshift::RedshiftWarehouse;
    ///
    /// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
    /// let mut rows = warehouse.unload_stream("select * from orders").await?;
    /// while let Some(batch) = rows.try_next().await? {
    ///     println!("{} rows", batch.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] without a staging place, or for a `geometry` or `geography`, which files do not
    /// hold. [`ErrorKind::Data`], from the stream, if fewer or more rows come than the server has written.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement; dropping the stream deletes the files.
    pub async fn unload_stream(&self, query: impl Into<StatementRequest> + Send) -> Result<BatchStream> {
        let cluster = self.cluster();
        cluster.check_open()?;
        let query = query.into();
        let Some(staging) = cluster.staging() else {
            return Err(Error::unsupported("redshift", "cannot unload to a stream: no staging place is configured")
                .with_context("setting", "staging"));
        };
        let call = Call::begin(query.options());
        call.within(Box::pin(open(cluster, staging, query, &call))).await
    }
}

async fn open(cluster: &Cluster, staging: &Staging, query: StatementRequest, call: &Call) -> Result<BatchStream> {
    let sql = query::inner(&query)?;
    let mut session = call.session(cluster).await?;
    let Some(columns) = session.prepare(&sql, &[]).await? else {
        return Err(Error::new(ErrorKind::InvalidInput, "an unload is of the rows of one query"));
    };
    drop(session);
    let selection = Selection::of(&columns)?;
    let place = Place::new(staging, &["u"]);
    let around = StatementRequest::read(selection.around(&sql));
    let command = UnloadCommand::new(around, place.url(), UnloadFormat::Parquet)
        .with_role(Role::of_setting(&cluster.config().iam_role))
        .with(UnloadOption::Manifest { verbose: true })
        .with(UnloadOption::MaxFileSize(FILE))
        .with(UnloadOption::AllowOverwrite);
    let unload = command.to_sql()?;
    // From here on there may be files.
    place.taint();
    // Not as a read: a first try that nobody hears of any more could still write under the same names.
    let operation = Operation::write("unload.stream").with_class("load").with_attempt_timeout(UNBOUNDED);
    let report = cluster.policy().execute(operation, |_| ask(cluster, call, &unload)).await?;
    let manifest = format!("{}manifest", place.url());
    let files = match staging.get(&manifest).await? {
        Some(content) => UnloadManifest::parse(&content)?.files,
        None if report.rows == Some(0) => Vec::new(),
        None => return Err(misread("the server wrote no list of the files")),
    };
    let first = match files.first() {
        Some(file) => Some(fetch(staging, file).await?),
        None => None,
    };
    let shape = first.as_ref().map(load).transpose()?;
    let schema = selection.schema(shape.as_ref().map(|metadata| metadata.schema().as_ref()));
    let rest = stream::iter(files.into_iter().skip(1)).map({
        let staging = staging.clone();
        move |file| {
            let staging = staging.clone();
            async move { fetch(&staging, &file).await }
        }
    });
    let files = stream::iter(first.map(Ok)).chain(rest.buffered(AT_A_TIME - 1));
    let rows = Rows { schema: schema.clone(), selection, place, expected: report.rows };
    Ok(BatchStream::new(schema, rows.read(files)))
}

/// A file, whole.
async fn fetch(staging: &Staging, file: &UnloadedFile) -> Result<Bytes> {
    let content = staging.get(&file.url).await?;
    let content = content.ok_or_else(|| misread("an unloaded file is gone").with_context("file", file.url.clone()))?;
    if file.bytes.is_some_and(|bytes| bytes != content.len() as u64) {
        return Err(
            misread("an unloaded file has another length than the server wrote").with_context("file", file.url.clone())
        );
    }
    Ok(content)
}

struct Rows {
    schema: SchemaRef,
    selection: Selection,
    place: Place,
    expected: Option<u64>,
}

impl Rows {
    /// Ends only when as many rows have come as the server has written, and the files are deleted.
    fn read(
        self,
        files: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> impl Stream<Item = twinhouse_core::Result<arrow::array::RecordBatch>> + Send {
        let state = (self, files.boxed(), None, 0_u64);
        stream::try_unfold(state, |(rows, mut files, mut reader, mut count)| async move {
            loop {
                let current = match &mut reader {
                    Some(reader) => reader,
                    None => match files.try_next().await? {
                        Some(content) => reader.insert(decode(&content)?),
                        None => break,
                    },
                };
                match current.next().transpose().map_err(unreadable)? {
                    Some(batch) => {
                        count += batch.num_rows() as u64;
                        let batch = rows.selection.read(&rows.schema, &batch)?;
                        return Ok(Some((batch, (rows, files, reader, count))));
                    }
                    None => reader = None,
                }
            }
            rows.place.clear().await;
            match rows.expected {
                Some(expected) if expected != count => Err(misread("other rows came than the server has written")
                    .with_context("written", expected.to_string())
                    .with_context("read", count.to_string())),
                _ => Ok(None),
            }
        })
    }
}

type Reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader;

fn decode(content: &Bytes) -> Result<Reader> {
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(content.clone(), load(content)?);
    builder.with_batch_size(ROWS).build().map_err(|cause| misread("an unloaded file cannot be read").with_source(cause))
}

/// What the file says of itself. Moments of 96 bits are read as microseconds: nanoseconds would end in the year 2262.
fn load(content: &Bytes) -> Result<ArrowReaderMetadata> {
    let failed = |cause: parquet::errors::ParquetError| misread("an unloaded file cannot be read").with_source(cause);
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::load(content, options.clone()).map_err(failed)?;
    let leaves = plain.parquet_schema().columns();
    let is_old =
        |at: usize| leaves.len() == plain.schema().fields().len() && leaves[at].physical_type() == Physical::INT96;
    if !(0..leaves.len()).any(is_old) {
        return Ok(plain);
    }
    let fields = plain.schema().fields().iter().enumerate().map(|(at, field)| match field.data_type() {
        DataType::Timestamp(_, zone) if is_old(at) => {
            Field::new(field.name(), DataType::Timestamp(TimeUnit::Microsecond, zone.clone()), field.is_nullable())
        }
        _ => field.as_ref().clone(),
    });
    let schema = std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    ArrowReaderMetadata::try_new(plain.metadata().clone(), options.with_schema(schema)).map_err(failed)
}

fn unreadable(cause: arrow::error::ArrowError) -> Error {
    misread("an unloaded file cannot be read").with_source(cause)
}
