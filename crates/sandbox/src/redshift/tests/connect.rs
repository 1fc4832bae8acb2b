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

#[tokio::test]
async fn the_parameters_of_redshifts_own_drivers_are_taken_and_newer_protocols_are_not() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let cluster = Cluster::start().await;
    let ask = async |protocol: u32, parameters: &[&str]| {
        let mut body = protocol.to_be_bytes().to_vec();
        parameters.iter().for_each(|text| body.extend([text.as_bytes(), &[0]].concat()));
        body.push(0);
        let mut socket = tokio::net::TcpStream::connect(cluster.front.address()).await.expect("connected");
        socket.write_u32(u32::try_from(body.len() + 4).expect("short")).await.expect("sent");
        socket.write_all(&body).await.expect("sent");
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.expect("an answer");
        head
    };
    let parameters = [
        "user",
        USER,
        "database",
        &cluster.database,
        "client_protocol_version",
        "2",
        "driver_version",
        "Redshift Python Driver 2.1.15",
        "os_version",
        "Linux",
        "driver_discovery_version",
        "1",
        "application_name",
        "x",
    ];
    // AuthenticationMD5Password.
    assert_eq!(ask(196_608, &parameters).await, [b'R', 0, 0, 0, 12, 0, 0, 0, 5]);
    assert_eq!(ask(131_072, &parameters).await[0], b'E');
}

#[tokio::test]
async fn psql_connects_queries_and_is_refused_like_anyone() {
    let Ok(version) = std::process::Command::new("psql").arg("--version").output() else {
        println!("psql is not installed: nothing to show");
        return;
    };
    assert!(version.status.success());
    let cluster = Cluster::start().await;
    let url = format!(
        "host=127.0.0.1 port={} user={USER} dbname={} sslmode=require",
        cluster.front.address().port(),
        cluster.database
    );
    let psql = async |commands: &[&str]| {
        let mut command = tokio::process::Command::new("psql");
        command.args(["-X", "-A", "-t", "-d", &url]).env("PGPASSWORD", PASSWORD);
        commands.iter().for_each(|sql| {
            command.args(["-c", sql]);
        });
        let done = command.output().await.expect("psql runs");
        (String::from_utf8_lossy(&done.stdout).into_owned(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let commands =
        ["create table t (a int, b varchar)", "insert into t values (1, 'x'), (2, null)", "select * from t order by a"];
    let (out, errors) = psql(&commands).await;
    assert_eq!((out.as_str(), errors.as_str()), ("CREATE TABLE\nINSERT 0 2\n1|x\n2|\n", ""));
    let (_, errors) = psql(&["savepoint a"]).await;
    assert_eq!(errors, "ERROR:  SQL command \"savepoint a\" not supported.\n");
}
