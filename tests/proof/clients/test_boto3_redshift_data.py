"""boto3 on the Data API: statements without a connection."""

import csv
import io
import uuid

import boto3
import cluster
import pytest
from botocore.exceptions import ClientError
from claims import claim, refusal
from patience import until

CLIENT = "boto3"
PLACE = dict(ClusterIdentifier=cluster.CLUSTER, Database=cluster.DATABASE)


@pytest.fixture(scope="module")
def data():
    return boto3.client("redshift-data")


def finish(data, handed_in, status="FINISHED"):
    """Waits for the end of a statement."""
    over = ("FINISHED", "FAILED", "ABORTED")
    told = until(lambda: data.describe_statement(Id=handed_in["Id"]), lambda told: told["Status"] in over)
    assert told["Status"] == status, told.get("Error")
    return told


def run(data, sql, **more):
    handed_in = data.execute_statement(Sql=sql, **{**PLACE, **more})
    finish(data, handed_in)
    return handed_in["Id"]


def values(data, id):
    answer = data.get_statement_result(Id=id)
    return [[None if "isNull" in field else next(iter(field.values())) for field in row] for row in answer["Records"]]


def slow():
    digits = "(select 0 as n" + "".join(f" union all select {n}" for n in range(1, 10)) + ")"
    tables = ", ".join(f"{digits} d{n}" for n in range(12))
    return f"select sum(d0.n * d11.n) from {tables}"


@claim("a statement is handed in, described and fetched, with its columns", call="RedshiftData.ExecuteStatement, "
       "DescribeStatement, GetStatementResult", engine="PostgreSQL")
def test_execute(data):
    id = run(data, "select 1 as i, 'a'::varchar(5) as t, 2.50::numeric(5, 2) as n, null::int as z, true as b, 0.5::float8 as f")
    told = data.describe_statement(Id=id)
    assert (told["HasResultSet"], told["ResultRows"], told["QueryString"][:8]) == (True, 1, "select 1")
    answer = data.get_statement_result(Id=id)
    assert answer["Records"] == [[{"longValue": 1}, {"stringValue": "a"}, {"stringValue": "2.50"}, {"isNull": True},
                                  {"booleanValue": True}, {"doubleValue": 0.5}]]
    columns = [(c["name"], c["typeName"], c["precision"], c["scale"]) for c in answer["ColumnMetadata"]]
    assert columns[:3] == [("i", "int4", 0, 0), ("t", "varchar", 5, 0), ("n", "numeric", 5, 2)]
    assert answer["TotalNumRows"] == 1


@claim("parameters by name, put in as literals", call="RedshiftData.ExecuteStatement Parameters", engine="PostgreSQL")
def test_parameters(data):
    given = [{"name": "a", "value": "it's \\ ü"}, {"name": "b", "value": "7"}]
    id = run(data, "select :a::varchar(20), :b::int + 1", Parameters=given)
    assert values(data, id) == [["it's \\ ü", 8]]
    assert data.describe_statement(Id=id)["QueryParameters"] == given


@claim("a batch is one transaction: its statements succeed together", call="RedshiftData.BatchExecuteStatement",
       engine="PostgreSQL")
def test_batch(data, unique):
    sqls = [f"create table {unique} (k int)", f"insert into {unique} values (1), (2)", f"select sum(k) from {unique}"]
    handed_in = data.batch_execute_statement(Sqls=sqls, **PLACE)
    told = finish(data, handed_in)
    assert [sub["Status"] for sub in told["SubStatements"]] == ["FINISHED"] * 3
    assert [sub["HasResultSet"] for sub in told["SubStatements"]] == [False, False, True]
    assert values(data, told["SubStatements"][2]["Id"]) == [[3]]


@claim("a batch that fails leaves nothing behind, and says which statement it was", call="RedshiftData.BatchExecuteStatement",
       engine="PostgreSQL")
def test_failing_batch(data, unique):
    sqls = [f"create table {unique} (k int)", "select 1 / 0", "select 1"]
    told = finish(data, data.batch_execute_statement(Sqls=sqls, **PLACE), "FAILED")
    assert "division by zero" in told["Error"]
    assert [sub["Status"] for sub in told["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert values(data, run(data, f"select count(*) from svv_tables where table_name = '{unique}'")) == [[0]]


@claim("a failure is the statement's, not the call's, and has no SQLSTATE", call="RedshiftData.DescribeStatement",
       engine="PostgreSQL")
def test_failure(data):
    told = finish(data, data.execute_statement(Sql="select * from not_there", **PLACE), "FAILED")
    assert told["Error"].startswith('ERROR: relation "not_there" does not exist')


@claim("the same ClientToken hands in the same statement once", call="RedshiftData.ExecuteStatement ClientToken",
       engine="memory")
def test_client_token(data, unique):
    run(data, f"create table {unique} (k int)")
    token = str(uuid.uuid4())
    first = data.execute_statement(Sql=f"insert into {unique} values (1)", ClientToken=token, **PLACE)
    again = data.execute_statement(Sql=f"insert into {unique} values (1)", ClientToken=token, **PLACE)
    assert first["Id"] == again["Id"]
    finish(data, first)
    assert values(data, run(data, f"select count(*) from {unique}")) == [[1]]


@claim("a session keeps its temporary tables from call to call", call="RedshiftData.ExecuteStatement SessionId",
       engine="PostgreSQL")
def test_sessions(data):
    opened = data.execute_statement(Sql="create temp table kept (k int)", SessionKeepAliveSeconds=60, **PLACE)
    finish(data, opened)
    session = dict(SessionId=opened["SessionId"])
    finish(data, data.execute_statement(Sql="insert into kept values (7)", **session))
    asked = data.execute_statement(Sql="select k from kept", **session)
    finish(data, asked)
    assert values(data, asked["Id"]) == [[7]]
    told = finish(data, data.execute_statement(Sql="select k from kept", **PLACE), "FAILED")
    assert "kept" in told["Error"]


@claim("a running statement is cancelled, and then is ABORTED", call="RedshiftData.CancelStatement", engine="PostgreSQL")
def test_cancel(data):
    handed_in = data.execute_statement(Sql=slow(), **PLACE)
    until(lambda: data.describe_statement(Id=handed_in["Id"])["Status"] == "STARTED")
    assert data.cancel_statement(Id=handed_in["Id"])["Status"] is True
    finish(data, handed_in, "ABORTED")


@claim("an answer waits for the statement's end as long as it is told to", call="RedshiftData.ExecuteStatement WaitTimeSeconds",
       engine="PostgreSQL")
def test_waiting(data):
    if "WaitTimeSeconds" not in data.meta.service_model.operation_model("ExecuteStatement").input_shape.members:
        pytest.fail("this boto3 does not know WaitTimeSeconds")
    handed_in = data.execute_statement(Sql="select 1", WaitTimeSeconds=20, **PLACE)
    assert data.describe_statement(Id=handed_in["Id"])["Status"] == "FINISHED"


@claim("statements are listed by name and status, newest first, page by page", call="RedshiftData.ListStatements",
       engine="memory")
def test_list(data, unique):
    ids = [run(data, f"select {n}", StatementName=f"{unique}-{n}") for n in range(5)]
    pages = data.get_paginator("list_statements").paginate(StatementName=unique, Status="FINISHED", PaginationConfig={"PageSize": 2})
    pages = [[statement["Id"] for statement in page["Statements"]] for page in pages]
    assert pages == [ids[4:2:-1], ids[2:0:-1], ids[:1]]


@claim("a large result comes in pages, every row once and in order", call="RedshiftData.GetStatementResult NextToken",
       engine="PostgreSQL")
def test_pages(data):
    digits = "(select 0 as n" + "".join(f" union all select {n}" for n in range(1, 10)) + ")"
    number = " + ".join(f"d{n}.n * {10**n}" for n in range(4))
    tables = ", ".join(f"{digits} d{n}" for n in range(4))
    id = run(data, f"select i, rpad('', 300, 'x') as wide from (select {number} as i from {tables}) order by i")
    pages = list(data.get_paginator("get_statement_result").paginate(Id=id))
    assert len(pages) > 1
    assert [row[0]["longValue"] for page in pages for row in page["Records"]] == list(range(10_000))


@claim("a result as CSV, with NULL apart from empty text", call="RedshiftData.GetStatementResultV2", engine="PostgreSQL")
def test_csv(data):
    id = run(data, "select 1 as a, 'x,\"y\"\n'::varchar(9) as b, null::int as c, ''::varchar(1) as d union all "
                   "select 2, 'z', 3, 'w' order by a", ResultFormat="CSV")
    told = data.describe_statement(Id=id)
    assert told["ResultFormat"] == "CSV"
    answer = data.get_statement_result_v2(Id=id)
    (records,) = [part["CSVRecords"] for part in answer["Records"]]
    assert records == '1,"x,""y""\n",,""\r\n2,z,3,w\r\n'
    assert list(csv.reader(io.StringIO(records, newline=""))) == [["1", 'x,"y"\n', "", ""], ["2", "z", "3", "w"]]
    assert [column["name"] for column in answer["ColumnMetadata"]] == ["a", "b", "c", "d"]


@claim("a large result as CSV comes in pages", call="RedshiftData.GetStatementResultV2 NextToken", engine="PostgreSQL")
def test_csv_pages(data):
    digits = "(select 0 as n" + "".join(f" union all select {n}" for n in range(1, 10)) + ")"
    number = " + ".join(f"d{n}.n * {10**n}" for n in range(4))
    tables = ", ".join(f"{digits} d{n}" for n in range(4))
    id = run(data, f"select i, rpad('', 300, 'x') as wide from (select {number} as i from {tables}) order by i", ResultFormat="CSV")
    pages = list(data.get_paginator("get_statement_result_v2").paginate(Id=id))
    assert len(pages) > 1
    text = "".join(part["CSVRecords"] for page in pages for part in page["Records"])
    assert [int(row[0]) for row in csv.reader(io.StringIO(text))] == list(range(10_000))


@claim("databases, schemas and tables are listed by pattern, page by page",
       call="RedshiftData.ListDatabases, ListSchemas, ListTables", engine="PostgreSQL")
def test_lists(data, unique):
    finish(data, data.batch_execute_statement(
        Sqls=[f"create schema {unique}", *(f"create table {unique}.t{n} (k int)" for n in range(3)),
              f"create view {unique}.v as select k from {unique}.t0"], DbUser=cluster.USER, **PLACE))
    assert data.list_databases(**PLACE)["Databases"] == [cluster.DATABASE]
    assert data.list_schemas(SchemaPattern=unique, **PLACE)["Schemas"] == [unique]
    assert {"public", "pg_catalog"} <= set(data.list_schemas(**PLACE)["Schemas"])
    pages = data.get_paginator("list_tables").paginate(SchemaPattern=unique, PaginationConfig={"PageSize": 2}, **PLACE)
    pages = [[(table["schema"], table["name"], table["type"]) for table in page["Tables"]] for page in pages]
    assert pages == [[(unique, "t0", "TABLE"), (unique, "t1", "TABLE")], [(unique, "t2", "TABLE"), (unique, "v", "VIEW")]]
    assert [table["name"] for table in data.list_tables(SchemaPattern=unique, TablePattern="t_", **PLACE)["Tables"]] == ["t0", "t1", "t2"]


@claim("a table is described column by column", call="RedshiftData.DescribeTable", engine="PostgreSQL")
def test_describe_table(data, unique):
    run(data, f"create table {unique} (k bigint not null, v varchar(30) default 'x', n numeric(12, 2))")
    told = data.describe_table(Schema="public", Table=unique, **PLACE)
    columns = [(c["name"], c["typeName"], c["nullable"], c["length"], c["precision"], c["scale"]) for c in told["ColumnList"]]
    assert columns == [("k", "int8", 0, 0, 0, 0), ("v", "varchar", 1, 30, 30, 0), ("n", "numeric", 1, 0, 12, 2)]
    assert "x" in told["ColumnList"][1]["columnDefault"]
    assert told["TableName"] == unique


@claim("a secret, a database user, the caller's identity and a workgroup are four ways in",
       call="RedshiftData.ExecuteStatement SecretArn, DbUser, WorkgroupName", engine="PostgreSQL")
def test_logins(data):
    arn = boto3.client("secretsmanager").get_secret_value(SecretId="twinhouse-sandbox/redshift")["ARN"]
    who = "select current_user"
    assert values(data, run(data, who, SecretArn=arn)) == [[cluster.USER]]
    assert values(data, run(data, who, DbUser=cluster.USER)) == [[cluster.USER]]
    assert values(data, run(data, who)) == [["IAM:sandbox"]]
    handed_in = data.execute_statement(Sql=who, WorkgroupName=cluster.CLUSTER, Database=cluster.DATABASE)
    finish(data, handed_in)
    assert values(data, handed_in["Id"]) == [["IAM:sandbox"]]


@claim("COPY and UNLOAD run as long statements", call="RedshiftData.ExecuteStatement", engine="PostgreSQL")
def test_copy_and_unload(data, unique):
    run(data, f"create table {unique} (k int)")
    run(data, f"unload ('select 1 as k union all select 2') to 's3://{cluster.BUCKET}/{unique}/' {cluster.KEYS} csv")
    run(data, f"copy {unique} from 's3://{cluster.BUCKET}/{unique}/' {cluster.KEYS} csv")
    assert values(data, run(data, f"select sum(k), count(*) from {unique}")) == [[3, 2]]


def refuses(code, call):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code
    return error.value.response["Error"]["Message"]


@refusal("a cluster of another name", call="RedshiftData.ExecuteStatement",
         message="Redshift endpoint doesn't exist in this region.")
def test_unknown_cluster(data, refused):
    call = lambda: data.execute_statement(Sql="select 1", ClusterIdentifier="other", Database="dev")  # noqa: E731
    assert refuses("ValidationException", call) == refused


@refusal("a parameter that the SQL does not use", call="RedshiftData.ExecuteStatement Parameters",
         message="Parameters list contains unused parameters. Unused parameters: [b]")
def test_unused_parameter(data, refused):
    given = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    call = lambda: data.execute_statement(Sql="select :a", Parameters=given, **PLACE)  # noqa: E731
    assert refuses("ValidationException", call) == refused


@refusal("the JSON call for a result in CSV", call="RedshiftData.GetStatementResult",
         message="The result is in CSV: use GetStatementResultV2 to fetch it.")
def test_wrong_format(data, refused):
    id = run(data, "select 1", ResultFormat="CSV")
    assert refuses("ValidationException", lambda: data.get_statement_result(Id=id)) == refused


@refusal("a statement that nobody handed in", call="RedshiftData.DescribeStatement", message="Query does not exist.")
def test_unknown_statement(data, refused):
    call = lambda: data.describe_statement(Id=str(uuid.uuid4()))  # noqa: E731
    assert refuses("ResourceNotFoundException", call) == refused


@refusal("a result that is not there", call="RedshiftData.GetStatementResult",
         message="Query does not have result. Please check query status with DescribeStatement.")
def test_no_result(data, unique, refused):
    id = run(data, f"create table {unique} (k int)")
    assert refuses("ResourceNotFoundException", lambda: data.get_statement_result(Id=id)) == refused
