//! Requests per second, and the latency of one small call, beside a bare reqwest call in the same run.
//!
//! ```sh
//! cargo bench -p twinhouse-databricks --bench small_call            # optimised
//! cargo bench -p twinhouse-databricks --bench small_call --profile dev
//! ```
//!
//! The service is a loopback server in this process that answers at once. Both sides read the same JSON into the same
//! fields; ours adds credential, limiter, breaker, retry budget, time-outs, spans and metrics.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use twinhouse_core::{config::Env, resilience::Registry, tls};
use twinhouse_databricks::{DatabricksClient, warehouses::Warehouses};
use twinhouse_testkit::{Answer, ScriptedServer};

const ID: &str = "0123456789abcdef";
const ROUNDS: usize = 10;
/// Calls one after the other, in each round and of each kind.
const SERIAL: usize = 500;
/// Calls of each kind in each round, so many at once.
const PARALLEL: usize = 2_000;
const AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Answered {
    id: String,
}

/// The same request by reqwest alone.
#[derive(Clone)]
struct Bare {
    client: reqwest::Client,
    url: String,
}

impl Bare {
    async fn call(&self) {
        let answer = self.client.get(&self.url).bearer_auth("token").send().await.expect("an answer");
        let answer: Answered = answer.json().await.expect("a warehouse");
        assert_eq!(answer.id, ID);
    }
}

async fn ours(warehouses: &Warehouses) {
    assert_eq!(warehouses.get(ID).await.expect("a warehouse").id, ID);
}

/// The time of each call, one after the other.
async fn serial(times: &mut Vec<Duration>, call: impl AsyncFn()) {
    for _ in 0..SERIAL {
        let began = Instant::now();
        call().await;
        times.push(began.elapsed());
    }
}

/// Calls per second, several at once.
async fn parallel(call: impl AsyncFn()) -> f64 {
    let began = Instant::now();
    stream::iter(0..PARALLEL).for_each_concurrent(AT_ONCE, |_| call()).await;
    PARALLEL as f64 / began.elapsed().as_secs_f64()
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[tokio::main]
async fn main() {
    let server = ScriptedServer::start().await.expect("a loopback port");
    let path = format!("/api/2.0/sql/warehouses/{ID}");
    server.always("GET", &path, Answer::json(json!({ "id": ID, "name": "small", "state": "RUNNING" })));
    let client = DatabricksClient::builder()
        .env(Env::empty())
        .host(server.url())
        .token("token")
        .rate_limit(1e9)
        .registry(Registry::new())
        .client()
        .expect("settings");
    let warehouses = client.warehouses();
    let tls = tls::roots(&[]).and_then(tls::client).expect("the system's roots");
    let bare = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
    let bare = Bare { client: bare, url: server.url() + &path };

    // Connections are made, and caches warm, before anything counts.
    parallel(async || ours(&warehouses).await).await;
    parallel(async || bare.call().await).await;
    let (mut our_times, mut bare_times) = (Vec::new(), Vec::new());
    let (mut our_rates, mut bare_rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        serial(&mut our_times, async || ours(&warehouses).await).await;
        serial(&mut bare_times, async || bare.call().await).await;
        our_rates.push(parallel(async || ours(&warehouses).await).await);
        bare_rates.push(parallel(async || bare.call().await).await);
    }
    for percent in [50, 99] {
        let (ours, bare) = (percentile(&mut our_times, percent), percentile(&mut bare_times, percent));
        println!(
            "p{percent} of one call: {ours:?}, bare reqwest {bare:?}: {:.2} times, {:?} more",
            ours.as_secs_f64() / bare.as_secs_f64(),
            ours.saturating_sub(bare)
        );
    }
    let (ours, bare) = (median(&mut our_rates), median(&mut bare_rates));
    println!("{AT_ONCE} at once: {ours:.0} calls/s, bare reqwest {bare:.0} calls/s: {:.2} times", ours / bare);
}
