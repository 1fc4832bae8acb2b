"""Reads notebooks with Python's own parser and says what is in them.

In: a JSON list of texts. Out: for each, either {"error": ...} or every call by the name of its attribute, with its
arguments evaluated where they are literals, and the bare names that the notebook uses.
"""

import ast
import json
import sys


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
    return {"calls": calls, "names": sorted(names)}


json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
