"""Jobs by the Databricks SDK: tasks that run for real, and everything around them."""

import io
import json
import os
import re
import time
import urllib.request
import zipfile

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, InvalidParameterValue, InvalidState, NotFound, OperationFailed, ResourceDoesNotExist
from databricks.sdk.service.compute import Environment, Library
from databricks.sdk.service.jobs import (
    ConditionTask,
    ConditionTaskOp,
    CronSchedule,
    ForEachTask,
    JobEnvironment,
    JobParameterDefinition,
    JobSettings,
    NotebookTask,
    PauseStatus,
    PythonWheelTask,
    QueueSettings,
    RunIf,
    RunJobTask,
    RunLifeCycleState,
    RunLifecycleStateV2State,
    RunResultState,
    Source,
    SparkJarTask,
    SparkPythonTask,
    SqlTask,
    SqlTaskFile,
    SqlTaskQuery,
    SubmitTask,
    Task,
    TaskDependency,
    TerminationTypeType,
    ViewType,
)
from databricks.sdk.service.sql import CreateQueryRequestQuery, QueryParameter, TextValue, UpdateQueryRequestQuery
from databricks.sdk.service.workspace import ImportFormat, Language

from claims import claim, refusal
from patience import PATIENTLY, until

CLIENT = "databricks-sdk"
SUBMIT, RUN_NOW = "POST /api/2.2/jobs/runs/submit", "POST /api/2.2/jobs/run-now"
GET, OUTPUT = "GET /api/2.2/jobs/runs/get", "GET /api/2.2/jobs/runs/get-output"
SERVERLESS = [JobEnvironment(environment_key="e", spec=Environment(client="2"))]
Cycle, Result = RunLifeCycleState, RunResultState


@pytest.fixture(scope="module")
def w():
    return WorkspaceClient()


class Place:
    """A folder of the workspace to put code into, and what to run it with."""

    def __init__(self, w, path):
        self.w, self.path = w, path
        self.warehouse = os.environ["DATABRICKS_WAREHOUSE_ID"]

    def notebook(self, name, text, language=Language.PYTHON):
        path = f"{self.path}/{name}"
        self.w.workspace.upload(path, text.encode(), format=ImportFormat.SOURCE, language=language, overwrite=True)
        return NotebookTask(notebook_path=path)

    def file(self, name, text):
        self.w.workspace.upload(f"{self.path}/{name}", text.encode(), format=ImportFormat.RAW, overwrite=True)
        return f"{self.path}/{name}"

    def sql(self, name, text, parameters=None):
        file = SqlTaskFile(path=self.file(name, text), source=Source.WORKSPACE)
        return SqlTask(warehouse_id=self.warehouse, file=file, parameters=parameters)

    def submit(self, *tasks, **more):
        return self.w.jobs.submit(run_name="proof", tasks=list(tasks), **more).run_id

    def one(self, **task):
        """Submits one task and waits for it."""
        run = self.wait(self.submit(SubmitTask(task_key="t", **task), environments=SERVERLESS))
        return run, self.w.jobs.get_run_output(run.tasks[0].run_id)

    def wait(self, run_id):
        over = (Cycle.TERMINATED, Cycle.SKIPPED, Cycle.INTERNAL_ERROR)
        return until(lambda: self.w.jobs.get_run(run_id), lambda run: run.state.life_cycle_state in over)

    def until(self, run_id, state):
        def reached(run):
            found = run.state.life_cycle_state
            assert found == state or run.end_time == 0, run.state
            return found == state

        return until(lambda: self.w.jobs.get_run(run_id), reached)

    def rows(self, sql):
        answer = self.w.statement_execution.execute_statement(sql, self.warehouse, wait_timeout="50s")
        return answer.result.data_array


@pytest.fixture
def place(w, unique):
    path = f"/Users/{w.current_user.me().user_name}/{unique}"
    w.workspace.mkdirs(path)
    yield Place(w, path)
    w.workspace.delete(path, recursive=True)


@pytest.fixture
def job(w):
    """Makes jobs that are gone after the test."""
    made = []

    def create(**settings):
        made.append(w.jobs.create(**settings).job_id)
        return made[-1]

    yield create
    for job_id in made:
        try:
            w.jobs.delete(job_id)
        except DatabricksError:
            pass


def results(run):
    return {task.task_key: task.state.result_state for task in run.tasks}


# What tasks do


@claim("a SQL task runs every statement of its file, and its writes are there for everybody", call=SUBMIT, engine="DataFusion, delta-rs")
def test_sql_task(place, unique):
    text = f"""-- one; two
        CREATE TABLE main.default.{unique} (id INT, name STRING);
        INSERT INTO main.default.{unique} VALUES (1, 'a;b'), (2, :name);"""
    run, output = place.one(sql_task=place.sql("load.sql", text, {"name": "it's"}))
    assert run.state.result_state == Result.SUCCESS
    assert place.rows(f"SELECT id, name FROM main.default.{unique} ORDER BY id") == [["1", "a;b"], ["2", "it's"]]
    assert len(output.sql_output.query_output.sql_statements) == 2


@claim("the rows of a SQL task are had by the ids of its statements", call=OUTPUT, engine="DataFusion")
def test_sql_rows(w, place):
    _, output = place.one(sql_task=place.sql("q.sql", "SELECT 1 AS a; SELECT 2 AS b"))
    keys = [statement.lookup_key for statement in output.sql_output.query_output.sql_statements]
    assert [w.statement_execution.get_statement(key).result.data_array for key in keys] == [[["1"]], [["2"]]]


@claim("a SQL task runs a saved query, in its schema and with its parameters", call=SUBMIT, engine="DataFusion")
def test_sql_query(w, place, unique):
    text = "SELECT current_schema() AS s, :a || :b AS v"
    given = [QueryParameter(name=name, text_value=TextValue(value=name.upper())) for name in ("a", "b")]
    place.rows(f"CREATE SCHEMA main.{unique}")
    query = w.queries.create(
        query=CreateQueryRequestQuery(display_name=unique, query_text=text, schema=unique, parameters=given)
    )
    task = SqlTask(warehouse_id=place.warehouse, query=SqlTaskQuery(query_id=query.id), parameters={"b": "task"})
    _, output = place.one(sql_task=task)
    key = output.sql_output.query_output.sql_statements[0].lookup_key
    assert w.statement_execution.get_statement(key).result.data_array == [[unique, "Atask"]]


@claim("a saved query is read, listed, changed and deleted", call="POST /api/2.0/sql/queries", engine="files")
def test_queries(w, unique):
    made = w.queries.create(query=CreateQueryRequestQuery(display_name=unique, query_text="SELECT 1"))
    with pytest.raises(DatabricksError, match="already exists"):
        w.queries.create(query=CreateQueryRequestQuery(display_name=unique, query_text="SELECT 1"))
    assert made.id in [query.id for query in w.queries.list(page_size=1)]
    w.queries.update(made.id, "query_text", query=UpdateQueryRequestQuery(query_text="SELECT 2", description="kept out"))
    told = w.queries.get(made.id)
    assert (told.query_text, told.description, told.display_name) == ("SELECT 2", None, unique)
    w.queries.delete(made.id)
    with pytest.raises(NotFound):
        w.queries.get(made.id)


@claim("a SQL task ends at the statement that fails, whose error is its output", call=OUTPUT, engine="DataFusion, delta-rs")
def test_sql_failure(place, unique):
    text = f"CREATE TABLE main.default.{unique} (a INT); SELECT * FROM no_such; DROP TABLE main.default.{unique}"
    run, output = place.one(sql_task=place.sql("q.sql", text))
    assert run.state.result_state == Result.FAILED
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in output.error
    assert place.rows(f"SELECT count(*) FROM main.default.{unique}") == [["0"]]


@claim("a notebook runs cell by cell with its parameters, and its exit value is its output", call=SUBMIT, engine="Python, DataFusion")
def test_notebook(place):
    task = place.notebook("n", """# Databricks notebook source
dbutils.widgets.text("who", "nobody")
dbutils.widgets.text("other", "default")
rows = spark.sql("SELECT id, id * 2 AS twice FROM (VALUES (1), (2)) AS t(id) ORDER BY id").collect()

# COMMAND ----------

# MAGIC %md not code at all

# COMMAND ----------

who, other = dbutils.widgets.get("who"), dbutils.widgets.get("other")
dbutils.notebook.exit(f"{who} {other} {[(row.id, row['twice']) for row in rows]}")

# COMMAND ----------

raise ValueError("never reached")
""")
    task.base_parameters = {"who": "me"}
    run = place.w.jobs.submit(run_name="proof", tasks=[SubmitTask(task_key="t", notebook_task=task)]).result()
    assert run.state.result_state == Result.SUCCESS
    output = place.w.jobs.get_run_output(run.tasks[0].run_id)
    assert output.notebook_output.result == "me default [(1, 2), (2, 4)]"
    assert output.notebook_output.truncated is False


@claim("a SQL notebook's cells run in order, and so do SQL cells of a Python notebook", call=SUBMIT, engine="Python, DataFusion, delta-rs")
def test_sql_notebook(place, unique):
    place.notebook("s", f"""-- Databricks notebook source
CREATE TABLE main.default.{unique} (v STRING);
INSERT INTO main.default.{unique} VALUES (:v)

-- COMMAND ----------

-- MAGIC %python
-- MAGIC spark.sql("INSERT INTO main.default.{unique} VALUES ('python')")
""", Language.SQL)
    task = NotebookTask(notebook_path=f"{place.path}/s", base_parameters={"v": "a'b"})
    run, _ = place.one(notebook_task=task)
    assert run.state.result_state == Result.SUCCESS
    assert place.rows(f"SELECT v FROM main.default.{unique} ORDER BY v") == [["a'b"], ["python"]]


@claim("%run brings in the names of another notebook", call=SUBMIT, engine="Python")
def test_run_magic(place):
    place.notebook("lib", "def double(x):\n    return 2 * x\n")
    source = "# MAGIC %run ./lib\n\n# COMMAND ----------\n\ndbutils.notebook.exit(double(21))\n"
    _, output = place.one(notebook_task=place.notebook("n", source))
    assert output.notebook_output.result == "42"


@claim("dbutils.notebook.run runs another notebook and gives its exit value", call=SUBMIT, engine="Python")
def test_notebook_in_notebook(place):
    place.notebook("child", "dbutils.notebook.exit(dbutils.widgets.get('x') + '!')")
    source = "dbutils.notebook.exit(dbutils.notebook.run('./child', 30, {'x': 'deep'}))"
    _, output = place.one(notebook_task=place.notebook("n", source))
    assert output.notebook_output.result == "deep!"


@claim("an imported Jupyter notebook runs", call=SUBMIT, engine="Python")
def test_jupyter_notebook(w, place):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [dict(cell, source=["x = 40\n", "x += 2"]), dict(cell, source="dbutils.notebook.exit(x)")]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    w.workspace.upload(f"{place.path}/j", json.dumps(notebook).encode(), format=ImportFormat.JUPYTER)
    _, output = place.one(notebook_task=NotebookTask(notebook_path=f"{place.path}/j"))
    assert output.notebook_output.result == "42"


@claim("the error of a notebook is its output, and its trace names the user's line", call=OUTPUT, engine="Python")
def test_notebook_error(place):
    source = "# Databricks notebook source\nx = 0\n\n# COMMAND ----------\n\ndef f():\n    return 1 / x\n\nf()\n"
    run, output = place.one(notebook_task=place.notebook("n", source))
    assert run.tasks[0].state.result_state == Result.FAILED
    assert output.error == "ZeroDivisionError: division by zero"
    assert "line 9, in <module>" in output.error_trace and "line 7, in f" in output.error_trace
    assert "return 1 / x" in output.error_trace and "driver" not in output.error_trace


@claim("an error of SQL reaches the notebook as an exception with its class", call=SUBMIT, engine="Python, DataFusion")
def test_sql_error_in_python(place):
    source = """from pyspark.errors import AnalysisException
try:
    spark.sql("SELECT * FROM no_such_table")
except AnalysisException as error:
    dbutils.notebook.exit(f"{error.getErrorClass()} {error.getSqlState()}")
"""
    _, output = place.one(notebook_task=place.notebook("n", source))
    assert output.notebook_output.result == "TABLE_OR_VIEW_NOT_FOUND 42P01"


@claim("values of every common type come into Python as themselves", call=SUBMIT, engine="Python, DataFusion")
def test_types_in_python(place):
    source = """row = spark.sql("SELECT 1 AS i, 1.50BD AS d, true AS b, 'x' AS s, DATE'2024-02-29' AS t, CAST(NULL AS INT) AS n, 2.5D AS f").first()
dbutils.notebook.exit(repr(tuple(row)) + repr(spark.sql("SELECT :a + 1 AS x", args={"a": 41}).first().x))
"""
    _, output = place.one(notebook_task=place.notebook("n", source))
    assert output.notebook_output.result == (
        "(1, Decimal('1.50'), True, 'x', datetime.date(2024, 2, 29), None, 2.5)42"
    )


@claim("a Python file runs with its arguments, finds its neighbours, and what it prints is its log", call=SUBMIT, engine="Python")
def test_python_file(place):
    place.file("helper.py", "X = 42\n")
    main = place.file("main.py", "import sys\nfrom helper import X\nprint(sys.argv[1:], X)\nprint('err', file=sys.stderr)\n")
    task = SparkPythonTask(python_file=main, parameters=["a b", "c"])
    run, output = place.one(spark_python_task=task, environment_key="e")
    assert run.state.result_state == Result.SUCCESS
    assert "['a b', 'c'] 42\n" in output.logs and "err\n" in output.logs
    assert output.logs_truncated is False


@claim("a Python file of a volume runs, with SparkSession.builder as its way to SQL", call=SUBMIT, engine="Python, DataFusion")
def test_python_file_of_volume(w, place, unique):
    path = f"{os.environ['TWINHOUSE_STAGING_VOLUME']}/{unique}.py"
    code = b"from pyspark.sql import SparkSession\nspark = SparkSession.builder.appName('x').getOrCreate()\nspark.sql('SELECT 7 AS n').show()\n"
    w.files.upload(path, io.BytesIO(code))
    _, output = place.one(spark_python_task=SparkPythonTask(python_file=f"dbfs:{path}"), environment_key="e")
    assert "|  7|" in output.logs


@claim("a Python file that exits with a number other than 0 has failed", call=OUTPUT, engine="Python")
def test_exit_code(place):
    run, output = place.one(spark_python_task=SparkPythonTask(python_file=place.file("m.py", "import sys\nsys.exit(3)\n")), environment_key="e")
    assert run.tasks[0].state.result_state == Result.FAILED
    assert output.error == "SystemExit: 3"


@claim("the log of a task is its last 5 MB", call=OUTPUT, engine="Python")
def test_long_log(place):
    code = "for n in range(130_000):\n    print(f'{n:07} ' + 'x' * 55)\n"
    _, output = place.one(spark_python_task=SparkPythonTask(python_file=place.file("m.py", code)), environment_key="e")
    assert output.logs_truncated is True
    assert len(output.logs) == 5 << 20 and output.logs.splitlines()[-1].startswith("0129999")


@claim("an exit value is kept up to 5 MB, and says that it was cut", call=OUTPUT, engine="Python")
def test_long_result(place):
    _, output = place.one(notebook_task=place.notebook("n", "dbutils.notebook.exit('y' * (6 << 20))"))
    assert output.notebook_output.truncated is True
    assert output.notebook_output.result == "y" * (5 << 20)


def wheel(name):
    """A wheel with an entry point `main` and a function `plain`."""
    code = f"import sys\n\ndef main():\n    print('{name}', sys.argv[1:])\n\ndef plain():\n    print('plain')\n"
    files = {
        f"{name}/__init__.py": code,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/entry_points.txt": f"[console_scripts]\nrun = {name}:main\n",
        f"{name}-1.0.dist-info/RECORD": "",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return out.getvalue()


@claim("a wheel of a volume is installed, and its entry point runs with named parameters", call=SUBMIT, engine="Python")
def test_wheel(w, place, unique):
    path = f"{os.environ['TWINHOUSE_STAGING_VOLUME']}/{unique}-1.0-py3-none-any.whl"
    w.files.upload(path, io.BytesIO(wheel(unique)))
    environment = [JobEnvironment(environment_key="e", spec=Environment(client="2", dependencies=[path]))]
    task = PythonWheelTask(package_name=unique, entry_point="run", named_parameters={"k": "v"})
    run = place.wait(place.submit(SubmitTask(task_key="t", python_wheel_task=task, environment_key="e"), environments=environment))
    output = w.jobs.get_run_output(run.tasks[0].run_id)
    assert output.logs == f"{unique} ['--k=v']\n"


@claim("a wheel's function runs where it has no such entry point, on a cluster with libraries", call=SUBMIT, engine="Python")
def test_wheel_function(w, place, unique):
    path = f"{place.path}/{unique}-1.0-py3-none-any.whl"
    w.workspace.upload(path, wheel(unique), format=ImportFormat.RAW)
    task = PythonWheelTask(package_name=unique, entry_point="plain")
    libraries = [Library(whl=f"/Workspace{path}")]
    _, output = place.one(python_wheel_task=task, existing_cluster_id="0000-000000-proof", libraries=libraries)
    assert output.logs == "plain\n"


@claim("a library that the sandbox does not install fails the task, and is named", call=OUTPUT, engine="Python")
def test_library_failure(place):
    environment = [JobEnvironment(environment_key="e", spec=Environment(client="2", dependencies=["left-pad==1.0"]))]
    task = SubmitTask(task_key="t", environment_key="e", spark_python_task=SparkPythonTask(python_file=place.file("m.py", "")))
    run = place.wait(place.submit(task, environments=environment))
    assert "left-pad==1.0" in place.w.jobs.get_run_output(run.tasks[0].run_id).error


@claim("dbutils.fs reads and writes files of volumes", call=SUBMIT, engine="Python, files")
def test_files_in_notebook(w, place, unique):
    folder = f"{os.environ['TWINHOUSE_STAGING_VOLUME']}/{unique}"
    source = f"""dbutils.fs.put("{folder}/a.txt", "content", True)
dbutils.fs.cp("{folder}/a.txt", "dbfs:{folder}/b.txt")
names = [info.name for info in dbutils.fs.ls("{folder}")]
dbutils.notebook.exit(f"{{names}} {{dbutils.fs.head('{folder}/b.txt')}} {{dbutils.fs.rm('{folder}/a.txt')}}")
"""
    _, output = place.one(notebook_task=place.notebook("n", source))
    assert output.notebook_output.result == "['a.txt', 'b.txt'] content True"
    assert w.files.download(f"{folder}/b.txt").contents.read() == b"content"


@claim("dbutils.fs reads and writes the workspace's own file system too", call=SUBMIT, engine="Python, files")
def test_dbfs_in_notebook(w, place, unique):
    source = f"""dbutils.fs.mkdirs("dbfs:/tmp/{unique}")
dbutils.fs.put("/tmp/{unique}/a.txt", "x" * 1_500_000, True)
info = dbutils.fs.ls("dbfs:/tmp/{unique}")[0]
dbutils.notebook.exit(f"{{info.path}} {{info.size}} {{len(dbutils.fs.head(info.path, 1_400_000))}}")
"""
    _, output = place.one(notebook_task=place.notebook("n", source))
    assert output.notebook_output.result == f"dbfs:/tmp/{unique}/a.txt 1500000 1400000"
    with w.dbfs.open(f"/tmp/{unique}/a.txt", read=True) as file:
        assert file.read() == b"x" * 1_500_000


@claim("a Python file of the workspace's own file system runs", call=SUBMIT, engine="Python, files")
def test_python_file_of_dbfs(w, place, unique):
    with w.dbfs.open(f"/tmp/{unique}.py", write=True) as file:
        file.write(b"print('from dbfs')\n")
    _, output = place.one(spark_python_task=SparkPythonTask(python_file=f"dbfs:/tmp/{unique}.py"), environment_key="e")
    assert output.logs == "from dbfs\n"


@claim("/Volumes, /Workspace and /dbfs are folders for Python's own functions", call=SUBMIT, engine="Python, files")
def test_paths_in_python(w, place, unique):
    volume = f"{os.environ['TWINHOUSE_STAGING_VOLUME']}/{unique}"
    place.file("beside.txt", "beside")
    source = f"""import os, pathlib
os.makedirs("{volume}/deep")
with open("{volume}/deep/a.txt", "w") as file:
    file.write("written")
pathlib.Path("/dbfs/{unique}.txt").write_text("dbfs")
names = sorted(os.listdir("{volume}")), os.path.exists("{volume}/no"), os.path.isfile("{volume}/deep/a.txt")
dbutils.notebook.exit(f"{{names}} {{pathlib.Path('/Workspace{place.path}/beside.txt').read_text()}}")
"""
    _, output = place.one(notebook_task=place.notebook("n", source))
    assert output.error is None, output.error_trace
    assert output.notebook_output.result == "(['deep'], False, True) beside"
    assert w.files.download(f"{volume}/deep/a.txt").contents.read() == b"written"
    assert w.dbfs.read(f"/{unique}.txt").data == "ZGJmcw=="


@claim("a task uses the SDK itself, with the credential of its run", call=SUBMIT, engine="Python")
def test_credential_of_the_run(place):
    source = """import os, urllib.request
request = urllib.request.Request(os.environ["DATABRICKS_HOST"] + "/api/2.0/preview/scim/v2/Me")
request.add_header("Authorization", "Bearer " + os.environ["DATABRICKS_TOKEN"])
dbutils.notebook.exit(os.environ["DATABRICKS_TOKEN"] + " " + str(urllib.request.urlopen(request).status))
"""
    _, output = place.one(notebook_task=place.notebook("n", source))
    token, status = output.notebook_output.result.split()
    assert status == "200" and token != os.environ["DATABRICKS_TOKEN"]
    # It went with the run.
    with pytest.raises(DatabricksError, match="Invalid access token"):
        WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token=token, auth_type="pat").current_user.me()


@claim("nothing of the sandbox's own environment reaches a task", call=SUBMIT, engine="Python")
def test_clean_environment(place):
    _, output = place.one(notebook_task=place.notebook("n", "import os\ndbutils.notebook.exit(sorted(os.environ))"))
    names = set(json.loads(output.notebook_output.result.replace("'", '"')))
    assert names <= {
        "DATABRICKS_HOST", "DATABRICKS_TOKEN", "HOME", "LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH",
        "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONSAFEPATH", "TMPDIR", "TZ",
    }


@refusal("Spark's DataFrame API", call=SUBMIT, message="the sandbox does not run DataFrame.groupBy")
def test_no_dataframes(place, refused):
    source = "spark.sql('SELECT 1 AS x').groupBy('x').count()"
    run, output = place.one(notebook_task=place.notebook("n", source))
    assert run.tasks[0].state.result_state == Result.FAILED
    assert output.error.startswith(f"NotImplementedError: {refused}")


@refusal("Structured Streaming", call=SUBMIT, message="the sandbox does not run spark.readStream")
def test_no_streams(place, refused):
    _, output = place.one(notebook_task=place.notebook("n", "spark.readStream.format('rate').load()"))
    assert output.error.startswith(f"NotImplementedError: {refused}")


@refusal("secrets in tasks", call=SUBMIT, message="the sandbox does not have dbutils.secrets.get")
def test_no_secrets(place, refused):
    _, output = place.one(notebook_task=place.notebook("n", "dbutils.secrets.get('scope', 'key')"))
    assert output.error == f"NotImplementedError: {refused}"


@refusal("tasks of JARs", call=SUBMIT, message="The sandbox does not support spark_jar_task (task t).")
def test_no_jars(place, refused):
    task = SubmitTask(task_key="t", existing_cluster_id="c", spark_jar_task=SparkJarTask(main_class_name="x.Main"))
    with pytest.raises(DatabricksError) as caught:
        place.submit(task)
    assert str(caught.value) == refused


# How tasks depend on one another


@claim("tasks run in the order of their dependencies and pass values on", call=SUBMIT, engine="Python")
def test_task_values(place):
    first = place.notebook("a", "dbutils.jobs.taskValues.set('n', 42)")
    source = "v = dbutils.jobs.taskValues.get('a', 'n')\ndbutils.notebook.exit(f\"{v} {dbutils.widgets.get('n')}\")"
    second = place.notebook("b", source)
    second.base_parameters = {"n": "{{tasks.a.values.n}}"}
    run = place.wait(place.submit(
        SubmitTask(task_key="b", notebook_task=second, depends_on=[TaskDependency("a")]),
        SubmitTask(task_key="a", notebook_task=first),
    ))
    times = {task.task_key: task for task in run.tasks}
    assert times["a"].end_time <= times["b"].start_time + times["b"].setup_duration
    assert place.w.jobs.get_run_output(times["b"].run_id).notebook_output.result == "42 42"


@claim("a failed task skips those behind it, except where run_if says otherwise", call=SUBMIT, engine="Python")
def test_failure_spreads(place):
    good, bad = place.notebook("good", "1"), place.notebook("bad", "raise ValueError('x')")
    run = place.wait(place.submit(
        SubmitTask(task_key="bad", notebook_task=bad),
        SubmitTask(task_key="after", notebook_task=good, depends_on=[TaskDependency("bad")]),
        SubmitTask(task_key="always", notebook_task=good, depends_on=[TaskDependency("bad")], run_if=RunIf.ALL_DONE),
        SubmitTask(task_key="last", notebook_task=good, depends_on=[TaskDependency("after")]),
    ))
    assert results(run) == {
        "bad": Result.FAILED, "after": Result.UPSTREAM_FAILED, "always": Result.SUCCESS, "last": Result.UPSTREAM_FAILED,
    }
    assert run.state.state_message == (
        "Task bad failed with message: Workload failed, see run output for details."
        " This caused all downstream tasks to get skipped."
    )


@claim("a run whose leaves succeeded though a task failed has succeeded with failures", call=GET, engine="Python")
def test_success_with_failures(place):
    good, bad = place.notebook("good", "1"), place.notebook("bad", "raise ValueError('x')")
    run = place.wait(place.submit(
        SubmitTask(task_key="bad", notebook_task=bad),
        SubmitTask(task_key="mend", notebook_task=good, depends_on=[TaskDependency("bad")], run_if=RunIf.AT_LEAST_ONE_FAILED),
    ))
    assert run.state.result_state == Result.SUCCESS_WITH_FAILURES


@claim("a condition chooses the branch, and the other one is excluded", call=SUBMIT, engine="memory")
def test_condition(place):
    note = place.notebook("n", "1")
    run = place.wait(place.submit(
        SubmitTask(task_key="if", condition_task=ConditionTask(op=ConditionTaskOp.GREATER_THAN, left="12", right="2.5")),
        SubmitTask(task_key="yes", notebook_task=note, depends_on=[TaskDependency("if", outcome="true")]),
        SubmitTask(task_key="no", notebook_task=note, depends_on=[TaskDependency("if", outcome="false")]),
    ))
    assert results(run) == {"if": Result.SUCCESS, "yes": Result.SUCCESS, "no": Result.EXCLUDED}
    assert run.state.result_state == Result.SUCCESS
    assert next(task for task in run.tasks if task.task_key == "if").condition_task.outcome == "true"


@claim("a for-each task runs its task once for each input, and tells its iterations", call=GET, engine="Python")
def test_for_each(w, place):
    note = place.notebook("n", "dbutils.notebook.exit(dbutils.widgets.get('x'))")
    note.base_parameters = {"x": "{{input.v}}"}
    each = ForEachTask(inputs='[{"v": "a"}, {"v": "b"}, {"v": 3}]', concurrency=2, task=Task(task_key="inner", notebook_task=note))
    run = place.wait(place.submit(SubmitTask(task_key="each", for_each_task=each)))
    assert run.state.result_state == Result.SUCCESS
    stats = run.tasks[0].for_each_task.stats.task_run_stats
    assert (stats.total_iterations, stats.succeeded_iterations, stats.failed_iterations) == (3, 3, 0)
    iterations = w.jobs.get_run(run.tasks[0].run_id).iterations
    said = [w.jobs.get_run_output(iteration.run_id).notebook_output.result for iteration in iterations]
    assert sorted(said) == ["3", "a", "b"]


@claim("a failed task is tried again as often as it may be, each try with its own output", call=SUBMIT, engine="Python")
def test_retries(w, place, unique):
    place.rows(f"CREATE TABLE main.default.{unique} (a INT)")
    source = f"""spark.sql("INSERT INTO main.default.{unique} VALUES (1)")
n = spark.sql("SELECT count(*) AS n FROM main.default.{unique}").first().n
assert n >= 3, f"try {{n}}"
dbutils.notebook.exit(n)
"""
    task = SubmitTask(task_key="t", notebook_task=place.notebook("n", source), max_retries=5, min_retry_interval_millis=10)
    run = place.wait(place.submit(task))
    assert run.state.result_state == Result.SUCCESS
    tries = sorted(run.tasks, key=lambda task: task.attempt_number)
    assert [task.attempt_number for task in tries] == [0, 1, 2]
    outputs = [w.jobs.get_run_output(task.run_id) for task in tries]
    assert [output.error for output in outputs] == ["AssertionError: try 1", "AssertionError: try 2", None]
    assert outputs[-1].notebook_output.result == "3"


@claim("a task that takes longer than it may is stopped, processes and all", call=SUBMIT, engine="Python")
def test_task_timeout(place):
    task = SubmitTask(task_key="t", notebook_task=place.notebook("n", "import time\ntime.sleep(600)"), timeout_seconds=1)
    run = place.wait(place.submit(task))
    assert run.tasks[0].state.result_state == Result.TIMEDOUT
    # Not before its time, and long before it would have ended by itself.
    assert 900 < run.tasks[0].execution_duration < 600_000


@claim("a run that takes longer than it may is timed out as a whole", call=SUBMIT, engine="Python")
def test_run_timeout(place):
    run = place.wait(place.submit(SubmitTask(task_key="t", notebook_task=place.notebook("n", "import time\ntime.sleep(600)")), timeout_seconds=1))
    assert (run.state.life_cycle_state, run.state.result_state) == (Cycle.TERMINATED, Result.TIMEDOUT)
    assert run.state.user_cancelled_or_timedout is True


# Runs


@claim("the output of a job run is refused, even with one task: tasks have outputs", call=OUTPUT, engine="memory")
def test_output_of_job_run(w, place):
    run, _ = place.one(notebook_task=place.notebook("n", "1"))
    with pytest.raises(InvalidParameterValue) as caught:
        w.jobs.get_run_output(run.run_id)
    assert str(caught.value) == (
        "Retrieving the output of runs with multiple tasks is not supported."
        " Please retrieve the output of each individual task run instead."
    )


@claim("a failed run makes the SDK's own wait fail, with the task's name in the message", call=GET, engine="Python")
def test_failed_wait(w, place):
    task = SubmitTask(task_key="main", notebook_task=place.notebook("n", "raise ValueError('x')"))
    waiter = w.jobs.submit(run_name="proof", tasks=[task])
    with pytest.raises(OperationFailed, match="INTERNAL_ERROR: Task main failed with message: Workload failed"):
        waiter.result(timeout=PATIENTLY)
    run = w.jobs.get_run(waiter.run_id)
    assert run.tasks[0].state.life_cycle_state == Cycle.TERMINATED
    assert run.status.state == RunLifecycleStateV2State.TERMINATED
    assert run.status.termination_details.type == TerminationTypeType.CLIENT_ERROR


@claim("an idempotency token gives the run that it began, and no second one", call=SUBMIT, engine="memory")
def test_idempotency(w, place, unique):
    task = SubmitTask(task_key="t", notebook_task=place.notebook("n", "1"))
    first = place.submit(task, idempotency_token=unique)
    assert place.submit(task, idempotency_token=unique) == first
    place.wait(first)
    assert place.submit(task, idempotency_token=unique) == first
    w.jobs.delete_run(first)
    with pytest.raises(InvalidParameterValue, match="deleted"):
        place.submit(task, idempotency_token=unique)


@claim("a run is canceled in its own time, and what it started is gone", call="POST /api/2.2/jobs/runs/cancel", engine="Python")
def test_cancel(w, place):
    source = """import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""
    code = place.file("m.py", source)
    task = SubmitTask(task_key="t", spark_python_task=SparkPythonTask(python_file=code), environment_key="e")
    run_id = place.submit(task, environments=SERVERLESS)
    task_run = w.jobs.get_run(run_id).tasks[0].run_id
    pid = int(until(lambda: w.jobs.get_run_output(task_run).logs, lambda logs: (logs or "").endswith("\n")))
    asked = int(time.time() * 1000)
    w.jobs.cancel_run(run_id)
    run = place.wait(run_id)
    assert (run.state.result_state, run.tasks[0].state.result_state) == (Result.CANCELED, Result.CANCELED)
    # The run is terminating for a moment: the call does not wait for its end.
    assert run.end_time - asked >= 150

    def state():
        """Until its new parent has looked, a process that has ended is a zombie."""
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0]
        except OSError:
            return "gone"

    until(lambda: state() in ("Z", "gone"))


@claim("a canceled run's statements are canceled too", call="POST /api/2.2/jobs/runs/cancel", engine="Python, DataFusion")
def test_cancel_stops_sql(w, place, unique):
    tables = ", ".join(f"(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS t{n}(x)" for n in range(11))
    slow = f"SELECT sum(t0.x * t10.x) AS {unique} FROM {tables}"
    note = place.notebook("n", f"spark.sql('''{slow}''')")
    run_id = place.submit(SubmitTask(task_key="t", notebook_task=note))

    def state():
        """What the status page says of the statement."""
        page = urllib.request.urlopen(os.environ["DATABRICKS_HOST"] + "/").read().decode()
        found = re.search(rf"<span[^>]*>(\w+)</span></td><td><code>[^<]*AS {unique} FROM", page)
        return found and found[1]

    until(lambda: state() == "running")
    w.jobs.cancel_run(run_id)
    assert place.wait(run_id).state.result_state == Result.CANCELED
    assert state() == "canceled"


@claim("runs are listed newest first, by what they are and whether they are over", call="GET /api/2.2/jobs/runs/list", engine="memory")
def test_list_runs(w, place):
    slow = SubmitTask(task_key="t", notebook_task=place.notebook("s", "import time\ntime.sleep(600)"))
    done = [place.one(notebook_task=place.notebook("n", "1"))[0].run_id for _ in range(2)]
    active = place.submit(slow)
    began = w.jobs.get_run(done[0]).start_time
    assert active in [run.run_id for run in w.jobs.list_runs(active_only=True)]
    over = [run.run_id for run in w.jobs.list_runs(completed_only=True, start_time_from=began)]
    assert active not in over and over.index(done[1]) < over.index(done[0])
    assert w.jobs.get_run(active).run_type.value == "SUBMIT_RUN"
    with pytest.raises(InvalidParameterValue, match="active_only"):
        next(w.jobs.list_runs(active_only=True, completed_only=True))
    w.jobs.cancel_run(active)
    place.wait(active)


@claim("a page of runs has 25 at most, and every run is on one page", call="GET /api/2.2/jobs/runs/list", engine="memory")
def test_pages_of_runs(w, place, job):
    condition = ConditionTask(op=ConditionTaskOp.EQUAL_TO, left="a", right="a")
    job_id = job(name="proof", max_concurrent_runs=100, tasks=[Task(task_key="t", condition_task=condition)])
    began = [w.jobs.run_now(job_id).run_id for _ in range(30)]
    seen = [run.run_id for run in w.jobs.list_runs(job_id=job_id, limit=7)]
    assert seen == began[::-1]
    with pytest.raises(InvalidParameterValue, match="limit"):
        next(w.jobs.list_runs(job_id=job_id, limit=26))


@claim("version 2.2 tells 100 tasks a page, and the SDK puts them together", call=GET, engine="memory")
def test_pages_of_tasks(w, place):
    condition = ConditionTask(op=ConditionTaskOp.EQUAL_TO, left="a", right="a")
    tasks = [SubmitTask(task_key=f"t{n}", condition_task=condition) for n in range(230)]
    run_id = place.submit(*tasks)
    page = w.api_client.do("GET", "/api/2.2/jobs/runs/get", query={"run_id": run_id})
    assert len(page["tasks"]) == 100 and page["next_page_token"]
    assert len(w.api_client.do("GET", "/api/2.1/jobs/runs/get", query={"run_id": run_id})["tasks"]) == 230
    run = place.wait(run_id)
    assert {task.task_key for task in run.tasks} == {f"t{n}" for n in range(230)}


@claim("a run that is not there is not found", call=GET, engine="memory")
def test_missing_run(w):
    with pytest.raises(ResourceDoesNotExist, match="Run 1 does not exist."):
        w.jobs.get_run(1)


@claim("a deleted run is gone; an active one is not deleted", call="POST /api/2.2/jobs/runs/delete", engine="memory")
def test_delete_run(w, place):
    run_id = place.submit(SubmitTask(task_key="t", notebook_task=place.notebook("s", "import time\ntime.sleep(600)")))
    with pytest.raises(InvalidState, match="active"):
        w.jobs.delete_run(run_id)
    w.jobs.cancel_run(run_id)
    place.wait(run_id)
    w.jobs.delete_run(run_id)
    with pytest.raises(ResourceDoesNotExist):
        w.jobs.get_run(run_id)


@claim("a repaired run tries its failed tasks again, and tells its history", call="POST /api/2.2/jobs/runs/repair", engine="Python")
def test_repair(w, place, unique):
    source = f"spark.sql('SELECT * FROM main.default.{unique}').count()"
    run = place.wait(place.submit(
        SubmitTask(task_key="good", notebook_task=place.notebook("g", "1")),
        SubmitTask(task_key="bad", notebook_task=place.notebook("b", source), depends_on=[TaskDependency("good")]),
        SubmitTask(task_key="after", notebook_task=place.notebook("g", "1"), depends_on=[TaskDependency("bad")]),
    ))
    assert run.state.result_state == Result.FAILED
    place.rows(f"CREATE TABLE main.default.{unique} (a INT)")
    repair = w.jobs.repair_run(run.run_id, rerun_all_failed_tasks=True).response
    run = place.wait(run.run_id)
    assert run.state.result_state == Result.SUCCESS
    tries = {(task.task_key, task.attempt_number): task.state.result_state for task in run.tasks}
    assert tries == {
        ("good", 0): Result.SUCCESS, ("bad", 0): Result.FAILED, ("after", 0): Result.UPSTREAM_FAILED,
        ("bad", 1): Result.SUCCESS, ("after", 1): Result.SUCCESS,
    }
    history = w.jobs.get_run(run.run_id, include_history=True).repair_history
    assert [item.type.value for item in history] == ["ORIGINAL", "REPAIR"]
    assert history[1].id == repair.repair_id


@claim("the code of a notebook run is exported as HTML", call="GET /api/2.2/jobs/runs/export", engine="files")
def test_export(w, place):
    run, _ = place.one(notebook_task=place.notebook("shown", "x = '<b>'"))
    view = w.jobs.export_run(run.tasks[0].run_id).views[0]
    assert (view.name, view.type) == ("shown", ViewType.NOTEBOOK)
    assert "x = '&lt;b&gt;'" in view.content


# Jobs


@claim("a job runs with its parameters, which a run may change", call=RUN_NOW, engine="Python")
def test_run_now(w, place, job):
    note = place.notebook("n", "dbutils.notebook.exit(dbutils.widgets.get('p') + dbutils.widgets.get('q'))")
    note.base_parameters = {"q": "{{job.parameters.p}}/{{job.id}}", "p": "loses"}
    parameters = [JobParameterDefinition(name="p", default="d")]
    job_id = job(name="proof", parameters=parameters, tasks=[Task(task_key="t", notebook_task=note)])
    said = []
    for given in (None, {"p": "x"}):
        run = w.jobs.run_now(job_id, job_parameters=given).result()
        said.append(w.jobs.get_run_output(run.tasks[0].run_id).notebook_output.result)
    assert said == [f"dd/{job_id}", f"xx/{job_id}"]
    assert (run.number_in_job, run.run_type.value) == (2, "JOB_RUN")
    assert run.job_parameters[0].value == "x"


@claim("notebook_params of older clients change the parameters of notebooks", call=RUN_NOW, engine="Python")
def test_notebook_params(w, place, job):
    note = place.notebook("n", "dbutils.notebook.exit(dbutils.widgets.get('a') + dbutils.widgets.get('b'))")
    note.base_parameters = {"a": "1", "b": "2"}
    job_id = job(name="proof", tasks=[Task(task_key="t", notebook_task=note)])
    run = place.wait(w.jobs.run_now(job_id, notebook_params={"b": "3"}).run_id)
    assert w.jobs.get_run_output(run.tasks[0].run_id).notebook_output.result == "13"


@claim("a run of more than may run at once is skipped", call=RUN_NOW, engine="memory")
def test_skipped(w, place, job):
    note = place.notebook("s", "import time\ntime.sleep(600)")
    job_id = job(name="proof", tasks=[Task(task_key="t", notebook_task=note)])
    first = w.jobs.run_now(job_id).run_id
    place.until(first, Cycle.RUNNING)
    second = w.jobs.run_now(job_id)
    run = w.jobs.wait_get_run_job_terminated_or_skipped(second.run_id)
    assert (run.state.life_cycle_state, run.state.result_state) == (Cycle.SKIPPED, Result.MAXIMUM_CONCURRENT_RUNS_REACHED)
    w.jobs.cancel_all_runs(job_id=job_id)
    assert place.wait(first).state.result_state == Result.CANCELED


@claim("with a queue a run waits for its turn", call=RUN_NOW, engine="Python")
def test_queue(w, place, job):
    note = place.notebook("s", "import time\ntime.sleep(float(dbutils.widgets.get('seconds')))")
    note.base_parameters = {"seconds": "0"}
    job_id = job(name="proof", queue=QueueSettings(enabled=True), tasks=[Task(task_key="t", notebook_task=note)])
    first = w.jobs.run_now(job_id, notebook_params={"seconds": "600"}).run_id
    place.until(first, Cycle.RUNNING)
    second = w.jobs.run_now(job_id).run_id
    queued = place.until(second, Cycle.QUEUED)
    assert queued.status.queue_details.code.value == "MAX_CONCURRENT_RUNS_REACHED"
    w.jobs.cancel_run(first)
    assert place.wait(second).state.result_state == Result.SUCCESS


@claim("a run-job task runs the other job and waits for it", call=RUN_NOW, engine="Python")
def test_run_job(w, place, job):
    note = place.notebook("n", "dbutils.notebook.exit(dbutils.widgets.get('p'))")
    inner = job(name="inner", parameters=[JobParameterDefinition(name="p", default="d")], tasks=[Task(task_key="t", notebook_task=note)])
    outer = job(name="outer", tasks=[Task(task_key="go", run_job_task=RunJobTask(job_id=inner, job_parameters={"p": "from outside"}))])
    run = place.wait(w.jobs.run_now(outer).run_id)
    assert run.state.result_state == Result.SUCCESS
    child = w.jobs.get_run(w.jobs.get_run_output(run.tasks[0].run_id).run_job_output.run_id)
    assert (child.job_id, child.trigger.value) == (inner, "RUN_JOB_TASK")
    assert w.jobs.get_run_output(child.tasks[0].run_id).notebook_output.result == "from outside"


@claim("a job that would run itself is refused", call="POST /api/2.2/jobs/reset", engine="memory")
def test_no_recursion(w, job):
    first = job(name="a", tasks=[])
    second = job(name="b", tasks=[Task(task_key="t", run_job_task=RunJobTask(job_id=first))])
    with pytest.raises(InvalidParameterValue, match="run itself"):
        w.jobs.reset(first, JobSettings(name="a", tasks=[Task(task_key="t", run_job_task=RunJobTask(job_id=second))]))


@claim("a job is told as it was defined", call="GET /api/2.2/jobs/get", engine="memory")
def test_get_job(w, job):
    condition = ConditionTask(op=ConditionTaskOp.EQUAL_TO, left="a", right="a")
    tags = {"team": "proof"}
    job_id = job(name="told", tags=tags, timeout_seconds=60, tasks=[Task(task_key="t", condition_task=condition)])
    told = w.jobs.get(job_id)
    assert (told.settings.name, told.settings.tags, told.settings.timeout_seconds) == ("told", tags, 60)
    assert told.settings.max_concurrent_runs == 1
    assert told.settings.tasks[0].condition_task == condition
    assert abs(told.created_time / 1000 - time.time()) < 60


@claim("update changes what it names, removes what it shall, and leaves the rest", call="POST /api/2.2/jobs/update", engine="memory")
def test_update_job(w, job):
    condition = ConditionTask(op=ConditionTaskOp.EQUAL_TO, left="a", right="a")
    tasks = [Task(task_key=key, condition_task=condition) for key in ("a", "b")]
    job_id = job(name="before", tags={"x": "y"}, tasks=tasks)
    change = JobSettings(name="after", tasks=[Task(task_key="c", condition_task=condition)])
    w.jobs.update(job_id, new_settings=change, fields_to_remove=["tags", "tasks/a"])
    told = w.jobs.get(job_id).settings
    assert (told.name, told.tags, [task.task_key for task in told.tasks]) == ("after", None, ["b", "c"])


@claim("reset replaces everything", call="POST /api/2.2/jobs/reset", engine="memory")
def test_reset_job(w, job):
    job_id = job(name="before", tags={"x": "y"}, timeout_seconds=5, tasks=[])
    w.jobs.reset(job_id, JobSettings(name="after"))
    told = w.jobs.get(job_id).settings
    assert (told.name, told.tags, told.timeout_seconds) == ("after", None, 0)


@claim("jobs are listed newest first, page after page, and by name", call="GET /api/2.2/jobs/list", engine="memory")
def test_list_jobs(w, job, unique):
    made = [job(name=f"{unique}-{n}", tasks=[]) for n in range(5)]
    listed = [found.job_id for found in w.jobs.list(limit=2)]
    assert [job_id for job_id in listed if job_id in made] == made[::-1]
    assert len(listed) == len(set(listed))
    assert [found.job_id for found in w.jobs.list(name=f"{unique}-3".upper())] == [made[3]]


@claim("a deleted job is not found", call="POST /api/2.2/jobs/delete", engine="memory")
def test_delete_job(w, job):
    job_id = job(name="gone", tasks=[])
    w.jobs.delete(job_id)
    with pytest.raises(ResourceDoesNotExist, match=f"Job {job_id} does not exist."):
        w.jobs.get(job_id)
    with pytest.raises(DatabricksError, match="does not exist"):
        w.jobs.run_now(job_id)


BAD = {
    "no tasks": ([], "At least one task"),
    "two of a key": ([dict(task_key="a"), dict(task_key="a")], "Duplicate task key 'a'"),
    "unknown dependency": ([dict(task_key="a", depends_on=[TaskDependency("b")])], "dependency 'b'"),
    "circle": (
        [dict(task_key="a", depends_on=[TaskDependency("b")]), dict(task_key="b", depends_on=[TaskDependency("a")])],
        "lead back to itself",
    ),
    "odd key": ([dict(task_key="a b")], "task key 'a b'"),
    "two kinds": ([dict(task_key="a", run_job_task=RunJobTask(job_id=1))], "only one of"),
    "cluster for a condition": ([dict(task_key="a", existing_cluster_id="c")], "runs on no cluster"),
}


@pytest.mark.parametrize("case", BAD)
@claim("what cannot be right is refused before anything runs, and says what it is", call=SUBMIT, engine="memory")
def test_bad_submissions(w, case):
    tasks, message = BAD[case]
    condition = ConditionTask(op=ConditionTaskOp.EQUAL_TO, left="a", right="a")
    with pytest.raises(InvalidParameterValue, match=message):
        w.jobs.submit(run_name="proof", tasks=[SubmitTask(condition_task=condition, **task) for task in tasks])


@claim("a Python task needs a cluster or an environment, and not both", call=SUBMIT, engine="memory")
def test_compute(w):
    python = SparkPythonTask(python_file="/x.py")
    for more, message in [
        ({}, "environment_key is required"),
        ({"existing_cluster_id": "c", "environment_key": "e"}, "serverless"),
        ({"environment_key": "other"}, "'other' is not defined"),
    ]:
        with pytest.raises(InvalidParameterValue, match=message):
            task = SubmitTask(task_key="t", spark_python_task=python, **more)
            w.jobs.submit(run_name="proof", tasks=[task], environments=SERVERLESS)


@claim("a field that is null is as one that is not there", call=SUBMIT, engine="memory")
def test_nulls(w, place):
    note = {"notebook_path": place.notebook("n", "1").notebook_path, "base_parameters": None}
    task = {"task_key": "t", "notebook_task": note, "depends_on": None, "libraries": None, "new_cluster": None}
    body = {"run_name": None, "tasks": [task], "timeout_seconds": None}
    run_id = w.api_client.do("POST", "/api/2.2/jobs/runs/submit", body=body)["run_id"]
    run = place.wait(run_id)
    assert (run.state.result_state, run.run_name) == (Result.SUCCESS, "Untitled")


@claim("a job with a schedule is kept with it", call="POST /api/2.2/jobs/create", engine="memory")
def test_schedule(w, job):
    schedule = CronSchedule(quartz_cron_expression="0 0 * * * ?", timezone_id="UTC", pause_status=PauseStatus.PAUSED)
    assert w.jobs.get(job(name="hourly", schedule=schedule, tasks=[])).settings.schedule == schedule
