"""Reads every version of every table of a manifest by two other engines, and compares the rows.

The manifest is JSON: [{"name", "path", "versions": [{"version", "rows"}]}], where `rows` is the Parquet file of what the
sandbox answered for that version.
"""

import glob
import json
import os
import sys

import duckdb
import duckdb_extension_delta
from deltalake import DeltaTable, QueryBuilder


def connect():
    """An engine that loads nothing from the network."""
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(config=settings)
    folder = os.path.dirname(duckdb_extension_delta.__file__)
    (extension,) = glob.glob(os.path.join(folder, "extensions", "*", "delta.duckdb_extension"))
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def by_duckdb(connection, path, version):
    connection.execute("CREATE OR REPLACE TEMP TABLE other AS SELECT * FROM delta_scan(?, version = ?)", [path, version])


def by_deltalake(connection, path, version):
    # Named so that no column can hide it.
    rows = QueryBuilder().register("t", DeltaTable(path, version=version)).execute("SELECT * FROM t").read_all()
    connection.register("answer", rows)
    connection.execute("CREATE OR REPLACE TEMP TABLE other AS SELECT * FROM answer")
    connection.unregister("answer")


def unread(path, version):
    """The columns that DuckDB takes for NULL, though the log has their values under the names that the protocol wants."""
    metadata = DeltaTable(path, version=version).metadata()
    mapped = metadata.configuration.get("delta.columnMapping.mode", "none") != "none"
    return metadata.partition_columns if mapped else []


READERS = {"duckdb": by_duckdb, "deltalake": by_deltalake}


def difference(connection, without):
    """What tells the two answers apart, or None. The columns `without` are not looked at."""
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in without)
    columns = f"* EXCLUDE ({quoted})" if without else "*"
    names = {
        table: [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()] for table in ("own", "other")
    }
    if names["own"] != names["other"]:
        return f"columns {names['own']} and {names['other']}"
    for left, right in (("own", "other"), ("other", "own")):
        rows = connection.execute(
            f"SELECT {columns} FROM {left} EXCEPT ALL SELECT {columns} FROM {right} LIMIT 3"
        ).fetchall()
        if rows:
            return f"only the {'sandbox' if left == 'own' else 'reader'} has {rows}"
    return None


def main(manifest, gaps):
    with open(manifest, encoding="utf-8") as file:
        tables = json.load(file)
    connection = connect()
    seen = {reader: 0 for reader in READERS}
    rows, known, failures = 0, [], []
    for table in tables:
        for version in table["versions"]:
            connection.execute("CREATE OR REPLACE TEMP TABLE own AS SELECT * FROM read_parquet(?)", [version["rows"]])
            rows += connection.execute("SELECT count(*) FROM own").fetchone()[0]
            for reader, read in READERS.items():
                where = f"{table['name']} version {version['version']} by {reader}"
                without = unread(table["path"], version["version"]) if reader == "duckdb" else []
                if without:
                    known.append(f"{where}: it does not read {without}, partition columns under column mapping")
                try:
                    read(connection, table["path"], version["version"])
                    wrong = difference(connection, without)
                except Exception as error:  # whatever a reader raises is its answer
                    wrong = str(error).strip().splitlines()[0]
                    reason = next((why for who, text, why in gaps if who == reader and text in str(error)), None)
                    if reason:
                        known.append(f"{where}: {reason}")
                        continue
                if wrong:
                    failures.append(f"{where}: {wrong}")
                else:
                    seen[reader] += 1
    versions = sum(len(table["versions"]) for table in tables)
    print(f"{len(tables)} tables, {versions} versions, {rows} rows; the same to: {seen}")
    for line in known:
        print("known gap:", line)
    for line in failures:
        print("DIFFERS:", line)
    return 1 if failures or not versions else 0


# What a reader itself cannot do: who, the words of its refusal, why.
GAPS = [("duckdb", "/file:///", "it takes the absolute paths of a shallow clone for relative ones")]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], GAPS))
