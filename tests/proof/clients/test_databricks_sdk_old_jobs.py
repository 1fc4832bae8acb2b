"""Jobs by an old Databricks SDK, which still calls version 2.1; in a process of its own, for its modules have the new
one's names."""

import json
import os
import subprocess
import sys
import textwrap

from claims import claim
from patience import PATIENCE

CLIENT = "databricks-sdk"
VERSION = "0.40.0"
# The folder that it is installed in.
OLD = "TWINHOUSE_PROOF_OLD_SDK"


def old(code):
    """Runs code with the old SDK, and answers what it prints as JSON."""
    folder = os.environ.get(OLD)
    assert folder, f"{OLD} names no folder with databricks-sdk {VERSION}"
    start = f"""
        import json, os, time
        import databricks.sdk.version
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.service import compute, jobs, workspace
        assert databricks.sdk.version.__version__ == "{VERSION}"
        w = WorkspaceClient()
        asked, do = [], w.api_client.do
        def note(method, path, *args, **kwargs):
            asked.append(method + " " + path)
            return do(method, path, *args, **kwargs)
        for api in (w.jobs, w.workspace):
            api._api = type("Api", (), dict(do=staticmethod(note), _cfg=w.config))()
        warehouse = os.environ["DATABRICKS_WAREHOUSE_ID"]
        condition = jobs.ConditionTask(op=jobs.ConditionTaskOp.EQUAL_TO, left="a", right="a")
        def done(run_id):
            while (run := w.jobs.get_run(run_id)).state.life_cycle_state.value not in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR"):
                time.sleep(0.05)
            return run
        def notebook(name, text):
            folder = "/Users/" + w.current_user.me().user_name
            w.workspace.mkdirs(folder)
            language, format = workspace.Language.PYTHON, workspace.ImportFormat.SOURCE
            w.workspace.upload(f"{{folder}}/{{name}}", text.encode(), language=language, format=format)
            return jobs.NotebookTask(notebook_path=f"{{folder}}/{{name}}")
    """
    code = textwrap.dedent(start) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@claim("an old client submits a notebook by version 2.1 and reads its exit value", call="POST /api/2.1/jobs/runs/submit", engine="Python")
def test_submit(unique):
    said = old(f"""
        task = jobs.SubmitTask(task_key="t", notebook_task=notebook("{unique}", "dbutils.notebook.exit(6 * 7)"))
        run = w.jobs.submit(run_name="old", tasks=[task]).result()
        output = w.jobs.get_run_output(run.tasks[0].run_id)
        print(json.dumps([run.state.result_state.value, output.notebook_output.result, asked]))
    """)
    assert said[:2] == ["SUCCESS", "42"]
    calls = said[2]
    assert "POST /api/2.1/jobs/runs/submit" in calls and "GET /api/2.1/jobs/runs/get-output" in calls
    assert not any("/api/2.2/" in call for call in calls)


@claim("version 2.1 tells every task of a run at once", call="GET /api/2.1/jobs/runs/get", engine="memory")
def test_no_pages():
    keys = old("""
        tasks = [jobs.SubmitTask(task_key=f"t{n}", condition_task=condition) for n in range(150)]
        print(json.dumps([task.task_key for task in done(w.jobs.submit(run_name="old", tasks=tasks).run_id).tasks]))
    """)
    assert keys == [f"t{n}" for n in range(150)]


@claim("an old client makes a job, runs, changes, lists and deletes it", call="POST /api/2.1/jobs/create", engine="memory")
def test_job(unique):
    said = old(f"""
        job_id = w.jobs.create(name="{unique}", tasks=[jobs.Task(task_key="t", condition_task=condition)]).job_id
        run = done(w.jobs.run_now(job_id).run_id)
        w.jobs.update(job_id, new_settings=jobs.JobSettings(name="{unique}-new"))
        names = [job.settings.name for job in w.jobs.list(name="{unique}-new")]
        runs = [run.run_id for run in w.jobs.list_runs(job_id=job_id)] == [run.run_id]
        w.jobs.delete(job_id)
        try:
            w.jobs.get(job_id)
        except Exception as error:
            missing = type(error).__name__
        print(json.dumps([run.state.result_state.value, names, runs, missing]))
    """)
    assert said == ["SUCCESS", [f"{unique}-new"], True, "ResourceDoesNotExist"]


@claim("an old client cancels a run", call="POST /api/2.1/jobs/runs/cancel", engine="Python")
def test_cancel(unique):
    said = old(f"""
        task = jobs.SubmitTask(task_key="t", notebook_task=notebook("{unique}", "import time; time.sleep(600)"))
        run_id = w.jobs.submit(run_name="old", tasks=[task]).run_id
        w.jobs.cancel_run(run_id)
        print(json.dumps(done(run_id).state.result_state.value))
    """)
    assert said == "CANCELED"


@claim("an old client is refused the output of a job run", call="GET /api/2.1/jobs/runs/get-output", engine="memory")
def test_output_of_job_run():
    said = old("""
        run = done(w.jobs.submit(run_name="old", tasks=[jobs.SubmitTask(task_key="t", condition_task=condition)]).run_id)
        try:
            w.jobs.get_run_output(run.run_id)
        except Exception as error:
            print(json.dumps([type(error).__name__, str(error)[:60]]))
    """)
    assert said == ["InvalidParameterValue", "Retrieving the output of runs with multiple tasks is not sup"]


@claim("an old client uploads to the workspace as a form and as JSON", call="POST /api/2.0/workspace/import", engine="files")
def test_workspace(unique):
    said = old(f"""
        import base64
        folder = "/Users/" + w.current_user.me().user_name + "/{unique}"
        w.workspace.mkdirs(folder)
        w.workspace.upload(folder + "/a.txt", b"form", format=workspace.ImportFormat.AUTO)
        content = base64.b64encode(b"json").decode()
        w.workspace.import_(folder + "/b.txt", content=content, format=workspace.ImportFormat.AUTO)
        names = [info.path.rsplit("/")[-1] for info in w.workspace.list(folder)]
        texts = [w.workspace.download(f"{{folder}}/{{name}}").read().decode() for name in names]
        w.workspace.delete(folder, recursive=True)
        print(json.dumps([names, texts]))
    """)
    assert said == [["a.txt", "b.txt"], ["form", "json"]]
