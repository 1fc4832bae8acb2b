"""Parses the SQL that the crates made by a parser of others: sqlfluff, in its dialects for Databricks and Redshift.

    statements.py <statements> [databricks | redshift]

The input has a JSON string in each line. Statements that a test wrote by hand are marked and passed over; of those that
differ only in names and values the shortest is parsed.
"""

import json
import re
import sys

from sqlfluff.core import FluffConfig, Linter

BY_HAND = "/* by hand */"


def shape(sql):
    """The statement without its names and values."""
    sql = re.sub(r"`(?:[^`]|``)*`", "`n`", sql)
    sql = re.sub(r'"(?:[^"]|"")*"', '"n"', sql)
    sql = re.sub(r"r?'(?:\\.|[^'\\])*'", "''", sql, flags=re.DOTALL)
    sql = re.sub(r"\b(main|default|\w+_[0-9a-f]{32})\b", "n", sql)
    sql = re.sub(r"\b\d[\d.]*(?:[eE][+-]?\d+)?[A-Za-z]*\b", "0", sql)
    sql = re.sub(r":\w+", ":p", sql)
    sql = re.sub(r"\s+", " ", sql)
    before = None
    while before != sql:  # a list of equal things is one of them
        before, sql = sql, re.sub(r"(\([^()]*\)|[\w.`':]+), \1(?=[,)\s]|$)", r"\1", sql)
    return sql


# What the parser itself cannot read: a pattern of the statement, why.
DATABRICKS_GAPS = [
    (r"^COPY INTO ", "it has no COPY INTO"),
    (r"^MERGE WITH SCHEMA EVOLUTION ", "it has no WITH SCHEMA EVOLUTION"),
    (r"^INSERT INTO \S+ BY NAME REPLACE WHERE ", "it has REPLACE WHERE, but not after BY NAME"),
    (r"^INSERT INTO \S+ (BY NAME )?REPLACE (USING|ON) ", "it has no REPLACE USING and no REPLACE ON"),
    (r" TIMESTAMP AS OF (TIMESTAMP|CAST|:)", "it takes only a string for the time of a version"),
    (r" LIMIT \d+ OFFSET \d+$", "it has no OFFSET"),
    (r"^OPTIMIZE \S+ FULL$", "it has no OPTIMIZE FULL"),
    (r"^VACUUM \S+ (LITE|FULL)", "it has no VACUUM LITE"),
    (r"^VACUUM \S+ RETAIN \d+ HOURS DRY RUN$", "it takes RETAIN or DRY RUN, not both"),
    (r" CLONE \S+ (VERSION|TIMESTAMP) AS OF ", "it takes no version of the table that is cloned"),
    (r"^DESCRIBE TABLE EXTENDED .* AS JSON$", "it has no AS JSON"),
    (r"^UNDROP TABLE ", "it has no UNDROP"),
    (r" VOID\)", "it has no VOID"),
]

REDSHIFT_GAPS = [
    (r"^COPY .* SSH$", "it has no SSH"),
    (r"^COPY .* SERIALIZETOJSON$", "it has no SERIALIZETOJSON"),
    (r"^COPY .* IGNOREALLERRORS$", "it has no IGNOREALLERRORS"),
    (r"^ANALYZE \S+ (PREDICATE|ALL) COLUMNS$", "it has ANALYZE, but not which columns by a word"),
    (r" FROM pg_get_late_binding_view_cols\(\) cols\(", "it takes no types in the alias of a function"),
]

GAPS = {"databricks": DATABRICKS_GAPS, "redshift": REDSHIFT_GAPS}


def main(path, dialect="databricks"):
    gaps = GAPS[dialect]
    shortest, count = {}, 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            sql = json.loads(line)
            if sql.startswith(BY_HAND):
                continue
            count += 1
            key = shape(sql)
            if key not in shortest or len(sql) < len(shortest[key]):
                shortest[key] = sql
    linter = Linter(config=FluffConfig(overrides={"dialect": dialect, "large_file_skip_byte_limit": 0}))
    good, known, failures = 0, {}, []
    for sql in shortest.values():
        problems = linter.parse_string(sql).violations
        if not problems:
            good += 1
            continue
        reason = next((why for pattern, why in gaps if re.search(pattern, sql, re.IGNORECASE)), None)
        if reason:
            known[reason] = known.get(reason, 0) + 1
        else:
            failures.append((problems[0].desc().splitlines()[0], sql))
    print(f"{dialect}: {count} statements in {len(shortest)} shapes; {good} parse")
    for reason, times in known.items():
        print(f"known gap of the parser, {times} shapes: {reason}")
    for problem, sql in failures:
        print(f"DOES NOT PARSE: {problem}\n    {sql[:600]}")
    return 1 if failures or not good else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
