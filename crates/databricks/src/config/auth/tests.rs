use twinhouse_core::{ErrorKind, config::Env};

use crate::{DatabricksBuilder, DatabricksConfig};

fn with(pairs: &[(&str, &str)]) -> DatabricksBuilder {
    DatabricksConfig::builder().env(Env::from_pairs(pairs.iter().copied()))
}

const AZURE: (&str, &str) = ("DATABRICKS_HOST", "adb-1.2.azuredatabricks.net");
const AWS: (&str, &str) = ("DATABRICKS_HOST", "dbc-1.cloud.databricks.com");
const GCP: (&str, &str) = ("DATABRICKS_HOST", "1.2.gcp.databricks.com");
const GITHUB: [(&str, &str); 2] =
    [("ACTIONS_ID_TOKEN_REQUEST_URL", "https://github.invalid/t"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary")];

#[test]
fn what_is_there_chooses_the_method() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("pat", &[AWS, ("DATABRICKS_TOKEN", "canary")]),
        ("basic", &[AWS, ("DATABRICKS_USERNAME", "u"), ("DATABRICKS_PASSWORD", "canary")]),
        ("oauth-m2m", &[AWS, ("DATABRICKS_CLIENT_ID", "i"), ("DATABRICKS_CLIENT_SECRET", "canary")]),
        ("metadata-service", &[AWS, ("DATABRICKS_METADATA_SERVICE_URL", "http://localhost:1/canary")]),
        ("env-oidc", &[AWS, ("DATABRICKS_OIDC_TOKEN", "canary")]),
        ("env-oidc", &[AWS, ("DATABRICKS_OIDC_TOKEN_ENV", "MY"), ("MY", "canary"), ("DATABRICKS_CLIENT_ID", "i")]),
        ("file-oidc", &[AWS, ("DATABRICKS_OIDC_TOKEN_FILE", "/run/id"), ("DATABRICKS_CLIENT_ID", "i")]),
        ("github-oidc", &[AWS, GITHUB[0], GITHUB[1], ("DATABRICKS_CLIENT_ID", "i")]),
        ("azure-client-secret", &[AZURE, ("ARM_CLIENT_ID", "i"), ("ARM_CLIENT_SECRET", "canary")]),
        (
            "azure-client-secret",
            &[AZURE, ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "i"), ("AZURE_CLIENT_SECRET", "canary")],
        ),
        ("azure-msi", &[AZURE, ("ARM_USE_MSI", "true"), ("ARM_CLIENT_ID", "i")]),
        ("github-oidc-azure", &[AZURE, GITHUB[0], GITHUB[1], ("ARM_CLIENT_ID", "i")]),
        ("google-credentials", &[GCP, ("GOOGLE_CREDENTIALS", "{\"canary\":1}")]),
        ("google-id", &[GCP, ("DATABRICKS_GOOGLE_SERVICE_ACCOUNT", "a@b")]),
        // Azure sets these for every program in it.
        ("pat", &[AZURE, ("DATABRICKS_TOKEN", "canary"), ("AZURE_CLIENT_ID", "i"), ("AZURE_TENANT_ID", "t")]),
        (
            "oauth-m2m",
            &[AZURE, ("DATABRICKS_CLIENT_ID", "i"), ("DATABRICKS_CLIENT_SECRET", "canary"), GITHUB[0], GITHUB[1]],
        ),
    ];
    for (method, pairs) in table {
        let config = with(pairs).build().unwrap_or_else(|error| panic!("{method}: {error}"));
        assert_eq!(config.auth_type(), *method, "{pairs:?}");
        config.clone().explain();
        assert!(!format!("{config:?} {} {}", config.explain(), config.summary).contains("canary"), "{method}");
        assert!(config.user_agent().contains(&format!("auth/{method}")));
        crate::DatabricksClient::new(config).unwrap();
    }
}

#[test]
fn credentials_of_another_cloud_are_not_sent_to_this_one() {
    for pairs in [
        &[AWS, ("AZURE_CLIENT_ID", "i"), ("AZURE_CLIENT_SECRET", "canary"), ("AZURE_TENANT_ID", "t")][..],
        &[AZURE, ("GOOGLE_CREDENTIALS", "{}")],
        &[AWS, ("DATABRICKS_GOOGLE_SERVICE_ACCOUNT", "a@b")],
    ] {
        let error = with(pairs).build().unwrap_err();
        assert!(error.message().starts_with("cannot configure default credentials"), "{error}");
    }
    let named = with(&[AWS, ("GOOGLE_CREDENTIALS", "{}"), ("DATABRICKS_AUTH_TYPE", "google-credentials")]);
    assert_eq!(named.build().unwrap().auth_type(), "google-credentials");
}

#[test]
fn more_than_one_method_is_refused_by_their_names_in_order_and_where_each_came_from() {
    let pairs = [
        AZURE,
        ("DATABRICKS_TOKEN", "canary"),
        ("DATABRICKS_PASSWORD", "canary"),
        ("ARM_CLIENT_ID", "i"),
        ("DATABRICKS_METADATA_SERVICE_URL", "http://localhost/canary"),
    ];
    let error = with(&pairs).client_secret("canary").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.message(),
        "validate: more than one authorization method configured: azure and basic and metadata-service and oauth and pat"
    );
    let found = error.context("found").unwrap();
    for place in
        ["azure_client_id: environment ARM_CLIENT_ID", "client_secret: builder", "token: environment DATABRICKS_TOKEN"]
    {
        assert!(found.contains(place), "{found}");
    }
    assert!(!format!("{error:?}").contains("canary"));
    assert_eq!(with(&pairs).client_secret("canary").auth_type("pat").build().unwrap().auth_type(), "pat");
}

#[test]
fn an_unknown_method_is_told_the_known_ones_and_the_browser_is_refused_by_name() {
    let error = with(&[AWS, ("DATABRICKS_TOKEN", "t")]).auth_type("magic").build().unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("auth_type")));
    assert!(error.message().contains("oauth-m2m") && error.message().contains("google-id"), "{error}");
    for refused in ["external-browser", "runtime", "model-serving"] {
        let error = with(&[AWS, ("DATABRICKS_TOKEN", "t")]).auth_type(refused).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.message().contains(refused) && error.context("cure").is_some(), "{error}");
    }
}

#[test]
fn a_method_that_is_named_says_what_it_lacks() {
    for (method, setting) in [
        ("pat", "token"),
        ("basic", "username"),
        ("oauth-m2m", "client_id"),
        ("env-oidc", "DATABRICKS_OIDC_TOKEN"),
        ("file-oidc", "oidc_token_filepath"),
        ("github-oidc", "ACTIONS_ID_TOKEN_REQUEST_URL"),
        ("azure-client-secret", "azure_client_id"),
        ("azure-cli", "az"),
        ("databricks-cli", "databricks"),
        ("metadata-service", "metadata_service_url"),
        ("google-credentials", "google_credentials"),
        ("google-id", "google_service_account"),
    ] {
        let error = with(&[AWS, ("DATABRICKS_AUTH_TYPE", method)]).build().unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some(setting)), "{error}");
        assert_eq!(error.context("auth"), Some(method), "{error}");
    }
    let error = with(&[AWS, ("DATABRICKS_AUTH_TYPE", "azure-devops-oidc")]).client().unwrap_err();
    assert_eq!(error.context("setting"), Some("SYSTEM_ACCESSTOKEN"), "{error}");
}

#[test]
fn tools_on_the_search_path_are_found_and_only_where_they_fit() {
    let folder = std::env::temp_dir().join(format!("twinhouse-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = ("PATH", folder.to_str().unwrap());
    let name = |host| with(&[host, path]).build().map(|config| config.auth_type().to_owned());
    name(AZURE).unwrap_err();
    std::fs::write(folder.join("az"), "").unwrap();
    assert_eq!(name(AZURE).unwrap(), "azure-cli");
    name(AWS).unwrap_err();
    std::fs::write(folder.join("databricks"), "").unwrap();
    assert_eq!(name(AWS).unwrap(), "databricks-cli");
    assert_eq!(name(AZURE).unwrap(), "default", "which of the two is logged in shows with the first call");
    let by_id = ("DATABRICKS_AZURE_RESOURCE_ID", "/subscriptions/s/workspaces/w");
    assert_eq!(name(by_id).unwrap(), "azure-cli", "the other tool cannot be asked without a host");
    assert_eq!(with(&[AWS, path, ("DATABRICKS_TOKEN", "t")]).build().unwrap().auth_type(), "pat");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_workspace_may_be_known_by_its_resource_id_alone() {
    const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";
    let base = || with(&[("DATABRICKS_AZURE_RESOURCE_ID", ID), ("ARM_CLIENT_ID", "i"), ("ARM_CLIENT_SECRET", "s")]);
    let config = base().azure_tenant_id("t").azure_environment("china").build().unwrap();
    assert_eq!(config.host().as_str(), format!("https://management.chinacloudapi.cn{ID}"));
    assert_eq!(base().client().unwrap_err().context("setting"), Some("azure_tenant_id"));
    assert_eq!(base().azure_environment("MARS").build().unwrap_err().context("setting"), Some("azure_environment"));
    let error = with(&[("DATABRICKS_AZURE_RESOURCE_ID", ID)]).token("t").auth_type("pat").build().unwrap_err();
    assert_eq!(error.context("setting"), Some("host"), "a token of the workspace opens no resource manager: {error}");
}

#[test]
fn certificates_are_always_verified() {
    let file = std::env::temp_dir().join(format!("twinhouse-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "[p]\nhost = h\ntoken = t\nskip_verify = true\n").unwrap();
    let error = with(&[]).config_file(file.to_str().unwrap()).profile("p").build().unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Unsupported, Some("skip_verify")));
    std::fs::remove_file(file).unwrap();
}
