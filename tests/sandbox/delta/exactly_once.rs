//! Every step at which a load can die, in every mode: what the next try with the same token finds and does.
//!
//! The one who dies never tries again; another process, which shares nothing with it, writes a row of its own in
//! between and then repeats the load. With `--nocapture` each test prints its lines of the table in the documentation.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use twinhouse_core::Result;
use twinhouse_databricks::DatabricksWarehouse;
use twinhouse_sandbox::{FaultKind, FaultRule, When};
use twinhouse_testkit::conformance::{Cell, Fixture as _, cells};
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, LoadMode, LoadRequest, LoadToken, StatementRequest, TableRef, Warehouse as _,
    WarehouseExt as _,
};

use super::ground::schema;
use crate::{
    faults::token,
    fixtures::{Breakable, OnDatabricks, databricks_builder},
};

/// Where a load dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    BeforeUpload,
    BetweenParts,
    BeforeLedger,
    AfterLedger,
    BeforeStatement,
    AfterStatement,
    BeforeMark,
    BeforeCleanUp,
}

impl Step {
    const ALL: [Self; 8] = [
        Self::BeforeUpload,
        Self::BetweenParts,
        Self::BeforeLedger,
        Self::AfterLedger,
        Self::BeforeStatement,
        Self::AfterStatement,
        Self::BeforeMark,
        Self::BeforeCleanUp,
    ];

    /// Whether the rows are in by then.
    fn has_landed(self) -> bool {
        matches!(self, Self::AfterStatement | Self::BeforeMark | Self::BeforeCleanUp)
    }

    /// From where on nothing works for the one who dies.
    fn rule(self, statement: &str) -> FaultRule {
        let before = FaultRule::databricks(FaultKind::Reset { when: When::Before });
        let after = FaultRule::databricks(FaultKind::Reset { when: When::After });
        let put = |rule: FaultRule, path: &str| rule.with_method("PUT").with_path(path);
        match self {
            Self::BeforeUpload => put(before, "/fs/directories/"),
            Self::BetweenParts => put(before, "/part-").on_call(2),
            Self::BeforeLedger => put(before, "/load.json"),
            Self::AfterLedger => put(after, "/load.json"),
            Self::BeforeStatement => before.with_sql(statement),
            Self::AfterStatement => after.with_sql(statement),
            Self::BeforeMark => put(before, "/load.json").on_call(2),
            Self::BeforeCleanUp => before.with_method("DELETE").with_path("/fs/"),
        }
        .always()
    }
}

/// The mode, and how its statement begins.
fn modes() -> Vec<(LoadMode, &'static str)> {
    vec![
        (LoadMode::Append, "COPY INTO"),
        (LoadMode::Overwrite, "INSERT OVERWRITE"),
        (LoadMode::ReplaceWhere("id < 1000000".into()), "REPLACE WHERE"),
        (LoadMode::ReplacePartitions, "REPLACE USING"),
        (LoadMode::Create, "CREATE TABLE"),
        (LoadMode::CreateOrReplace, "CREATE OR REPLACE"),
    ]
}

const OLD: i64 = -1;
const BETWEEN: i64 = 500_000;
/// More than one staged file.
const NEW: i64 = 3_000;

/// All in one partition.
fn rows() -> BatchStream {
    let names = StringArray::from_iter_values((0..NEW).map(|_| "p"));
    let ids = Int64Array::from_iter_values(0..NEW);
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(names)]).expect("columns");
    BatchStream::from_batches(schema(), vec![batch])
}

struct Scene {
    breakable: Breakable,
    table: TableRef,
    name: String,
}

impl Scene {
    async fn new(mode: &LoadMode) -> Self {
        let breakable = Breakable::take().await;
        let table = OnDatabricks::LINKS.scratch().table("once");
        let scene = Self { breakable, name: String::new(), table };
        let warehouse = scene.process(3).await;
        let name = warehouse.info().dialect.table(&scene.table).expect("a plain name");
        if *mode != LoadMode::Create {
            write(&warehouse, &format!("create table {name} (id bigint, name string) partitioned by (name)")).await;
            write(&warehouse, &format!("insert into {name} values ({OLD}, 'p')")).await;
        }
        Self { name, ..scene }
    }

    /// A process that shares nothing with the others.
    async fn process(&self, retries: u32) -> DatabricksWarehouse {
        let access = self.breakable.sandbox.databricks().await.expect("a workspace");
        let config = databricks_builder(access).max_retries(retries).build().expect("settings");
        DatabricksWarehouse::new(config).expect("a warehouse")
    }

    async fn load(&self, warehouse: &DatabricksWarehouse, mode: &LoadMode, token: &LoadToken) -> Result<BulkReport> {
        let request = LoadRequest::append(self.table.clone(), rows(), token.clone());
        warehouse.load(request.with_mode(mode.clone()).with_target_file_bytes(1)).await
    }

    async fn ids(&self, warehouse: &DatabricksWarehouse) -> Vec<i64> {
        let sql = format!("select id from {} order by id", self.name);
        let batches = warehouse.query(sql).await.expect("a table").collect_batches().await.expect("rows");
        let ids = cells(&batches).concat();
        ids.into_iter().map(|cell| if let Cell::Int(id) = cell { id } else { panic!("{cell:?}") }).collect()
    }

    /// What is left in the staging place of a token, by the files' names.
    fn staged(&self, token: &LoadToken) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        collect(self.breakable.sandbox.data_folder(), token.as_str(), false, &mut found);
        found
    }
}

fn collect(folder: &Path, token: &str, inside: bool, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            collect(&path, token, inside || name == token, found);
        } else if inside {
            found.insert(name);
        }
    }
}

async fn write(warehouse: &DatabricksWarehouse, sql: &str) {
    warehouse.execute(StatementRequest::write(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The rows that must be there in the end.
fn wanted(mode: &LoadMode, landed: bool) -> Vec<i64> {
    let old = (*mode == LoadMode::Append).then_some(OLD);
    // What came in between is only replaced by a load that had not been done yet.
    let between = match mode {
        LoadMode::Append => Some(BETWEEN),
        LoadMode::Create => landed.then_some(BETWEEN),
        _ => landed.then_some(BETWEEN),
    };
    old.into_iter().chain(0..NEW).chain(between).collect()
}

async fn dies_at(mode: &LoadMode, statement: &str, step: Step) {
    let scene = Scene::new(mode).await;
    let token = token();
    let dying = scene.process(0).await;
    let fault = scene.breakable.faults().schedule(step.rule(statement)).expect("a fault that this front can have");
    let died = scene.load(&dying, mode, &token).await;
    assert!(fault.fired() >= 1, "{mode:?} {step:?}: the fault never struck: {died:?}");
    scene.breakable.faults().clear();
    drop(dying);
    let saw = match &died {
        // What is left to do after the rows are in can wait for the next one.
        Ok(report) => {
            assert!(matches!(step, Step::BeforeMark | Step::BeforeCleanUp), "{mode:?} {step:?}: {report:?}");
            format!("{} rows", report.rows)
        }
        Err(error) => {
            assert!(
                error.context("staging").is_some(),
                "{mode:?} {step:?} does not say where its files are: {error:?}"
            );
            format!("{}", error.kind())
        }
    };

    let other = scene.process(3).await;
    if *mode != LoadMode::Create || step.has_landed() {
        write(&other, &format!("insert into {} values ({BETWEEN}, 'p')", scene.name)).await;
    }
    let retried = scene.load(&other, mode, &token).await.unwrap_or_else(|error| panic!("{mode:?} {step:?}: {error:?}"));
    assert_eq!(retried.replayed, step.has_landed(), "{mode:?} {step:?}: {retried:?}");
    assert_eq!(retried.rows, if step.has_landed() { 0 } else { NEW as u64 }, "{mode:?} {step:?}");
    let want = wanted(mode, step.has_landed());
    let got = scene.ids(&other).await;
    assert!(got == want, "{mode:?} {step:?}: wanted {} rows, got {}", want.len(), got.len());

    let again = scene.load(&scene.process(3).await, mode, &token).await.expect("a replay");
    assert!(again.replayed && again.rows == 0, "{mode:?} {step:?}: {again:?}");
    assert!(scene.ids(&other).await == want, "{mode:?} {step:?}: a replay changed the table");
    assert_eq!(scene.staged(&token), BTreeSet::from(["load.json".to_owned()]), "{mode:?} {step:?}: files are left");
    let then = if retried.replayed { "replayed" } else { "carried out" };
    let mode = format!("{mode:?}");
    let mode = mode.split('(').next().unwrap_or_default();
    println!("crash | {mode} | {step:?} | {saw} | {then} | {} rows, each once", got.len());
}

/// The same process hears nothing of its statement once, and finds out by itself.
#[tokio::test]
async fn a_load_that_only_loses_an_answer_looks_and_goes_on() {
    for (mode, statement) in modes() {
        let scene = Scene::new(&mode).await;
        let process = scene.process(3).await;
        let lost = FaultRule::databricks(FaultKind::Reset { when: When::After }).with_sql(statement);
        let fault = scene.breakable.faults().schedule(lost).expect("a fault that this front can have");
        let report = scene.load(&process, &mode, &token()).await.unwrap_or_else(|error| panic!("{mode:?}: {error:?}"));
        assert_eq!((fault.fired(), report.rows, report.replayed), (1, NEW as u64, false), "{mode:?}");
        let old = (mode == LoadMode::Append).then_some(OLD);
        assert!(scene.ids(&process).await == old.into_iter().chain(0..NEW).collect::<Vec<_>>(), "{mode:?}");
    }
}

/// The process is gone while its statement is at work on the server, and the statement goes on.
#[tokio::test]
async fn a_load_that_is_repeated_while_its_statement_is_at_work_lands_once() {
    for (mode, statement) in modes() {
        let scene = Scene::new(&mode).await;
        let (dying, other, token) = (scene.process(0).await, scene.process(3).await, token());
        let cut = FaultRule::databricks(FaultKind::Reset { when: When::After }).with_sql(statement);
        scene.breakable.faults().schedule(cut).expect("a fault that this front can have");
        let (died, retried) = futures::join!(scene.load(&dying, &mode, &token), scene.load(&other, &mode, &token));
        assert!(died.is_ok() || retried.is_ok(), "{mode:?}: {died:?} {retried:?}");
        let again = scene.load(&other, &mode, &token).await.expect("a replay");
        assert!(again.replayed || died.is_err(), "{mode:?}: {again:?}");
        let old = (mode == LoadMode::Append).then_some(OLD);
        assert!(scene.ids(&other).await == old.into_iter().chain(0..NEW).collect::<Vec<_>>(), "{mode:?}");
    }
}

macro_rules! steps {
    ($($name:ident: $step:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            for (mode, statement) in modes() {
                dies_at(&mode, statement, Step::$step).await;
            }
        }
    )*

        #[test]
        fn every_step_has_its_test() {
            assert_eq!(Step::ALL, [$(Step::$step),*]);
        }
    };
}

steps! {
    a_load_that_dies_before_the_upload: BeforeUpload;
    a_load_that_dies_between_two_parts: BetweenParts;
    a_load_that_dies_before_its_ledger: BeforeLedger;
    a_load_that_dies_right_after_its_ledger: AfterLedger;
    a_load_that_dies_before_its_statement: BeforeStatement;
    a_load_that_dies_before_it_hears_of_its_statement: AfterStatement;
    a_load_that_dies_before_it_marks_its_ledger: BeforeMark;
    a_load_that_dies_before_it_cleans_up: BeforeCleanUp;
}
