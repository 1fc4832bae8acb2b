//! Microsoft's directory.

use twinhouse_auth::{
    CredentialSource,
    sources::{
        azure::{Azure, AzureClientSecret, AzureCloud, AzureGitHub, AzureManagedIdentity, AzureTenant},
        id_token::GitHubIdToken,
    },
};
use twinhouse_core::{Effect, ErrorKind, Fault, resilience::Policy};

use crate::service::{Service, answer, assert_discreet, headers, http, lifetime, policy, token};

const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";
const DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";
const MANAGEMENT: &str = "https://management.core.windows.net/";

fn cloud(service: &Service) -> AzureCloud {
    let at = |path: &str| service.url.join(path).unwrap();
    AzureCloud::public().with_login(at("aad/")).with_resource_manager(at("arm")).with_instance_metadata(at("imds"))
}

fn principal(service: &Service, tenant: AzureTenant) -> Azure {
    let login = AzureClientSecret::new(http(), policy(), cloud(service), tenant, "app", "canary-secret");
    Azure::new(login, cloud(service))
}

#[tokio::test]
async fn a_service_principal_shows_two_tokens_and_the_workspace_it_means() {
    let service = Service::start(|_| vec![token("canary-access", 3000), token("canary-management", 1000)]).await;
    let source = principal(&service, AzureTenant::given("t")).with_workspace(ID);
    let credential = source.fetch().await.unwrap();
    let sent = headers(&credential);
    for (name, value) in [
        ("authorization", "Bearer canary-access"),
        ("x-databricks-azure-sp-management-token", "canary-management"),
        ("x-databricks-azure-workspace-resource-id", ID),
    ] {
        assert!(sent.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    assert_eq!(lifetime(&credential), 1000, "the sooner end counts");
    assert_eq!(service.asked(), ["POST /aad/t/oauth2/token HTTP/1.1"; 2]);
    let resources = [0, 1].map(|index| service.field(index, "resource").unwrap());
    assert_eq!(resources, [DATABRICKS, MANAGEMENT]);
    assert_eq!(service.field(0, "client_secret").as_deref(), Some("canary-secret"));
    assert_eq!(service.field(0, "grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(source.name(), "azure-client-secret");
    assert!(!format!("{source:?} {credential:?}").contains("canary"));
}

#[tokio::test]
async fn the_tenant_is_the_one_that_the_workspace_redirects_to_and_asked_for_once() {
    let redirect = answer("302 Found", "").replace(
        "content-length",
        "location: https://login.microsoftonline.com/tenant-1/oauth2/authorize?client_id=x\r\ncontent-length",
    );
    let service =
        Service::start(|_| vec![redirect, token("a", 3600), token("b", 3600), token("c", 3600), token("d", 3600)])
            .await;
    let source = principal(&service, AzureTenant::of_workspace(http(), policy(), service.url.clone()));
    source.fetch().await.unwrap();
    source.fetch().await.unwrap();
    let login = "POST /aad/tenant-1/oauth2/token HTTP/1.1";
    assert_eq!(service.asked(), ["GET /aad/auth HTTP/1.1", login, login, login, login]);
}

#[tokio::test]
async fn a_workspace_without_a_tenant_is_told_how_to_name_it() {
    // The last leads to the workspace's own page, which says that it is behind a private link.
    for location in ["", "location: /\r\n", "location: /login.html?error=private-link-validation-error:1\r\n"] {
        let redirect = answer("302 Found", "").replace("content-length", &format!("{location}content-length"));
        let service = Service::start(|_| vec![redirect]).await;
        let source = principal(&service, AzureTenant::of_workspace(http(), policy(), service.url.clone()));
        let error = source.fetch().await.unwrap_err();
        assert_eq!((error.kind(), error.context("cure")), (ErrorKind::Protocol, Some("set `azure_tenant_id`")));
        assert_discreet(&source, &error);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_in_the_directorys_words() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret canary-secret","error_codes":[7000215]}"#;
    let service = Service::start(|_| vec![answer("401 No", body)]).await;
    let source = principal(&service, AzureTenant::given("t"));
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unauthenticated, Some("invalid_client")));
    assert_eq!(error.context("reason"), Some("AADSTS7000215: Invalid client secret ***"));
    assert_discreet(&source, &error);
}

#[tokio::test]
async fn the_machines_identity_is_asked_for_both_resources() {
    let body = r#"{"access_token":"canary","token_type":"Bearer","expires_in":"86000","expires_on":"1"}"#;
    let service = Service::start(|_| vec![answer("200 OK", body), answer("200 OK", body)]).await;
    let login = AzureManagedIdentity::new(http(), policy(), cloud(&service), Some("mine".to_owned()));
    let source = Azure::new(login, cloud(&service));
    let credential = source.fetch().await.unwrap();
    assert_eq!(lifetime(&credential), 0, "a token kept by the service names its whole life beside its end");
    let path = "/imds/metadata/identity/oauth2/token?api-version=2018-02-01";
    assert_eq!(service.asked()[0], format!("GET {path}&resource={DATABRICKS}&client_id=mine HTTP/1.1"));
    assert!(service.asked()[1].contains("resource=https%3A%2F%2Fmanagement.core.windows.net%2F&"));
    assert!(service.sent(0).contains("metadata: true\r\n"));
    assert_eq!(source.name(), "azure-msi");
    assert!(!format!("{source:?} {credential:?}").contains("canary"));
}

#[tokio::test]
async fn githubs_word_is_believed_by_the_directory() {
    let service = Service::start(|_| {
        vec![
            answer("200 OK", r#"{"value":"canary-identity"}"#),
            token("canary-access", 3600),
            answer("200 OK", r#"{"value":"canary-identity"}"#),
            answer("401 No", r#"{"error":"invalid_client","error_description":"no canary-identity"}"#),
        ]
    })
    .await;
    let github = GitHubIdToken::new(http(), policy(), service.url.join("id").unwrap(), "canary-request");
    let login = AzureGitHub::new(http(), policy(), cloud(&service), AzureTenant::given("t"), "app", github);
    let source = Azure::new(login, cloud(&service));
    let credential = source.fetch().await.unwrap();
    assert_eq!(headers(&credential), [("authorization".to_owned(), "Bearer canary-access".to_owned())]);
    assert_eq!(service.asked()[0], "GET /id?audience=api%3A%2F%2FAzureADTokenExchange HTTP/1.1");
    assert_eq!(service.field(1, "client_assertion").as_deref(), Some("canary-identity"));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(service.field(1, "client_assertion_type").as_deref(), Some(kind));
    assert_eq!(service.field(1, "client_secret"), None);
    assert_discreet(&source, &source.fetch().await.unwrap_err());
}

#[tokio::test]
async fn a_workspace_is_found_by_its_resource_id_once() {
    let found = answer("200 OK", r#"{"properties":{"workspaceUrl":"adb-1.2.azuredatabricks.net"}}"#);
    let service = Service::start(|_| vec![token("canary-arm", 3600), found]).await;
    let source = principal(&service, AzureTenant::given("t")).with_workspace(ID);
    let workspace = source.workspace(http(), policy()).unwrap();
    assert_eq!(service.asked().len(), 0, "a constructor sends nothing");
    for _ in 0..2 {
        assert_eq!(workspace.url().await.unwrap().as_str(), "https://adb-1.2.azuredatabricks.net/");
    }
    assert_eq!(service.asked()[1], format!("GET /arm{ID}?api-version=2018-04-01 HTTP/1.1"));
    assert!(service.sent(1).contains("authorization: Bearer canary-arm\r\n"));
    assert!(!format!("{workspace:?}").contains("canary"));

    let refusal = r#"{"error":{"code":"AuthorizationFailed","message":"canary-arm may not"}}"#;
    let service = Service::start(|_| {
        vec![
            token("canary-arm", 3600),
            answer("403 No", refusal),
            token("a", 1),
            answer("200 OK", r#"{"properties":{}}"#),
            token("a", 1),
            answer("503 Busy", ""),
        ]
    })
    .await;
    let source = principal(&service, AzureTenant::given("t")).with_workspace(ID);
    let workspace = source.workspace(http(), Policy::builder().max_attempts(1).build()).unwrap();
    let error = workspace.url().await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::PermissionDenied, Some("AuthorizationFailed")));
    assert_discreet(&source, &error);
    assert_eq!(workspace.url().await.unwrap_err().kind(), ErrorKind::Protocol);
    let busy = workspace.url().await.unwrap_err();
    assert_eq!((busy.kind(), busy.fault()), (ErrorKind::Unavailable, Fault::transient(Effect::None)));
}
