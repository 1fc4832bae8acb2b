//! What the honest engine can do passes.

use twinhouse_testkit::{
    ScriptedWarehouse,
    conformance::{CASES, Outcome},
};
use twinhouse_warehouse_api::Warehouse as _;

use crate::{engine::Engine, mutant::Mutation};

/// Themes that the engine of these tests runs in full.
const WHOLE: [&str; 7] = ["load_columns", "load_modes", "load_create", "unload", "merge", "cancel", "session"];

/// Themes of which it runs what needs no more SQL than it knows.
const PART: [&str; 1] = ["merge_clauses"];

/// What it does not know: SQL beyond one row of values, or whole tables in order.
const BEYOND: [&str; 15] = [
    "the_greatest_of_the_rows_of_one_key_counts",
    "a_text_that_is_too_long_is_refused",
    "a_declared_length_is_kept",
    "a_null_key_matches_nothing",
    "several_columns_can_be_the_key",
    "rows_of_a_query",
    "a_hundred_thousand_rows_in_several_files",
    "empty_text_is_not_null",
    "decimal_arithmetic_is_exact",
    "a_moment_is_the_same_in_every_zone",
    "nothing_prints_a_secret",
    "nested_values_of_a_query",
    "lists",
    "maps",
    "structs_in_structs",
];

fn is_known(theme: &str, name: &str) -> bool {
    let can = ScriptedWarehouse::new().capabilities();
    let promised = CASES
        .iter()
        .any(|case| (case.theme, case.name) == (theme, name) && case.needs.iter().all(|need| need.is_met(&can)));
    let some = PART.contains(&theme)
        || matches!(theme, "values" | "load")
        || (theme == "merge_sources" && name != "rows_of_a_query");
    promised && (WHOLE.contains(&theme) || some) && !BEYOND.contains(&name)
}

#[tokio::test(start_paused = true)]
async fn the_honest_engine_passes_every_case_it_knows() {
    let mut passed = 0;
    for case in CASES.iter().filter(|case| is_known(case.theme, case.name)) {
        let engine = Engine::new(Mutation::None);
        match case.check(&engine).await {
            Ok(Outcome::Passed) => passed += 1,
            other => panic!("{}::{}: {other:?}", case.theme, case.name),
        }
    }
    assert!(passed > 90, "only {passed} cases were known");
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = CASES.iter().map(|case| (case.theme, case.name)).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(CASES.len() >= 60, "{}", CASES.len());
}

/// The macro's own tests: one theme would do, but the macro knows only all.
mod through_the_macro {
    use super::*;

    #[test]
    fn a_case_runs_on_a_runtime_of_its_own() {
        twinhouse_testkit::conformance::run(&Engine::new(Mutation::None), "load", "rows_arrive");
    }

    #[test]
    #[should_panic(expected = "there is no case load::no_such_case")]
    fn an_unknown_case_is_an_error() {
        twinhouse_testkit::conformance::run(&Engine::new(Mutation::None), "load", "no_such_case");
    }
}
