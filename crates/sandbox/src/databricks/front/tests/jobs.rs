use super::*;

impl World {
    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        parsed(self.call("POST", path).json(&body).send().await.unwrap()).await
    }

    /// Submits one task to the newest version of the API.
    async fn submit_task(&self, task: Value) -> u64 {
        let (status, reply) = self.post("/api/2.2/jobs/runs/submit", json!({ "tasks": [task] })).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        reply["run_id"].as_u64().unwrap()
    }

    async fn run_of(&self, id: u64) -> Value {
        self.json("GET", &format!("/api/2.2/jobs/runs/get?run_id={id}")).await.1
    }

    async fn ended(&self, id: u64) -> Value {
        loop {
            let run = self.run_of(id).await;
            if run["state"]["result_state"].is_string() {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the run's first task left behind.
    async fn output(&self, run: &Value) -> Value {
        self.json("GET", &format!("/api/2.2/jobs/runs/get-output?run_id={}", run["tasks"][0]["run_id"])).await.1
    }

    async fn import(&self, path: &str, language: Option<&str>, text: &str) {
        use base64::Engine as _;

        let content = base64::engine::general_purpose::STANDARD.encode(text);
        let format = if language.is_some() { "SOURCE" } else { "RAW" };
        let body = json!({ "path": path, "content": content, "format": format, "language": language });
        let (status, reply) = self.post("/api/2.0/workspace/import", body).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
    }
}

fn notebook(path: &str) -> Value {
    json!({ "task_key": "t", "notebook_task": { "notebook_path": path } })
}

#[tokio::test]
async fn without_python_a_task_fails_and_says_what_is_missing() {
    let world = World::with(|config| config.with_python(Some("/nowhere/python".into()))).await;
    world.import("/Shared/n", Some("PYTHON"), "1").await;
    let run = world.ended(world.submit_task(notebook("/Shared/n")).await).await;
    assert_eq!(run["tasks"][0]["status"]["termination_details"]["code"], "DRIVER_ERROR");
    let error = world.output(&run).await["error"].as_str().unwrap().to_owned();
    assert!(error.contains("there is no /nowhere/python"), "{error}");
    // SQL needs none.
    world.import("/Shared/q.sql", None, "SELECT 1").await;
    let warehouse = world.front.warehouse_id();
    let task =
        json!({ "task_key": "t", "sql_task": { "warehouse_id": warehouse, "file": { "path": "/Shared/q.sql" } } });
    let run = world.ended(world.submit_task(task).await).await;
    assert_eq!(run["state"]["result_state"], "SUCCESS");
    world.front.stop().await;
}

#[tokio::test]
async fn the_end_of_the_front_ends_its_tasks_and_their_processes_and_the_next_one_tells_so() {
    let world = World::start().await;
    world.import("/Shared/quick", Some("PYTHON"), "dbutils.notebook.exit('kept')").await;
    let done = world.ended(world.submit_task(notebook("/Shared/quick")).await).await;
    let code = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nprint(child.pid)\nchild.wait()\n";
    world.import("/Shared/slow.py", None, code).await;
    let slow = json!({
        "task_key": "t",
        "existing_cluster_id": "c",
        "spark_python_task": { "python_file": "/Shared/slow.py" },
    });
    let active = world.submit_task(slow).await;
    let pid = loop {
        let run = world.run_of(active).await;
        let output = world.output(&run).await;
        match output["logs"].as_str().unwrap_or_default().strip_suffix('\n') {
            Some(pid) => break pid.to_owned(),
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    world.front.stop().await;
    // Gone, or dead and not yet looked at by whoever inherited it. It was killed; dying may need a turn of the processor.
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let patience = std::time::Instant::now() + Duration::from_secs(120);
    while alive() {
        assert!(std::time::Instant::now() < patience, "{pid} lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let left: Vec<_> = std::fs::read_dir(world.folder.path().join("jobs/work")).unwrap().collect();
    assert_eq!(left.len(), 1, "only the runtime: {left:?}");

    let config = FrontConfig::new(TcpListener::bind("127.0.0.1:0").unwrap(), world.folder.path(), Secret::new(TOKEN));
    let again = World { front: Front::start(config).await.unwrap(), ..world };
    assert_eq!(
        again.output(&again.run_of(done["run_id"].as_u64().unwrap()).await).await["notebook_output"]["result"],
        "kept"
    );
    let broken = again.run_of(active).await;
    assert_eq!(
        (&broken["state"]["life_cycle_state"], &broken["status"]["termination_details"]["type"]),
        (&json!("INTERNAL_ERROR"), &json!("INTERNAL_ERROR"))
    );
    assert_eq!(again.json("GET", "/api/2.0/workspace/get-status?path=/Shared/slow.py").await.1["object_type"], "FILE");
    again.front.stop().await;
}

#[tokio::test]
async fn a_canceled_sql_task_stops_its_statement() {
    let world = World::start().await;
    let endless = "SELECT sum(a.id * b.id % 7) AS s FROM range(50000000) a CROSS JOIN range(40000000) b";
    world.import("/Shared/q.sql", None, endless).await;
    let warehouse = world.front.warehouse_id();
    let task =
        json!({ "task_key": "t", "sql_task": { "warehouse_id": warehouse, "file": { "path": "/Shared/q.sql" } } });
    let id = world.submit_task(task).await;
    let state = || world.front.statement_states().first().map(|report| report.state);
    while state() != Some("RUNNING") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.post("/api/2.2/jobs/runs/cancel", json!({ "run_id": id })).await;
    assert_eq!(world.ended(id).await["state"]["result_state"], "CANCELED");
    assert_eq!(state(), Some("CANCELED"));
    world.front.stop().await;
}

#[tokio::test]
async fn what_the_service_does_and_the_sandbox_does_not_is_refused_by_name() {
    let world = World::start().await;
    for (task, name) in [
        (json!({ "spark_jar_task": { "main_class_name": "x" } }), "spark_jar_task (task t)"),
        (json!({ "spark_submit_task": {} }), "spark_submit_task (task t)"),
        (json!({ "dbt_task": { "commands": [] } }), "dbt_task (task t)"),
        (json!({ "pipeline_task": { "pipeline_id": "p" } }), "pipeline_task (task t)"),
        (json!({ "notebook_task": { "notebook_path": "n", "source": "GIT" } }), "notebooks of a Git provider"),
    ] {
        let mut task = task;
        task["task_key"] = json!("t");
        let (status, reply) = world.post("/api/2.1/jobs/runs/submit", json!({ "tasks": [task] })).await;
        assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{reply}");
        assert_eq!(reply["message"], format!("The sandbox does not support {name}."));
    }
    world.front.stop().await;
}
