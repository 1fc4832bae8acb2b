//! Unity Catalog: our client against the sandbox, whose catalog is the one that SQL sees.

use std::{sync::Arc, time::Duration};

use arrow::datatypes::{DataType, Field};
use futures::TryStreamExt as _;
use object_store::{
    ObjectStore as _, ObjectStoreExt as _,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
};
use twinhouse_core::{ErrorKind, Result, http::Url};
use twinhouse_databricks::{
    DatabricksClient, DatabricksWarehouse,
    unity::{
        CreateCatalog, CreateFunction, CreateSchema, CreateTable, CreateVolume, CredentialScope, ForeignKeyConstraint,
        ListCatalogs, ListFunctions, ListSchemas, ListSummaries, ListTables, ListVolumes, PathOperation,
        PermissionsChange, PrimaryKeyConstraint, Privilege, SecurableType, TableConstraint, TableOperation, TableType,
        TemporaryCredential, UnityCatalog, UpdateCatalog, UpdateSchema, UpdateVolume, VolumeOperation,
    },
};
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::fixtures::{databricks_builder, shared};

struct Lake {
    catalog: UnityCatalog,
    warehouse: DatabricksWarehouse,
    /// A schema of this test's own.
    schema: String,
}

impl Lake {
    async fn new(name: &str) -> Self {
        let access = shared().await.unwrap().databricks().await.unwrap();
        let builder = || databricks_builder(access).wait(Duration::ZERO);
        let warehouse = DatabricksWarehouse::new(builder().build().unwrap()).unwrap();
        let client: DatabricksClient = builder().client().unwrap();
        let schema = format!("unity_{name}");
        let lake = Self { catalog: client.catalog(), warehouse, schema };
        lake.catalog.schemas().create(CreateSchema::new("main", &lake.schema)).await.unwrap();
        lake
    }

    fn full(&self, name: &str) -> String {
        format!("main.{}.{name}", self.schema)
    }

    async fn sql(&self, sql: &str) -> Result<()> {
        self.warehouse.execute(sql.replace("{s}", &format!("main.{}", self.schema)).as_str()).await.map(drop)
    }

    async fn number(&self, sql: &str) -> i64 {
        let sql = sql.replace("{s}", &format!("main.{}", self.schema));
        self.warehouse.fetch_one::<(i64,)>(sql.as_str()).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).0
    }
}

#[tokio::test]
async fn a_catalog_lives_its_life() {
    let lake = Lake::new("catalogs").await;
    let catalogs = lake.catalog.catalogs();
    let made = CreateCatalog::new("Unity_Life").with_comment("it's new").with_property("team", "blue");
    let made = catalogs.create(made).await.unwrap();
    assert_eq!((made.name.as_str(), made.comment.as_deref()), ("unity_life", Some("it's new")));
    assert_eq!(made.properties["team"], "blue");
    let again = catalogs.create(CreateCatalog::new("unity_life")).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert!(catalogs.exists("unity_life").await.unwrap() && !catalogs.exists("unity_none").await.unwrap());

    // SQL fills it; the API refuses to lose that, and gives it another name with everything in it.
    lake.sql("create schema unity_life.s").await.unwrap();
    lake.sql("create table unity_life.s.t as select 7 as n").await.unwrap();
    assert_eq!(catalogs.delete("unity_life", false).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let change = UpdateCatalog::default().with_new_name("unity_later").with_comment("").with_owner("ann@example.com");
    let changed = catalogs.update("unity_life", change).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.comment.as_deref()), ("unity_later", None));
    assert_eq!((changed.owner.as_deref(), changed.properties["team"].as_str()), (Some("ann@example.com"), "blue"));
    assert_eq!(lake.number("select cast(n as bigint) from unity_later.s.t").await, 7);
    assert_eq!(catalogs.get("unity_life").await.unwrap_err().kind(), ErrorKind::NotFound);
    let listed: Vec<_> = catalogs.list(ListCatalogs::default()).map_ok(|info| info.name).try_collect().await.unwrap();
    assert!(listed.contains(&"main".to_owned()) && listed.contains(&"unity_later".to_owned()), "{listed:?}");
    catalogs.delete("unity_later", true).await.unwrap();
    assert!(lake.sql("select * from unity_later.s.t").await.is_err());
}

#[tokio::test]
async fn schemas_are_those_of_sql_both_ways() {
    let lake = Lake::new("schemas").await;
    let schemas = lake.catalog.schemas();
    lake.sql("create schema unity_by_sql comment 'by hand'").await.unwrap();
    assert_eq!(schemas.get("main.unity_by_sql").await.unwrap().comment.as_deref(), Some("by hand"));
    lake.sql("create table unity_by_sql.t (a int)").await.unwrap();
    assert_eq!(schemas.delete("main.unity_by_sql", false).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let change =
        UpdateSchema::default().with_new_name("unity_renamed").with_properties([("k".to_owned(), "v".to_owned())]);
    let changed = schemas.update("main.unity_by_sql", change).await.unwrap();
    assert_eq!((changed.full_name.as_deref(), changed.properties["k"].as_str()), (Some("main.unity_renamed"), "v"));
    lake.sql("insert into unity_renamed.t values (1)").await.unwrap();
    schemas.delete("main.unity_renamed", true).await.unwrap();
    assert!(!schemas.exists("main.unity_renamed").await.unwrap());

    // Pages of one, one of which is empty.
    for n in 0..4 {
        schemas.create(CreateSchema::new("main", format!("unity_page_{n}"))).await.unwrap();
    }
    let listing = schemas.list(ListSchemas::new("main").with_max_results(1));
    let names: Vec<_> = listing.map_ok(|info| info.name).try_collect().await.unwrap();
    let mine: Vec<_> = names.iter().filter(|name| name.starts_with("unity_page_")).collect();
    assert_eq!(mine, ["unity_page_0", "unity_page_1", "unity_page_2", "unity_page_3"]);
    let missing = schemas.list(ListSchemas::new("unity_nowhere")).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_table_is_described_exactly() {
    let lake = Lake::new("tables").await;
    let tables = lake.catalog.tables();
    lake.sql(
        "create table {s}.orders (id bigint not null comment 'the key', price decimal(12,2), \
         tags array<struct<a: int, b: map<string, date>>>, day date) partitioned by (day) comment 'what was sold' \
         tblproperties ('delta.appendOnly' = 'true')",
    )
    .await
    .unwrap();
    lake.sql("create table {s}.`a``b%?` (x int)").await.unwrap();
    let table = tables.get(&lake.full("orders")).await.unwrap();
    assert_eq!((table.table_type, table.comment.as_deref()), (Some(TableType::Managed), Some("what was sold")));
    assert_eq!(table.properties["delta.appendOnly"], "true");
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "price", "tags", "day"]);
    let [id, price, tags, day] = table.columns.as_slice() else { panic!("{:?}", table.columns) };
    assert_eq!((&id.data_type, id.nullable, id.comment.as_deref()), (&DataType::Int64, false, Some("the key")));
    assert_eq!(price.data_type, DataType::Decimal128(12, 2));
    assert_eq!(day.partition_index, Some(0));
    let DataType::List(element) = &tags.data_type else { panic!("{:?}", tags.data_type) };
    let DataType::Struct(fields) = element.data_type() else { panic!("{element:?}") };
    assert_eq!(fields[0].as_ref(), &Field::new("a", DataType::Int32, true));
    assert!(matches!(fields[1].data_type(), DataType::Map(..)));

    assert!(tables.exists(&lake.full("a`b%?")).await.unwrap() && !tables.exists(&lake.full("none")).await.unwrap());
    assert_eq!(tables.get(&lake.full("a`b%?")).await.unwrap().name, "a`b%?");
    let request = ListTables::new("main", &lake.schema).with_omit_columns(true).with_omit_username(true);
    let listed: Vec<_> = tables.list(request).try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["a`b%?", "orders"]);
    assert!(listed.iter().all(|table| table.columns.is_empty() && table.owner.is_none()));
    let request = ListSummaries::new("main").with_schema_name_pattern(&lake.schema).with_table_name_pattern("ord%");
    let found: Vec<_> = tables.list_summaries(request).map_ok(|table| table.full_name).try_collect().await.unwrap();
    assert_eq!(found, [lake.full("orders")]);
    tables.update_owner(&lake.full("orders"), "ann").await.unwrap();
    assert_eq!(tables.get(&lake.full("orders")).await.unwrap().owner.as_deref(), Some("ann"));
    tables.delete(&lake.full("orders")).await.unwrap();
    assert_eq!(tables.get(&lake.full("orders")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_external_table_is_registered_read_and_left_alone() {
    let lake = Lake::new("external").await;
    let tables = lake.catalog.tables();
    // Somebody's table: a copy of the files of one of ours.
    lake.sql("create table {s}.source as select id, id * 2 as twice from range(100)").await.unwrap();
    let location = tables.get(&lake.full("source")).await.unwrap().storage_location.unwrap();
    let from = Url::parse(&location).unwrap().to_file_path().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("a table");
    copy(&from, &there);
    let url = Url::from_directory_path(&there).unwrap().to_string();
    let request =
        |name: &str, url: &str| CreateTable::external("main", &lake.schema, name, url).with_property("k", "v");
    let made = tables.create(request("theirs", &url)).await.unwrap();
    assert_eq!((made.table_type, made.properties["k"].as_str()), (Some(TableType::External), "v"));
    assert_eq!(made.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "twice"]);
    assert_eq!(lake.number("select sum(twice) from {s}.theirs").await, 9900);
    lake.sql("insert into {s}.theirs select 100, 200").await.unwrap();
    assert_eq!(lake.number("select sum(twice) from {s}.theirs").await, 10_100);

    let overlap = tables.create(request("again", &url)).await.unwrap_err();
    assert_eq!(overlap.kind(), ErrorKind::InvalidInput, "two tables cannot have the same files: {overlap}");
    let managed = tables.create(request("ours", &location)).await.unwrap_err();
    assert_eq!(managed.kind(), ErrorKind::InvalidInput, "{managed}");
    let nothing = Url::from_directory_path(folder.path().join("no")).unwrap();
    assert_eq!(tables.create(request("no", nothing.as_str())).await.unwrap_err().kind(), ErrorKind::InvalidInput);

    tables.delete(&lake.full("theirs")).await.unwrap();
    assert!(there.join("_delta_log").is_dir(), "the files of an external table stay when it is dropped");
    tables.create(request("theirs", &url)).await.unwrap();
    assert_eq!(lake.number("select count(*) from {s}.theirs").await, 101);
    lake.catalog.schemas().delete(&format!("main.{}", lake.schema), true).await.unwrap();
    assert!(there.join("_delta_log").is_dir());
}

/// What is below the URL, listed by a client of S3 that knows only the credential.
async fn listed(credential: &TemporaryCredential, url: &str) -> object_store::Result<Vec<String>> {
    let s3 = shared().await.unwrap().s3();
    let url = Url::parse(url).unwrap();
    let mut builder = AmazonS3Builder::new()
        .with_endpoint(&s3.endpoint)
        .with_allow_http(true)
        .with_region(&s3.region)
        .with_bucket_name(url.host_str().unwrap());
    for (key, value) in credential.storage_options() {
        builder = builder.with_config(key.parse::<AmazonS3ConfigKey>().unwrap(), value.expose());
    }
    let prefix = object_store::path::Path::from_url_path(url.path()).unwrap();
    let store = builder.build()?;
    let found: Vec<_> = store.list(Some(&prefix)).try_collect().await?;
    // Listed and readable.
    for object in &found {
        assert_eq!(store.get(&object.location).await?.bytes().await?.len() as u64, object.size);
    }
    Ok(found.into_iter().map(|object| object.location.to_string()).collect())
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn keys_are_made_by_sql_and_by_the_api() {
    let lake = Lake::new("keys").await;
    lake.sql(
        "create table {s}.parent (a int not null, b int not null, c int, constraint parent_key primary key (a, b timeseries) rely)",
    )
    .await
    .unwrap();
    lake.sql("create table {s}.child (x int, y int, foreign key (x, y) references {s}.parent (a, b))").await.unwrap();
    let keys = async |name: &str| lake.catalog.tables().get(&lake.full(name)).await.unwrap().table_constraints;
    let [TableConstraint::PrimaryKey(key)] = &keys("parent").await[..] else { panic!("one primary key") };
    assert_eq!(
        (key.name.as_str(), key.child_columns.as_slice()),
        ("parent_key", &["a".to_owned(), "b".to_owned()][..])
    );
    assert_eq!((key.timeseries_columns.as_slice(), key.rely), (&["b".to_owned()][..], Some(true)));
    let [TableConstraint::ForeignKey(key)] = &keys("child").await[..] else { panic!("one foreign key") };
    assert_eq!((key.name.as_str(), key.parent_table.clone()), ("child_fk", lake.full("parent")));

    let constraints = lake.catalog.table_constraints();
    let second = PrimaryKeyConstraint::new("second", ["a"]);
    let error = constraints.create(&lake.full("parent"), second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "one primary key is enough: {error}");
    let nullable = PrimaryKeyConstraint::new("pk", ["x"]);
    assert!(constraints.create(&lake.full("child"), nullable).await.unwrap_err().message().contains("nullable"));
    let wrong = ForeignKeyConstraint::new("wrong", ["x"], lake.full("parent"), ["c"]);
    assert!(constraints.create(&lake.full("child"), wrong).await.is_err(), "it is not the other table's key");
    assert!(constraints.delete(&lake.full("parent"), "parent_key", false).await.is_err(), "a foreign key needs it");
    constraints.delete(&lake.full("parent"), "parent_key", true).await.unwrap();
    assert!(keys("parent").await.is_empty() && keys("child").await.is_empty());
    lake.sql("alter table {s}.parent add constraint late primary key (a)").await.unwrap();
    assert_eq!(keys("parent").await[0].name(), Some("late"));
    lake.sql("alter table {s}.parent drop primary key").await.unwrap();
    assert!(keys("parent").await.is_empty());
    assert!(lake.sql("alter table {s}.parent drop primary key").await.is_err());
}

#[tokio::test]
async fn functions_are_made_by_the_api_and_called_by_sql_and_the_other_way_round() {
    let lake = Lake::new("functions").await;
    let functions = lake.catalog.functions();
    let request = CreateFunction::sql("main", &lake.schema, "Net", DataType::Decimal128(12, 2), "gross / (1 + rate)")
        .with_parameter("gross", DataType::Decimal128(12, 2))
        .with_parameter("rate", DataType::Decimal128(4, 2))
        .with_comment("without tax");
    let made = functions.create(request).await.unwrap();
    assert_eq!((made.name.as_str(), made.full_data_type.as_deref()), ("net", Some("decimal(12,2)")));
    assert_eq!(made.input_params[1].data_type, DataType::Decimal128(4, 2));
    assert_eq!(lake.number("select cast({s}.net(121, 0.21) * 100 as bigint)").await, 10_000);

    lake.sql("create function {s}.twice(n bigint comment 'any') returns bigint comment 'x 2' return twice.n + n")
        .await
        .unwrap();
    lake.sql("create or replace function {s}.fourfold(n bigint) returns bigint return {s}.twice({s}.twice(n))")
        .await
        .unwrap();
    assert_eq!(lake.number("select sum({s}.fourfold(id)) from range(10) where {s}.twice(id) > 4").await, 168);
    assert_eq!(lake.number("select max(m) from (select {s}.twice(id) as m from range(3))").await, 4);
    let found = functions.get(&lake.full("twice")).await.unwrap();
    assert_eq!((found.comment.as_deref(), found.routine_body.as_deref()), (Some("x 2"), Some("SQL")));
    let listing = functions.list(ListFunctions::new("main", &lake.schema).with_max_results(1));
    let names: Vec<_> = listing.map_ok(|function| function.name).try_collect().await.unwrap();
    assert_eq!(names, ["fourfold", "net", "twice"]);
    assert_eq!(functions.update_owner(&lake.full("twice"), "ann").await.unwrap().owner.as_deref(), Some("ann"));

    for wrong in [
        "create function {s}.bad(n int) returns int return m + 1",
        "create function {s}.bad(n int) returns int return sum(n)",
        "create function {s}.bad(n int) returns int return (select max(id) from range(3))",
        "create function {s}.bad(n int, N int) returns int return n",
        "create function {s}.twice(n int) returns int return n",
        "select {s}.twice(1, 2)",
        "select {s}.none(1)",
    ] {
        assert!(lake.sql(wrong).await.is_err(), "{wrong}");
    }
    lake.sql("create or replace function {s}.again(n int) returns int return n").await.unwrap();
    lake.sql("create or replace function {s}.again(n int) returns int return {s}.again(n) + 1").await.unwrap();
    let error = lake.sql("select {s}.again(1)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "a function that calls itself: {error}");
    functions.delete(&lake.full("twice"), false).await.unwrap();
    assert!(!functions.exists(&lake.full("twice")).await.unwrap());
    assert!(lake.sql("select {s}.fourfold(1)").await.is_err());
    lake.sql("drop function if exists {s}.twice").await.unwrap();
}

#[tokio::test]
async fn grants_are_kept_and_inherited() {
    let lake = Lake::new("grants").await;
    lake.sql("create table {s}.t (a int)").await.unwrap();
    let grants = lake.catalog.grants();
    let schema = format!("main.{}", lake.schema);
    let principal = format!("readers of {}", lake.schema);
    let give = |privileges: &[Privilege]| PermissionsChange::new(&principal).with_add(privileges.to_vec());
    let now = grants
        .update(SecurableType::Schema, &schema, [give(&[Privilege::Select, Privilege::UseSchema])])
        .await
        .unwrap();
    assert_eq!(now[0].privileges, [Privilege::Select, Privilege::UseSchema]);
    grants.update(SecurableType::Table, &lake.full("t"), [give(&[Privilege::Modify])]).await.unwrap();
    let own: Vec<_> = grants.get(SecurableType::Table, &lake.full("t"), None).try_collect().await.unwrap();
    assert_eq!((own.len(), own[0].privileges.as_slice()), (1, &[Privilege::Modify][..]));
    let listing = grants.get_effective(SecurableType::Table, &lake.full("t"), Some(&principal));
    let effective: Vec<_> = listing.try_collect().await.unwrap();
    let seen: Vec<_> = effective[0]
        .privileges
        .iter()
        .map(|held| (held.privilege.clone().unwrap(), held.inherited_from_name.clone()))
        .collect();
    let inherited = |privilege| (privilege, Some(schema.clone()));
    assert_eq!(seen, [(Privilege::Modify, None), inherited(Privilege::Select), inherited(Privilege::UseSchema)]);

    let wrong =
        grants.update(SecurableType::Table, &lake.full("t"), [give(&[Privilege::CreateSchema])]).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    let change = PermissionsChange::new(&principal).with_remove([Privilege::Modify]);
    assert!(grants.update(SecurableType::Table, &lake.full("t"), [change]).await.unwrap().is_empty());
    let missing = grants.get(SecurableType::Table, &lake.full("none"), None).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    // What is renamed keeps what was given; what is made anew under an old name has nothing.
    lake.sql("alter table {s}.t rename to {s}.u").await.unwrap();
    grants.update(SecurableType::Table, &lake.full("u"), [give(&[Privilege::Modify])]).await.unwrap();
    lake.sql("drop table {s}.u").await.unwrap();
    lake.sql("create table {s}.u (a int)").await.unwrap();
    let own: Vec<_> = grants.get(SecurableType::Table, &lake.full("u"), None).try_collect().await.unwrap();
    assert!(own.is_empty());
}

#[tokio::test]
async fn volumes_are_made_renamed_and_deleted() {
    let lake = Lake::new("volumes").await;
    let volumes = lake.catalog.volumes();
    let request = CreateVolume::managed("main", &lake.schema, "raw").with_comment("as it came");
    let made = volumes.create(request).await.unwrap();
    assert_eq!((made.full_name.clone(), made.comment.as_deref()), (Some(lake.full("raw")), Some("as it came")));
    let change = UpdateVolume::default().with_new_name("cooked").with_owner("ann");
    let changed = volumes.update(&lake.full("raw"), change).await.unwrap();
    assert_eq!((changed.volume_id, changed.owner.as_deref()), (made.volume_id, Some("ann")));
    lake.sql("create volume {s}.other").await.unwrap();
    let taken = volumes.update(&lake.full("other"), UpdateVolume::default().with_new_name("cooked")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let listing = volumes.list(ListVolumes::new("main", &lake.schema).with_max_results(1));
    let names: Vec<_> = listing.map_ok(|volume| volume.name).try_collect().await.unwrap();
    assert_eq!(names, ["cooked", "other"]);
    volumes.delete(&lake.full("cooked")).await.unwrap();
    assert!(!volumes.exists(&lake.full("cooked")).await.unwrap());
    let external = CreateVolume::external("main", &lake.schema, "e", "s3://b/e");
    assert_eq!(volumes.create(external).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_metastore_is_described() {
    let lake = Lake::new("metastore").await;
    let summary = lake.catalog.metastores().summary().await.unwrap();
    let current = lake.catalog.metastores().current().await.unwrap();
    assert_eq!(summary.metastore_id, current.metastore_id);
    assert_eq!((summary.external_access_enabled, current.default_catalog_name.as_deref()), (Some(true), Some("main")));
    let all: Vec<_> = lake.catalog.metastores().list().try_collect().await.unwrap();
    assert_eq!(all, [summary]);
}

/// The keys are used as any client of S3 uses them.
#[tokio::test]
async fn temporary_credentials_open_the_files_of_one_table_and_nothing_else() {
    let lake = Lake::new("credentials").await;
    lake.sql("create table {s}.t as select id from range(10)").await.unwrap();
    lake.sql("create table {s}.other as select 1 as a").await.unwrap();
    lake.sql("create volume {s}.v").await.unwrap();
    let table = lake.catalog.tables().get(&lake.full("t")).await.unwrap();
    let client = lake.catalog.temporary_credentials();
    let scope = CredentialScope::table(table.table_id.clone().unwrap(), TableOperation::Read);
    let keys = client.refreshing(scope);
    let first = keys.current().await.unwrap();
    assert!(Arc::ptr_eq(&first, &keys.current().await.unwrap()));
    let left = first.time_left().unwrap();
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
    assert!(matches!(first.credential, TemporaryCredential::Aws { .. }));
    assert!(first.url.as_deref().unwrap().starts_with("s3://"));

    let files = listed(&first.credential, first.url.as_deref().unwrap()).await.unwrap();
    assert!(files.iter().any(|file| file.ends_with("_delta_log/00000000000000000000.json")), "{files:?}");
    assert!(files.iter().any(|file| file.ends_with(".parquet")), "{files:?}");
    let other = lake.catalog.tables().get(&lake.full("other")).await.unwrap().table_id.unwrap();
    let elsewhere = first.url.clone().unwrap().replace(&table.table_id.unwrap(), &other);
    let denied = listed(&first.credential, &elsewhere).await.unwrap_err();
    assert!(format!("{denied:?}").contains("AccessDenied"), "{denied:?}");

    let volume = lake.catalog.volumes().get(&lake.full("v")).await.unwrap();
    let scope = CredentialScope::volume(volume.volume_id.unwrap(), VolumeOperation::ReadVolume);
    let keys = client.generate(&scope).await.unwrap();
    assert!(listed(&keys.credential, keys.url.as_deref().unwrap()).await.unwrap().is_empty());
    let scope = CredentialScope::path(table.storage_location.unwrap(), PathOperation::PathRead);
    let keys = client.generate(&scope).await.unwrap();
    assert_eq!(listed(&keys.credential, keys.url.as_deref().unwrap()).await.unwrap(), files);

    let unknown = CredentialScope::table("11111111-2222-3333-4444-555555555555", TableOperation::Read);
    assert_eq!(client.generate(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    let writing = CredentialScope::table(other, TableOperation::ReadWrite);
    assert_eq!(client.generate(&writing).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let outside = CredentialScope::path("file:///etc", PathOperation::PathRead);
    assert_eq!(client.generate(&outside).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn views_are_among_the_tables() {
    let lake = Lake::new("views").await;
    let tables = lake.catalog.tables();
    lake.sql("create table {s}.t (a int, d decimal(12,2))").await.unwrap();
    lake.sql("create view {s}.v (x comment 'first', total) comment 'seen' as select a, d * 2 from {s}.t")
        .await
        .unwrap();
    let view = tables.get(&lake.full("v")).await.unwrap();
    assert_eq!((view.table_type, view.comment.as_deref()), (Some(TableType::View), Some("seen")));
    assert!(view.view_definition.unwrap().contains("d * 2") && view.storage_location.is_none());
    assert_eq!((view.columns[0].name.as_str(), view.columns[0].comment.as_deref()), ("x", Some("first")));
    assert_eq!(view.columns[0].data_type, DataType::Int32);
    assert!(matches!(view.columns[1].data_type, DataType::Decimal128(..)));
    let listed: Vec<_> = tables.list(ListTables::new("main", &lake.schema)).try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["t", "v"]);
    let request = ListSummaries::new("main").with_schema_name_pattern(&lake.schema);
    let kinds: Vec<_> = tables.list_summaries(request).map_ok(|table| table.table_type).try_collect().await.unwrap();
    assert_eq!(kinds, [Some(TableType::Managed), Some(TableType::View)]);
    assert!(tables.exists(&lake.full("v")).await.unwrap());
    let grant = PermissionsChange::new("readers").with_add([Privilege::Select]);
    lake.catalog.grants().update(SecurableType::Table, &lake.full("v"), [grant]).await.unwrap();
    tables.update_owner(&lake.full("v"), "ann").await.unwrap();
    assert_eq!(tables.get(&lake.full("v")).await.unwrap().owner.as_deref(), Some("ann"));
    tables.delete(&lake.full("v")).await.unwrap();
    assert!(!tables.exists(&lake.full("v")).await.unwrap());
    assert_eq!(lake.number("select count(*) from {s}.t").await, 0);
}

/// What is written into a table while it gets another name is not lost, and neither is the table.
#[tokio::test]
async fn a_schema_that_is_renamed_under_a_writer_keeps_its_table() {
    let lake = Lake::new("moved").await;
    lake.sql("create table {s}.t (id bigint, k bigint)").await.unwrap();
    let (warehouse, marker) = (lake.warehouse.clone(), "unity-renamed-under-a-writer");
    let insert = format!(
        "insert into main.{}.t /* {marker} */ select id, id % 7 from range(1500000) order by id % 1000",
        lake.schema
    );
    let writing = tokio::spawn(async move { warehouse.execute(insert.as_str()).await });
    while !shared().await.unwrap().is_running(marker) && !writing.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let change = UpdateSchema::default().with_new_name("unity_moved_away");
    lake.catalog.schemas().update(&format!("main.{}", lake.schema), change).await.unwrap();
    let written = writing.await.unwrap();
    let rows = lake.number("select count(*) from main.unity_moved_away.t").await;
    // Begun under the old name, it may end well or not at all; the table is whole either way.
    assert_eq!(rows, if written.is_ok() { 1_500_000 } else { 0 });
}
