"""SQLAlchemy with the dialect for Redshift: reflection, and the statements that are Redshift's own."""

import decimal

import boto3
import cluster
import pytest
import sqlalchemy as sa
from claims import claim
from sqlalchemy.sql import sqltypes
from sqlalchemy_redshift import dialect as redshift
from sqlalchemy_redshift.commands import AlterTableAppendCommand, CopyCommand, Format, UnloadFromSelect

CLIENT = "sqlalchemy-redshift"


def engine_of(driver):
    url = sa.engine.URL.create(
        f"redshift+{driver}", username=cluster.USER, password=cluster.PASSWORD, host=cluster.HOST, port=cluster.PORT,
        database=cluster.DATABASE,
    )
    return sa.create_engine(url, connect_args={"sslrootcert": cluster.CA} if driver == "psycopg2" else {})


@pytest.fixture(scope="module")
def engine():
    engine = engine_of("psycopg2")
    yield engine
    engine.dispose()


@pytest.fixture
def schema(engine, unique):
    """A schema with two tables and a view, made by the dialect."""
    metadata = sa.MetaData(schema=unique)
    sa.Table(
        "customers", metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, redshift_encode="az64"),
        sa.Column("name", sa.String(30), nullable=False, comment="as they say it"),
        sa.Column("city", sa.String(20), server_default="nowhere"),
        sa.UniqueConstraint("name", name="one_of_each"),
        comment="who buys", redshift_diststyle="KEY", redshift_distkey="id", redshift_sortkey=["city", "id"],
    )
    sa.Table(
        "orders", metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("customer", sa.BigInteger, sa.ForeignKey(f"{unique}.customers.id", name="bought_by")),
        sa.Column("price", sa.Numeric(12, 2)),
        sa.Column("at", redshift.TIMESTAMPTZ),
        sa.Column("said", redshift.SUPER),
        redshift_interleaved_sortkey=["at", "customer"],
    )
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(unique))
        metadata.create_all(connection)
        connection.execute(sa.text(f"create view {unique}.prices as select id, price from {unique}.orders where price > 1"))
    return metadata


@claim("the dialect connects, by its own way of verifying the certificate", call="SSLRequest, Query", engine="PostgreSQL")
def test_connect(engine):
    with engine.connect() as connection:
        assert connection.execute(sa.text("select current_user")).scalar() == cluster.USER
        assert connection.dialect.name == "redshift"
        assert connection.default_isolation_level == "SERIALIZABLE"


@claim("the dialect connects through redshift_connector", call="Parse, Bind, Execute", engine="PostgreSQL")
def test_other_driver(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", cluster.CA)
    engine = engine_of("redshift_connector")
    with engine.connect() as connection:
        assert connection.execute(sa.text("select cast(:a as int) + 1"), {"a": 41}).scalar() == 42
    engine.dispose()


@claim("schemas, tables and views are found", call="pg_class, pg_namespace", engine="PostgreSQL")
def test_names(engine, schema):
    inspector = sa.inspect(engine)
    assert schema.schema in inspector.get_schema_names() and "twinhouse" not in inspector.get_schema_names()
    assert sorted(inspector.get_table_names(schema.schema)) == ["customers", "orders"]
    assert inspector.get_view_names(schema.schema) == ["prices"]
    assert inspector.has_table("orders", schema.schema) and not inspector.has_table("other", schema.schema)


@claim("columns are reflected with their types, defaults, encodings and comments", call="pg_attribute", engine="PostgreSQL")
def test_columns(engine, schema):
    inspector = sa.inspect(engine)
    by_name = {column["name"]: column for column in inspector.get_columns("customers", schema.schema)}
    assert list(by_name) == ["id", "name", "city"]
    assert isinstance(by_name["id"]["type"], sqltypes.BIGINT) and not by_name["id"]["nullable"]
    assert by_name["name"]["type"].length == 30 and by_name["name"]["comment"] == "as they say it"
    assert "nowhere" in by_name["city"]["default"] and by_name["city"]["nullable"]
    assert by_name["id"]["info"]["encode"] == "az64"
    orders = {column["name"]: column["type"] for column in inspector.get_columns("orders", schema.schema)}
    assert (orders["price"].precision, orders["price"].scale) == (12, 2)
    assert isinstance(orders["at"], redshift.TIMESTAMPTZ) and isinstance(orders["said"], redshift.SUPER)


@claim("primary keys, foreign keys and unique constraints are reflected, though nobody enforces them",
       call="pg_constraint", engine="PostgreSQL")
def test_constraints(engine, schema):
    inspector = sa.inspect(engine)
    assert inspector.get_pk_constraint("customers", schema.schema)["constrained_columns"] == ["id"]
    (key,) = inspector.get_foreign_keys("orders", schema.schema)
    assert (key["name"], key["constrained_columns"], key["referred_schema"], key["referred_table"], key["referred_columns"]) == (
        "bought_by", ["customer"], schema.schema, "customers", ["id"])
    (unique,) = inspector.get_unique_constraints("customers", schema.schema)
    assert (unique["name"], unique["column_names"]) == ("one_of_each", ["name"])
    assert inspector.get_check_constraints("customers", schema.schema) == []
    with engine.begin() as connection:
        insert = f"insert into {schema.schema}.orders (id, customer) values (1, 404)"
        connection.execute(sa.text(insert)), connection.execute(sa.text(insert))
        assert connection.execute(sa.text(f"select count(*) from {schema.schema}.orders")).scalar() == 2


@claim("distribution and sort keys are reflected as table options, interleaved ones too", call="pg_class.reldiststyle, "
       "pg_attribute.attisdistkey, attsortkeyord", engine="PostgreSQL")
def test_options(engine, schema):
    inspector = sa.inspect(engine)
    options = inspector.get_table_options("customers", schema.schema)
    assert options == {"redshift_diststyle": "KEY", "redshift_distkey": "id", "redshift_sortkey": ("city", "id"),
                       "redshift_interleaved_sortkey": None}
    options = inspector.get_table_options("orders", schema.schema)
    assert (options["redshift_sortkey"], options["redshift_interleaved_sortkey"]) == (None, ("at", "customer"))


@claim("the text of a view and the comment of a table are reflected", call="pg_get_viewdef, pg_description", engine="PostgreSQL")
def test_definitions(engine, schema):
    inspector = sa.inspect(engine)
    assert "price > " in inspector.get_view_definition("prices", schema.schema)
    assert inspector.get_table_comment("customers", schema.schema) == {"text": "who buys"}


@claim("a whole table is reflected, dropped and made again", call="CREATE TABLE", engine="PostgreSQL")
def test_round_trip(engine, schema):
    reflected = sa.Table("customers", sa.MetaData(), schema=schema.schema, autoload_with=engine)
    with engine.begin() as connection:
        reflected.drop(connection)
        reflected.create(connection)
    options = sa.inspect(engine).get_table_options("customers", schema.schema)
    assert (options["redshift_distkey"], options["redshift_sortkey"]) == ("id", ("city", "id"))


@claim("rows go in and come out through SQLAlchemy's own statements", call="INSERT, SELECT, UPDATE, DELETE", engine="PostgreSQL")
def test_rows(engine, schema):
    orders = schema.tables[f"{schema.schema}.orders"]
    exact = decimal.Decimal("9999999999.99")
    with engine.begin() as connection:
        connection.execute(orders.insert(), [{"id": 1, "price": exact}, {"id": 2, "price": None}])
        connection.execute(orders.update().where(orders.c.id == 2).values(customer=7))
        found = connection.execute(sa.select(orders.c.id, orders.c.price, orders.c.customer).order_by(orders.c.id)).all()
        assert found == [(1, exact, None), (2, None, 7)]
        assert connection.execute(orders.delete().where(orders.c.id == 1)).rowcount == 1


@claim("the dialect's COPY and UNLOAD run", call="COPY, UNLOAD", engine="PostgreSQL")
def test_copy_and_unload(engine, schema):
    customers = schema.tables[f"{schema.schema}.customers"]
    prefix = f"s3://{cluster.BUCKET}/{schema.schema}/"
    boto3.client("s3").put_object(Bucket=cluster.BUCKET, Key=f"{schema.schema}/in.csv", Body=b"1,Ada,London\n2,Carl,Bonn\n")
    copy = CopyCommand(customers, prefix + "in.csv", iam_role_arns=cluster.ROLE, format=Format.csv)
    unload = UnloadFromSelect(sa.select(customers.c.name).where(customers.c.city == "Bonn"), prefix + "out_",
                              iam_role_arns=cluster.ROLE, format=Format.csv, parallel=False)
    with engine.begin() as connection:
        connection.execute(copy)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(unload)
        assert connection.execute(sa.text(f"select count(*) from {schema.schema}.customers")).scalar() == 2
    store = boto3.client("s3")
    keys = [entry["Key"] for entry in store.list_objects_v2(Bucket=cluster.BUCKET, Prefix=f"{schema.schema}/out_")["Contents"]]
    assert [store.get_object(Bucket=cluster.BUCKET, Key=key)["Body"].read() for key in keys] == [b"Carl\n"]


@claim("the dialect's ALTER TABLE APPEND moves all rows", call="ALTER TABLE … APPEND", engine="PostgreSQL")
def test_append(engine, unique):
    metadata = sa.MetaData()
    source = sa.Table(f"{unique}_s", metadata, sa.Column("k", sa.Integer))
    target = sa.Table(unique, metadata, sa.Column("k", sa.Integer))
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(source.insert(), [{"k": 1}, {"k": 2}])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(AlterTableAppendCommand(source, target))
        counts = [connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() for table in (source, target)]
    assert counts == [0, 2]


@claim("pandas reads and writes through the dialect", call="Query", engine="PostgreSQL")
def test_pandas(engine, unique):
    import pandas

    frame = pandas.DataFrame({"k": [1, 2], "v": ["a", None]})
    frame.to_sql(unique, engine, index=False, method="multi")
    back = pandas.read_sql(sa.text(f"select k, v from {unique} order by k"), engine)
    assert back["k"].tolist() == [1, 2] and back["v"].iloc[0] == "a" and pandas.isna(back["v"].iloc[1])
