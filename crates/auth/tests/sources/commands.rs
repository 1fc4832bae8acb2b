//! Command-line tools, played by scripts.
#![cfg(unix)]

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use twinhouse_auth::{
    CredentialSource,
    sources::{
        DatabricksCli,
        azure::{Azure, AzureCli, AzureCloud, AzureTenant},
    },
};
use twinhouse_core::{ErrorKind, http::Url};

use crate::service::{assert_discreet, assert_ends, headers, jwt, later};

/// A folder with one program in it, which goes when it is dropped.
struct Tool(PathBuf);

impl Tool {
    /// `script` sees its own folder as `$here`; each call's arguments are kept in `calls` beside it.
    fn new(name: &str, script: &str) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("twinhouse tool {} {number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        // Moved into place whole: a file that is open for writing in a process that is just being forked cannot be run.
        let draft = folder.join("draft");
        let text = format!("#!/bin/sh\nhere='{}'\necho \"$*\" >> \"$here/calls\"\n{script}\n", folder.display());
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&draft, &file).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.0.join("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The tool, as long as the real one is at least: it is told from the legacy one by its size.
fn databricks(script: &str) -> Tool {
    Tool::new("databricks", &format!("{script}\nexit\n#{}", "x".repeat(1 << 20)))
}

fn host() -> Url {
    "https://h.example/".parse().unwrap()
}

#[tokio::test]
async fn the_databricks_tool_is_asked_for_the_hosts_token() {
    let end = chrono::DateTime::from_timestamp(later(1800) as i64, 0).unwrap();
    let answer = format!(r#"{{"access_token":"canary","token_type":"Bearer","expiry":"{}"}}"#, end.to_rfc3339());
    let tool = databricks(&format!("echo '{answer}'"));
    let source = DatabricksCli::for_host(tool.path("databricks"), &host(), Some("acc"));
    let credential = source.fetch().await.unwrap();
    assert_eq!(headers(&credential)[0].1, "Bearer canary");
    assert_ends(&credential, end.timestamp() as u64);
    DatabricksCli::for_profile(tool.path("databricks"), "a b; rm -rf /").fetch().await.unwrap();
    assert_eq!(
        tool.calls(),
        ["auth token --host https://h.example --account-id acc", "auth token --profile a b; rm -rf /"]
    );
    assert!(!format!("{source:?} {credential:?}").contains("canary"));
}

#[tokio::test]
async fn cli_709_an_expired_login_says_how_to_log_in_again() {
    let tool = databricks("echo 'Error: cannot get access token: refresh token eyJcanary is invalid' >&2; exit 1");
    let source = DatabricksCli::for_host(tool.path("databricks"), &host(), None);
    let error = source.fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.context("cure"), Some("databricks auth login --host https://h.example"));
    assert_eq!(error.context("said"), Some("Error: cannot get access token: refresh token *** is invalid"));
    assert_discreet(&source, &error);
}

#[tokio::test]
async fn the_legacy_tool_and_one_that_is_not_there_are_told_apart() {
    let tool = Tool::new("databricks", "echo '{}'");
    let error = DatabricksCli::for_host(tool.path("databricks"), &host(), None).fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("legacy"), "{error}");
    assert_eq!(tool.calls().len(), 0, "it was not run");
    let error = DatabricksCli::for_host(tool.path("missing"), &host(), None).fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.context("program")), (ErrorKind::Config, tool.path("missing").to_str()));
}

#[tokio::test]
async fn a_tool_that_never_stops_talking_is_not_listened_to_for_ever() {
    for stream in ["", " >&2"] {
        let tool = databricks(&format!("yes canary{stream}"));
        let source = DatabricksCli::for_host(tool.path("databricks"), &host(), None);
        let error = source.fetch().await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Protocol, "the program said more than any token has"));
        assert_discreet(&source, &error);
    }
}

#[tokio::test]
async fn what_is_no_token_is_not_quoted() {
    for said in ["canary", r#"{"access_token":"canary"}"#, r#"{"access_token":"canary","expiry":"canary"}"#] {
        let tool = databricks(&format!("echo '{said}'"));
        let source = DatabricksCli::for_host(tool.path("databricks"), &host(), None);
        let error = source.fetch().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{said}");
        assert_discreet(&source, &error);
    }
}

fn az(script: &str) -> (Tool, PathBuf) {
    let tool = Tool::new("az", script);
    let path = tool.path("az");
    (tool, path)
}

fn access(token: &str, end: u64) -> String {
    format!(r#"{{"accessToken":"{token}","tokenType":"Bearer","expires_on":{end},"expiresOn":"1999-01-01 00:00:00"}}"#)
}

#[tokio::test]
async fn a_user_of_the_azure_tool_shows_one_token_and_a_service_principal_two() {
    let end = later(900);
    let (user, program) = az(&format!("echo '{}'", access(&jwt(r#"{"upn":"me@example.com"}"#), end)));
    let credential = Azure::new(AzureCli::new(program), AzureCloud::public()).fetch().await.unwrap();
    assert_eq!(headers(&credential).len(), 1);
    assert_ends(&credential, end);
    let databricks = "account get-access-token --resource 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d --output json";
    assert_eq!(user.calls(), [databricks]);

    let (principal, program) = az(&format!("echo '{}'", access(&jwt(r#"{"appid":"x"}"#), end)));
    let source = Azure::new(AzureCli::new(program), AzureCloud::china());
    let sent = headers(&source.fetch().await.unwrap());
    assert!(sent.iter().any(|(name, _)| name == "x-databricks-azure-sp-management-token"));
    let management = "account get-access-token --resource https://management.core.chinacloudapi.cn/ --output json";
    assert_eq!(principal.calls(), [databricks, management]);
    assert_eq!(source.name(), "azure-cli");
}

#[tokio::test]
async fn an_end_in_local_time_is_read_as_such() {
    let end = chrono::DateTime::from_timestamp(later(700) as i64, 0).unwrap();
    let local = end.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S.000000");
    let answer = format!(r#"{{"accessToken":"{}","expiresOn":"{local}","tokenType":"Bearer"}}"#, jwt(r#"{"upn":"u"}"#));
    let (_tool, program) = az(&format!("echo '{answer}'"));
    let credential = Azure::new(AzureCli::new(program), AzureCloud::public()).fetch().await.unwrap();
    assert_ends(&credential, end.timestamp() as u64);
}

#[tokio::test]
async fn a_tenant_is_not_named_to_a_machines_identity_and_a_subscription_may_be_invisible() {
    let token = access(&jwt(r#"{"upn":"u"}"#), later(900));
    let script = |name: &str| {
        format!(
            "case \"$*\" in *show*) echo '{{\"user\":{{\"name\":\"{name}\"}}}}';; *--subscription*) exit 1;; *) echo '{token}';; esac"
        )
    };
    for (name, last) in [("me@example.com", "--output json --tenant t"), ("systemAssignedIdentity", "--output json")] {
        let (tool, program) = az(&script(name));
        let login = AzureCli::new(program).with_tenant(AzureTenant::given("t")).with_subscription("sub");
        Azure::new(login, AzureCloud::public()).fetch().await.unwrap();
        let calls = tool.calls();
        assert_eq!(calls.len(), 3, "{calls:?}");
        assert!(calls[1].ends_with("--output json --subscription sub"), "{calls:?}");
        assert!(calls[2].ends_with(last), "{calls:?}");
    }
}

#[tokio::test]
async fn a_tool_that_hangs_is_ended_and_one_that_fails_tells_the_cure() {
    let (tool, program) = az(HANGS);
    let mut limit = Duration::from_millis(300);
    while !tool.path("pid").exists() {
        let source = Azure::new(AzureCli::new(&program).with_limit(limit), AzureCloud::public());
        let error = source.fetch().await.unwrap_err();
        assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("program")));
        // On a busy machine it may be over before the program has begun.
        limit *= 2;
    }
    gone(&tool).await;

    let (tool, program) = az(HANGS);
    let source = Azure::new(AzureCli::new(program), AzureCloud::public());
    tokio::select! {
        ended = source.fetch() => panic!("it was to hang: {ended:?}"),
        () = until(|| tool.path("pid").exists()) => {}
    }
    gone(&tool).await;

    let (_tool, program) = az("echo \"ERROR: Please run 'az login' to setup account. eyJcanary\" >&2; exit 1");
    let source = Azure::new(AzureCli::new(program), AzureCloud::public());
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.context("cure")), (ErrorKind::Unauthenticated, Some("az login")));
    assert_discreet(&source, &error);
}

/// Leaves its number, whole, and stays far longer than the test.
const HANGS: &str = "echo $$ > \"$here/draft-pid\"; mv \"$here/draft-pid\" \"$here/pid\"; exec sleep 3600";

/// Waits until the process that left its number there is gone.
async fn gone(tool: &Tool) {
    let pid = fs::read_to_string(tool.path("pid")).unwrap();
    // A zombie has no command line.
    let gone = until(|| fs::read(format!("/proc/{}/cmdline", pid.trim())).map_or(true, |line| line.is_empty()));
    tokio::time::timeout(Duration::from_secs(120), gone).await.expect("the program still runs");
}

async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
