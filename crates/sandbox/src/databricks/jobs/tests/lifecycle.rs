use super::*;

#[tokio::test(start_paused = true)]
async fn tasks_run_as_soon_as_what_they_need_is_done() {
    let world = World::new([("a", &[(5, Outcome::Success)]), ("b", &[(1, Outcome::Success)])]);
    let began = Instant::now();
    let id = world.submit(json!([after("d", &["a", "b"]), after("c", &["b"]), note("a"), note("b")]));
    let run = world.end(id).await;
    assert_eq!(outcome(&run), Outcome::Success);
    let log = world.log();
    assert_eq!((log[2].as_str(), log[3].as_str()), ("c", "d"));
    assert_eq!(began.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_tried_as_often_as_it_may_be() {
    let world = World::new([("t", &[(1, Outcome::Failed), (1, Outcome::Failed), (1, Outcome::Success)])]);
    let patient = with(note("t"), json!({ "max_retries": 2, "min_retry_interval_millis": 60_000 }));
    let began = Instant::now();
    let run = world.end(world.submit(json!([patient]))).await;
    assert_eq!(outcome(&run), Outcome::Success);
    assert_eq!(run.tasks.iter().map(|task| task.attempt).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(began.elapsed().as_secs(), 123);

    let world = World::new([("t", &[(1, Outcome::Failed)])]);
    let run = world.end(world.submit(json!([with(note("t"), json!({ "max_retries": 1 }))]))).await;
    assert_eq!((outcome(&run), run.tasks.len()), (Outcome::Failed, 2));
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_stops_a_task_and_is_retried_only_if_wanted() {
    let world = World::new([("t", &[(600, Outcome::Success)])]);
    let limited = with(note("t"), json!({ "timeout_seconds": 30, "max_retries": 3 }));
    let began = Instant::now();
    let run = world.end(world.submit(json!([limited.clone()]))).await;
    assert_eq!((began.elapsed().as_secs(), run.tasks.len()), (30, 1));
    assert_eq!(run.tasks[0].phase.ending().unwrap().outcome, Outcome::TimedOut);
    assert_eq!(world.working().0, 0);
    let run = world.end(world.submit(json!([with(limited, json!({ "retry_on_timeout": true }))]))).await;
    assert_eq!(run.tasks.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_of_the_run_stops_all_of_it() {
    let world = World::new([("a", &[(600, Outcome::Success)])]);
    let id = world.begin(json!({ "timeout_seconds": 10, "tasks": [note("a"), after("b", &["a"])] })).unwrap();
    let run = world.end(id).await;
    assert_eq!(outcome(&run), Outcome::TimedOut);
    assert!(run.tasks.iter().all(|task| task.phase.is_over()));
    assert_eq!((world.working().0, world.log()), (0, vec!["a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_takes_a_moment_and_frees_the_work() {
    let world = World::new([("a", &[(600, Outcome::Success)])]);
    let id = world.submit(json!([note("a"), after("b", &["a"])]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.working().0, 1);
    world.scheduler.cancel(id);
    assert_eq!(world.look(id).phase, Phase::Terminating);
    let run = world.end(id).await;
    assert_eq!((outcome(&run), world.working().0), (Outcome::Canceled, 0));
    assert!(run.tasks.iter().all(|task| task.phase.ending().unwrap().outcome == Outcome::Canceled));
    // What is over stays as it is.
    world.scheduler.cancel(id);
    assert_eq!(outcome(&world.look(id)), Outcome::Canceled);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_runs_of_a_job_at_once() {
    let world = World::new([("t", &[(60, Outcome::Success)])]);
    let job = world.job(json!({ "tasks": [note("t")] }));
    let first = world.run_job(job);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = world.end(world.run_job(job)).await;
    assert_eq!((outcome(&second), second.phase.life_cycle(true)), (Outcome::MaximumReached, "SKIPPED"));
    assert_eq!(outcome(&world.end(first).await), Outcome::Success);
    // Two at one stroke: the first of them runs.
    let both = [world.run_job(job), world.run_job(job)];
    assert_eq!(outcome(&world.end(both[1]).await), Outcome::MaximumReached);
    assert_eq!(outcome(&world.end(both[0]).await), Outcome::Success);

    let queue = world.job(json!({ "queue": { "enabled": true }, "tasks": [note("t")] }));
    let runs: Vec<u64> = (0..3).map(|_| world.run_job(queue)).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let phases: Vec<_> = runs.iter().map(|id| world.look(*id).phase.life_cycle(true)).collect();
    assert_eq!(phases, ["RUNNING", "QUEUED", "QUEUED"]);
    world.scheduler.cancel(runs[1]);
    assert_eq!(outcome(&world.end(runs[1]).await), Outcome::Canceled);
    let last = world.end(runs[2]).await;
    assert_eq!(outcome(&last), Outcome::Success);
    assert!(last.begun.unwrap() >= world.look(runs[0]).begun.unwrap());
}

#[tokio::test(start_paused = true)]
async fn iterations_run_side_by_side_as_far_as_they_may() {
    let world = World::new([]);
    let each = |concurrency: u64| {
        let inner = json!({ "task_key": "i", "notebook_task": { "notebook_path": "/n", "base_parameters": { "x": "{{input}}" } } });
        json!({ "task_key": "each", "for_each_task": { "inputs": "[1, 2, 3, 4, 5, 6]", "concurrency": concurrency, "task": inner } })
    };
    let began = Instant::now();
    let run = world.end(world.submit(json!([each(2)]))).await;
    assert_eq!((outcome(&run), began.elapsed().as_secs(), world.working().1), (Outcome::Success, 3, 2));
    let mut inputs: Vec<_> = run.iterations.iter().map(|task| task.output.values["x"].clone()).collect();
    inputs.sort_by_key(Value::to_string);
    assert_eq!(inputs, ["1", "2", "3", "4", "5", "6"]);
    let broken = json!({ "task_key": "each", "for_each_task": { "inputs": "{}", "task": note("i") } });
    let run = world.end(world.submit(json!([broken]))).await;
    assert_eq!(outcome(&run), Outcome::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_run_job_task_ends_with_the_run_that_it_began() {
    let world = World::new([("inner", &[(60, Outcome::Success)])]);
    let inner = world.job(json!({ "tasks": [note("inner")] }));
    let go = json!({ "task_key": "go", "run_job_task": { "job_id": inner } });
    let id = world.submit(json!([go]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let child = world.look(id).tasks[0].output.run.unwrap();
    world.scheduler.cancel(id);
    assert_eq!(outcome(&world.end(id).await), Outcome::Canceled);
    assert_eq!(outcome(&world.end(child).await), Outcome::Canceled);
    let run = world.end(world.submit(json!([go]))).await;
    assert_eq!(outcome(&run), Outcome::Success);
    assert_eq!(world.look(run.tasks[0].output.run.unwrap()).trigger, "RUN_JOB_TASK");
}

#[tokio::test(start_paused = true)]
async fn a_repair_runs_what_failed_and_leaves_the_rest() {
    let world = World::new([("bad", &[(1, Outcome::Failed), (1, Outcome::Success)])]);
    let id = world.submit(json!([note("good"), after("bad", &["good"]), after("last", &["bad"])]));
    assert_eq!(outcome(&world.end(id).await), Outcome::Failed);
    let keys = ["bad".to_owned(), "last".to_owned()];
    world.scheduler.repair(id, &keys, &BTreeMap::new()).unwrap();
    // Somebody else, who has seen that it was over, comes too late.
    assert_eq!(world.scheduler.repair(id, &keys, &BTreeMap::new()), None);
    assert_eq!(outcome(&world.end(id).await), Outcome::Success);
    assert_eq!(world.log(), ["good", "bad", "bad", "last"]);
    assert_eq!(world.look(id).repairs[0].end_time, world.look(id).end_time);
}

#[tokio::test(start_paused = true)]
async fn a_token_begins_one_run_and_survives_it() {
    let world = World::new([]);
    let request = || json!({ "idempotency_token": "once", "tasks": [note("t")] });
    let id = world.begin(request()).unwrap();
    assert_eq!(world.begin(request()), Some(id));
    world.end(id).await;
    world.scheduler.store().remove_run(id).unwrap();
    assert_eq!(world.begin(request()), None);
    let reopened = World::within(world.folder, []);
    assert_eq!(reopened.begin(request()), None);
    assert_eq!(reopened.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn finished_runs_outlive_the_sandbox_and_active_ones_are_broken_off() {
    let world = World::new([("slow", &[(600, Outcome::Success)])]);
    let job = world.job(json!({ "name": "kept", "tasks": [note("quick")] }));
    let done = world.end(world.run_job(job)).await;
    let active = world.submit(json!([note("slow")]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Killed: nobody had the time to write anything.
    world.scheduler.abandon();
    let killed = World::within(world.folder, []);
    assert_eq!(killed.look(done.id).phase, done.phase);
    assert_eq!(killed.scheduler.store().job(job).unwrap().settings["name"], "kept");
    let broken = killed.look(active);
    assert_eq!((outcome(&broken), broken.phase.life_cycle(true)), (Outcome::Broken, "INTERNAL_ERROR"));
    assert!(broken.tasks[0].phase.is_over());
    // Stopped in order: the same.
    let active = killed.submit(json!([note("slow")]));
    killed.scheduler.stop().await;
    assert_eq!(outcome(&killed.look(active)), Outcome::Broken);
    assert_eq!(outcome(&World::within(killed.folder, []).look(active)), Outcome::Broken);
}

#[tokio::test(start_paused = true)]
async fn sixty_days_are_enough() {
    let world = World::new([]);
    let id = world.end(world.submit(json!([note("t")]))).await.id;
    let day = Duration::from_secs(24 * 60 * 60);
    let now = std::time::SystemTime::now();
    world.scheduler.store().forget_old(now + 59 * day);
    assert!(world.scheduler.store().look(id, |_| ()).is_some());
    world.scheduler.store().forget_old(now + 61 * day);
    assert!(world.scheduler.store().look(id, |_| ()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_repaired_at_once_can_still_be_stopped() {
    let world = World::new([("t", &[(1, Outcome::Failed), (600, Outcome::Success)])]);
    let id = world.submit(json!([note("t")]));
    world.end(id).await;
    world.scheduler.repair(id, &["t".to_owned()], &BTreeMap::new()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.scheduler.cancel(id);
    let run = tokio::time::timeout(Duration::from_secs(5), world.end(id)).await.unwrap();
    assert_eq!(outcome(&run), Outcome::Canceled);
}
