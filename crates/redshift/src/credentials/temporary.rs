//! Logins that Redshift's control plane issues for minutes.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use twinhouse_auth::{Credential, CredentialSource};
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::{
    aws::{AwsClient, Service},
    config::{Auth, AuthOptions, Endpoint},
};

const VERSION: (&str, &str) = ("Version", "2012-12-01");

/// What the server goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Named(String),
    CustomDomain(String),
}

/// Which of the three calls, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    server: Server,
    database: String,
    duration: Option<Duration>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Cluster { user: String, auto_create: bool, groups: Vec<String> },
    ClusterWithIam,
    Serverless,
}

impl Call {
    /// What was configured goes before what the host's name says.
    pub(super) fn choose(options: AuthOptions, endpoint: Endpoint<'_>, database: &str) -> Result<Self> {
        let AuthOptions {
            auth, user, cluster_identifier, workgroup, custom_domain, auto_create, groups, duration, ..
        } = options;
        let cluster_given = cluster_identifier.is_some();
        let (of_host, serverless_host) = match endpoint {
            Endpoint::Cluster { identifier, .. } => (Some(identifier.to_lowercase()), false),
            Endpoint::Serverless { workgroup, .. } => (Some(workgroup.to_lowercase()), true),
            Endpoint::Other => (None, false),
        };
        let serverless = match auth {
            Auth::Serverless => true,
            Auth::Iam => !cluster_given && (workgroup.is_some() || serverless_host),
            _ => false,
        };
        let (given, setting) =
            if serverless { (workgroup, "workgroup") } else { (cluster_identifier, "cluster_identifier") };
        let of_host = of_host.filter(|_| serverless == serverless_host);
        let server = match (given.or(of_host), custom_domain) {
            (Some(name), _) => Server::Named(name),
            (None, Some(name)) => Server::CustomDomain(name),
            (None, None) => {
                let wish = "given, or `custom_domain`: the name of the host does not say it";
                return Err(Error::bad_setting(setting, "configuration", wish));
            }
        };
        let with_user = auth == Auth::ClusterCredentials || (auth == Auth::Iam && user.is_some());
        let kind = match user {
            _ if serverless => Kind::Serverless,
            Some(user) if with_user => Kind::Cluster { user, auto_create, groups: groups.clone() },
            None if auth == Auth::ClusterCredentials => {
                return Err(Error::bad_setting("user", "configuration", "given with `auth=cluster-credentials`"));
            }
            _ => Kind::ClusterWithIam,
        };
        if !matches!(kind, Kind::Cluster { .. }) && (auto_create || !groups.is_empty()) {
            let setting = if auto_create { "auto_create" } else { "db_groups" };
            let wish = "left out: only credentials for a user of a cluster take it";
            return Err(Error::bad_setting(setting, "configuration", wish));
        }
        Ok(Self { server, database: database.to_owned(), duration, kind })
    }

    pub(super) fn service(&self) -> Service {
        if self.kind == Kind::Serverless { Service::RedshiftServerless } else { Service::Redshift }
    }

    fn form(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut pairs = vec![pair(VERSION.0, VERSION.1), pair("DbName", &self.database)];
        pairs.push(match &self.server {
            Server::Named(name) => pair("ClusterIdentifier", name),
            Server::CustomDomain(name) => pair("CustomDomainName", name),
        });
        pairs.extend(self.duration.map(|time| pair("DurationSeconds", &time.as_secs().to_string())));
        match &self.kind {
            Kind::Cluster { user, auto_create, groups } => {
                pairs.push(pair("Action", "GetClusterCredentials"));
                pairs.push(pair("DbUser", user));
                pairs.push(pair("AutoCreate", if *auto_create { "true" } else { "false" }));
                let numbered = groups.iter().zip(1..);
                pairs.extend(numbered.map(|(group, n)| (format!("DbGroups.DbGroup.{n}"), group.clone())));
            }
            _ => pairs.push(pair("Action", "GetClusterCredentialsWithIAM")),
        }
        pairs
    }
}

/// Asks for a credential with this call.
#[derive(Debug)]
pub(super) struct TemporaryLogin {
    client: AwsClient,
    call: Call,
}

impl TemporaryLogin {
    pub(super) fn new(client: AwsClient, call: Call) -> Self {
        Self { client, call }
    }
}

#[derive(Deserialize)]
struct ClusterAnswer {
    #[serde(rename = "$value")]
    results: Vec<ClusterResult>,
}

#[derive(Deserialize)]
enum ClusterResult {
    #[serde(rename = "GetClusterCredentialsResult", alias = "GetClusterCredentialsWithIAMResult")]
    Credentials {
        #[serde(rename = "DbUser")]
        user: String,
        #[serde(rename = "DbPassword")]
        password: Secret,
        #[serde(rename = "Expiration")]
        expiration: String,
    },
    #[serde(other)]
    Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerlessAnswer {
    db_user: String,
    db_password: Secret,
    /// Seconds since 1970.
    expiration: f64,
}

#[async_trait]
impl CredentialSource for TemporaryLogin {
    async fn fetch(&self) -> Result<Credential> {
        let call = &self.call;
        if call.kind == Kind::Serverless {
            let mut input = json!({ "dbName": call.database });
            match &call.server {
                Server::Named(name) => input["workgroupName"] = json!(name),
                Server::CustomDomain(name) => input["customDomainName"] = json!(name),
            }
            if let Some(time) = call.duration {
                input["durationSeconds"] = json!(time.as_secs());
            }
            let target = "RedshiftServerless.GetCredentials";
            let answer: ServerlessAnswer = self.client.json("credentials.serverless", target, &input).await?;
            let expires = Duration::try_from_secs_f64(answer.expiration).unwrap_or_default();
            return Ok(login(answer.db_user, answer.db_password, expires));
        }
        let pairs = call.form();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer: ClusterAnswer = self.client.form("credentials.cluster", &pairs).await?;
        let found = answer.results.into_iter().find_map(|result| match result {
            ClusterResult::Credentials { user, password, expiration } => Some((user, password, expiration)),
            ClusterResult::Metadata => None,
        });
        let (user, password, expiration) =
            found.ok_or_else(|| Error::new(ErrorKind::Protocol, "AWS answered without a credential"))?;
        let expiration = DateTime::parse_from_rfc3339(&expiration).map_err(|cause| {
            Error::new(ErrorKind::Protocol, "AWS said no time at which the credential expires").with_source(cause)
        })?;
        let expires = Duration::from_secs(u64::try_from(expiration.timestamp()).unwrap_or_default());
        Ok(login(user, password, expires))
    }

    fn name(&self) -> &'static str {
        match self.call.kind {
            Kind::Cluster { .. } => "cluster-credentials",
            Kind::ClusterWithIam => "cluster-credentials-with-iam",
            Kind::Serverless => "serverless",
        }
    }
}

/// The name is sent as it was given, prefix and all.
fn login(user: String, password: Secret, expires: Duration) -> Credential {
    let now = Duration::from_secs(u64::try_from(Utc::now().timestamp()).unwrap_or_default());
    Credential::login(user, password).with_lifetime(expires.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(auth: Auth) -> AuthOptions {
        AuthOptions { auth, ..AuthOptions::default() }
    }

    fn chosen(options: AuthOptions, host: &str) -> Result<(Service, Server, &'static str)> {
        let call = Call::choose(options, Endpoint::of(host), "dev")?;
        let name = match call.kind {
            Kind::Cluster { .. } => "GetClusterCredentials",
            Kind::ClusterWithIam => "GetClusterCredentialsWithIAM",
            Kind::Serverless => "GetCredentials",
        };
        Ok((call.service(), call.server, name))
    }

    const CLUSTER: &str = "Sales.abc.eu-west-1.redshift.amazonaws.com";
    const SERVERLESS: &str = "wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com";
    const OTHER: &str = "warehouse.example.com";

    #[test]
    fn iam_chooses_the_call_that_fits_host_and_user() {
        let named = |name: &str| Server::Named(name.to_owned());
        let with_user = || AuthOptions { user: Some("ann".to_owned()), ..options(Auth::Iam) };
        let with_group = || AuthOptions { workgroup: Some("g".to_owned()), ..options(Auth::Iam) };
        let with_domain = |auth| AuthOptions { custom_domain: Some(OTHER.to_owned()), ..options(auth) };
        let domain = || Server::CustomDomain(OTHER.to_owned());
        for (options, host, wanted) in [
            (options(Auth::Iam), CLUSTER, (Service::Redshift, named("sales"), "GetClusterCredentialsWithIAM")),
            (with_user(), CLUSTER, (Service::Redshift, named("sales"), "GetClusterCredentials")),
            (options(Auth::Iam), SERVERLESS, (Service::RedshiftServerless, named("wg"), "GetCredentials")),
            (with_user(), SERVERLESS, (Service::RedshiftServerless, named("wg"), "GetCredentials")),
            (with_group(), OTHER, (Service::RedshiftServerless, named("g"), "GetCredentials")),
            (with_domain(Auth::Iam), OTHER, (Service::Redshift, domain(), "GetClusterCredentialsWithIAM")),
            (with_domain(Auth::Serverless), OTHER, (Service::RedshiftServerless, domain(), "GetCredentials")),
            (
                AuthOptions { auth: Auth::ClusterCredentialsWithIam, ..with_user() },
                CLUSTER,
                (Service::Redshift, named("sales"), "GetClusterCredentialsWithIAM"),
            ),
        ] {
            assert_eq!(chosen(options, host).unwrap(), wanted, "{host}");
        }
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_named() {
        let create = || AuthOptions { auto_create: true, ..options(Auth::Iam) };
        let groups = || AuthOptions { groups: vec!["g".to_owned()], ..options(Auth::Serverless) };
        for (options, host, setting) in [
            (options(Auth::Iam), OTHER, "cluster_identifier"),
            (options(Auth::Serverless), OTHER, "workgroup"),
            (options(Auth::Serverless), CLUSTER, "workgroup"),
            (options(Auth::ClusterCredentials), CLUSTER, "user"),
            (create(), CLUSTER, "auto_create"),
            (groups(), SERVERLESS, "db_groups"),
        ] {
            assert_eq!(chosen(options, host).unwrap_err().context("setting"), Some(setting), "{host}");
        }
    }

    #[test]
    fn the_form_says_all_of_it_and_the_answer_is_read_whatever_else_it_holds() {
        let options = AuthOptions {
            user: Some("ann".to_owned()),
            auto_create: true,
            groups: vec!["a".to_owned(), "b".to_owned()],
            duration: Some(Duration::from_secs(900)),
            ..options(Auth::ClusterCredentials)
        };
        let call = Call::choose(options, Endpoint::of(CLUSTER), "dev").unwrap();
        let form = call.form();
        for (name, value) in [
            ("Action", "GetClusterCredentials"),
            ("ClusterIdentifier", "sales"),
            ("DbName", "dev"),
            ("DbUser", "ann"),
            ("AutoCreate", "true"),
            ("DbGroups.DbGroup.1", "a"),
            ("DbGroups.DbGroup.2", "b"),
            ("DurationSeconds", "900"),
        ] {
            assert!(form.contains(&(name.to_owned(), value.to_owned())), "{name} in {form:?}");
        }
        let answer = "<GetClusterCredentialsWithIAMResponse xmlns=\"http://redshift.amazonaws.com/doc/2012-12-01/\">\
            <GetClusterCredentialsWithIAMResult><DbUser>IAMR:x</DbUser><DbPassword>a&amp;b</DbPassword>\
            <Expiration>2030-01-01T00:00:00.000Z</Expiration><NextRefreshTime>2030-01-01T00:00:00Z</NextRefreshTime>\
            </GetClusterCredentialsWithIAMResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
            </GetClusterCredentialsWithIAMResponse>";
        let answer: ClusterAnswer = quick_xml::de::from_str(answer).unwrap();
        let [ClusterResult::Credentials { user, password, .. }, ClusterResult::Metadata] = &answer.results[..] else {
            panic!("not read")
        };
        assert_eq!((user.as_str(), password.expose()), ("IAMR:x", "a&b"));
    }
}
