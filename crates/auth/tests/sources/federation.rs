//! Identities of other parties.

use twinhouse_auth::{
    CredentialSource, TokenEndpoint,
    sources::{
        Federation, Grant, PatExchange,
        id_token::{AzureDevOpsIdToken, EnvIdToken, FileIdToken, GitHubIdToken, IdTokenSource},
    },
};
use twinhouse_core::{ErrorKind, config::Env};

use crate::service::{Service, answer, assert_discreet, headers, http, issued, lifetime, policy};

fn federation(service: &Service, id_tokens: impl IdTokenSource) -> Federation {
    let endpoint = TokenEndpoint::at(service.url.clone(), service.url.join("oidc/v1/token").unwrap());
    Federation::new(http(), policy(), endpoint, id_tokens)
}

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

#[tokio::test]
async fn an_identity_in_the_environment_is_exchanged() {
    let service = Service::start(|_| vec![issued(), issued()]).await;
    let env = Env::from_pairs([("MINE", " canary-identity\n")]);
    let source = federation(&service, EnvIdToken::new(&env, "MINE"));
    assert_eq!(source.name(), "env-oidc");
    let credential = source.fetch().await.unwrap();
    assert_eq!(headers(&credential), [("authorization".to_owned(), "Bearer canary-token".to_owned())]);
    assert_eq!(lifetime(&credential), 3600);
    for (field, value) in [
        ("grant_type", Some(EXCHANGE)),
        ("subject_token_type", Some("urn:ietf:params:oauth:token-type:jwt")),
        ("subject_token", Some("canary-identity")),
        ("scope", Some("all-apis")),
        ("client_id", None),
    ] {
        assert_eq!(service.field(0, field).as_deref(), value, "{field}");
    }
    assert!(!service.sent(0).contains("authorization:"), "the identity is the only proof");
    let source =
        federation(&service, EnvIdToken::new(&env, "MINE")).with_client_id("app").with_grant(Grant::scope("sql"));
    source.fetch().await.unwrap();
    assert_eq!(
        (service.field(1, "client_id").unwrap(), service.field(1, "scope").unwrap()),
        ("app".into(), "sql".into())
    );
}

#[tokio::test]
async fn an_identity_in_a_file_is_read_for_each_token() {
    let service = Service::start(|_| vec![issued(), issued()]).await;
    let file = std::env::temp_dir().join(format!("twinhouse-identity-{}", std::process::id()));
    let source = federation(&service, FileIdToken::new(&file));
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.context("file")), (ErrorKind::Config, file.to_str()));
    for text in ["canary-1\n", "canary-2"] {
        std::fs::write(&file, text).unwrap();
        source.fetch().await.unwrap();
    }
    std::fs::write(&file, "\n").unwrap();
    assert_eq!(source.fetch().await.unwrap_err().kind(), ErrorKind::Config);
    std::fs::remove_file(&file).unwrap();
    let sent = [0, 1].map(|index| service.field(index, "subject_token").unwrap());
    assert_eq!(sent, ["canary-1", "canary-2"]);
}

#[tokio::test]
async fn github_is_asked_for_the_audience_that_the_workspace_wants() {
    let identity = answer("200 OK", r#"{"count":1,"value":"canary-identity"}"#);
    let service = Service::start(|_| vec![identity.clone(), issued(), identity, issued()]).await;
    let github = || {
        let url = service.url.join("id?api-version=2.0").unwrap();
        GitHubIdToken::new(http(), policy(), url, "canary-request")
    };
    federation(&service, github()).fetch().await.unwrap();
    federation(&service, github()).with_audience("https://aud/?a&b").fetch().await.unwrap();
    let audience = |text: &str| format!("GET /id?api-version=2.0&audience={text} HTTP/1.1");
    let endpoint = service.url.join("oidc/v1/token").unwrap().to_string().replace(':', "%3A").replace('/', "%2F");
    assert_eq!(service.asked()[0], audience(&endpoint));
    assert_eq!(service.asked()[2], audience("https%3A%2F%2Faud%2F%3Fa%26b"));
    assert!(service.sent(0).contains("authorization: Bearer canary-request\r\n"));
    assert_eq!(service.field(1, "subject_token").unwrap(), "canary-identity");
}

#[tokio::test]
async fn azure_devops_is_asked_for_the_job_that_runs() {
    let identity = answer("200 OK", r#"{"oidcToken":"canary-identity"}"#);
    let service = Service::start(|_| vec![identity, issued()]).await;
    let collection = service.url.join("org/").unwrap().to_string();
    let env = Env::from_pairs([
        ("SYSTEM_ACCESSTOKEN", "canary-request"),
        ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", &collection),
        ("SYSTEM_TEAMPROJECTID", "p"),
        ("SYSTEM_HOSTTYPE", "build"),
        ("SYSTEM_PLANID", "plan"),
        ("SYSTEM_JOBID", "job"),
    ]);
    let source = federation(&service, AzureDevOpsIdToken::new(http(), policy(), &env).unwrap());
    source.fetch().await.unwrap();
    let path = "/org/p/_apis/distributedtask/hubs/build/plans/plan/jobs/job/oidctoken?api-version=7.2-preview.1";
    assert_eq!(service.asked()[0], format!("POST {path} HTTP/1.1"));
    assert_eq!(source.name(), "azure-devops-oidc");
    let error = AzureDevOpsIdToken::new(http(), policy(), &Env::empty()).unwrap_err();
    assert_eq!(error.context("setting"), Some("SYSTEM_ACCESSTOKEN"));
    assert!(!format!("{source:?}").contains("canary"));
}

#[tokio::test]
async fn a_refused_identity_is_told_in_the_services_words_and_not_shown() {
    let refusal = r#"{"error":"invalid_grant","error_description":"canary-identity is of another issuer"}"#;
    let service = Service::start(|_| vec![answer("400 Bad", refusal)]).await;
    let source = federation(&service, EnvIdToken::new(&Env::from_pairs([("V", "canary-identity")]), "V"));
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unauthenticated, Some("invalid_grant")));
    assert_eq!(error.context("reason"), Some("*** is of another issuer"));
    assert_discreet(&source, &error);
    let none = federation(&service, EnvIdToken::new(&Env::empty(), "V"));
    let error = none.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.context("looked in")), (ErrorKind::Config, Some("environment V")));
}

#[tokio::test]
async fn a_personal_token_is_exchanged_for_a_lesser_one() {
    let refusal = r#"{"error":"invalid_grant","error_description":"dapi-canary"}"#;
    let service = Service::start(|_| vec![issued(), answer("400 Bad", refusal)]).await;
    let endpoint = TokenEndpoint::at(service.url.clone(), service.url.join("t").unwrap());
    let source = PatExchange::new(http(), policy(), endpoint, "dapi-canary")
        .with_grant(Grant::scope("sql").with_authorization_details("[]"));
    assert_eq!(lifetime(&source.fetch().await.unwrap()), 3600);
    for (field, value) in [
        ("grant_type", EXCHANGE),
        ("subject_token_type", "urn:databricks:params:oauth:token-type:personal-access-token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token", "dapi-canary"),
        ("scope", "sql"),
        ("authorization_details", "[]"),
    ] {
        assert_eq!(service.field(0, field).as_deref(), Some(value), "{field}");
    }
    assert_discreet(&source, &source.fetch().await.unwrap_err());
}
