//! Both directions of every capability.

use twinhouse_testkit::{
    ScriptedWarehouse,
    conformance::{CASES, Case, Need, Outcome},
};
use twinhouse_warehouse_api::{Capabilities, Warehouse as _};

use crate::{engine::Engine, mutant::Mutation, mutants::failure};

fn needy() -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(|case| !case.needs.is_empty())
}

#[tokio::test]
async fn what_is_not_promised_is_refused() {
    for case in needy() {
        let warehouse = ScriptedWarehouse::new().with_capabilities(Capabilities::NONE);
        let outcome = case.check(&Engine::over(warehouse, Mutation::None)).await;
        assert!(matches!(outcome, Ok(Outcome::Refused)), "{}::{}: {outcome:?}", case.theme, case.name);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_without_a_promise_fails() {
    let mut needs: Vec<Need> = Vec::new();
    // What the engine never does is refused whatever it promises.
    let can = ScriptedWarehouse::new().capabilities();
    for case in needy().filter(|case| case.needs.iter().all(|need| need.is_met(&can))) {
        let Some(first) = case.needs.first().filter(|need| !needs.contains(need)) else { continue };
        needs.push(*first);
        let message = failure(case, Mutation::Modest).await;
        // It is done, or fails for another reason than that it was not promised.
        assert!(message.contains("is not promised"), "{first:?}: {message}");
    }
    assert!(needs.len() >= 10, "{needs:?}");
}
