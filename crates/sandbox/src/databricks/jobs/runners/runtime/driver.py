"""Runs a task's Python: a notebook, a file or a wheel's entry point. Its plan is in the folder that it is given."""

import builtins
import importlib
import importlib.abc
import json
import linecache
import os
import pathlib
import sys
import traceback
import types
import zipfile

from twinhouse_runtime import spark as spark_module
from twinhouse_runtime.client import Client, Refusal
from twinhouse_runtime.paths import mount
from twinhouse_runtime.utilities import NotebookExit, Utilities

# As much of an exit text is kept as the service keeps.
LONGEST = 5 << 20
# As much of an error is told.
ERROR = 64 << 10
OWN = str(pathlib.Path(__file__).parent)


class Failure(Exception):
    """The task cannot run; the code says whose fault that is."""

    def __init__(self, message, code="RUN_EXECUTION_ERROR"):
        super().__init__(message)
        self.code = code


class NoPyspark(importlib.abc.MetaPathFinder):
    """Parts of pyspark that are not here are refused by name, not as if pyspark were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pyspark", "delta") and name not in sys.modules:
            spark_module.refuse(f"the module {name}")


def offer_pyspark(session):
    def module(name, **members):
        made = types.ModuleType(name)
        made.__dict__.update(members)
        made.__path__ = []
        sys.modules[name] = made
        return made

    sql = {name: getattr(spark_module, name) for name in ("Row", "DataFrame", "SparkSession")}
    spark_module.SparkSession.builder = spark_module.Builder(session)
    spark_module.SparkSession.getActiveSession = staticmethod(lambda: session)
    errors = {name: getattr(spark_module, name) for name in ("PySparkException", "AnalysisException", "ParseException")}
    module("pyspark", sql=module("pyspark.sql", **sql), errors=module("pyspark.errors", **errors))
    module("pyspark.sql.utils", **errors)
    sys.meta_path.insert(0, NoPyspark())


class Task:
    def __init__(self, folder):
        self.folder = folder
        self.plan = json.loads((folder / "plan.json").read_text())
        self.client = Client(self.plan["host"], self.plan["token"])
        # One list for a task and the notebooks that it runs, each line written at once.
        statements = os.open(self.plan["statements"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        note = lambda statement: os.write(statements, (statement + "\n").encode())
        self.spark = spark_module.SparkSession(self.client, self.plan["warehouse_id"], note)
        self.dbutils = Utilities(self.plan, folder, self.client)
        self.names = {"spark": self.spark, "dbutils": self.dbutils, "display": self.display}
        self.names["displayHTML"] = lambda html="": print(html)
        self.names["getArgument"] = self.dbutils.widgets.getArgument
        self.names["sql"] = self.spark.sql

    def display(self, value=None, *args, **kwargs):
        value.show() if isinstance(value, spark_module.DataFrame) else print(value)

    def main_module(self, file):
        module = types.ModuleType("__main__")
        module.__dict__.update(self.names, __file__=file, __builtins__=builtins)
        sys.modules["__main__"] = module
        return module.__dict__

    def run(self):
        offer_pyspark(self.spark)
        runtime = types.ModuleType("databricks.sdk.runtime")
        runtime.__dict__.update(self.names)
        sys.modules["databricks.sdk.runtime"] = runtime
        for library in self.plan.get("libraries") or []:
            self.install(library)
        sys.path[:0] = self.plan.get("sys_path") or []
        mount(self.plan["mounts"])
        getattr(self, "run_" + self.plan["mode"])()

    def install(self, wheel):
        site = self.folder / "site"
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
        except (OSError, zipfile.BadZipFile) as error:
            raise Failure(f"The library {wheel} cannot be installed: {error}", "LIBRARY_INSTALLATION_ERROR") from None
        if str(site) not in sys.path:
            sys.path.insert(0, str(site))

    def run_file(self):
        file, name = self.plan["file"], self.plan["path"]
        with open(file, "rb") as opened:
            source = opened.read()
        sys.argv = [name, *self.plan["arguments"]]
        code = self.compiled(source.decode("utf-8-sig"), name)
        exec(code, self.main_module(file))

    def compiled(self, source, name, line=1):
        lines = source.splitlines(keepends=True)
        linecache.cache[name] = (len(source), None, ["\n"] * (line - 1) + lines, name)
        return compile("\n" * (line - 1) + source, name, "exec", dont_inherit=True)

    def run_notebook(self):
        sys.argv = ["ipykernel"]
        names = self.main_module(self.plan["path"])
        try:
            self.cells(self.plan["path"], self.plan.get("start"), names, [])
        except NotebookExit as end:
            text = str(end).encode()
            (self.folder / "result").write_bytes(text[:LONGEST])
            if len(text) > LONGEST:
                (self.folder / "truncated").touch()

    def cells(self, path, start, names, within):
        query = {"path": path, **({"from": start} if start else {})}
        try:
            notebook = self.client.call("GET", "/sandbox/notebook", query=query)
        except Refusal as refusal:
            code = "RESOURCE_NOT_FOUND" if refusal.status == 404 else "RUN_EXECUTION_ERROR"
            raise Failure(str(refusal), code) from None
        path = notebook["path"]
        if path in within:
            raise Failure(f"The notebook {path} runs itself by %run.")
        for number, cell in enumerate(notebook["cells"], 1):
            magic = cell["magic"]
            if magic == "python":
                exec(self.compiled(cell["text"], f"{path}#{number}", cell["line"]), names)
            elif magic == "sql":
                for statement in cell["statements"]:
                    found = self.spark.sql(statement, args=self.widgets_in(statement))
                    if found.columns:
                        names["_sqldf"] = found
                        found.show()
            elif magic == "run":
                self.cells(cell["text"].strip().strip("\"'"), path, names, [*within, path])
            elif not magic.startswith("md"):
                raise NotImplementedError(f"the sandbox does not run %{magic} cells ({path}, line {cell['line']})")

    def widgets_in(self, statement):
        """`:name` in a SQL cell is the widget of the name."""
        return {name: value for name, value in self.dbutils.widgets.getAll().items() if f":{name}" in statement}

    def run_wheel(self):
        package, entry = self.plan["package"], self.plan["entry_point"]
        sys.argv = [package, *self.plan["arguments"]]
        self.main_module(package)
        from importlib import metadata

        try:
            points = metadata.distribution(package).entry_points
        except metadata.PackageNotFoundError:
            points = []
        for point in points:
            if point.name == entry:
                return point.load()()
        try:
            module = importlib.import_module(package.replace("-", "_"))
        except ModuleNotFoundError as error:
            raise Failure(f"The package {package} is not there: {error}", "LIBRARY_INSTALLATION_ERROR") from None
        if not hasattr(module, entry):
            raise Failure(f"The package {package} has no entry point and no function {entry}.")
        return getattr(module, entry)()


def trace_of(error):
    """The user's part of the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(OWN)]
    kept = [frame for frame in frames if not frame.filename.startswith("<frozen ")]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(kept)] if kept else []
    return "".join(lines + traceback.format_exception_only(type(error), error))


def main():
    folder = pathlib.Path(sys.argv[1])
    outcome, task = {}, None
    try:
        task = Task(folder)
        task.run()
    except Failure as error:
        outcome = {"error": str(error), "error_trace": str(error), "code": error.code}
    except SystemExit as end:
        if end.code not in (None, 0):
            outcome = {"error": f"SystemExit: {end.code}", "error_trace": trace_of(end)}
    except BaseException as error:
        last = traceback.format_exception_only(type(error), error)[-1].strip()
        outcome = {"error": last, "error_trace": trace_of(error)}
    if outcome.get("error_trace"):
        print(outcome["error_trace"], file=sys.stderr)
    try:
        task and task.spark._close()
    except (OSError, Refusal):
        pass
    draft = folder / "outcome.draft"
    draft.write_text(json.dumps({name: text[:ERROR] for name, text in outcome.items()}))
    draft.rename(folder / "outcome.json")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass
    # Threads that the task left behind do not keep it.
    os._exit(1 if outcome else 0)


if __name__ == "__main__":
    main()
