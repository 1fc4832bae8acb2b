//! Unity Catalog: listings, names, and what is refused before it is sent.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow::datatypes::{DataType, Field};
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use twinhouse_core::{
    ErrorKind,
    config::Env,
    resilience::{Rate, Registry},
};
use twinhouse_databricks::{
    DatabricksClient, EndpointFamily,
    unity::{
        CatalogType, ColumnTypeName, CreateCatalog, CreateFunction, CreateSchema, CreateTable, CreateVolume,
        DataSourceFormat, EffectivePrivilege, ForeignKeyConstraint, ListCatalogs, ListFunctions, ListSchemas,
        ListSummaries, ListTables, ListVolumes, NewColumn, PermissionsChange, PrimaryKeyConstraint, Privilege,
        SecurableType, TableConstraint, TableType, UnityCatalog, UpdateCatalog, UpdateSchema, UpdateVolume, VolumeType,
    },
};
use twinhouse_testkit::{Answer, Received, ScriptedServer};

pub(crate) const UNITY: &str = "/api/2.1/unity-catalog";

pub(crate) struct Unity {
    pub(crate) server: ScriptedServer,
    pub(crate) catalog: UnityCatalog,
}

impl Unity {
    pub(crate) async fn start() -> Self {
        let server = ScriptedServer::start().await.unwrap();
        let client = DatabricksClient::builder()
            .env(Env::empty())
            .host(server.url())
            .token("dapi-canary-token")
            .rate(EndpointFamily::Catalog, Rate::UNLIMITED)
            .registry(Registry::new())
            .client()
            .unwrap();
        Self { server, catalog: client.catalog() }
    }

    /// Scripts one answer, and none to anything else.
    pub(crate) fn once(&self, method: &str, path: &str, answer: Value) -> &Self {
        self.server.once(method, &format!("{UNITY}/{path}"), Answer::json(answer));
        self
    }

    pub(crate) fn only(&self) -> Received {
        let mut requests = self.server.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

/// The field that an error names; nothing was sent.
#[track_caller]
fn field<T: std::fmt::Debug>(unity: &Unity, result: twinhouse_core::Result<T>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    assert!(unity.server.requests().is_empty(), "{error}");
    (error.kind(), error.context("field").unwrap_or_default().to_owned())
}

// Facts 2.5 and 5.2: pages may be empty, and only a missing token ends the listing.
#[tokio::test]
async fn empty_pages_do_not_end_a_listing_wherever_they_stand() {
    let unity = Unity::start().await;
    let pages = [
        json!({ "next_page_token": "a/b c" }),
        json!({ "catalogs": null, "next_page_token": "2" }),
        json!({ "catalogs": [{ "name": "one" }, { "name": "two", "catalog_type": "ORBITAL_CATALOG" }], "next_page_token": "3" }),
        json!({ "catalogs": [], "next_page_token": "4" }),
        json!({ "catalogs": [{ "name": "three" }], "next_page_token": "5" }),
        json!({ "catalogs": [], "next_page_token": "" }),
    ];
    for page in pages {
        unity.once("GET", "catalogs", page);
    }
    let found: Vec<_> = unity.catalog.catalogs().list(ListCatalogs::default()).try_collect().await.unwrap();
    unity.server.verify();
    assert_eq!(found.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(found[1].catalog_type, Some(CatalogType::Other("ORBITAL_CATALOG".to_owned())), "kept as it came");
    let targets: Vec<_> = unity.server.requests().into_iter().map(|request| request.target).collect();
    assert!(targets.iter().all(|target| target.contains("max_results=0")), "the deprecated way is never taken");
    assert!(!targets[0].contains("page_token") && targets[1].contains("page_token=a%2Fb+c"), "{targets:?}");
}

/// Ten thousand pages, of which every third is empty; the stream holds one.
#[tokio::test]
async fn a_listing_of_ten_thousand_pages_is_read_one_page_at_a_time() {
    const PAGES: u64 = 10_000;
    let unity = Unity::start().await;
    let (asked, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counter, taken) = (Arc::clone(&asked), Arc::clone(&seen));
    unity.server.otherwise(move |request| {
        let n = counter.fetch_add(1, Ordering::SeqCst);
        // Nothing is read ahead: what earlier pages had was taken before this one was asked for.
        assert_eq!(taken.load(Ordering::SeqCst), (0..n).filter(|n| n % 3 != 0).count() as u64 * 2);
        let token = request.target.split("page_token=").nth(1).map(str::to_owned);
        assert_eq!(token, (n > 0).then(|| n.to_string()));
        let names = if n.is_multiple_of(3) {
            vec![]
        } else {
            vec![json!({ "name": format!("a{n}") }), json!({ "name": format!("b{n}") })]
        };
        let next = if n + 1 < PAGES { (n + 1).to_string() } else { String::new() };
        Some(Answer::json(json!({ "schemas": names, "next_page_token": next })))
    });
    let mut listing = unity.catalog.schemas().list(ListSchemas::new("main"));
    let mut last = String::new();
    while let Some(schema) = listing.try_next().await.unwrap() {
        seen.fetch_add(1, Ordering::SeqCst);
        last = schema.name;
    }
    assert_eq!(asked.load(Ordering::SeqCst), PAGES);
    assert_eq!(
        (seen.load(Ordering::SeqCst), last),
        ((0..PAGES).filter(|n| n % 3 != 0).count() as u64 * 2, "b9998".to_owned())
    );
}

#[tokio::test]
async fn a_listing_that_goes_in_circles_is_an_error_not_a_loop() {
    let unity = Unity::start().await;
    unity.once("GET", "catalogs", json!({ "catalogs": [{ "name": "a" }], "next_page_token": "x" }));
    unity.once("GET", "catalogs", json!({ "catalogs": [], "next_page_token": "x" }));
    let mut listing = unity.catalog.catalogs().list(ListCatalogs::default());
    assert_eq!(listing.try_next().await.unwrap().unwrap().name, "a");
    assert_eq!(listing.try_next().await.unwrap_err().kind(), ErrorKind::Protocol);
    assert!(listing.try_next().await.unwrap().is_none(), "an error is the last item");
}

/// The token of a service principal ends between two pages: the page is asked for again with a new one.
#[tokio::test]
async fn a_token_that_expires_in_mid_listing_costs_no_item_and_doubles_none() {
    let server = ScriptedServer::start().await.unwrap();
    server.always("GET", "/oidc/.well-known/oauth-authorization-server", Answer::status(404));
    for token in ["first", "second"] {
        let token = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 });
        server.once("POST", "/oidc/v1/token", Answer::json(token));
    }
    let tables = format!("{UNITY}/tables");
    let names = |names: &[&str], next: &str| {
        let tables: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        Answer::json(json!({ "tables": tables, "next_page_token": next }))
    };
    server.once("GET", &tables, names(&["a", "b"], "2"));
    let refusal = json!({ "error_code": 403, "message": "Invalid access token." });
    server.once("GET", &tables, Answer::json(refusal).with_status(403));
    server.once("GET", &tables, names(&[], "3"));
    server.once("GET", &tables, names(&["c"], ""));
    let client = DatabricksClient::builder()
        .env(Env::empty())
        .host(server.url())
        .client_id("id")
        .client_secret("canary")
        .registry(Registry::new())
        .client()
        .unwrap();
    let listing = client.catalog().tables().list(ListTables::new("main", "s"));
    let found: Vec<_> = listing.map_ok(|table| table.name).try_collect().await.unwrap();
    assert_eq!(found, ["a", "b", "c"]);
    server.verify();
    let bearers: Vec<_> = server.requests().into_iter().filter(|request| request.path() == tables).collect();
    let bearers: Vec<_> = bearers.iter().map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(bearers, ["Bearer first", "Bearer first", "Bearer second", "Bearer second"]);
}

// Facts 5.1: delimited names may hold characters that a path cannot.
#[tokio::test]
async fn a_name_is_one_segment_of_the_path_whatever_is_in_it() {
    let unity = Unity::start().await;
    unity.server.otherwise(|request| {
        let answer =
            if request.path().ends_with("/exists") { json!({ "table_exists": true }) } else { json!({ "name": "x" }) };
        Some(Answer::json(answer))
    });
    for (name, path) in [
        ("main.s.a`b", "main.s.a%60b"),
        ("main.s.é%'\"", "main.s.%C3%A9%25'%22"),
        ("main.s.x?y#z&w", "main.s.x%3Fy%23z&w"),
        ("main.s.order / s", "main.s.order%20%2F%20s"),
        ("main.s.%2e%2e", "main.s.%252e%252e"),
    ] {
        unity.catalog.tables().get(name).await.unwrap();
        assert!(unity.catalog.tables().exists(name).await.unwrap());
        unity.catalog.volumes().get(name).await.unwrap();
        unity.catalog.functions().get(name).await.unwrap();
        let listing = unity.catalog.grants().get(SecurableType::Table, name, Some("a b&c=d"));
        let _: Vec<_> = listing.try_collect().await.unwrap();
        let paths: Vec<_> = unity.server.requests().into_iter().rev().take(5).map(|request| request.target).collect();
        let wanted = [
            format!("{UNITY}/permissions/TABLE/{path}?principal=a+b%26c%3Dd&max_results=0"),
            format!("{UNITY}/functions/{path}"),
            format!("{UNITY}/volumes/{path}"),
            format!("{UNITY}/tables/{path}/exists"),
            format!("{UNITY}/tables/{path}"),
        ];
        assert_eq!(paths, wanted);
    }
}

#[tokio::test]
async fn a_table_is_read_with_exact_types_keys_filters_and_masks() {
    let unity = Unity::start().await;
    let json = r#"{"name":"tags","type":{"type":"array","elementType":"string","containsNull":false},"nullable":true,"metadata":{}}"#;
    unity.once(
        "GET",
        "tables/main.sales.orders",
        json!({
            "name": "orders", "catalog_name": "main", "schema_name": "sales", "full_name": "main.sales.orders",
            "table_id": "11-22", "table_type": "HOLOGRAPHIC_TABLE", "data_source_format": "DELTA", "owner": "ann",
            "storage_location": "s3://b/t", "created_at": "1700000000000", "updated_at": 1_700_000_000_001_u64,
            "properties": { "delta.appendOnly": "true" },
            "columns": [
                { "name": "tags", "position": 1, "type_name": "ARRAY", "type_text": "array<string>", "type_json": json },
                { "name": "id", "type_name": "LONG", "type_text": "bigint", "nullable": false, "comment": "key",
                  "mask": { "function_name": "main.s.hide", "using_column_names": ["region"] } },
            ],
            "row_filter": { "function_name": "main.s.mine", "input_column_names": ["id"] },
            "table_constraints": [
                { "primary_key_constraint": { "name": "pk", "child_columns": ["id"], "rely": true } },
                { "foreign_key_constraint": { "name": "fk", "child_columns": ["id"], "parent_table": "main.s.p",
                                              "parent_columns": ["x"] } },
                { "quantum_constraint": {} },
            ],
            "view_dependencies": { "dependencies": [] },
            "a_field_of_the_future": [1],
        }),
    );
    let table = unity.catalog.tables().get("main.sales.orders").await.unwrap();
    assert_eq!(table.table_type, Some(TableType::Other("HOLOGRAPHIC_TABLE".to_owned())));
    assert_eq!((table.created_at, table.updated_at), (Some(1_700_000_000_000), Some(1_700_000_000_001)));
    assert_eq!(table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "tags"]);
    let element = Field::new("element", DataType::Utf8, false);
    assert_eq!(
        table.columns[1].data_type,
        DataType::List(element.into()),
        "only the JSON says that no element is null"
    );
    assert_eq!((&table.columns[0].data_type, table.columns[0].nullable), (&DataType::Int64, false));
    assert_eq!(table.columns[0].type_name, Some(ColumnTypeName::Long));
    let mask = table.columns[0].mask.as_ref().unwrap();
    assert_eq!(
        (mask.function_name.as_str(), mask.using_column_names.as_slice()),
        ("main.s.hide", &["region".to_owned()][..])
    );
    assert_eq!(table.row_filter.unwrap().function_name, "main.s.mine");
    assert_eq!(table.table_constraints[0], PrimaryKeyConstraint::new("pk", ["id"]).with_rely(true).into());
    assert_eq!(table.table_constraints[1], ForeignKeyConstraint::new("fk", ["id"], "main.s.p", ["x"]).into());
    assert!(matches!(table.table_constraints[2], TableConstraint::Other(_)));
}

#[tokio::test]
async fn json_of_the_wrong_type_is_an_error_that_quotes_nothing() {
    let unity = Unity::start().await;
    for answer in [
        json!({ "name": "t", "columns": "secret-canary" }),
        json!({ "name": ["secret-canary"] }),
        json!(["secret-canary"]),
        json!({ "name": "t", "created_at": "secret-canary" }),
        json!({ "name": "t", "table_type": 7 }),
        json!({ "name": "t", "table_constraints": [{ "primary_key_constraint": "secret-canary" }] }),
    ] {
        unity.once("GET", "tables/m.s.t", answer.clone());
        let error = unity.catalog.tables().get("m.s.t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    unity.once("GET", "volumes", json!({ "volumes": { "name": "v" } }));
    let listing = unity.catalog.volumes().list(ListVolumes::new("m", "s"));
    assert_eq!(listing.try_collect::<Vec<_>>().await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn what_is_made_says_what_was_wished_and_nothing_else() {
    let unity = Unity::start().await;
    unity.once("POST", "catalogs", json!({ "name": "c" }));
    let request = CreateCatalog::new("c").with_comment("it's").with_property("k", "v");
    unity.catalog.catalogs().create(request).await.unwrap();
    unity.once("POST", "schemas", json!({ "name": "s" }));
    unity.catalog.schemas().create(CreateSchema::new("c", "s").with_storage_root("s3://b/r")).await.unwrap();
    unity.once("POST", "volumes", json!({ "name": "v" }));
    unity.catalog.volumes().create(CreateVolume::external("c", "s", "v", "s3://b/v")).await.unwrap();
    unity.once("POST", "tables", json!({ "name": "t" }));
    let price = NewColumn::new("price", DataType::Decimal128(12, 2)).with_nullable(false);
    let request = CreateTable::external("c", "s", "t", "s3://b/t").with_columns([price]).with_property("a", "b");
    unity.catalog.tables().create(request).await.unwrap();
    unity.once("POST", "functions", json!({ "name": "f" }));
    let request = CreateFunction::sql("c", "s", "f", DataType::Int64, "x + 1").with_parameter("x", DataType::Int64);
    unity.catalog.functions().create(request).await.unwrap();
    unity.once("POST", "constraints", json!({ "primary_key_constraint": { "name": "pk", "child_columns": ["a"] } }));
    let made = unity.catalog.table_constraints().create("c.s.t", PrimaryKeyConstraint::new("pk", ["a"])).await.unwrap();
    assert_eq!(made.name(), Some("pk"));
    unity.server.verify();
    let bodies: Vec<_> = unity.server.requests().iter().map(Received::json).collect();
    assert_eq!(bodies[0], json!({ "name": "c", "comment": "it's", "properties": { "k": "v" } }));
    assert_eq!(bodies[1], json!({ "name": "s", "catalog_name": "c", "storage_root": "s3://b/r" }));
    let volume = json!({ "catalog_name": "c", "schema_name": "s", "name": "v", "volume_type": "EXTERNAL", "storage_location": "s3://b/v" });
    assert_eq!(bodies[2], volume);
    assert_eq!((&bodies[3]["table_type"], &bodies[3]["data_source_format"]), (&json!("EXTERNAL"), &json!("DELTA")));
    assert_eq!(bodies[3]["columns"][0]["type_text"], "decimal(12,2)");
    assert_eq!(bodies[3]["properties"], json!({ "a": "b" }));
    let info = &bodies[4]["function_info"];
    assert_eq!(
        (&info["data_type"], &info["full_data_type"], &info["routine_body"]),
        (&json!("LONG"), &json!("bigint"), &json!("SQL"))
    );
    assert_eq!(info["input_params"]["parameters"][0]["type_json"], "\"long\"");
    let key = json!({ "primary_key_constraint": { "name": "pk", "child_columns": ["a"] } });
    assert_eq!(bodies[5], json!({ "full_name_arg": "c.s.t", "constraint": key }));
}

#[tokio::test]
async fn changes_and_deletions_go_where_they_should() {
    let unity = Unity::start().await;
    unity.once("PATCH", "catalogs/c", json!({ "name": "d" }));
    let change = UpdateCatalog::default().with_new_name("d").with_comment("");
    assert_eq!(unity.catalog.catalogs().update("c", change).await.unwrap().name, "d");
    unity.once("PATCH", "schemas/c.s", json!({ "name": "s" }));
    let change = UpdateSchema::default().with_properties([("k".to_owned(), "v".to_owned())]);
    unity.catalog.schemas().update("c.s", change).await.unwrap();
    unity.once("PATCH", "volumes/c.s.v", json!({ "name": "v" }));
    unity.catalog.volumes().update("c.s.v", UpdateVolume::default().with_owner("ann")).await.unwrap();
    unity.once("PATCH", "tables/c.s.t", json!({}));
    unity.catalog.tables().update_owner("c.s.t", "ann").await.unwrap();
    unity.once("PATCH", "functions/c.s.f", json!({ "name": "f", "owner": "ann" }));
    assert_eq!(unity.catalog.functions().update_owner("c.s.f", "ann").await.unwrap().owner.as_deref(), Some("ann"));
    for path in ["catalogs/c", "schemas/c.s", "volumes/c.s.v", "tables/c.s.t", "functions/c.s.f", "constraints/c.s.t"] {
        unity.once("DELETE", path, json!({}));
    }
    unity.catalog.catalogs().delete("c", true).await.unwrap();
    unity.catalog.schemas().delete("c.s", false).await.unwrap();
    unity.catalog.volumes().delete("c.s.v").await.unwrap();
    unity.catalog.tables().delete("c.s.t").await.unwrap();
    unity.catalog.functions().delete("c.s.f", true).await.unwrap();
    unity.catalog.table_constraints().delete("c.s.t", "pk x", true).await.unwrap();
    unity.server.verify();
    let requests = unity.server.requests();
    let bodies: Vec<_> = requests.iter().take(5).map(Received::json).collect();
    assert_eq!(bodies[0], json!({ "new_name": "d", "comment": "" }), "empty text takes a comment away");
    assert_eq!(bodies[1], json!({ "properties": { "k": "v" } }));
    assert!(bodies[2..].iter().all(|body| *body == json!({ "owner": "ann" })));
    let targets: Vec<_> = requests[5..].iter().map(|request| request.target.trim_start_matches(UNITY)).collect();
    let wanted = [
        "/catalogs/c?force=true",
        "/schemas/c.s",
        "/volumes/c.s.v",
        "/tables/c.s.t",
        "/functions/c.s.f?force=true",
        "/constraints/c.s.t?constraint_name=pk+x&cascade=true",
    ];
    assert_eq!(targets, wanted);
}

/// Nothing is made or deleted twice: where the server may have done it, the client does not try again.
#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_not_repeated_and_a_change_is() {
    let unity = Unity::start().await;
    unity.server.once("POST", &format!("{UNITY}/schemas"), Answer::close());
    assert!(unity.catalog.schemas().create(CreateSchema::new("c", "s")).await.is_err());
    unity.server.once("DELETE", &format!("{UNITY}/schemas/c.s"), Answer::status(502));
    assert!(unity.catalog.schemas().delete("c.s", false).await.is_err());
    unity.server.once("PATCH", &format!("{UNITY}/schemas/c.s"), Answer::status(502));
    assert!(unity.catalog.schemas().update("c.s", UpdateSchema::default().with_new_name("t")).await.is_err());
    assert_eq!(unity.server.requests().len(), 3);
    unity.server.once("PATCH", &format!("{UNITY}/schemas/c.s"), Answer::status(502));
    unity.once("PATCH", "schemas/c.s", json!({ "name": "s", "comment": "x" }));
    let changed = unity.catalog.schemas().update("c.s", UpdateSchema::default().with_comment("x")).await.unwrap();
    assert_eq!(changed.comment.as_deref(), Some("x"));
    unity.server.once("POST", &format!("{UNITY}/schemas"), Answer::status(429).with_header("retry-after", "0"));
    unity.once("POST", "schemas", json!({ "name": "s" }));
    unity.catalog.schemas().create(CreateSchema::new("c", "s")).await.unwrap();
    unity.server.verify();
}

#[tokio::test]
async fn whether_something_exists_is_no_error_and_other_refusals_are() {
    let unity = Unity::start().await;
    let gone = json!({ "error_code": "CATALOG_DOES_NOT_EXIST", "message": "Catalog 'c' does not exist." });
    unity.server.once("GET", &format!("{UNITY}/catalogs/c"), Answer::json(gone).with_status(404));
    assert!(!unity.catalog.catalogs().exists("c").await.unwrap());
    unity.once("GET", "schemas/c.s", json!({ "name": "s" }));
    assert!(unity.catalog.schemas().exists("c.s").await.unwrap());
    let denied = json!({ "error_code": "PERMISSION_DENIED", "message": "User does not have USE SCHEMA" });
    unity.server.once("GET", &format!("{UNITY}/volumes/c.s.v"), Answer::json(denied).with_status(403));
    assert_eq!(unity.catalog.volumes().exists("c.s.v").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    unity.once("GET", "tables/c.s.t/exists", json!({ "table_exists": false }));
    assert!(!unity.catalog.tables().exists("c.s.t").await.unwrap());
}

#[tokio::test]
async fn grants_are_given_and_taken_and_read_page_by_page() {
    let unity = Unity::start().await;
    let assignments = json!([{ "principal": "analysts", "privileges": ["USE_SCHEMA", "LEVITATE"] }]);
    unity.once("PATCH", "permissions/SCHEMA/main.sales", json!({ "privilege_assignments": assignments }));
    let change = PermissionsChange::new("analysts")
        .with_add([Privilege::UseSchema, Privilege::from("LEVITATE")])
        .with_remove([Privilege::Modify]);
    let now = unity.catalog.grants().update(SecurableType::Schema, "main.sales", [change]).await.unwrap();
    assert_eq!(now[0].privileges, [Privilege::UseSchema, Privilege::Other("LEVITATE".to_owned())]);
    let body = unity.only().json();
    assert_eq!(
        body,
        json!({ "changes": [{ "principal": "analysts", "add": ["USE_SCHEMA", "LEVITATE"], "remove": ["MODIFY"] }] })
    );

    unity.once("GET", "effective-permissions/TABLE/main.sales.t", json!({ "next_page_token": "2" }));
    let inherited = json!({ "privilege": "SELECT", "inherited_from_type": "CATALOG", "inherited_from_name": "main" });
    let page = json!({ "privilege_assignments": [{ "principal": "ann", "privileges": [inherited, { "privilege": "MODIFY" }] }] });
    unity.once("GET", "effective-permissions/TABLE/main.sales.t", page);
    let listing = unity.catalog.grants().get_effective(SecurableType::Table, "main.sales.t", None);
    let found: Vec<_> = listing.try_collect().await.unwrap();
    let EffectivePrivilege { privilege, inherited_from_type, inherited_from_name, .. } = &found[0].privileges[0];
    assert_eq!((privilege, inherited_from_type), (&Some(Privilege::Select), &Some(SecurableType::Catalog)));
    assert_eq!(inherited_from_name.as_deref(), Some("main"));
    assert_eq!(found[0].privileges[1].inherited_from_type, None);
}

#[tokio::test]
async fn summaries_functions_and_the_metastore_are_read() {
    let unity = Unity::start().await;
    let tables = json!({ "tables": [{ "full_name": "main.s.t", "table_type": "VIEW" }], "next_page_token": "n" });
    unity.once("GET", "table-summaries", tables);
    unity.once("GET", "table-summaries", json!({}));
    let request =
        ListSummaries::new("main").with_schema_name_pattern("s%").with_table_name_pattern("t_").with_max_results(7);
    let found: Vec<_> = unity.catalog.tables().list_summaries(request).try_collect().await.unwrap();
    assert_eq!((found[0].full_name.as_str(), &found[0].table_type), ("main.s.t", &Some(TableType::View)));
    let target = unity.server.requests()[0].target.clone();
    assert!(
        target.ends_with("?catalog_name=main&schema_name_pattern=s%25&table_name_pattern=t_&max_results=7"),
        "{target}"
    );

    let parameter = json!({ "name": "x", "type_name": "DECIMAL", "type_text": "decimal(5,2)", "position": 0, "parameter_default": "0" });
    unity.once("GET", "functions", json!({ "functions": [{ "name": "f", "data_type": "STRING", "input_params": { "parameters": [parameter] }, "return_params": null }] }));
    let found: Vec<_> = unity.catalog.functions().list(ListFunctions::new("main", "s")).try_collect().await.unwrap();
    assert_eq!(found[0].input_params[0].data_type, DataType::Decimal128(5, 2));
    assert_eq!(found[0].input_params[0].parameter_default.as_deref(), Some("0"));

    unity.once(
        "GET",
        "metastore_summary",
        json!({ "metastore_id": "m", "cloud": "aws", "external_access_enabled": true }),
    );
    let summary = unity.catalog.metastores().summary().await.unwrap();
    assert_eq!((summary.metastore_id.as_str(), summary.external_access_enabled), ("m", Some(true)));
    unity.once("GET", "current-metastore-assignment", json!({ "metastore_id": "m", "workspace_id": "12" }));
    assert_eq!(unity.catalog.metastores().current().await.unwrap().workspace_id, Some(12));
}

#[tokio::test]
async fn names_and_contradictions_are_refused_before_anything_is_sent() {
    let unity = Unity::start().await;
    let c = &unity.catalog;
    let input = |field: &str| (ErrorKind::InvalidInput, field.to_owned());
    let long = "x".repeat(256);
    for bad in ["", "a.b", "a/b", "a b", "a\nb", long.as_str()] {
        assert_eq!(field(&unity, c.catalogs().create(CreateCatalog::new(bad)).await), input("name"), "{bad}");
        assert_eq!(field(&unity, c.schemas().create(CreateSchema::new("c", bad)).await), input("name"), "{bad}");
        assert_eq!(
            field(&unity, c.volumes().create(CreateVolume::managed("c", "s", bad)).await),
            input("name"),
            "{bad}"
        );
        let table = CreateTable::external("c", "s", bad, "s3://b/t");
        assert_eq!(field(&unity, c.tables().create(table).await), input("name"), "{bad}");
        let renamed = UpdateSchema::default().with_new_name(bad);
        assert_eq!(field(&unity, c.schemas().update("c.s", renamed).await), input("new_name"), "{bad}");
    }
    for bad in ["t", "s.t", "a.b.c.d", "a..t", "a.s.\u{7f}"] {
        assert_eq!(field(&unity, c.tables().get(bad).await), input("full_name"), "{bad}");
        assert_eq!(field(&unity, c.volumes().delete(bad).await), input("full_name"), "{bad}");
    }
    assert_eq!(field(&unity, c.catalogs().get("..").await), input("name"));
    let listing = c.tables().list(ListTables::new("", "s"));
    assert_eq!(field(&unity, listing.try_collect::<Vec<_>>().await), input("catalog_name"));
    let listing = c.catalogs().list(ListCatalogs::default().with_max_results(u32::MAX));
    assert_eq!(field(&unity, listing.try_collect::<Vec<_>>().await), input("max_results"));

    assert_eq!(field(&unity, c.catalogs().update("c", UpdateCatalog::default()).await), input("update"));
    let mut both = CreateCatalog::new("c").with_share("p", "s");
    both.storage_root = Some("s3://b".to_owned());
    assert_eq!(field(&unity, c.catalogs().create(both).await), input("share_name"));
    let mut volume = CreateVolume::managed("c", "s", "v");
    volume.storage_location = Some("s3://b/v".to_owned());
    assert_eq!(field(&unity, c.volumes().create(volume.clone()).await), input("storage_location"));
    (volume.volume_type, volume.storage_location) = (VolumeType::External, None);
    assert_eq!(field(&unity, c.volumes().create(volume).await), input("storage_location"));
    let twice = [NewColumn::new("A", DataType::Int32), NewColumn::new("a", DataType::Int32)];
    let table = CreateTable::external("c", "s", "t", "s3://b/t").with_columns(twice);
    assert_eq!(field(&unity, c.tables().create(table).await), input("columns"));

    let grants = c.grants();
    let none: [PermissionsChange; 0] = [];
    assert_eq!(field(&unity, grants.update(SecurableType::Catalog, "c", none).await), input("changes"));
    let change = PermissionsChange::new(" ").with_add([Privilege::Select]);
    assert_eq!(field(&unity, grants.update(SecurableType::Catalog, "c", [change]).await), input("principal"));
    let change = PermissionsChange::new("a").with_add([Privilege::Select]).with_remove([Privilege::Select]);
    assert_eq!(field(&unity, grants.update(SecurableType::Catalog, "c", [change]).await), input("changes"));
    let change = PermissionsChange::new("a").with_add([Privilege::Select]);
    assert_eq!(field(&unity, grants.update(SecurableType::Table, "c.s", [change]).await), input("full_name"));
}

#[tokio::test]
async fn a_table_that_only_sql_can_make_is_refused_by_name() {
    let unity = Unity::start().await;
    let mut table = CreateTable::external("c", "s", "t", "s3://b/t");
    table.table_type = TableType::Managed;
    let error = unity.catalog.tables().create(table.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("MANAGED") && error.message().contains("SQL"), "{error}");
    (table.table_type, table.data_source_format) = (TableType::External, DataSourceFormat::Parquet);
    let error = unity.catalog.tables().create(table).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.message().contains("PARQUET"), "{error}");
    assert!(unity.server.requests().is_empty());
}
