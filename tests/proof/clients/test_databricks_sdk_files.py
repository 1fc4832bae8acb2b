"""Files in volumes, by the vendor's Python SDK."""

import datetime
import hashlib
import io
import os
import random
import time

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound

from claims import claim

CLIENT = "databricks-sdk"
MIB = 1 << 20


@pytest.fixture(scope="module")
def client():
    return WorkspaceClient(host=os.environ["DATABRICKS_HOST"], token=os.environ["DATABRICKS_TOKEN"])


@pytest.fixture
def volume(client, unique):
    sql(client, f"create volume main.default.{unique}")
    yield f"/Volumes/main/default/{unique}"
    sql(client, f"drop volume main.default.{unique}")


def sql(client, statement):
    done = client.statement_execution.execute_statement(
        statement=statement, warehouse_id=os.environ["DATABRICKS_WAREHOUSE_ID"], wait_timeout="50s"
    )
    assert done.status.state.value == "SUCCEEDED", done.status
    return done.result.data_array if done.result else None


def noise(length, seed=7):
    return random.Random(seed).randbytes(length)


class Piped(io.RawIOBase):
    """A stream that cannot go back and has no length."""

    def __init__(self, content):
        self._from = io.BytesIO(content)

    def readable(self):
        return True

    def seekable(self):
        return False

    def readinto(self, buffer):
        return self._from.readinto(buffer)

    def read(self, size=-1):
        return self._from.read(size)


@claim("a small file goes up in one request and comes down as it was", call="PUT /api/2.0/fs/files", engine="files")
def test_small_file(client, volume):
    content = noise(70_000)
    client.files.upload(f"{volume}/a.bin", io.BytesIO(content), overwrite=True)
    assert client.files.download(f"{volume}/a.bin").contents.read() == content


@claim("an empty file is a file", call="PUT /api/2.0/fs/files", engine="files")
def test_empty_file(client, volume):
    client.files.upload(f"{volume}/empty", io.BytesIO(b""))
    found = client.files.download(f"{volume}/empty")
    assert (found.content_length, found.contents.read()) == (0, b"")


@claim("names with blanks, accents and signs survive", call="PUT /api/2.0/fs/files", engine="files")
def test_odd_names(client, volume):
    for name in ["a b.txt", "é#%?&=+.txt", "deep/er/'quoted'.txt"]:
        client.files.upload(f"{volume}/{name}", io.BytesIO(name.encode()))
        assert client.files.download(f"{volume}/{name}").contents.read().decode() == name


@claim("a file of 20 MB goes up in one request", call="PUT /api/2.0/fs/files", engine="files")
def test_20_mb(client, volume):
    content = noise(20 * MIB)
    client.files.upload(f"{volume}/20.bin", io.BytesIO(content))
    assert client.files.get_metadata(f"{volume}/20.bin").content_length == 20 * MIB
    assert hashlib.sha256(client.files.download(f"{volume}/20.bin").contents.read()).digest() == hashlib.sha256(content).digest()


@claim(
    "a file of 120 MB goes up in parts, several at once, and comes down by its link",
    call="POST /api/2.0/fs/files?action=initiate-upload, create-upload-part-urls, complete-upload",
    engine="files",
)
def test_120_mb_in_parts(client, volume, monkeypatch):
    links = recorded(client, monkeypatch)
    content = noise(120 * MIB)
    client.files.upload(f"{volume}/120.bin", io.BytesIO(content), overwrite=True)
    puts = [url for method, url in links if method == "PUT"]
    assert len(puts) == 12 and all("/storage/parts/" in url for url in puts)
    got = hashlib.sha256()
    stream = client.files.download(f"{volume}/120.bin").contents
    while piece := stream.read(4 * MIB):
        got.update(piece)
    assert got.digest() == hashlib.sha256(content).digest()
    assert any(method == "GET" and "/storage/files/" in url for method, url in links)


@claim(
    "a stream that cannot go back goes up in parts",
    call="POST /api/2.0/fs/files?action=complete-upload",
    engine="files",
)
def test_stream_without_length(client, volume):
    content = noise(25 * MIB)
    client.files.upload(f"{volume}/piped.bin", Piped(content), overwrite=True)
    assert client.files.download(f"{volume}/piped.bin").contents.read() == content


@claim("a stream goes up in parts one after the other", call="POST /api/2.0/fs/files?action=complete-upload", engine="files")
def test_stream_one_after_the_other(client, volume):
    content = noise(60 * MIB)
    client.files.upload(f"{volume}/serial.bin", Piped(content), overwrite=True, use_parallel=False)
    assert client.files.get_metadata(f"{volume}/serial.bin").content_length == 60 * MIB
    assert client.files.download(f"{volume}/serial.bin").contents.read() == content


@claim("a local file goes up in parts and comes down in ranges, several at once", call="POST /api/2.0/fs/create-download-url", engine="files")
def test_from_file_to_file(client, volume, tmp_path, monkeypatch):
    links = recorded(client, monkeypatch)
    content = noise(60 * MIB + 1)
    (tmp_path / "in.bin").write_bytes(content)
    client.files.upload_from(f"{volume}/file.bin", str(tmp_path / "in.bin"))
    client.files.download_to(f"{volume}/file.bin", str(tmp_path / "out.bin"))
    assert (tmp_path / "out.bin").read_bytes() == content
    assert sum(method == "GET" and "/storage/files/" in url for method, url in links) >= 1


@claim("an upload in parts replaces a file only if it may", call="POST /api/2.0/fs/files?action=initiate-upload", engine="files")
def test_parts_do_not_overwrite(client, volume):
    client.files.upload(f"{volume}/taken.bin", io.BytesIO(b"first"))
    with pytest.raises(AlreadyExists):
        client.files.upload(f"{volume}/taken.bin", io.BytesIO(noise(60 * MIB)), overwrite=False)
    assert client.files.download(f"{volume}/taken.bin").contents.read() == b"first"
    client.files.upload(f"{volume}/taken.bin", io.BytesIO(noise(60 * MIB)), overwrite=True)
    assert client.files.get_metadata(f"{volume}/taken.bin").content_length == 60 * MIB


@claim("part links that have expired are refused as an object store does it, and new ones are good", call="POST /api/2.0/fs/create-upload-part-urls", engine="files")
def test_expired_links(client, volume, monkeypatch):
    links = recorded(client, monkeypatch)

    def hold_back(method, url):
        # Until the link has died.
        if method == "PUT" and not links:
            time.sleep(5.2)

    links.before = hold_back
    lifetime = datetime.timedelta(seconds=5)
    monkeypatch.setattr(client.files._config, "files_ext_multipart_upload_url_expiration_duration", lifetime)
    content = noise(55 * MIB)
    # One after the other: the parallel way of this client does not begin a part anew. This one sends the first bytes
    # as the second part, and completes without the first.
    client.files.upload(f"{volume}/late.bin", io.BytesIO(content), overwrite=True, use_parallel=False)
    parts = [url.split("?")[0].rsplit("/", 1)[1] for method, url in links if method == "PUT"]
    # Six parts and one of them twice; more where the machine is slow and more links die.
    assert parts == [str(n + 1) for n in range(len(parts))] and len(parts) >= 7
    assert client.files.download(f"{volume}/late.bin").contents.read() == content


@claim("a file without overwrite is refused if it is there", call="PUT /api/2.0/fs/files?overwrite=false", engine="files")
def test_no_overwrite(client, volume):
    client.files.upload(f"{volume}/f", io.BytesIO(b"1"))
    with pytest.raises(AlreadyExists):
        client.files.upload(f"{volume}/f", io.BytesIO(b"2"), overwrite=False)
    client.files.upload(f"{volume}/f", io.BytesIO(b"3"), overwrite=True)
    assert client.files.download(f"{volume}/f").contents.read() == b"3"


@claim("metadata says length, type and time", call="HEAD /api/2.0/fs/files", engine="files")
def test_metadata(client, volume):
    client.files.upload(f"{volume}/f", io.BytesIO(b"12345"))
    found = client.files.get_metadata(f"{volume}/f")
    assert (found.content_length, found.content_type) == (5, "application/octet-stream")
    assert found.last_modified.endswith("GMT")


@claim("a missing file is NotFound, with the service's reason", call="GET /api/2.0/fs/files", engine="files")
def test_missing_file(client, volume):
    with pytest.raises(NotFound) as caught:
        client.files.download(f"{volume}/none")
    assert caught.value.get_error_info()[0].reason == "FILES_API_RESOURCE_NOT_FOUND"
    with pytest.raises(NotFound):
        client.files.get_metadata(f"{volume}/none")


@claim("a file is deleted once", call="DELETE /api/2.0/fs/files", engine="files")
def test_delete(client, volume):
    client.files.upload(f"{volume}/f", io.BytesIO(b"1"))
    client.files.delete(f"{volume}/f")
    with pytest.raises(NotFound):
        client.files.delete(f"{volume}/f")


@claim("a directory is made with those above it, and again without harm", call="PUT /api/2.0/fs/directories", engine="files")
def test_create_directory(client, volume):
    for _ in range(2):
        client.files.create_directory(f"{volume}/a/b/c")
    client.files.get_directory_metadata(f"{volume}/a/b")
    assert [entry.name for entry in client.files.list_directory_contents(f"{volume}/a")] == ["b"]


@claim("a directory is listed with sizes, times and kinds", call="GET /api/2.0/fs/directories", engine="files")
def test_list(client, volume):
    client.files.create_directory(f"{volume}/d/sub")
    client.files.upload(f"{volume}/d/f", io.BytesIO(b"123"))
    found = {entry.name: entry for entry in client.files.list_directory_contents(f"{volume}/d")}
    assert set(found) == {"f", "sub"}
    assert (found["f"].is_directory, found["f"].file_size, found["f"].path) == (False, 3, f"{volume}/d/f")
    assert (found["sub"].is_directory, found["sub"].path) == (True, f"{volume}/d/sub")
    assert found["f"].last_modified > 1_600_000_000_000


@claim("a listing goes on page by page", call="GET /api/2.0/fs/directories?page_token", engine="files")
def test_pages(client, volume):
    names = [f"f{n:02}" for n in range(11)]
    for name in names:
        client.files.upload(f"{volume}/d/{name}", io.BytesIO(b""))
    listed = client.files.list_directory_contents(f"{volume}/d", page_size=3)
    assert [entry.name for entry in listed] == names


@claim("a directory with something in it is not deleted", call="DELETE /api/2.0/fs/directories", engine="files")
def test_delete_directory(client, volume):
    client.files.upload(f"{volume}/d/f", io.BytesIO(b"1"))
    with pytest.raises(BadRequest):
        client.files.delete_directory(f"{volume}/d")
    client.files.delete(f"{volume}/d/f")
    client.files.delete_directory(f"{volume}/d")
    with pytest.raises(NotFound):
        client.files.get_directory_metadata(f"{volume}/d")


@claim("a file that went up in parts is read by COPY INTO", call="COPY INTO … FROM '/Volumes/…'", engine="DataFusion, delta-rs")
def test_copy_into(client, volume, unique):
    rows = 2_000_000
    content = "".join(f"{n},{'x' * 20}\n" for n in range(rows)).encode()
    assert len(content) > 50 * MIB
    client.files.upload(f"{volume}/rows/a.csv", io.BytesIO(content), overwrite=True)
    sql(client, f"create table main.default.{unique} (n bigint, t string)")
    counts = sql(client, f"copy into main.default.{unique} by position from '{volume}/rows' fileformat = csv")
    assert counts[0][0] == str(rows)
    total = sql(client, f"select count(*), sum(n), min(t) from main.default.{unique}")
    assert total == [[str(rows), str(rows * (rows - 1) // 2), "x" * 20]]
    sql(client, f"drop table main.default.{unique}")


@claim("dbutils-style paths into volumes work through the DBFS helper", call="PUT and GET /api/2.0/fs/files", engine="files")
def test_volume_by_dbfs_helper(client, volume):
    client.dbfs.upload(f"{volume}/d/f", io.BytesIO(b"by dbfs"))
    assert client.dbfs.download(f"{volume}/d/f").read(-1) == b"by dbfs"
    assert client.dbfs.exists(f"{volume}/d/f") and not client.dbfs.exists(f"{volume}/d/none")
    assert [entry.path for entry in client.dbfs.list(f"{volume}/d")] == [f"{volume}/d/f"]


class Recorded(list):
    before = None


def recorded(client, monkeypatch):
    """What the SDK sends to links, as it sends it; it checks that no credential goes with it."""
    seen = Recorded()
    session = client.files._cloud_provider_session()
    send = session.send

    def watch(request, **more):
        assert "Authorization" not in request.headers
        if seen.before:
            seen.before(request.method, request.url)
        seen.append((request.method, request.url))
        return send(request, **more)

    monkeypatch.setattr(session, "send", watch)
    return seen
