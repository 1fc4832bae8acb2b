use std::io::Write as _;

use twinhouse_core::{ErrorKind, config::Env};

use super::*;

fn env(pairs: &[(&str, &str)]) -> Env {
    Env::from_pairs(pairs.iter().copied())
}

#[test]
fn a_missing_setting_is_named_with_everywhere_it_was_looked_for() {
    let nothing = || DatabricksConfig::builder().env(env(&[("HOME", "/nowhere")]));
    for (builder, setting, place) in [
        (nothing(), "host", "environment DATABRICKS_HOST, ~/.databrickscfg"),
        (nothing().host("h"), "token", "environment DATABRICKS_TOKEN"),
        (nothing().host("h"), "token", "environment DATABRICKS_CLIENT_ID"),
        (nothing().host("h").client_id("i"), "client_secret", "environment DATABRICKS_CLIENT_SECRET"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some(setting)), "{error}");
        assert!(error.context("looked in").unwrap().contains(place), "{error}");
    }
    let error = nothing().host("h").token("t").client().unwrap().warehouse().unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("warehouse_id")), "{error}");
    assert!(error.context("looked in").unwrap().contains("environment DATABRICKS_WAREHOUSE_ID"), "{error}");
}

#[test]
fn builder_goes_before_url_before_environment_before_profile() {
    let mut file = tempfile();
    write!(
        file.1,
        "[DEFAULT]\nhost = a.example\n[prod]\nhost = p.example\ntoken = p\nwarehouse_id = pw\ncatalog = pc\n"
    )
    .unwrap();
    let env = env(&[("DATABRICKS_CATALOG", "ec"), ("DATABRICKS_SCHEMA", "es"), ("DATABRICKS_WAREHOUSE_ID", "ew")]);
    let config = DatabricksConfig::builder()
        .env(env)
        .config_file(&file.0)
        .url("databricks:///uw?profile=prod&schema=us&staging=/Volumes/a/b/c/d/")
        .schema("bs")
        .build()
        .unwrap();
    assert_eq!(config.host.as_str(), "https://p.example/");
    assert_eq!(config.warehouse_id(), Some("uw"));
    assert_eq!((config.catalog.as_deref(), config.schema.as_deref()), (Some("ec"), Some("bs")));
    assert_eq!(config.staging(), Some("/Volumes/a/b/c/d"));
    assert!(config.explain().to_string().contains("environment DATABRICKS_CATALOG"));
    std::fs::remove_file(&file.0).unwrap();
}

#[test]
fn a_profile_that_nobody_named_is_not_mixed_into_what_is_known_already() {
    let mut file = tempfile();
    write!(file.1, "[DEFAULT]\nhost = a.example\ntoken = canary\nwarehouse_id = w\nclient_id = i\n").unwrap();
    let builder = || DatabricksConfig::builder().env(env(&[("DATABRICKS_CONFIG_FILE", &file.0)]));
    let error = builder().host("b.example").build().unwrap_err();
    assert_eq!(error.context("setting"), Some("token"), "the token of one workspace is not for another: {error}");
    let error = builder().token("t").build().unwrap_err();
    assert_eq!(error.context("setting"), Some("host"), "{error}");
    assert_eq!(builder().auth_type("pat").build().unwrap().host.as_str(), "https://a.example/");
    let named = builder().host("b.example").auth_type("pat").profile("DEFAULT").build().unwrap();
    assert_eq!((named.host.as_str(), named.warehouse_id()), ("https://b.example/", Some("w")));
    assert!(builder().profile("nobody").build().unwrap_err().message().contains("nobody"));
    // Azure sets these for every program in it: they say nothing about who we are at a workspace.
    let ambient = [("AZURE_CLIENT_ID", "i"), ("AZURE_TENANT_ID", "t"), ("DATABRICKS_CONFIG_FILE", file.0.as_str())];
    let config = DatabricksConfig::builder().env(env(&ambient)).auth_type("pat").build().unwrap();
    assert_eq!(config.host.as_str(), "https://a.example/");
    std::fs::remove_file(&file.0).unwrap();
}

fn tempfile() -> (String, std::fs::File) {
    let path = std::env::temp_dir().join(format!("twinhouse-{}", uuid::Uuid::new_v4()));
    (path.to_str().unwrap().to_owned(), std::fs::File::create(path).unwrap())
}

#[test]
fn two_ways_to_authenticate_are_refused_by_name_unless_one_is_chosen() {
    let env = env(&[("DATABRICKS_CLIENT_ID", "i"), ("DATABRICKS_CLIENT_SECRET", "canary")]);
    let builder = DatabricksConfig::builder().env(env).host("h").token("canary").warehouse_id("w");
    let error = builder.clone().build().unwrap_err();
    assert_eq!(error.message(), "validate: more than one authorization method configured: oauth and pat");
    assert!(error.context("found").unwrap().contains("environment DATABRICKS_CLIENT_ID"), "{error}");
    let config = builder.auth_type("oauth-m2m").build().unwrap();
    assert_eq!(config.auth_type(), "oauth-m2m");
    assert!(!format!("{error:?} {config:?} {}", config.explain()).contains("canary"));
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let build =
        |host: &str| DatabricksConfig::builder().env(Env::empty()).host(host).token("t").warehouse_id("w").build();
    for host in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "example.com/?o=123", "https://x:8443/"]
    {
        build(host).unwrap();
    }
    for host in ["http://example.com", "http://10.0.0.1", "ftp://example.com", "https://user:pw@example.com", ""] {
        assert_eq!(build(host).unwrap_err().context("setting"), Some("host"), "{host}");
    }
    assert_eq!(build("example.com/path?o=1").unwrap().host.as_str(), "https://example.com/");
}

#[test]
fn a_url_carries_everything_and_its_token_is_not_repeated() {
    let url = "databricks://token:can%2Fary@127.0.0.1:9/sql/1.0/warehouses/abc?catalog=c&scheme=http&results=inline";
    let config = DatabricksConfig::builder().env(Env::empty()).url(url).build().unwrap();
    assert_eq!((config.host.as_str(), config.warehouse_id()), ("http://127.0.0.1:9/", Some("abc")));
    assert_eq!(config.route, ResultRoute::Inline);
    assert_eq!(config.auth.attributes.token.as_ref().unwrap().value().expose(), "can/ary");
    for bad in [
        "databricks://canary:canary@h/w",
        "redshift://token:canary@h/w",
        "databricks://token:canary@h/a/b",
        "databricks://token:canary@h/w?colour=red",
        "databricks://token:canary@h/w?scheme=ftp",
        "databricks://token:canary@h/w?staging=/tmp",
        "databricks://token:canary@h/w?staging=/Volumes/a/b/_hidden",
        "databricks://token:canary@h/w?results=some",
    ] {
        let builder = DatabricksConfig::builder().env(Env::empty()).url(bad);
        let error = format!("{builder:?} {:?}", builder.clone().build().unwrap_err());
        assert!(error.contains("Config") && !error.contains("canary"), "{error}");
    }
}

#[test]
fn numbers_out_of_range_are_refused_with_their_origin() {
    let base = |name: &str, value: &str| {
        let env = env(&[
            ("DATABRICKS_HOST", "h"),
            ("DATABRICKS_TOKEN", "t"),
            ("DATABRICKS_WAREHOUSE_ID", "w"),
            (name, value),
        ]);
        DatabricksConfig::builder().env(env).build()
    };
    assert_eq!(base("DATABRICKS_TIMEOUT_SECS", "90").unwrap().timeout, Duration::from_secs(90));
    for (name, value) in [
        ("DATABRICKS_TIMEOUT_SECS", "0"),
        ("DATABRICKS_RATE_LIMIT", "-1"),
        ("DATABRICKS_MAX_RETRIES", "many"),
        ("DATABRICKS_AUTH_TYPE", "magic"),
    ] {
        let error = base(name, value).unwrap_err();
        assert_eq!(error.context("from"), Some(format!("environment {name}").as_str()), "{error}");
    }
}

#[test]
fn a_document_that_says_where_the_secret_goes_comes_over_tls() {
    let base = || DatabricksConfig::builder().env(Env::empty()).host("h").client_id("i").client_secret("canary");
    for near in ["http://127.0.0.1:1/doc", "https://elsewhere.example/doc"] {
        base().discovery_url(near).client().unwrap();
    }
    for bad in ["http://elsewhere.example/doc", "ftp://localhost/doc", "file:///doc", "doc"] {
        let error = base().discovery_url(bad).client().unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("discovery_url")), "{bad}");
    }
}

#[test]
fn what_an_address_bar_adds_is_lifted_out_of_the_host() {
    let build = |host: &str| DatabricksConfig::builder().env(Env::empty()).host(host).token("t").build();
    for (host, workspace, account) in [
        ("https://adb-1.2.azuredatabricks.net/?o=1234#setting/x", Some("1234"), None),
        ("dbc-1.cloud.databricks.com?workspace_id=77", Some("77"), None),
        ("https://accounts.cloud.databricks.com/login?account_id=ab-cd&w=9", Some("9"), Some("ab-cd")),
        ("https://h/?o=", None, None),
    ] {
        let config = build(host).unwrap();
        assert_eq!((config.workspace_id(), config.account_id()), (workspace, account), "{host}");
        assert_eq!((config.host().path(), config.host().query()), ("/", None), "{host}");
    }
    let named =
        DatabricksConfig::builder().env(Env::empty()).host("h?o=1").workspace_id("2").token("t").build().unwrap();
    assert_eq!(named.workspace_id(), Some("2"), "what is said by name counts");
    assert_eq!(build("https://h:443/").unwrap().host().as_str(), "https://h/");
    let error = build("https://accounts.cloud.databricks.com").unwrap_err();
    assert_eq!(error.context("setting"), Some("account_id"), "{error}");
}

#[test]
fn rates_are_a_minutes_on_the_service_and_settable_and_no_limit_of_a_server_on_this_machine() {
    let base = || DatabricksConfig::builder().env(Env::empty()).token("t");
    let minute = |calls: u32| Rate::per_second(f64::from(calls) / 60.0).with_burst(calls);
    let config = base().host("h").rate_limit(7.0).rate(EndpointFamily::Catalog, Rate::per_second(1.0)).build().unwrap();
    assert_eq!(config.rate(EndpointFamily::StatementSubmit), minute(200));
    assert_eq!(config.rate(EndpointFamily::JobsSubmit), minute(100));
    assert_eq!(config.rate(EndpointFamily::Jobs), minute(1000));
    assert_eq!(config.rate(EndpointFamily::Catalog), Rate::per_second(1.0));
    assert_eq!(config.rate(EndpointFamily::Statements), Rate::per_second(7.0));
    let near = base().host("http://127.0.0.1:1").build().unwrap();
    assert_eq!(near.rate(EndpointFamily::StatementSubmit), Rate::per_second(10_000.0));
    let near = base().host("http://127.0.0.1:1").rate_limit(7.0).build().unwrap();
    assert_eq!(near.rate(EndpointFamily::StatementSubmit), Rate::per_second(7.0));
}

#[test]
fn explain_says_every_setting_and_its_place_and_no_secret() {
    let env = env(&[("DATABRICKS_HOST", "h"), ("DATABRICKS_TOKEN", "canary"), ("DATABRICKS_CLUSTER_ID", "c-1")]);
    let config = DatabricksConfig::builder().env(env).catalog("main").build().unwrap();
    let lines: Vec<_> = config.explain().lines().collect();
    assert!(lines.contains(&("host", "https://h/", "environment DATABRICKS_HOST")), "{lines:?}");
    assert!(lines.contains(&("token", "***", "environment DATABRICKS_TOKEN")));
    assert!(lines.contains(&("catalog", "main", "builder")));
    assert!(lines.contains(&("max_retries", "4", "default")));
    assert_eq!(config.cluster_id(), Some("c-1"));
    let summary =
        "host=https://h/, token=***, cluster_id=c-1. Env: DATABRICKS_HOST, DATABRICKS_TOKEN, DATABRICKS_CLUSTER_ID";
    assert_eq!(config.summary, summary);
    assert!(!format!("{config:?} {}", config.explain()).contains("canary"));
}
