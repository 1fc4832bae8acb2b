//! The benchmark's queries over a handful of rows whose answers can be checked by hand.

use super::*;

const TABLES: &[&str] = &[
    "CREATE TABLE nation (n_nationkey INT, n_name STRING, n_regionkey INT)",
    "CREATE TABLE region (r_regionkey INT, r_name STRING)",
    "CREATE TABLE supplier (s_suppkey BIGINT, s_nationkey INT)",
    "CREATE TABLE customer (c_custkey BIGINT, c_name STRING, c_address STRING, c_nationkey INT, c_phone STRING, c_acctbal DECIMAL(15,2), c_mktsegment STRING, c_comment STRING)",
    "CREATE TABLE part (p_partkey BIGINT, p_type STRING)",
    "CREATE TABLE orders (o_orderkey BIGINT, o_custkey BIGINT, o_totalprice DECIMAL(15,2), o_orderdate DATE, o_orderpriority STRING, o_shippriority INT)",
    "CREATE TABLE lineitem (l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), l_tax DECIMAL(15,2), l_returnflag STRING, l_linestatus STRING, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, l_shipmode STRING)",
    "INSERT INTO nation VALUES (1, 'JAPAN', 1)",
    "INSERT INTO region VALUES (1, 'ASIA')",
    "INSERT INTO supplier VALUES (1, 1)",
    "INSERT INTO customer VALUES (1, 'C1', 'a', 1, 'p', 10.50, 'BUILDING', 'c')",
    "INSERT INTO part VALUES (1, 'PROMO TIN'), (2, 'SMALL TIN')",
    "INSERT INTO orders VALUES (1, 1, 900.00, DATE '1994-03-01', '1-URGENT', 0), (2, 1, 100.00, DATE '1993-10-02', '5-LOW', 0)",
    "INSERT INTO lineitem VALUES \
     (1, 1, 1, 301, 1000.00, 0.06, 0.02, 'N', 'O', DATE '1995-09-15', DATE '1995-03-01', DATE '1995-03-02', 'MAIL'), \
     (1, 2, 1, 10, 500.00, 0.10, 0.00, 'N', 'O', DATE '1995-09-16', DATE '1995-03-01', DATE '1995-03-02', 'SHIP'), \
     (2, 1, 1, 20, 300.00, 0.05, 0.08, 'R', 'F', DATE '1994-02-01', DATE '1994-02-05', DATE '1994-02-09', 'MAIL')",
];

const QUERIES: &[(&str, &str, &[&str])] = &[
    (
        "1",
        "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as sum_charge, \
         avg(l_discount) as avg_disc, count(*) as count_order from lineitem where l_shipdate <= date '1998-12-01' - interval '90' day \
         group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus",
        &["N|O|311.00|1408.800000|0.080000|2", "R|F|20.00|307.800000|0.050000|1"],
    ),
    (
        "3",
        "select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate, o_shippriority from customer, orders, lineitem \
         where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate < date '1995-03-15' \
         and l_shipdate > date '1995-03-15' group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate limit 10",
        &["1|1390.0000|1994-03-01|0"],
    ),
    (
        "5",
        "select n_name, sum(l_extendedprice * (1 - l_discount)) as revenue from customer, orders, lineitem, supplier, nation, region \
         where c_custkey = o_custkey and l_orderkey = o_orderkey and l_suppkey = s_suppkey and c_nationkey = s_nationkey \
         and s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'ASIA' and o_orderdate >= date '1994-01-01' \
         and o_orderdate < date '1994-01-01' + interval '1' year group by n_name order by revenue desc",
        &["JAPAN|1390.0000"],
    ),
    (
        "6",
        "select sum(l_extendedprice * l_discount) as revenue from lineitem where l_shipdate >= date '1994-01-01' \
         and l_shipdate < date '1994-01-01' + interval '1' year and l_discount between 0.06 - 0.01 and 0.06 + 0.01 and l_quantity < 24",
        &["15.0000"],
    ),
    (
        "10",
        "select c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) as revenue, c_acctbal, n_name, c_address, c_phone, c_comment \
         from customer, orders, lineitem, nation where c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate >= date '1993-10-01' \
         and o_orderdate < date '1993-10-01' + interval '3' month and l_returnflag = 'R' and c_nationkey = n_nationkey \
         group by c_custkey, c_name, c_acctbal, c_phone, n_name, c_address, c_comment order by revenue desc limit 20",
        &["1|C1|285.0000|10.50|JAPAN|a|p|c"],
    ),
    (
        "12",
        "select l_shipmode, sum(case when o_orderpriority = '1-URGENT' or o_orderpriority = '2-HIGH' then 1 else 0 end) as high_line_count, \
         sum(case when o_orderpriority <> '1-URGENT' and o_orderpriority <> '2-HIGH' then 1 else 0 end) as low_line_count \
         from orders, lineitem where o_orderkey = l_orderkey and l_shipmode in ('MAIL', 'SHIP') and l_commitdate < l_receiptdate \
         and l_shipdate < l_commitdate and l_receiptdate >= date '1994-01-01' and l_receiptdate < date '1994-01-01' + interval '1' year \
         group by l_shipmode order by l_shipmode",
        &["MAIL|0|1"],
    ),
    (
        "14",
        "select 100.00 * sum(case when p_type like 'PROMO%' then l_extendedprice * (1 - l_discount) else 0 end) \
         / sum(l_extendedprice * (1 - l_discount)) as promo_revenue from lineitem, part where l_partkey = p_partkey \
         and l_shipdate >= date '1995-09-01' and l_shipdate < date '1995-09-01' + interval '1' month",
        // 100 * 940 / 1390
        &["67.625899"],
    ),
    (
        "18",
        "select c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) from customer, orders, lineitem \
         where o_orderkey in (select l_orderkey from lineitem group by l_orderkey having sum(l_quantity) > 300) and c_custkey = o_custkey \
         and o_orderkey = l_orderkey group by c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice order by o_totalprice desc, o_orderdate limit 100",
        &["C1|1|1|1994-03-01|900.00|311.00"],
    ),
];

#[tokio::test]
async fn the_queries_of_the_benchmark_are_right() {
    let world = World::new();
    for sql in TABLES {
        world.rows(sql).await;
    }
    for (number, sql, expected) in QUERIES {
        let rows = world.rows(sql).await;
        // The scale of a quotient is Databricks' own affair: the digits count.
        let equal =
            rows.len() == expected.len() && rows.iter().zip(*expected).all(|(row, expected)| row.starts_with(expected));
        assert!(equal, "query {number}: {rows:?}");
    }
    assert_eq!(world.columns(QUERIES[6].1).await, ["promo_revenue DECIMAL(38,6)"]);
}
