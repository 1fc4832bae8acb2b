"""psycopg2 and the libpq inside it: what most Python programs reach Redshift with."""

import decimal
import io
import json

import boto3
import cluster
import psycopg2
import psycopg2.extras
import pytest
from claims import claim, refusal

CLIENT = "psycopg2-binary"


def connect(**changes):
    login = dict(
        host=cluster.HOST,
        port=cluster.PORT,
        user=cluster.USER,
        password=cluster.PASSWORD,
        dbname=cluster.DATABASE,
        sslmode="verify-full",
        sslrootcert=cluster.CA,
    )
    return psycopg2.connect(**{**login, **changes})


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
    cursor.execute(sql, *arguments)
    return cursor.fetchall()


@claim("the certificate is verified to the host's name, and the session is encrypted",
       call="SSLRequest, sslmode=verify-full", engine="PostgreSQL")
def test_verify_full(connection):
    assert connection.info.ssl_in_use
    assert connection.info.ssl_attribute("protocol") in ("TLSv1.2", "TLSv1.3")
    assert connection.server_version == 80002


@refusal("a session without TLS", call="StartupMessage, sslmode=disable",
         message='no pg_hba.conf entry for host "127.0.0.1", user "awsuser", database "dev", SSL off')
def test_without_tls(refused):
    with pytest.raises(psycopg2.OperationalError) as error:
        connect(sslmode="disable")
    assert refused in str(error.value)


@claim("values are put into the text by the client, with Redshift's escapes, and come back unchanged",
       call="Query", engine="PostgreSQL")
@pytest.mark.parametrize("value", ["it's", "back\\slash", "a\nb\tc", "ü 世界 🦉", "%s", "", "\\'", "; drop table x"])
def test_texts(cursor, value):
    assert rows(cursor, "select %s::varchar(100)", (value,)) == [(value,)]


@claim("numbers, NULL, dates and lists are put into the text", call="Query", engine="PostgreSQL")
def test_values(cursor):
    values = (1, -2.5, decimal.Decimal("1.10"), None, True)
    assert rows(cursor, "select %s::int, %s::float8, %s::numeric(5, 2), %s::int, %s::bool", values) == [values]
    assert rows(cursor, "select 1 where 2 in %s", ((1, 2, 3),)) == [(1,)]


@claim("a text of several statements is one transaction: all of it or nothing", call="Query", engine="PostgreSQL")
def test_several_statements(cursor, unique):
    cursor.execute(f"create table {unique} (k int); insert into {unique} values (1); insert into {unique} values (2)")
    assert rows(cursor, f"select count(*) from {unique}") == [(2,)]
    with pytest.raises(psycopg2.errors.UndefinedTable):
        cursor.execute(f"insert into {unique} values (3); select * from not_there")
    assert rows(cursor, f"select count(*) from {unique}") == [(2,)]


@claim("a transaction is committed by the with block, and rolled back by its exception", call="Query BEGIN, COMMIT",
       engine="PostgreSQL")
def test_transactions(connection, unique):
    with connection, connection.cursor() as cursor:
        cursor.execute(f"create table {unique} (k int)")
    with pytest.raises(ZeroDivisionError):
        with connection, connection.cursor() as cursor:
            cursor.execute(f"insert into {unique} values (1)")
            raise ZeroDivisionError
    with connection, connection.cursor() as cursor:
        assert rows(cursor, f"select count(*) from {unique}") == [(0,)]


@claim("a server-side cursor fetches portions in a transaction", call="DECLARE, FETCH, CLOSE", engine="PostgreSQL")
def test_named_cursor(connection):
    cursor = connection.cursor("portions")
    cursor.itersize = 2
    cursor.execute("select 1 as n union all select 2 union all select 3 union all select 4 union all select 5 order by n")
    assert cursor.fetchmany(2) == [(1,), (2,)]
    assert [row for row in cursor] == [(3,), (4,), (5,)]
    cursor.close()
    connection.rollback()


@refusal("a second open cursor in a session", call="DECLARE",
         message="cannot declare a second cursor: only one open cursor is allowed in a session")
def test_second_cursor(connection, refused):
    first, second = connection.cursor("one"), connection.cursor("two")
    first.execute("select 1")
    with pytest.raises(psycopg2.Error) as error:
        second.execute("select 2")
    assert error.value.pgcode == "42P03"
    assert error.value.diag.message_primary == refused
    connection.rollback()


@refusal("COPY from the client's own stream", call="COPY … FROM STDIN",
         message="LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)")
def test_copy_from_stdin(cursor, unique, refused):
    cursor.execute(f"create table {unique} (k int)")
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as error:
        cursor.copy_expert(f"copy {unique} from stdin", io.StringIO("1\n"))
    assert error.value.diag.message_primary == refused


@refusal("COPY to the client's own stream", call="COPY … TO STDOUT", message="COPY TO is not supported")
def test_copy_to_stdout(cursor, unique, refused):
    cursor.execute(f"create table {unique} (k int)")
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as error:
        cursor.copy_expert(f"copy {unique} to stdout", io.StringIO())
    assert (error.value.diag.message_primary, error.value.diag.message_hint) == (refused, "use UNLOAD")


@claim("COPY loads CSV from the staging bucket and says how many rows in a notice", call="COPY … FROM 's3://…'",
       engine="PostgreSQL")
def test_copy_csv(connection, cursor, unique):
    boto3.client("s3").put_object(Bucket=cluster.BUCKET, Key=f"{unique}/a.csv", Body=b'1,one\n2,"t,wo"\n')
    cursor.execute(f"create table {unique} (k int, v varchar(20))")
    cursor.execute(f"copy {unique} from 's3://{cluster.BUCKET}/{unique}/' {cluster.KEYS} csv")
    assert any("2 record(s) loaded successfully" in notice for notice in connection.notices)
    assert rows(cursor, f"select * from {unique} order by k") == [(1, "one"), (2, "t,wo")]
    assert rows(cursor, "select pg_last_copy_count()") == [(2,)]


@claim("COPY loads Parquet that somebody else wrote", call="COPY … FORMAT PARQUET", engine="PostgreSQL")
def test_copy_parquet(cursor, unique):
    import pyarrow
    import pyarrow.parquet

    exact = decimal.Decimal("12345678901234567890.123456")
    table = pyarrow.table({
        "k": pyarrow.array([1, 2], pyarrow.int64()),
        "v": pyarrow.array(["a", None]),
        "n": pyarrow.array([exact, None], pyarrow.decimal128(26, 6)),
    })
    body = io.BytesIO()
    pyarrow.parquet.write_table(table, body)
    boto3.client("s3").put_object(Bucket=cluster.BUCKET, Key=f"{unique}/a.parquet", Body=body.getvalue())
    cursor.execute(f"create table {unique} (k bigint, v varchar(20), n numeric(26, 6))")
    cursor.execute(f"copy {unique} from 's3://{cluster.BUCKET}/{unique}/' iam_role '{cluster.ROLE}' format as parquet")
    assert rows(cursor, f"select * from {unique} order by k") == [(1, "a", exact), (2, None, None)]


@claim("a COPY that fails says which row and why in stl_load_errors, and loads nothing", call="COPY, stl_load_errors",
       engine="PostgreSQL")
def test_copy_errors(cursor, unique):
    boto3.client("s3").put_object(Bucket=cluster.BUCKET, Key=f"{unique}/a.csv", Body=b"1\nx\n3\n")
    cursor.execute(f"create table {unique} (k int)")
    with pytest.raises(psycopg2.Error) as error:
        cursor.execute(f"copy {unique} from 's3://{cluster.BUCKET}/{unique}/' {cluster.KEYS} csv")
    assert error.value.pgcode == "XX000"
    assert f"Load into table '{unique}' failed." in error.value.diag.message_primary
    told = rows(cursor, "select line_number, trim(colname), trim(raw_field_value), err_code from stl_load_errors "
                        "where query = pg_last_copy_id()")
    assert told == [(2, "k", "x", 1207)]
    assert rows(cursor, f"select count(*) from {unique}") == [(0,)]


@claim("UNLOAD writes files and a manifest that boto3 reads", call="UNLOAD … MANIFEST", engine="PostgreSQL")
def test_unload(cursor, unique):
    cursor.execute(f"create table {unique} (k int, v varchar(20)); insert into {unique} values (1, 'a|b'), (2, null)")
    cursor.execute(f"unload ('select * from {unique} order by k') to 's3://{cluster.BUCKET}/{unique}/out_' "
                   f"{cluster.KEYS} csv parallel off manifest")
    store = boto3.client("s3")
    manifest = json.load(store.get_object(Bucket=cluster.BUCKET, Key=f"{unique}/out_manifest")["Body"])
    keys = [entry["url"].removeprefix(f"s3://{cluster.BUCKET}/") for entry in manifest["entries"]]
    text = b"".join(store.get_object(Bucket=cluster.BUCKET, Key=key)["Body"].read() for key in keys)
    assert text == b"1,a|b\n2,\n"
    assert rows(cursor, "select pg_last_unload_count()") == [(2,)]


@claim("UNLOAD writes Parquet that somebody else reads", call="UNLOAD … FORMAT PARQUET", engine="PostgreSQL")
def test_unload_parquet(cursor, unique):
    import pyarrow.parquet

    cursor.execute(f"unload ('select 1::bigint as k, 12.50::numeric(10, 2) as n, ''x''::varchar(5) as v') "
                   f"to 's3://{cluster.BUCKET}/{unique}/' {cluster.KEYS} format as parquet parallel off")
    store = boto3.client("s3")
    (key,) = [entry["Key"] for entry in store.list_objects_v2(Bucket=cluster.BUCKET, Prefix=f"{unique}/")["Contents"]]
    table = pyarrow.parquet.read_table(io.BytesIO(store.get_object(Bucket=cluster.BUCKET, Key=key)["Body"].read()))
    assert table.to_pylist() == [{"k": 1, "n": decimal.Decimal("12.50"), "v": "x"}]


@claim("an error has Redshift's SQLSTATE, and its position points into the client's text", call="ErrorResponse",
       engine="PostgreSQL")
def test_error_position(cursor):
    with pytest.raises(psycopg2.errors.UndefinedColumn) as error:
        cursor.execute("select nvl(1, 2), dateadd(day, 1, getdate()), wrong")
    assert int(error.value.diag.statement_position) == len("select nvl(1, 2), dateadd(day, 1, getdate()), ") + 1


@claim("a query is cancelled from another thread by the protocol's own request", call="CancelRequest", engine="PostgreSQL")
def test_cancel(connection):
    import threading

    timer = threading.Timer(0.5, connection.cancel)
    timer.start()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        connection.cursor().execute("select count(*) from svv_all_columns a, svv_all_columns b, svv_all_columns c, "
                                    "svv_all_columns d, svv_all_columns e, svv_all_columns f")
    timer.join()
    connection.rollback()
    assert rows(connection.cursor(), "select 1") == [(1,)]


@claim("Redshift's own functions answer: NVL, DECODE, DATEADD, DATEDIFF, LISTAGG, MEDIAN, GETDATE, JSON_EXTRACT_PATH_TEXT",
       call="Query", engine="PostgreSQL")
@pytest.mark.parametrize("expression, expected", [
    ("nvl(null, 'a')", "a"),
    ("nvl2(null, 1, 2)", 2),
    ("decode(2, 1, 'one', 2, 'two', 'many')", "two"),
    ("dateadd(month, 1, '2024-01-31'::date)::varchar(10)", "2024-02-29"),
    ("datediff(day, '2024-02-28', '2024-03-01')", 2),
    ("getdate() > '2020-01-01'", True),
    ("json_extract_path_text('{\"a\": {\"b\": 7}}', 'a', 'b')", "7"),
    ("(select listagg(n, '-') within group (order by n desc) from (select 1 as n union all select 2))", "2-1"),
    ("(select median(n)::int from (select 1 as n union all select 2 union all select 30))", 2),
    ("strtol('ff', 16)", 255),
    ("left('redshift', 3) || right('redshift', 5)", "redshift"),
])
def test_functions(cursor, expression, expected):
    assert rows(cursor, f"select {expression}") == [(expected,)]


@claim("MERGE updates what is there and inserts what is not", call="MERGE", engine="PostgreSQL")
def test_merge(cursor, unique):
    cursor.execute(f"create table {unique} (k int, v varchar(5)); create table {unique}_s (k int, v varchar(5)); "
                   f"insert into {unique} values (1, 'a'), (2, 'b'); insert into {unique}_s values (2, 'B'), (3, 'C')")
    cursor.execute(f"merge into {unique} using {unique}_s s on {unique}.k = s.k "
                   f"when matched then update set v = s.v when not matched then insert values (s.k, s.v)")
    assert rows(cursor, f"select * from {unique} order by k") == [(1, "a"), (2, "B"), (3, "C")]


@claim("two transactions that form a cycle: the second to commit fails with 1023", call="COMMIT, ErrorResponse XX000",
       engine="PostgreSQL")
def test_serialization_conflict(unique):
    one, two = connect(), connect()
    with one, one.cursor() as cursor:
        cursor.execute(f"create table {unique} (k int); insert into {unique} values (1)")
    a, b = one.cursor(), two.cursor()
    a.execute(f"select sum(k) from {unique}")
    b.execute(f"select sum(k) from {unique}")
    a.execute(f"insert into {unique} values (10)")
    b.execute(f"insert into {unique} values (20)")
    one.commit()
    with pytest.raises(psycopg2.Error) as error:
        two.commit()
    assert error.value.pgcode == "XX000"
    assert error.value.diag.message_primary == "1023"
    assert "Serializable isolation violation" in error.value.diag.message_detail
    one.close(), two.close()


@claim("TRUNCATE commits the transaction it stands in", call="TRUNCATE", engine="PostgreSQL")
def test_truncate_commits(connection, unique):
    cursor = connection.cursor()
    cursor.execute(f"create table {unique} (k int)")
    cursor.execute(f"insert into {unique} values (1)")
    cursor.execute(f"truncate {unique}")
    connection.rollback()
    assert rows(cursor, f"select count(*) from {unique}") == [(0,)]


@claim("quoted names fold to lower case unless the session says otherwise", call="SET enable_case_sensitive_identifier",
       engine="PostgreSQL")
def test_case(cursor, unique):
    cursor.execute(f'create table "{unique}_Mixed" ("Key" int)')
    assert rows(cursor, f"select count(\"KEY\") from {unique}_mixed") == [(0,)]
    cursor.execute("set enable_case_sensitive_identifier to true")
    cursor.execute(f'create table "{unique}_Kept" ("Key" int)')
    with pytest.raises(psycopg2.errors.UndefinedTable):
        cursor.execute(f"select * from {unique}_kept")


@claim("lengths of VARCHAR are bytes", call="INSERT", engine="PostgreSQL")
def test_lengths(cursor, unique):
    cursor.execute(f"create table {unique} (v varchar(4))")
    cursor.execute(f"insert into {unique} values ('üü')")
    with pytest.raises(psycopg2.Error) as error:
        cursor.execute(f"insert into {unique} values ('üüü')")
    assert error.value.pgcode == "22001"


@refusal("an index", call="CREATE INDEX", message='SQL command "create index i on t (a)" not supported.')
def test_index(cursor, refused):
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as error:
        cursor.execute("create index i on t (a)")
    assert error.value.diag.message_primary == refused


@refusal("ON CONFLICT", call="INSERT", message='syntax error at or near "on"')
def test_on_conflict(cursor, unique, refused):
    cursor.execute(f"create table {unique} (k int primary key)")
    with pytest.raises(psycopg2.errors.SyntaxError) as error:
        cursor.execute(f"insert into {unique} values (1) on conflict do nothing")
    assert error.value.diag.message_primary == refused


@refusal("an extended string literal, E'…'", call="Query", message='type "e" does not exist')
def test_extended_literal(cursor, refused):
    with pytest.raises(psycopg2.errors.UndefinedObject) as error:
        cursor.execute("select E'a'")
    assert error.value.diag.message_primary == refused


@refusal("GEOMETRY, which Redshift has and the sandbox has not", call="CREATE TABLE",
         message="the type GEOMETRY is not supported by the sandbox")
def test_geometry(cursor, refused):
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as error:
        cursor.execute("create table g (a geometry)")
    assert error.value.diag.message_primary == refused


@refusal("an external schema, which Redshift has and the sandbox has not", call="CREATE EXTERNAL SCHEMA",
         message="CREATE EXTERNAL is not supported by the sandbox")
def test_external_schema(cursor, refused):
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as error:
        cursor.execute(f"create external schema s from data catalog database 'd' iam_role '{cluster.ROLE}'")
    assert error.value.diag.message_primary == refused


@refusal("a role that the sandbox does not know, in COPY", call="COPY … IAM_ROLE",
         message="User arn:aws:redshift:us-east-1:000000000000:dbuser:sandbox/user is not authorized to assume IAM Role "
                 "arn:aws:iam::1:role/other")
def test_unknown_role(cursor, unique, refused):
    cursor.execute(f"create table {unique} (k int)")
    with pytest.raises(psycopg2.Error) as error:
        cursor.execute(f"copy {unique} from 's3://{cluster.BUCKET}/x' iam_role 'arn:aws:iam::1:role/other' csv")
    assert error.value.diag.message_primary == refused


@claim("SHOW lists databases, schemas, tables and columns, by pattern", call="SHOW DATABASES, SCHEMAS, TABLES, COLUMNS",
       engine="PostgreSQL")
def test_show(cursor, unique):
    def shown(sql, *columns):
        cursor.execute(sql)
        names = [column.name for column in cursor.description]
        return [tuple(row[names.index(column)] for column in columns) for row in cursor.fetchall()]

    cursor.execute(f"create schema {unique}; create table {unique}.t (k bigint not null, v varchar(20) encode zstd) "
                   f"distkey(k) sortkey(v); create view {unique}.w as select k from {unique}.t")
    assert shown("show databases", "database_name") == [(cluster.DATABASE,)]
    assert shown(f"show schemas from database {cluster.DATABASE} like '{unique}'", "schema_name") == [(unique,)]
    tables = shown(f"show tables from schema {cluster.DATABASE}.{unique}", "table_name", "table_type", "dist_style")
    assert tables == [("t", "TABLE", "KEY (k)"), ("w", "VIEW", None)]
    columns = shown(f"show columns from table {cluster.DATABASE}.{unique}.t like 'v'", "column_name", "data_type",
                    "character_maximum_length", "sort_key", "sort_key_type", "encoding")
    assert columns == [("v", "character varying", 20, 1, "COMPOUND", "zstd")]


@claim("SHOW CONSTRAINTS tells primary and foreign keys, those that lead away and those that lead here",
       call="SHOW CONSTRAINTS", engine="PostgreSQL")
def test_show_constraints(cursor, unique):
    cursor.execute(f"create table {unique}_a (k int primary key); create table {unique}_b (f int references {unique}_a (k))")
    table = f"{cluster.DATABASE}.public.{unique}"
    (key,) = rows(cursor, f"show constraints primary keys from table {table}_a")
    assert key == (cluster.DATABASE, "public", f"{unique}_a", "k", 1, f"{unique}_a_pkey")
    leads = rows(cursor, f"show constraints foreign keys from table {table}_b")
    assert leads == rows(cursor, f"show constraints foreign keys exported from table {table}_a")
    assert [row[1:4] + row[5:9] for row in leads] == [("public", f"{unique}_a", "k", "public", f"{unique}_b", "f", 1)]


@refusal("SHOW GRANTS, which Redshift has and the sandbox has not", call="SHOW GRANTS",
         message="SHOW GRANTS is not supported by the sandbox")
def test_show_grants(cursor, unique, refused):
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as error:
        cursor.execute(f"show grants on table public.{unique}")
    assert error.value.diag.message_primary == refused
