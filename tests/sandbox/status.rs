//! The status page of a sandbox that is at work.

use std::time::Duration;

use serde_json::{Value, json};
use twinhouse_core::http::{Body, HeaderValue, Http, Request, Response, Url};
use twinhouse_sandbox::{FaultKind, FaultRule, Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{StatementRequest, Warehouse as _, WarehouseExt as _};

use crate::fixtures::{PATIENCE, databricks_of, redshift_of, soon};

struct Browser {
    http: Http,
    url: String,
    token: String,
}

impl Browser {
    async fn of(sandbox: &Sandbox) -> Self {
        let access = sandbox.databricks().await.expect("a workspace");
        let (url, token) = (access.url.clone(), access.token.expose().to_owned());
        Self { http: Http::builder().build().expect("a client"), url, token }
    }

    async fn send(&self, request: Request) -> Response {
        self.http.send(request.with_timeout(PATIENCE)).await.expect("an answer")
    }

    fn at(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.url)).expect("an address")
    }

    async fn page(&self, link: &str) -> String {
        let answer = self.send(Request::get(Url::parse(link).expect("a link"))).await;
        assert!(answer.status().is_success(), "{}", answer.status());
        String::from_utf8(answer.into_bytes(1 << 20).await.expect("a page").to_vec()).expect("UTF-8")
    }

    /// A call of the workspace's API.
    async fn call(&self, path: &str, body: Option<Value>) -> Value {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.token)).expect("a header");
        let request = match body {
            Some(body) => Request::post(self.at(path)).with_body(Body::bytes(body.to_string().into_bytes())),
            None => Request::get(self.at(path)),
        };
        let answer = self.send(request.with_authorization(bearer)).await;
        let status = answer.status();
        let text = answer.into_bytes(1 << 20).await.expect("an answer");
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).expect("JSON")
    }
}

#[tokio::test]
async fn the_page_shows_both_warehouses_at_work_and_keeps_their_secrets() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.expect("a sandbox");
    let browser = Browser::of(&sandbox).await;
    let (databricks, redshift) = (databricks_of(&sandbox).await.unwrap(), redshift_of(&sandbox).await.unwrap());
    databricks.execute("create table `<script>alert(1)<b>` (id bigint)").await.expect("a table");
    redshift.execute("create table \"<script>alert(2)</script>\" (id bigint)").await.expect("a table");
    databricks.execute("create view seen_on_the_page as select 1 as x").await.expect("a view");
    let wrong = databricks.query("select * from nowhere_at_all where password = 'Hunter2222'").await;
    assert!(wrong.is_err());
    let rule = FaultRule::databricks(FaultKind::Throttled { retry_after: None }).with_sql("select 77");
    sandbox.faults().schedule(rule).expect("a rule");
    databricks.execute(StatementRequest::read("select 77")).await.expect("a query that is repeated");

    let secrets = [
        browser.token.clone(),
        sandbox.redshift().await.unwrap().password.expose().to_owned(),
        sandbox.s3().secret_key.expose().to_owned(),
        "Hunter2222".to_owned(),
    ];
    // The page does not wait long for a cluster that is slow to list its tables.
    let mut plain = String::new();
    soon("the cluster's tables are shown", async || {
        plain = browser.page(&format!("{}/", browser.url)).await;
        plain.contains("dev.public.")
    })
    .await;
    for secret in &secrets {
        assert!(!plain.contains(secret.as_str()), "a secret is shown");
    }
    assert!(!plain.contains("<script"), "{plain}");
    for shown in [
        "main.default.&lt;script&gt;alert(1)&lt;b&gt;",
        "dev.public.&lt;script&gt;alert(2)&lt;/script&gt;",
        "main.default.seen_on_the_page",
        "class=\"good\">finished",
        "class=\"bad\">failed",
        "nowhere_at_all",
        "kind = &quot;throttled&quot;",
        ">spent<",
        &sandbox.s3().endpoint,
        &format!("127.0.0.1:{}", sandbox.redshift().await.unwrap().port),
    ] {
        assert!(plain.contains(shown), "{shown} is missing in\n{plain}");
    }

    let link = sandbox.status_link().await.expect("a link");
    let open = browser.page(link.expose()).await;
    assert!(open.contains(&secrets[0]) && open.contains(&secrets[1]) && !open.contains("Hunter2222"));
    let again = browser.send(Request::get(Url::parse(link.expose()).expect("a link"))).await;
    assert_eq!((again.status().as_u16(), &again.headers()["location"]), (303, &HeaderValue::from_static("/")));
    assert_eq!(sandbox.status_link().await.unwrap().expose(), format!("{}/", browser.url));
    databricks.close().await.unwrap();
    redshift.close().await.unwrap();
    sandbox.stop().await.expect("a clean stop");
}

#[tokio::test]
async fn a_stuck_job_runs_until_it_is_cancelled_and_the_page_shows_it() {
    let sandbox = Sandbox::start(SandboxOptions::default().with_fronts([])).await.expect("a sandbox");
    let browser = Browser::of(&sandbox).await;
    let stuck = sandbox.faults().schedule(FaultRule::databricks(FaultKind::JobStuck).on_call(2)).expect("a rule");
    let submit = async |name: &str| {
        let task = json!({ "task_key": "only", "condition_task": { "op": "EQUAL_TO", "left": "1", "right": "1" } });
        let run = browser.call("/api/2.2/jobs/runs/submit", Some(json!({ "run_name": name, "tasks": [task] }))).await;
        run["run_id"].as_u64().expect("a number")
    };
    let state = async |id: u64| {
        let run = browser.call(&format!("/api/2.2/jobs/runs/get?run_id={id}"), None).await;
        run["state"]["life_cycle_state"].as_str().expect("a state").to_owned()
    };
    let until = async |id: u64, wish: &str| {
        let look = async {
            while state(id).await != wish {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("never {wish}"));
    };
    let (good, bad) = (submit("a good one").await, submit("a <stuck> one").await);
    assert_eq!((stuck.seen(), stuck.fired()), (2, 1));
    until(good, "TERMINATED").await;
    assert!(!["TERMINATED", "INTERNAL_ERROR", "SKIPPED"].contains(&state(bad).await.as_str()));
    let page = browser.page(&format!("{}/", browser.url)).await;
    assert!(page.contains("a good one") && page.contains("a &lt;stuck&gt; one"), "{page}");
    browser.call("/api/2.2/jobs/runs/cancel", Some(json!({ "run_id": bad }))).await;
    until(bad, "TERMINATED").await;
    sandbox.stop().await.expect("a clean stop");
}
