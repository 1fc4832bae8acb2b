//! AWS over real sockets, with signatures that are computed here.

use by_the_book::sign;
use chrono::Utc;

use crate::{Sandbox, SandboxOptions};

/// A second opinion on signatures: written from the document, apart from the code that checks them.
mod by_the_book {
    use sha2::{Digest as _, Sha256};

    fn hmac(key: &[u8], message: &str) -> Vec<u8> {
        let mut pads = ([0x36_u8; 64], [0x5c_u8; 64]);
        for (at, byte) in key.iter().enumerate() {
            pads.0[at] ^= byte;
            pads.1[at] ^= byte;
        }
        let inner = Sha256::digest([&pads.0[..], message.as_bytes()].concat());
        Sha256::digest([&pads.1[..], &inner].concat()).to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn sign(
        (id, secret): (&str, &str),
        (region, service): (&str, &str),
        time: &str,
        (host, token): (&str, Option<&str>),
        body: &str,
    ) -> String {
        let (security, names) = match token {
            Some(token) => (format!("x-amz-security-token:{token}\n"), "host;x-amz-date;x-amz-security-token"),
            None => (String::new(), "host;x-amz-date"),
        };
        let request =
            format!("POST\n/\n\nhost:{host}\nx-amz-date:{time}\n{security}\n{names}\n{}", hex(&Sha256::digest(body)));
        let day = &time[..8];
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request)));
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [day, region, service, "aws4_request"] {
            key = hmac(&key, part);
        }
        let signature = hex(&hmac(&key, &text));
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions::default().with_fronts([])).await.expect("a sandbox")
}

struct Caller<'a> {
    sandbox: &'a Sandbox,
    id: String,
    secret: String,
    token: Option<String>,
}

impl<'a> Caller<'a> {
    fn user(sandbox: &'a Sandbox) -> Self {
        let s3 = sandbox.s3();
        Self { sandbox, id: s3.access_key.clone(), secret: s3.secret_key.expose().to_owned(), token: None }
    }

    /// Status and body of a form call, or of a JSON one if a target is named.
    async fn call(&self, service: &str, target: Option<&str>, body: &str) -> (u16, String) {
        let endpoint = &self.sandbox.aws().await.expect("AWS").endpoint;
        let host = endpoint.trim_start_matches("http://");
        let time = Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
        let scope = (self.sandbox.s3().region.as_str(), service);
        let authorization = sign((&self.id, &self.secret), scope, &time, (host, self.token.as_deref()), body);
        let mut request = crate::testing::client()
            .post(format!("{endpoint}/"))
            .header("authorization", authorization)
            .header("x-amz-date", time)
            .body(body.to_owned());
        if let Some(token) = &self.token {
            request = request.header("x-amz-security-token", token);
        }
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    async fn form(&self, service: &str, body: &str) -> (u16, String) {
        self.call(service, None, body).await
    }
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(text, _)| text)
}

#[tokio::test]
async fn a_signature_with_the_wrong_secret_is_refused_in_the_words_of_either_protocol() {
    let sandbox = sandbox().await;
    let mut caller = Caller::user(&sandbox);
    let (status, body) = caller.form("sts", "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!((status, element(&body, "Arn")), (200, "arn:aws:iam::123456789012:user/sandbox"), "{body}");

    caller.secret.push('x');
    let (status, body) = caller.form("sts", "Action=GetCallerIdentity").await;
    assert_eq!((status, element(&body, "Code")), (403, "SignatureDoesNotMatch"));
    let (status, body) = caller.call("secretsmanager", Some("secretsmanager.GetSecretValue"), "{}").await;
    assert!(status == 400 && body.contains("InvalidSignatureException"), "{status} {body}");
    caller.id = "AKIASTRANGER".to_owned();
    let (status, body) = caller.form("sts", "Action=GetCallerIdentity").await;
    assert_eq!((status, element(&body, "Code")), (403, "InvalidClientTokenId"));
    let (status, body) = caller.call("secretsmanager", Some("secretsmanager.GetSecretValue"), "{}").await;
    assert!(status == 400 && body.contains("UnrecognizedClientException"), "{status} {body}");

    let unsigned = crate::testing::client().post(&sandbox.aws().await.unwrap().endpoint).body("Action=X").send().await;
    assert!(unsigned.unwrap().text().await.unwrap().contains("MissingAuthenticationToken"));
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn calls_that_are_not_imitated_are_refused_by_name() {
    let sandbox = sandbox().await;
    let caller = Caller::user(&sandbox);
    for (service, target, body, code, name) in [
        ("redshift", None, "Action=CreateCluster", "InvalidAction", "redshift:CreateCluster"),
        ("iam", None, "Action=ListUsers", "InvalidAction", "iam:ListUsers"),
        (
            "redshift-serverless",
            Some("RedshiftServerless.CreateNamespace"),
            "{}",
            "UnknownOperationException",
            "redshift-serverless:CreateNamespace",
        ),
        ("dynamodb", Some("DynamoDB_20120810.GetItem"), "{}", "UnknownOperationException", "GetItem"),
    ] {
        let (status, answer) = caller.call(service, target, body).await;
        assert!(status == 400 && answer.contains(code) && answer.contains(name), "{status} {answer}");
    }
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_without_a_cluster_means_the_only_one_and_strange_ones_are_not_found() {
    let sandbox = sandbox().await;
    let caller = Caller::user(&sandbox);
    // What redshift_connector sends.
    let body = "Action=GetClusterCredentials&DbUser=awsuser&DbName=dev&CustomDomainName=&Version=2012-12-01";
    let (status, answer) = caller.form("redshift", body).await;
    assert_eq!((status, element(&answer, "DbUser")), (200, "IAM:awsuser"), "{answer}");
    let (_, answer) = caller.form("redshift", &format!("{body}&AutoCreate=true")).await;
    assert_eq!(element(&answer, "DbUser"), "IAMA:awsuser");
    let (status, answer) = caller.form("redshift", &format!("{body}&ClusterIdentifier=other")).await;
    assert_eq!((status, element(&answer, "Code")), (404, "ClusterNotFound"));
    let (status, answer) = caller.form("redshift", &format!("{body}&DurationSeconds=60")).await;
    assert_eq!((status, element(&answer, "Code")), (400, "InvalidParameterValue"));
    let (_, answer) = caller.form("redshift", "Action=DescribeClusters").await;
    assert_eq!(element(&answer, "Port"), sandbox.redshift().await.unwrap().port.to_string());

    let serverless = Some("RedshiftServerless.GetCredentials");
    let (status, answer) = caller.call("redshift-serverless", serverless, r#"{"workgroupName":"other"}"#).await;
    assert!(status == 400 && answer.contains("ResourceNotFoundException"), "{answer}");
    let (status, answer) =
        caller.call("redshift-serverless", serverless, r#"{"workgroupName":"twinhouse-sandbox"}"#).await;
    assert!(status == 200 && answer.contains("\"dbUser\":\"IAM:sandbox\""), "{answer}");
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_role_that_was_assumed_is_another_identity_with_keys_of_its_own() {
    let sandbox = sandbox().await;
    let user = Caller::user(&sandbox);
    let role = &sandbox.s3().iam_role;
    let (status, answer) = user.form("sts", &format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=night")).await;
    assert_eq!(status, 200, "{answer}");
    let own = |name: &str| element(&answer, name).to_owned();
    let mut assumed = Caller {
        sandbox: &sandbox,
        id: own("AccessKeyId"),
        secret: own("SecretAccessKey"),
        token: Some(own("SessionToken")),
    };
    let (_, identity) = assumed.form("sts", "Action=GetCallerIdentity").await;
    assert!(element(&identity, "Arn").ends_with(":assumed-role/twinhouse-sandbox/night"), "{identity}");
    let (_, credential) = assumed.form("redshift", "Action=GetClusterCredentialsWithIAM").await;
    assert_eq!(element(&credential, "DbUser"), "IAMR:twinhouse-sandbox");
    assumed.token = None;
    assert_eq!(assumed.form("sts", "Action=GetCallerIdentity").await.0, 403);
    let stranger = "Action=AssumeRole&RoleArn=arn:aws:iam::123456789012:role/other&RoleSessionName=x";
    let (status, answer) = user.form("sts", stranger).await;
    assert_eq!((status, element(&answer, "Code")), (403, "AccessDenied"));
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_brings_its_statement_again_though_the_session_is_busy_with_it() {
    let sandbox = sandbox().await;
    let caller = Caller::user(&sandbox);
    let call = async |operation: &str, body: serde_json::Value| {
        let target = format!("RedshiftData.{operation}");
        let (status, answer) = caller.call("redshift-data", Some(&target), &body.to_string()).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        (status, answer)
    };
    let first = serde_json::json!({ "Sql": "select 1", "ClusterIdentifier": "twinhouse-sandbox", "Database": "dev",
        "SessionKeepAliveSeconds": 60, "WaitTimeSeconds": 30 });
    let (status, opened) = call("ExecuteStatement", first).await;
    assert_eq!((status, &opened["Status"]), (200, &"FINISHED".into()), "{opened}");
    let slow = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let again = serde_json::json!({ "Sql": slow, "SessionId": opened["SessionId"], "ClientToken": "token" });
    let (status, handed_in) = call("ExecuteStatement", again.clone()).await;
    assert_eq!(status, 200, "{handed_in}");
    let (status, same) = call("ExecuteStatement", again).await;
    assert_eq!((status, &same["Id"]), (200, &handed_in["Id"]), "{same}");
    let other = serde_json::json!({ "Sql": "select 2", "SessionId": opened["SessionId"] });
    let (status, busy) = call("ExecuteStatement", other.clone()).await;
    assert!(status == 400 && busy["message"].as_str().is_some_and(|why| why.contains("busy")), "{busy}");

    // The end of the one does not strike the next.
    let id = serde_json::json!({ "Id": handed_in["Id"] });
    assert_eq!(call("CancelStatement", id.clone()).await.0, 200);
    while call("DescribeStatement", id.clone()).await.1["Status"] != "ABORTED" {}
    let (status, next) = call("ExecuteStatement", other).await;
    assert_eq!(status, 200, "{next}");
    loop {
        let (_, told) = call("DescribeStatement", serde_json::json!({ "Id": next["Id"], "WaitTimeSeconds": 30 })).await;
        match told["Status"].as_str() {
            Some("FINISHED") => break,
            Some("FAILED" | "ABORTED") => panic!("{told}"),
            _ => {}
        }
    }
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_whose_backend_is_killed_is_over() {
    let sandbox = sandbox().await;
    let caller = Caller::user(&sandbox);
    let call = async |operation: &str, body: serde_json::Value| {
        let (_, answer) =
            caller.call("redshift-data", Some(&format!("RedshiftData.{operation}")), &body.to_string()).await;
        serde_json::from_str::<serde_json::Value>(&answer).expect("JSON")
    };
    let target = serde_json::json!({ "Sql": "select pg_terminate_backend(pg_backend_pid())", "Database": "dev",
        "ClusterIdentifier": "twinhouse-sandbox", "DbUser": "awsuser", "SessionKeepAliveSeconds": 600 });
    let opened = call("ExecuteStatement", target).await;
    loop {
        let told = call("DescribeStatement", serde_json::json!({ "Id": opened["Id"], "WaitTimeSeconds": 30 })).await;
        match told["Status"].as_str() {
            Some("FAILED") => break,
            Some("FINISHED" | "ABORTED") => panic!("{told}"),
            _ => {}
        }
    }
    assert_eq!(call("ListSessions", serde_json::json!({})).await["Sessions"], serde_json::json!([]));
    sandbox.stop().await.unwrap();
}
