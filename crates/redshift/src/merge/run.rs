//! The course of a merge.

use arrow::datatypes::SchemaRef;
use tokio::sync::Mutex;
use twinhouse_core::{Error, ErrorKind, Fault, FaultClass, Report, Result, resilience::Operation};
use twinhouse_warehouse_api::{BatchStream, Capabilities, Fit, LoadRequest, MergeReport, MergeRequest, MergeSource};
use uuid::Uuid;

use super::{
    MergeStrategy,
    plan::{Counts, Plan, Roles, Wish},
    source::Relation,
};
use crate::{
    cluster::Cluster,
    error::harmless,
    load::{
        Call, Format, Limits, Place, Rows, Staged, UNBOUNDED, check_loadable, commit, copy, explain, readable, slices,
        stage,
    },
    pool::{Checkout, Session},
    staging::Staging,
    tables::{Described, describe},
};

/// Merges rows into a table by key, all or nothing.
pub(crate) async fn merge(
    cluster: &Cluster,
    can: &Capabilities,
    request: MergeRequest,
    strategy: MergeStrategy,
) -> Result<MergeReport> {
    request.check(can, "redshift")?;
    let call = Call::begin(&request.options);
    let target = request.target.to_string();
    let (wish, source) = Wish::of(request, strategy);
    wish.check()?;
    call.within(Box::pin(run(cluster, wish, source, &call)))
        .await
        .map_err(|error| if error.context("table").is_none() { error.with_context("table", target) } else { error })
}

/// What the stage is filled with.
enum Filling {
    Files(Place, Staged),
    Relation(Relation),
}

async fn run(cluster: &Cluster, wish: Wish, source: MergeSource, call: &Call) -> Result<MergeReport> {
    let target = describe(cluster, &wish.target).await?;
    target.check_writable()?;
    let (filling, coming) = match source {
        MergeSource::Batches(batches) => stage_batches(cluster, &wish, &target, batches).await?,
        MergeSource::Table(table) => relation(Relation::table(cluster, &table).await?, &wish, &target)?,
        MergeSource::Query(query) => relation(Relation::query(cluster, call, &query, &target).await?, &wish, &target)?,
        other => {
            return Err(Error::unsupported("redshift", "cannot merge from such a source")
                .with_context("source", format!("{other:?}")));
        }
    };
    let stage = format!("twinhouse_stage_{}", Uuid::new_v4().simple());
    let plan = Plan::new(&wish, &target, &coming, &stage)?;
    let outcome = apply(cluster, call, &plan, &filling, &coming).await;
    if let Filling::Files(place, _) = &filling {
        place.clear().await;
    }
    outcome
}

fn relation(relation: Relation, wish: &Wish, target: &Described) -> Result<(Filling, SchemaRef)> {
    let coming = relation.fit(wish, target)?;
    check_roles(wish, target, &coming)?;
    Ok((Filling::Relation(relation), coming))
}

async fn stage_batches(
    cluster: &Cluster,
    wish: &Wish,
    target: &Described,
    batches: BatchStream,
) -> Result<(Filling, SchemaRef)> {
    let staging = cluster.staging().ok_or_else(no_staging)?;
    let fit = Fit::plan(&target.for_rows_of(batches.schema(), wish.insert), batches.schema())?;
    let coming = fit.schema().clone();
    check_roles(wish, target, &coming)?;
    check_foreign(target, &coming)?;
    let place = place(staging, target);
    let (limits, format) = (Limits::of(target, &coming), Format::for_columns(target, &fit));
    let rows = Rows { batches, limits, fit, format, slices: slices(cluster).await };
    match stage(&place, rows, LoadRequest::DEFAULT_FILE_BYTES, None).await {
        Ok(staged) => Ok((Filling::Files(place, staged), coming)),
        Err(error) => {
            place.clear().await;
            Err(error)
        }
    }
}

fn no_staging() -> Error {
    Error::unsupported("redshift", "cannot merge rows in memory: no staging place is configured")
        .with_context("setting", "staging")
}

fn place(staging: &Staging, target: &Described) -> Place {
    let table = &target.info.table;
    let folder = format!("m-{}-{}", readable(table.schema().unwrap_or_default()), readable(table.name()));
    Place::new(staging, &[&folder])
}

/// Refuses keys and columns that do not come, and values for what the server fills in itself.
fn check_roles(wish: &Wish, target: &Described, coming: &SchemaRef) -> Result<()> {
    let roles = Roles::of(wish, coming)?;
    let inserted = coming.fields().iter().map(|field| field.name()).filter(|_| wish.insert);
    let written: Vec<&String> = inserted.chain(&roles.set).collect();
    match written.into_iter().find(|name| target.column(name).is_some_and(|column| column.is_identity)) {
        Some(name) => Err(Error::unsupported("redshift", "the server numbers the rows of an identity column itself")
            .with_context("column", name.clone())),
        None => Ok(()),
    }
}

/// Refuses what no file can carry into the stage.
fn check_foreign(target: &Described, coming: &SchemaRef) -> Result<()> {
    let names = coming.fields().iter().map(|field| field.name().as_str());
    check_loadable(target, names.filter(|name| target.column(name).is_none_or(|column| !column.is_identity)))
}

async fn apply(
    cluster: &Cluster,
    call: &Call,
    plan: &Plan,
    filling: &Filling,
    coming: &SchemaRef,
) -> Result<MergeReport> {
    let mut session = call.session(cluster).await?;
    // What is on it now no reset undoes: should this be dropped on the way, the session ends with it.
    session.spoil();
    fill(cluster, &mut session, plan, filling, coming).await.map_err(harmless)?;
    if session.ask(&plan.find_duplicate()).await.map_err(harmless)?.value().is_some() {
        tidy(&mut session, plan).await;
        return Err(Error::new(ErrorKind::Conflict, "two rows of the source have one key").with_fault(Fault::PERMANENT));
    }
    let session = Mutex::new(session);
    let operation = Operation::write("merge.transaction").with_class("merge").with_attempt_timeout(UNBOUNDED);
    let outcome = cluster
        .transactions()
        .execute(operation, |_| async { transaction(&mut *session.lock().await, plan).await })
        .await;
    let mut session = session.into_inner();
    if session.is_quiet() {
        tidy(&mut session, plan).await;
    }
    outcome
}

async fn fill(
    cluster: &Cluster,
    session: &mut Checkout,
    plan: &Plan,
    filling: &Filling,
    coming: &SchemaRef,
) -> Result<()> {
    match filling {
        Filling::Relation(relation) => {
            session.ask(&relation.create_stage(plan.filled(), coming)?).await?;
        }
        Filling::Files(place, staged) => {
            session.ask(&plan.create_like_target()).await?;
            let role = &cluster.config().iam_role;
            if let Err(error) = copy(session, plan.filled(), plan.columns(), role, staged).await {
                let error = explain(session, place, error).await;
                return Err(place.keep_if_refused(error));
            }
        }
    }
    if let Some(pick) = plan.pick() {
        session.ask(&pick).await?;
    }
    Ok(())
}

async fn transaction(session: &mut Session, plan: &Plan) -> Result<MergeReport> {
    let report = match changes(session, plan).await {
        Ok(report) => report,
        Err(error) => {
            let error = harmless(error);
            // The stage goes with the session: on another one the transaction cannot be tried again.
            if !session.connection().is_broken() && session.rollback().await.is_ok() {
                return Err(error);
            }
            let fault = Fault { class: FaultClass::Permanent, ..error.fault() };
            return Err(error.with_fault(fault));
        }
    };
    commit(session).await?;
    Ok(report)
}

async fn changes(session: &mut Session, plan: &Plan) -> Result<MergeReport> {
    session.ask("BEGIN").await?;
    let (mut inserted, mut updated, mut deleted) = (0, 0, 0);
    let mut known = true;
    for (counts, sql) in plan.transaction() {
        let changed = session.ask(&sql).await?.changed();
        match counts {
            Counts::Nothing => {}
            Counts::Inserted => inserted += changed,
            Counts::Updated => updated += changed,
            Counts::Deleted => deleted += changed,
            Counts::Unknown => known = false,
        }
    }
    let told = |count: u64| known.then_some(count);
    Ok(MergeReport::new(told(inserted), told(updated), told(deleted)))
}

/// Drops the stage, so that the session can go back.
async fn tidy(session: &mut Checkout, plan: &Plan) {
    match session.ask(&plan.drop_stage()).await {
        Ok(_) => session.unspoil(),
        Err(error) => tracing::debug!(error = %Report(&error), "the stage of a merge stays until its session ends"),
    }
}
