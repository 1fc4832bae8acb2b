//! A connection that can be dishonest in one way.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arrow::{
    array::{ArrayRef, AsArray as _, PrimitiveArray, RecordBatch, StringArray},
    datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType},
};
use async_trait::async_trait;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_testkit::ScriptedWarehouse;
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, Canceller, Capabilities, Duplicates, LoadMode, LoadRequest, LoadToken, MergeReport,
    MergeRequest, MergeSource, OnDrop, StatementHandle, StatementId, StatementRequest, TableFilter, TableInfo,
    TableRef, Transaction, TransactionOptions, UnloadRequest, Warehouse, WarehouseInfo,
};

pub(crate) const SECRET: &str = "dapi-conformance-secret";

/// The one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    /// Decimals are one unit in the last place too large.
    WrongDecimal,
    /// Microseconds are cut to milliseconds.
    Milliseconds,
    /// `-0.0` becomes `0.0`.
    PositiveZero,
    /// Empty texts become nulls.
    EmptyIsNull,
    /// 64-bit integers go through a double.
    ThroughDouble,
    /// Loads lose their last row.
    DropsRow,
    /// Every load gets a token of its own.
    LoadsAgain,
    /// A load takes the columns it knows and says nothing of the others.
    IgnoresColumns,
    /// A load that broke off keeps the rows it had.
    KeepsHalf,
    /// Every load adds to what is there.
    OnlyAppends,
    /// Dropped statements go on.
    NeverCancels,
    /// Time-outs are not heeded.
    NeverTimesOut,
    /// Of several source rows only the first is merged.
    MergesFirst,
    /// Source rows without a match are always inserted.
    AlwaysInserts,
    /// Duplicates are refused whatever the request says.
    RefusesDuplicates,
    /// The columns of an empty result are lost.
    EmptyHasNoColumns,
    /// A close changes nothing.
    NeverCloses,
    /// `Debug` prints the token.
    Leaks,
    /// Nothing is promised, everything is done.
    Modest,
}

/// A connection to the scripted warehouse.
pub(crate) struct Mutant {
    inner: ScriptedWarehouse,
    mutation: Mutation,
    closed: AtomicBool,
    statements: Mutex<Vec<Canceller>>,
}

static TOKENS: AtomicU64 = AtomicU64::new(0);

impl Mutant {
    pub(crate) fn new(inner: ScriptedWarehouse, mutation: Mutation) -> Self {
        Self { inner, mutation, closed: AtomicBool::new(false), statements: Mutex::default() }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    fn open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Connection, "the connection is closed"));
        }
        Ok(())
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = if self.is(Mutation::Leaks) { SECRET } else { "***" };
        f.debug_struct("Mutant").field("token", &token).finish_non_exhaustive()
    }
}

fn floats(array: &ArrayRef, change: impl Fn(f64) -> f64) -> ArrayRef {
    Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(change))
}

/// A column as a dishonest decoder would give it.
fn bend(mutation: Mutation, array: &ArrayRef) -> ArrayRef {
    match (mutation, array.data_type()) {
        (Mutation::WrongDecimal, DataType::Decimal128(p, s)) => {
            let wrong = array.as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(|digits| digits + 1);
            Arc::new(wrong.with_precision_and_scale(*p, *s).unwrap())
        }
        (Mutation::Milliseconds, DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let cut = |micros: i64| micros.div_euclid(1000) * 1000;
            let cut: PrimitiveArray<TimestampMicrosecondType> =
                array.as_primitive::<TimestampMicrosecondType>().unary(cut);
            Arc::new(cut.with_timezone_opt(zone.clone()))
        }
        (Mutation::PositiveZero, DataType::Float64) => floats(array, |x| x + 0.0),
        (Mutation::EmptyIsNull, DataType::Utf8) => {
            let texts = array.as_string::<i32>().iter().map(|text| text.filter(|text| !text.is_empty()));
            Arc::new(texts.collect::<StringArray>())
        }
        (Mutation::ThroughDouble, DataType::Int64) => {
            Arc::new(array.as_primitive::<Int64Type>().unary::<_, Int64Type>(|n| n as f64 as i64))
        }
        _ => array.clone(),
    }
}

fn bent(mutation: Mutation, batch: &RecordBatch) -> RecordBatch {
    if batch.num_columns() == 0 {
        return batch.clone();
    }
    let columns: Vec<ArrayRef> = batch.columns().iter().map(|column| bend(mutation, column)).collect();
    let fields = batch.schema().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<Field>>();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[derive(Debug)]
struct BentDriver {
    id: StatementId,
    canceller: Canceller,
    handle: tokio::sync::Mutex<Option<StatementHandle>>,
    mutation: Mutation,
}

#[async_trait]
impl twinhouse_warehouse_api::StatementDriver for BentDriver {
    fn id(&self) -> &StatementId {
        &self.id
    }

    async fn status(&self) -> Result<twinhouse_warehouse_api::StatementStatus> {
        let handle = self.handle.lock().await;
        handle.as_ref().ok_or_else(over)?.status().await
    }

    async fn cancel(&self) -> Result<()> {
        self.canceller.cancel().await
    }

    async fn results(&self) -> Result<BatchStream> {
        let handle = self.handle.lock().await.take().ok_or_else(over)?;
        let (stream, mutation) = (handle.stream().await?, self.mutation);
        let outcome = stream.outcome().clone();
        if mutation == Mutation::EmptyHasNoColumns {
            let batches: Vec<_> = stream.collect_batches().await?.into_iter().filter(|b| b.num_rows() > 0).collect();
            let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
            return Ok(BatchStream::from_batches(schema, batches).with_outcome(outcome));
        }
        let schema = bent(mutation, &RecordBatch::new_empty(stream.schema().clone())).schema();
        Ok(BatchStream::new(schema, stream.map(move |batch| Ok(bent(mutation, &batch?)))).with_outcome(outcome))
    }
}

fn over() -> Error {
    Error::new(ErrorKind::Internal, "the result was read already")
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Warehouse for Mutant {
    fn info(&self) -> &WarehouseInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        if self.is(Mutation::Modest) { Capabilities::NONE } else { self.inner.capabilities() }
    }

    async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        self.open()?;
        let mut options = request.options().clone();
        if self.is(Mutation::NeverTimesOut) {
            options.timeout = None;
        }
        if self.is(Mutation::NeverCancels) {
            options = options.with_on_drop(OnDrop::Detach);
        }
        let handle = self.inner.submit(request.with_options(options.clone())).await?;
        let (id, canceller) = (handle.id().clone(), handle.canceller());
        self.statements.lock().unwrap().push(canceller.clone());
        let driver =
            BentDriver { id, canceller, handle: tokio::sync::Mutex::new(Some(handle)), mutation: self.mutation };
        Ok(StatementHandle::new(Arc::new(driver), &options))
    }

    async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        self.open()?;
        self.inner.attach(id).await
    }

    async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
        self.open()?;
        let (table, mut token) = (request.table().clone(), request.token().clone());
        let (progress, mode) = (request.progress().cloned(), request.mode().clone());
        let mut stream = request.into_batches();
        let schema = stream.schema().clone();
        match self.mutation {
            Mutation::LoadsAgain => {
                token = LoadToken::new(format!("again-{}", TOKENS.fetch_add(1, Ordering::Relaxed)))?;
            }
            Mutation::DropsRow => {
                stream = BatchStream::new(
                    schema,
                    stream.map(|batch| batch.map(|b| b.slice(0, b.num_rows().saturating_sub(1)))),
                );
            }
            Mutation::KeepsHalf => {
                stream = BatchStream::new(schema, stream.take_while(|batch| std::future::ready(batch.is_ok())));
            }
            Mutation::IgnoresColumns => {
                let known = self.inner.declared(&table).unwrap_or_else(|| Arc::new(Schema::empty()));
                let kept: Vec<usize> = (0..schema.fields().len())
                    .filter(|n| known.field_with_name(schema.field(*n).name()).is_ok())
                    .collect();
                let fewer = Arc::new(schema.project(&kept).unwrap());
                stream = BatchStream::new(fewer, stream.map(move |batch| Ok(batch?.project(&kept).unwrap())));
            }
            _ => {}
        }
        let mode = if self.is(Mutation::OnlyAppends) { LoadMode::Append } else { mode };
        let mut request = LoadRequest::append(table, stream, token).with_mode(mode);
        if let Some(progress) = progress {
            request = request.with_progress(move |step| progress(step));
        }
        self.inner.load(request).await
    }

    async fn unload(&self, request: UnloadRequest) -> Result<BulkReport> {
        self.open()?;
        self.inner.unload(request).await
    }

    async fn merge(&self, mut request: MergeRequest) -> Result<MergeReport> {
        self.open()?;
        if self.is(Mutation::AlwaysInserts) {
            request = request.with_insert_unmatched(true);
        }
        if self.is(Mutation::RefusesDuplicates) {
            request = request.with_duplicates(Duplicates::Refuse);
        }
        if let (Mutation::MergesFirst, MergeSource::Batches(_)) = (self.mutation, &request.source) {
            let source = std::mem::replace(&mut request.source, MergeSource::Table(request.target.clone()));
            if let MergeSource::Batches(stream) = source {
                let schema = stream.schema().clone();
                let first =
                    stream.collect_batches().await?.into_iter().take(1).map(|b| b.slice(0, b.num_rows().min(1)));
                request.source = MergeSource::Batches(BatchStream::from_batches(schema, first.collect()));
            }
        }
        self.inner.merge(request).await
    }

    async fn table(&self, table: &TableRef) -> Result<TableInfo> {
        self.open()?;
        self.inner.table(table).await
    }

    fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
        match self.open() {
            Ok(()) => self.inner.tables(filter),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>> {
        self.open()?;
        self.inner.begin(options).await
    }

    async fn close(&self) -> Result<()> {
        if self.is(Mutation::NeverCloses) {
            return Ok(());
        }
        self.closed.store(true, Ordering::Release);
        let statements = std::mem::take(&mut *self.statements.lock().unwrap());
        for statement in statements {
            statement.cancel().await?;
        }
        Ok(())
    }
}
