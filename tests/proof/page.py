"""The generated half of `docs/sandbox.md`: what the sandbox promises and refuses, from the marks of the tests.

    page.py write             writes the tables between the page's markers
    page.py check [results]   fails if the page differs from the marks, or if one of them was not proved by the run whose
                              results are given

A promise that only a test of our own proves stands in `own.toml` and is listed apart.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs/sandbox.md"
VARIABLES = ROOT / "crates/sandbox/src/environment.rs"
BEGIN, END = "<!-- {}: made by tests/proof/page.py -->", "<!-- end of {} -->"


def collected():
    """The marks of all tests; no sandbox is needed to look at them."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", HERE / "clients"]
        # A module may read the sandbox's variables as soon as it is imported.
        names = re.findall(r'^\s*\("([A-Z][A-Z0-9_]+)", ', VARIABLES.read_text(), re.MULTILINE)
        placeholders = {name: "http://127.0.0.1:1" if name.endswith(("HOST", "URL")) else "1" for name in names}
        environment = {**placeholders, "TWINHOUSE_PROOF_OLD_SDK": "1", **os.environ}
        environment.update(TWINHOUSE_PROOF_CLAIMS=str(found), PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"the tests cannot be collected:\n{done.stdout}{done.stderr}")
        return json.loads(found.read_text())


def own():
    """Promises that our own tests prove, and what is wrong with their list."""
    claims = tomllib.loads((HERE / "own.toml").read_text())["claim"]
    wrong = []
    for claim in claims:
        file, _, name = claim["test"].rpartition("::")
        source = ROOT / file
        text = source.read_text() if source.is_file() else ""
        if not re.search(rf"#\[(tokio::)?test[^\]]*\]\n(\s*#\[[^\n]*\]\n)*\s*(async )?fn {re.escape(name)}\(", text):
            wrong.append(f"own.toml: there is no test {claim['test']}")
    return claims, wrong


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(heads, rows):
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join(lines + [f"| {' | '.join(cell(value) for value in row)} |" for row in rows])


def code(text):
    return f"`{text}`"


def order(mark):
    return mark["client"].lower(), mark["version"], mark["test"]


def parts(marks, claims):
    """The generated parts of the page, by the names of their markers."""
    marks = sorted(marks, key=order)
    proved = [mark for mark in marks if mark["kind"] == "claim"]
    refused = [mark for mark in marks if mark["kind"] == "refusal"]
    counts = {kind: Counter((m["client"], m["version"]) for m in of) for kind, of in (("c", proved), ("r", refused))}
    clients = sorted({(m["client"], m["version"]) for m in marks}, key=lambda client: (client[0].lower(), client[1]))
    summary = table(
        ["client", "version", "claims", "refusals"],
        [[name, version, counts["c"][name, version], counts["r"][name, version]] for name, version in clients]
        + [["**all**", "", len(proved), len(refused)]],
    )
    promises = table(
        ["what", "call", "client", "test", "engine"],
        [[m["what"], m["call"], f"{m['client']} {m['version']}", code(m["test"]), m["engine"]] for m in proved],
    )
    refusals = table(
        ["what", "call", "message", "client", "test"],
        [[m["what"], m["call"], code(m["message"]), f"{m['client']} {m['version']}", code(m["test"])] for m in refused],
    )
    apart = table(
        ["what", "call", "test", "engine"],
        [[c["what"], c["call"], code(c["test"].rpartition("/")[2]), c["engine"]] for c in claims],
    )
    return {"counts": summary, "claims": promises, "refusals": refusals, "own claims": apart}


def rendered(page, generated):
    for name, text in generated.items():
        begin, end = BEGIN.format(name), END.format(name)
        if page.count(begin) != 1 or page.count(end) != 1:
            sys.exit(f"{PAGE.name} needs the lines `{begin}` and `{end}` once")
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}"
    return page


def check(marks, results):
    """What the marks promise and the run did not prove."""
    outcomes = {(mark["test"], mark["kind"]): mark["outcome"] for mark in results}
    unproved = [(mark, outcomes.get((mark["test"], mark["kind"]), "did not run")) for mark in marks]
    return [f"{mark['test']}: {outcome}: {mark['what']}" for mark, outcome in unproved if outcome != "passed"]


def main(command, *results):
    marks = collected()
    claims, wrong = own()
    page = PAGE.read_text()
    new = rendered(page, parts(marks, claims))
    if command == "write":
        PAGE.write_text(new)
    elif page != new:
        wrong.append("docs/sandbox.md is not what the tests say: run tests/proof/run page")
    for file in results:
        wrong += check(marks, json.loads(Path(file).read_text()))
    for line in wrong:
        print(line, file=sys.stderr)
    kinds = Counter(mark["kind"] for mark in marks)
    clients = len({mark["client"] for mark in marks})
    print(f"{kinds['claim']} claims, {kinds['refusal']} refusals, {clients} clients; {len(claims)} claims by our own tests")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
