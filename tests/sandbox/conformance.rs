//! Every case of the suite, on both backends. With `--nocapture` each prints how it went.

mod databricks {
    use crate::fixtures::OnDatabricks;

    twinhouse_testkit::conformance!(OnDatabricks);
}

/// The fallback decoder answers like the main road, as far as it goes.
mod databricks_inline {
    use twinhouse_testkit::conformance::run;

    use crate::fixtures::OnDatabricksInline;

    macro_rules! inline {
        ($($theme:ident { $($name:ident),* $(,)? })*) => {$(
            mod $theme {
                use super::*;
                $(
                    #[test]
                    fn $name() {
                        run(&OnDatabricksInline, stringify!($theme), stringify!($name));
                    }
                )*
            }
        )*};
    }

    // Timestamps are missing: this road has milliseconds only. So are results beyond its 25 MiB.
    inline! {
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

mod redshift {
    use crate::fixtures::OnRedshift;

    twinhouse_testkit::conformance!(OnRedshift::default());
}
