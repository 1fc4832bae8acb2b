//! Every case of the suite, on both backends. With `--nocapture` each prints how it went.

mod databricks {
    use crate::fixtures::OnDatabricks;

    twinhouse_testkit::conformance!(OnDatabricks::LINKS);
}

/// Some of the cases, under one name, on one fixture.
macro_rules! some {
    ($suite:ident on $fixture:expr => { $($theme:ident { $($name:ident),* $(,)? })* }) => {
        mod $suite {
            $(
                mod $theme {
                    use crate::fixtures::OnDatabricks;
                    $(
                        #[test]
                        fn $name() {
                            twinhouse_testkit::conformance::run(&$fixture, stringify!($theme), stringify!($name));
                        }
                    )*
                }
            )*
        }
    };
}

// The fallback decoder answers like the main road. Timestamps are missing: this road has milliseconds only. So are
// results beyond its 25 MiB.
some! {
    databricks_inline on OnDatabricks::INLINE => {
        values {
            booleans_by_literal, integers_by_literal, floats_by_literal, decimals_by_literal, dates_by_literal,
            texts_by_literal, long_texts_by_literal, bytes_by_literal, integers_by_parameter, texts_by_parameter,
        }
        results {
            columns_may_share_a_name, five_hundred_columns, the_order_asked_for_is_kept, rows_as_a_type_of_the_caller,
        }
        errors { a_syntax_error_says_where, an_unknown_table }
        cancel { a_dropped_handle_stops_the_server, another_task_cancels }
    }
}

// The server holds back its answer for some seconds, and with it the id.
some! {
    databricks_waiting on OnDatabricks::WAITING => {
        results { a_million_rows, affected_rows_are_counted }
        errors { a_syntax_error_says_where, a_failed_statement_names_its_statement }
        load { rows_arrive, the_same_token_changes_nothing }
        merge { an_upsert_updates_and_inserts }
        cancel { a_dropped_submission_stops_the_server, a_call_that_runs_out_of_time_stops_the_server }
    }
}

mod redshift {
    use crate::fixtures::OnRedshift;

    twinhouse_testkit::conformance!(OnRedshift::default());
}

mod redshift_data_api {
    use crate::fixtures::OnDataApi;

    twinhouse_testkit::conformance!(OnDataApi::default());
}
