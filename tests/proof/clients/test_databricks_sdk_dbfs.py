"""The Databricks file system, by the vendor's Python SDK."""

import base64
import io
import os
import random

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, InvalidParameterValue, NotFound, ResourceAlreadyExists

from claims import claim

CLIENT = "databricks-sdk"
MIB = 1 << 20


@pytest.fixture(scope="module")
def client():
    return WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token=os.environ["DATABRICKS_TOKEN"])


@pytest.fixture
def folder(client, unique):
    client.dbfs.mkdirs(f"/proof/{unique}")
    yield f"/proof/{unique}"
    client.dbfs.delete(f"/proof/{unique}", recursive=True)


def noise(length):
    return random.Random(7).randbytes(length)


@claim("a file of several blocks goes up and comes down", call="POST /api/2.0/dbfs/create, add-block, close", engine="files")
def test_upload_and_download(client, folder):
    content = noise(3 * MIB + 11)
    client.dbfs.upload(f"{folder}/a.bin", io.BytesIO(content))
    assert client.dbfs.get_status(f"{folder}/a.bin").file_size == len(content)
    assert client.dbfs.download(f"{folder}/a.bin").read() == content


@claim("a file is written and read like a Python file", call="POST /api/2.0/dbfs/add-block, GET read", engine="files")
def test_open(client, folder):
    with client.dbfs.open(f"{folder}/f", write=True) as out:
        out.write(b"one ")
        out.write(b"two")
    with client.dbfs.open(f"{folder}/f", read=True) as back:
        assert back.read(4) == b"one "
        assert back.read() == b"two"


@claim("a read gives what is there, and beyond the end nothing", call="GET /api/2.0/dbfs/read", engine="files")
def test_read(client, folder):
    client.dbfs.put(f"{folder}/f", contents=base64.b64encode(b"0123456789").decode())
    part = client.dbfs.read(f"{folder}/f", offset=7, length=100)
    assert (part.bytes_read, base64.b64decode(part.data)) == (3, b"789")
    assert client.dbfs.read(f"{folder}/f", offset=10, length=5).bytes_read == 0


@claim("more than 1 MB in one call is refused, up and down", call="POST /api/2.0/dbfs/add-block, GET read", engine="files")
def test_limits(client, folder):
    too_much = base64.b64encode(noise(MIB + 1)).decode()
    with pytest.raises(DatabricksError) as caught:
        client.dbfs.put(f"{folder}/f", contents=too_much)
    assert caught.value.error_code == "MAX_BLOCK_SIZE_EXCEEDED"
    handle = client.dbfs.create(f"{folder}/g").handle
    with pytest.raises(DatabricksError) as caught:
        client.dbfs.add_block(handle, too_much)
    assert caught.value.error_code == "MAX_BLOCK_SIZE_EXCEEDED"
    client.dbfs.close(handle)
    with pytest.raises(DatabricksError) as caught:
        client.dbfs.read(f"{folder}/g", length=MIB + 1)
    assert caught.value.error_code == "MAX_READ_SIZE_EXCEEDED"


@claim("a handle that is closed is gone", call="POST /api/2.0/dbfs/close", engine="memory")
def test_closed_handle(client, folder):
    handle = client.dbfs.create(f"{folder}/f").handle
    client.dbfs.close(handle)
    with pytest.raises(NotFound):
        client.dbfs.add_block(handle, "")


@claim("a file is replaced only if it may be", call="POST /api/2.0/dbfs/create", engine="files")
def test_overwrite(client, folder):
    client.dbfs.upload(f"{folder}/f", io.BytesIO(b"first"))
    with pytest.raises(ResourceAlreadyExists):
        client.dbfs.upload(f"{folder}/f", io.BytesIO(b"second"))
    assert client.dbfs.download(f"{folder}/f").read() == b"first"
    client.dbfs.upload(f"{folder}/f", io.BytesIO(b"third"), overwrite=True)
    assert client.dbfs.download(f"{folder}/f").read() == b"third"


@claim("a directory is listed, and below", call="GET /api/2.0/dbfs/list", engine="files")
def test_list(client, folder):
    client.dbfs.upload(f"{folder}/b", io.BytesIO(b"22"))
    client.dbfs.upload(f"{folder}/a/c", io.BytesIO(b"333"))
    flat = {info.path: (info.is_dir, info.file_size) for info in client.dbfs.list(folder)}
    assert flat == {f"{folder}/a": (True, 0), f"{folder}/b": (False, 2)}
    deep = [(info.path, info.file_size) for info in client.dbfs.list(folder, recursive=True)]
    assert sorted(deep) == [(f"{folder}/a/c", 3), (f"{folder}/b", 2)]


@claim("a status tells files from directories and from nothing", call="GET /api/2.0/dbfs/get-status", engine="files")
def test_status(client, folder):
    client.dbfs.upload(f"{folder}/f", io.BytesIO(b"1"))
    assert client.dbfs.get_status(folder).is_dir
    found = client.dbfs.get_status(f"dbfs:{folder}/f")
    assert (found.is_dir, found.path) == (False, f"{folder}/f") and found.modification_time > 1_600_000_000_000
    assert client.dbfs.exists(f"{folder}/f") and not client.dbfs.exists(f"{folder}/none")


@claim("a tree is moved, and nothing is replaced by it", call="POST /api/2.0/dbfs/move", engine="files")
def test_move(client, folder):
    client.dbfs.upload(f"{folder}/from/f", io.BytesIO(b"1"))
    client.dbfs.move(f"{folder}/from", f"{folder}/to/there")
    assert client.dbfs.download(f"{folder}/to/there/f").read() == b"1"
    assert not client.dbfs.exists(f"{folder}/from")
    client.dbfs.upload(f"{folder}/g", io.BytesIO(b"2"))
    with pytest.raises(ResourceAlreadyExists):
        client.dbfs.move(f"{folder}/g", f"{folder}/to/there/f")
    with pytest.raises(NotFound):
        client.dbfs.move(f"{folder}/none", f"{folder}/x")


@claim("a directory with something in it is deleted only with all of it", call="POST /api/2.0/dbfs/delete", engine="files")
def test_delete(client, folder):
    client.dbfs.upload(f"{folder}/d/f", io.BytesIO(b"1"))
    with pytest.raises(OSError):
        client.dbfs.delete(f"{folder}/d")
    client.dbfs.delete(f"{folder}/d", recursive=True)
    assert not client.dbfs.exists(f"{folder}/d")


@claim("a file of this machine is copied there and back", call="POST /api/2.0/dbfs/add-block, GET read", engine="files")
def test_copy(client, folder, tmp_path):
    content = noise(MIB + 5)
    (tmp_path / "in").write_bytes(content)
    client.dbfs.copy(f"file:{tmp_path}/in", f"{folder}/f")
    client.dbfs.copy(f"{folder}/f", f"file:{tmp_path}/out")
    assert (tmp_path / "out").read_bytes() == content


@claim("a path that leads out of the file system is refused", call="POST /api/2.0/dbfs/mkdirs", engine="files")
def test_odd_paths(client):
    for path in ["/a/../../etc", "relative"]:
        with pytest.raises((InvalidParameterValue, DatabricksError)) as caught:
            client.api_client.do("POST", "/api/2.0/dbfs/mkdirs", body={"path": path})
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
