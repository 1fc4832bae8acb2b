use super::*;

fn unload(query: &str, key: &str, options: &str) -> String {
    let query = query.replace('\\', "\\\\").replace('\'', "''");
    format!("unload ('{query}') to 's3://{BUCKET}/{key}' iam_role '{ROLE}' {options}")
}

impl Cluster {
    fn text(&self, key: &str) -> String {
        std::fs::read_to_string(self.object(key)).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    fn json(&self, key: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(key)).expect("JSON")
    }

    /// The keys under a prefix, sorted.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let root = self.bucket.path().join(BUCKET);
        let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(key) = path.strip_prefix(&root).ok().and_then(|key| key.to_str()) {
                    found.push(key.to_owned());
                }
            }
        }
        found.retain(|key| key.starts_with(prefix));
        found.sort();
        found
    }
}

const ROWS: &str = "select 1 as a, 'x,\"y' as b, null::varchar as c union all select 2, 'it''s', '' order by 1";

#[tokio::test]
async fn two_slices_write_csv_and_a_notice_counts_the_rows() {
    let cluster = Cluster::start().await;
    let (client, mut notices) = cluster.connect_with_notices().await;
    run(&client, &unload(ROWS, "out/", "csv header manifest")).await;
    assert_eq!(notices.recv().await.expect("a notice"), "INFO: UNLOAD completed, 2 record(s) unloaded successfully.");
    assert_eq!(cluster.keys("out/"), ["out/0000_part_00", "out/0001_part_00", "out/manifest"]);
    assert_eq!(cluster.text("out/0000_part_00"), "a,b,c\n1,\"x,\"\"y\",\n");
    assert_eq!(cluster.text("out/0001_part_00"), "a,b,c\n2,it's,\n");
    let url = |name: &str| serde_json::json!({ "url": format!("s3://{BUCKET}/out/{name}") });
    assert_eq!(
        cluster.json("out/manifest"),
        serde_json::json!({ "entries": [url("0000_part_00"), url("0001_part_00")] })
    );
    assert_eq!(value(&client, "select pg_last_unload_count()").await, "2");
    let id = value(&client, "select pg_last_unload_id()").await;
    let sql = format!(
        "select unloaded_rows, unloaded_files_count, unloaded_files_size, trim(status), trim(file_format) from sys_unload_history where query_id = {id}"
    );
    assert_eq!(rows(&client, &sql).await, [["2", "2", "31", "completed", "CSV"]]);
    let sql = format!("select trim(path), line_count, transfer_size from stl_unload_log where query = {id} order by 1");
    assert_eq!(rows(&client, &sql).await[1], [format!("s3://{BUCKET}/out/0001_part_00").as_str(), "2", "14"]);
}

#[tokio::test]
async fn text_goes_out_and_comes_back_as_it_was() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int, b varchar(100)); create table back (a int, b varchar(100))").await;
    run(
        &client,
        "insert into t values (1, 'a|b\\\\c'), (2, 'two\nlines'), (3, null), (4, 'it''s \"quoted\"'), (5, '')",
    )
    .await;
    run(&client, &unload("select * from t order by a", "t_", "escape parallel off null as '\\\\N'")).await;
    assert_eq!(cluster.keys("t_"), ["t_000"]);
    assert_eq!(cluster.text("t_000"), "1|a\\|b\\\\c\n2|two\\\nlines\n3|\\N\n4|it's \"quoted\"\n5|\n");
    run(&client, &format!("copy back from 's3://{BUCKET}/t_000' iam_role '{ROLE}' escape")).await;
    let all = "select * from t order by a";
    assert_eq!(rows(&client, "select * from back order by a").await, rows(&client, all).await);
    run(&client, "delete from back").await;
    run(
        &client,
        &unload("select a, nvl(b, 'none') from t where a <> 2", "q_", "addquotes gzip parallel off delimiter ';'"),
    )
    .await;
    assert_eq!(cluster.keys("q_"), ["q_000.gz"]);
    run(
        &client,
        &format!("copy back from 's3://{BUCKET}/q_' iam_role '{ROLE}' removequotes gzip delimiter ';' maxerror 5"),
    )
    .await;
    assert_eq!(rows(&client, "select a, b from back where a = 1").await, [["1", "a|b\\c"]]);
}

#[tokio::test]
async fn documents_fixed_widths_and_compressed_files_are_written() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let query = "select 1 as id, true as ok, 'a\"b' as s, null::int as n, json_parse('{\"x\": [1, 2]}') as j, 1.50::decimal(4,2) as d";
    run(&client, &unload(query, "j/", "format json parallel off")).await;
    assert_eq!(
        cluster.text("j/000"),
        "{\"id\":1,\"ok\":\"t\",\"s\":\"a\\\"b\",\"n\":null,\"j\":{\"x\":[1,2]},\"d\":1.50}\n"
    );
    run(&client, &unload("select 7 as n, 'ab' as s", "f/", "fixedwidth 'n:3,s:4' parallel off")).await;
    assert_eq!(cluster.text("f/000"), "  7ab  \n");
    assert!(failure(&client, &unload("select 'abcde' as s", "f2/", "fixedwidth 's:4'")).await.1.contains("too narrow"));
    run(&client, &unload("select 1 as a where 1 = 0", "none/", "format json")).await;
    assert!(cluster.keys("none/").is_empty(), "no rows, no documents");
    run(&client, &unload("select 1 as a where 1 = 0", "empty/", "csv header extension 'csv'")).await;
    assert_eq!(cluster.keys("empty/"), ["empty/0000_part_00.csv", "empty/0001_part_00.csv"]);
    run(&client, "create table back (a int, b varchar(10))").await;
    for (option, suffix) in [("zstd", ".zst"), ("bzip2", ".bz2"), ("gzip", ".gz")] {
        run(&client, &unload("select 1 as a, 'x' as b", option, &format!("csv {option} parallel off"))).await;
        assert_eq!(cluster.keys(option), [format!("{option}000{suffix}")]);
        run(&client, &format!("copy back from 's3://{BUCKET}/{option}' iam_role '{ROLE}' csv {option}")).await;
    }
    assert_eq!(value(&client, "select count(*) from back where a = 1 and b = 'x'").await, "3");
}

#[tokio::test]
async fn partitions_are_folders_and_their_columns_leave_the_files() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let query = "select 1 as a, 'x/y' as p union all select 2, null union all select 3, 'z' order by 1";
    run(&client, &unload(query, "part", "csv partition by (p) parallel off manifest")).await;
    let keys = ["part/manifest", "part/p=__HIVE_DEFAULT_PARTITION__/000", "part/p=x%2Fy/000", "part/p=z/000"];
    assert_eq!(cluster.keys("part"), keys);
    assert_eq!(cluster.text("part/p=z/000"), "3\n");
    run(&client, &unload(query, "with", "csv partition by (p) include parallel off")).await;
    assert_eq!(cluster.text("with/p=z/000"), "3,z\n");
    assert_eq!(failure(&client, &unload("select 1 as a", "x", "csv partition by (b)")).await.0, "42703");
    assert_eq!(failure(&client, &unload("select 1 as a", "x", "csv partition by (a)")).await.0, "0A000");
}

#[tokio::test]
async fn parquet_with_a_verbose_manifest_can_be_copied_back_exactly() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    let columns =
        "b bool, i bigint, s smallint, f real, g float, n decimal(38, 9), t varchar(20), d date, m timestamp, j super";
    run(&client, &format!("create table t ({columns}); create table back ({columns})")).await;
    run(&client, "insert into t select true, -9223372036854775808, -5, 1.1, 'NaN', -12345678901234567890123456789.123456789, 'ü', \
                  '0001-01-01', '9999-12-31 23:59:59.999999', json_parse('{\"a\": 1}')").await;
    run(&client, "insert into t (i) values (1), (2)").await;
    run(&client, &unload("select * from t", "p/", "format parquet manifest verbose")).await;
    assert_eq!(cluster.keys("p/"), ["p/0000_part_00.parquet", "p/0001_part_00.parquet", "p/manifest"]);
    let manifest = cluster.json("p/manifest");
    assert_eq!(manifest["meta"]["record_count"], 3);
    assert_eq!(
        manifest["schema"]["elements"][5]["type"],
        serde_json::json!({ "base": "numeric", "precision": 38, "scale": 9 })
    );
    assert_eq!(manifest["author"]["name"], "Amazon Redshift");
    run(&client, &format!("copy back from 's3://{BUCKET}/p/manifest' iam_role '{ROLE}' format parquet manifest")).await;
    let all = |table: &str| format!("select b, i, s, f, g, n, t, d, m from {table} order by i");
    assert_eq!(rows(&client, &all("back")).await, rows(&client, &all("t")).await);
    // A sum has no stated digits: it gets those of its values.
    run(&client, &unload("select sum(n) as total from t", "s/", "format parquet manifest verbose")).await;
    assert_eq!(cluster.json("s/manifest")["schema"]["elements"][0]["type"]["scale"], 9);
    run(&client, &unload("select 1 as a where 1 = 0", "e/", "format parquet manifest verbose")).await;
    assert_eq!(cluster.keys("e/"), ["e/manifest"]);
    assert_eq!(failure(&client, &unload("select from_hex('00') as v", "v/", "format parquet")).await.0, "0A000");
}

#[tokio::test]
async fn a_file_ends_at_its_size_and_what_is_there_is_safe() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (s varchar(2000))").await;
    run(&client, "insert into t values (repeat('x', 1000))").await;
    for _ in 0..13 {
        run(&client, "insert into t select * from t").await;
    }
    run(&client, &unload("select * from t", "big/", "parallel off maxfilesize 5 mb")).await;
    assert_eq!(cluster.keys("big/"), ["big/000", "big/001"]);
    let sizes: Vec<_> = cluster.keys("big/").iter().map(|key| cluster.text(key).len()).collect();
    assert!(
        sizes[0] >= 5 << 20 && sizes[0] < (5 << 20) + 2000 && sizes.iter().sum::<usize>() == 8192 * 1001,
        "{sizes:?}"
    );

    let again = |options: &str| unload("select 1 as a", "big/", &format!("parallel off {options}"));
    let (code, message) = failure(&client, &again("")).await;
    assert!(code == "XX000" && message.starts_with("Specified unload destination on S3 is not empty"), "{message}");
    run(&client, &again("allowoverwrite")).await;
    assert_eq!((cluster.text("big/000").as_str(), cluster.keys("big/").len()), ("1\n", 2));
    run(&client, &again("cleanpath")).await;
    assert_eq!(cluster.keys("big/"), ["big/000"]);
}

#[tokio::test]
async fn an_unload_sees_its_own_transaction_and_fails_as_other_statements_do() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int); begin; insert into t values (1), (2)").await;
    run(&client, &unload("select nvl(a, 0), getdate() > '2000-01-01' from t", "in/", "csv parallel off")).await;
    assert_eq!(cluster.text("in/000"), "1,t\n2,t\n");
    assert_eq!(failure(&client, &unload("select * from missing", "x/", "csv")).await.0, "42P01");
    assert_eq!(failure(&client, "select 1").await.0, "25P02");
    assert_eq!(failure(&client, &unload("select 1 as a", "x/", "csv")).await.0, "25P02");
    run(&client, "rollback").await;
    assert_eq!(failure(&client, &unload("select 1 / 0 as a", "x/", "csv")).await.0, "22012");
    assert!(cluster.keys("x/").is_empty(), "a failed unload leaves nothing");
    assert_eq!(failure(&client, &unload("select e'x'", "x/", "csv")).await.0, "42704");
    assert_eq!(failure(&client, &unload("select 1 limit 1", "x/", "csv")).await.0, "0A000");
    let stranger = "unload ('select 1') to 's3://staging/x/' iam_role 'arn:aws:iam::1:role/other'";
    assert_eq!(failure(&client, stranger).await.0, "XX000");
    let nowhere = format!("unload ('select 1') to 's3://nowhere/x/' iam_role '{ROLE}'");
    assert!(failure(&client, &nowhere).await.1.contains("NoSuchBucket"));
}

/// Such a process cannot be made of this one, which other tests use: it is started anew.
#[test]
fn partitions_may_be_more_than_the_files_a_shell_allows() {
    const CHILD: &str = "TWINHOUSE_TEST_FEW_FILES";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(async {
            let cluster = Cluster::start().await;
            let client = cluster.connect().await;
            let query = "select k, k as v from generate_series(1, 300) k";
            run(&client, &unload(query, "out", "csv partition by (k)")).await;
            assert_eq!(cluster.keys("out/").len(), 300);
        });
    }
    let me = std::env::current_exe().expect("this test");
    let test = "redshift::tests::unload::partitions_may_be_more_than_the_files_a_shell_allows";
    let script = "ulimit -S -n 200 && exec \"$0\" --exact \"$1\"";
    let mut child = std::process::Command::new("sh");
    let done = child.args(["-c", script]).arg(me).arg(test).env(CHILD, "yes").output().expect("started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
