"""What the sandbox promises to a client, or refuses it, and the test that proves it."""

import pytest


def claim(what, *, call, engine):
    """Marks a test as the proof of a claim. `docs/sandbox.md` is made of these marks.

    what: the promise, as a user would say it: "a notebook runs, and its exit value is its output"
    call: the protocol's call: "POST /api/2.2/jobs/runs/submit", "Parse/Bind/Execute", "RedshiftData.ExecuteStatement"
    engine: what is behind the answer: "DataFusion", "delta-rs", "PostgreSQL", "Python", "files", "catalog", "memory"

    The client is the distribution that the module's `CLIENT` names; its version is the installed one, or the module's
    `VERSION`.
    """
    return pytest.mark.claim(what=what, call=call, engine=engine)


def refusal(what, *, call, message):
    """Marks a test as the proof that something is refused, in these words. The fixture `refused` gives them to the test.

    what: what is refused: "SAVEPOINT, as on Redshift"
    call: as for a claim
    message: what the client sees, as it sees it
    """
    return pytest.mark.refusal(what=what, call=call, message=message)
