//! Nothing prints a secret, on any way to authenticate. A process of its own: which log lines are wanted is remembered
//! for the whole process.

#[allow(dead_code, reason = "the service is made for the other tests")]
#[path = "sources/service.rs"]
mod service;

use std::{
    io,
    sync::{Arc, Mutex},
};

use service::{Service, answer, http, issued, jwt, policy, token};
use tracing_subscriber::fmt::MakeWriter;
use twinhouse_auth::{
    Cached, CredentialProvider as _, CredentialSource, TokenEndpoint,
    sources::{
        Basic, Federation, FirstOf, MetadataService, OAuthM2m, Pat, PatExchange,
        azure::{Azure, AzureClientSecret, AzureCloud, AzureGitHub, AzureManagedIdentity, AzureTenant},
        google::{GoogleCredentials, GoogleEndpoints, GoogleId},
        id_token::{EnvIdToken, GitHubIdToken},
    },
};
use twinhouse_core::{Report, config::Env};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Every secret given and every secret received contains `canary`. Each source is asked twice: it succeeds, and it is
/// refused by a service that repeats what it was told, or answers with what cannot be read.
#[tokio::test]
async fn no_log_no_error_and_no_debug_shows_a_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let env = Env::from_pairs([("ID", jwt(r#"{"canary":1}"#)), ("NONE", String::new())]);
    let identity = env.var("ID").unwrap().to_owned();
    let told = |secret: &str| {
        let words = format!(r#"{{"error":"invalid_grant","error_description":"{secret} is wrong"}}"#);
        answer("401 No", &words)
    };
    let garbled = || answer("200 OK", r#"{"access_token":["canary"],"value":["canary"],"token":["canary"]}"#);
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let refused = |secret: &str| vec![issued(), issued(), told(secret), garbled(), garbled()];
    let github = |secret: &str| {
        let id = answer("200 OK", &format!(r#"{{"value":"{secret}"}}"#));
        vec![id.clone(), issued(), id.clone(), told(secret), id, garbled()]
    };
    let google = || {
        let id = answer("200 OK", &format!(r#"{{"id_token":"{identity}","token":"{identity}"}}"#));
        vec![id, issued(), garbled(), garbled()]
    };
    let id = || answer("200 OK", &format!(r#"{{"token":"{identity}"}}"#));
    let impersonated = answer("200 OK", r#"{"accessToken":"canary-access"}"#);

    let scripts: Vec<Vec<String>> = vec![
        vec![issued(), told("canary-secret"), garbled()],
        vec![issued(), told(&identity), garbled()],
        github("canary-identity"),
        vec![issued(), told("dapi-canary"), garbled()],
        vec![issued(), told("canary-path"), garbled()],
        refused("canary-secret"),
        vec![token("canary-a", 5), token("canary-b", 5), told("nothing"), garbled()],
        github("canary-identity"),
        google(),
        vec![token("canary-own", 60), id(), impersonated, token("canary-own", 60), told("canary-own"), garbled()],
    ];
    let mut printed = String::new();
    for (number, script) in scripts.into_iter().enumerate() {
        let service = Service::start(|_| script).await;
        let at = |path: &str| service.url.join(path).unwrap();
        let endpoint = TokenEndpoint::at(service.url.clone(), at("t"));
        let cloud = || AzureCloud::public().with_login(at("aad")).with_instance_metadata(at("imds"));
        let github = || GitHubIdToken::new(http(), policy(), at("id?canary=1"), "canary-request");
        let tenant = || AzureTenant::given("t");
        let federation = |endpoint| Federation::new(http(), policy(), endpoint, EnvIdToken::new(&env, "ID"));
        let account = serde_json::json!({
            "client_email": "a@b", "private_key": key.serialize_pem(), "private_key_id": "k", "token_uri": at("t").as_str(),
        });
        let source: Box<dyn CredentialSource> = match number {
            0 => Box::new(
                OAuthM2m::new(http(), policy(), service.url.clone(), "id", "canary-secret").with_endpoint(endpoint),
            ),
            1 => Box::new(federation(endpoint)),
            2 => Box::new(Federation::new(http(), policy(), endpoint, github())),
            3 => Box::new(PatExchange::new(http(), policy(), endpoint, "dapi-canary")),
            4 => Box::new(MetadataService::new(http(), policy(), at("canary-path").as_str(), &service.url)),
            5 => {
                let login = AzureClientSecret::new(http(), policy(), cloud(), tenant(), "app", "canary-secret");
                Box::new(Azure::new(login, cloud()))
            }
            6 => Box::new(Azure::new(AzureManagedIdentity::new(http(), policy(), cloud(), None), cloud())),
            7 => Box::new(Azure::new(AzureGitHub::new(http(), policy(), cloud(), tenant(), "app", github()), cloud())),
            8 => Box::new(GoogleCredentials::new(http(), policy(), account.to_string(), &env, &service.url)),
            _ => {
                let endpoints =
                    GoogleEndpoints::default().with_metadata(service.url.clone()).with_iam(service.url.clone());
                Box::new(GoogleId::new(http(), http(), policy(), endpoints, "a@b", &service.url))
            }
        };
        let credential = source.fetch().await.unwrap_or_else(|error| panic!("{number}: {error}"));
        printed += &format!("{source:?} {credential:?} {:?}", credential.headers().unwrap());
        for _ in 0..2 {
            let error = source.fetch().await.unwrap_err();
            printed += &format!("{error} {error:?} {}", Report(&error));
        }
    }
    for source in [
        Box::new(Pat::new("dapi-canary")) as Box<dyn CredentialSource>,
        Box::new(Basic::new("user", "canary-password")),
        Box::new(FirstOf::new(vec![Box::new(Basic::new("", "canary")), Box::new(Pat::new("dapi-canary"))])),
    ] {
        let cached = Cached::new(source);
        let (credential, _) = cached.credential().await.unwrap();
        printed += &format!("{cached:?} {credential:?}");
    }
    printed += &String::from_utf8_lossy(&log.0.lock().unwrap());
    assert!(printed.contains("twinhouse.http"), "the log was not listened to");
    for secret in ["canary", identity.as_str(), "PRIVATE KEY"] {
        let at = printed.find(secret).map(|at| printed[at.saturating_sub(300)..].chars().take(400).collect::<String>());
        assert_eq!(at, None);
    }
}
