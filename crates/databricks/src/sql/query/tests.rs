use std::{any::TypeId, ops::ControlFlow};

use chrono::NaiveDate;
use proptest::prelude::*;
use sqlparser::{
    ast::{
        Expr, Query, SelectItem, SetExpr, Statement, TableFactor, Value as Literal, visit_expressions, visit_relations,
    },
    dialect::{DatabricksDialect, Dialect},
    parser::Parser,
};
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{Expression, TableRef, Value};

use super::*;

fn sql(query: &QueryBuilder) -> String {
    query.build().unwrap().sql().to_owned()
}

/// The other parser's Databricks, which does not know that a backslash escapes in a string.
#[derive(Debug)]
struct Databricks;

impl Dialect for Databricks {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DatabricksDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        DatabricksDialect {}.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        DatabricksDialect {}.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        DatabricksDialect {}.is_identifier_part(ch)
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }
}

/// What a parser that nobody here wrote makes of it: one query, or a failed test.
fn parsed(sql: &str) -> Query {
    let mut statements = Parser::parse_sql(&Databricks, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(statements.len(), 1, "{sql}");
    match statements.remove(0) {
        Statement::Query(query) => *query,
        other => panic!("not a query: {other}"),
    }
}

#[test]
fn every_part_has_its_place_whatever_the_order_of_the_calls() {
    let query = QueryBuilder::new()
        .limit(10)
        .offset(5)
        .order_by_desc("total")
        .nulls(Nulls::Last)
        .order_by_sql("length(`region`)", false)
        .having(expr("count(*) > :least").bind("least", 2))
        .group_by([col("region").of("o")])
        .group_by_sql("year(o.placed)")
        .where_(col("status").of("o").is_in(["open", "it's"]))
        .where_(!col("note").of("o").is_null().or(col("price").of("o").between(1, 2)))
        .join(
            Join::Left,
            Source::from("main.sales.lines").alias("l"),
            col("id").of("o").eq_column(col("order").of("l")),
        )
        .join_using(Join::LeftSemi, "wanted", ["region"])
        .cross_join(Source::query(QueryBuilder::new().select_as("1", "one")).alias("x"))
        .from(Source::from("orders").alias("o"))
        .version_as_of(7)
        .select([col("region").of("o")])
        .select_column_as(col("city").of("o").field("name"), "city name")
        .select_as("sum(l.price)", "total")
        .select_all_of("x")
        .distinct()
        .with("wanted", QueryBuilder::new().from("regions").where_(col("good").eq(true)));
    assert_eq!(
        sql(&query),
        "WITH `wanted` AS (SELECT * FROM `regions` WHERE `good` = :__q1) \
         SELECT DISTINCT `o`.`region`, `o`.`city`.`name` AS `city name`, (sum(l.price)) AS `total`, `x`.* \
         FROM `orders` VERSION AS OF 7 AS `o` \
         LEFT JOIN `main`.`sales`.`lines` AS `l` ON `o`.`id` = `l`.`order` \
         LEFT SEMI JOIN `wanted` USING (`region`) \
         CROSS JOIN (SELECT (1) AS `one`) AS `x` \
         WHERE (`o`.`status` IN (:__q2, :__q3)) AND \
         (NOT ((`o`.`note` IS NULL) OR (`o`.`price` BETWEEN :__q4 AND :__q5))) \
         GROUP BY `o`.`region`, (year(o.placed)) HAVING (count(*) > :least) \
         ORDER BY `total` DESC NULLS LAST, (length(`region`)) LIMIT 10 OFFSET 5"
    );
    let request = query.build().unwrap();
    assert_eq!(request.params().len(), 6);
    assert_eq!(request.params().find("__q3"), Some(&Value::Text("it's".to_owned())));
}

#[test]
fn versions_and_moments_are_literals() {
    let moment = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap().and_hms_micro_opt(3, 4, 5, 6).unwrap();
    for (query, wanted) in [
        (QueryBuilder::new().from("t").version_as_of(0), "`t` VERSION AS OF 0"),
        (
            QueryBuilder::new().from("t").timestamp_as_of(moment.and_utc()),
            "`t` TIMESTAMP AS OF TIMESTAMP '2026-01-02 03:04:05.000006+00:00'",
        ),
        (QueryBuilder::new().from("t").timestamp_as_of(moment.date()), "`t` TIMESTAMP AS OF DATE '2026-01-02'"),
        (QueryBuilder::new().from("t").timestamp_as_of("it's"), r"`t` TIMESTAMP AS OF 'it\'s'"),
    ] {
        assert_eq!(sql(&query), format!("SELECT * FROM {wanted}"));
    }
}

#[test]
fn names_are_what_they_are_with_dots_and_backticks() {
    let table = TableRef::new("a.b`c").with_schema("x y");
    let query = QueryBuilder::new().select(["a.b`c"]).from(table).order_by("`");
    assert_eq!(sql(&query), "SELECT `a.b``c` FROM `x y`.`a.b``c` ORDER BY ````");
}

#[test]
fn a_list_of_nothing_holds_nothing() {
    let nothing = || col("a").is_in(Vec::<i32>::new());
    assert_eq!(sql(&QueryBuilder::new().from("t").where_(nothing())), "SELECT * FROM `t` WHERE FALSE");
    assert_eq!(sql(&QueryBuilder::new().from("t").where_(!nothing())), "SELECT * FROM `t` WHERE NOT (FALSE)");
}

#[test]
fn queries_inside_queries_share_no_names() {
    let inner = || QueryBuilder::new().select(["id"]).from("u").where_(col("a").gt(1));
    let query = QueryBuilder::new()
        .from("t")
        .where_(col("id").is_in_query(inner()))
        .where_(Condition::exists(inner()))
        .where_(col("b").lt(2));
    assert_eq!(
        sql(&query),
        "SELECT * FROM `t` WHERE (`id` IN (SELECT `id` FROM `u` WHERE `a` > :__q1)) AND \
         (EXISTS (SELECT `id` FROM `u` WHERE `a` > :__q2)) AND (`b` < :__q3)"
    );
}

#[test]
fn what_cannot_be_said_is_refused_with_the_fields_name() {
    let new = QueryBuilder::new;
    let t = || new().from("t");
    let deep = (0..300).fold(col("a").is_null(), |condition, _| !condition);
    for (field, query) in [
        ("select", new()),
        ("from", new().select_all()),
        ("from", new().select(["a"]).version_as_of(1)),
        ("from", new().from(Source::query(t()))),
        ("version_as_of", t().version_as_of(u64::MAX)),
        ("timestamp_as_of", t().timestamp_as_of(7)),
        ("timestamp_as_of", t().version_as_of(1).timestamp_as_of("2026-01-01")),
        ("version_as_of", new().from(Source::query(t()).alias("q")).version_as_of(1)),
        ("join", new().select(["a"]).cross_join("u")),
        ("join", t().join_using(Join::Inner, "u", Vec::<Column>::new())),
        ("limit", t().limit(1 << 31)),
        ("offset", t().offset(u64::MAX)),
        ("where", t().where_(col("a").eq(None::<i32>))),
        ("where", t().where_(col("a").is_in([None::<i32>]))),
        ("where", t().where_("")),
        ("where", t().where_("a = 1; drop table t")),
        ("where", t().where_("a = 1) or (1 = 1")),
        ("where", t().where_("a = ']' or (b]")),
        ("where", t().where_("a = 1 -- and more")),
        ("where", t().where_("a /* b */ = 1")),
        ("where", t().where_("a = 'x")),
        ("where", t().where_("`a = 1")),
        ("where", t().where_("a = $$x$$")),
        ("where", t().where_(deep)),
        ("having", t().having("(")),
        ("select", t().select_as(")", "x")),
        ("group_by", t().group_by_sql("]")),
        ("order_by", t().order_by_sql("}", true)),
        ("nulls", t().nulls(Nulls::First).order_by("a")),
        ("where", t().where_(expr("a = :x").bind("x", 1)).where_(expr("b = :x").bind("x", 2))),
        ("where", t().where_(expr("a = :__q9").bind("__q9", 1))),
    ] {
        let error = query.build().unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error} {query:?}");
    }
    for query in [
        t().where_("a = :nobody"),
        t().bind("unused", 1),
        new().from("a..b"),
        new().from("").limit(1),
        t().order_by(""),
    ] {
        assert_eq!(query.build().unwrap_err().kind(), ErrorKind::InvalidInput, "{query:?}");
    }
}

#[test]
fn a_value_may_be_bound_once_for_several_expressions() {
    let query = QueryBuilder::new().from("t").where_("a = :x").having("max(b) > :x").group_by(["a"]).bind("x", 1);
    assert_eq!(query.build().unwrap().params().len(), 1);
    let same = QueryBuilder::new().from("t").where_(expr("a = :x").bind("x", 1)).where_(expr("b = :x").bind("x", 1));
    assert_eq!(same.build().unwrap().params().len(), 1);
}

#[test]
fn strings_and_quoted_names_in_an_expression_may_hold_anything() {
    for text in [
        r#"a = 'it\'s -- ; ) ( $$ /*' "#,
        r#"a = "x ' ; " or b = r'\' or c = 1"#,
        "`a;b -- ( ` = 1",
        "a = '' and b like '%(%'",
        "bar'x' = r'\\'",
    ] {
        let query = QueryBuilder::new().from("t").where_(text);
        assert!(query.build().is_ok(), "{text}");
    }
}

/// Anything, but most of all what has a meaning in SQL.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("`".to_owned()),
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(";".to_owned()),
        Just("--".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just(")".to_owned()),
        Just("(".to_owned()),
        Just(".".to_owned()),
        Just(":x".to_owned()),
        Just("${x}".to_owned()),
        Just("\n".to_owned()),
        Just(" or 1=1 ".to_owned()),
        "[a-zA-Z0-9_]{1,4}",
        any::<char>().prop_filter("NUL is refused", |c| *c != '\0').prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        hostile().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Long),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Double),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Value::Bytes),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (hostile(), value()).prop_map(|(name, value)| col(name).eq(value)),
        (hostile(), value()).prop_map(|(name, value)| col(name).ne(value)),
        (hostile(), hostile()).prop_map(|(name, pattern)| col(name).like(pattern)),
        (hostile(), value(), value()).prop_map(|(name, low, high)| col(name).between(low, high)),
        (hostile(), prop::collection::vec(value(), 0..3)).prop_map(|(name, values)| col(name).is_in(values)),
        (hostile(), hostile()).prop_map(|(name, of)| col(name).of(of).is_not_null()),
        (hostile(), hostile()).prop_map(|(one, other)| col(one).eq_column(col(other))),
        Just(Condition::from("length('(') > 0 or a between 1 and 2")),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| one.and(other)),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| one.or(other)),
            inner.prop_map(|inner| !inner),
        ]
    })
}

fn table() -> impl Strategy<Value = TableRef> {
    (hostile(), prop::option::of(hostile())).prop_map(|(name, schema)| {
        let table = TableRef::new(name);
        schema.into_iter().fold(table, TableRef::with_schema)
    })
}

fn query() -> impl Strategy<Value = QueryBuilder> {
    let head = (
        prop::collection::vec(hostile(), 0..3),
        prop::option::of(hostile()),
        table(),
        prop::option::of(hostile()),
        prop_oneof![
            Just(None),
            any::<u32>().prop_map(|n| Some(Value::Long(n.into()))),
            hostile().prop_map(|t| Some(Value::Text(t)))
        ],
        any::<bool>(),
    );
    let tail = (
        prop::collection::vec(condition(), 0..3),
        prop::option::of((table(), hostile(), condition())),
        prop::collection::vec(hostile(), 0..2),
        prop::option::of(condition()),
        prop::collection::vec((hostile(), any::<bool>()), 0..2),
        (prop::option::of(0u64..1 << 31), prop::option::of(0u64..1 << 31)),
    );
    (head, tail).prop_map(
        |((columns, computed, table, alias, at, distinct), (filter, join, group, having, order, (limit, offset)))| {
            let mut source = Source::from(table);
            source = match at {
                Some(Value::Long(version)) => source.version_as_of(version as u64),
                Some(moment) => source.timestamp_as_of(moment),
                None => source,
            };
            if let Some(alias) = alias {
                source = source.alias(alias);
            }
            let mut query = QueryBuilder::new().select(columns).from(source);
            if let Some(computed) = computed {
                query = query.select_as(Expression::new("count(*)"), computed);
            }
            if distinct {
                query = query.distinct();
            }
            for condition in filter {
                query = query.where_(condition);
            }
            if let Some((table, alias, on)) = join {
                query = query.join(Join::Left, Source::from(table).alias(alias), on);
            }
            query = query.group_by(group);
            if let Some(having) = having {
                query = query.having(having);
            }
            for (column, descending) in order {
                query = if descending { query.order_by_desc(column) } else { query.order_by(column) };
            }
            query = limit.into_iter().fold(query, QueryBuilder::limit);
            offset.into_iter().fold(query, QueryBuilder::offset)
        },
    )
}

/// The markers of a query, as the other parser sees them.
fn markers(query: &Query) -> Vec<String> {
    let mut found = Vec::new();
    let _ = visit_expressions(query, |expr| {
        if let Expr::Value(value) = expr
            && let Literal::Placeholder(name) = &value.value
        {
            found.push(name.trim_start_matches(':').to_owned());
        }
        ControlFlow::<()>::Continue(())
    });
    found.sort();
    found
}

proptest! {
    /// Whatever names and values hold, another parser reads one query with exactly the values that were bound.
    #[test]
    fn hostile_names_and_values_stay_names_and_values(query in query()) {
        let request = query.build().unwrap();
        let read = parsed(request.sql());
        let mut bound: Vec<String> = request.params().iter().map(|(name, _)| name.to_owned()).collect();
        bound.sort();
        prop_assert_eq!(markers(&read), bound);
    }

    /// Another parser reads the names that were given, neither more nor fewer.
    #[test]
    fn another_parser_reads_the_same_names(table in table(), alias in hostile(), column in hostile(), moment in hostile()) {
        let source = Source::from(table.clone()).alias(alias.clone()).timestamp_as_of(moment);
        let request = QueryBuilder::new().select([col(column.clone())]).from(source).build().unwrap();
        let read = parsed(request.sql());
        let mut names = Vec::new();
        let _ = visit_relations(&read, |name| {
            names.push(name.0.iter().map(|part| part.as_ident().unwrap().value.clone()).collect::<Vec<_>>());
            ControlFlow::<()>::Continue(())
        });
        prop_assert_eq!(names, [table.parts().map(str::to_owned).collect::<Vec<_>>()]);
        let SetExpr::Select(select) = read.body.as_ref() else { panic!("not a select") };
        let TableFactor::Table { alias: given, version, .. } = &select.from[0].relation else { panic!("not a table") };
        prop_assert_eq!(&given.as_ref().unwrap().name.value, &alias);
        prop_assert!(version.is_some());
        let SelectItem::UnnamedExpr(Expr::Identifier(read)) = &select.projection[0] else { panic!("not a name") };
        prop_assert_eq!(&read.value, &column);
    }

    /// SQL that somebody wrote is refused, or stays inside its brackets.
    #[test]
    fn hostile_expressions_are_refused_or_stay_in_their_place(text in hostile()) {
        let query = QueryBuilder::new().from("t").where_(Condition::from(text.clone())).limit(7);
        if let Ok(request) = query.build() {
            let sql = request.sql();
            prop_assert!(sql.starts_with("SELECT * FROM `t` WHERE (") && sql.ends_with(") LIMIT 7"));
            // What the other parser makes of it may be nothing, but never another statement or another limit.
            if let Ok(statements) = Parser::parse_sql(&Databricks, sql) {
                prop_assert_eq!(statements.len(), 1);
                prop_assert!(statements[0].to_string().ends_with(" LIMIT 7"), "{}", sql);
            }
        }
    }
}
