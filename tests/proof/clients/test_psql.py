"""psql of the PostgreSQL that the sandbox runs on."""

import glob
import os
import shutil
import subprocess

import cluster
import pytest
from claims import claim, refusal

CLIENT = "psql"
# Whichever is installed.
VERSION = "as installed"


def program():
    """psql beside the engine that the sandbox found."""
    bins = [os.environ.get("TWINHOUSE_PG_BIN", ""), *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    for folder in filter(None, bins):
        if os.access(f"{folder}/psql", os.X_OK):
            return f"{folder}/psql"
    return shutil.which("psql") or pytest.fail("there is no psql beside the PostgreSQL that the sandbox runs on")


def psql(*arguments, stdin=None, **environment):
    settings = dict(os.environ, PGSSLMODE="verify-full", PGSSLROOTCERT=cluster.CA, PGHOST=cluster.HOST, **environment)
    return subprocess.run([program(), "-X", *arguments], input=stdin, env=settings, capture_output=True, text=True)


def answer(*commands):
    """What psql prints, unaligned, of several commands."""
    done = psql("-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *(part for command in commands for part in ("-c", command)))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@claim("psql connects by the environment alone, verifies the certificate and asks", call="Query", engine="PostgreSQL")
def test_connect():
    assert answer("select current_user") == [cluster.USER]
    assert "SSL" in psql("-c", "\\conninfo").stdout


@claim("a script runs statement by statement, and stops where it fails", call="psql -f, ON_ERROR_STOP", engine="PostgreSQL")
def test_script(unique, tmp_path):
    script = tmp_path / "script.sql"
    script.write_text(f"create table {unique} (k int);\ninsert into {unique} values (1), (2);\n"
                      f"select count(*) from not_there;\ninsert into {unique} values (3);\n")
    done = psql("-v", "ON_ERROR_STOP=1", "-f", str(script))
    assert done.returncode == 3
    assert 'relation "not_there" does not exist' in done.stderr
    assert answer(f"select count(*) from {unique}") == ["2"]
    assert psql("-f", str(script)).returncode == 0
    assert answer(f"select max(k) from {unique}") == ["3"]


@claim("a script is one transaction if that is wanted", call="psql --single-transaction", engine="PostgreSQL")
def test_single_transaction(unique):
    script = f"create table {unique} (k int);\nselect 1 / 0;\n"
    assert psql("-1", "-v", "ON_ERROR_STOP=1", stdin=script).returncode == 3
    assert answer(f"select count(*) from svv_tables where table_name = '{unique}'") == ["0"]


@claim("variables are put in, as values and as names", call="psql variables", engine="PostgreSQL")
def test_variables():
    done = psql("-A", "-t", "-v", "v=it's", "-v", "n=Odd name", stdin="select :'v' as :\"n\";\n")
    assert done.stdout.splitlines() == ["it's"]


@claim("\\dt and \\dv list tables and views", call="\\dt, \\dv", engine="PostgreSQL")
def test_lists(unique):
    answer(f"create table {unique} (k int); create view {unique}_v as select k from {unique}")
    assert answer(f"\\dt {unique}*") == [f"public|{unique}|table|{cluster.USER}"]
    assert answer(f"\\dv {unique}*") == [f"public|{unique}_v|view|{cluster.USER}"]


@claim("\\d shows the columns of a table", call="\\d table", engine="PostgreSQL")
def test_describe(unique):
    answer(f"create table {unique} (k int not null, v varchar(10) default 'x', primary key (k))")
    told = answer(f"\\d {unique}")
    assert [line.split("|")[0:2] for line in told[:2]] == [["k", "integer"], ["v", "character varying(10)"]]
    assert "not null" in told[0]


@claim("\\dn shows the user's schemas and none of the sandbox's own", call="\\dn", engine="PostgreSQL")
def test_schemas(unique):
    answer(f"create schema {unique}")
    names = [line.split("|")[0] for line in answer("\\dn")]
    assert unique in names and "public" in names and "twinhouse" not in names


@claim("output as CSV, of a query with Redshift's own functions", call="psql --csv", engine="PostgreSQL")
def test_csv():
    done = psql("--csv", "-c", "select nvl(null, 'a,b') as x, len('abc') as n")
    assert done.stdout == 'x,n\n"a,b",3\n'


@refusal("\\l of this psql, which sends an extended literal that Redshift does not read", call="\\l",
         message='type "e" does not exist')
def test_databases(refused):
    done = psql("-c", "\\l")
    assert done.returncode == 1 and refused in done.stderr


@refusal("\\df of this psql, which asks for a column that Redshift's pg_proc has not", call="\\df",
         message="column p.proiswindow does not exist")
def test_functions(refused):
    done = psql("-c", "\\df")
    assert done.returncode == 1 and refused in done.stderr


@refusal("\\copy, which would stream the client's file", call="COPY … FROM STDIN",
         message="LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)")
def test_copy(unique, tmp_path, refused):
    answer(f"create table {unique} (k int)")
    (tmp_path / "a.csv").write_text("1\n")
    done = psql("-c", f"\\copy {unique} from '{tmp_path}/a.csv' csv")
    assert done.returncode == 1 and refused in done.stderr


@refusal("a wrong password", call="PasswordMessage", message='password authentication failed for user "awsuser"')
def test_wrong_password(refused):
    done = psql("-c", "select 1", PGPASSWORD="wrong")
    assert done.returncode == 2 and refused in done.stderr
