//! Every fault at every operation of every backend: what comes of it, and that no row is lost or doubled.
//!
//! `docs/reliability.md` holds the outcome as it was seen. These tests compare it with what they see; with
//! `TWINHOUSE_WRITE_DOCS=1` they write it.

mod cases;
mod document;
mod operation;
mod place;
mod retries;

use twinhouse_sandbox::{Front, Sandbox, SandboxOptions};

use self::{
    cases::Case,
    document::{Cell, Section},
    operation::Operation,
    place::{Backend, Place},
    retries::Retries,
};
use crate::fixtures::PATIENCE;

/// Runs the cases one after the other and holds them against the page.
async fn drive(sandbox: Sandbox, backends: &[Backend], chapter: &'static str) {
    let retries = Retries::count();
    let mut sections = Vec::new();
    let mut number = 0;
    for backend in backends {
        let place = Place::new(&sandbox, *backend).await;
        let mut section = Section::new(backend.title(), Operation::of(*backend));
        for case in cases::of(*backend) {
            number += 1;
            let cell = tokio::time::timeout(PATIENCE, meet(&place, &case, number, &retries)).await;
            let cell = cell.unwrap_or_else(|_| panic!("{}, {}: no end", case.label, case.operation.name()));
            section.put(case.label, case.operation, cell);
        }
        sections.push(section);
    }
    sandbox.stop().await.expect("a clean stop");
    document::check(chapter, &sections);
}

/// One operation meets one fault.
async fn meet(place: &Place<'_>, case: &Case, number: i64, retries: &Retries) -> Cell {
    let warehouse = place.connect(case.login).await;
    let prepared = case.operation.prepare(place, number).await;
    let faults = place.sandbox.faults();
    let before = retries.so_far();
    let fault = faults.schedule(case.rule.clone()).expect("a fault that this front can have");
    let outcome = prepared.run(&warehouse).await;
    let used = retries.so_far() - before;
    let what = || format!("{}, {}, {}: {outcome:?}", place.backend.title(), case.label, case.operation.name());
    assert!(fault.fired() >= 1, "the fault never struck: {}", what());
    // From here on everything works again.
    faults.clear();
    let (lost, doubled) = prepared.inspect(place, &outcome).await;
    assert_eq!((lost, doubled), (0, 0), "rows lost and doubled: {}", what());
    assert_eq!(retries.refused(), 0, "the budget of retries was empty: {}", what());
    let _ = warehouse.close().await;
    Cell::new(&outcome, case.operation, used)
}

/// Small chunks: a result of some thousand rows has several.
fn options() -> SandboxOptions {
    SandboxOptions::default().with_chunk_rows(1_000)
}

#[tokio::test]
async fn databricks() {
    let sandbox = Sandbox::start(options().with_fronts([Front::Databricks])).await.expect("a sandbox");
    drive(sandbox, &[Backend::Links, Backend::Inline], "databricks").await;
}

#[tokio::test]
async fn redshift() {
    let sandbox = Sandbox::start(options().with_fronts([Front::Aws])).await.expect("a sandbox");
    drive(sandbox, &[Backend::Wire, Backend::DataApi], "redshift").await;
}
