//! The list of all cases: the one place that knows them.

use super::case::Case;

/// Hands the list to a macro of this crate. A case's needs stand in brackets.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($then:ident $($args:tt)*) => {
        $crate::$then! {
            ($($args)*)
            values {
                booleans_by_literal [], booleans_by_parameter [], booleans_by_load [Load],
                integers_by_literal [], integers_by_parameter [], integers_by_load [Load],
                floats_by_literal [], floats_by_parameter [], floats_by_load [Load],
                decimals_by_literal [], decimals_by_parameter [], decimals_by_load [Load],
                dates_by_literal [], dates_by_parameter [], dates_by_load [Load],
                timestamps_by_literal [], timestamps_by_parameter [], timestamps_by_load [Load],
                wall_clock_times_by_literal [], wall_clock_times_by_parameter [], wall_clock_times_by_load [Load],
                texts_by_literal [], texts_by_parameter [], texts_by_load [Load],
                long_texts_by_literal [], long_texts_by_parameter [], long_texts_by_load [Load],
                bytes_by_literal [], bytes_by_parameter [], bytes_by_load [Load],
                nulls_of_every_type [],
                inserted_values_come_back [],
                a_moment_is_the_same_in_every_zone [],
                a_wall_clock_has_no_zone [],
                empty_text_is_not_null [],
                nul_in_text_is_kept_or_refused [],
                decimal_arithmetic_is_exact [],
            }
            nested {
                lists [NestedTypes, Load],
                maps [NestedTypes, Load],
                structs_in_structs [NestedTypes, Load],
                nested_values_of_a_query [NestedTypes],
            }
            identifiers {
                hostile_column_names [],
                hostile_table_names [],
                hostile_column_aliases [],
                the_longest_name_is_kept [],
                a_name_that_would_be_cut_is_refused [],
                the_case_of_names_is_as_promised [],
            }
            params {
                one_name_may_stand_in_several_places [],
                a_missing_value_is_named [],
                an_unused_value_is_named [],
                a_value_of_the_wrong_type_is_an_error [],
                markers_in_texts_and_comments_are_none [],
                a_cast_is_no_marker [],
                names_that_begin_alike_are_different [],
                values_never_become_sql [],
                a_null_takes_the_type_of_its_place [],
                two_hundred_parameters [],
                too_many_parameters_are_refused [],
            }
            results {
                an_empty_result_keeps_its_columns [],
                batches_have_the_schema_of_their_stream [],
                columns_may_share_a_name [],
                five_hundred_columns [],
                a_table_of_five_hundred_columns [],
                a_million_rows [],
                an_ended_stream_stays_ended [],
                the_order_asked_for_is_kept [],
                two_results_read_in_turns [],
                thirty_two_statements_at_once [],
                affected_rows_are_counted [],
                rows_as_a_type_of_the_caller [],
                one_row_or_none_or_too_many [],
                a_row_that_does_not_fit_its_type_is_an_error [],
                a_statement_without_rows_has_none [],
            }
            cancel {
                a_dropped_handle_stops_the_server [],
                a_dropped_wait_stops_the_server [],
                a_dropped_stream_stops_the_server [],
                a_dropped_submission_stops_the_server [],
                another_task_cancels [],
                cancelling_twice_is_no_error [],
                cancelling_what_is_over_is_no_error [],
                a_call_that_runs_out_of_time_stops_the_server [],
                a_call_within_its_time_is_left_alone [],
                a_detached_statement_goes_on [],
                dropping_many_leaves_room_for_more [],
            }
            errors {
                a_syntax_error_says_where [],
                an_unknown_table [],
                an_unknown_column [],
                an_unknown_schema [],
                an_unknown_function [],
                a_division_by_zero [],
                a_text_that_is_no_number [],
                a_number_out_of_range [],
                a_table_that_is_there_already [],
                a_null_where_none_may_be [],
                values_and_statements_stay_out_of_errors [],
                a_failed_statement_names_its_statement [],
            }
            session {
                a_statement_is_found_again [Attach],
                an_attached_handle_stops_nothing_when_dropped [Attach],
                an_unknown_statement_is_not_found [Attach],
                a_statement_says_where_it_stands [],
                nothing_works_after_close [],
                close_stops_what_runs [],
                the_warehouse_says_who_it_is [],
                nothing_prints_a_secret [],
            }
            load {
                rows_arrive [Load],
                rows_are_added_to_those_there [Load],
                the_same_token_changes_nothing [Load],
                the_same_token_changes_nothing_with_other_rows [Load],
                a_new_connection_knows_old_tokens [Load],
                one_token_at_the_same_time_twice [Load],
                other_tokens_at_the_same_time_all_count [Load],
                a_token_is_known_per_table [Load],
                nothing_to_load_is_a_load [Load],
                a_hundred_thousand_rows_in_several_files [Load],
                rows_that_break_off_leave_nothing [Load],
                a_dropped_load_can_be_completed [Load],
                a_load_into_no_table_is_refused [Load],
                a_hostile_name_is_loaded_into [Load],
            }
            load_columns {
                columns_are_matched_by_name [Load],
                a_column_that_is_left_out_becomes_null [Load],
                a_narrower_type_is_widened [Load],
                a_column_too_many_is_named [Load],
                a_column_of_the_wrong_type_is_named [Load],
                a_wider_type_is_refused [Load],
                a_required_column_that_is_left_out_is_named [Load],
                a_null_in_a_required_column_is_refused [Load],
                everything_that_is_wrong_is_named_at_once [Load],
                a_text_that_is_too_long_is_refused [Load],
                a_declared_length_is_kept [Load],
                nanoseconds_are_refused_rather_than_cut [Load],
            }
            load_modes {
                an_overwrite_leaves_only_the_new_rows [LoadOverwrite],
                an_overwrite_with_nothing_empties_the_table [LoadOverwrite],
                an_overwrite_with_a_known_token_changes_nothing [LoadOverwrite],
                an_empty_overwrite_with_a_known_token_changes_nothing [LoadOverwrite],
                an_overwrite_that_breaks_off_leaves_the_old_rows [LoadOverwrite],
                an_overwrite_that_is_refused_leaves_the_old_rows [LoadOverwrite],
                one_overwrite_at_the_same_time_twice [LoadOverwrite],
                two_overwrites_at_the_same_time_do_not_mix [LoadOverwrite],
                rows_of_a_predicate_give_way [LoadReplaceWhere],
                a_new_row_outside_of_the_predicate_is_refused [LoadReplaceWhere],
                the_values_of_a_predicate_never_become_sql [LoadReplaceWhere],
                a_replacement_with_nothing_removes_the_rows [LoadReplaceWhere],
                a_replacement_with_a_known_token_changes_nothing [LoadReplaceWhere],
                partitions_that_come_give_way [LoadReplacePartitions],
                no_rows_touch_no_partition [LoadReplacePartitions],
                a_table_without_partitions_has_none_to_replace [LoadReplacePartitions],
            }
            load_create {
                a_table_is_made_of_the_rows [LoadCreate],
                a_table_is_made_of_no_rows_too [LoadCreate],
                a_table_that_is_there_is_not_made_again [LoadCreate],
                making_with_a_known_token_changes_nothing [LoadCreate],
                a_table_that_was_dropped_can_be_made_anew [LoadCreate],
                a_table_gives_way_to_one_of_other_columns [LoadCreate],
                a_replacement_that_breaks_off_leaves_the_table [LoadCreate],
                hostile_names_are_made [LoadCreate],
            }
            unload {
                unloaded_rows_are_counted [Unload],
                a_query_that_fails_is_not_unloaded [Unload],
            }
            merge {
                an_upsert_updates_and_inserts [Merge],
                an_upsert_again_changes_nothing_more [Merge],
                only_the_named_columns_are_set [Merge],
                matched_rows_can_be_kept [Merge],
                unmatched_rows_can_be_left_out [Merge],
                matched_rows_can_be_deleted [MergeDeleteMatched],
                rows_that_the_source_lacks_can_be_deleted [MergeNotMatchedBySource],
                two_source_rows_of_one_key_are_a_conflict [Merge],
                two_new_source_rows_of_one_key_are_a_conflict [Merge],
                a_null_key_matches_nothing [Merge],
                an_empty_source_changes_nothing [Merge],
                several_columns_can_be_the_key [Merge],
                hostile_names_are_merged [Merge],
            }
            merge_sources {
                rows_of_a_table [Merge],
                rows_of_a_query [Merge],
                duplicates_in_a_table_are_a_conflict [Merge],
                columns_that_the_source_lacks_stay [Merge],
                rows_that_break_off_change_nothing [Merge],
                a_merge_into_no_table_is_refused [Merge],
                columns_that_do_not_fit_are_named [Merge],
                merges_without_sense_are_refused [Merge],
            }
            merge_clauses {
                the_first_clause_whose_condition_holds_is_carried_out [MergeClauses],
                values_are_computed_from_both_rows [MergeClauses],
                all_columns_are_set_and_inserted_at_once [MergeClauses],
                rows_that_the_source_lacks_are_changed_by_condition [MergeClauses, MergeNotMatchedBySource],
                values_of_one_name_stay_apart [MergeClauses],
                a_match_can_want_more_than_equal_keys [MergeClauses],
                clauses_without_sense_are_refused [MergeClauses],
                the_greatest_of_the_rows_of_one_key_counts [MergeKeepGreatest],
                the_greatest_of_the_rows_of_a_table_counts [MergeKeepGreatest],
                an_order_that_the_source_lacks_is_named [MergeKeepGreatest],
                new_columns_of_the_source_are_added [MergeSchemaEvolution],
                without_leave_no_column_is_added [Merge],
            }
            transactions {
                a_commit_keeps_everything [Transactions],
                a_rollback_undoes_everything [Transactions],
                a_dropped_transaction_is_rolled_back [Transactions],
                a_transaction_reads_what_it_wrote [Transactions],
                an_error_inside_undoes_everything [Transactions],
                a_parameter_error_leaves_the_transaction_whole [Transactions],
                a_read_only_transaction_refuses_writes [Transactions],
                the_closure_commits_what_it_did [Transactions],
                the_closure_that_fails_leaves_nothing [Transactions],
                concurrent_increments_all_count [Transactions],
                a_conflict_says_that_the_whole_may_be_tried_again [Transactions],
                tables_made_inside_go_with_the_rollback [Transactions],
            }
            tables {
                a_new_table_is_listed_with_its_full_name [],
                a_pattern_narrows_the_list [],
                a_list_of_many_tables_is_complete [],
                a_dropped_table_is_no_longer_listed [],
                every_type_is_described [],
                what_is_described_is_what_is_read [],
                decimals_are_described_exactly [],
                not_null_is_described [],
                a_comment_is_described [],
                an_unknown_table_is_not_found [],
                a_hostile_pattern_is_only_a_pattern [],
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_table {
    (() $($theme:ident { $($name:ident [$($need:ident),*],)* })*) => {
        /// Every case of the suite.
        pub const CASES: &[Case] = &[$($(
            Case::new(
                stringify!($theme),
                stringify!($name),
                &[$($crate::conformance::Need::$need),*],
                |cx| Box::pin(super::$theme::$name(cx)),
            ),
        )*)*];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (($fixture:expr) $($theme:ident { $($name:ident [$($need:ident),*],)* })*) => {$(
        mod $theme {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $name() {
                    $crate::conformance::run(&$fixture, stringify!($theme), stringify!($name));
                }
            )*
        }
    )*};
}

/// Expands to one test for each case of the suite, in one module for each theme.
///
/// The argument is an expression that makes a [`Fixture`](crate::conformance::Fixture); each test evaluates it anew.
#[macro_export]
macro_rules! conformance {
    ($fixture:expr) => {
        $crate::__conformance_cases! { __conformance_tests $fixture }
    };
}

crate::__conformance_cases! { __conformance_table }
