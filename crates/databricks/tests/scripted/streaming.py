"""Reads notebooks with Python's own parser and says what is in them.

In: a JSON list of texts. Out: for each, either {"error": ...} or every call by the name of its attribute, with its
arguments evaluated where they are literals, the bare names that the notebook uses, and what it exits with when it is run
on a Spark that takes everything and does nothing.
"""

import ast
import json
import sys
from unittest import mock


def value(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        # A concatenation of literals and look-ups of secrets.
        return ast.unparse(node)


def read(text):
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return {"error": str(error)}
    calls, names = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else "BARE " + ast.unparse(node.func)
            given = [value(arg) for arg in node.args]
            given += [[keyword.arg, value(keyword.value)] for keyword in node.keywords]
            calls.append([name, given])
        if isinstance(node, ast.Name):
            names.add(node.id)
    return {"calls": calls, "names": sorted(names), "exit": run(tree)}


def run(tree):
    spark, dbutils = mock.MagicMock(), mock.MagicMock()
    # Every call of a chain gives the chain, so that the query that is started is the one that is waited for.
    for chain in (spark, spark.readStream, spark.sql.return_value):
        for name in ("format", "option", "schema", "table", "load", "withWatermark", "queryName", "outputMode"):
            getattr(chain, name).return_value = chain
    exec(compile(tree, "notebook", "exec"), {"spark": spark, "dbutils": dbutils})
    (exit,) = dbutils.notebook.exit.call_args_list
    return sorted(json.loads(exit.args[0]))


json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
