use proptest::prelude::*;
use serde_json::{Value, json};
use twinhouse_core::{Error, ErrorKind};

use crate::jobs::{
    CreateJob, Job, JobSettings, Run, RunOutput, SubmitRun, Task, UpdateJob,
    cluster::{Cloud, ClusterSpec},
    settings::{
        AccessControlRequest, Continuous, CronSchedule, GitProvider, GitSource, JobCluster, JobRunAs, PeriodicUnit,
        Source, TableUpdate, TriggerSettings, Webhook, WebhookNotifications,
    },
    task::{NotebookTask, TaskKind},
};

fn field(outcome: twinhouse_core::Result<()>) -> Option<String> {
    let error: Error = outcome.err()?;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    Some(error.context("field").unwrap().to_owned())
}

fn settings() -> JobSettings {
    JobSettings::new().with_name("j").with_task(Task::notebook("a", "/a"))
}

#[test]
fn what_surrounds_tasks_is_looked_at_too() {
    let cluster = || ClusterSpec::small(Cloud::Aws);
    let hooks = WebhookNotifications {
        on_failure: (0..4).map(|n| Webhook::new(n.to_string())).collect(),
        ..WebhookNotifications::new()
    };
    let two = TriggerSettings { periodic: None, ..TriggerSettings::on_tables(TableUpdate::new()) };
    for (settings, wanted) in [
        (settings().with_name(" "), "name"),
        (settings().with_name("x".repeat(4097)), "name"),
        ((0..26).fold(settings(), |settings, n| settings.with_tag(format!("t{n}"), "")), "tags"),
        (settings().with_schedule(CronSchedule::new("30 5 * * *", "UTC")), "schedule.quartz_cron_expression"),
        (settings().with_schedule(CronSchedule::new("0 30 5 * * ?", "")), "schedule.timezone_id"),
        (settings().with_trigger(TriggerSettings::new()), "trigger"),
        (settings().with_trigger(two), "trigger.table_update.table_names"),
        (settings().with_trigger(TriggerSettings::every(0, PeriodicUnit::Hours)), "trigger.periodic.interval"),
        (settings().with_trigger(TriggerSettings::on_files("")), "trigger.file_arrival.url"),
        (
            settings().with_continuous(Continuous::new()).with_schedule(CronSchedule::new("0 30 5 * * ?", "UTC")),
            "continuous",
        ),
        (settings().with_max_concurrent_runs(1001), "max_concurrent_runs"),
        (settings().with_parameter("a b", ""), "parameters[0].name"),
        (settings().with_parameter("a", "").with_parameter("a", ""), "parameters[1].name"),
        (
            settings()
                .with_job_cluster(JobCluster::of("c", cluster()))
                .with_job_cluster(JobCluster::of("c", cluster())),
            "job_clusters[1].job_cluster_key",
        ),
        (settings().with_job_cluster(JobCluster::new("c")), "job_clusters[0].new_cluster"),
        (settings().with_run_as(JobRunAs::new()), "run_as"),
        (settings().with_webhook_notifications(hooks), "webhook_notifications.on_failure"),
        (settings().with_git_source(GitSource::new("https://g/r", "gitHub")), "git_source.git_branch"),
        (
            settings().with_git_source(GitSource::new("https://g/r", "gitHub").with_branch("b").with_tag("t")),
            "git_source",
        ),
    ] {
        assert_eq!(field(settings.check()).as_deref(), Some(wanted));
    }
    assert_eq!(field(settings().check()), None);
    let entry = AccessControlRequest { user_name: Some("u".into()), ..AccessControlRequest::group("g") };
    assert_eq!(field(entry.check("access_control_list[0]")).as_deref(), Some("access_control_list[0]"));
}

#[test]
fn paths_are_absolute_in_the_workspace_and_relative_in_a_repository() {
    let git = || GitSource::new("https://g/r", GitProvider::GitHub).with_branch("main");
    let run = |notebook: NotebookTask| SubmitRun::new("r").with_task(Task::new("a", notebook));
    let path = Some("tasks[0].notebook_task.notebook_path".to_owned());
    assert_eq!(field(run(NotebookTask::new("/a")).check()), None);
    assert_eq!(field(run(NotebookTask::new("a")).check()), path);
    assert_eq!(field(run(NotebookTask::new("a")).with_git_source(git()).check()), None);
    assert_eq!(field(run(NotebookTask::new("/a")).with_git_source(git()).check()), path);
    assert_eq!(field(run(NotebookTask::new("/a").with_source(Source::Workspace)).with_git_source(git()).check()), None);
    assert_eq!(field(run(NotebookTask::new("a").with_source(Source::Git)).check()), path);
}

#[test]
fn an_update_may_refer_to_what_is_on_the_server_already() {
    let more = || JobSettings::new().with_task(Task::notebook("b", "b").after("a").with_job_cluster("shared"));
    assert_eq!(field(UpdateJob::new(1_u64).with_settings(more()).check()), None);
    assert!(field(more().check()).is_some(), "alone it is not whole");
    assert_eq!(field(UpdateJob::new(1_u64).check()).as_deref(), Some("new_settings"));
    assert_eq!(field(UpdateJob::new(1_u64).without(" ").check()).as_deref(), Some("fields_to_remove[0]"));
    // What is wrong in itself is wrong here too.
    let circle = JobSettings::new().with_task(Task::notebook("b", "/b").after("b"));
    assert!(field(UpdateJob::new(1_u64).with_settings(circle).check()).is_some());
}

#[test]
fn a_task_of_a_known_kind_and_an_unknown_shape_is_kept_as_it_came() {
    let wire = json!({ "task_key": "a", "sql_task": { "warehouse_id": "w", "query": "of another shape" }, "z": [1] });
    let task: Task = serde_json::from_value(wire.clone()).unwrap();
    assert!(matches!(&task.kind, TaskKind::Other { field, .. } if field == "sql_task"));
    assert_eq!(serde_json::to_value(&task).unwrap(), wire);
    // A known kind goes before one that only looks like one.
    let both = json!({ "task_key": "a", "an_other_task": {}, "notebook_task": { "notebook_path": "/n" } });
    let task: Task = serde_json::from_value(both.clone()).unwrap();
    assert_eq!((task.kind.name(), serde_json::to_value(&task).unwrap()), ("notebook", both));
    assert!(serde_json::from_value::<Task>(json!({ "notebook_task": {} })).is_err(), "a task without a key");
}

/// Any JSON, with names that mean something here more often than chance would have it.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "run_id",
        "job_id",
        "tasks",
        "state",
        "status",
        "settings",
        "task_key",
        "life_cycle_state",
        "result_state",
        "termination_details",
        "code",
        "notebook_task",
        "for_each_task",
        "task",
        "new_cluster",
        "spark_conf",
        "schedule",
        "libraries",
        "end_time",
        "repair_history",
        "sql_output",
        "query_output",
        "dbt_output",
        "artifacts_link",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(|n| Value::from(n.to_string())),
        prop::sample::select(vec!["TERMINATED", "SUCCESS", "RUNNING", "", "text"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

proptest! {
    /// Whatever comes is read or refused; what was read can be looked at, and written and read again.
    #[test]
    fn no_json_makes_a_panic(wire in any_json()) {
        if let Ok(run) = serde_json::from_value::<Run>(wire.clone()) {
            let (_, _, _) = (run.phase(), run.latest_tasks(), run.duration());
            let again: Run = serde_json::from_value(serde_json::to_value(&run).unwrap()).unwrap();
            prop_assert_eq!(&again, &run);
            if let Ok(outcome) = run.into_outcome() {
                let well = outcome.is_success();
                prop_assert_eq!(outcome.into_run().is_ok(), well);
            }
        }
        if let Ok(job) = serde_json::from_value::<Job>(wire.clone()) {
            let again: Job = serde_json::from_value(serde_json::to_value(&job).unwrap()).unwrap();
            prop_assert_eq!(&again, &job);
            if let Some(settings) = job.settings {
                let _ = settings.check();
                let _ = serde_json::to_value(CreateJob::new(settings)).unwrap();
            }
        }
        let _ = serde_json::from_value::<RunOutput>(wire);
    }

    /// Tasks that wait for earlier ones only are fine in any order; one that waits for a later one closes a circle.
    #[test]
    fn circles_are_found_and_nothing_else(
        edges in prop::collection::vec((0_usize..12, 0_usize..12), 0..30),
        order in Just((0_usize..12).collect::<Vec<_>>()).prop_shuffle(),
        back in (0_usize..12, 0_usize..12),
    ) {
        let key = |n: usize| format!("t{n}");
        let mut tasks: Vec<Task> = (0..12).map(|n| Task::notebook(key(n), "/n")).collect();
        for (a, b) in edges {
            let (before, after) = (a.min(b), a.max(b));
            if before != after {
                tasks[after] = tasks[after].clone().after(key(before));
            }
        }
        let shuffled = |tasks: &[Task]| order.iter().map(|n| tasks[*n].clone()).collect::<Vec<_>>();
        prop_assert!(SubmitRun::new("r").with_tasks(shuffled(&tasks)).check().is_ok());
        let (before, after) = (back.0.min(back.1), back.0.max(back.1));
        if before != after {
            tasks[after] = tasks[after].clone().after(key(before));
            tasks[before] = tasks[before].clone().after(key(after));
            let error = SubmitRun::new("r").with_tasks(shuffled(&tasks)).check().unwrap_err();
            prop_assert!(error.context("field").unwrap().ends_with("depends_on"), "{}", error);
        }
    }
}
