"""Statements, SQL warehouses and the history of queries through the vendor's SDK, unmodified."""

import base64
import json
import os
import time
import urllib.request

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, OperationFailed, PermissionDenied
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    QueryFilter,
    QueryStatus,
    QueryTag,
    State,
    StatementParameterListItem,
    StatementState,
    TimeRange,
)

from claims import claim
from patience import PATIENTLY, until

CLIENT = "databricks-sdk"

STATEMENTS = "POST /api/2.0/sql/statements"
HISTORY = "GET /api/2.0/sql/history/queries"
SLOW = "SELECT sum((a.id * b.id) % 7) FROM range(10000000) a CROSS JOIN range(1000000) b"


@pytest.fixture(scope="module")
def workspace():
    return WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token=os.environ["DATABRICKS_TOKEN"])


@pytest.fixture(scope="module")
def warehouse():
    return os.environ["DATABRICKS_WAREHOUSE_ID"]


@pytest.fixture
def execute(workspace, warehouse):
    def execute(statement, **more):
        settings = {"wait_timeout": "50s", "warehouse_id": warehouse, **more}
        return workspace.statement_execution.execute_statement(statement=statement, **settings)

    return execute


def fetch(link):
    """Behind a link, nobody asks for a token."""
    with urllib.request.urlopen(link.external_link) as answer:
        return answer.read()


@claim("a statement is answered at once with its rows as text", call=STATEMENTS, engine="DataFusion")
def test_execute(execute):
    answer = execute("SELECT 1 AS n, CAST(NULL AS STRING) AS z, 1.50BD AS d")
    assert answer.status.state == StatementState.SUCCEEDED
    assert answer.result.data_array == [["1", None, "1.50"]]
    assert [(c.name, c.type_text) for c in answer.manifest.schema.columns] == [
        ("n", "INT"), ("z", "STRING"), ("d", "DECIMAL(3,2)"),
    ]
    assert answer.manifest.total_row_count == 1


@claim("parameters are bound by name and type", call=STATEMENTS, engine="DataFusion")
def test_parameters(execute):
    answer = execute(
        "SELECT :n + 1, :d, :s, :z IS NULL, :day",
        parameters=[
            StatementParameterListItem(name="n", value="41", type="INT"),
            StatementParameterListItem(name="d", value="12.5", type="DECIMAL(10,3)"),
            StatementParameterListItem(name="s", value="it's \\ \"x\"; --"),
            StatementParameterListItem(name="z", type="DATE"),
            StatementParameterListItem(name="day", value="2024-02-29", type="DATE"),
        ],
    )
    assert answer.result.data_array == [["42", "12.500", "it's \\ \"x\"; --", "true", "2024-02-29"]]


@claim("a statement that is not waited for is polled to its end", call="GET /api/2.0/sql/statements/{id}", engine="DataFusion")
def test_poll(workspace, execute):
    answer = execute("SELECT sum(id) FROM range(100000)", wait_timeout="0s")
    under_way = (StatementState.PENDING, StatementState.RUNNING)
    look = lambda: workspace.statement_execution.get_statement(answer.statement_id)  # noqa: E731
    answer = until(look, lambda answer: answer.status.state not in under_way)
    assert answer.result.data_array == [["4999950000"]]


@claim("a running statement can be cancelled", call="POST /api/2.0/sql/statements/{id}/cancel", engine="DataFusion")
def test_cancel(workspace, execute):
    answer = execute(SLOW, wait_timeout="0s")
    workspace.statement_execution.cancel_execution(answer.statement_id)
    look = lambda: workspace.statement_execution.get_statement(answer.statement_id).status.state  # noqa: E731
    until(look, lambda state: state == StatementState.CANCELED)


@claim("what does not end within the wait is cancelled if that was asked for", call=STATEMENTS, engine="DataFusion")
def test_on_wait_timeout(execute):
    answer = execute(SLOW, wait_timeout="5s", on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL)
    assert answer.status.state == StatementState.CANCELED


@claim("a statement that cannot be read fails with its class, not over HTTP", call=STATEMENTS, engine="parser")
def test_syntax_error(execute):
    answer = execute("SELECT FROM WHERE")
    assert answer.status.state == StatementState.FAILED
    assert "[PARSE_SYNTAX_ERROR]" in answer.status.error.message
    assert answer.status.error.error_code.value == "BAD_REQUEST"


@claim("a failed statement has a SQLSTATE", call=STATEMENTS, engine="catalog")
def test_sqlstate(execute, unique):
    answer = execute(f"SELECT * FROM {unique}")
    assert answer.status.state == StatementState.FAILED
    assert answer.status.sql_state == "42P01"
    assert unique in answer.status.error.message


@claim("Arrow behind links is read whole, chunk by chunk", call="GET /api/2.0/sql/statements/{id}/result/chunks/{n}", engine="DataFusion")
def test_arrow_links(workspace, execute):
    import pyarrow.ipc

    answer = execute("SELECT id FROM range(300000) ORDER BY id", disposition=Disposition.EXTERNAL_LINKS, format=Format.ARROW_STREAM)
    assert answer.manifest.total_row_count == 300_000
    seen = 0
    for chunk in range(answer.manifest.total_chunk_count):
        part = workspace.statement_execution.get_statement_result_chunk_n(answer.statement_id, chunk)
        for link in part.external_links:
            table = pyarrow.ipc.open_stream(fetch(link)).read_all().slice(0, link.row_count)
            assert table.column(0)[0].as_py() == seen == (link.row_offset or 0)
            seen += table.num_rows
    assert seen == 300_000


@claim("CSV behind links has its header once and NULL as a word", call=STATEMENTS, engine="DataFusion")
def test_csv(workspace, execute):
    answer = execute(
        "SELECT id AS n, if(id = 1, NULL, concat('a,\"', CAST(id AS STRING))) AS t FROM range(3) ORDER BY id",
        disposition=Disposition.EXTERNAL_LINKS, format=Format.CSV,
    )
    text = fetch(answer.result.external_links[0]).decode()
    assert text.splitlines() == ["n,t", '0,"a,""0"', "1,null", '2,"a,""2"']


@claim("JSON behind links is an array of rows", call=STATEMENTS, engine="DataFusion")
def test_json_links(execute):
    answer = execute("SELECT id, NULL AS z FROM range(3) ORDER BY id", disposition=Disposition.EXTERNAL_LINKS, format=Format.JSON_ARRAY)
    assert json.loads(fetch(answer.result.external_links[0])) == [["0", None], ["1", None], ["2", None]]


@claim("a link refuses whoever sends a token with it", call="GET the presigned link of a chunk", engine="memory")
def test_links_refuse_tokens(execute):
    answer = execute("SELECT 1", disposition=Disposition.EXTERNAL_LINKS, format=Format.ARROW_STREAM)
    request = urllib.request.Request(
        answer.result.external_links[0].external_link,
        headers={"Authorization": "Bearer " + os.environ["DATABRICKS_TOKEN"]},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 400


@claim("an inline result of several chunks is read chunk by chunk", call="GET /api/2.0/sql/statements/{id}/result/chunks/{n}", engine="DataFusion")
def test_inline_chunks(workspace, execute):
    answer = execute("SELECT id, repeat('x', 60) AS t FROM range(200000) ORDER BY id")
    assert answer.manifest.total_chunk_count > 1
    rows, part = [], answer.result
    while True:
        rows += [int(row[0]) for row in part.data_array]
        if part.next_chunk_index is None:
            break
        part = workspace.statement_execution.get_statement_result_chunk_n(answer.statement_id, part.next_chunk_index)
    assert rows == list(range(200_000))


@claim("an inline result of more than 25 MiB fails and says what to do", call=STATEMENTS, engine="DataFusion")
def test_inline_limit(execute):
    answer = execute("SELECT id, repeat('x', 100) AS t FROM range(400000)")
    assert answer.status.state == StatementState.FAILED
    assert answer.status.error.message.startswith("Inline byte limit exceeded.")


@claim("a row limit cuts the result and says so", call=STATEMENTS, engine="DataFusion")
def test_row_limit(execute):
    cut = execute("SELECT id FROM range(100)", row_limit=7)
    assert (cut.manifest.total_row_count, cut.manifest.truncated) == (7, True)
    whole = execute("SELECT id FROM range(7)", row_limit=7)
    assert (whole.manifest.total_row_count, bool(whole.manifest.truncated)) == (7, False)


@claim("a byte limit cuts the result and says so", call=STATEMENTS, engine="DataFusion")
def test_byte_limit(execute):
    cut = execute("SELECT id FROM range(100000)", byte_limit=1000)
    assert cut.manifest.truncated and 0 < cut.manifest.total_row_count < 100_000


@claim("DDL has no columns, DML has its counts", call=STATEMENTS, engine="delta-rs")
def test_ddl_and_dml(execute, unique):
    made = execute(f"CREATE TABLE {unique} (id INT)")
    assert made.status.state == StatementState.SUCCEEDED
    assert not made.manifest.schema.columns
    inserted = execute(f"INSERT INTO {unique} VALUES (1), (2)")
    assert inserted.result.data_array == [["2", "2"]]
    assert [c.name for c in inserted.manifest.schema.columns] == ["num_affected_rows", "num_inserted_rows"]
    execute(f"DROP TABLE {unique}")


@claim("names are looked up in the catalog and schema of the request", call=STATEMENTS, engine="catalog")
def test_place(execute, unique):
    execute(f"CREATE SCHEMA main.{unique}")
    answer = execute("SELECT current_catalog(), current_schema()", catalog="main", schema=unique)
    assert answer.result.data_array == [["main", unique]]
    execute(f"DROP SCHEMA main.{unique}")


@claim("values of every kind have their recorded text", call=STATEMENTS, engine="DataFusion")
def test_texts(execute):
    answer = execute(
        "SELECT 9223372036854775807L, CAST('NaN' AS DOUBLE), CAST('-Infinity' AS DOUBLE), true, DATE'0001-01-01', "
        "TIMESTAMP'2021-01-01 10:00:00.123456', TIMESTAMP_NTZ'2024-01-02 03:04:05', X'00FF', array(1, NULL), "
        "map('k', 1), named_struct('a', 1, 'b', 'x')"
    )
    row = answer.result.data_array[0]
    assert row[:7] == [
        "9223372036854775807", "NaN", "-Infinity", "true", "0001-01-01", "2021-01-01T10:00:00.123Z", "2024-01-02T03:04:05",
    ]
    assert base64.b64decode(row[7]) == b"\x00\xff"
    assert json.loads(row[8]) == ["1", None]
    assert json.loads(row[9]) == {"k": "1"}
    assert json.loads(row[10]) == {"a": "1", "b": "x"}


@claim("a view is made, read, listed and dropped", call=STATEMENTS, engine="DataFusion")
def test_view(execute, unique):
    execute(f"CREATE VIEW {unique} (twice COMMENT 'two times') AS SELECT id * 2 FROM range(4)")
    assert execute(f"SELECT sum(twice) FROM {unique}").result.data_array == [["12"]]
    described = execute(f"DESCRIBE {unique}").result.data_array
    assert described == [["twice", "bigint", "two times"]]
    views = execute(f"SHOW VIEWS IN main.default LIKE '{unique}'").result.data_array
    assert [row[1] for row in views] == [unique]
    execute(f"DROP VIEW {unique}")
    assert execute(f"SELECT * FROM {unique}").status.sql_state == "42P01"


@claim("a query is explained", call="EXPLAIN", engine="DataFusion")
def test_explain(execute):
    answer = execute("EXPLAIN SELECT count(*) FROM range(10) WHERE id > 3")
    assert [c.name for c in answer.manifest.schema.columns] == ["plan"]
    assert answer.result.data_array[0][0].startswith("== Physical Plan ==")


@claim("JSON in the answer and a format that only links have exclude each other", call=STATEMENTS, engine="memory")
def test_bad_shape(execute):
    with pytest.raises(BadRequest, match="JSON_ARRAY when the disposition field is INLINE"):
        execute("SELECT 1", disposition=Disposition.INLINE, format=Format.ARROW_STREAM)


@claim("a wait that the service does not know is refused", call=STATEMENTS, engine="memory")
def test_bad_wait(execute):
    with pytest.raises(InvalidParameterValue, match="wait_timeout"):
        execute("SELECT 1", wait_timeout="3s")


@claim("a statement without text is refused", call=STATEMENTS, engine="memory")
def test_no_text(execute):
    with pytest.raises(InvalidParameterValue, match="statement"):
        execute("  ")


@claim("a warehouse that is not there is not found", call=STATEMENTS, engine="memory")
def test_no_warehouse(execute):
    with pytest.raises(NotFound, match="nope"):
        execute("SELECT 1", warehouse_id="nope")


@claim("a statement that is not there is not found", call="GET /api/2.0/sql/statements/{id}", engine="memory")
def test_no_statement(workspace):
    with pytest.raises(NotFound):
        workspace.statement_execution.get_statement("01ef-none")


@claim("a wrong token is refused", call=STATEMENTS, engine="memory")
def test_wrong_token(warehouse):
    stranger = WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token="dapi-wrong")
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        stranger.statement_execution.execute_statement("SELECT 1", warehouse)


@claim("the warehouses are listed with where drivers connect", call="GET /api/2.0/sql/warehouses", engine="memory")
def test_warehouses(workspace, warehouse):
    found = {one.id: one for one in workspace.warehouses.list()}[warehouse]
    assert found.odbc_params.path == f"/sql/1.0/warehouses/{warehouse}"
    assert found.jdbc_url.startswith("jdbc:databricks://")
    assert workspace.warehouses.get(warehouse).name == found.name


@claim("a warehouse is made and waited for until it runs", call="POST /api/2.0/sql/warehouses", engine="memory")
def test_create_warehouse(workspace, execute, unique):
    made = workspace.warehouses.create(name=unique, cluster_size="Small", auto_stop_mins=10, max_num_clusters=2)
    running = made.result(timeout=PATIENTLY)
    assert (running.state, running.cluster_size, running.max_num_clusters) == (State.RUNNING, "Small", 2)
    assert execute("SELECT 1", warehouse_id=running.id).result.data_array == [["1"]]
    workspace.warehouses.delete(running.id)
    with pytest.raises(NotFound):
        workspace.warehouses.get(running.id)


@claim("a warehouse is stopped, and a statement starts it again", call="POST /api/2.0/sql/warehouses/{id}/stop", engine="memory")
def test_stop_and_start(workspace, execute, unique):
    made = workspace.warehouses.create_and_wait(name=unique, cluster_size="2X-Small", max_num_clusters=1)
    stopped = workspace.warehouses.stop(made.id).result(timeout=PATIENTLY)
    assert (stopped.state, stopped.num_clusters) == (State.STOPPED, 0)
    assert execute("SELECT 7", warehouse_id=made.id).result.data_array == [["7"]]
    assert workspace.warehouses.get(made.id).state == State.RUNNING
    workspace.warehouses.delete(made.id)


@claim("waiting for a warehouse that is stopped fails", call="GET /api/2.0/sql/warehouses/{id}", engine="memory")
def test_wait_for_stopped(workspace, unique):
    made = workspace.warehouses.create_and_wait(name=unique, cluster_size="2X-Small", max_num_clusters=1)
    workspace.warehouses.stop(made.id).result()
    with pytest.raises(OperationFailed, match="STOPPED"):
        workspace.warehouses.wait_get_warehouse_running(made.id, timeout=PATIENTLY)
    workspace.warehouses.start(made.id).result(timeout=PATIENTLY)
    workspace.warehouses.delete(made.id)


@claim("a warehouse is changed", call="POST /api/2.0/sql/warehouses/{id}/edit", engine="memory")
def test_edit_warehouse(workspace, unique):
    made = workspace.warehouses.create_and_wait(name=unique, cluster_size="2X-Small", max_num_clusters=1)
    workspace.warehouses.edit(made.id, name=unique + "-2", cluster_size="Medium", max_num_clusters=3).result()
    changed = workspace.warehouses.get(made.id)
    assert (changed.name, changed.cluster_size, changed.max_num_clusters) == (unique + "-2", "Medium", 3)
    workspace.warehouses.delete(made.id)


@claim("a warehouse that makes no sense is refused", call="POST /api/2.0/sql/warehouses", engine="memory")
def test_bad_warehouse(workspace, unique):
    for wrong in [
        {"name": "", "cluster_size": "Small"},
        {"name": unique, "cluster_size": "Enormous"},
        {"name": unique, "cluster_size": "Small", "auto_stop_mins": 5},
        {"name": unique, "cluster_size": "Small", "min_num_clusters": 4, "max_num_clusters": 2},
    ]:
        with pytest.raises(InvalidParameterValue):
            workspace.warehouses.create(**wrong)


@claim("the history tells what ran, newest first", call=HISTORY, engine="memory")
def test_history(workspace, warehouse, execute, unique):
    execute(f"SELECT '{unique}' AS first")
    failed = execute(f"SELECT {unique}")
    recent = workspace.query_history.list(max_results=20, include_metrics=True).res
    texts = [query.query_text for query in recent]
    mine = recent[texts.index(f"SELECT '{unique}' AS first")]
    assert (mine.status, mine.rows_produced, mine.warehouse_id) == (QueryStatus.FINISHED, 1, warehouse)
    assert mine.statement_type.value == "SELECT" and mine.is_final and mine.metrics.rows_produced_count == 1
    wrong = recent[texts.index(f"SELECT {unique}")]
    assert wrong.query_id == failed.statement_id and wrong.status == QueryStatus.FAILED
    assert "UNRESOLVED_COLUMN" in wrong.error_message
    assert texts.index(f"SELECT {unique}") < texts.index(f"SELECT '{unique}' AS first")


@claim("the history is filtered by statement, state, warehouse and time", call=HISTORY, engine="memory")
def test_history_filters(workspace, warehouse, execute, unique):
    before = int(time.time() * 1000)
    one, other = execute(f"SELECT '{unique}'"), execute(f"SELECT {unique}")
    after = int(time.time() * 1000) + 1000
    def ids(**filters):
        found = workspace.query_history.list(filter_by=QueryFilter(**filters), max_results=900).res or []
        return [query.query_id for query in found]

    assert ids(statement_ids=[one.statement_id]) == [one.statement_id]
    within = TimeRange(start_time_ms=before, end_time_ms=after)
    assert {one.statement_id, other.statement_id} <= set(ids(query_start_time_range=within, warehouse_ids=[warehouse]))
    assert ids(statement_ids=[one.statement_id, other.statement_id], statuses=[QueryStatus.FAILED]) == [other.statement_id]
    assert ids(statement_ids=[one.statement_id], warehouse_ids=["another"]) == []
    assert ids(statement_ids=[one.statement_id], query_start_time_range=TimeRange(start_time_ms=after)) == []


@claim("the history comes page by page", call=HISTORY, engine="memory")
def test_history_pages(workspace, execute, unique):
    wanted = [execute(f"SELECT {n} AS {unique}").statement_id for n in range(5)]
    seen, token = [], None
    for _ in range(200):
        page = workspace.query_history.list(max_results=2, page_token=token)
        seen += [query.query_id for query in page.res]
        token = page.next_page_token
        if not page.has_next_page or set(wanted) <= set(seen):
            break
    assert [query for query in seen if query in wanted] == wanted[::-1]
    assert len(seen) == len(set(seen))


@claim("a statement is found again by its tag", call=HISTORY, engine="memory")
def test_history_tags(workspace, execute, unique):
    answer = execute("SELECT 1", query_tags=[QueryTag(key="job", value=unique), QueryTag(key="nightly")])
    found = workspace.query_history.list(max_results=20).res
    mine = [query for query in found if any(tag.value == unique for tag in query.query_tags or [])]
    assert [query.query_id for query in mine] == [answer.statement_id]
    assert {(tag.key, tag.value) for tag in mine[0].query_tags} == {("job", unique), ("nightly", None)}
