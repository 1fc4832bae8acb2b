//! Logins that AWS issues, from the signed call to the session.

use std::time::Duration;

use twinhouse_core::{ErrorKind, Result, config::Env};
use twinhouse_redshift::{Auth, RedshiftBuilder, RedshiftWarehouse};
use twinhouse_sandbox::{FaultKind, FaultRule, Sandbox, SandboxOptions, When};
use twinhouse_warehouse_api::{Warehouse as _, WarehouseExt as _};

use super::support::{close, failed, one, unique, warehouse};
use crate::fixtures::{Breakable, soon};

/// Settings without a password. Nothing comes from this machine's environment.
async fn builder(sandbox: &Sandbox, auth: Auth) -> RedshiftBuilder {
    let (access, s3) = (sandbox.redshift().await.expect("a cluster"), sandbox.s3());
    let aws = sandbox.aws().await.expect("AWS");
    let server = RedshiftBuilder::new()
        .env(Env::empty())
        .host(&access.host)
        .port(access.port)
        .database(&access.database)
        .root_certificate(&access.ca_file)
        .auth(auth)
        .region(&s3.region)
        .aws_endpoint(&aws.endpoint)
        .s3_keys(s3.access_key.as_str(), s3.secret_key.clone(), None);
    match auth {
        Auth::SecretsManager => server.secret(&aws.secret_name),
        Auth::Serverless => server.workgroup(&aws.workgroup),
        _ => server.cluster_identifier(&aws.cluster_identifier),
    }
}

fn connect(builder: RedshiftBuilder) -> Result<RedshiftWarehouse> {
    RedshiftWarehouse::new(builder.build()?)
}

async fn shared() -> &'static Sandbox {
    Sandbox::shared().await.expect("a sandbox")
}

async fn who(builder: RedshiftBuilder) -> Result<String> {
    let warehouse = connect(builder)?;
    warehouse.warm_up().await?;
    warehouse.execute("select 1").await?;
    let who = one(&warehouse, "select current_user").await;
    close(warehouse).await;
    Ok(who)
}

#[tokio::test]
async fn each_way_to_log_in_gives_the_user_that_the_service_names() {
    let sandbox = shared().await;
    let secret = |builder: RedshiftBuilder, arn: &str| builder.secret(arn);
    let arn = sandbox.aws().await.expect("AWS").secret_arn.clone();
    for (builder, wanted) in [
        (builder(sandbox, Auth::Iam).await, "IAM:sandbox"),
        (builder(sandbox, Auth::Iam).await.user("awsuser"), "awsuser"),
        (builder(sandbox, Auth::ClusterCredentials).await.user("awsuser"), "awsuser"),
        (builder(sandbox, Auth::ClusterCredentialsWithIam).await.user("awsuser"), "IAM:sandbox"),
        (builder(sandbox, Auth::Serverless).await, "IAM:sandbox"),
        (builder(sandbox, Auth::SecretsManager).await, "awsuser"),
        (secret(builder(sandbox, Auth::SecretsManager).await, &arn), "awsuser"),
    ] {
        assert_eq!(who(builder).await.unwrap_or_else(|error| panic!("{wanted}: {error:?}")), wanted);
    }
}

#[tokio::test]
async fn a_custom_domain_stands_for_the_cluster_and_for_the_workgroup() {
    let sandbox = shared().await;
    let (access, aws) = (sandbox.redshift().await.expect("a cluster"), sandbox.aws().await.expect("AWS"));
    for auth in [Auth::Iam, Auth::Serverless] {
        let named = RedshiftBuilder::new()
            .env(Env::empty())
            .host(&aws.custom_domain)
            .custom_domain(&aws.custom_domain)
            .port(access.port)
            .database(&access.database)
            .root_certificate(&access.ca_file)
            .auth(auth)
            .region(&sandbox.s3().region)
            .aws_endpoint(&aws.endpoint)
            .s3_keys(sandbox.s3().access_key.as_str(), sandbox.s3().secret_key.clone(), None);
        assert_eq!(who(named).await.expect("a login"), "IAM:sandbox");
    }
}

#[tokio::test]
async fn a_user_is_made_only_if_asked_for_and_joins_groups_for_the_session_only() {
    let sandbox = shared().await;
    let (user, table) = (unique("loader"), unique("t"));
    let cluster = async || builder(sandbox, Auth::ClusterCredentials).await.user(&user);
    let error = failed(who(cluster().await).await);
    assert_eq!(
        (error.kind(), error.context("credential source")),
        (ErrorKind::Unauthenticated, Some("cluster-credentials"))
    );

    let owner = warehouse().await;
    let group = &sandbox.aws().await.expect("AWS").database_group;
    owner.execute(format!("create table {table} (a int)")).await.expect("a table");
    owner.execute(format!("grant select on {table} to group {group}")).await.expect("a grant");
    let member = connect(cluster().await.auto_create(true).db_groups([group.as_str()])).expect("settings");
    assert_eq!(one(&member, "select current_user").await, user);
    member.execute(format!("select * from {table}")).await.expect("a member may read");
    close(member).await;

    let plain = connect(cluster().await).expect("settings");
    // The server takes the group back when it has seen the session end, a moment after the client closed it.
    soon("the user is out of the group", async || plain.execute(format!("select * from {table}")).await.is_err()).await;
    let error = failed(plain.execute(format!("select * from {table}")).await);
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    close(plain).await;

    let strange = cluster().await.auto_create(true).db_groups(["no such group"]);
    assert_eq!(failed(who(strange).await).kind(), ErrorKind::NotFound);
    owner.execute(format!("drop table {table}")).await.expect("a drop");
    close(owner).await;
}

#[tokio::test]
async fn what_aws_refuses_is_told_with_its_own_words_and_not_tried_again() {
    let sandbox = shared().await;
    let s3 = sandbox.s3();
    let wrong = builder(sandbox, Auth::Iam).await.s3_keys(s3.access_key.as_str(), "canary-wrong-key", None);
    let error = failed(who(wrong).await);
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unauthenticated, Some("SignatureDoesNotMatch")));
    assert_eq!((error.context("service"), error.attempts()), (Some("redshift"), 1));
    assert!(!format!("{error:?}").contains("canary"));

    let lost = builder(sandbox, Auth::Iam).await.cluster_identifier("elsewhere");
    let error = failed(who(lost).await);
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::NotFound, Some("ClusterNotFound")));
    let lost = builder(sandbox, Auth::SecretsManager).await.secret("elsewhere");
    let error = failed(who(lost).await);
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::NotFound, Some("ResourceNotFoundException")));
    let elsewhere = builder(sandbox, Auth::Serverless).await.workgroup("elsewhere");
    assert_eq!(failed(who(elsewhere).await).kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn calls_for_credentials_are_repeated_after_faults_on_the_road() {
    let breakable = Breakable::take().await;
    let sandbox = breakable.sandbox;
    for kind in [
        FaultKind::Throttled { retry_after: None },
        FaultKind::Unavailable { when: When::Before, retry_after: None },
        FaultKind::Unavailable { when: When::After, retry_after: None },
        FaultKind::Reset { when: When::After },
        FaultKind::Truncated,
    ] {
        for auth in [Auth::Iam, Auth::Serverless] {
            let settings = builder(sandbox, auth).await;
            let fault = breakable.faults().schedule(FaultRule::aws(kind)).expect("a fault that AWS can have");
            assert_eq!(who(settings).await.unwrap_or_else(|error| panic!("{kind:?}: {error:?}")), "IAM:sandbox");
            assert_eq!(fault.fired(), 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_was_rotated_is_read_again_and_open_sessions_stay() {
    let sandbox = Sandbox::start(SandboxOptions::default().with_fronts([])).await.expect("a sandbox");
    let warehouse = connect(builder(&sandbox, Auth::SecretsManager).await.pool_size(2)).expect("settings");
    let mut old = warehouse.begin(Default::default()).await.expect("a session with the old password");
    sandbox.rotate_password("another-p@ssword").await.expect("a rotation");
    // The pool opens a second session, with the password that it has cached: wrong once.
    assert_eq!(one(&warehouse, "select current_user").await, "awsuser");
    assert_eq!(warehouse.pool_status().size, 2);
    old.execute("select 1".into()).await.expect("the old session lives on");
    old.rollback().await.expect("a rollback");
    close(warehouse).await;

    // A password that nobody can fetch anew stays wrong.
    let access = sandbox.redshift().await.expect("a cluster");
    let fixed = RedshiftBuilder::from_url(access.url.expose()).expect("a URL").env(Env::empty());
    assert_eq!(failed(who(fixed).await).kind(), ErrorKind::Unauthenticated);
    sandbox.stop().await.expect("a stop");
}

#[tokio::test]
async fn a_session_outlives_its_credential_and_the_next_one_begins_with_a_fresh_one() {
    // Long enough for a login on a slow machine.
    let lifetime = Duration::from_secs(5);
    let options = SandboxOptions::default().with_fronts([]).with_credential_lifetime(lifetime);
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let warehouse = connect(builder(&sandbox, Auth::Serverless).await.pool_size(2)).expect("settings");
    let mut first = warehouse.begin(Default::default()).await.expect("a session");
    // The service's clock cannot be moved.
    tokio::time::sleep(lifetime + Duration::from_secs(1)).await;
    first.execute("select 1".into()).await.expect("the first session lives on");
    assert_eq!(one(&warehouse, "select current_user").await, "IAM:sandbox");
    first.rollback().await.expect("a rollback");
    close(warehouse).await;
    sandbox.stop().await.expect("a stop");
}
