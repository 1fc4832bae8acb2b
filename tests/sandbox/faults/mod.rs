//! Whatever goes wrong on the way: the exact result or a typed error, and nothing doubled.

mod matrix;
mod schedule;

use std::{sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field},
};
use futures::TryStreamExt as _;
use twinhouse_core::{Effect, Error, ErrorKind, Result};
use twinhouse_redshift::RedshiftWarehouse;
use twinhouse_sandbox::{FaultKind, FaultRule, FaultSchedule, Front, Sandbox, ScheduledFault, When};
use twinhouse_testkit::conformance::{Cell, Fixture as _, cells};
use twinhouse_warehouse_api::{
    BatchStream, LoadRequest, LoadToken, StatementRequest, TableRef, TransactionOptions, Warehouse, WarehouseExt as _,
};

use crate::fixtures::{Breakable, OnDatabricks, OnRedshift, databricks_of, redshift_builder, redshift_of};

/// The kinds of error that a fault on the road may surface as.
const ON_THE_ROAD: [ErrorKind; 6] = [
    ErrorKind::Connection,
    ErrorKind::Unavailable,
    ErrorKind::RateLimited,
    ErrorKind::Timeout,
    ErrorKind::Protocol,
    ErrorKind::Conflict,
];

/// A warehouse that can be broken, and an empty table in it.
pub(crate) struct Ground {
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) table: TableRef,
    /// The table's quoted name.
    pub(crate) name: String,
    /// Looks at the table by connections of its own: one that a fault has doomed is not among them.
    observer: Arc<dyn Warehouse>,
    front: Front,
    breakable: Breakable,
}

async fn connect(sandbox: &Sandbox, front: Front) -> Arc<dyn Warehouse> {
    match front {
        Front::Databricks => Arc::new(databricks_of(sandbox).await.expect("a workspace")),
        _ => Arc::new(redshift_of(sandbox).await.expect("a cluster")),
    }
}

impl Ground {
    pub(crate) async fn new(front: Front) -> Self {
        let breakable = Breakable::take().await;
        let (warehouse, observer) = (connect(breakable.sandbox, front).await, connect(breakable.sandbox, front).await);
        let scratch = match front {
            Front::Databricks => OnDatabricks::LINKS.scratch(),
            _ => OnRedshift::default().scratch(),
        };
        let table = scratch.table("faults");
        let name = warehouse.info().dialect.table(&table).expect("a plain name");
        let ground = Self { warehouse, table, name, observer, front, breakable };
        let bigint = ground.warehouse.info().dialect.type_name(&DataType::Int64).expect("a common type");
        ground.write(&format!("create table {} (id {bigint} not null)", ground.name)).await.expect("a table");
        ground
    }

    pub(crate) async fn write(&self, sql: &str) -> Result<u64> {
        self.warehouse.execute(StatementRequest::write(sql)).await
    }

    pub(crate) fn schedule(&self, rule: FaultRule) -> ScheduledFault {
        self.breakable.faults().schedule(rule).expect("a fault that this front can have")
    }

    /// Every rule of a schedule.
    fn load_schedule(&self, schedule: &FaultSchedule) -> Vec<ScheduledFault> {
        self.breakable.faults().load(schedule).expect("faults that their fronts can have")
    }

    /// A fault at the statement whose text contains `sql`.
    fn at(&self, kind: FaultKind, sql: &str) -> ScheduledFault {
        self.schedule(FaultRule::new(self.front, kind).with_sql(sql))
    }

    pub(crate) async fn ids(&self) -> Vec<i64> {
        let sql = format!("select id from {} order by id", self.name);
        let batches = self.observer.query(sql).await.expect("a query").collect_batches().await.expect("rows");
        let ids = cells(&batches).concat();
        ids.into_iter().map(|cell| if let Cell::Int(id) = cell { id } else { panic!("{cell:?}") }).collect()
    }

    pub(crate) async fn load(&self, rows: i64, token: &LoadToken) -> Result<bool> {
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![Field::new("id", DataType::Int64, false)]));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_new(schema.clone(), vec![ids]).expect("a batch");
        let batches = BatchStream::from_batches(schema, vec![batch]);
        Ok(self.warehouse.load(LoadRequest::append(self.table.clone(), batches, token.clone())).await?.replayed)
    }
}

pub(crate) fn token() -> LoadToken {
    LoadToken::new(uuid::Uuid::new_v4().to_string()).expect("a legal token")
}

#[track_caller]
fn assert_on_the_road(error: &Error) {
    assert!(ON_THE_ROAD.contains(&error.kind()), "{error:?}");
}

/// An insert that meets a fault: done once, or failed with a true word about what the server did.
async fn insert_meets(front: Front, kind: FaultKind) {
    let ground = Ground::new(front).await;
    let fault = ground.at(kind, "meets_fault");
    let outcome = ground.write(&format!("insert into {} /* meets_fault */ values (1)", ground.name)).await;
    assert_eq!(fault.fired(), 1, "the fault never struck");
    let ids = ground.ids().await;
    match outcome {
        Ok(rows) => assert_eq!((rows, ids.as_slice()), (1, [1].as_slice())),
        Err(error) => {
            assert_on_the_road(&error);
            match error.fault().effect {
                Effect::None => assert!(ids.is_empty(), "{error:?} says that nothing was done: {ids:?}"),
                Effect::Unknown => assert!(ids.len() <= 1, "doubled: {ids:?}"),
            }
        }
    }
}

/// A query that meets a fault gives what it gives without one: it may be repeated.
async fn query_meets(front: Front, rule: FaultRule, rows: u64) {
    let ground = Ground::new(front).await;
    let fault = ground.schedule(rule);
    let query = match front {
        Front::Databricks => OnDatabricks::LINKS.rows_query(rows),
        _ => OnRedshift::default().rows_query(rows),
    };
    let sql = format!("select i /* meets_fault */ from ({query}) as q order by i");
    let mut batches = ground.warehouse.query(sql).await.expect("a query that is repeated");
    let mut next = 0;
    while let Some(batch) = batches.try_next().await.expect("rows that are fetched again") {
        for row in cells(&[batch]) {
            assert_eq!(row, [Cell::Int(next)]);
            next += 1;
        }
    }
    assert_eq!(next, rows as i64);
    assert!(fault.fired() >= 1, "the fault never struck");
}

/// A submission that may have reached the server, and a result that has begun, are not asked for again, for that may
/// begin work that bills: the query gives what it gives without the fault, or a typed error, and then works.
async fn submission_meets(front: Front, kind: FaultKind) {
    let ground = Ground::new(front).await;
    let fault = ground.at(kind, "meets_fault");
    let read = async || {
        let sql = "select cast(1 as bigint) as n /* meets_fault */";
        Ok::<_, Error>(cells(&ground.warehouse.query(sql).await?.collect_batches().await?))
    };
    match read().await {
        Ok(rows) => assert_eq!(rows, [[Cell::Int(1)]]),
        Err(error) => assert_on_the_road(&error),
    }
    assert_eq!(fault.fired(), 1, "the fault never struck");
    assert_eq!(read().await.expect("a query"), [[Cell::Int(1)]]);
}

/// A load that meets a fault and is repeated with the same token until it is done: every row once.
async fn load_meets(front: Front, rule: FaultRule) {
    const ROWS: i64 = 2_000;
    let ground = Ground::new(front).await;
    let fault = ground.schedule(rule);
    let token = token();
    let mut failures = Vec::new();
    while let Err(error) = ground.load(ROWS, &token).await {
        assert_on_the_road(&error);
        failures.push(error);
        assert!(failures.len() < 5, "{failures:?}");
    }
    assert!(fault.fired() >= 1, "the fault never struck");
    assert_eq!(ground.ids().await, (0..ROWS).collect::<Vec<_>>());
    assert!(ground.load(ROWS, &token).await.expect("a replay"), "the token was forgotten");
    assert_eq!(ground.ids().await.len(), ROWS as usize);
}

const SOON: Option<Duration> = Some(Duration::from_secs(1));
const SUBMIT: &str = "/api/2.0/sql/statements";

macro_rules! tests {
    ($($name:ident: $call:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            $call.await;
        }
    )*};
}

mod databricks {
    use super::*;

    const HERE: Front = Front::Databricks;

    fn poll(rule: FaultRule) -> FaultRule {
        rule.with_method("GET").with_path(SUBMIT)
    }

    fn copy(kind: FaultKind) -> FaultRule {
        FaultRule::databricks(kind).with_sql("COPY INTO")
    }

    fn upload(kind: FaultKind) -> FaultRule {
        FaultRule::databricks(kind).with_method("PUT").with_path("/api/2.0/fs/files/")
    }

    tests! {
        an_insert_that_is_throttled: insert_meets(HERE, FaultKind::Throttled { retry_after: SOON });
        an_insert_that_is_throttled_for_an_unknown_time: insert_meets(HERE, FaultKind::Throttled { retry_after: None });
        an_insert_turned_away: insert_meets(HERE, FaultKind::Unavailable { when: When::Before, retry_after: SOON });
        an_insert_that_failed_before: insert_meets(HERE, FaultKind::Unavailable { when: When::Before, retry_after: None });
        an_insert_that_failed_after: insert_meets(HERE, FaultKind::Unavailable { when: When::After, retry_after: None });
        an_insert_reset_before: insert_meets(HERE, FaultKind::Reset { when: When::Before });
        an_insert_reset_after: insert_meets(HERE, FaultKind::Reset { when: When::After });
        an_insert_whose_answer_breaks_off: insert_meets(HERE, FaultKind::Truncated);
        an_insert_whose_connection_dies: insert_meets(HERE, FaultKind::DropIdle);

        a_query_that_is_throttled: query_meets(HERE, FaultRule::databricks(FaultKind::Throttled { retry_after: None }).with_sql("meets_fault"), 100);
        a_query_that_failed_after: submission_meets(HERE, FaultKind::Unavailable { when: When::After, retry_after: None });
        a_query_reset: submission_meets(HERE, FaultKind::Reset { when: When::After });
        a_query_whose_answer_breaks_off: submission_meets(HERE, FaultKind::Truncated);
        a_result_whose_link_ran_out: query_meets(HERE, FaultRule::links(FaultKind::ExpiredLink), 200_000);
        a_result_whose_links_all_ran_out: query_meets(HERE, FaultRule::links(FaultKind::ExpiredLink).times(3), 200_000);
        a_result_that_breaks_off: query_meets(HERE, FaultRule::links(FaultKind::Truncated), 200_000);
        a_result_that_is_reset: query_meets(HERE, FaultRule::links(FaultKind::Reset { when: When::Before }), 200_000);
        a_result_that_is_not_there_yet: query_meets(HERE, FaultRule::links(FaultKind::Unavailable { when: When::Before, retry_after: None }), 200_000);
        a_result_that_trickles: query_meets(HERE, FaultRule::links(FaultKind::Slow { pause: Duration::from_millis(50) }), 200_000);

        a_load_whose_upload_is_throttled: load_meets(HERE, upload(FaultKind::Throttled { retry_after: None }));
        a_load_whose_upload_is_reset: load_meets(HERE, upload(FaultKind::Reset { when: When::After }));
        a_load_whose_upload_failed_after: load_meets(HERE, upload(FaultKind::Unavailable { when: When::After, retry_after: None }));
        a_load_whose_copy_is_throttled: load_meets(HERE, copy(FaultKind::Throttled { retry_after: None }));
        a_load_whose_copy_failed_before: load_meets(HERE, copy(FaultKind::Unavailable { when: When::Before, retry_after: None }));
        a_load_whose_copy_failed_after: load_meets(HERE, copy(FaultKind::Unavailable { when: When::After, retry_after: None }));
        a_load_whose_copy_was_reset_after: load_meets(HERE, copy(FaultKind::Reset { when: When::After }));
        a_load_whose_copy_breaks_off: load_meets(HERE, copy(FaultKind::Truncated));
    }

    /// The statement is at work and asked about; the question is answered badly.
    #[tokio::test]
    async fn a_status_that_cannot_be_asked_for_is_asked_for_again() {
        let ground = Ground::new(HERE).await;
        for kind in [FaultKind::Unavailable { when: When::Before, retry_after: None }, FaultKind::Truncated] {
            let handle =
                ground.warehouse.submit(OnDatabricks::LINKS.rows_query(300_000).into()).await.expect("a statement");
            let id = handle.detach();
            let fault = ground.schedule(poll(FaultRule::databricks(kind)).with_path(id.as_str()));
            let rows = ground.warehouse.attach(&id).await.expect("a handle").stream().await.expect("a result");
            let rows: usize =
                rows.map_ok(|batch| batch.num_rows()).try_fold(0, async |a, b| Ok(a + b)).await.expect("rows");
            assert_eq!((rows, fault.fired()), (300_000, 1));
        }
    }
}

mod redshift {
    use super::*;

    const HERE: Front = Front::Redshift;

    fn statement(kind: FaultKind) -> FaultRule {
        FaultRule::redshift(kind).with_sql("meets_fault")
    }

    fn copy(kind: FaultKind) -> FaultRule {
        FaultRule::redshift(kind).with_sql("COPY")
    }

    fn upload(kind: FaultKind) -> FaultRule {
        FaultRule::s3(kind).with_method("PUT")
    }

    tests! {
        an_insert_whose_backend_is_killed: insert_meets(HERE, FaultKind::KillBackend);
        an_insert_reset_before: insert_meets(HERE, FaultKind::Reset { when: When::Before });
        an_insert_reset_after: insert_meets(HERE, FaultKind::Reset { when: When::After });
        an_insert_in_conflict: insert_meets(HERE, FaultKind::SerializationConflict);
        an_insert_whose_connection_dies: insert_meets(HERE, FaultKind::DropIdle);

        a_query_whose_backend_is_killed: submission_meets(HERE, FaultKind::KillBackend);
        a_query_reset: query_meets(HERE, statement(FaultKind::Reset { when: When::Before }), 100);
        a_query_whose_connection_dies: query_meets(HERE, statement(FaultKind::DropIdle), 100);

        a_load_whose_upload_is_throttled: load_meets(HERE, upload(FaultKind::Throttled { retry_after: None }));
        a_load_whose_upload_is_reset: load_meets(HERE, upload(FaultKind::Reset { when: When::After }));
        a_load_whose_upload_failed_after: load_meets(HERE, upload(FaultKind::Unavailable { when: When::After, retry_after: None }));
        a_load_whose_copy_is_killed: load_meets(HERE, copy(FaultKind::KillBackend));
        a_load_whose_copy_is_reset_before: load_meets(HERE, copy(FaultKind::Reset { when: When::Before }));
        a_load_whose_copy_is_reset_after: load_meets(HERE, copy(FaultKind::Reset { when: When::After }));
        a_load_whose_copy_is_in_conflict: load_meets(HERE, copy(FaultKind::SerializationConflict));
        a_load_whose_commit_is_lost: load_meets(HERE, FaultRule::redshift(FaultKind::Reset { when: When::After }).with_sql("COMMIT"));
        a_load_whose_commit_is_in_conflict: load_meets(HERE, FaultRule::redshift(FaultKind::SerializationConflict).with_sql("COMMIT"));
    }

    #[tokio::test]
    async fn a_transaction_in_conflict_is_run_again_as_a_whole() {
        let ground = Ground::new(HERE).await;
        ground.write(&format!("insert into {} values (0)", ground.name)).await.expect("a row");
        let conflict = FaultRule::redshift(FaultKind::SerializationConflict).with_sql("meets_fault");
        let fault = ground.schedule(conflict);
        let mut runs = 0;
        let done = ground
            .warehouse
            .in_transaction(TransactionOptions::default(), |transaction| {
                runs += 1;
                let insert = format!("insert into {} values (1)", ground.name);
                let update = format!("update {} set id = id + 10 /* meets_fault */", ground.name);
                Box::pin(async move {
                    transaction.execute(StatementRequest::write(insert)).await?;
                    transaction.execute(StatementRequest::write(update)).await
                })
            })
            .await;
        assert_eq!((done.expect("a second run"), runs, fault.fired()), (2, 2, 1));
        assert_eq!(ground.ids().await, [10, 11]);
    }

    /// The connection dies while it lies in the pool; nobody is told until it is used.
    #[tokio::test]
    async fn a_pooled_connection_that_died_is_not_handed_out() {
        #[derive(serde::Deserialize)]
        struct Pid {
            pid: i32,
        }
        let ground = Ground::new(HERE).await;
        let sandbox = ground.breakable.sandbox;
        let access = sandbox.redshift().await.expect("a cluster");
        let config = redshift_builder(access, sandbox.s3()).expect("a URL").pool_size(1).build().expect("settings");
        let single = RedshiftWarehouse::new(config).expect("a client");
        let mut seen = Vec::new();
        for n in 0..3_i64 {
            let only: Pid = single.fetch_one("select pg_backend_pid() as pid").await.expect("a new connection");
            assert!(!seen.contains(&only.pid), "{} died and was handed out again", only.pid);
            seen.push(only.pid);
            single.execute(format!("insert into {} values ({n})", ground.name)).await.expect("an insert");
            let kill = StatementRequest::write("select pg_terminate_backend(:pid) as done").bind("pid", only.pid);
            ground.warehouse.execute(kill).await.expect("a session that ends");
        }
        assert_eq!(ground.ids().await, [0, 1, 2]);
    }
}
