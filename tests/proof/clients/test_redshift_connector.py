"""Amazon's own driver for Python: log-in, statements, transactions, types."""

import datetime
import decimal
import threading

import cluster
import pytest
import redshift_connector
from claims import claim, refusal
from patience import PATIENCE, until
from redshift_connector.error import InterfaceError, ProgrammingError

CLIENT = "redshift_connector"
D = decimal.Decimal


@pytest.fixture(autouse=True)
def authority(monkeypatch):
    """The driver trusts its own bundle, and whom this names."""
    monkeypatch.setenv("SSL_CERT_FILE", cluster.CA)


def connect(**changes):
    login = dict(
        host=cluster.HOST,
        port=cluster.PORT,
        user=cluster.USER,
        password=cluster.PASSWORD,
        database=cluster.DATABASE,
    )
    return redshift_connector.connect(**{**login, **changes})


@pytest.fixture
def connection():
    connection = connect()
    yield connection
    connection.close()


@pytest.fixture
def cursor(connection):
    connection.autocommit = True
    return connection.cursor()


def rows(cursor, sql, *arguments):
    return [tuple(row) for row in cursor.execute(sql, *arguments).fetchall()]


def sqlstate(error):
    return error.value.args[0]["C"]


@claim("a user logs in by password, over TLS, with the driver's own start-up parameters",
       call="StartupMessage, AuthenticationMD5Password", engine="PostgreSQL")
def test_password(cursor):
    assert rows(cursor, "select current_user, current_database()") == [(cluster.USER, cluster.DATABASE)]
    who = rows(cursor, "select count(*) from stv_sessions where process = pg_backend_pid()")
    assert who == [(1,)]


@claim("the server is a Redshift by its version, and one that the driver can parse",
       call="ParameterStatus server_version", engine="PostgreSQL")
def test_version(connection, cursor):
    statuses = {name: value for name, value in connection.parameter_statuses}
    assert statuses[b"server_version"] == b"8.0.2"
    assert " Redshift 1.0." in rows(cursor, "select version()")[0][0]


@refusal("a wrong password", call="PasswordMessage",
         message='password authentication failed for user "awsuser"')
def test_wrong_password(refused):
    with pytest.raises(InterfaceError) as error:
        connect(password=cluster.PASSWORD + "x")
    assert sqlstate(error) == "28000"
    assert refused == error.value.args[0]["M"]


@refusal("a database that is not there", call="StartupMessage",
         message='database "nowhere" does not exist')
def test_unknown_database(refused):
    with pytest.raises(ProgrammingError) as error:
        connect(database="nowhere")
    assert sqlstate(error) == "3D000"
    assert refused == error.value.args[0]["M"]


@claim("a client that does not trust the sandbox's authority is told so by its own TLS",
       call="SSLRequest", engine="PostgreSQL")
def test_unknown_authority(monkeypatch, tmp_path):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
        connect()


@claim("integers go as binary parameters and come back as what they are, to the ends of their types",
       call="Parse, Bind, Execute, Flush", engine="PostgreSQL")
def test_integers(cursor):
    values = (0, -1, 32767, -32768, 32768, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
    assert rows(cursor, "select " + ", ".join(["%s"] * len(values)), values) == [values]


@claim("text goes as Redshift's own unknown type and keeps quotes, backslashes and any letter",
       call="Bind, OID 705", engine="PostgreSQL")
@pytest.mark.parametrize("text", ["plain", "it's", "back\\slash", "Grüße, 世界 🦉", "$1 %s ? :a", "", " x "])
def test_text(cursor, text):
    assert rows(cursor, "select %s::varchar(100), len(%s::varchar(100))", (text, text)) == [(text, len(text))]


@claim("NULL goes and comes", call="Bind", engine="PostgreSQL")
def test_null(cursor):
    assert rows(cursor, "select %s::int, %s::varchar, nvl(%s::int, 7)", (None, None, None)) == [(None, None, 7)]


@claim("NUMERIC is exact at 38 digits, in the binary form that Redshift alone has",
       call="RowDescription, DataRow (binary NUMERIC)", engine="PostgreSQL")
def test_numeric(cursor, unique):
    cursor.execute(f"create table {unique} (k int, a numeric(38, 10), b numeric(18, 4), c numeric(5, 0))")
    values = [
        (1, D("1234567890123456789012345678.1234567891"), D("12345678901234.5678"), D("99999")),
        (2, D("-1234567890123456789012345678.1234567891"), D("-12345678901234.5678"), D("-99999")),
        (3, D("0.0000000001"), D("-0.0001"), D("0")),
        (4, None, None, None),
    ]
    cursor.executemany(f"insert into {unique} values (%s, %s, %s, %s)", values)
    assert rows(cursor, f"select * from {unique} order by k") == values


@claim("sums of NUMERIC keep every digit", call="Parse, Bind, Execute", engine="PostgreSQL")
def test_numeric_sums(cursor):
    exact = rows(cursor, "select sum(a)::numeric(38, 2) from (select 0.1::numeric(20, 2) as a union all select 0.2)")
    assert exact == [(D("0.30"),)]


@claim("dates, times and timestamps come as what they are, to the microsecond",
       call="DataRow", engine="PostgreSQL")
def test_times(cursor):
    utc = datetime.timezone.utc
    found = rows(
        cursor,
        "select date '1999-12-31', time '23:59:59.999999', timestamp '2024-02-29 12:34:56.789012', "
        "timestamptz '2024-02-29 12:34:56.789012+02'",
    )
    assert found == [(
        datetime.date(1999, 12, 31),
        datetime.time(23, 59, 59, 999999),
        datetime.datetime(2024, 2, 29, 12, 34, 56, 789012),
        datetime.datetime(2024, 2, 29, 10, 34, 56, 789012, tzinfo=utc),
    )]


@claim("dates, timestamps and booleans go as parameters", call="Bind", engine="PostgreSQL")
def test_times_as_parameters(cursor):
    at = datetime.datetime(2024, 2, 29, 12, 34, 56, 789012)
    values = (at, at.date(), True, 1.5)
    assert rows(cursor, "select %s::timestamp, %s::date, %s::bool, %s::float8", values) == [values]


@claim("SUPER comes as JSON text without blanks, and is navigated by its paths",
       call="DataRow, OID 4000", engine="PostgreSQL")
def test_super(cursor):
    assert rows(cursor, """select json_parse('{"a": [1, {"b": "x y"}]}')""") == [('{"a":[1,{"b":"x y"}]}',)]


@claim("VARBYTE comes as the hex digits of the bytes that were put in", call="DataRow, OID 6551", engine="PostgreSQL")
def test_bytes(cursor):
    # The driver reads the hex digits, and the bytes as text.
    assert rows(cursor, "select to_varbyte('Grüße', 'utf8')") == [("Grüße",)]
    assert rows(cursor, "select to_hex(to_varbyte('00ff10', 'hex')), len(to_varbyte('00ff10', 'hex'))") == [("00ff10", 3)]


@claim("doubles keep every digit, and infinity is one", call="DataRow", engine="PostgreSQL")
def test_floats(cursor):
    values = (0.1, 1 / 3, 1e308, 5e-324, -0.0)
    found = rows(cursor, "select " + ", ".join(["%s::float8"] * len(values)), values)
    assert found == [values]
    assert rows(cursor, "select 'infinity'::float8")[0][0] == float("inf")


@claim("what a cursor says of its columns is their names and Redshift's types",
       call="RowDescription", engine="PostgreSQL")
def test_description(cursor):
    cursor.execute("select 1::int4 as i, 'x'::varchar(5) as t, 1.5::numeric(5, 2) as n, json_parse('1') as s")
    assert [(column[0], column[1]) for column in cursor.description] == [("i", 23), ("t", 1043), ("n", 1700), ("s", 4000)]


@claim("a statement is prepared once and run many times, and the count of rows is right",
       call="Parse, Bind, Execute", engine="PostgreSQL")
def test_executemany(cursor, unique):
    cursor.execute(f"create table {unique} (k int, v varchar(20))")
    cursor.executemany(f"insert into {unique} values (%s, %s)", [(k, f"v{k}") for k in range(200)])
    assert rows(cursor, f"select count(*), min(v), max(k) from {unique}") == [(200, "v0", 199)]
    cursor.execute(f"delete from {unique} where k < %s", (50,))
    assert cursor.rowcount == 50


@claim("many rows go in by one INSERT of the driver's own making", call="Bind with many parameters", engine="PostgreSQL")
def test_insert_data_bulk(cursor, unique, tmp_path):
    cursor.execute(f"create table {unique} (a int, b varchar(20))")
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n" + "".join(f"{k},v{k}\n" for k in range(25)))
    cursor.insert_data_bulk(str(file), unique, [0, 1], ["a", "b"], ",", batch_size=10)
    assert rows(cursor, f"select count(*), sum(a::int), max(b) from {unique}") == [(25, 300, "v9")]


@claim("a data frame goes in and comes out", call="Parse, Bind, Execute", engine="PostgreSQL")
def test_dataframes(cursor, unique):
    import pandas

    cursor.execute(f"create table {unique} (k int, v varchar(20))")
    frame = pandas.DataFrame({"k": [1, 2, 3], "v": ["a", "b'", "ü"]})
    cursor.write_dataframe(frame, unique)
    cursor.execute(f"select k, v from {unique} order by k")
    back = cursor.fetch_dataframe()
    assert back["k"].tolist() == [1, 2, 3] and back["v"].tolist() == ["a", "b'", "ü"]


@claim("a result comes in portions, and as an array", call="Execute", engine="PostgreSQL")
def test_fetching(cursor):
    cursor.execute("select 1 as a union all select 2 union all select 3 order by a")
    assert tuple(cursor.fetchone()) == (1,)
    assert [tuple(row) for row in cursor.fetchmany(1)] == [(2,)]
    assert [tuple(row) for row in cursor] == [(3,)]
    cursor.execute("select 1 as a, 2 as b union all select 3, 4 order by a")
    assert cursor.fetch_numpy_array().tolist() == [[1, 2], [3, 4]]


@claim("every style of parameters reaches the server", call="Parse, Bind", engine="PostgreSQL")
@pytest.mark.parametrize("style, sql, values", [
    ("format", "select %s::int + %s::int", (1, 2)),
    ("pyformat", "select %(a)s::int + %(b)s::int", {"a": 1, "b": 2}),
    ("qmark", "select ?::int + ?::int", (1, 2)),
    ("numeric", "select :1::int + :2::int", (1, 2)),
    ("named", "select :a::int + :b::int", {"a": 1, "b": 2}),
])
def test_styles(cursor, style, sql, values):
    cursor.paramstyle = style
    assert rows(cursor, sql, values) == [(3,)]


@claim("a transaction that is rolled back leaves nothing, one that is committed is seen by others",
       call="Parse begin transaction, commit, rollback", engine="PostgreSQL")
def test_transactions(connection, unique):
    ours = connection.cursor()
    ours.execute(f"create table {unique} (k int)")
    connection.commit()
    ours.execute(f"insert into {unique} values (1)")
    connection.rollback()
    ours.execute(f"insert into {unique} values (2)")
    with connect() as other:
        assert rows(other.cursor(), f"select count(*) from {unique}") == [(0,)]
    connection.commit()
    with connect() as other:
        assert rows(other.cursor(), f"select k from {unique}") == [(2,)]


@claim("with autocommit every statement counts at once, and VACUUM runs", call="Parse, Bind, Execute", engine="PostgreSQL")
def test_autocommit(cursor, unique):
    cursor.execute(f"create table {unique} (k int)")
    cursor.execute(f"insert into {unique} values (1)")
    cursor.execute(f"vacuum {unique}")
    with connect() as other:
        assert rows(other.cursor(), f"select k from {unique}") == [(1,)]


@claim("after an error a transaction takes nothing until it is rolled back", call="ErrorResponse 25P02", engine="PostgreSQL")
def test_failed_transaction(connection):
    ours = connection.cursor()
    with pytest.raises(ProgrammingError) as error:
        ours.execute("select * from not_there")
    assert sqlstate(error) == "42P01"
    with pytest.raises(ProgrammingError) as error:
        ours.execute("select 1")
    assert sqlstate(error) == "25P02"
    connection.rollback()
    assert rows(ours, "select 1") == [(1,)]


@claim("errors carry Redshift's SQLSTATE", call="ErrorResponse", engine="PostgreSQL")
@pytest.mark.parametrize("sql, code", [
    ("select * from not_there", "42P01"),
    ("select not_there from svv_tables", "42703"),
    ("selec 1", "42601"),
    ("select 1 / 0", "22012"),
    ("select 'x'::int", "22P02"),
    ("create schema public", "42P06"),
])
def test_sqlstates(cursor, sql, code):
    with pytest.raises(ProgrammingError) as error:
        cursor.execute(sql)
    assert sqlstate(error) == code
    assert rows(cursor, "select 1") == [(1,)]


@claim("a statement time-out ends a slow query on the server", call="SET statement_timeout", engine="PostgreSQL")
def test_statement_timeout(cursor):
    cursor.execute("set statement_timeout to 300")
    with pytest.raises(ProgrammingError) as error:
        cursor.execute("select count(*) from svv_all_columns a, svv_all_columns b, svv_all_columns c, svv_all_columns d, "
                       "svv_all_columns e, svv_all_columns f")
    assert sqlstate(error) == "57014"


@claim("another session stops a query by its process number", call="CANCEL pid", engine="PostgreSQL")
def test_cancel(connection, cursor):
    busy = connect()
    busy.autocommit = True
    theirs = busy.cursor()
    (pid,) = rows(theirs, "select pg_backend_pid()")[0]
    ended = []

    def work():
        digits = "(select 0 as n" + "".join(f" union all select {n}" for n in range(1, 10)) + ")"
        tables = ", ".join(f"{digits} d{n}" for n in range(12))
        try:
            theirs.execute(f"select sum(d0.n * d11.n) from {tables}")
        except ProgrammingError as error:
            ended.append(error.args[0]["C"])

    worker = threading.Thread(target=work)
    worker.start()
    until(lambda: rows(cursor, "select 1 from stv_inflight where pid = %s", (pid,)))
    cursor.execute(f"cancel {pid}")
    worker.join(PATIENCE)
    assert ended == ["57014"]
    busy.close()


@claim("rows of 100 000 come whole and in order", call="Execute", engine="PostgreSQL")
def test_large_results(cursor):
    digits = "(select 0 as n" + "".join(f" union all select {n}" for n in range(1, 10)) + ")"
    number = " + ".join(f"d{n}.n * {10**n}" for n in range(5))
    tables = ", ".join(f"{digits} d{n}" for n in range(5))
    cursor.execute(f"select i, 'row ' || i from (select {number} as i from {tables}) order by i")
    found = cursor.fetchall()
    assert len(found) == 100_000
    assert all(tuple(row) == (at, f"row {at}") for at, row in enumerate(found))


@claim("a session's settings are its own: query_group labels its statements", call="SET query_group", engine="PostgreSQL")
def test_query_group(cursor, unique):
    cursor.execute(f"set query_group to '{unique}'")
    cursor.execute("select 42 as labelled")
    found = rows(cursor, f"select trim(query_text) from sys_query_history where trim(query_label) = '{unique}' "
                         "and query_text like 'select 42%'")
    assert found == [("select 42 as labelled",)]


@refusal("SAVEPOINT, as on Redshift", call="Parse",
         message='SQL command "savepoint a" not supported.')
def test_savepoint(connection, refused):
    with pytest.raises(ProgrammingError) as error:
        connection.cursor().execute("savepoint a")
    assert sqlstate(error) == "0A000"
    assert refused == error.value.args[0]["M"]


@refusal("COPY in the extended protocol", call="Parse",
         message="COPY is not supported in the extended query protocol")
def test_extended_copy(cursor, unique, refused):
    cursor.execute(f"create table {unique} (k int)")
    with pytest.raises(ProgrammingError) as error:
        cursor.execute(f"copy {unique} from 's3://{cluster.BUCKET}/{unique}/' {cluster.KEYS} csv")
    assert refused == error.value.args[0]["M"]
