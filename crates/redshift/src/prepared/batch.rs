//! One statement with many sets of values, all or nothing.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation};
use twinhouse_warehouse_api::{CallOptions, Params};

use super::Definition;
use crate::{
    cluster::Cluster,
    error::harmless,
    pool::{Checkout, Extras},
    statement::plan::Prepared,
};

/// How many sets go in one round trip.
const AT_ONCE: usize = 256;

/// A batch without a limit takes as long as it takes.
const NO_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) async fn run(
    cluster: &Arc<Cluster>,
    definition: &Arc<Definition>,
    options: &CallOptions,
    sets: impl IntoIterator<Item = Params>,
) -> Result<Vec<u64>> {
    if definition.gives_rows() {
        return Err(Error::new(ErrorKind::InvalidInput, "a batch is of statements that change rows: use `query`"));
    }
    let sets = sets.into_iter().enumerate().map(|(number, params)| {
        definition.bind(&params).map_err(|error| error.with_context("set", (number + 1).to_string()))
    });
    let sets = sets.collect::<Result<Vec<_>>>()?;
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let limit = options.timeout.unwrap_or(NO_LIMIT);
    let extras = Extras { timeout: options.timeout, label: options.label.clone() };
    let work = cluster
        .transactions()
        .execute(Operation::write("prepared.batch").with_class("statement").with_attempt_timeout(NO_LIMIT), |_| {
            once(cluster, definition, &extras, &sets)
        });
    match timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::new(ErrorKind::Timeout, "the batch ran out of time")
            .with_context("wait", "statement")
            .with_context("limit", format!("{limit:?}"))),
    }
}

async fn once(cluster: &Cluster, definition: &Arc<Definition>, extras: &Extras, sets: &[Prepared]) -> Result<Vec<u64>> {
    // Dropped on the way, it cancels and rolls back.
    let mut session = cluster.pool().checkout().await?;
    session.apply(extras).await?;
    session.ask("BEGIN").await.map_err(harmless)?;
    match sent(&mut session, definition, extras, sets).await {
        Ok(counts) => {
            let end = session.ask("COMMIT").await.map_err(|error| error.with_operation("transaction.commit"))?;
            if end.tag.is_some_and(|tag| tag.0 == "ROLLBACK") {
                return Err(Error::new(ErrorKind::Internal, "the batch was rolled back without a word"));
            }
            Ok(counts)
        }
        Err(error) => {
            if session.is_quiet() {
                session.rollback().await.ok();
            }
            // Nothing was committed.
            Err(harmless(error))
        }
    }
}

async fn sent(
    session: &mut Checkout,
    definition: &Arc<Definition>,
    extras: &Extras,
    sets: &[Prepared],
) -> Result<Vec<u64>> {
    let mut counts = Vec::with_capacity(sets.len());
    session.connection().explain_with(Some(definition.source().clone()));
    // Sets of other types are other statements to the server.
    for alike in sets.chunk_by(|one, other| one.types == other.types) {
        let name = session.keep(definition, &alike[0].types, extras).await?;
        for some in alike.chunks(AT_ONCE) {
            let rows: Vec<_> = some.iter().map(|set| set.values.clone()).collect();
            let changed = session
                .run_kept(&name, &rows)
                .await
                .map_err(|(at, error)| error.with_context("set", (counts.len() + at + 1).to_string()))?;
            counts.extend(changed);
        }
    }
    Ok(counts)
}
