"""`dbutils`, as far as the sandbox has what is behind it."""

import base64
import json
import subprocess
import sys

from twinhouse_runtime.client import Refusal


def refuse(what):
    raise NotImplementedError(f"the sandbox does not have {what}")


class Part:
    """A part of dbutils; what it lacks is refused by name."""

    _name = "dbutils"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        refuse(f"{self._name}.{name}")


class NotebookExit(BaseException):
    """Ends a notebook early, with a text for whoever asked for it."""


class Widgets(Part):
    _name = "dbutils.widgets"

    def __init__(self, given):
        self._given, self._defaults = dict(given), {}

    def _declare(self, name, value):
        self._defaults[name] = str(value)

    def text(self, name, defaultValue, label=None):
        self._declare(name, defaultValue)

    def dropdown(self, name, defaultValue, choices, label=None):
        if defaultValue not in choices:
            raise ValueError(f"the default value {defaultValue} of the widget {name} is not one of its choices")
        self._declare(name, defaultValue)

    combobox = dropdown

    def multiselect(self, name, defaultValue, choices, label=None):
        self._declare(name, defaultValue)

    def get(self, name):
        for values in (self._given, self._defaults):
            if name in values:
                return values[name]
        raise ValueError(f"InputWidgetNotDefined: No input widget named {name} is defined")

    def getArgument(self, name, defaultValue=None):
        return self.getAll().get(name, defaultValue)

    def getAll(self):
        return {**self._defaults, **self._given}

    def remove(self, name):
        self._given.pop(name, None)
        self._defaults.pop(name, None)

    def removeAll(self):
        self._given.clear()
        self._defaults.clear()


class NotebookPart(Part):
    _name = "dbutils.notebook"

    def __init__(self, plan, folder):
        self._plan, self._folder, self._count = plan, folder, 0

    def exit(self, value):
        raise NotebookExit(str(value))

    def run(self, path, timeout_seconds=0, arguments=None):
        self._count += 1
        folder = self._folder / f"notebook-{self._count}"
        folder.mkdir()
        plan = dict(self._plan, mode="notebook", path=path, start=self._plan.get("path"))
        plan.update(parameters={name: str(value) for name, value in (arguments or {}).items()}, nested=True)
        (folder / "plan.json").write_text(json.dumps(plan))
        # Of our own group, so that it ends with us.
        done = subprocess.run(
            [sys.executable, "-u", "-m", "twinhouse_runtime.driver", str(folder)],
            stdin=subprocess.DEVNULL,
            timeout=timeout_seconds or None,
        )
        try:
            outcome = json.loads((folder / "outcome.json").read_text())
        except FileNotFoundError:
            raise RuntimeError(f"the notebook {path} ended with code {done.returncode}") from None
        if outcome.get("error"):
            raise RuntimeError(f"the notebook {path} failed: {outcome['error']}")
        result = folder / "result"
        return result.read_text() if result.exists() else ""


class TaskValues(Part):
    _name = "dbutils.jobs.taskValues"

    def __init__(self, before, folder):
        self._before, self._file, self._own = before, folder / "values.json", {}

    def set(self, key, value):
        text = json.dumps(value)
        if len(text) > 48 * 1024:
            raise ValueError(f"the task value {key} is larger than 48 KiB")
        self._own[key] = value
        self._file.write_text(json.dumps(self._own))

    def get(self, taskKey, key, default=None, debugValue=None):
        values = self._before.get(taskKey)
        if values is not None and key in values:
            return values[key]
        if default is not None:
            return default
        raise ValueError(f"Task value {key} of task {taskKey} not found, and no default was given")


class Jobs(Part):
    _name = "dbutils.jobs"

    def __init__(self, values):
        self.taskValues = values


class Secrets(Part):
    _name = "dbutils.secrets"


class FileInfo(tuple):
    """path, name, size, modificationTime"""

    path, name, size, modificationTime = (property(lambda self, at=at: self[at]) for at in range(4))

    def isDir(self):
        return self.name.endswith("/")

    def isFile(self):
        return not self.isDir()

    def __repr__(self):
        return "FileInfo(path={!r}, name={!r}, size={}, modificationTime={})".format(*self)


class Volumes:
    """Files in volumes, by the Files API."""

    def __init__(self, client):
        self._client = client

    def list(self, path):
        token = {}
        while token is not None:
            answer = self._client.call("GET", "/api/2.0/fs/directories" + path, query=token)
            for entry in answer.get("contents") or []:
                size, changed = entry.get("file_size", 0), entry.get("last_modified", 0)
                yield entry["path"], bool(entry.get("is_directory")), size, changed
            token = {"page_token": answer["next_page_token"]} if answer.get("next_page_token") else None

    def mkdirs(self, path):
        self._client.call("PUT", "/api/2.0/fs/directories" + path, raw=True)

    def read(self, path, most=None):
        content = self._client.call("GET", "/api/2.0/fs/files" + path, raw=True)
        return content[:most]

    def write(self, path, content, overwrite):
        query = {"overwrite": str(bool(overwrite)).lower()}
        self._client.call("PUT", "/api/2.0/fs/files" + path, content, query=query, raw=True)

    def is_folder(self, path):
        try:
            self._client.call("HEAD", "/api/2.0/fs/directories" + path, raw=True)
            return True
        except Refusal as refusal:
            if refusal.status == 404:
                return False
            raise

    def delete(self, path, recurse):
        if not self.is_folder(path):
            self._client.call("DELETE", "/api/2.0/fs/files" + path, raw=True)
            return
        for child, *_ in list(self.list(path)) if recurse else []:
            self.delete(child, True)
        self._client.call("DELETE", "/api/2.0/fs/directories" + path, raw=True)


class Dbfs:
    """The workspace's own file system, by the DBFS API."""

    BLOCK = 1 << 20

    def __init__(self, client):
        self._client = client

    def _call(self, method, verb, body=None, **query):
        return self._client.call(method, "/api/2.0/dbfs/" + verb, body, query=query)

    def list(self, path):
        for entry in self._call("GET", "list", path=path).get("files") or []:
            size, changed = entry.get("file_size", 0), entry.get("modification_time", 0)
            yield entry["path"], bool(entry.get("is_dir")), size, changed

    def mkdirs(self, path):
        self._call("POST", "mkdirs", {"path": path})

    def read(self, path, most=None):
        content = b""
        while most is None or len(content) < most:
            part = self._call("GET", "read", path=path, offset=len(content), length=self.BLOCK)
            if not part.get("bytes_read"):
                break
            content += base64.b64decode(part["data"])
        return content[:most]

    def write(self, path, content, overwrite):
        handle = self._call("POST", "create", {"path": path, "overwrite": bool(overwrite)})["handle"]
        for start in range(0, len(content), self.BLOCK):
            data = base64.b64encode(content[start : start + self.BLOCK]).decode()
            self._call("POST", "add-block", {"handle": handle, "data": data})
        self._call("POST", "close", {"handle": handle})

    def is_folder(self, path):
        try:
            return bool(self._call("GET", "get-status", path=path).get("is_dir"))
        except Refusal as refusal:
            if refusal.status == 404:
                return False
            raise

    def delete(self, path, recurse):
        self._call("GET", "get-status", path=path)
        self._call("POST", "delete", {"path": path, "recursive": bool(recurse)})


class Files(Part):
    """`dbutils.fs`: paths of volumes, and all others in the workspace's own file system."""

    _name = "dbutils.fs"

    def __init__(self, client):
        self._volumes, self._dbfs = Volumes(client), Dbfs(client)

    def _at(self, path):
        scheme, colon, rest = path.partition(":")
        if colon and scheme != "dbfs":
            refuse(f"dbutils.fs on {scheme}:")
        plain = rest if colon else path
        plain = "/" + plain.strip("/")
        return (self._volumes if plain.startswith("/Volumes/") else self._dbfs), plain

    def ls(self, path):
        there, plain = self._at(path)
        entries = sorted(there.list(plain))
        slash = lambda is_folder: "/" if is_folder else ""
        return [
            FileInfo((f"dbfs:{name}{slash(folder)}", name.rsplit("/", 1)[1] + slash(folder), size, changed))
            for name, folder, size, changed in entries
        ]

    def mkdirs(self, path):
        there, plain = self._at(path)
        there.mkdirs(plain)
        return True

    def put(self, path, contents, overwrite=False):
        there, plain = self._at(path)
        there.write(plain, contents.encode(), overwrite)
        return True

    def head(self, path, maxBytes=65536):
        there, plain = self._at(path)
        return there.read(plain, maxBytes).decode(errors="replace")

    def cp(self, source, target, recurse=False):
        (here, plain), (there, goal) = self._at(source), self._at(target)
        if not here.is_folder(plain):
            there.write(goal, here.read(plain), True)
            return True
        if not recurse:
            raise ValueError(f"{source} is a directory: copy it with recurse=True")
        there.mkdirs(goal)
        for name, *_ in list(here.list(plain)):
            self.cp("dbfs:" + name, f"dbfs:{goal}/{name.rsplit('/', 1)[1]}", True)
        return True

    def mv(self, source, target, recurse=False):
        return self.cp(source, target, recurse) and self.rm(source, recurse)

    def rm(self, path, recurse=False):
        there, plain = self._at(path)
        try:
            there.delete(plain, recurse)
        except Refusal as refusal:
            if refusal.status == 404:
                return False
            raise
        return True


class Utilities(Part):
    def __init__(self, plan, folder, client):
        self.widgets = Widgets(plan.get("parameters") if isinstance(plan.get("parameters"), dict) else {})
        self.notebook = NotebookPart(plan, folder)
        self.jobs = Jobs(TaskValues(plan.get("values") or {}, folder))
        self.secrets = Secrets()
        self.fs = Files(client)
