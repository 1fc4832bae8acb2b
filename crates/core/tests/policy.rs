//! What the policy repeats, how long it waits, and when it gives up. On tokio's paused clock throughout.

use std::{
    future::pending,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, FaultClass, Result,
    resilience::{BreakerOptions, BudgetOptions, Operation, Policy, PolicyBuilder, Rate, Registry},
};

const SECOND: Duration = Duration::from_secs(1);

fn fails(fault: Fault) -> Error {
    Error::new(ErrorKind::Unavailable, "not now").with_fault(fault)
}

fn transient(effect: Effect) -> Error {
    fails(Fault::transient(effect))
}

/// Calls that always fail with this error; returns the final error and how often it was called.
async fn exhaust(policy: &Policy, operation: Operation, error: Error) -> (Error, u32) {
    let calls = AtomicU32::new(0);
    let result: Result<()> = policy
        .execute(operation, |_| {
            calls.fetch_add(1, SeqCst);
            let error = error.clone();
            async move { Err(error) }
        })
        .await;
    (result.unwrap_err(), calls.load(SeqCst))
}

/// A policy whose breaker stays out of the way.
fn patient() -> PolicyBuilder {
    Policy::builder().breaker(BreakerOptions::default().with_faults(1000)).seed(1)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_only_where_that_is_safe_and_promises_something() {
    use Effect::{None as Nothing, Unknown};
    use FaultClass::{Permanent, Throttled, Transient};
    let fault = |class, effect| Fault { class, effect, retry_after: None };
    let (read, write) = (Operation::read("t.read"), Operation::write("t.write"));
    for (operation, fault, below, attempts) in [
        (&read, fault(Permanent, Nothing), 0, 1),
        (&read, fault(Permanent, Unknown), 0, 1),
        (&read, fault(Transient, Nothing), 0, 4),
        (&read, fault(Transient, Unknown), 0, 4),
        (&read, fault(Throttled, Nothing), 0, 4),
        (&read, fault(Throttled, Unknown), 0, 4),
        (&write, fault(Permanent, Nothing), 0, 1),
        (&write, fault(Permanent, Unknown), 0, 1),
        (&write, fault(Transient, Nothing), 0, 4),
        (&write, fault(Transient, Unknown), 0, 1),
        (&write, fault(Throttled, Nothing), 0, 4),
        (&write, fault(Throttled, Unknown), 0, 1),
        // A policy further down has tried already.
        (&read, fault(Transient, Nothing), 3, 1),
        (&write, fault(Throttled, Nothing), 2, 1),
        // One attempt below is no retry.
        (&read, fault(Transient, Nothing), 1, 4),
    ] {
        let error = fails(fault).with_attempts(below);
        let (last, calls) = exhaust(&patient().build(), operation.clone(), error).await;
        assert_eq!(calls, attempts, "{} {fault:?}, {below} below", operation.name());
        assert_eq!(last.attempts(), attempts.max(below), "{} {fault:?}", operation.name());
        assert_eq!(last.operation(), Some(operation.name()));
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_numbered_from_one_and_success_ends_them() {
    let policy = patient().build();
    let answer = policy
        .execute(Operation::read("t"), |attempt| async move {
            if attempt.number < 3 { Err(transient(Effect::Unknown)) } else { Ok(attempt.number) }
        })
        .await;
    assert_eq!(answer.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn waits_are_jittered_and_stay_under_the_doubling_ceiling() {
    let mut waits = Vec::new();
    for seed in 0..50 {
        let began = Instant::now();
        let policy = patient().seed(seed).build();
        exhaust(&policy, Operation::read("t"), transient(Effect::None)).await;
        waits.push(began.elapsed());
    }
    // Ceilings of 100, 200 and 400 ms; the clock rounds each wait up to a millisecond.
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(703)), "{waits:?}");
    assert!(waits.iter().min() < waits.iter().max(), "no jitter at all");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_waits_as_long_as_the_server_asked() {
    let began = Instant::now();
    let policy = patient().build();
    policy
        .execute(Operation::write("t"), |attempt| async move {
            if attempt.number == 1 { Err(fails(Fault::throttled(Some(5 * SECOND)))) } else { Ok(()) }
        })
        .await
        .unwrap();
    assert!(began.elapsed() >= 5 * SECOND && began.elapsed() < 6 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    let began = Instant::now();
    let operation = Operation::read("t").with_timeout(4 * SECOND);
    let (error, calls) = exhaust(&patient().build(), operation, fails(Fault::throttled(Some(5 * SECOND)))).await;
    assert_eq!((error.kind(), calls, began.elapsed()), (ErrorKind::Unavailable, 1, Duration::ZERO));
    assert_eq!(error.retry_after(), Some(5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_an_hour_gets_no_further_attempt() {
    let began = Instant::now();
    let wish = Fault::throttled(Some(3600 * SECOND));
    let (error, calls) = exhaust(&patient().build(), Operation::read("t"), fails(wish)).await;
    assert_eq!((calls, began.elapsed(), error.retry_after()), (1, Duration::ZERO, Some(3600 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn a_hung_attempt_times_out_and_is_repeated_only_for_a_read() {
    for (operation, attempts) in [(Operation::read("t"), 2), (Operation::write("t"), 1)] {
        let began = Instant::now();
        let policy = patient().max_attempts(2).attempt_timeout(3 * SECOND).build();
        let error = policy.execute(operation, |_| pending::<Result<()>>()).await.unwrap_err();
        assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("attempt")));
        assert_eq!((error.attempts(), error.fault().effect), (attempts, Effect::Unknown));
        assert!(began.elapsed() >= attempts * 3 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_told_how_long_it_has() {
    let policy = patient().attempt_timeout(60 * SECOND).build();
    let told = async |operation| {
        policy.execute(operation, |attempt| async move { Ok((attempt.timeout, attempt.deadline)) }).await.unwrap()
    };
    let now = Instant::now();
    assert_eq!(told(Operation::read("t")).await, (60 * SECOND, None));
    assert_eq!(told(Operation::read("t").with_attempt_timeout(90 * SECOND)).await, (90 * SECOND, None));
    assert_eq!(told(Operation::read("t").with_timeout(7 * SECOND)).await, (7 * SECOND, Some(now + 7 * SECOND)));
    let both = Operation::read("t").with_timeout(7 * SECOND).with_deadline(now + 2 * SECOND);
    assert_eq!(told(both).await, (2 * SECOND, Some(now + 2 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_hung_call_and_shows_what_went_before() {
    let began = Instant::now();
    let policy = patient().build();
    let operation = Operation::read("t").with_timeout(10 * SECOND);
    let error = policy
        .execute(operation, |attempt| async move {
            if attempt.number == 1 { Err(transient(Effect::None)) } else { pending::<Result<()>>().await }
        })
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("deadline")));
    assert_eq!((error.attempts(), error.fault().effect), (2, Effect::Unknown));
    assert_eq!(began.elapsed(), 10 * SECOND);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "not now");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_lets_nothing_begin() {
    let policy = patient().build();
    let operation = Operation::write("t").with_deadline(Instant::now());
    let (error, calls) = exhaust(&policy, operation, transient(Effect::None)).await;
    assert_eq!(calls, 0);
    assert_eq!((error.context("wait"), error.attempts()), (Some("deadline"), 0));
    assert_eq!(error.fault().effect, Effect::None);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_goes_before_everything_and_says_what_may_have_happened() {
    let policy = patient().build();
    let cancel = CancellationToken::new();
    let operation = Operation::write("t").with_cancel(cancel.clone());
    let call = policy.execute(operation.clone(), |_| pending::<Result<()>>());
    let (error, ()) = tokio::join!(call, async {
        tokio::time::sleep(SECOND).await;
        cancel.cancel();
    });
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Cancelled, 1));
    assert_eq!((error.fault().class, error.fault().effect), (FaultClass::Permanent, Effect::Unknown));

    let operation = operation.with_deadline(Instant::now());
    let (error, calls) = exhaust(&policy, operation, transient(Effect::None)).await;
    assert_eq!((error.kind(), calls, error.fault().effect), (ErrorKind::Cancelled, 0, Effect::None));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_between_attempts_knows_that_nothing_was_done() {
    let cancel = CancellationToken::new();
    let operation = Operation::write("t").with_cancel(cancel.clone());
    let policy = patient().build();
    let call = exhaust(&policy, operation, fails(Fault::throttled(Some(5 * SECOND))));
    let ((error, calls), ()) = tokio::join!(call, async {
        tokio::time::sleep(SECOND).await;
        cancel.cancel();
    });
    assert_eq!((error.kind(), calls, error.attempts()), (ErrorKind::Cancelled, 1, 1));
    assert_eq!(error.fault().effect, Effect::None);
}

#[tokio::test(start_paused = true)]
async fn a_harmless_last_failure_does_not_undo_an_earlier_one() {
    let policy = patient().build();
    let error = policy
        .execute(Operation::read("t"), |attempt| async move {
            let effect = if attempt.number == 1 { Effect::Unknown } else { Effect::None };
            Err::<(), _>(transient(effect))
        })
        .await
        .unwrap_err();
    assert_eq!((error.attempts(), error.fault().effect), (4, Effect::Unknown));
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_ends_retries_and_says_so() {
    let budget = BudgetOptions::default().with_capacity(4).with_per_call(0.0).with_per_second(0.0);
    let policy = patient().budget(budget).build();
    let calls = async || exhaust(&policy, Operation::read("t"), transient(Effect::None)).await;
    assert_eq!(calls().await.1, 4);
    let (error, made) = calls().await;
    assert_eq!((made, error.context("retry budget")), (2, Some("empty")));
    assert_eq!(calls().await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_dropped_while_it_waits_costs_nothing() {
    let budget = BudgetOptions::default().with_capacity(1).with_per_call(0.0).with_per_second(0.0);
    let policy = patient().budget(budget).build();
    for _ in 0..3 {
        let wish = fails(Fault::throttled(Some(60 * SECOND)));
        let call = exhaust(&policy, Operation::read("t"), wish);
        assert!(tokio::time::timeout(SECOND, call).await.is_err(), "it should have been waiting");
    }
    assert_eq!(exhaust(&policy, Operation::read("t"), transient(Effect::None)).await.1, 2);
}

fn fragile() -> PolicyBuilder {
    Policy::builder().max_attempts(1).breaker(BreakerOptions::default().with_faults(2).with_open_for(10 * SECOND))
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opens_on_transient_faults_only() {
    for (fault, opens) in [
        (Fault::transient(Effect::Unknown), true),
        (Fault::transient(Effect::None), true),
        (Fault::throttled(None), false),
        (Fault::PERMANENT, false),
    ] {
        let policy = fragile().build();
        for _ in 0..2 {
            exhaust(&policy, Operation::read("t"), fails(fault)).await;
        }
        let (error, calls) = exhaust(&policy, Operation::read("t"), fails(fault)).await;
        assert_eq!(calls, u32::from(!opens), "{fault:?}");
        if opens {
            assert_eq!((error.kind(), error.context("breaker")), (ErrorKind::Unavailable, Some("open")));
            assert_eq!((error.fault().effect, error.attempts()), (Effect::None, 0));
            assert_eq!(error.retry_after(), Some(10 * SECOND));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_in_between_keeps_the_breaker_closed() {
    let policy = fragile().build();
    for _ in 0..5 {
        assert_eq!(exhaust(&policy, Operation::read("t"), transient(Effect::None)).await.1, 1);
        policy.execute(Operation::read("t"), |_| async { Ok(()) }).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn after_its_time_one_probe_decides() {
    let policy = fragile().build();
    for _ in 0..2 {
        exhaust(&policy, Operation::read("t"), transient(Effect::None)).await;
    }
    tokio::time::advance(10 * SECOND).await;
    // The probe hangs; everybody else is turned away meanwhile.
    let probe = policy.execute(Operation::read("t"), |_| async {
        tokio::time::sleep(SECOND).await;
        Err::<(), _>(transient(Effect::None))
    });
    let other = async {
        tokio::task::yield_now().await;
        exhaust(&policy, Operation::read("t"), transient(Effect::None)).await
    };
    let (_, (error, calls)) = tokio::join!(probe, other);
    assert_eq!((calls, error.context("breaker")), (0, Some("open")));

    // It failed: open again for the whole time, and then a probe that succeeds closes it.
    assert_eq!(exhaust(&policy, Operation::read("t"), transient(Effect::None)).await.1, 0);
    tokio::time::advance(10 * SECOND).await;
    policy.execute(Operation::read("t"), |_| async { Ok(()) }).await.unwrap();
    assert_eq!(exhaust(&policy, Operation::read("t"), transient(Effect::None)).await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_goes_away_is_given_back() {
    let policy = fragile().build();
    for _ in 0..2 {
        exhaust(&policy, Operation::read("t"), transient(Effect::None)).await;
    }
    tokio::time::advance(10 * SECOND).await;
    let probe = policy.execute(Operation::read("t"), |_| pending::<Result<()>>());
    assert!(tokio::time::timeout(SECOND, probe).await.is_err());
    policy.execute(Operation::read("t"), |_| async { Ok(()) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_queues_for_the_limiter_does_not_hold_the_probe() {
    let policy = fragile().default_rate(Rate::per_second(0.05).with_burst(2)).build();
    for _ in 0..2 {
        exhaust(&policy, Operation::read("t"), transient(Effect::None)).await;
    }
    tokio::time::advance(10 * SECOND).await;
    // Half-open, and half a token there. The first in the queue becomes the probe when it gets its token; the second
    // is turned away only when it gets there too.
    let (policy, began) = (&policy, Instant::now());
    let hang = policy.execute(Operation::read("t"), |_| pending::<Result<()>>());
    let second = async {
        tokio::task::yield_now().await;
        let (error, calls) = exhaust(policy, Operation::read("t"), transient(Effect::None)).await;
        assert_eq!((calls, error.context("breaker")), (0, Some("open")));
        began.elapsed()
    };
    let waited = tokio::select! { _ = hang => unreachable!("it hangs for a minute"), waited = second => waited };
    assert!(waited >= 29 * SECOND, "turned away after {waited:?}, before its turn");
}

#[tokio::test(start_paused = true)]
async fn clients_of_one_server_share_and_others_do_not() {
    let registry = Registry::new();
    let client = |host: &str| fragile().server("example", host).registry(registry.clone()).build();
    for _ in 0..2 {
        exhaust(&client("one"), Operation::read("t"), transient(Effect::None)).await;
    }
    let calls = async |policy: Policy, operation| exhaust(&policy, operation, transient(Effect::None)).await.1;
    assert_eq!(calls(client("one"), Operation::write("u")).await, 0, "same server");
    assert_eq!(calls(client("two"), Operation::read("t")).await, 1, "another host");
    assert_eq!(calls(client("one"), Operation::read("t").with_class("files")).await, 1, "another class");
    let other = fragile().server("other", "one").registry(registry.clone()).build();
    assert_eq!(calls(other, Operation::read("t")).await, 1, "another backend");
    let apart = fragile().server("example", "one").registry(Registry::new()).build();
    assert_eq!(calls(apart, Operation::read("t")).await, 1, "another registry");
}

#[tokio::test(start_paused = true)]
async fn a_class_has_its_own_rate_and_a_deadline_ends_the_wait_for_it() {
    let policy = patient().rate("slow", Rate::per_second(2.0).with_burst(1)).build();
    let began = Instant::now();
    let call = async |class| policy.execute(Operation::read("t").with_class(class), |_| async { Ok(()) }).await;
    for _ in 0..5 {
        call("slow").await.unwrap();
    }
    assert!(began.elapsed() >= 2 * SECOND && began.elapsed() < 2 * SECOND + Duration::from_millis(10));
    let began = Instant::now();
    for _ in 0..100 {
        call("other").await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);

    let hasty = Operation::write("t").with_class("slow").with_timeout(Duration::from_millis(100));
    let (error, calls) = exhaust(&policy, hasty, transient(Effect::None)).await;
    assert_eq!((calls, error.context("wait"), error.fault().effect), (0, Some("deadline"), Effect::None));
}

#[tokio::test(start_paused = true)]
async fn a_throttle_slows_down_every_client_of_the_server() {
    let registry = Registry::new();
    let client = || patient().server("e", "h").registry(registry.clone()).default_rate(Rate::per_second(10.0)).build();
    let policy = client();
    let throttled = policy.execute(Operation::read("t"), |attempt| async move {
        if attempt.number == 1 { Err(fails(Fault::throttled(None))) } else { Ok(()) }
    });
    throttled.await.unwrap();
    let began = Instant::now();
    for _ in 0..5 {
        client().execute(Operation::read("t"), |_| async { Ok(()) }).await.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?} for five calls at 5/s", began.elapsed());
}
