use super::{super::references::Scope, *};

#[tokio::test(start_paused = true)]
async fn references_mean_what_they_name() {
    let world = World::new([]);
    let told =
        with(note("told"), json!({ "notebook_task": { "notebook_path": "/n", "base_parameters": { "v": "42" } } }));
    let run = world.end(world.submit(json!([told]))).await;
    let input = json!({ "a": { "b": [1] } });
    let scope = Scope {
        run: &run,
        task_key: "t",
        task_run: 7,
        attempt: 1,
        input: Some(&input),
        workspace_url: "http://w",
        workspace_id: "1",
    };
    let rows = [
        ("x{{ tasks.told.values.v }}y{{task.name}}", "x42yt"),
        ("{{task.execution_count}} {{task.run_id}}", "2 7"),
        ("{{tasks.told.result_state}}", "success"),
        ("{{input.a.b}}", "[1]"),
        ("{{ a template of others }} {{", "{{ a template of others }} {{"),
        ("{{job.trigger.type}}", "one_time"),
    ];
    for (text, expected) in rows {
        assert_eq!(scope.resolve(text).unwrap(), expected, "{text}");
    }
    for unknown in
        ["{{tasks.no.values.v}}", "{{tasks.told.values.w}}", "{{job.parameters.x}}", "{{input.z}}", "{{job.x}}"]
    {
        assert!(scope.resolve(unknown).unwrap_err().contains("does not name anything"), "{unknown}");
    }
    assert_eq!(scope.resolve("{{job.start_time.iso_date}}").unwrap().len(), 10);
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_by_what_is_wrong() {
    let world = World::new([]);
    let python = |more: Value| with(json!({ "task_key": "t", "spark_python_task": { "python_file": "/x.py" } }), more);
    let condition = |more: Value| {
        with(json!({ "task_key": "t", "condition_task": { "op": "EQUAL_TO", "left": "a", "right": "b" } }), more)
    };
    let rows = [
        (json!({ "tasks": [] }), "At least one task"),
        (json!({ "notebook_task": {} }), "notebook_task outside of tasks"),
        (json!({ "tasks": [{ "task_key": "t" }] }), "must be given"),
        (json!({ "tasks": [note("t"), note("t")] }), "Duplicate task key 't'"),
        (json!({ "tasks": [note("a b")] }), "'a b'"),
        (json!({ "tasks": [after("t", &["u"])] }), "'u'"),
        (json!({ "tasks": [after("a", &["b"]), after("b", &["a"])] }), "lead back to itself"),
        (json!({ "tasks": [python(json!({}))] }), "environment_key is required"),
        (json!({ "tasks": [python(json!({ "new_cluster": {}, "existing_cluster_id": "c" }))] }), "only one of"),
        (json!({ "tasks": [python(json!({ "job_cluster_key": "k" }))] }), "'k' is not defined"),
        (json!({ "tasks": [condition(json!({ "new_cluster": {} }))] }), "runs on no cluster"),
        (json!({ "tasks": [condition(json!({ "timeout_seconds": -1 }))] }), "timeout_seconds"),
        (json!({ "tasks": [condition(json!({ "run_if": "SOMETIMES" }))] }), "run_if"),
        (json!({ "tasks": [condition(json!({ "max_retries": -2 }))] }), "max_retries"),
        (
            json!({ "tasks": [with(note("t"), json!({ "depends_on": [{ "task_key": "u", "outcome": "true" }] })), note("u")] }),
            "outcome",
        ),
        (json!({ "tasks": [{ "task_key": "t", "sql_task": { "file": { "path": "/q" } } }] }), "warehouse_id"),
        (
            json!({ "tasks": [{ "task_key": "t", "pipeline_task": { "pipeline_id": "p" } }] }),
            "does not support pipeline_task (task t)",
        ),
        (json!({ "tasks": [{ "task_key": "t", "run_job_task": { "job_id": 1 } }] }), "Job 1 does not exist."),
        (json!({ "tasks": [note("t")], "git_source": {} }), "git_source"),
        (json!({ "tasks": [note("t")], "job_clusters": [] }), "job_clusters"),
    ];
    for (mut settings, expected) in rows {
        let text = settings.to_string();
        let error = validate::submission(&mut settings, world.scheduler.store()).unwrap_err();
        assert!(error.message().contains(expected), "{text}: {}", error.message());
    }
    let many: Vec<Value> = (0..=1000).map(|number| note(&format!("t{number}"))).collect();
    assert!(validate::submission(&mut json!({ "tasks": many }), world.scheduler.store()).is_err());
}
