use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio_postgres::{Client, NoTls};
use twinhouse_core::ErrorKind;

use super::{Postgres, PostgresAddress, PostgresOptions, identity::Identity};

async fn connect(address: &PostgresAddress) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host_path(&address.sockets)
        .port(address.port)
        .user(address.admin)
        .password(address.password.expose())
        .dbname("postgres")
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

fn pid(postgres: &Postgres) -> Pid {
    let raw = postgres.pid().expect("it runs");
    Pid::from_raw(raw.cast_signed()).expect("not zero")
}

fn in_temporary_folder() -> (tempfile::TempDir, PostgresOptions) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = PostgresOptions::new(folder.path().join("postgres"));
    (folder, options)
}

#[tokio::test]
async fn it_starts_answers_and_leaves_no_process_socket_or_lock_behind() {
    let (folder, options) = in_temporary_folder();
    let postgres = Postgres::start(options.clone()).await.expect("started");
    let client = connect(postgres.address()).await.expect("connected");
    client.batch_execute("create table kept (a int); insert into kept values (7)").await.expect("written");
    let (server, sockets) = (pid(&postgres), postgres.address().sockets.clone());
    postgres.stop().await;
    assert!(test_kill_process(server).is_err(), "the server is still there");
    assert!(!folder.path().join("postgres/cluster/postmaster.pid").exists());
    drop(postgres);
    assert!(!sockets.exists());

    // The same folder again: what was written is there, under the same password.
    let postgres = Postgres::start(options).await.expect("started again");
    let client = connect(postgres.address()).await.expect("connected");
    let row = client.query_one("select a from kept", &[]).await.expect("read");
    assert_eq!(row.get::<_, i32>(0), 7);
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let (_folder, options) = in_temporary_folder();
    let postgres = Postgres::start(options).await.expect("started");
    let wrong = PostgresAddress { password: "wrong".into(), ..postgres.address().clone() };
    let error = connect(&wrong).await.expect_err("let in with a wrong password");
    assert_eq!(error.code().map(|code| code.code()), Some("28P01"));
}

#[tokio::test]
async fn dropping_it_stops_the_server() {
    let (_folder, options) = in_temporary_folder();
    let postgres = Postgres::start(options).await.expect("started");
    let server = pid(&postgres);
    drop(postgres);
    assert!(test_kill_process(server).is_err(), "the server is still there");
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_data() {
    let (_folder, options) = in_temporary_folder();
    let postgres = Postgres::start(options).await.expect("started");
    let client = connect(postgres.address()).await.expect("connected");
    client.batch_execute("create table kept (a int); insert into kept values (7); checkpoint").await.expect("written");
    let before = pid(&postgres);
    kill_process(before, Signal::KILL).expect("killed");
    while postgres.pid() == Some(before.as_raw_nonzero().get().unsigned_abs()) {
        tokio::task::yield_now().await;
    }
    let client = loop {
        if let Ok(client) = connect(postgres.address()).await {
            break client;
        }
        tokio::task::yield_now().await;
    };
    let row = client.query_one("select a from kept", &[]).await.expect("read");
    assert_eq!(row.get::<_, i32>(0), 7);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_the_servers_own_words() {
    let (_folder, options) = in_temporary_folder();
    let _running = Postgres::start(options.clone()).await.expect("started");
    let error = Postgres::start(options).await.expect_err("two servers in one folder");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.context("log").is_some_and(|log| log.contains("postmaster.pid")), "{error}");
}

#[tokio::test]
async fn a_lock_whose_number_has_gone_to_another_process_does_not_count() {
    let (folder, options) = in_temporary_folder();
    let postgres = Postgres::start(options.clone()).await.expect("started");
    postgres.stop().await;
    let mut other = std::process::Command::new("sleep");
    other.arg("600");
    // The server asks only after processes of its own user.
    Identity::choose().expect("a user").apply(&mut other);
    let mut other = other.spawn().expect("spawned");
    std::fs::write(folder.path().join("postgres/cluster/postmaster.pid"), format!("{}\n", other.id()))
        .expect("written");
    let again = Postgres::start(options).await;
    other.kill().expect("killed");
    other.wait().expect("reaped");
    again.expect("started again");
}

#[tokio::test]
async fn a_folder_of_another_version_is_refused_by_name() {
    let (folder, options) = in_temporary_folder();
    let cluster = folder.path().join("postgres/cluster");
    std::fs::create_dir_all(&cluster).expect("made");
    std::fs::write(cluster.join("PG_VERSION"), "9\n").expect("written");
    let error = Postgres::start(options).await.expect_err("started on another version's files");
    assert_eq!((error.kind(), error.context("made by")), (ErrorKind::Config, Some("9")));
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let error = Postgres::start(PostgresOptions::new(Path::new("/proc/none/postgres"))).await.expect_err("impossible");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.context("path"), Some("/proc/none/postgres"));
}

const CHILD: &str = "TWINHOUSE_TEST_ORPHAN_FOLDER";

/// This program again, which starts a server of its own.
fn parent(folder: &Path) -> std::process::Command {
    let mut parent = std::process::Command::new(std::env::current_exe().expect("this test"));
    parent.args(["--exact", "--nocapture", "postgres::tests::the_server_ends_when_its_parent_is_killed_outright"]);
    parent.env(CHILD, folder.join("postgres")).stdout(std::process::Stdio::piped());
    parent
}

/// Looks again until it holds; gives up only where nothing will come any more.
fn holds_soon(holds: impl Fn() -> bool) -> bool {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
    while !holds() && std::time::Instant::now() < deadline {
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    holds()
}

/// Nothing runs yet, and the folder of the sockets is there already.
#[test]
fn a_parent_that_is_killed_while_it_starts_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).expect("made");
    let is_empty = || std::fs::read_dir(&temporary).expect("a folder").next().is_none();
    let mut parent = parent(folder.path()).env("TMPDIR", &temporary).spawn().expect("spawned");
    assert!(holds_soon(|| !is_empty()), "it never started");
    parent.kill().expect("killed");
    parent.wait().expect("reaped");
    assert!(holds_soon(is_empty), "the socket folder was left behind");
}

/// The parent is another process that is killed outright: only the watchdog can end the server then.
#[test]
fn the_server_ends_when_its_parent_is_killed_outright() {
    use std::io::BufRead as _;
    if let Some(folder) = std::env::var_os(CHILD) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let postgres = runtime.block_on(Postgres::start(PostgresOptions::new(folder))).expect("started");
        println!("\nserver {} {}", postgres.pid().expect("it runs"), postgres.address().sockets.display());
        std::thread::park();
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut parent = parent(folder.path()).spawn().expect("spawned");
    let output = std::io::BufReader::new(parent.stdout.take().expect("piped"));
    let line = output.lines().map_while(Result::ok).find(|line| line.starts_with("server ")).expect("it started");
    let mut words = line.split(' ').skip(1);
    let server = Pid::from_raw(words.next().expect("a pid").parse().expect("a number")).expect("not zero");
    let sockets = std::path::PathBuf::from(words.next().expect("a folder"));
    assert!(test_kill_process(server).is_ok());
    parent.kill().expect("killed");
    parent.wait().expect("reaped");
    // Where nobody reaps orphans a zombie keeps its id: its state tells.
    let stat = format!("/proc/{}/stat", server.as_raw_nonzero());
    let gone =
        || test_kill_process(server).is_err() || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "));
    assert!(holds_soon(gone), "the server outlived its parent");
    assert!(holds_soon(|| !sockets.exists()), "the socket folder was left behind");
}
