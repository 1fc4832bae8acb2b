"""The sandbox as the tests see it, and the list of what they prove."""

import json
import os
import uuid
from importlib.metadata import version
from pathlib import Path

import pytest

# Where the claims go that were proved, for `claims.json`'s reader to make the page of.
CLAIMS = os.environ.get("TWINHOUSE_PROOF_CLAIMS")
_claims = []


def pytest_configure(config):
    config.addinivalue_line("markers", "claim(what, call, engine): what the test proves")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    mark = item.get_closest_marker("claim")
    if mark and report.when == "call" and report.passed:
        client = item.module.CLIENT
        _claims.append(dict(mark.kwargs, client=client, version=version(client), test=item.nodeid))
    return report


def pytest_sessionfinish():
    if CLAIMS:
        Path(CLAIMS).write_text(json.dumps(_claims, indent=1))


@pytest.fixture
def unique():
    """A name that no other test uses."""
    return "p" + uuid.uuid4().hex[:12]
