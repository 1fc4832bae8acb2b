"""The lines that the sandbox prints to be copied, as they are."""

import json
import os
import subprocess

from test_psql import program

SNIPPETS = json.loads(os.environ.get("TWINHOUSE_PROOF_SNIPPETS", "{}"))


def test_python(capsys):
    names = {}
    exec(SNIPPETS["Python"], names)
    assert capsys.readouterr().out == "[['1']]\n"
    with names["c"].cursor() as cursor:
        cursor.execute("select 42")
        assert cursor.fetchone() == (42,)
    names["c"].close()


def test_psql():
    path = os.pathsep.join([os.path.dirname(program()), os.environ["PATH"]])
    asked = ["sh", "-c", SNIPPETS["psql"]]
    done = subprocess.run(asked, input="select 40 + 2;", env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0 and "42" in done.stdout, done.stderr
