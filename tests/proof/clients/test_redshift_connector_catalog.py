"""Amazon's own driver for Python: what there is in the database."""

import cluster
import pytest
import redshift_connector
from claims import claim
from test_redshift_connector import authority, connection, cursor, rows  # noqa: F401

CLIENT = "redshift_connector"


@pytest.fixture
def table(cursor, unique):
    cursor.execute(f"create table {unique} (k bigint not null, name varchar(30) default 'x', price numeric(12, 2), "
                   f"at timestamp, primary key (k)) distkey(k) sortkey(at)")
    cursor.execute(f"comment on table {unique} is 'what {unique} is'")
    cursor.execute(f"create view {unique}_v as select k from {unique}")
    return unique


def found(result, cursor):
    names = [column[0].lower() for column in cursor.description]
    return [dict(zip(names, row)) for row in result]


@claim("get_tables finds tables and views of a schema, with their remarks", call="pg_class by name of the schema",
       engine="PostgreSQL")
def test_tables(cursor, table):
    tables = found(cursor.get_tables(schema_pattern="public", table_name_pattern=f"{table}%"), cursor)
    # The driver asks for everything that has a name, the index of the primary key too.
    assert {(t["table_name"], t["table_type"], t["remarks"]) for t in tables} == {
        (table, "TABLE", f"what {table} is"),
        (f"{table}_v", "VIEW", None),
        (f"{table}_pkey", "INDEX", None),
    }
    assert {(t["table_cat"], t["table_schem"]) for t in tables} == {(cluster.DATABASE, "public")}


@claim("get_tables without a schema looks into all of them", call="svv_tables", engine="PostgreSQL")
def test_tables_everywhere(cursor, table):
    tables = found(cursor.get_tables(table_name_pattern=table), cursor)
    assert [(t["table_schem"], t["table_name"], t["table_type"]) for t in tables] == [("public", table, "TABLE")]


@claim("get_tables takes the kinds that are wanted", call="pg_class", engine="PostgreSQL")
def test_kinds(cursor, table):
    # Of the driver's two ways only this one hands the kinds to a server that has no SHOW TABLES.
    views = cursor.get_tables_legacy_hardcoded_query(None, "public", f"{table}%", ["VIEW"])
    views = found(views, cursor)
    assert [view["table_name"] for view in views] == [f"{table}_v"]


@claim("get_columns tells names, types, sizes, defaults and what may be NULL", call="pg_attribute", engine="PostgreSQL")
def test_columns(cursor, table):
    columns = found(cursor.get_columns(schema_pattern="public", tablename_pattern=table), cursor)
    told = [(c["column_name"], c["type_name"], c["column_size"], c["nullable"], c["ordinal_position"]) for c in columns]
    assert told == [("k", "int8", 19, 0, 1), ("name", "varchar", 30, 1, 2), ("price", "numeric", 12, 1, 3),
                    ("at", "timestamp", 29, 1, 4)]
    assert columns[2]["decimal_digits"] == 2
    assert "x" in columns[1]["column_def"]


@claim("get_columns without a schema looks into all of them", call="svv_columns", engine="PostgreSQL")
def test_columns_everywhere(cursor, table):
    columns = found(cursor.get_columns(tablename_pattern=table), cursor)
    assert [c["column_name"] for c in columns] == ["k", "name", "price", "at"]


@claim("get_schemas lists the schemas", call="pg_namespace", engine="PostgreSQL")
def test_schemas(cursor, unique):
    cursor.execute(f"create schema {unique}")
    schemas = [row[0] for row in cursor.get_schemas()]
    assert unique in schemas and "public" in schemas
    assert "twinhouse" not in schemas


@claim("get_primary_keys knows the keys that nobody enforces", call="pg_index", engine="PostgreSQL")
def test_primary_keys(cursor, table):
    keys = found(cursor.get_primary_keys(schema="public", table=table), cursor)
    assert [(key["table_name"], key["column_name"], key["key_seq"]) for key in keys] == [(table, "k", 1)]
    cursor.execute(f"insert into {table} (k) values (1)")
    cursor.execute(f"insert into {table} (k) values (1)")
    assert rows(cursor, f"select count(*) from {table}") == [(2,)]


@claim("get_catalogs names the databases", call="pg_database", engine="PostgreSQL")
def test_catalogs(cursor):
    assert [row[0] for row in cursor.get_catalogs()] == [cluster.DATABASE]


@claim("get_procedures lists a procedure of the user's", call="pg_proc_info", engine="PostgreSQL")
def test_procedures(cursor, unique):
    cursor.execute(f"create procedure {unique}() language plpgsql as $$ begin null; end $$")
    procedures = found(cursor.get_procedures(schema_pattern="public", procedure_name_pattern=unique), cursor)
    assert [(p["procedure_name"], p["procedure_type"]) for p in procedures] == [(unique, 1)]


@claim("the system views of the cluster answer for a table: pg_table_def, svv_table_info",
       call="pg_table_def, svv_table_info", engine="PostgreSQL")
def test_views(cursor, table):
    told = rows(cursor, f'select "column", type, distkey, sortkey, "notnull" from pg_table_def where tablename = %s', (table,))
    assert told[0] == ("k", "bigint", True, 0, True)
    assert told[3] == ("at", "timestamp without time zone", False, 1, False)
    cursor.execute(f"insert into {table} (k) values (1)")
    assert rows(cursor, 'select diststyle, sortkey1 from svv_table_info where "table" = %s', (table,)) == [("KEY(k)", "at")]
