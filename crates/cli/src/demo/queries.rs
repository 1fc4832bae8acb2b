//! Eight TPC-H queries in the SQL that both warehouses read, with the benchmark's validation parameters.

/// A query and what the specification calls it.
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) sql: &'static str,
}

pub(super) const QUERIES: [Query; 8] = [
    Query {
        name: "Q1",
        title: "pricing summary",
        sql: "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as sum_base_price, \
              sum(l_extendedprice * (1 - l_discount)) as sum_disc_price, \
              sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as sum_charge, avg(l_quantity) as avg_qty, \
              avg(l_extendedprice) as avg_price, avg(l_discount) as avg_disc, count(*) as count_order \
              from lineitem where l_shipdate <= date '1998-09-02' \
              group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus",
    },
    Query {
        name: "Q3",
        title: "shipping priority",
        sql: "select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate, o_shippriority \
              from customer, orders, lineitem \
              where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey = o_orderkey \
              and o_orderdate < date '1995-03-15' and l_shipdate > date '1995-03-15' \
              group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate limit 10",
    },
    Query {
        name: "Q5",
        title: "local supplier volume",
        sql: "select n_name, sum(l_extendedprice * (1 - l_discount)) as revenue \
              from customer, orders, lineitem, supplier, nation, region \
              where c_custkey = o_custkey and l_orderkey = o_orderkey and l_suppkey = s_suppkey \
              and c_nationkey = s_nationkey and s_nationkey = n_nationkey and n_regionkey = r_regionkey \
              and r_name = 'ASIA' and o_orderdate >= date '1994-01-01' and o_orderdate < date '1995-01-01' \
              group by n_name order by revenue desc",
    },
    Query {
        name: "Q6",
        title: "forecasting revenue change",
        sql: "select sum(l_extendedprice * l_discount) as revenue from lineitem \
              where l_shipdate >= date '1994-01-01' and l_shipdate < date '1995-01-01' \
              and l_discount between 0.05 and 0.07 and l_quantity < 24",
    },
    Query {
        name: "Q10",
        title: "returned items",
        sql: "select c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) as revenue, c_acctbal, n_name, c_phone \
              from customer, orders, lineitem, nation \
              where c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate >= date '1993-10-01' \
              and o_orderdate < date '1994-01-01' and l_returnflag = 'R' and c_nationkey = n_nationkey \
              group by c_custkey, c_name, c_acctbal, c_phone, n_name, c_address, c_comment \
              order by revenue desc limit 20",
    },
    Query {
        name: "Q12",
        title: "shipping modes",
        sql: "select l_shipmode, \
              sum(case when o_orderpriority = '1-URGENT' or o_orderpriority = '2-HIGH' then 1 else 0 end) as high_line_count, \
              sum(case when o_orderpriority <> '1-URGENT' and o_orderpriority <> '2-HIGH' then 1 else 0 end) as low_line_count \
              from orders, lineitem where o_orderkey = l_orderkey and l_shipmode in ('MAIL', 'SHIP') \
              and l_commitdate < l_receiptdate and l_shipdate < l_commitdate \
              and l_receiptdate >= date '1994-01-01' and l_receiptdate < date '1995-01-01' \
              group by l_shipmode order by l_shipmode",
    },
    Query {
        name: "Q14",
        title: "promotion effect",
        sql: "select 100.00 * sum(case when p_type like 'PROMO%' then l_extendedprice * (1 - l_discount) else 0 end) \
              / sum(l_extendedprice * (1 - l_discount)) as promo_revenue from lineitem, part \
              where l_partkey = p_partkey and l_shipdate >= date '1995-09-01' and l_shipdate < date '1995-10-01'",
    },
    Query {
        name: "Q18",
        title: "large volume customers",
        sql: "select c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) as sum_qty \
              from customer, orders, lineitem \
              where o_orderkey in (select l_orderkey from lineitem group by l_orderkey having sum(l_quantity) > 300) \
              and c_custkey = o_custkey and o_orderkey = l_orderkey \
              group by c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice \
              order by o_totalprice desc, o_orderdate limit 100",
    },
];
