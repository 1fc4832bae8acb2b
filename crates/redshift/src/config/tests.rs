use twinhouse_core::{ErrorKind, config::Env};

use super::*;

fn from(url: &str) -> twinhouse_core::Result<RedshiftConfig> {
    RedshiftBuilder::from_url(url)?.env(Env::empty()).build()
}

#[tokio::test]
async fn a_url_says_everything_and_passwords_are_decoded() {
    let config = from(
        "redshift://us%40er:p%24a%40b%2Fc%3A%25@Example.com:5440/dev?sslmode=verify-ca&sslrootcert=/ca.pem\
         &staging=s3://bucket/a/b/&iam_role=arn:aws:iam::1:role/r&pool=3&schema=sales&region=eu-west-1\
         &s3_endpoint=http://127.0.0.1:9&connect_timeout=7&checkout_timeout=250ms&application_name=app",
    )
    .unwrap();
    assert_eq!((config.host.as_str(), config.port, config.database.as_str()), ("Example.com", 5440, "dev"));
    let (credential, _) = config.credentials.credential().await.unwrap();
    let twinhouse_auth::Proof::Login { user, password } = credential.proof() else { panic!("not a login") };
    assert_eq!((user.as_str(), password.expose()), ("us@er", "p$a@b/c:%"));
    assert_eq!((config.sslmode, config.root_certificate.clone()), (SslMode::VerifyCa, Some("/ca.pem".into())));
    assert_eq!(config.staging.as_ref().unwrap().to_string(), "s3://bucket/a/b");
    assert_eq!((config.iam_role.as_str(), config.pool.size), ("arn:aws:iam::1:role/r", 3));
    assert_eq!((config.pool.connect, config.pool.checkout), (Duration::from_secs(7), Duration::from_millis(250)));
    assert_eq!((config.schema.as_deref(), config.s3.region.as_str()), (Some("sales"), "eu-west-1"));
}

#[test]
fn the_strictest_mode_is_the_default_and_weaker_ones_go_by_name() {
    assert_eq!(from("redshift://u:p@h/d").unwrap().sslmode, SslMode::VerifyFull);
    assert_eq!(from("redshift://u:p@h/d?sslmode=disable").unwrap().sslmode, SslMode::Disable);
    for bad in ["allow", "VERIFY-FULL", "none", ""] {
        let error = from(&format!("redshift://u:p@h/d?sslmode={bad}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("verify-full"), "{error}");
    }
}

#[test]
fn what_is_missing_is_named_with_every_place_it_was_looked_for() {
    let error = RedshiftBuilder::new().env(Env::empty()).build().unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("host")));
    let places = error.context("looked in").unwrap();
    for place in ["builder", "TWINHOUSE_REDSHIFT_URL", "REDSHIFT_HOST", "PGHOST"] {
        assert!(places.contains(place), "{places}");
    }
    for (url, setting) in
        [("redshift://u:p@h", "database"), ("redshift://h/d", "user"), ("redshift://u@h/d", "password")]
    {
        assert_eq!(from(url).unwrap_err().context("setting"), Some(setting), "{url}");
    }
    from("redshift://u:@h/d").expect("an empty password is one");
}

#[test]
fn the_builder_goes_before_the_environment_and_the_url_in_it_before_the_rest() {
    let env = Env::from_pairs([
        ("TWINHOUSE_REDSHIFT_URL", "redshift://url:canary@url-host/url-db?pool=2"),
        ("PGHOST", "pg-host"),
        ("PGPORT", "1234"),
        ("TWINHOUSE_STAGING_S3", "s3://b"),
    ]);
    let config = RedshiftBuilder::new().env(env.clone()).build().unwrap();
    assert_eq!((config.host.as_str(), config.port, config.pool.size), ("url-host", 1234, 2));
    assert_eq!(config.staging.as_ref().unwrap().to_string(), "s3://b");
    let explained = config.explain().to_string();
    assert!(explained.contains("environment TWINHOUSE_REDSHIFT_URL host"), "{explained}");
    assert!(!explained.contains("canary"), "{explained}");

    let other = RedshiftBuilder::new().env(env).host("mine").database("d").user("u").build();
    assert_eq!(other.unwrap_err().context("setting"), Some("password"), "a password for another host must not be used");
}

#[test]
fn what_is_wrong_is_named_and_never_quoted() {
    for (url, setting) in [
        ("redshift://u:canary@h:99999/d", "url"),
        ("postgres://u:canary@h/d", "url"),
        ("redshift:u:canary", "url"),
        ("redshift://u:canary@h/d?pool=0", "pool"),
        ("redshift://u:canary@h/d?pool=many", "pool"),
        ("redshift://u:canary@h/d?staging=gs://b", "staging"),
        ("redshift://u:canary@h/d?staging=s3://b/../x", "staging"),
        ("redshift://u:canary@h/d?iam_role='x'", "iam_role"),
        ("redshift://u:canary@h/d?connect_timeout=soon", "connect_timeout"),
        ("redshift://u:canary@h/d?s3_endpoint=ftp://x", "s3_endpoint"),
        ("redshift://u:%ffcanary@h/d", "password"),
    ] {
        let error = from(url).unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some(setting)), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    let error = from("redshift://u:p@h/d?ssl_mode=require").unwrap_err();
    assert_eq!(error.context("parameter"), Some("ssl_mode"));
}

#[test]
fn half_a_pair_of_keys_is_refused() {
    let env = Env::from_pairs([("AWS_ACCESS_KEY_ID", "id")]);
    let error = RedshiftBuilder::from_url("redshift://u:p@h/d").unwrap().env(env).build().unwrap_err();
    assert_eq!(error.context("setting"), Some("secret_access_key"));
}

#[test]
fn no_secret_is_printed() {
    let env = Env::from_pairs([
        ("AWS_ACCESS_KEY_ID", "canary-id"),
        ("AWS_SECRET_ACCESS_KEY", "canary-key"),
        ("AWS_SESSION_TOKEN", "canary-token"),
    ]);
    let builder = RedshiftBuilder::from_url("redshift://u:canary-password@h/d").unwrap().env(env);
    assert!(!format!("{builder:?}").contains("canary"));
    let config = builder.build().unwrap();
    assert!(!format!("{config:?} {}", config.explain()).contains("canary"), "{config:?}");
}

#[test]
fn a_service_stands_below_the_environment_and_above_the_defaults() {
    let folder = std::env::temp_dir().join(format!("twinhouse-service-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let (own, shared) = (folder.join("own.conf"), folder.join("pg_service.conf"));
    std::fs::write(&own, "# mine\n[prod]\nhost=own-host\nport=5440\ndbname=sales\nuser=ann\npassword=canary\n")
        .unwrap();
    std::fs::write(&shared, "[prod]\nhost=other\n[shared]\nhost=shared-host\ndbname=d\nuser=u\npassword=p\n").unwrap();
    let env = Env::from_pairs([
        ("PGSERVICEFILE", own.to_str().unwrap()),
        ("PGSYSCONFDIR", folder.to_str().unwrap()),
        ("PGPORT", "5441"),
    ]);

    let config = RedshiftBuilder::new().env(env.clone()).service("prod").build().unwrap();
    assert_eq!((config.host(), config.port(), config.database()), ("own-host", 5441, "sales"));
    let explained = config.explain().to_string();
    assert!(explained.contains("profile [prod]") && !explained.contains("canary"), "{explained}");
    let named = RedshiftBuilder::new().env(env.clone().with("PGSERVICE", "shared")).build().unwrap();
    assert_eq!(named.host(), "shared-host");
    let by_url = RedshiftBuilder::from_url("redshift:///?service=shared").unwrap().env(env.clone()).build().unwrap();
    assert_eq!(by_url.host(), "shared-host");

    let error = RedshiftBuilder::new().env(env).service("missing").build().unwrap_err();
    assert_eq!((error.kind(), error.context("service")), (ErrorKind::Config, Some("missing")));
    assert!(error.context("looked in").unwrap().contains("own.conf"), "{error:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_pool_s_limits_are_checked_and_say_where_they_come_from() {
    let config =
        from("redshift://u:p@h/d?pool=4&pool_min=4&idle_timeout=90&max_lifetime=1h&drain_timeout=0&keepalive=1m");
    let pool = config.unwrap().pool;
    assert_eq!((pool.min, pool.idle, pool.drain), (4, Duration::from_secs(90), Duration::ZERO));
    assert_eq!((pool.lifetime, pool.keepalive), (Duration::from_secs(3600), Duration::from_secs(60)));
    for (parameters, setting) in [
        ("pool=2&pool_min=3", "pool_min"),
        ("pool_min=few", "pool_min"),
        ("checkout_timeout=0", "checkout_timeout"),
        ("connect_timeout=0s", "connect_timeout"),
        ("idle_timeout=0", "idle_timeout"),
        ("max_lifetime=never", "max_lifetime"),
        ("keepalive=0", "keepalive"),
        ("auth=kerberos", "auth"),
        ("auto_create=maybe", "auto_create"),
        ("region=eu/../west", "region"),
    ] {
        let error = from(&format!("redshift://u:p@h/d?{parameters}")).unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some(setting)), "{parameters}");
    }
    let env = Env::from_pairs([("REDSHIFT_IDLE_TIMEOUT", "soon")]);
    let error = RedshiftBuilder::from_url("redshift://u:p@h/d").unwrap().env(env).build().unwrap_err();
    assert_eq!(error.context("from"), Some("environment REDSHIFT_IDLE_TIMEOUT"));
}

#[test]
fn the_region_is_that_of_the_host_unless_the_program_says_another() {
    let url = "redshift://u:p@sales.abc.eu-west-1.redshift.amazonaws.com/d";
    let env = Env::from_pairs([("AWS_REGION", "us-east-2")]);
    let config = RedshiftBuilder::from_url(url).unwrap().env(env.clone()).build().unwrap();
    assert_eq!(config.s3.region, "eu-west-1");
    assert!(config.explain().to_string().contains("name of the host"), "{}", config.explain());
    let config =
        RedshiftBuilder::from_url(&format!("{url}?region=ap-south-1")).unwrap().env(env.clone()).build().unwrap();
    assert_eq!(config.s3.region, "ap-south-1");
    let config = RedshiftBuilder::from_url("redshift://u:p@h/d").unwrap().env(env).build().unwrap();
    assert_eq!(config.s3.region, "us-east-2");
}

#[test]
fn a_nul_in_a_name_or_password_is_refused_here() {
    for (url, setting) in [
        ("redshift://u%00:p@h/d", "user"),
        ("redshift://u:p%00canary@h/d", "password"),
        ("redshift://u:p@h/d%00", "database"),
        ("redshift://u:p@h/d?schema=s%00", "schema"),
        ("redshift://u:p@h/d?application_name=a%00", "application_name"),
    ] {
        let error = from(url).unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some(setting)), "{url}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[cfg(feature = "iam")]
#[test]
fn no_password_is_asked_for_where_aws_gives_one() {
    let config = from("redshift://sales.abc.eu-west-1.redshift.amazonaws.com/d?auth=iam").unwrap();
    assert_eq!(config.credentials.name(), "cluster-credentials-with-iam");
    let config = from("redshift://ann@sales.abc.eu-west-1.redshift.amazonaws.com/d?auth=iam").unwrap();
    assert_eq!(config.credentials.name(), "cluster-credentials");
    let config = from("redshift://wg.1.eu-west-1.redshift-serverless.amazonaws.com/d?auth=iam").unwrap();
    assert_eq!(config.credentials.name(), "serverless");
    let error = from("redshift://h/d?auth=secrets-manager").unwrap_err();
    assert_eq!(error.context("setting"), Some("secret"));
    let error = from("redshift://h/d?auth=iam&credential_duration=60").unwrap_err();
    assert_eq!(error.context("setting"), Some("credential_duration"));
}

#[cfg(not(feature = "iam"))]
#[test]
fn credentials_from_aws_are_refused_by_name_where_the_feature_is_off() {
    let error = from("redshift://sales.abc.eu-west-1.redshift.amazonaws.com/d?auth=iam").unwrap_err();
    assert_eq!((error.kind(), error.context("feature")), (ErrorKind::Unsupported, Some("iam")));
}
