use proptest::prelude::*;
use twinhouse_core::{Error, ErrorKind};
use twinhouse_warehouse_api::TableRef;

use super::*;
use crate::testing::{literals, without_literals};

fn copy(format: CopyFormat) -> CopyCommand {
    from(CopySource::s3("s3://b/k"), format)
}

fn from(source: CopySource, format: CopyFormat) -> CopyCommand {
    CopyCommand::new(TableRef::new("t").with_schema("s"), source, format)
}

fn sql(command: CopyCommand) -> String {
    command.to_sql().unwrap()
}

fn tail(command: CopyCommand) -> String {
    sql(command).split_once("IAM_ROLE default").unwrap().1.trim().to_owned()
}

fn refusal(command: CopyCommand) -> Error {
    let error = command.to_sql().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    error
}

#[test]
fn every_source_is_written_as_documented() {
    let t = || CopyFormat::Text;
    assert_eq!(sql(copy(t())), "COPY \"s\".\"t\" FROM 's3://b/k' IAM_ROLE default");
    assert_eq!(
        sql(from(CopySource::manifest("s3://b/m"), t())),
        "COPY \"s\".\"t\" FROM 's3://b/m' IAM_ROLE default MANIFEST"
    );
    assert_eq!(
        sql(from(CopySource::Ssh("s3://b/m".into()), t())),
        "COPY \"s\".\"t\" FROM 's3://b/m' IAM_ROLE default SSH"
    );
    let emr = CopySource::Emr { cluster: "j-SAMPLE2B500FC".into(), path: "/out/part-*".into() };
    assert_eq!(sql(from(emr, t())), "COPY \"s\".\"t\" FROM 'emr://j-SAMPLE2B500FC/out/part-*' IAM_ROLE default");
    let dynamo = CopySource::DynamoDb { table: "Products".into(), read_ratio: 50 };
    let command = from(dynamo, t()).with(CopyOption::Region("eu-west-1".into()));
    assert_eq!(
        sql(command),
        "COPY \"s\".\"t\" FROM 'dynamodb://Products' IAM_ROLE default READRATIO 50 REGION AS 'eu-west-1'"
    );
}

#[test]
fn every_format_is_written_as_documented() {
    for (format, expected) in [
        (CopyFormat::Text, ""),
        (CopyFormat::Csv, "FORMAT AS CSV"),
        (CopyFormat::FixedWidth(vec![("a".into(), 3), ("b".into(), 10)]), "FIXEDWIDTH AS 'a:3,b:10'"),
        (CopyFormat::Json(FieldMapping::Auto), "FORMAT AS JSON 'auto'"),
        (CopyFormat::Json(FieldMapping::AutoIgnoreCase), "FORMAT AS JSON 'auto ignorecase'"),
        (CopyFormat::Json(FieldMapping::Paths("s3://b/p.json".into())), "FORMAT AS JSON 's3://b/p.json'"),
        (CopyFormat::Json(FieldMapping::NoShred), "FORMAT AS JSON 'noshred'"),
        (CopyFormat::Avro(FieldMapping::Auto), "FORMAT AS AVRO 'auto'"),
        (CopyFormat::Parquet, "FORMAT AS PARQUET"),
        (CopyFormat::Orc, "FORMAT AS ORC"),
        (CopyFormat::Shapefile(None), "FORMAT AS SHAPEFILE"),
        (CopyFormat::Shapefile(Some(Simplify::Auto)), "FORMAT AS SHAPEFILE SIMPLIFY AUTO"),
        (CopyFormat::Shapefile(Some(Simplify::AutoWithin(1.1))), "FORMAT AS SHAPEFILE SIMPLIFY AUTO 1.1"),
        (CopyFormat::Shapefile(Some(Simplify::All(0.5))), "FORMAT AS SHAPEFILE SIMPLIFY 0.5"),
    ] {
        assert_eq!(tail(copy(format)), expected);
    }
}

#[test]
fn every_option_is_written_as_documented() {
    use CopyOption as O;
    for (option, expected) in [
        (O::Delimiter('\t'), "DELIMITER AS '\t'"),
        (O::Delimiter('\\'), "DELIMITER AS '\\\\'"),
        (O::Compressed(Compression::Gzip), "GZIP"),
        (O::Compressed(Compression::Lzop), "LZOP"),
        (O::Region("eu-west-1".into()), "REGION AS 'eu-west-1'"),
        (O::AcceptAnyDate, "ACCEPTANYDATE"),
        (O::AcceptInvalidChars('^'), "ACCEPTINVCHARS AS '^'"),
        (O::BlanksAsNull, "BLANKSASNULL"),
        (O::DateFormat("MM/DD/YYYY".into()), "DATEFORMAT AS 'MM/DD/YYYY'"),
        (O::EmptyAsNull, "EMPTYASNULL"),
        (O::Encoding(Encoding::Utf16Le), "ENCODING AS UTF16LE"),
        (O::Escape, "ESCAPE"),
        (O::ExplicitIds, "EXPLICIT_IDS"),
        (O::FillRecord, "FILLRECORD"),
        (O::IgnoreBlankLines, "IGNOREBLANKLINES"),
        (O::IgnoreHeader(2), "IGNOREHEADER 2"),
        (O::NullAs("it's null".into()), "NULL AS 'it''s null'"),
        (O::RemoveQuotes, "REMOVEQUOTES"),
        (O::RoundDecimals, "ROUNDEC"),
        (O::TimeFormat("epochmillisecs".into()), "TIMEFORMAT AS 'epochmillisecs'"),
        (O::TrimBlanks, "TRIMBLANKS"),
        (O::TruncateColumns, "TRUNCATECOLUMNS"),
        (O::CompressionRows(1000), "COMPROWS 1000"),
        (O::CompressionUpdate(Presence::Preset), "COMPUPDATE PRESET"),
        (O::CompressionUpdate(Presence::Off), "COMPUPDATE OFF"),
        (O::StatisticsUpdate(true), "STATUPDATE ON"),
        (O::MaxErrors(100_000), "MAXERROR 100000"),
        (O::IgnoreAllErrors, "IGNOREALLERRORS"),
        (O::NoLoad, "NOLOAD"),
    ] {
        assert_eq!(tail(copy(CopyFormat::Text).with(option)), expected);
    }
    assert_eq!(tail(copy(CopyFormat::Csv).with(O::Quote('%'))), "FORMAT AS CSV QUOTE AS '%'");
    assert_eq!(tail(copy(CopyFormat::Orc).with(O::SerializeToJson)), "FORMAT AS ORC SERIALIZETOJSON");
    // The last word counts.
    assert_eq!(tail(copy(CopyFormat::Csv).with(O::MaxErrors(1)).with(O::MaxErrors(2))), "FORMAT AS CSV MAXERROR 2");
}

/// Each option that is refused with a format, and all that are not.
#[test]
fn what_a_format_does_not_take_is_refused_with_the_reason() {
    use CopyOption as O;
    let of_lines = || {
        vec![
            O::Delimiter(';'),
            O::Escape,
            O::RemoveQuotes,
            O::FillRecord,
            O::IgnoreBlankLines,
            O::NullAs("x".into()),
            O::IgnoreHeader(1),
        ]
    };
    let all = || {
        let mut all = of_lines();
        all.extend([
            O::Quote('%'),
            O::Compressed(Compression::Gzip),
            O::Compressed(Compression::Bzip2),
            O::Compressed(Compression::Lzop),
            O::Compressed(Compression::Zstd),
            O::Region("eu-west-1".into()),
            O::SerializeToJson,
            O::AcceptAnyDate,
            O::AcceptInvalidChars('?'),
            O::BlanksAsNull,
            O::DateFormat("auto".into()),
            O::EmptyAsNull,
            O::Encoding(Encoding::Utf8),
            O::ExplicitIds,
            O::RoundDecimals,
            O::TimeFormat("auto".into()),
            O::TrimBlanks,
            O::TruncateColumns,
            O::CompressionRows(1000),
            O::CompressionUpdate(Presence::Off),
            O::StatisticsUpdate(false),
            O::MaxErrors(5),
            O::IgnoreAllErrors,
            O::NoLoad,
        ]);
        all
    };
    for (format, refused) in [
        (CopyFormat::Text, "QUOTE SERIALIZETOJSON"),
        (CopyFormat::Csv, "ESCAPE REMOVEQUOTES SERIALIZETOJSON"),
        (CopyFormat::FixedWidth(vec![("a".into(), 1)]), "DELIMITER ESCAPE REMOVEQUOTES QUOTE SERIALIZETOJSON ENCODING"),
        (
            CopyFormat::Json(FieldMapping::Auto),
            "DELIMITER ESCAPE REMOVEQUOTES FILLRECORD IGNOREBLANKLINES NULL AS QUOTE SERIALIZETOJSON",
        ),
        (
            CopyFormat::Avro(FieldMapping::Auto),
            "DELIMITER ESCAPE REMOVEQUOTES FILLRECORD IGNOREBLANKLINES NULL AS IGNOREHEADER QUOTE GZIP BZIP2 LZOP ZSTD \
             SERIALIZETOJSON",
        ),
        (
            CopyFormat::Shapefile(None),
            "DELIMITER ESCAPE REMOVEQUOTES FILLRECORD IGNOREBLANKLINES NULL AS IGNOREHEADER QUOTE BZIP2 LZOP ZSTD \
             SERIALIZETOJSON",
        ),
        (
            CopyFormat::Parquet,
            "DELIMITER ESCAPE REMOVEQUOTES IGNOREBLANKLINES NULL AS IGNOREHEADER QUOTE GZIP BZIP2 LZOP ZSTD REGION \
             ACCEPTANYDATE BLANKSASNULL DATEFORMAT EMPTYASNULL ENCODING ROUNDEC TIMEFORMAT TRIMBLANKS TRUNCATECOLUMNS \
             COMPROWS COMPUPDATE MAXERROR IGNOREALLERRORS NOLOAD",
        ),
    ] {
        let no: Vec<_> =
            all().into_iter().filter(|option| copy(format.clone()).with(option.clone()).to_sql().is_err()).collect();
        assert_eq!(no.iter().map(CopyOption::word).collect::<Vec<_>>().join(" "), refused, "{}", format.word());
        for option in no {
            let word = option.word();
            let error = refusal(copy(format.clone()).with(option));
            assert_eq!((error.context("option"), error.context("with")), (Some(word), Some(format.word())), "{error}");
        }
    }
}

#[test]
fn what_a_source_does_not_take_is_refused_with_the_reason() {
    use CopyOption as O;
    let dynamo = |ratio| CopySource::DynamoDb { table: "Products".into(), read_ratio: ratio };
    let emr = || CopySource::Emr { cluster: "j-1".into(), path: "x".into() };
    for command in [
        from(dynamo(50), CopyFormat::Csv),
        from(dynamo(50), CopyFormat::Text).with(O::Escape),
        from(dynamo(50), CopyFormat::Text).with(O::NullAs("x".into())),
        from(dynamo(50), CopyFormat::Text).with(O::AcceptInvalidChars('?')),
        from(dynamo(50), CopyFormat::Text).with(O::Compressed(Compression::Gzip)),
        from(emr(), CopyFormat::Text).with(O::Region("eu-west-1".into())),
        from(emr(), CopyFormat::Text).with(O::Compressed(Compression::Zstd)),
        from(emr(), CopyFormat::Parquet),
        from(CopySource::Ssh("s3://b/m".into()), CopyFormat::Orc),
        from(CopySource::manifest("s3://b/m"), CopyFormat::Shapefile(None)),
    ] {
        let error = refusal(command);
        assert!(error.context("option").is_some() && error.context("with").is_some(), "{error}");
    }
    for source in [
        dynamo(0),
        dynamo(201),
        CopySource::DynamoDb { table: "a'b".into(), read_ratio: 1 },
        CopySource::Emr { cluster: "j'1".into(), path: "x".into() },
        CopySource::s3("http://b/k"),
        CopySource::s3("s3://b"),
        CopySource::s3("s3:///k"),
        CopySource::manifest("s3://b/folder/"),
    ] {
        refusal(from(source, CopyFormat::Text));
    }
}

#[test]
fn bounds_are_checked_before_anything_is_sent() {
    use CopyOption as O;
    for option in [
        O::Delimiter('é'),
        O::Delimiter('\n'),
        O::AcceptInvalidChars('é'),
        O::NullAs("a\nb".into()),
        O::DateFormat(String::new()),
        O::Region("eu west".into()),
        O::MaxErrors(100_001),
        O::CompressionRows(999),
    ] {
        let word = option.word();
        assert_eq!(refusal(copy(CopyFormat::Text).with(option)).context("option"), Some(word));
    }
    refusal(copy(CopyFormat::Csv).with(O::Delimiter('"')));
    refusal(copy(CopyFormat::Text).with(O::MaxErrors(5)).with(O::IgnoreAllErrors));
    refusal(copy(CopyFormat::FixedWidth(Vec::new())));
    refusal(copy(CopyFormat::FixedWidth(vec![("a:b".into(), 1)])));
    refusal(copy(CopyFormat::Avro(FieldMapping::NoShred)));
    refusal(copy(CopyFormat::Shapefile(Some(Simplify::All(f64::NAN)))));
    refusal(copy(CopyFormat::Text).with_columns(["a", "a"]));
    for role in [
        Role::arn("default"),
        Role::arn("arn:aws:iam::1:role/a,b"),
        Role::Chain(Vec::new()),
        Role::arn("arn:aws:iam::1:user/x"),
    ] {
        refusal(copy(CopyFormat::Text).with_role(role));
    }
}

#[test]
fn a_setting_names_a_role_a_chain_or_the_default() {
    assert_eq!(Role::of_setting("default"), Role::Default);
    assert_eq!(Role::of_setting("SESSION"), Role::Session);
    let chain = Role::of_setting("arn:aws:iam::1:role/a, arn:aws:iam::2:role/b");
    assert_eq!(chain.to_sql().unwrap(), "IAM_ROLE 'arn:aws:iam::1:role/a,arn:aws:iam::2:role/b'");
    assert_eq!(Role::Session.to_sql().unwrap(), "IAM_ROLE 'SESSION'");
}

#[test]
fn a_file_listed_twice_would_be_loaded_twice() {
    let file = || ManifestFile::new("s3://b/a").with_mandatory(false);
    let error = CopyManifest::new([file(), file()]).to_json(&CopyFormat::Csv).unwrap_err();
    assert_eq!((error.kind(), error.context("file")), (ErrorKind::InvalidInput, Some("s3://b/a")));
    assert!(CopyManifest::new([]).to_json(&CopyFormat::Csv).is_err());
    assert!(CopyManifest::check(br#"{"entries":[{"url":"s3://b/a"}]}"#, &CopyFormat::Orc).is_err());
    assert!(CopyManifest::check(br#"{"entries":[{"url":"s3://b/a"}]}"#, &CopyFormat::Csv).is_ok());
    assert!(CopyManifest::check(b"{", &CopyFormat::Csv).is_err());
}

proptest! {
    /// Pain point: no bind parameters in COPY and UNLOAD, so everyone concatenates strings unsafely.
    #[test]
    fn hostile_texts_stay_inside_their_literals(null in "[^\0\r\n]{0,12}", format in "[^\0]{1,12}", path in "[^\0]{1,12}", label in "[^\0:,]{1,6}") {
        let command = from(CopySource::S3(format!("s3://b/{path}")), CopyFormat::FixedWidth(vec![(label.clone(), 3)]))
            .with(CopyOption::NullAs(null.clone()))
            .with(CopyOption::DateFormat(format.clone()));
        let sql = command.to_sql().unwrap();
        prop_assert_eq!(literals(&sql), [format!("s3://b/{path}"), format!("{label}:3"), null, format]);
        prop_assert_eq!(
            without_literals(&sql),
            "COPY \"s\".\"t\" FROM ? IAM_ROLE default FIXEDWIDTH AS ? NULL AS ? DATEFORMAT AS ?"
        );
    }

    #[test]
    fn hostile_names_stay_names(table in "[^\0]{1,12}", column in "[^\0]{1,12}") {
        let sql = CopyCommand::new(TableRef::new(table.clone()), CopySource::s3("s3://b/k"), CopyFormat::Csv)
            .with_columns([column.clone()]).to_sql().unwrap();
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let expected = format!("COPY {} ({}) FROM 's3://b/k' IAM_ROLE default FORMAT AS CSV", quoted(&table), quoted(&column));
        prop_assert_eq!(sql, expected);
    }
}
