//! Laws of limiter, breaker and budget, over random histories on tokio's paused clock.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::Instant;
use twinhouse_core::{
    FaultClass,
    resilience::{Breaker, BreakerOptions, BreakerState, Budget, BudgetOptions, Limiter, Pass, Rate},
};

fn paused<F: Future<Output = Result<(), TestCaseError>>>(test: F) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

#[derive(Clone, Debug)]
enum Traffic {
    Acquire,
    Throttle,
    Succeed,
    Pause(u64),
}

fn traffic() -> impl Strategy<Value = Vec<Traffic>> {
    let step = prop_oneof![
        6 => Just(Traffic::Acquire),
        1 => Just(Traffic::Throttle),
        2 => Just(Traffic::Succeed),
        2 => (0_u64..3000).prop_map(Traffic::Pause),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_limiter_is_never_above_its_rate_nor_below_its_floor(
        rate in 0.5_f64..200.0, burst in 1_u32..20, floor in 0.01_f64..1.0, traffic in traffic(),
    ) {
        paused(async move {
            let floor = rate * floor;
            let limiter = Limiter::new(Rate::per_second(rate).with_burst(burst).with_floor(floor));
            let mut permits = vec![limiter.acquire().await];
            let mut granted = vec![Instant::now()];
            for step in traffic {
                match step {
                    Traffic::Acquire => {
                        let queued = Instant::now();
                        permits.push(limiter.acquire().await);
                        granted.push(Instant::now());
                        // Alone in the queue, nobody waits longer than the floor's interval and the clock's millisecond.
                        let longest = Duration::from_secs_f64(1.0 / floor) + Duration::from_millis(2);
                        prop_assert!(queued.elapsed() <= longest, "waited {:?} at floor {floor}", queued.elapsed());
                    }
                    Traffic::Throttle => limiter.throttled(*permits.last().unwrap()),
                    Traffic::Succeed => limiter.succeeded(*permits.last().unwrap()),
                    Traffic::Pause(ms) => tokio::time::advance(Duration::from_millis(ms)).await,
                }
                prop_assert!(limiter.rate() >= floor && limiter.rate() <= rate, "{} of {rate}", limiter.rate());
            }
            for (first, from) in granted.iter().enumerate() {
                for (last, to) in granted.iter().enumerate().skip(first) {
                    let calls = (last - first + 1) as f64;
                    let allowed = f64::from(burst) + rate * (*to - *from).as_secs_f64();
                    prop_assert!(calls <= allowed + 1e-6, "{calls} calls where {allowed} are allowed");
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn after_a_cut_the_new_rate_holds_at_once(rate in 1.0_f64..100.0, burst in 1_u32..50, calls in 2_usize..20) {
        paused(async move {
            let limiter = Limiter::new(Rate::per_second(rate).with_burst(burst));
            let permit = limiter.acquire().await;
            limiter.throttled(permit);
            prop_assert!((limiter.rate() - rate / 2.0).abs() < 1e-9);
            let cut = Instant::now();
            for _ in 0..calls {
                let _ = limiter.acquire().await;
            }
            // The bucket was emptied: every single call has to be earned.
            prop_assert!(cut.elapsed().as_secs_f64() >= calls as f64 / (rate / 2.0) - 1e-6);
            Ok(())
        })?;
    }

    #[test]
    fn waiters_are_served_in_the_order_in_which_they_came(
        waiters in prop::collection::vec((any::<bool>(), prop_oneof![Just(0), 0_u64..150_000]), 2..30),
    ) {
        paused(async move {
            let limiter = Arc::new(Limiter::new(Rate::per_second(10.0).with_burst(1)));
            let _ = limiter.acquire().await;
            let began = Instant::now();
            let served = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for (number, (_, micros)) in waiters.iter().enumerate() {
                // A gap may end between the moment a token is earned and the clock's next millisecond: whoever comes
                // then finds a token, and must leave it to those who came before.
                tokio::time::advance(Duration::from_micros(*micros)).await;
                let (limiter, served) = (limiter.clone(), served.clone());
                tasks.push(tokio::spawn(async move {
                    let _ = limiter.acquire().await;
                    served.lock().unwrap().push(number);
                }));
                tokio::task::yield_now().await;
            }
            let gaps: u64 = waiters.iter().map(|(_, micros)| micros).sum();
            for (task, _) in tasks.iter().zip(&waiters).filter(|(_, (gone, _))| *gone) {
                task.abort();
            }
            for task in tasks {
                let _ = task.await;
            }
            let served = served.lock().unwrap();
            prop_assert!(served.is_sorted(), "{served:?}");
            let all_who_stayed = (0..waiters.len()).filter(|number| !waiters[*number].0);
            prop_assert!(all_who_stayed.clone().all(|number| served.contains(&number)), "{served:?}");
            // Those who went took no token with them: it takes no longer than the tokens of those who were served.
            let limit = Duration::from_micros(gaps)
                + Duration::from_millis(100 * served.len() as u64 + 2 * waiters.len() as u64);
            prop_assert!(began.elapsed() <= limit, "{:?} for {}", began.elapsed(), served.len());
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn many_throttled_answers_to_one_burst_are_one_cut() {
    let limiter = Limiter::new(Rate::per_second(16.0));
    let mut permits = Vec::new();
    for _ in 0..16 {
        permits.push(limiter.acquire().await);
    }
    for permit in permits {
        limiter.throttled(permit);
    }
    assert_eq!(limiter.rate(), 8.0);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_recovers_a_tenth_at_a_time_and_at_most_once_a_second() {
    let limiter = Limiter::new(Rate::per_second(10.0).with_floor(1.0));
    for _ in 0..10 {
        let permit = limiter.acquire().await;
        limiter.throttled(permit);
    }
    let mut rates = vec![limiter.rate()];
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(1)).await;
        let permit = limiter.acquire().await;
        limiter.succeeded(permit);
        limiter.succeeded(permit);
        rates.push(limiter.rate());
    }
    assert_eq!(rates, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 10.0]);
}

#[derive(Clone, Debug)]
enum Event {
    Enter,
    Drop(usize),
    Settle(usize, Option<FaultClass>),
    Pause(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let ending = prop_oneof![
        Just(None),
        Just(Some(FaultClass::Transient)),
        Just(Some(FaultClass::Throttled)),
        Just(Some(FaultClass::Permanent))
    ];
    let event = prop_oneof![
        4 => Just(Event::Enter),
        2 => any::<usize>().prop_map(Event::Drop),
        3 => (any::<usize>(), ending).prop_map(|(pass, ending)| Event::Settle(pass, ending)),
        1 => (0_u64..8000).prop_map(Event::Pause),
    ];
    prop::collection::vec(event, 1..200)
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_a_breaker_changed_decides_nothing_after_it() {
    let open_for = Duration::from_secs(5);
    let breaker = Breaker::new(BreakerOptions::default().with_faults(1).with_open_for(open_for));
    let early: Vec<_> = (0..3).map(|_| breaker.enter().unwrap()).collect();
    let mut early = early.into_iter();
    early.next().unwrap().settle(Some(FaultClass::Transient));
    tokio::time::advance(open_for).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    early.next().unwrap().settle(None);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "an old success does not close it");
    early.next().unwrap().settle(Some(FaultClass::Transient));
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "an old failure does not open it");
    breaker.enter().unwrap().settle(None);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_breaker_has_one_probe_at_most_and_never_loses_it(faults in 1_u32..4, events in events()) {
        paused(async move {
            let open_for = Duration::from_secs(5);
            let breaker = Breaker::new(BreakerOptions::default().with_faults(faults).with_open_for(open_for));
            let mut passes: Vec<Pass> = Vec::new();
            for event in events {
                match event {
                    Event::Enter => {
                        let state = breaker.state();
                        let probing = passes.iter().any(Pass::is_probe);
                        match breaker.enter() {
                            Ok(pass) => {
                                prop_assert!(state != BreakerState::Open);
                                prop_assert_eq!(pass.is_probe(), state == BreakerState::HalfOpen);
                                passes.push(pass);
                            }
                            // Closed never refuses; half-open refuses only while its probe is held by somebody.
                            Err(_) => prop_assert!(
                                state == BreakerState::Open || (state == BreakerState::HalfOpen && probing)
                            ),
                        }
                    }
                    Event::Drop(which) if !passes.is_empty() => drop(passes.swap_remove(which % passes.len())),
                    Event::Settle(which, ending) if !passes.is_empty() => {
                        passes.swap_remove(which % passes.len()).settle(ending);
                    }
                    Event::Drop(_) | Event::Settle(..) => {}
                    Event::Pause(ms) => tokio::time::advance(Duration::from_millis(ms)).await,
                }
                prop_assert!(passes.iter().filter(|pass| pass.is_probe()).count() <= 1);
            }
            passes.clear();
            tokio::time::advance(open_for).await;
            prop_assert!(breaker.enter().is_ok(), "shut for ever");
            Ok(())
        })?;
    }

    #[test]
    fn a_budget_loses_nothing_and_makes_nothing_up(
        capacity in 0_u32..20,
        steps in prop::collection::vec((0_u8..4, any::<usize>()), 0..200),
    ) {
        paused(async move {
            let options = BudgetOptions::default().with_capacity(capacity).with_per_call(0.0).with_per_second(0.0);
            let budget = Budget::new(options);
            let (mut held, mut spent) = (Vec::new(), 0);
            for (step, which) in steps {
                match step {
                    0 | 1 => match budget.withdraw() {
                        Some(withdrawal) => held.push(withdrawal),
                        None => prop_assert_eq!(budget.available(), 0),
                    },
                    2 if !held.is_empty() => {
                        held.swap_remove(which % held.len()).spend();
                        spent += 1;
                    }
                    3 if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                    _ => {}
                }
                prop_assert_eq!(budget.available() + held.len() as u64 + spent, u64::from(capacity));
            }
            Ok(())
        })?;
    }

    #[test]
    fn retries_never_exceed_what_calls_and_time_have_earned(
        capacity in 1_u32..10,
        percent in 0_u32..100,
        steps in prop::collection::vec((0_u8..3, 0_u64..400), 0..300),
    ) {
        paused(async move {
            let per_call = f64::from(percent) / 100.0;
            let options = BudgetOptions::default().with_capacity(capacity).with_per_call(per_call).with_per_second(1.0);
            let budget = Budget::new(options);
            let began = Instant::now();
            let (mut calls, mut retries) = (0.0, 0.0);
            for (step, ms) in steps {
                match step {
                    0 => {
                        budget.deposit();
                        calls += 1.0;
                    }
                    1 => {
                        if let Some(withdrawal) = budget.withdraw() {
                            withdrawal.spend();
                            retries += 1.0;
                        }
                    }
                    _ => tokio::time::advance(Duration::from_millis(ms)).await,
                }
                prop_assert!(budget.available() <= u64::from(capacity));
                let earned = f64::from(capacity) + calls * per_call + began.elapsed().as_secs_f64();
                prop_assert!(retries <= earned + 1e-6, "{retries} retries, {earned} earned");
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_fills_with_calls_and_with_time() {
    let options = BudgetOptions::default().with_capacity(2).with_per_call(0.5).with_per_second(0.25);
    let budget = Budget::new(options);
    while let Some(withdrawal) = budget.withdraw() {
        withdrawal.spend();
    }
    budget.deposit();
    assert_eq!(budget.available(), 0);
    budget.deposit();
    assert_eq!(budget.available(), 1);
    // Looking often loses no fraction.
    for _ in 0..799 {
        tokio::time::advance(Duration::from_millis(5)).await;
        assert_eq!(budget.available(), 1);
    }
    tokio::time::advance(Duration::from_millis(5)).await;
    assert_eq!(budget.available(), 2);
}
