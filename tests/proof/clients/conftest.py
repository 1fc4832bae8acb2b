"""The sandbox as the tests see it, and the list of what they prove."""

import json
import os
import uuid
from importlib.metadata import version
from pathlib import Path

import pytest

# Where the list goes: what was collected, and what has become of it.
CLAIMS = os.environ.get("TWINHOUSE_PROOF_CLAIMS")
KINDS = ("claim", "refusal")
_found = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "claim(what, call, engine): what the test proves")
    config.addinivalue_line("markers", "refusal(what, call, message): what the test proves to be refused")


def _mark(item):
    """The mark of a test, its kind and its key: all cases of one function prove one claim."""
    marks = [(kind, mark) for kind in KINDS for mark in item.iter_markers(kind)]
    if not marks:
        return None
    if len(marks) > 1:
        raise pytest.UsageError(f"{item.nodeid} is marked more than once")
    return *marks[0], item.nodeid.partition("[")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for item in items:
        marked = _mark(item)
        if marked is None or marked[2] in _found:
            continue
        kind, mark, key = marked
        client = item.module.CLIENT
        _found[key] = dict(
            mark.kwargs,
            what=mark.args[0] if mark.args else mark.kwargs["what"],
            kind=kind,
            client=client,
            version=getattr(item.module, "VERSION", None) or version(client),
            test=f"{Path(item.path).name}::{item.originalname}",
            outcome="collected",
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    marked = _mark(item)
    if marked:
        found = _found[marked[2]]
        # One case or one step that does not pass is enough.
        if not report.passed:
            found["outcome"] = report.outcome
        elif report.when == "call" and found["outcome"] == "collected":
            found["outcome"] = "passed"
    return report


def pytest_sessionfinish():
    if CLAIMS:
        Path(CLAIMS).write_text(json.dumps(list(_found.values()), indent=1))


@pytest.fixture
def unique():
    """A name that no other test uses."""
    return "p" + uuid.uuid4().hex[:12]


@pytest.fixture
def refused(request):
    """The words of the refusal that this test proves."""
    return request.node.get_closest_marker("refusal").kwargs["message"]
