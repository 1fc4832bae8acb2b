use super::*;

#[test]
fn pauses_are_spread_over_a_quarter_and_never_longer_than_asked() {
    let pauses: Vec<_> = (0..1000).map(|_| shortened(Duration::from_secs(4))).collect();
    assert!(pauses.iter().all(|pause| (Duration::from_secs(3)..=Duration::from_secs(4)).contains(pause)));
    assert!(pauses.iter().any(|pause| *pause < Duration::from_millis(3100)));
    assert!(pauses.iter().any(|pause| *pause > Duration::from_millis(3900)));
}

#[test]
fn options_that_would_not_pause_are_refused() {
    let none = WaitOptions::default().with_first_pause(Duration::ZERO);
    assert_eq!(none.check().unwrap_err().context("field"), Some("first_pause"));
    let less = WaitOptions::default().with_longest_pause(Duration::from_millis(1));
    assert_eq!(less.check().unwrap_err().context("field"), Some("longest_pause"));
}

#[test]
fn every_call_can_be_given_to_a_task() {
    fn can_be_spawned<T: Send>(_: impl Fn(Jobs, WaitOptions) -> T) {}
    can_be_spawned(|jobs, options| async move { jobs.wait(RunId(1), &options).await });
    can_be_spawned(|jobs, options| async move {
        jobs.outcome_with(RunId(1), &options, |look| drop(look.run.phase().to_owned())).await
    });
    can_be_spawned(|jobs, options| async move { jobs.attach(RunId(1)).wait(&options).await });
    can_be_spawned(|jobs, _| async move { jobs.outputs(RunId(1)).await });
    can_be_spawned(|jobs, _| async move { jobs.submit(crate::jobs::SubmitRun::new("r")).await });
    can_be_spawned(|jobs, _| async move { jobs.get_by_name("j").await });
}
