"""A claim: what the sandbox promises to a client, and the test that proves it."""

import pytest


def claim(what, *, call, engine):
    """Marks a test as the proof of a claim. `docs/sandbox.md` is made of these marks.

    what: the promise, as a user would say it: "a notebook runs, and its exit value is its output"
    call: the protocol's call: "POST /api/2.2/jobs/runs/submit", "Parse/Bind/Execute", "RedshiftData.ExecuteStatement"
    engine: what is behind the answer: "DataFusion", "delta-rs", "PostgreSQL", "Python", "files", "catalog", "memory"

    The client is the distribution that the module's `CLIENT` names; its version is the installed one.
    """
    return pytest.mark.claim(what=what, call=call, engine=engine)
