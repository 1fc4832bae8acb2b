//! A warehouse that is dishonest in one way fails the case that is about it.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use twinhouse_testkit::conformance::{CASES, Case};

use crate::{engine::Engine, mutant::Mutation};

/// Why the case fails on an engine with this mutation.
pub(crate) async fn failure(case: &Case, mutation: Mutation) -> String {
    let engine = Engine::new(mutation);
    match AssertUnwindSafe(case.check(&engine)).catch_unwind().await {
        Ok(Ok(outcome)) => panic!("{}::{} {outcome} with {mutation:?}", case.theme, case.name),
        Ok(Err(failure)) => failure.to_string(),
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| {
            panic.downcast_ref::<&str>().map_or_else(|| "a panic without text".to_owned(), |text| (*text).to_owned())
        }),
    }
}

macro_rules! kills {
    ($($test:ident: $mutation:ident by $($theme:ident :: $name:ident),+;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            $(
                let wanted = (stringify!($theme), stringify!($name));
                let case = CASES.iter().find(|case| (case.theme, case.name) == wanted).expect("a case of that name");
                // A case that fails anyhow proves nothing.
                let honest = case.check(&Engine::new(Mutation::None)).await;
                assert!(honest.is_ok(), "{wanted:?}: {honest:?}");
                failure(case, Mutation::$mutation).await;
            )+
        }
    )*};
}

kills! {
    a_wrong_decimal: WrongDecimal by values::decimals_by_literal, values::decimals_by_parameter, values::decimals_by_load;
    cut_microseconds: Milliseconds by values::timestamps_by_parameter, values::wall_clock_times_by_load;
    a_lost_sign: PositiveZero by values::floats_by_literal, values::floats_by_load;
    an_empty_text_that_is_null: EmptyIsNull by values::texts_by_parameter, values::texts_by_load;
    integers_through_a_double: ThroughDouble by values::integers_by_literal, values::integers_by_load;
    a_dropped_row: DropsRow by load::rows_arrive, load::rows_are_added_to_those_there;
    a_load_that_doubles: LoadsAgain by
        load::the_same_token_changes_nothing,
        load::the_same_token_changes_nothing_with_other_rows,
        load::a_new_connection_knows_old_tokens,
        load::one_token_at_the_same_time_twice,
        load_modes::an_overwrite_with_a_known_token_changes_nothing,
        load_modes::an_empty_overwrite_with_a_known_token_changes_nothing,
        load_create::making_with_a_known_token_changes_nothing;
    an_overwrite_that_appends: OnlyAppends by
        load_modes::an_overwrite_leaves_only_the_new_rows,
        load_modes::an_overwrite_with_nothing_empties_the_table,
        load_create::a_table_is_made_of_no_rows_too;
    half_an_overwrite: KeepsHalf by
        load_modes::an_overwrite_that_breaks_off_leaves_the_old_rows,
        load_create::a_replacement_that_breaks_off_leaves_the_table;
    a_column_that_is_ignored: IgnoresColumns by
        load_columns::a_column_too_many_is_named,
        load_columns::everything_that_is_wrong_is_named_at_once;
    half_a_load: KeepsHalf by load::rows_that_break_off_leave_nothing;
    a_statement_that_goes_on: NeverCancels by
        cancel::a_dropped_handle_stops_the_server,
        cancel::a_dropped_wait_stops_the_server;
    a_time_out_that_is_not_heeded: NeverTimesOut by cancel::a_call_that_runs_out_of_time_stops_the_server;
    lost_source_rows: MergesFirst by
        merge::two_source_rows_of_one_key_are_a_conflict,
        merge::an_upsert_updates_and_inserts;
    duplicates_that_are_always_refused: RefusesDuplicates by merge_clauses::the_greatest_of_the_rows_of_a_table_counts;
    rows_that_were_not_to_be_inserted: AlwaysInserts by merge::unmatched_rows_can_be_left_out;
    an_empty_result_without_columns: EmptyHasNoColumns by results::an_empty_result_keeps_its_columns;
    a_close_that_closes_nothing: NeverCloses by
        session::nothing_works_after_close,
        session::close_stops_what_runs;
    a_secret_in_debug: Leaks by session::nothing_prints_a_secret;
}
