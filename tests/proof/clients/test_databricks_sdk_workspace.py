"""The workspace's tree by the Databricks SDK: folders, files, notebooks."""

import base64
import io
import json

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, NotFound, ResourceAlreadyExists
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language, ObjectType

from claims import claim, refusal

CLIENT = "databricks-sdk"
IMPORT, EXPORT = "POST /api/2.0/workspace/import", "GET /api/2.0/workspace/export"
NOTEBOOK = b"# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n\n# MAGIC %sql\n# MAGIC SELECT 1\n"


@pytest.fixture(scope="module")
def w():
    return WorkspaceClient()


@pytest.fixture
def folder(w, unique):
    path = f"/Users/{w.current_user.me().user_name}/{unique}"
    w.workspace.mkdirs(path)
    yield path
    w.workspace.delete(path, recursive=True)


@claim("a file comes back byte by byte, sent as a form", call=IMPORT, engine="files")
def test_file_by_form(w, folder):
    content = bytes(range(256)) * 100 + b"\r\n--x\r\n"
    w.workspace.upload(f"{folder}/data.bin", io.BytesIO(content), format=ImportFormat.RAW)
    assert w.workspace.download(f"{folder}/data.bin").read() == content
    info = w.workspace.get_status(f"{folder}/data.bin")
    assert (info.object_type, info.size) == (ObjectType.FILE, len(content))


@claim("a file comes back byte by byte, sent as base64 in JSON", call=IMPORT, engine="files")
def test_file_by_json(w, folder):
    content = b"a,b\n1,\xc3\xa9\n"
    text = base64.b64encode(content).decode()
    w.workspace.import_(f"{folder}/x.csv", content=text, format=ImportFormat.RAW)
    exported = w.workspace.export(f"{folder}/x.csv", format=ExportFormat.SOURCE)
    assert base64.b64decode(exported.content) == content
    assert exported.file_type == "csv"


@claim("source with a language is a notebook of that language", call=IMPORT, engine="files")
def test_source_is_a_notebook(w, folder):
    w.workspace.upload(f"{folder}/n", b"SELECT 1", format=ImportFormat.SOURCE, language=Language.SQL)
    info = w.workspace.get_status(f"{folder}/n")
    assert (info.object_type, info.language) == (ObjectType.NOTEBOOK, Language.SQL)
    assert w.workspace.download(f"{folder}/n").read() == b"-- Databricks notebook source\nSELECT 1"


@claim("AUTO makes a notebook of what says that it is one, and drops its extension", call=IMPORT, engine="files")
def test_auto_notebook(w, folder):
    w.workspace.upload(f"{folder}/job.py", NOTEBOOK, format=ImportFormat.AUTO)
    found = {info.path: info.object_type for info in w.workspace.list(folder)}
    assert found == {f"{folder}/job": ObjectType.NOTEBOOK}


@claim("AUTO leaves everything else a file, extension and all", call=IMPORT, engine="files")
def test_auto_file(w, folder):
    w.workspace.upload(f"{folder}/lib.py", b"x = 1\n", format=ImportFormat.AUTO)
    found = {info.path: info.object_type for info in w.workspace.list(folder)}
    assert found == {f"{folder}/lib.py": ObjectType.FILE}


@claim("a Jupyter notebook becomes a notebook whose source has its cells", call=IMPORT, engine="files")
def test_jupyter_in(w, folder):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]},
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1, "source": ["x = 1\n", "print(x)"]},
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 2, "source": "%sql\nSELECT 1"},
    ]
    notebook = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    w.workspace.upload(f"{folder}/j", json.dumps(notebook).encode(), format=ImportFormat.JUPYTER)
    source = w.workspace.download(f"{folder}/j").read().decode()
    assert source.startswith("# Databricks notebook source\n# MAGIC %md\n# MAGIC # Title\n# MAGIC text\n")
    assert "\nx = 1\nprint(x)\n" in source and source.rstrip().endswith("# MAGIC %sql\n# MAGIC SELECT 1")
    assert source.count("# COMMAND ----------") == 2


@claim("a notebook is exported as a Jupyter notebook", call=EXPORT, engine="files")
def test_jupyter_out(w, folder):
    w.workspace.upload(f"{folder}/n", NOTEBOOK, format=ImportFormat.SOURCE, language=Language.PYTHON)
    notebook = json.load(w.workspace.download(f"{folder}/n", format=ExportFormat.JUPYTER))
    texts = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert (notebook["nbformat"], texts) == (4, ["x = 1", "%sql\nSELECT 1"])


@claim("what exists is not overwritten unasked", call=IMPORT, engine="files")
def test_no_overwrite(w, folder):
    w.workspace.upload(f"{folder}/f", b"1", format=ImportFormat.RAW)
    with pytest.raises(ResourceAlreadyExists, match=r"Path \(.*/f\) already exists"):
        w.workspace.upload(f"{folder}/f", b"2", format=ImportFormat.RAW)
    assert w.workspace.download(f"{folder}/f").read() == b"1"


@claim("overwrite keeps the object's number and changes its content", call=IMPORT, engine="files")
def test_overwrite(w, folder):
    w.workspace.upload(f"{folder}/f", b"1", format=ImportFormat.RAW)
    before = w.workspace.get_status(f"{folder}/f")
    w.workspace.upload(f"{folder}/f", b"22", format=ImportFormat.RAW, overwrite=True)
    after = w.workspace.get_status(f"{folder}/f")
    assert (after.object_id, after.size, after.created_at) == (before.object_id, 2, before.created_at)
    assert after.modified_at >= before.modified_at


@claim("a file does not overwrite a notebook", call=IMPORT, engine="files")
def test_no_change_of_kind(w, folder):
    w.workspace.upload(f"{folder}/n", NOTEBOOK, format=ImportFormat.SOURCE, language=Language.PYTHON)
    with pytest.raises(DatabricksError, match="type mismatch"):
        w.workspace.upload(f"{folder}/n", b"x", format=ImportFormat.RAW, overwrite=True)
    assert w.workspace.get_status(f"{folder}/n").object_type == ObjectType.NOTEBOOK


@claim("a folder that is not there is not made by an import", call=IMPORT, engine="files")
def test_parent_must_exist(w, folder):
    with pytest.raises(NotFound, match="parent folder"):
        w.workspace.upload(f"{folder}/no/f", b"1", format=ImportFormat.RAW)


@claim("10 MiB are the most that an import takes", call=IMPORT, engine="files")
def test_size_limit(w, folder):
    w.workspace.upload(f"{folder}/fits", bytes(10 << 20), format=ImportFormat.RAW)
    assert w.workspace.get_status(f"{folder}/fits").size == 10 << 20
    with pytest.raises(DatabricksError) as caught:
        w.workspace.upload(f"{folder}/over", bytes((10 << 20) + 1), format=ImportFormat.RAW)
    assert caught.value.error_code == "MAX_NOTEBOOK_SIZE_EXCEEDED"


@claim("folders above are made too, and making them again does nothing", call="POST /api/2.0/workspace/mkdirs", engine="files")
def test_mkdirs(w, folder):
    for _ in range(2):
        w.workspace.mkdirs(f"{folder}/a/b/c")
    assert w.workspace.get_status(f"{folder}/a/b").object_type == ObjectType.DIRECTORY


@claim("a folder is listed, with what is below it if asked", call="GET /api/2.0/workspace/list", engine="files")
def test_list(w, folder):
    w.workspace.mkdirs(f"{folder}/sub")
    w.workspace.upload(f"{folder}/sub/x.py", b"1", format=ImportFormat.RAW)
    w.workspace.upload(f"{folder}/a", b"1", format=ImportFormat.SOURCE, language=Language.R)
    kinds = [(info.path.removeprefix(folder), info.object_type) for info in w.workspace.list(folder)]
    assert kinds == [("/a", ObjectType.NOTEBOOK), ("/sub", ObjectType.DIRECTORY)]
    deep = {info.path.removeprefix(folder) for info in w.workspace.list(folder, recursive=True)}
    assert deep == {"/a", "/sub/x.py"}


@claim("a folder that holds something is removed only with all of it", call="POST /api/2.0/workspace/delete", engine="files")
def test_delete(w, folder):
    w.workspace.mkdirs(f"{folder}/sub/deep")
    with pytest.raises(DatabricksError) as caught:
        w.workspace.delete(f"{folder}/sub")
    assert caught.value.error_code == "DIRECTORY_NOT_EMPTY"
    w.workspace.delete(f"{folder}/sub", recursive=True)
    with pytest.raises(NotFound):
        w.workspace.get_status(f"{folder}/sub/deep")


@claim("what is not there is not found", call="GET /api/2.0/workspace/get-status", engine="files")
def test_missing(w, folder):
    with pytest.raises(NotFound, match="doesn't exist"):
        w.workspace.get_status(f"{folder}/nothing")


@claim("/Workspace before a path changes nothing", call="GET /api/2.0/workspace/get-status", engine="files")
def test_workspace_prefix(w, folder):
    w.workspace.upload(f"/Workspace{folder}/f", b"1", format=ImportFormat.RAW)
    assert w.workspace.get_status(f"/Workspace{folder}/f").path == f"{folder}/f"


@claim("no path leads out of the workspace", call=EXPORT, engine="files")
def test_no_escape(w, folder):
    for path in (f"{folder}/../../../../index.json", "/../index.json", "relative"):
        with pytest.raises(DatabricksError) as caught:
            w.workspace.download(path)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


@refusal("an import of an archive", call=IMPORT, message="The sandbox does not support the import of DBC.")
def test_no_archive(w, folder, refused):
    with pytest.raises(DatabricksError, match=refused):
        w.workspace.upload(f"{folder}/x", b"PK", format=ImportFormat.DBC)


@refusal("an export as HTML", call=EXPORT, message="The sandbox does not support the export as HTML.")
def test_no_html(w, folder, refused):
    w.workspace.upload(f"{folder}/n", NOTEBOOK, format=ImportFormat.SOURCE, language=Language.PYTHON)
    with pytest.raises(DatabricksError, match=refused):
        w.workspace.export(f"{folder}/n", format=ExportFormat.HTML)
