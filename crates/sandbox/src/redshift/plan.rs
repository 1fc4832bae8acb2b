//! EXPLAIN: the engine's own plan, in Redshift's words, line by line.
//!
//! There is one node, which holds every table whole: no join moves rows, which Redshift calls `DS_DIST_ALL_NONE`.

/// The name of the column that plans come in.
pub(super) const COLUMN: &str = "QUERY PLAN";

const JOINS: &str = "DS_DIST_ALL_NONE";

/// One line of a plan.
pub(super) fn line(text: &str) -> String {
    let content = text.trim_start();
    let (indent, content) = text.split_at(text.len() - content.len());
    let (arrow, content) = match content.strip_prefix("->  ") {
        Some(rest) => ("->  ", rest),
        None => ("", content),
    };
    match content.rsplit_once("  (cost=").filter(|(_, costs)| costs.contains(" rows=") && costs.contains(" width=")) {
        Some((title, costs)) => format!("{indent}{arrow}{}  (cost={costs}", node(title)),
        None => format!("{indent}{arrow}{}", detail(content)),
    }
}

fn node(title: &str) -> String {
    let title = title.strip_prefix("Parallel ").unwrap_or(title);
    let (operator, relation) = match title.split_once(" on ") {
        Some((operator, relation)) => (operator, Some(relation)),
        None => (title, None),
    };
    // What reads the catalog runs on the leader node.
    let site = if relation.is_some_and(|relation| relation.starts_with("pg_")) { "LD" } else { "XN" };
    let operator = match operator.split(" using ").next().unwrap_or(operator) {
        // Redshift has no indexes: it would read the table.
        scan if scan.starts_with("Index") || scan.starts_with("Bitmap Heap") => "Seq Scan",
        "Gather" | "Gather Merge" => "Network",
        "GroupAggregate" | "Partial GroupAggregate" | "Finalize GroupAggregate" => "GroupAggregate",
        "Partial HashAggregate" | "Finalize HashAggregate" => "HashAggregate",
        "Partial Aggregate" | "Finalize Aggregate" => "Aggregate",
        "WindowAgg" => "Window",
        "CTE Scan" => "Subquery Scan",
        "Incremental Sort" => "Sort",
        other => other,
    };
    let joins = operator.starts_with("Nested Loop") || operator.ends_with("Join");
    match relation {
        Some(relation) if operator == "Subquery Scan" => format!("{site} {operator} {relation}"),
        Some(relation) => format!("{site} {operator} on {relation}"),
        None if joins => format!("{site} {operator} {JOINS}"),
        None => format!("{site} {operator}"),
    }
}

fn detail(content: &str) -> String {
    match content.split_once(": ") {
        Some(("Index Cond" | "Recheck Cond", value)) => format!("Filter: {value}"),
        Some(("Workers Planned", _)) => "Send to leader".to_owned(),
        _ => content.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_into_redshifts_words() {
        for (engine, expected) in [
            (
                "Seq Scan on t  (cost=0.00..35.50 rows=2550 width=4)",
                "XN Seq Scan on t  (cost=0.00..35.50 rows=2550 width=4)",
            ),
            (
                "        ->  Index Only Scan using t_pkey on t x  (cost=0.15..8.17 rows=1 width=4)",
                "        ->  XN Seq Scan on t x  (cost=0.15..8.17 rows=1 width=4)",
            ),
            (
                "  ->  Hash Left Join  (cost=1.00..2.00 rows=1 width=4)",
                "  ->  XN Hash Left Join DS_DIST_ALL_NONE  (cost=1.00..2.00 rows=1 width=4)",
            ),
            (
                "Nested Loop  (cost=1.00..2.00 rows=1 width=4)",
                "XN Nested Loop DS_DIST_ALL_NONE  (cost=1.00..2.00 rows=1 width=4)",
            ),
            ("  ->  Hash  (cost=1.00..2.00 rows=1 width=4)", "  ->  XN Hash  (cost=1.00..2.00 rows=1 width=4)"),
            (
                "->  Parallel Seq Scan on pg_class c  (cost=1.00..2.00 rows=1 width=4)",
                "->  LD Seq Scan on pg_class c  (cost=1.00..2.00 rows=1 width=4)",
            ),
            ("  Index Cond: (a = 1)", "  Filter: (a = 1)"),
            ("  Hash Cond: (a.i = b.i)", "  Hash Cond: (a.i = b.i)"),
            ("  Sort Key: (t.a || ' on b  (cost=x)')", "  Sort Key: (t.a || ' on b  (cost=x)')"),
        ] {
            assert_eq!(line(engine), expected);
        }
    }
}
