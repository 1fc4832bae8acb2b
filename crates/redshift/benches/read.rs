//! Reads 1,000,000 rows of eight columns into Arrow, beside the same rows through plain `tokio-postgres`, in one run.
//!
//! ```sh
//! cargo bench -p twinhouse-redshift --bench read
//! ```
//!
//! The server is a PostgreSQL that is found and started here, or `TWINHOUSE_BENCH_URL`
//! (`redshift://user@host:port/database?sslmode=disable`; its user needs no password). Each side runs in a process of its
//! own, so that the peak of its memory is its own; they take turns, and the best of three runs counts.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use futures::{StreamExt as _, TryStreamExt as _, pin_mut};
use tokio_postgres::{
    NoTls,
    types::{FromSql, Type},
};
use twinhouse_core::config::Env;
use twinhouse_redshift::{RedshiftBuilder, RedshiftWarehouse};
use twinhouse_warehouse_api::WarehouseExt as _;

const ROWS: u64 = 1_000_000;
const RUNS: usize = 3;
const TABLE: &str = "twinhouse_bench";
const COLUMNS: &str = "id, quantity, price, amount, name, day, moment, done";
const NOBODY: u32 = 65_534;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Fallible<()> {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("ours"), Some(url)) => runtime.block_on(ours(&url)),
        (Some("raw"), Some(url)) => runtime.block_on(raw(&url)),
        _ => compare(&runtime),
    }
}

fn compare(runtime: &tokio::runtime::Runtime) -> Fallible<()> {
    let server = match env::var("TWINHOUSE_BENCH_URL") {
        Ok(url) => Server { url, folder: None },
        Err(_) => Server::start()?,
    };
    runtime.block_on(fill(&server.url))?;
    let mut best = [("ours", f64::MAX, 0), ("raw", f64::MAX, 0)];
    for _ in 0..RUNS {
        for (side, seconds, peak) in &mut best {
            let output = Command::new(env::current_exe()?)
                .args([*side, server.url.as_str()])
                .stderr(Stdio::inherit())
                .output()?;
            let said = String::from_utf8(output.stdout)?;
            let (time, memory) = said.trim().split_once(' ').ok_or_else(|| format!("{side} failed"))?;
            *seconds = seconds.min(time.parse()?);
            *peak = (*peak).max(memory.parse::<u64>()?);
        }
    }
    let [(_, ours, our_peak), (_, raw, raw_peak)] = best;
    let rate = |seconds: f64| ROWS as f64 / seconds;
    println!("{ROWS} rows of 8 columns, best of {RUNS}");
    println!("twinhouse-redshift to Arrow  {:>12.0} rows/s  peak {our_peak:>7} KiB", rate(ours));
    println!("tokio-postgres, every value  {:>12.0} rows/s  peak {raw_peak:>7} KiB", rate(raw));
    println!("ratio of times               {:>12.2}", ours / raw);
    Ok(())
}

async fn connect(url: &str) -> Fallible<tokio_postgres::Client> {
    let plain = url.replacen("redshift://", "postgresql://", 1);
    let (client, connection) = tokio_postgres::connect(&plain, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn fill(url: &str) -> Fallible<()> {
    let sql = format!(
        "drop table if exists {TABLE}; create table {TABLE} (id bigint, quantity int, price double precision, \
         amount numeric(18, 2), name varchar(40), day date, moment timestamp, done boolean); \
         insert into {TABLE} select g, g % 1000, g * 0.1, g * 0.01, case when g % 10 = 0 then null else 'customer number ' || g end, \
         date '2020-01-01' + (g % 2000)::int, timestamp '2020-01-01' + g * interval '1 second', g % 3 = 0 \
         from generate_series(1, {ROWS}) g; analyze {TABLE}"
    );
    Ok(connect(url).await?.batch_execute(&sql).await?)
}

async fn ours(url: &str) -> Fallible<()> {
    let warehouse = RedshiftWarehouse::new(RedshiftBuilder::from_url(url)?.env(Env::empty()).password("").build()?)?;
    warehouse.execute("select 1").await?;
    let start = Instant::now();
    let mut stream = warehouse.query(format!("select {COLUMNS} from {TABLE}")).await?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch?.num_rows() as u64;
    }
    report(start, rows)
}

/// A value as it came, for types that `tokio-postgres` alone does not read.
struct Bytes(usize);

impl<'a> FromSql<'a> for Bytes {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.len()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

async fn raw(url: &str) -> Fallible<()> {
    let client = connect(url).await?;
    let start = Instant::now();
    let stream = client.query_raw(&format!("select {COLUMNS} from {TABLE}"), [0_i32; 0]).await?;
    pin_mut!(stream);
    let (mut rows, mut sum) = (0, 0_usize);
    while let Some(row) = stream.try_next().await? {
        rows += 1;
        sum ^= row.get::<_, i64>(0) as usize ^ row.get::<_, i32>(1) as usize ^ row.get::<_, f64>(2).to_bits() as usize;
        sum ^= row.get::<_, Bytes>(3).0 ^ row.get::<_, Option<String>>(4).map_or(0, |text| text.len());
        sum ^= row.get::<_, Bytes>(5).0 ^ row.get::<_, Bytes>(6).0 ^ usize::from(row.get::<_, bool>(7));
    }
    std::hint::black_box(sum);
    report(start, rows)
}

fn report(start: Instant, rows: u64) -> Fallible<()> {
    if rows != ROWS {
        return Err(format!("{rows} rows").into());
    }
    let seconds = start.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    println!("{seconds} {}", peak.trim().trim_end_matches(" kB"));
    Ok(())
}

/// A PostgreSQL for this run.
struct Server {
    url: String,
    folder: Option<(PathBuf, PathBuf)>,
}

impl Server {
    fn start() -> Fallible<Self> {
        let programs = programs().ok_or("no PostgreSQL found: install one, or set TWINHOUSE_BENCH_URL")?;
        let folder = env::temp_dir().join(format!("twinhouse-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        std::os::unix::fs::chown(&folder, nobody(), nobody())?;
        let data = folder.join("data");
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let server = Self {
            url: format!("redshift://bench@127.0.0.1:{port}/postgres?sslmode=disable"),
            folder: Some((programs.clone(), folder.clone())),
        };
        run(program(&programs, "initdb").arg("-D").arg(&data).args([
            "-U",
            "bench",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]))?;
        let options = format!("-p {port} -k {} -c fsync=off -c autovacuum=off", folder.display());
        run(program(&programs, "pg_ctl")
            .arg("-D")
            .arg(&data)
            .args(["-w", "-l"])
            .arg(folder.join("log"))
            .args(["-o", &options, "start"]))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some((programs, folder)) = &self.folder else { return };
        let stopped =
            run(program(programs, "pg_ctl").arg("-D").arg(folder.join("data")).args(["-m", "immediate", "stop"]));
        if let Err(error) = stopped.and_then(|()| Ok(fs::remove_dir_all(folder)?)) {
            eprintln!("left behind {}: {error}", folder.display());
        }
    }
}

fn programs() -> Option<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    versions
        .chain(env::split_paths(&path))
        .find(|folder| folder.join("pg_ctl").exists() && folder.join("initdb").exists())
}

/// PostgreSQL refuses to run as root.
fn nobody() -> Option<u32> {
    let id = Command::new("id").arg("-u").output().ok()?;
    (id.stdout.trim_ascii() == b"0").then_some(NOBODY)
}

fn program(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(folder.join(name));
    if let Some(id) = nobody() {
        command.uid(id).gid(id);
    }
    command.current_dir("/").stdout(Stdio::null());
    command
}

fn run(command: &mut Command) -> Fallible<()> {
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{}: {status}", command.get_program().display()).into()),
    }
}
