"""`dbutils`, as far as the sandbox has what is behind it."""

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


class Files(Part):
    """Files in volumes, by the Files API."""

    _name = "dbutils.fs"

    def __init__(self, client):
        self._client = client

    @staticmethod
    def _path(path):
        plain = path[5:] if path.startswith("dbfs:") else path
        if not plain.startswith("/Volumes/"):
            refuse(f"dbutils.fs outside of /Volumes: {path}")
        return plain.rstrip("/")

    def ls(self, path):
        answer = self._client.call("GET", "/api/2.0/fs/directories" + self._path(path))
        found = list(answer.get("contents") or [])
        while answer.get("next_page_token"):
            query = {"page_token": answer["next_page_token"]}
            answer = self._client.call("GET", "/api/2.0/fs/directories" + self._path(path), query=query)
            found += answer.get("contents") or []
        return [
            FileInfo(
                (
                    "dbfs:" + entry["path"] + ("/" if entry.get("is_directory") else ""),
                    entry["name"] + ("/" if entry.get("is_directory") else ""),
                    entry.get("file_size", 0),
                    entry.get("last_modified", 0),
                )
            )
            for entry in found
        ]

    def mkdirs(self, path):
        self._client.call("PUT", "/api/2.0/fs/directories" + self._path(path), raw=True)
        return True

    def _read(self, path):
        return self._client.call("GET", "/api/2.0/fs/files" + self._path(path), raw=True)

    def _write(self, path, content, overwrite):
        query = {"overwrite": str(bool(overwrite)).lower()}
        self._client.call("PUT", "/api/2.0/fs/files" + self._path(path), content, query=query, raw=True)
        return True

    def put(self, path, contents, overwrite=False):
        return self._write(path, contents.encode(), overwrite)

    def head(self, path, maxBytes=65536):
        return self._read(path)[:maxBytes].decode(errors="replace")

    def _is_folder(self, path):
        try:
            self._client.call("HEAD", "/api/2.0/fs/directories" + self._path(path), raw=True)
            return True
        except Refusal as refusal:
            if refusal.status == 404:
                return False
            raise

    def cp(self, source, target, recurse=False):
        if not self._is_folder(source):
            return self._write(target, self._read(source), True)
        if not recurse:
            raise ValueError(f"{source} is a directory: copy it with recurse=True")
        self.mkdirs(target)
        for entry in self.ls(source):
            self.cp(entry.path.rstrip("/"), target.rstrip("/") + "/" + entry.name.rstrip("/"), True)
        return True

    def mv(self, source, target, recurse=False):
        return self.cp(source, target, recurse) and self.rm(source, recurse)

    def rm(self, path, recurse=False):
        if not self._is_folder(path):
            try:
                self._client.call("DELETE", "/api/2.0/fs/files" + self._path(path), raw=True)
            except Refusal as refusal:
                if refusal.status == 404:
                    return False
                raise
            return True
        if recurse:
            for entry in self.ls(path):
                self.rm(entry.path.rstrip("/"), True)
        self._client.call("DELETE", "/api/2.0/fs/directories" + self._path(path), raw=True)
        return True


class Utilities(Part):
    def __init__(self, plan, folder, client):
        self.widgets = Widgets(plan.get("parameters") if isinstance(plan.get("parameters"), dict) else {})
        self.notebook = NotebookPart(plan, folder)
        self.jobs = Jobs(TaskValues(plan.get("values") or {}, folder))
        self.secrets = Secrets()
        self.fs = Files(client)
