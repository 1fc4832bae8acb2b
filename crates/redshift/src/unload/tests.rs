use async_trait::async_trait;
use proptest::prelude::*;
use twinhouse_core::{Error, ErrorKind};
use twinhouse_warehouse_api::{StatementRequest, UnloadRequest};

use super::*;
use crate::{
    copy::Compression,
    testing::{Answers, Say, cluster, literals, without_literals},
    wire::script::Log,
};

fn unload(format: UnloadFormat) -> UnloadCommand {
    UnloadCommand::new("select 1 as one", "s3://b/k/", format)
}

fn tail(command: UnloadCommand) -> String {
    command.to_sql().unwrap().split_once("IAM_ROLE default").unwrap().1.trim().to_owned()
}

fn refusal(command: UnloadCommand) -> Error {
    let error = command.to_sql().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    error
}

fn fixed() -> UnloadFormat {
    UnloadFormat::FixedWidth(vec![("a".into(), 3)])
}

#[test]
fn every_format_and_option_is_written_as_documented() {
    use UnloadOption as O;
    assert_eq!(
        unload(UnloadFormat::Text).to_sql().unwrap(),
        "UNLOAD ('select 1 as one') TO 's3://b/k/' IAM_ROLE default"
    );
    for (format, expected) in [
        (UnloadFormat::Csv, "FORMAT AS CSV"),
        (UnloadFormat::Json, "FORMAT AS JSON"),
        (UnloadFormat::Parquet, "FORMAT AS PARQUET"),
        (fixed(), "FIXEDWIDTH AS 'a:3'"),
    ] {
        assert_eq!(tail(unload(format)), expected);
    }
    let columns = || vec!["day".to_owned(), "it\"s".to_owned()];
    for (option, expected) in [
        (O::PartitionBy { columns: columns(), include: false }, "PARTITION BY (\"day\", \"it\"\"s\")"),
        (O::PartitionBy { columns: columns(), include: true }, "PARTITION BY (\"day\", \"it\"\"s\") INCLUDE"),
        (O::Manifest { verbose: false }, "MANIFEST"),
        (O::Manifest { verbose: true }, "MANIFEST VERBOSE"),
        (O::Header, "HEADER"),
        (O::Delimiter(';'), "DELIMITER AS ';'"),
        (O::AddQuotes, "ADDQUOTES"),
        (O::Escape, "ESCAPE"),
        (O::NullAs("\\N".into()), "NULL AS '\\\\N'"),
        (O::Compressed(Compression::Zstd), "ZSTD"),
        (O::Encrypted { kms_key_id: None }, "ENCRYPTED AUTO"),
        (O::Encrypted { kms_key_id: Some("k-1".into()) }, "KMS_KEY_ID 'k-1' ENCRYPTED"),
        (O::AllowOverwrite, "ALLOWOVERWRITE"),
        (O::CleanPath, "CLEANPATH"),
        (O::Parallel(false), "PARALLEL OFF"),
        (O::MaxFileSize(5), "MAXFILESIZE AS 5 MB"),
        (O::Region("eu-west-1".into()), "REGION AS 'eu-west-1'"),
        (O::Extension("txt".into()), "EXTENSION 'txt'"),
    ] {
        assert_eq!(tail(unload(UnloadFormat::Text).with(option)), expected);
    }
    assert_eq!(
        tail(unload(UnloadFormat::Parquet).with(O::RowGroupSize(32))),
        "FORMAT AS PARQUET ROWGROUPSIZE AS 32 MB"
    );
}

#[test]
fn what_does_not_go_together_is_refused_with_the_reason() {
    use UnloadOption as O;
    let all = || {
        vec![
            O::PartitionBy { columns: vec!["a".into()], include: false },
            O::Manifest { verbose: true },
            O::Header,
            O::Delimiter(';'),
            O::AddQuotes,
            O::Escape,
            O::NullAs("x".into()),
            O::Compressed(Compression::Gzip),
            O::Compressed(Compression::Bzip2),
            O::Compressed(Compression::Lzop),
            O::Compressed(Compression::Zstd),
            O::Encrypted { kms_key_id: None },
            O::AllowOverwrite,
            O::CleanPath,
            O::Parallel(true),
            O::MaxFileSize(100),
            O::RowGroupSize(64),
            O::Region("eu-west-1".into()),
            O::Extension("x".into()),
        ]
    };
    for (format, refused) in [
        (UnloadFormat::Text, "LZOP ROWGROUPSIZE"),
        (UnloadFormat::Csv, "ADDQUOTES ESCAPE LZOP ROWGROUPSIZE"),
        (fixed(), "HEADER DELIMITER ADDQUOTES ESCAPE LZOP ROWGROUPSIZE"),
        (UnloadFormat::Json, "HEADER DELIMITER ADDQUOTES ESCAPE NULL AS LZOP ROWGROUPSIZE"),
        (UnloadFormat::Parquet, "HEADER DELIMITER ADDQUOTES ESCAPE NULL AS GZIP BZIP2 LZOP ZSTD"),
    ] {
        let no = all().into_iter().filter(|option| unload(format.clone()).with(option.clone()).to_sql().is_err());
        let words: Vec<_> = no.map(|option| option.word()).collect();
        assert_eq!(words.join(" "), refused, "{}", format.word());
    }
    refusal(unload(UnloadFormat::Csv).with(O::AllowOverwrite).with(O::CleanPath));
    for option in [
        O::PartitionBy { columns: Vec::new(), include: true },
        O::PartitionBy { columns: vec!["a".into(), "a".into()], include: true },
        O::MaxFileSize(4),
        O::MaxFileSize(6349),
        O::Delimiter('é'),
        O::NullAs("\n".into()),
        O::Region(String::new()),
        O::Extension(String::new()),
        O::Encrypted { kms_key_id: Some(String::new()) },
    ] {
        let word = option.word();
        assert_eq!(refusal(unload(UnloadFormat::Text).with(option)).context("option"), Some(word));
    }
    for mb in [31, 129] {
        refusal(unload(UnloadFormat::Parquet).with(O::RowGroupSize(mb)));
    }
    refusal(UnloadCommand::new("select 1", "/tmp/x", UnloadFormat::Csv));
    refusal(UnloadCommand::new("delete from t", "s3://b/k", UnloadFormat::Csv));
}

#[test]
fn the_manifest_lies_at_the_prefix_and_below_the_slash_of_partitions() {
    let manifest = UnloadOption::Manifest { verbose: false };
    let at = |destination: &str| UnloadCommand::new("select 1", destination, UnloadFormat::Text).with(manifest.clone());
    assert_eq!(at("s3://b/x_").manifest_url().as_deref(), Some("s3://b/x_manifest"));
    let partitions = UnloadOption::PartitionBy { columns: vec!["a".into()], include: false };
    assert_eq!(at("s3://b/x").with(partitions).manifest_url().as_deref(), Some("s3://b/x/manifest"));
    assert_eq!(unload(UnloadFormat::Text).manifest_url(), None);
}

proptest! {
    /// Pain point: Data API parameters and bind values inside the text of an UNLOAD do not work.
    #[test]
    fn hostile_values_stay_values_of_the_query_and_the_query_stays_one_literal(value in "[^\0]{0,16}", null in "[^\0\r\n]{0,8}") {
        let query = StatementRequest::read("select * from t where a = :v").bind("v", value.clone());
        let sql = UnloadCommand::new(query, "s3://b/k", UnloadFormat::Csv).with(UnloadOption::NullAs(null.clone())).to_sql().unwrap();
        let outer = literals(&sql);
        prop_assert_eq!(outer.len(), 3);
        prop_assert_eq!(&literals(&outer[0]), &[value]);
        prop_assert_eq!(without_literals(&outer[0]), "select * from t where a = ?");
        prop_assert_eq!(&outer[2], &null);
        prop_assert_eq!(without_literals(&sql), "UNLOAD (?) TO ? IAM_ROLE default FORMAT AS CSV NULL AS ?");
    }
}

/// Hangs up after the UNLOAD; the history knows all the same.
struct Forgetful;

#[async_trait]
impl Answers for Forgetful {
    async fn answer(&mut self, sql: &str) -> Say {
        match sql {
            sql if sql.starts_with("UNLOAD ") => Say::done("UNLOAD"),
            sql if sql.contains("pg_last_unload_id") => Say::HangUp,
            sql if sql.contains("FROM sys_unload_history WHERE session_id = 1 ") => Say::row(&["7", "42", "2", "999"]),
            other => panic!("asked {other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_session_wrote_before_it_was_lost_is_counted_all_the_same() {
    let log = Log::default();
    let cluster = cluster(&log, None, || Forgetful);
    let report = super::unload(&cluster, UnloadRequest::parquet("select 1 as one", "s3://b/k/")).await.unwrap();
    assert_eq!((report.rows, report.files, report.bytes), (42, 2, 999));
}
