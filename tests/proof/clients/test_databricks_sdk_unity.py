"""Unity Catalog through the vendor's own SDK: what SQL sees is what the API tells, and the other way round."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from claims import claim
from databricks.sdk import WorkspaceClient
from databricks.sdk import errors
from databricks.sdk.service import catalog as uc
from databricks.sdk.service.sql import StatementState
from deltalake import DeltaTable, QueryBuilder

CLIENT = "databricks-sdk"
BASE = "/api/2.1/unity-catalog"
OLD = "/api/2.0/unity-catalog"


@pytest.fixture(scope="module")
def w():
    return WorkspaceClient()


@pytest.fixture(scope="module")
def sql(w):
    import os

    def run(text):
        answer = w.statement_execution.execute_statement(
            statement=text, warehouse_id=os.environ["DATABRICKS_WAREHOUSE_ID"], wait_timeout="30s"
        )
        assert answer.status.state == StatementState.SUCCEEDED, answer.status.error
        return answer.result.data_array if answer.result and answer.result.data_array else []

    return run


@pytest.fixture
def schema(w, unique):
    """A schema of the test's own, as `catalog.schema`."""
    made = w.schemas.create(name=unique, catalog_name="main")
    yield made.full_name
    try:
        w.schemas.delete(f"main.{unique}", force=True)
    except errors.NotFound:
        pass


def s3(credentials):
    import os

    keys = credentials.aws_temp_credentials
    return boto3.client(
        "s3",
        endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"],
        region_name=os.environ["AWS_REGION"],
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def place(url):
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix


@claim("a catalog is created with comment and properties, and found again", call=f"POST {BASE}/catalogs", engine="catalog")
def test_a_catalog_is_created(w, unique):
    made = w.catalogs.create(name=unique, comment="it's new", properties={"team": "blue"})
    try:
        found = w.catalogs.get(unique)
        assert (found.comment, found.properties) == ("it's new", {"team": "blue"})
        assert found.catalog_type == uc.CatalogType.MANAGED_CATALOG and found.owner == made.owner
        assert unique in [c.name for c in w.catalogs.list()]
        with pytest.raises(errors.BadRequest):
            w.catalogs.create(name=unique)
    finally:
        w.catalogs.delete(unique, force=True)


@claim("a catalog is renamed with all that is in it, and given another owner", call=f"PATCH {BASE}/catalogs/{{name}}", engine="catalog")
def test_a_catalog_is_updated(w, sql, unique):
    w.catalogs.create(name=unique)
    sql(f"create schema {unique}.s")
    sql(f"create table {unique}.s.t as select 7 as n")
    changed = w.catalogs.update(unique, new_name=unique + "2", comment="moved", owner="ann@example.com")
    try:
        assert (changed.name, changed.comment, changed.owner) == (unique + "2", "moved", "ann@example.com")
        assert sql(f"select n from {unique}2.s.t") == [["7"]]
        with pytest.raises(errors.NotFound):
            w.catalogs.get(unique)
    finally:
        w.catalogs.delete(unique + "2", force=True)


@claim("a catalog that is not empty is deleted only by force", call=f"DELETE {BASE}/catalogs/{{name}}", engine="catalog")
def test_a_full_catalog_is_kept(w, sql, unique):
    w.catalogs.create(name=unique)
    sql(f"create schema {unique}.s")
    with pytest.raises(errors.BadRequest, match="not empty"):
        w.catalogs.delete(unique)
    assert w.catalogs.get(unique).name == unique
    w.catalogs.delete(unique, force=True)
    with pytest.raises(errors.NotFound):
        w.catalogs.get(unique)


@claim("a schema made by the API is there for SQL", call=f"POST {BASE}/schemas", engine="catalog, DataFusion")
def test_a_schema_of_the_api_is_sqls(w, sql, schema):
    sql(f"create table {schema}.t as select 1 as a")
    assert sql(f"select a from {schema}.t") == [["1"]]
    names = [row[0] for row in sql("show schemas in main")]
    assert schema.split(".")[1] in names


@claim("a schema made by SQL is told with its comment", call=f"GET {BASE}/schemas/{{full_name}}", engine="catalog")
def test_a_schema_of_sql_is_the_apis(w, sql, unique):
    sql(f"create schema main.{unique} comment 'by hand'")
    found = w.schemas.get(f"main.{unique}")
    assert (found.name, found.catalog_name, found.comment) == (unique, "main", "by hand")
    w.schemas.delete(f"main.{unique}")
    with pytest.raises(errors.NotFound):
        w.schemas.get(f"main.{unique}")


@claim("a listing is complete over pages of one, of which one is empty", call=f"GET {BASE}/schemas", engine="catalog")
def test_a_listing_is_paged(w, unique):
    names = [f"{unique}_{n}" for n in range(5)]
    for name in names:
        w.schemas.create(name=name, catalog_name="main")
    listed = [s.name for s in w.schemas.list("main", max_results=1)]
    assert [name for name in listed if name in names] == names
    assert len(listed) == len(set(listed))
    for name in names:
        w.schemas.delete(f"main.{name}")


@claim("a schema is renamed, and its properties are replaced", call=f"PATCH {BASE}/schemas/{{full_name}}", engine="catalog")
def test_a_schema_is_updated(w, sql, schema):
    sql(f"create table {schema}.t as select 3 as a")
    w.schemas.update(schema, properties={"a": "1", "b": "2"})
    changed = w.schemas.update(schema, new_name=schema.split(".")[1] + "x", properties={"b": "3"})
    try:
        assert changed.properties == {"b": "3"}
        assert sql(f"select a from {changed.full_name}.t") == [["3"]]
    finally:
        w.schemas.delete(changed.full_name, force=True)


@claim("a schema that is not empty is deleted only by force", call=f"DELETE {BASE}/schemas/{{full_name}}", engine="catalog")
def test_a_full_schema_is_kept(w, sql, schema):
    sql(f"create table {schema}.t (a int)")
    with pytest.raises(errors.BadRequest, match="not empty"):
        w.schemas.delete(schema)
    w.schemas.delete(schema, force=True)
    with pytest.raises(errors.NotFound):
        w.tables.get(f"{schema}.t")


@claim("a table is told with columns, exact types, comment, properties and partitions", call=f"GET {BASE}/tables/{{full_name}}", engine="delta-rs")
def test_a_table_is_described(w, sql, schema):
    sql(
        f"create table {schema}.orders (id bigint not null comment 'the key', price decimal(12,2), "
        "tags array<struct<a: int, b: map<string, date>>>, day date) partitioned by (day) comment 'what was sold' "
        "tblproperties ('delta.appendOnly' = 'true')"
    )
    table = w.tables.get(f"{schema}.orders")
    assert (table.table_type, table.data_source_format) == (uc.TableType.MANAGED, uc.DataSourceFormat.DELTA)
    assert (table.comment, table.properties["delta.appendOnly"]) == ("what was sold", "true")
    seen = [(c.name, c.type_name, c.type_text, c.position, c.nullable, c.partition_index) for c in table.columns]
    assert seen == [
        ("id", uc.ColumnTypeName.LONG, "bigint", 0, False, None),
        ("price", uc.ColumnTypeName.DECIMAL, "decimal(12,2)", 1, True, None),
        ("tags", uc.ColumnTypeName.ARRAY, "array<struct<a:int,b:map<string,date>>>", 2, True, None),
        ("day", uc.ColumnTypeName.DATE, "date", 3, True, 0),
    ]
    assert (table.columns[1].type_precision, table.columns[1].type_scale) == (12, 2)
    assert '"valueType":"date"' in table.columns[2].type_json.replace(" ", "")


@claim("tables are listed without columns and properties where they are not wanted", call=f"GET {BASE}/tables", engine="catalog, delta-rs")
def test_tables_are_listed(w, sql, schema):
    for name in ["b", "a", "c"]:
        sql(f"create table {schema}.{name} (x int)")
    catalog_name, schema_name = schema.split(".")
    full = list(w.tables.list(catalog_name, schema_name, max_results=2))
    assert [t.name for t in full] == ["a", "b", "c"] and all(t.columns[0].name == "x" for t in full)
    bare = list(w.tables.list(catalog_name, schema_name, omit_columns=True, omit_properties=True, omit_username=True))
    assert all(not t.columns and not t.properties and t.owner is None for t in bare)


@claim("whether a table exists is told without an error", call=f"GET {BASE}/tables/{{full_name}}/exists", engine="catalog")
def test_a_table_exists_or_not(w, sql, schema):
    sql(f"create table {schema}.t (x int)")
    assert w.tables.exists(f"{schema}.t").table_exists is True
    assert w.tables.exists(f"{schema}.u").table_exists is False


@claim("tables are named by patterns of schema and table", call=f"GET {BASE}/table-summaries", engine="catalog")
def test_summaries(w, sql, schema):
    for name in ["orders", "order_lines", "people"]:
        sql(f"create table {schema}.{name} (x int)")
    found = w.tables.list_summaries("main", schema_name_pattern=schema.split(".")[1], table_name_pattern="order%")
    assert [(t.full_name, t.table_type) for t in found] == [
        (f"{schema}.order_lines", uc.TableType.MANAGED),
        (f"{schema}.orders", uc.TableType.MANAGED),
    ]


@claim("a view is told with its query and columns, and deleted", call=f"GET {BASE}/tables/{{full_name}}", engine="catalog, DataFusion")
def test_a_view_is_described(w, sql, schema):
    sql(f"create table {schema}.t (a int)")
    sql(f"create view {schema}.v (x comment 'first') as select a from {schema}.t")
    view = w.tables.get(f"{schema}.v")
    assert (view.table_type, view.storage_location) == (uc.TableType.VIEW, None)
    assert "select a from" in view.view_definition
    assert [(c.name, c.type_name, c.comment) for c in view.columns] == [("x", uc.ColumnTypeName.INT, "first")]
    assert [t.name for t in w.tables.list(*schema.split("."))] == ["t", "v"]
    w.tables.delete(f"{schema}.v")
    assert w.tables.exists(f"{schema}.v").table_exists is False


@claim("a table gets another owner", call=f"PATCH {BASE}/tables/{{full_name}}", engine="catalog")
def test_a_table_is_given_away(w, sql, schema):
    sql(f"create table {schema}.t (x int)")
    w.tables.update(f"{schema}.t", owner="ann@example.com")
    assert w.tables.get(f"{schema}.t").owner == "ann@example.com"


@claim("a table that the API deletes is gone for SQL", call=f"DELETE {BASE}/tables/{{full_name}}", engine="catalog")
def test_a_table_is_deleted(w, sql, schema):
    sql(f"create table {schema}.t (x int)")
    w.tables.delete(f"{schema}.t")
    assert schema.split(".")[1] not in [row[1] for row in sql(f"show tables in {schema}")]
    with pytest.raises(errors.NotFound):
        w.tables.delete(f"{schema}.t")


@claim("a Delta table that another program wrote is registered and read by SQL, and its files stay when it is dropped", call=f"POST {BASE}/tables", engine="catalog, delta-rs")
def test_an_external_table(w, sql, schema, tmp_path):
    import pyarrow
    from deltalake import write_deltalake

    folder = tmp_path / "theirs"
    write_deltalake(str(folder), pyarrow.table({"a": [1, 2, 3], "b": ["x", "y", None]}))
    catalog_name, schema_name = schema.split(".")

    def create(kind):
        return w.tables.create(
            name="theirs", catalog_name=catalog_name, schema_name=schema_name, table_type=kind,
            data_source_format=uc.DataSourceFormat.DELTA, storage_location=folder.as_uri(), properties={"k": "v"},
        )

    with pytest.raises(errors.BadRequest, match="EXTERNAL"):
        create(uc.TableType.MANAGED)
    made = create(uc.TableType.EXTERNAL)
    assert (made.table_type, made.properties["k"]) == (uc.TableType.EXTERNAL, "v")
    assert [(c.name, c.type_text) for c in made.columns] == [("a", "bigint"), ("b", "string")]
    assert sql(f"select sum(a), count(b) from {schema}.theirs") == [["6", "2"]]
    w.tables.delete(f"{schema}.theirs")
    assert DeltaTable(str(folder)).version() == 0


@claim("primary and foreign keys of SQL are told", call=f"GET {BASE}/tables/{{full_name}}", engine="catalog")
def test_keys_of_sql(w, sql, schema):
    sql(f"create table {schema}.p (a int not null, constraint p_key primary key (a) rely)")
    sql(f"create table {schema}.c (x int, constraint c_key foreign key (x) references {schema}.p)")
    [parent] = w.tables.get(f"{schema}.p").table_constraints
    assert (parent.primary_key_constraint.name, parent.primary_key_constraint.child_columns) == ("p_key", ["a"])
    [child] = w.tables.get(f"{schema}.c").table_constraints
    assert child.foreign_key_constraint.parent_table == f"{schema}.p"
    assert child.foreign_key_constraint.parent_columns == ["a"]


@claim("a key is added and taken away, and one that is needed is kept", call=f"POST {BASE}/constraints", engine="catalog")
def test_keys_of_the_api(w, sql, schema):
    sql(f"create table {schema}.p (a int not null, b int)")
    sql(f"create table {schema}.c (x int)")
    key = uc.PrimaryKeyConstraint(name="pk", child_columns=["a"])
    w.table_constraints.create(f"{schema}.p", uc.TableConstraint(primary_key_constraint=key))
    with pytest.raises(errors.BadRequest, match="nullable"):
        bad = uc.PrimaryKeyConstraint(name="bad", child_columns=["x"])
        w.table_constraints.create(f"{schema}.c", uc.TableConstraint(primary_key_constraint=bad))
    foreign = uc.ForeignKeyConstraint(name="fk", child_columns=["x"], parent_table=f"{schema}.p", parent_columns=["a"])
    w.table_constraints.create(f"{schema}.c", uc.TableConstraint(foreign_key_constraint=foreign))
    with pytest.raises(errors.BadRequest):
        w.table_constraints.delete(f"{schema}.p", "pk", cascade=False)
    w.table_constraints.delete(f"{schema}.p", "pk", cascade=True)
    assert not w.tables.get(f"{schema}.p").table_constraints
    assert not w.tables.get(f"{schema}.c").table_constraints


@claim("a volume is created, and files in it are read by SQL's COPY INTO", call=f"POST {BASE}/volumes", engine="catalog, files")
def test_a_volume_is_created(w, sql, schema):
    import io

    catalog_name, schema_name = schema.split(".")
    made = w.volumes.create(catalog_name, schema_name, "raw", uc.VolumeType.MANAGED, comment="as it came")
    assert (made.full_name, made.comment, made.volume_type) == (f"{schema}.raw", "as it came", uc.VolumeType.MANAGED)
    path = "/Volumes/" + made.full_name.replace(".", "/")
    w.files.upload(f"{path}/rows.csv", io.BytesIO(b"a,b\n1,x\n2,y\n"), overwrite=True)
    sql(f"create table {schema}.t (a string, b string)")
    sql(f"copy into {schema}.t from '{path}' fileformat = csv format_options ('header' = 'true')")
    assert sql(f"select a, b from {schema}.t order by a") == [["1", "x"], ["2", "y"]]


@claim("a volume is renamed and given away, and keeps its id", call=f"PATCH {BASE}/volumes/{{name}}", engine="catalog")
def test_a_volume_is_updated(w, schema):
    catalog_name, schema_name = schema.split(".")
    made = w.volumes.create(catalog_name, schema_name, "a", uc.VolumeType.MANAGED)
    changed = w.volumes.update(f"{schema}.a", new_name="b", comment="later", owner="ann")
    assert (changed.name, changed.comment, changed.owner) == ("b", "later", "ann")
    assert w.volumes.read(f"{schema}.b").volume_id == made.volume_id
    assert [v.name for v in w.volumes.list(catalog_name, schema_name)] == ["b"]


@claim("a volume is deleted", call=f"DELETE {BASE}/volumes/{{name}}", engine="catalog")
def test_a_volume_is_deleted(w, schema):
    catalog_name, schema_name = schema.split(".")
    w.volumes.create(catalog_name, schema_name, "a", uc.VolumeType.MANAGED)
    w.volumes.delete(f"{schema}.a")
    with pytest.raises(errors.NotFound):
        w.volumes.read(f"{schema}.a")


@claim("a function made by the API is called by SQL", call=f"POST {BASE}/functions", engine="DataFusion")
def test_a_function_is_created(w, sql, schema):
    catalog_name, schema_name = schema.split(".")
    parameter = uc.FunctionParameterInfo(name="n", type_text="bigint", type_name=uc.ColumnTypeName.LONG, type_json='"long"', position=0)
    made = w.functions.create(
        uc.CreateFunction(
            name="plus_one", catalog_name=catalog_name, schema_name=schema_name,
            input_params=uc.FunctionParameterInfos(parameters=[parameter]),
            data_type=uc.ColumnTypeName.LONG, full_data_type="bigint",
            routine_body=uc.CreateFunctionRoutineBody.SQL, routine_definition="n + 1",
            parameter_style=uc.CreateFunctionParameterStyle.S, is_deterministic=True,
            sql_data_access=uc.CreateFunctionSqlDataAccess.CONTAINS_SQL, is_null_call=False,
            security_type=uc.CreateFunctionSecurityType.DEFINER, specific_name="plus_one",
        )
    )
    assert made.full_name == f"{schema}.plus_one"
    assert sql(f"select {schema}.plus_one(id) from range(3) order by 1") == [["1"], ["2"], ["3"]]


@claim("a function made by SQL is told with parameters, type and body", call=f"GET {BASE}/functions/{{name}}", engine="catalog")
def test_a_function_of_sql_is_told(w, sql, schema):
    sql(f"create function {schema}.net(gross decimal(12,2), rate double comment 'of tax') returns double comment 'less tax' return gross / (1 + rate)")
    found = w.functions.get(f"{schema}.net")
    seen = [(p.name, p.type_text, p.position, p.comment) for p in found.input_params.parameters]
    assert seen == [("gross", "decimal(12,2)", 0, None), ("rate", "double", 1, "of tax")]
    assert (found.full_data_type, found.comment, found.routine_body) == ("double", "less tax", uc.FunctionInfoRoutineBody.SQL)
    assert sql(f"select {schema}.net(121, 0.21D)") == [["100.0"]]


@claim("functions are listed, given away and deleted", call=f"GET {BASE}/functions", engine="catalog")
def test_functions_are_listed(w, sql, schema):
    for name in ["g", "f"]:
        sql(f"create function {schema}.{name}() returns int return 1")
    catalog_name, schema_name = schema.split(".")
    assert [f.name for f in w.functions.list(catalog_name, schema_name, max_results=1)] == ["f", "g"]
    assert w.functions.update(f"{schema}.f", owner="ann").owner == "ann"
    w.functions.delete(f"{schema}.f")
    with pytest.raises(errors.NotFound):
        w.functions.get(f"{schema}.f")


@claim("privileges are given and taken, and told by principal", call=f"PATCH {BASE}/permissions/{{type}}/{{name}}", engine="catalog (kept, not enforced)")
def test_grants_are_kept(w, sql, schema):
    changes = [uc.PermissionsChange(principal="readers", add=[uc.Privilege.SELECT, uc.Privilege.USE_SCHEMA])]
    w.grants.update("SCHEMA", schema, changes=changes)
    w.grants.update("SCHEMA", schema, changes=[uc.PermissionsChange(principal="writers", add=[uc.Privilege.MODIFY])])
    held = w.grants.get("schema", schema).privilege_assignments
    assert [(a.principal, a.privileges) for a in held] == [
        ("readers", [uc.Privilege.SELECT, uc.Privilege.USE_SCHEMA]),
        ("writers", [uc.Privilege.MODIFY]),
    ]
    [only] = w.grants.get("SCHEMA", schema, principal="writers").privilege_assignments
    assert only.principal == "writers"
    w.grants.update("SCHEMA", schema, changes=[uc.PermissionsChange(principal="readers", remove=[uc.Privilege.SELECT])])
    [left, _] = w.grants.get("SCHEMA", schema).privilege_assignments
    assert left.privileges == [uc.Privilege.USE_SCHEMA]


@claim("effective privileges tell from what they are inherited", call=f"GET {BASE}/effective-permissions/{{type}}/{{name}}", engine="catalog (kept, not enforced)")
def test_effective_grants(w, sql, schema):
    sql(f"create table {schema}.t (x int)")
    w.grants.update("SCHEMA", schema, changes=[uc.PermissionsChange(principal="r", add=[uc.Privilege.SELECT])])
    w.grants.update("TABLE", f"{schema}.t", changes=[uc.PermissionsChange(principal="r", add=[uc.Privilege.MODIFY])])
    effective = w.grants.get_effective("TABLE", f"{schema}.t", principal="r").privilege_assignments
    seen = [(p.privilege, p.inherited_from_type, p.inherited_from_name) for p in effective[0].privileges]
    assert seen == [
        (uc.Privilege.MODIFY, None, None),
        (uc.Privilege.SELECT, uc.SecurableType.SCHEMA, schema),
    ]


@claim("a privilege that a thing cannot have is refused", call=f"PATCH {BASE}/permissions/{{type}}/{{name}}", engine="catalog (kept, not enforced)")
def test_wrong_grants_are_refused(w, sql, schema):
    sql(f"create table {schema}.t (x int)")
    with pytest.raises(errors.InvalidParameterValue, match="not applicable"):
        w.grants.update("TABLE", f"{schema}.t", changes=[uc.PermissionsChange(principal="r", add=[uc.Privilege.CREATE_SCHEMA])])
    with pytest.raises(errors.NotFound):
        w.grants.get("TABLE", f"{schema}.none")


@claim("the metastore is described, and is the workspace's", call=f"GET {BASE}/metastore_summary", engine="memory")
def test_the_metastore(w):
    summary = w.metastores.summary()
    current = w.metastores.current()
    assert summary.metastore_id == current.metastore_id and current.default_catalog_name == "main"
    assert summary.global_metastore_id == f"aws:us-east-1:{summary.metastore_id}"
    assert [m.metastore_id for m in w.metastores.list()] == [summary.metastore_id]


@claim("a table's temporary credentials open its files for another engine, over S3", call=f"POST {OLD}/temporary-table-credentials", engine="files")
def test_table_credentials_read(w, sql, schema):
    import os
    import time

    sql(f"create table {schema}.t as select id, id * id as square from range(100)")
    sql(f"delete from {schema}.t where id >= 50")
    table = w.tables.get(f"{schema}.t")
    keys = w.temporary_table_credentials.generate_temporary_table_credentials(
        table_id=table.table_id, operation=uc.TableOperation.READ
    )
    assert time.time() * 1000 < keys.expiration_time <= time.time() * 1000 + 3_600_000
    options = {
        "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL_S3"],
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": os.environ["AWS_REGION"],
        "AWS_ACCESS_KEY_ID": keys.aws_temp_credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.aws_temp_credentials.secret_access_key,
        "AWS_SESSION_TOKEN": keys.aws_temp_credentials.session_token,
    }
    delta = DeltaTable(keys.url, storage_options=options)
    rows = QueryBuilder().register("t", delta).execute("select count(*) as n, sum(square) as s from t").read_all()
    assert [rows.column(0)[0].as_py(), rows.column(1)[0].as_py()] == [50, sum(n * n for n in range(50))]


@claim("a table's temporary credentials open nothing else, and do not write", call=f"POST {OLD}/temporary-table-credentials", engine="files")
def test_table_credentials_are_narrow(w, sql, schema):
    import os

    for name in ["mine", "other"]:
        sql(f"create table {schema}.{name} as select 1 as a")
    mine, other = (w.tables.get(f"{schema}.{name}").table_id for name in ["mine", "other"])
    keys = w.temporary_table_credentials.generate_temporary_table_credentials(table_id=mine, operation=uc.TableOperation.READ)
    client = s3(keys)
    bucket, prefix = place(keys.url)
    found = client.list_objects_v2(Bucket=bucket, Prefix=prefix + "/")["Contents"]
    assert any(o["Key"].endswith("_delta_log/00000000000000000000.json") for o in found)
    log = client.get_object(Bucket=bucket, Key=f"{prefix}/_delta_log/00000000000000000000.json")["Body"].read()
    assert b'"protocol"' in log

    def code(call, **kwargs):
        with pytest.raises(ClientError) as refused:
            call(**kwargs)
        return refused.value.response["Error"]["Code"]

    log = f"{prefix.replace(mine, other)}/_delta_log/00000000000000000000.json"
    assert code(client.get_object, Bucket=bucket, Key=log) == "AccessDenied"
    assert code(client.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert code(client.put_object, Bucket=bucket, Key=f"{prefix}/x", Body=b"x") == "AccessDenied"
    assert code(client.list_objects_v2, Bucket="twinhouse", Prefix="staging") == "AccessDenied"
    keys.aws_temp_credentials.session_token = "another"
    assert code(s3(keys).list_objects_v2, Bucket=bucket, Prefix=prefix) == "InvalidToken"
    # The store's own keys do not open it either.
    own = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"], config=Config(s3={"addressing_style": "path"}))
    assert code(own.list_objects_v2, Bucket=bucket, Prefix=prefix) == "AccessDenied"


@claim("a volume's temporary credentials write files that the Files API reads", call=f"POST {OLD}/temporary-volume-credentials", engine="files")
def test_volume_credentials_write(w, schema):
    catalog_name, schema_name = schema.split(".")
    volume = w.volumes.create(catalog_name, schema_name, "v", uc.VolumeType.MANAGED)
    issue = w.temporary_volume_credentials.generate_temporary_volume_credentials
    keys = issue(volume_id=volume.volume_id, operation=uc.VolumeOperation.WRITE_VOLUME)
    bucket, prefix = place(keys.url)
    s3(keys).put_object(Bucket=bucket, Key=f"{prefix}/folder/a.txt", Body=b"by S3")
    path = "/Volumes/" + volume.full_name.replace(".", "/") + "/folder/a.txt"
    assert w.files.download(path).contents.read() == b"by S3"
    read = issue(volume_id=volume.volume_id, operation=uc.VolumeOperation.READ_VOLUME)
    assert s3(read).get_object(Bucket=bucket, Key=f"{prefix}/folder/a.txt")["Body"].read() == b"by S3"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3(read).delete_object(Bucket=bucket, Key=f"{prefix}/folder/a.txt")


@claim("a path's temporary credentials open what is below a table's location", call=f"POST {OLD}/temporary-path-credentials", engine="files")
def test_path_credentials(w, sql, schema):
    sql(f"create table {schema}.t as select 1 as a")
    location = w.tables.get(f"{schema}.t").storage_location
    issue = w.temporary_path_credentials.generate_temporary_path_credentials
    keys = issue(url=location + "/_delta_log", operation=uc.PathOperation.PATH_READ)
    bucket, prefix = place(keys.url)
    names = [o["Key"].removeprefix(prefix) for o in s3(keys).list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    assert names == ["/00000000000000000000.json"]
    with pytest.raises(errors.NotFound):
        issue(url="file:///etc", operation=uc.PathOperation.PATH_READ)
    with pytest.raises(errors.NotImplemented, match="temporary credentials that write"):
        issue(url=location, operation=uc.PathOperation.PATH_READ_WRITE)


@claim("a name with odd characters is one segment of the path", call=f"GET {BASE}/tables/{{full_name}}", engine="catalog")
def test_odd_names(w, sql, schema):
    from urllib.parse import quote

    sql(f"create table {schema}.`x?y#z%` (a int)")
    # This SDK puts names into the path as they are: its user escapes them.
    assert w.tables.get(quote(f"{schema}.x?y#z%", safe="")).name == "x?y#z%"
