use super::*;

#[tokio::test]
async fn a_client_connects_in_the_clear_and_over_tls_and_is_told_it_is_redshift() {
    let cluster = Cluster::start().await;
    let (client, connection) = cluster.config().connect(NoTls).await.expect("in the clear");
    assert_eq!(connection.parameter("server_version"), Some("8.0.2"));
    assert_eq!(connection.parameter("standard_conforming_strings"), None);
    tokio::spawn(connection);
    let version = value(&client, "select version()").await;
    assert!(version.starts_with("PostgreSQL 8.0.2 on ") && version.contains(", Redshift 1.0."), "{version}");

    let mut config = cluster.config();
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    let (client, connection) = config.connect(cluster.tls()).await.expect("over TLS");
    tokio::spawn(connection);
    assert_eq!(value(&client, "select 1").await, "1");
}

#[tokio::test]
async fn a_wrong_password_or_user_is_28000_and_an_unknown_database_3d000() {
    let cluster = Cluster::start().await;
    let refused = async |config: &Config| refusal(cluster.connect_with(config).await.expect_err("let in"));
    let mut config = cluster.config();
    config.password("wrong");
    let expected = format!("password authentication failed for user \"{USER}\"");
    assert_eq!(refused(&config).await, ("28000".to_owned(), expected));
    let mut config = cluster.config();
    config.user("nobody");
    assert_eq!(refused(&config).await.0, "28000");
    let mut config = cluster.config();
    config.user("twinhouse");
    assert_eq!(refused(&config).await.0, "28000");
    for database in ["nothing", "template1", "postgres", "twinhouse_template"] {
        let mut config = cluster.config();
        config.dbname(database);
        assert_eq!(refused(&config).await, ("3D000".to_owned(), format!("database \"{database}\" does not exist")));
    }
}

#[tokio::test]
async fn without_tls_nobody_enters_a_cluster_that_requires_it() {
    let cluster = Cluster::with(true).await;
    let error = refusal(cluster.connect_with(&cluster.config()).await.expect_err("let in"));
    assert!(error.0 == "28000" && error.1.ends_with("SSL off"), "{error:?}");
    let mut config = cluster.config();
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    let (client, connection) = config.connect(cluster.tls()).await.expect("over TLS");
    tokio::spawn(connection);
    assert_eq!(value(&client, "select 1").await, "1");
}
