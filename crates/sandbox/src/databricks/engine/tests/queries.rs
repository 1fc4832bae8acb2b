use super::*;

#[tokio::test]
async fn literals_have_the_types_and_names_of_databricks() {
    let world = World::new();
    let sql = "SELECT 1, 2147483648, 9223372036854775808, 1.50, 1e3, 1L, 2S, 3Y, 1.5BD, 'x', NULL, true, X'00ff', -128Y, -2147483648";
    assert_eq!(
        world.columns(sql).await,
        [
            "1 INT",
            "2147483648 BIGINT",
            "9223372036854775808 DECIMAL(19,0)",
            "1.50 DECIMAL(3,2)",
            "1e3 DOUBLE",
            "1 BIGINT",
            "2 SMALLINT",
            "3 TINYINT",
            "1.5 DECIMAL(2,1)",
            "x STRING",
            "NULL VOID",
            "true BOOLEAN",
            "X'00ff' BINARY",
            "-128 TINYINT",
            "-2147483648 INT"
        ]
    );
    assert_eq!(
        world.rows(sql).await,
        ["1|2147483648|9223372036854775808|1.50|1000.0|1|2|3|1.5|x|NULL|true|00ff|-128|-2147483648"]
    );
}

#[tokio::test]
async fn arithmetic_is_that_of_databricks() {
    let world = World::new();
    let one = async |sql: &str| world.rows(&format!("SELECT {sql}")).await[0].clone();
    assert_eq!(one("1/2").await, "0.5");
    assert_eq!(one("7 DIV 2, -7 % 3, 5 % 3").await, "3|-1|2");
    assert_eq!(one("CAST(1 AS DECIMAL(10,2)) / CAST(3 AS DECIMAL(10,2))").await, "0.3333333333333");
    assert_eq!(
        world.columns("SELECT CAST(1 AS DECIMAL(10,2)) / CAST(3 AS DECIMAL(10,2)) AS q").await,
        ["q DECIMAL(23,13)"]
    );
    assert_eq!(one("0.1 + 0.2").await, "0.3");
    assert_eq!(one("sum(c), sum(-c) FROM VALUES (1), (NULL), (2) AS v(c)").await, "3|-3");
    assert_eq!(one("sum(c) FROM VALUES (1) AS v(c) WHERE c > 1").await, "NULL");
    let running = "SELECT sum(c) OVER (ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM VALUES (1), (2), (4) AS v(c) ORDER BY c";
    assert_eq!(world.rows(running).await, ["1", "3", "6"]);
    assert_eq!(world.columns("SELECT round(25, -1) AS r").await, ["r INT"]);
    assert_eq!(one("'a' || 1 || NULL, concat('a', 'b'), concat('a', NULL)").await, "NULL|ab|NULL");
    for (sql, class, state) in [
        ("2147483647 + 1", "ARITHMETIC_OVERFLOW", "22003"),
        ("9223372036854775807L * 2", "ARITHMETIC_OVERFLOW", "22003"),
        ("sum(c) FROM VALUES (9223372036854775807L), (1L) AS v(c)", "ARITHMETIC_OVERFLOW", "22003"),
        (
            "k, sum(c) FROM VALUES (1, 9223372036854775807L), (1, 1L) AS v(k, c) GROUP BY k",
            "ARITHMETIC_OVERFLOW",
            "22003",
        ),
        (
            "sum(c) FROM VALUES (99999999999999999999999999999999999999BD), (1BD) AS v(c)",
            "ARITHMETIC_OVERFLOW",
            "22003",
        ),
        ("-c FROM VALUES (-2147483648) AS v(c)", "ARITHMETIC_OVERFLOW", "22003"),
        ("DATE '2024-02-01' - DATE '2024-01-01'", "UNSUPPORTED_FEATURE", "0A000"),
        ("1 / 0", "DIVIDE_BY_ZERO", "22012"),
        ("1.0 / 0", "DIVIDE_BY_ZERO", "22012"),
        ("1 DIV 0", "DIVIDE_BY_ZERO", "22012"),
        ("1 % 0", "REMAINDER_BY_ZERO", "22012"),
        ("CAST('abc' AS INT)", "CAST_INVALID_INPUT", "22018"),
        ("DATE '2024-13-01'", "CAST_INVALID_INPUT", "22018"),
        ("CAST(300 AS TINYINT)", "CAST_OVERFLOW", "22003"),
    ] {
        let error = world.error(&format!("SELECT {sql}")).await;
        assert_eq!((error.class(), error.sqlstate()), (class, state), "{sql}: {error}");
    }
}

#[tokio::test]
async fn strings_casts_and_functions_answer_as_databricks_does() {
    let world = World::new();
    for (sql, expected) in [
        (r"'a''b'", "ab"),
        (r"'it\'s', 'a\\b', r'a\nb'", r"it's|a\b|a\nb"),
        ("CAST(TIMESTAMP '2024-01-02 03:04:05.100' AS STRING)", "2024-01-02 03:04:05.1"),
        ("CAST(1e10 AS STRING), CAST(1.5 AS STRING), CAST(true AS STRING)", "1.0E10|1.5|true"),
        ("substring('abcdef', 2, 3), substr('abc', -2), left('abc', 2)", "bcd|bc|ab"),
        ("year(DATE '2024-05-06'), extract(month FROM DATE '2024-05-06'), dayofweek(DATE '2024-05-06')", "2024|5|2"),
        ("date_format(TIMESTAMP '2024-05-06 07:08:09', 'yyyy/MM/dd HH:mm')", "2024/05/06 07:08"),
        ("date_add(DATE '2024-02-28', 2), datediff(DATE '2024-03-01', DATE '2024-02-28')", "2024-03-01|2"),
        ("DATE '1998-12-01' - INTERVAL '90' DAY, DATE '1993-07-01' + INTERVAL '3' MONTH", "1998-09-02|1993-10-01"),
        ("round(2.345, 2), round(2.5), floor(-1.5), ceil(1.2)", "2.35|3|-2|2"),
        ("if(1 > 2, 'a', 'b'), nvl(NULL, 3), coalesce(NULL, 'x'), nullif(1, 1)", "b|3|x|NULL"),
        ("'10' = 10, '2' < 10, 1 <=> NULL, NULL <=> NULL", "true|true|false|true"),
        ("try_cast('x' AS INT), '7'::int, hex('AZ'), unhex('4142')", "NULL|7|415A|4142"),
        ("sha2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("cast(1704164645 as timestamp)", "2024-01-02T03:04:05Z"),
        ("current_catalog(), current_schema(), typeof(1.5BD)", "main|default|decimal(2,1)"),
        ("'abc' RLIKE 'b', 'abc' LIKE 'a%', 'a_c' LIKE 'a\\_c'", "true|true|true"),
        ("CASE WHEN 1 = 1 THEN 'y' ELSE 'n' END, upper('é'), length('😀')", "y|É|1"),
    ] {
        assert_eq!(world.rows(&format!("SELECT {sql}")).await, [expected], "{sql}");
    }
}

#[tokio::test]
async fn a_function_that_is_not_known_to_be_right_is_refused() {
    let world = World::new();
    for sql in ["SELECT frobnicate(1)", "SELECT explode(array(1))", "SELECT to_char(1, '9')"] {
        let error = world.error(sql).await;
        assert_eq!((error.class(), error.sqlstate()), ("UNRESOLVED_ROUTINE", "42883"), "{sql}");
    }
    assert_eq!(world.error("SELECT date_format(current_date(), 'w')").await.class(), "UNSUPPORTED_FEATURE");
}

#[tokio::test]
async fn names_keep_their_case_and_lose_it_in_comparisons() {
    let world = World::new();
    world.rows("CREATE TABLE T1 (`Id` INT, `Mixed_Name` STRING, sum INT)").await;
    world.rows("INSERT INTO t1 VALUES (1, 'a', 2), (2, 'b', 3)").await;
    assert_eq!(world.columns("SELECT * FROM T1").await, ["Id INT", "Mixed_Name STRING", "sum INT"]);
    assert_eq!(
        world.columns("SELECT ID, t1.mixed_name AS `Shown As` FROM t1 ORDER BY iD").await,
        ["ID INT", "Shown As STRING"]
    );
    assert_eq!(world.rows("SELECT X.id FROM MAIN.Default.T1 AS x WHERE MIXED_NAME = 'b'").await, ["2"]);
    assert_eq!(world.rows("SELECT main.default.t1.id FROM main.default.t1 ORDER BY 1 DESC").await, ["2", "1"]);
    assert_eq!(
        world.columns("SELECT id, id, count(*), sum(sum), id + 1 FROM t1 GROUP BY id").await,
        ["id INT", "id INT", "count(1) BIGINT", "sum(sum) BIGINT", "(id + 1) INT"]
    );
    world.rows("CREATE TABLE t2 (ID INT, other STRING)").await;
    world.rows("INSERT INTO t2 VALUES (2, 'z')").await;
    assert_eq!(world.rows("SELECT a.id, b.OTHER FROM t1 a JOIN t2 b ON a.id = b.id").await, ["2|z"]);
    assert_eq!(world.rows("WITH t1 AS (SELECT id FROM t1 WHERE id = 1) SELECT * FROM t1").await, ["1"]);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT)").await;
    for (sql, class, state) in [
        ("SELECT * FROM nope", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
        ("SELECT * FROM no.nope", "SCHEMA_NOT_FOUND", "42704"),
        ("SELECT * FROM no.no.nope", "NO_SUCH_CATALOG_EXCEPTION", "42704"),
        ("SELECT b FROM t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("SELECT a FROM t WHERE t.c = 1", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("SELECT :x", "UNBOUND_SQL_PARAMETER", "42P02"),
        ("SELECT a.a FROM t AS a JOIN t AS b ON a.a = b.a WHERE a = 1", "AMBIGUOUS_REFERENCE", "42704"),
        ("SELECT 1 UNION SELECT 1, 2", "NUM_COLUMNS_MISMATCH", "42826"),
        ("INSERT INTO t VALUES (1, 2)", "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS", "21S01"),
        ("INSERT INTO t (z) VALUES (1)", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("CREATE TABLE t (a INT)", "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07"),
        ("CREATE TABLE `a b` (a INT)", "INVALID_PARAMETER_VALUE", "22023"),
        ("SELECT a FROM t GROUP BY 1 HAVING b > 1", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("DROP TABLE nope", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    ] {
        let error = world.error(sql).await;
        assert_eq!((error.class(), error.sqlstate()), (class, state), "{sql}: {error}");
    }
}

#[tokio::test]
async fn parameters_have_the_types_they_declare() {
    let world = World::new();
    let parameter = |name: &str, value: Option<&str>, type_text: &str| Parameter {
        name: Some(name.to_owned()),
        value: value.map(str::to_owned),
        type_text: Some(type_text.to_owned()),
        ordinal: None,
    };
    let parameters = vec![
        parameter("i", Some("7"), "INT"),
        parameter("d", Some("-0.05"), "DECIMAL(38,2)"),
        parameter("t", Some("2024-01-02 03:04:05.123456"), "TIMESTAMP"),
        parameter("n", Some("2024-01-02 03:04:05"), "TIMESTAMP_NTZ"),
        parameter("day", Some("2024-01-02"), "DATE"),
        parameter("s", Some("O'Brien\\ \u{1F600}"), "STRING"),
        parameter("none", None, "BIGINT"),
        parameter("b", Some("xyz"), "BINARY"),
    ];
    let sql = "SELECT :i, :d, :t, :n, :day, :s, :none, :b, :i + 1 AS j LIMIT :i";
    let batches = world.batches(sql, parameters).await.unwrap();
    let types: Vec<String> =
        batches[0].schema().fields().iter().map(|field| type_text_of_arrow(field.data_type()).unwrap()).collect();
    assert_eq!(
        types,
        ["INT", "DECIMAL(38,2)", "TIMESTAMP", "TIMESTAMP_NTZ", "DATE", "STRING", "BIGINT", "BINARY", "INT"]
    );
    assert_eq!(
        lines(&batches),
        ["7|-0.05|2024-01-02T03:04:05.123456Z|2024-01-02T03:04:05|2024-01-02|O'Brien\\ \u{1F600}|NULL|78797a|8"]
    );
}

#[tokio::test]
async fn nulls_sort_first_and_ranges_count() {
    let world = World::new();
    assert_eq!(world.rows("SELECT c FROM VALUES (2), (NULL), (1) AS v(c) ORDER BY c").await, ["NULL", "1", "2"]);
    assert_eq!(world.rows("SELECT c FROM VALUES (2), (NULL), (1) AS v(c) ORDER BY c DESC").await, ["2", "1", "NULL"]);
    assert_eq!(world.rows("SELECT sum(id), count(*), min(id) FROM range(10)").await, ["45|10|0"]);
    assert_eq!(world.columns("SELECT * FROM range(5, 7)").await, ["id BIGINT"]);
    assert_eq!(world.rows("SELECT r.id FROM range(5, 9, 2) r LIMIT 1 OFFSET 1").await, ["7"]);
}

#[tokio::test]
async fn show_and_describe_list_what_is_there() {
    let world = World::new();
    world.rows("CREATE SCHEMA s2").await;
    world.rows("CREATE TABLE t (a INT COMMENT 'the key', b DECIMAL(5,1))").await;
    world.rows("CREATE VOLUME v").await;
    assert_eq!(world.rows("SHOW CATALOGS").await, ["main"]);
    assert_eq!(world.rows("SHOW SCHEMAS IN main LIKE 's*'").await, ["s2"]);
    assert_eq!(
        world.rows("SHOW TABLES IN CATALOG main SCHEMA LIKE 'default' LIKE '*'").await,
        ["default|t|false|NULL|main|TABLE|NULL"]
    );
    assert_eq!(world.rows("SHOW VOLUMES IN main.default").await, ["default|v"]);
    assert_eq!(world.rows("DESCRIBE TABLE t").await, ["a|int|the key", "b|decimal(5,1)|NULL"]);
    assert_eq!(world.rows("DESCRIBE QUERY SELECT 1 AS A, 'x'").await, ["A|int|NULL", "x|string|NULL"]);
    assert_eq!(world.rows("SHOW COLUMNS IN t").await, ["main|default|t|a|INT", "main|default|t|b|DECIMAL(5,1)"]);
}

#[tokio::test]
async fn a_limit_holds_whatever_columns_are_read() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT)").await;
    world.rows("INSERT INTO t VALUES (1)").await;
    world.rows("INSERT INTO t VALUES (2)").await;
    for sql in [
        "SELECT 1 FROM t LIMIT 1",
        "SELECT 1 FROM t VERSION AS OF 2 LIMIT 1",
        "SELECT a FROM t LIMIT 1",
        "SELECT a FROM t LIMIT 1 OFFSET 1",
        "SELECT 1 FROM t LIMIT 1 OFFSET 1",
        "SELECT x.o FROM (SELECT 1 AS o FROM t LIMIT 1) x",
        "SELECT x.a FROM (SELECT a FROM t WHERE a > 0 LIMIT 1) x",
    ] {
        assert_eq!(world.rows(sql).await.len(), 1, "{sql}");
    }
    assert_eq!(world.rows("SELECT count(*) FROM (SELECT 1 FROM t LIMIT 1)").await, ["1"]);
}
