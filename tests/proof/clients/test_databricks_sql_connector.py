"""The SQL driver of the vendor, unmodified, over the statement API (`use_sea=True`)."""

import datetime
import decimal
import os
import ssl
import threading
from urllib.parse import urlsplit

import pytest
from databricks import sql
from databricks.sql.exc import Error, RequestError, ServerOperationError
from databricks.sql.parameters.native import (
    BigIntegerParameter,
    DateParameter,
    DecimalParameter,
    DoubleParameter,
    IntegerParameter,
    StringParameter,
    TimestampParameter,
    TinyIntParameter,
)

from claims import claim
from patience import PATIENCE, until

CLIENT = "databricks-sql-connector"

STATEMENTS = "POST /api/2.0/sql/statements"
SLOW = "SELECT sum((a.id * b.id) % 7) FROM range(10000000) a CROSS JOIN range(1000000) b"
SESSIONS = "POST /api/2.0/sql/sessions"
LINKS = "GET the presigned link of a chunk"


def connect(**more):
    address = urlsplit(os.environ["DATABRICKS_HOST"])
    settings = {
        "server_hostname": f"http://{address.hostname}",
        "_port": address.port,
        "http_path": "/sql/1.0/warehouses/" + os.environ["DATABRICKS_WAREHOUSE_ID"],
        "access_token": os.environ["DATABRICKS_TOKEN"],
        "use_sea": True,
        "enable_telemetry": False,
        "_socket_timeout": PATIENCE,
    }
    return sql.connect(**{**settings, **more})


@pytest.fixture(scope="module")
def connection():
    with connect() as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def fresh():
    """Rows that no cache has named: this client names Arrow's columns as the files do, not as the answer says."""
    with connect(session_configuration={"USE_CACHED_RESULT": "false"}) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def inline():
    """Rows as JSON in the answer."""
    with connect(use_cloud_fetch=False) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def table(cursor, unique):
    name = f"main.default.{unique}"
    cursor.execute(f"CREATE TABLE {name} (id BIGINT NOT NULL COMMENT 'the key', name STRING, price DECIMAL(10,2)) USING DELTA")
    cursor.execute(f"INSERT INTO {name} VALUES (1, 'one', 1.50), (2, 'it\\'s two', 2.25), (3, NULL, NULL)")
    yield name
    cursor.execute(f"DROP TABLE IF EXISTS {name}")


@claim("a query is answered with its rows", call=STATEMENTS, engine="DataFusion")
def test_select(cursor):
    cursor.execute("SELECT 1 AS one, 'two' AS two, CAST(NULL AS INT) AS nothing")
    rows = cursor.fetchall()
    assert [row.asDict() for row in rows] == [{"one": 1, "two": "two", "nothing": None}]


@claim("the columns of a result are described by name and type", call=STATEMENTS, engine="DataFusion")
def test_description(cursor):
    cursor.execute("SELECT 1 AS i, 2L AS l, 'x' AS s, 1.5BD AS d, DATE'2024-02-29' AS day, array(1) AS a")
    assert [(column[0], column[1]) for column in cursor.description] == [
        ("i", "int"), ("l", "bigint"), ("s", "string"), ("d", "decimal"), ("day", "date"), ("a", "array"),
    ]


@claim("a result of a million rows comes whole, in order and once", call=LINKS, engine="DataFusion")
def test_million_rows(fresh):
    fresh.execute("SELECT id, concat('row ', CAST(id AS STRING)) AS t FROM range(1000000) ORDER BY id")
    result = fresh.fetchall_arrow()
    assert result.num_rows == 1_000_000
    ids = result.column("id").to_pylist()
    assert ids == list(range(1_000_000))
    assert result.column("t")[999_999].as_py() == "row 999999"


@claim("a large result can be fetched a part at a time", call=LINKS, engine="DataFusion")
def test_fetchmany(cursor):
    cursor.execute("SELECT id FROM range(300000) ORDER BY id")
    seen = 0
    while rows := cursor.fetchmany(70_000):
        assert rows[0].id == seen
        seen += len(rows)
    assert seen == 300_000
    assert cursor.fetchone() is None


@claim("rows can be read one by one", call=STATEMENTS, engine="DataFusion")
def test_fetchone(cursor):
    cursor.execute("SELECT id FROM range(3) ORDER BY id")
    assert [cursor.fetchone().id, cursor.fetchone().id, cursor.fetchone().id, cursor.fetchone()] == [0, 1, 2, None]


@claim("an empty result keeps its columns", call=STATEMENTS, engine="DataFusion")
def test_empty(cursor):
    cursor.execute("SELECT id AS n FROM range(3) WHERE id > 7")
    assert cursor.description[0][0] == "n"
    assert cursor.fetchall() == []


@claim("a result comes as a pandas frame by way of Arrow", call=LINKS, engine="DataFusion")
def test_arrow_to_pandas(fresh):
    fresh.execute("SELECT id % 3 AS k, id FROM range(9)")
    frame = fresh.fetchall_arrow().to_pandas()
    assert frame.groupby("k")["id"].sum().to_dict() == {0: 9, 1: 12, 2: 15}


@claim("numbers of every kind are exact by Arrow", call=LINKS, engine="DataFusion")
def test_numbers(cursor):
    cursor.execute(
        "SELECT CAST(-128 AS TINYINT) AS b, CAST(32767 AS SMALLINT) AS s, CAST(-2147483648 AS INT) AS i, "
        "CAST(9223372036854775807 AS BIGINT) AS l, CAST(0.5 AS FLOAT) AS f, CAST('-Infinity' AS DOUBLE) AS d, "
        "CAST('99999999999999999999999999999999999.999' AS DECIMAL(38,3)) AS big, true AS t"
    )
    row = cursor.fetchone()
    assert (row.b, row.s, row.i, row.l) == (-128, 32767, -2147483648, 9223372036854775807)
    assert row.f == 0.5 and row.d == float("-inf") and row.t is True
    assert row.big == decimal.Decimal("99999999999999999999999999999999999.999")


@claim("moments keep their microseconds by Arrow", call=LINKS, engine="DataFusion")
def test_moments(cursor):
    cursor.execute("SELECT TIMESTAMP'2024-02-29 12:34:56.123456' AS t, DATE'1582-10-15' AS d, TIMESTAMP_NTZ'2024-01-01 00:00:00.000001' AS n")
    row = cursor.fetchone()
    utc = datetime.timezone.utc
    assert row.t.astimezone(utc) == datetime.datetime(2024, 2, 29, 12, 34, 56, 123456, tzinfo=utc)
    assert row.d == datetime.date(1582, 10, 15)
    assert row.n == datetime.datetime(2024, 1, 1, 0, 0, 0, 1)


@claim("lists, maps and structs come as themselves by Arrow", call=LINKS, engine="DataFusion")
def test_nested(fresh):
    fresh.execute("SELECT array(1, NULL, 3) AS a, map('k', 1.5BD) AS m, named_struct('x', 1, 'y', array('z')) AS s")
    result = fresh.fetchall_arrow().to_pylist()[0]
    assert result["a"] == [1, None, 3]
    assert dict(result["m"]) == {"k": decimal.Decimal("1.5")}
    assert result["s"] == {"x": 1, "y": ["z"]}


@claim("bytes come as themselves by Arrow", call=LINKS, engine="DataFusion")
def test_binary(cursor):
    cursor.execute("SELECT X'00FF10' AS b")
    assert bytes(cursor.fetchone().b) == b"\x00\xff\x10"


@claim("without cloud fetch, rows come as JSON in the answer", call=STATEMENTS, engine="DataFusion")
def test_inline(inline):
    inline.execute("SELECT id AS n, CAST(id AS STRING) AS t, CAST(NULL AS STRING) AS z FROM range(1000) ORDER BY id")
    rows = inline.fetchall()
    assert len(rows) == 1000
    assert (rows[999].n, rows[999].t, rows[999].z) == (999, "999", None)


@claim("decimals, dates and truth values keep their types in JSON", call=STATEMENTS, engine="DataFusion")
def test_inline_types(inline):
    inline.execute("SELECT 1.50BD AS d, DATE'2024-02-29' AS day, false AS f, 1e300D AS big, TIMESTAMP'2024-01-01 10:00:00.123' AS t")
    row = inline.fetchone()
    assert (row.d, row.day, row.f, row.big) == (decimal.Decimal("1.50"), datetime.date(2024, 2, 29), False, 1e300)
    assert row.t == datetime.datetime(2024, 1, 1, 10, 0, 0, 123000, tzinfo=datetime.timezone.utc)


@claim("named parameters are bound with their types", call=STATEMENTS, engine="DataFusion")
def test_named_parameters(cursor):
    cursor.execute(
        "SELECT :i + 1 AS i, typeof(:b) AS b, :d AS d, :s AS s, :day AS day, :dbl AS dbl, :t AS t, :big AS big",
        parameters=[
            IntegerParameter(41, name="i"),
            TinyIntParameter(7, name="b"),
            DecimalParameter(decimal.Decimal("12.340"), name="d"),
            StringParameter("it's \\ a \"test\"; --", name="s"),
            DateParameter(datetime.date(2024, 2, 29), name="day"),
            DoubleParameter(0.1, name="dbl"),
            TimestampParameter(datetime.datetime(2024, 1, 2, 3, 4, 5), name="t"),
            BigIntegerParameter(2**62, name="big"),
        ],
    )
    row = cursor.fetchone()
    assert (row.i, row.b, row.d, row.s) == (42, "tinyint", decimal.Decimal("12.340"), "it's \\ a \"test\"; --")
    assert (row.day, row.dbl, row.big) == (datetime.date(2024, 2, 29), 0.1, 2**62)
    assert row.t.replace(tzinfo=None) == datetime.datetime(2024, 1, 2, 3, 4, 5)


@claim("parameters from a dictionary take their types from Python", call=STATEMENTS, engine="DataFusion")
def test_inferred_parameters(cursor):
    cursor.execute("SELECT :a AS a, :b AS b, :c IS NULL AS c", parameters={"a": 1, "b": "x", "c": None})
    row = cursor.fetchone()
    assert (row.a, row.b, row.c) == (1, "x", True)


@claim("question marks are bound in order", call=STATEMENTS, engine="DataFusion")
def test_positional_parameters(cursor):
    cursor.execute("SELECT ? AS a, ? AS b, ? AS c", parameters=["it's", 2, None])
    row = cursor.fetchone()
    assert (row.a, row.b, row.c) == ("it's", 2, None)


@claim("a marker without a value is an error that names it", call=STATEMENTS, engine="DataFusion")
def test_unbound_parameter(cursor):
    with pytest.raises(ServerOperationError, match="UNBOUND_SQL_PARAMETER.*lost"):
        cursor.execute("SELECT :lost AS x", parameters={"other": 1})


@claim("a table that is written is read back", call=STATEMENTS, engine="delta-rs")
def test_table(cursor, table):
    cursor.execute(f"SELECT * FROM {table} ORDER BY id")
    assert [tuple(row) for row in cursor.fetchall()] == [
        (1, "one", decimal.Decimal("1.50")), (2, "it's two", decimal.Decimal("2.25")), (3, None, None),
    ]


@claim("DML answers how many rows it changed", call=STATEMENTS, engine="delta-rs")
def test_counts(cursor, table):
    cursor.execute(f"UPDATE {table} SET price = 9 WHERE id < 3")
    assert cursor.fetchone().num_affected_rows == 2
    cursor.execute(f"DELETE FROM {table} WHERE id = 3")
    assert cursor.fetchone().num_affected_rows == 1
    cursor.execute(f"INSERT INTO {table} VALUES (7, 'seven', 7)")
    assert cursor.fetchone().num_inserted_rows == 1


@claim("MERGE answers what it updated and inserted", call=STATEMENTS, engine="delta-rs")
def test_merge(cursor, table):
    cursor.execute(
        f"MERGE INTO {table} t USING (SELECT 1L AS id, 'uno' AS name UNION ALL SELECT 9L, 'nueve') s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)"
    )
    row = cursor.fetchone()
    assert (row.num_affected_rows, row.num_updated_rows, row.num_inserted_rows) == (2, 1, 1)


@claim("earlier versions of a table can be read", call=STATEMENTS, engine="delta-rs")
def test_time_travel(cursor, table):
    cursor.execute(f"DELETE FROM {table}")
    cursor.execute(f"SELECT count(*) AS n FROM {table} VERSION AS OF 1")
    assert cursor.fetchone().n == 3
    cursor.execute(f"SELECT count(*) AS n FROM {table}")
    assert cursor.fetchone().n == 0


@claim("each statement stands for itself: what was written before a failure stays", call=STATEMENTS, engine="delta-rs")
def test_no_transactions(connection, cursor, table):
    cursor.execute(f"INSERT INTO {table} VALUES (10, 'ten', 10)")
    with pytest.raises(Error):
        cursor.execute(f"INSERT INTO {table} VALUES (NULL, 'no key', 1)")
    connection.commit()
    cursor.execute(f"SELECT count(*) AS n FROM {table}")
    assert cursor.fetchone().n == 4


@claim("a session remembers its schema", call=SESSIONS, engine="catalog")
def test_session_schema(cursor, unique):
    cursor.execute(f"CREATE SCHEMA main.{unique}")
    with connect(catalog="main", schema=unique) as other, other.cursor() as inside:
        inside.execute("SELECT current_catalog() AS c, current_schema() AS s")
        assert tuple(inside.fetchone()) == ("main", unique)
        inside.execute("USE default")
        inside.execute("SELECT current_schema() AS s")
        assert inside.fetchone().s == "default"
    cursor.execute(f"DROP SCHEMA main.{unique}")


@claim("a temporary view lives as long as its session", call=SESSIONS, engine="memory")
def test_temporary_view(cursor, unique):
    with connect() as other, other.cursor() as inside:
        inside.execute(f"CREATE TEMPORARY VIEW {unique} AS SELECT id * 2 AS twice FROM range(4)")
        inside.execute(f"SELECT sum(twice) AS s FROM {unique}")
        assert inside.fetchone().s == 12
    with pytest.raises(ServerOperationError, match="TABLE_OR_VIEW_NOT_FOUND"):
        cursor.execute(f"SELECT * FROM {unique}")


@claim("a session's statement timeout ends what takes longer", call=SESSIONS, engine="DataFusion")
def test_statement_timeout():
    with connect(session_configuration={"STATEMENT_TIMEOUT": "1"}) as connection, connection.cursor() as cursor:
        with pytest.raises(ServerOperationError, match="QUERY_EXECUTION_TIMEOUT_EXCEEDED"):
            cursor.execute(SLOW)


@claim("a session setting that the engine cannot follow is refused", call=SESSIONS, engine="memory")
def test_refused_setting():
    # The client leaves the server's words out.
    with pytest.raises(RequestError, match="400"):
        connect(session_configuration={"TIMEZONE": "Europe/Berlin"}, _retry_stop_after_attempts_count=1)


@claim("a session that is closed takes no more statements", call="DELETE /api/2.0/sql/sessions/{id}", engine="memory")
def test_closed_session():
    connection = connect()
    cursor = connection.cursor()
    connection.close()
    with pytest.raises(Error):
        cursor.execute("SELECT 1")


@claim("a query that cannot be read says where", call=STATEMENTS, engine="parser")
def test_syntax_error(cursor):
    with pytest.raises(ServerOperationError, match=r"PARSE_SYNTAX_ERROR.*'t'.*42601.*line 1, pos 13"):
        cursor.execute("SELECT 1 frm t WHERE")


@claim("a table that is not there is named", call=STATEMENTS, engine="catalog")
def test_missing_table(cursor, unique):
    with pytest.raises(ServerOperationError, match=f"TABLE_OR_VIEW_NOT_FOUND.*{unique}"):
        cursor.execute(f"SELECT * FROM {unique}")


@claim("a value that does not fit is an error with its class", call=STATEMENTS, engine="DataFusion")
def test_data_error(cursor):
    with pytest.raises(ServerOperationError, match="DIVIDE_BY_ZERO"):
        cursor.execute("SELECT id / 0 AS x FROM range(1)")
        cursor.fetchall()


@claim("a wrong token is refused", call=SESSIONS, engine="memory")
def test_wrong_token():
    with pytest.raises((Error, RequestError), match="403|401|token|Invalid"):
        connect(access_token="dapi-wrong", _retry_stop_after_attempts_count=1)


@claim("a warehouse that is not there is refused", call=SESSIONS, engine="memory")
def test_wrong_warehouse():
    with pytest.raises(Exception, match="404|does not exist"):
        connect(http_path="/sql/1.0/warehouses/nope", _retry_stop_after_attempts_count=1)


@claim("a running statement can be cancelled from another thread", call="POST /api/2.0/sql/statements/{id}/cancel", engine="DataFusion")
def test_cancel(connection):
    with connection.cursor() as cursor:
        cursor.execute_async(SLOW)
        assert cursor.is_query_pending()
        other = threading.Thread(target=cursor.cancel)
        other.start()
        until(lambda: not cursor.is_query_pending())
        other.join()
        assert "CANCEL" in str(cursor.get_query_state()).upper()


@claim("a statement can be submitted now and read later", call="GET /api/2.0/sql/statements/{id}", engine="DataFusion")
def test_async(connection):
    with connection.cursor() as cursor:
        cursor.execute_async("SELECT sum(id) AS s FROM range(1000)")
        until(lambda: not cursor.is_query_pending())
        cursor.get_async_execution_result()
        assert cursor.fetchone().s == 499500


@claim("polls and closes that carry a body leave the connection open", call="GET /api/2.0/sql/statements/{id}", engine="memory")
def test_bodies(caplog):
    with connect() as connection, connection.cursor() as cursor, caplog.at_level("WARNING"):
        for n in range(5):
            cursor.execute_async(f"SELECT {n} AS n")
            until(lambda: not cursor.is_query_pending())
            cursor.get_async_execution_result()
            assert cursor.fetchone().n == n
    assert not [record for record in caplog.records if "connection broken" in record.getMessage()]


@claim("a row limit cuts the result on the server", call=STATEMENTS, engine="DataFusion")
def test_row_limit(connection):
    with connection.cursor(row_limit=5) as cursor:
        cursor.execute("SELECT id FROM range(100)")
        assert len(cursor.fetchall()) == 5


@claim("query tags of a statement reach the history", call=STATEMENTS, engine="memory")
def test_query_tags(cursor, unique):
    cursor.execute("SELECT 1 AS one", query_tags={"team": unique})
    assert cursor.fetchone().one == 1
    from databricks.sdk import WorkspaceClient

    workspace = WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token=os.environ["DATABRICKS_TOKEN"])
    recent = workspace.query_history.list(max_results=50).res
    assert any(tag.key == "team" and tag.value == unique for query in recent for tag in query.query_tags or [])


@claim("the catalogs are listed", call="SHOW CATALOGS", engine="catalog")
def test_catalogs(cursor):
    cursor.catalogs()
    assert "main" in [row[0] for row in cursor.fetchall()]


@claim("the schemas of a catalog are listed by a pattern", call="SHOW SCHEMAS IN … LIKE …", engine="catalog")
def test_schemas(cursor, unique):
    cursor.execute(f"CREATE SCHEMA main.{unique}")
    cursor.schemas(catalog_name="main", schema_name=unique[:8] + "*")
    assert [row[0] for row in cursor.fetchall()] == [unique]
    cursor.schemas(catalog_name="main", schema_name="nothing_like_it")
    assert cursor.fetchall() == []
    cursor.execute(f"DROP SCHEMA main.{unique}")


@claim("the tables of a schema are listed by a pattern", call="SHOW TABLES IN CATALOG … SCHEMA LIKE … LIKE …", engine="catalog")
def test_tables(cursor, table, unique):
    cursor.tables(catalog_name="main", schema_name="default", table_name=unique)
    rows = cursor.fetchall()
    assert [(row.namespace, row.tableName, row.tableType, row.catalogName) for row in rows] == [
        ("default", unique, "TABLE", "main")
    ]


@claim("tables are listed over all catalogs", call="SHOW TABLES IN ALL CATALOGS", engine="catalog")
def test_tables_of_all_catalogs(cursor, table, unique):
    other = f"c{unique}"
    cursor.execute(f"CREATE CATALOG {other}")
    cursor.execute(f"CREATE SCHEMA {other}.s")
    cursor.execute(f"CREATE TABLE {other}.s.{unique} (a INT)")
    cursor.tables(table_name=unique)
    assert sorted(row.catalogName for row in cursor.fetchall()) == sorted(["main", other])
    cursor.execute(f"DROP CATALOG {other} CASCADE")


@claim("views are listed beside tables and can be asked for alone", call="SHOW TABLES IN CATALOG …", engine="catalog")
def test_views_are_listed(cursor, table, unique):
    cursor.execute(f"CREATE VIEW main.default.{unique}_v AS SELECT id FROM {table}")
    cursor.tables(catalog_name="main", schema_name="default", table_name=unique + "*", table_types=["VIEW"])
    assert [row.tableName for row in cursor.fetchall()] == [unique + "_v"]
    cursor.execute(f"SELECT count(*) AS n FROM main.default.{unique}_v")
    assert cursor.fetchone().n == 3
    cursor.execute(f"DROP VIEW main.default.{unique}_v")


@claim("the columns of a table are listed with their types", call="SHOW COLUMNS IN CATALOG … SCHEMA LIKE … TABLE LIKE …", engine="catalog")
def test_columns(cursor, table, unique):
    cursor.columns(catalog_name="main", schema_name="default", table_name=unique)
    rows = cursor.fetchall()
    assert [(row.col_name, row.columnType.upper()) for row in rows] == [
        ("id", "BIGINT"), ("name", "STRING"), ("price", "DECIMAL(10,2)"),
    ]
    cursor.columns(catalog_name="main", schema_name="default", table_name=unique, column_name="pr*")
    assert [row.col_name for row in cursor.fetchall()] == ["price"]


@claim("primary and foreign keys are listed as drivers read them", call="SHOW KEYS, SHOW FOREIGN KEYS", engine="catalog")
def test_keys(cursor, unique):
    parent, child = f"{unique}_p", f"{unique}_c"
    cursor.execute(f"CREATE TABLE {parent} (id INT NOT NULL, CONSTRAINT pk PRIMARY KEY (id))")
    cursor.execute(f"CREATE TABLE {child} (p INT, CONSTRAINT fk FOREIGN KEY (p) REFERENCES {parent} (id))")
    cursor.execute(f"SHOW KEYS IN CATALOG main IN SCHEMA default IN TABLE {parent}")
    keys = cursor.fetchall()
    assert [(key.col_name, key.keySeq, key.constraintName) for key in keys] == [("id", 1, "pk")]
    cursor.execute(f"SHOW FOREIGN KEYS IN CATALOG main IN SCHEMA default IN TABLE {child}")
    key = cursor.fetchone()
    assert (key.parentTableName, key.parentColName, key.tableName, key.col_name) == (parent, "id", child, "p")


@claim("a query is described without being run", call="DESCRIBE QUERY", engine="DataFusion")
def test_describe_query(cursor):
    cursor.execute("DESCRIBE QUERY SELECT 1 AS a, array('x') AS b")
    assert [(row.col_name, row.data_type) for row in cursor.fetchall()] == [("a", "int"), ("b", "array<string>")]


@claim("the information schema is a relation like any other", call="information_schema.columns", engine="catalog")
def test_information_schema(cursor, table, unique):
    cursor.execute(
        "SELECT column_name, is_nullable, full_data_type FROM main.information_schema.columns "
        f"WHERE table_name = '{unique}' ORDER BY ordinal_position"
    )
    assert [tuple(row) for row in cursor.fetchall()] == [
        ("id", "NO", "bigint"), ("name", "YES", "string"), ("price", "YES", "decimal(10,2)"),
    ]


@claim("the volumes of a schema are listed", call="SHOW VOLUMES IN …", engine="catalog")
def test_volumes(cursor, unique):
    cursor.execute(f"CREATE VOLUME main.default.{unique}")
    cursor.execute("SHOW VOLUMES IN main.default")
    assert unique in [row.volume_name for row in cursor.fetchall()]
    cursor.execute(f"DROP VOLUME main.default.{unique}")


@claim("behind TLS the sandbox's own authority vouches for it", call="https", engine="TLS")
def test_https():
    address = urlsplit(os.environ["TWINHOUSE_DATABRICKS_HTTPS_URL"])
    secure = {"server_hostname": address.hostname, "_port": address.port}
    with connect(**secure, _tls_trusted_ca_file=os.environ["TWINHOUSE_SANDBOX_CA"]) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM range(200000)")
            assert cursor.fetchall_arrow().num_rows == 200_000


@claim("behind TLS a client that does not know the authority is turned away", call="https", engine="TLS")
def test_https_stranger():
    address = urlsplit(os.environ["TWINHOUSE_DATABRICKS_HTTPS_URL"])
    with pytest.raises(Exception) as refused:
        connect(server_hostname=address.hostname, _port=address.port, _retry_stop_after_attempts_count=1)
    texts = []
    error = refused.value
    while error is not None:
        texts.append(f"{error!r} {error}")
        error = error.__cause__ or error.__context__
    assert any("CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower() for text in texts), texts
    assert ssl.OPENSSL_VERSION
