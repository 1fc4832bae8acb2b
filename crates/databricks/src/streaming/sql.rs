//! As much of SQL as tells whether a query aggregates.

/// Functions that make one row of many. `any` is left out: after `like` it is none.
const AGGREGATES: &str = "any_value approx_count_distinct approx_percentile approx_top_k array_agg avg bit_and bit_or \
    bit_xor bitmap_construct_agg bitmap_or_agg bool_and bool_or collect_list collect_set corr count count_if \
    count_min_sketch covar_pop covar_samp every first first_value histogram_numeric hll_sketch_agg hll_union_agg \
    kurtosis last last_value listagg max max_by mean median min min_by mode percentile percentile_approx \
    percentile_cont percentile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy \
    regr_syy skewness some std stddev stddev_pop stddev_samp string_agg sum try_avg try_sum var_pop var_samp variance";

/// Whether a query has `group by`, or a function that makes one row of many. What stands in strings, in quoted names and
/// in comments does not count.
pub(super) fn aggregates(sql: &str) -> bool {
    let words = words(sql);
    words.iter().enumerate().any(|(at, word)| match word.as_str() {
        "group" => words.get(at + 1).is_some_and(|next| next == "by"),
        name => words.get(at + 1).is_some_and(|next| next == "(") && AGGREGATES.split(' ').any(|known| known == name),
    })
}

/// Names in lower case, and marks one by one.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' | '`' => {
                while let Some(inside) = rest.next() {
                    match inside {
                        '\\' if c != '`' => drop(rest.next()),
                        end if end == c => break,
                        _ => {}
                    }
                }
                words.push(c.to_string());
            }
            '-' if rest.peek() == Some(&'-') => {
                for inside in rest.by_ref() {
                    if inside == '\n' {
                        break;
                    }
                }
            }
            '/' if rest.peek() == Some(&'*') => skip_comment(&mut rest),
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(&next) = rest.peek() {
                    if !(next.is_alphanumeric() || next == '_') {
                        break;
                    }
                    word.push(next);
                    rest.next();
                }
                words.push(word.to_lowercase());
            }
            c if c.is_whitespace() => {}
            c => words.push(c.to_string()),
        }
    }
    words
}

/// Comments may stand in comments.
fn skip_comment(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    rest.next();
    let mut depth = 1;
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('*', Some('/')) => depth -= 1,
            ('/', Some('*')) => depth += 1,
            _ => continue,
        }
        rest.next();
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregation_is_seen_where_it_is_and_only_there() {
        for sql in [
            "select region, count(*) from source group by region",
            "SELECT SUM ( price ) FROM source",
            "select 1 /* a /* b */ c */ from source GROUP\n-- why\nBY 1",
            r"select 'it\'s' as t, max(x) from source",
            "select stddev_pop(x), try_sum(y) from source",
        ] {
            assert!(aggregates(sql), "{sql}");
        }
        for sql in [
            "select * from source",
            "select 'group by' as t, \"sum(x)\" as u, `count(` from source",
            "select x -- group by x\n from source /* count(*) */",
            "select count, array_max(xs), min from source",
            r"select '\' group by \'' from source",
        ] {
            assert!(!aggregates(sql), "{sql}");
        }
    }
}
