//! The workspace behind glass: what the status page shows of it.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;

use super::app::App;
use crate::{
    databricks::jobs::Outcome,
    status::{Exhibit, Run, Runs, Shown, State},
};

#[derive(Debug)]
pub(super) struct Window(pub(super) Arc<App>);

#[async_trait]
impl Exhibit for Window {
    async fn tables(&self) -> Vec<(String, &'static str)> {
        self.0.runner.engine.catalog().read(|listing| {
            let mut found = Vec::new();
            for (catalog, entry) in listing {
                for (schema, entry) in &entry.schemas {
                    let tables = entry.tables.keys().map(|name| (name, "Delta table"));
                    let views = entry.views.keys().map(|name| (name, "view"));
                    let volumes = entry.volumes.keys().map(|name| (name, "volume"));
                    let all = tables.chain(views).chain(volumes);
                    found.extend(all.map(|(name, kind)| (format!("{catalog}.{schema}.{name}"), kind)));
                }
            }
            found
        })
    }

    fn statements(&self) -> Vec<Shown> {
        let shown = self.0.runner.statements.reports().into_iter().rev().map(|report| Shown {
            sql: report.sql,
            // What became of it, not whether its result can still be had.
            state: State::of(report.status),
            word: report.status.to_owned(),
            began: report.submitted,
            ended: report.ended,
        });
        shown.collect()
    }
}

impl Runs for Window {
    fn runs(&self) -> Vec<Run> {
        let time = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        self.0.jobs.store().scan(|run| {
            let word = match run.phase.ending() {
                Some(ending) if ending.outcome != Outcome::MaximumReached => ending.outcome.name(),
                _ => run.phase.life_cycle(true),
            };
            Some(Run {
                id: run.id.to_string(),
                name: run.name.clone(),
                state: State::of(word),
                word: word.to_owned(),
                began: time(run.start_time),
                ended: run.end_time.map(time),
            })
        })
    }
}
