//! The conformance suite on a real workspace and a real cluster.
//!
//! It runs only where a URL says so, because it costs money: `TWINHOUSE_LIVE_DATABRICKS` and `TWINHOUSE_LIVE_REDSHIFT`, as
//! `twinhouse::connect` reads them. Without them it says that it did not run. What it makes, it drops.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use futures::FutureExt as _;
use twinhouse_core::Result;
use twinhouse_testkit::conformance::{CASES, Fixture, Outcome, Scratch};
use twinhouse_warehouse_api::Warehouse;

use crate::fixtures::{OnDatabricks, OnRedshift};

/// Where a secret may stand that must never be printed.
const SECRETS: [&str; 5] =
    ["DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// A real service, with the queries of its imitation.
#[derive(Debug)]
struct Live<F> {
    name: &'static str,
    url: String,
    imitation: F,
}

#[async_trait]
impl<F: Fixture> Fixture for Live<F> {
    fn name(&self) -> &str {
        self.name
    }

    async fn warehouse(&self) -> Result<Arc<dyn Warehouse>> {
        Ok(Arc::from(twinhouse::connect(&self.url).await?))
    }

    fn scratch(&self) -> Scratch {
        Scratch::new(None, None)
    }

    fn rows_query(&self, rows: u64) -> String {
        self.imitation.rows_query(rows)
    }

    fn slow_query(&self, marker: &str) -> String {
        self.imitation.slow_query(marker)
    }

    async fn is_running(&self, _marker: &str) -> Option<bool> {
        None
    }

    fn secrets(&self) -> Vec<String> {
        SECRETS.iter().filter_map(|name| std::env::var(name).ok()).filter(|secret| !secret.is_empty()).collect()
    }
}

async fn every_case(name: &'static str, variable: &str, imitation: impl Fixture) {
    let Some(url) = std::env::var(variable).ok().filter(|url| !url.is_empty()) else {
        println!("live {name}: not run: {variable} is not set");
        return;
    };
    let fixture = Live { name, url, imitation };
    let (mut passed, mut refused, mut failed) = (0, 0, Vec::new());
    for case in CASES {
        let title = format!("{}::{}", case.theme, case.name);
        match AssertUnwindSafe(case.check(&fixture)).catch_unwind().await {
            Ok(Ok(Outcome::Passed)) => passed += 1,
            Ok(Ok(Outcome::Refused)) => refused += 1,
            Ok(Err(failure)) => failed.push(format!("{title}: {failure}")),
            // The panic has printed itself.
            Err(_) => failed.push(title),
        }
    }
    println!("live {name}: {passed} passed, {refused} refused by capability, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test]
async fn a_real_workspace_keeps_the_contract() {
    every_case("databricks", "TWINHOUSE_LIVE_DATABRICKS", OnDatabricks::LINKS).await;
}

#[tokio::test]
async fn a_real_cluster_keeps_the_contract() {
    every_case("redshift", "TWINHOUSE_LIVE_REDSHIFT", OnRedshift::default()).await;
}
