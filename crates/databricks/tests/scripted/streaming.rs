//! Streaming jobs: what is refused, what the notebook says, read by Python's own parser.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};
use twinhouse_core::ErrorKind;
use twinhouse_databricks::streaming::{
    AutoLoaderSource, DeltaSink, DeltaSource, KafkaSink, KafkaSource, KafkaTopics, OptionValue, OutputMode, StreamSink,
    StreamSource, StreamingJobBuilder, StreamingJobSpec, Trigger,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn copy() -> StreamingJobBuilder {
    StreamingJobBuilder::from_delta("main.a.t").to_delta("main.b.u").checkpoint("/Volumes/m/d/c/u")
}

/// What Python finds in these notebooks: one process for all.
fn parsed(notebooks: &[String]) -> Vec<Value> {
    let mut python = Command::new("python3")
        .args(["-c", include_str!("streaming.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is on the path");
    let mut stdin = python.stdin.take().unwrap();
    let input = serde_json::to_vec(notebooks).unwrap();
    // From a thread: it may answer before it has read all.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let read: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.len(), notebooks.len());
    for (notebook, read) in notebooks.iter().zip(&read) {
        assert_eq!(read["exit"], json!(["query_id", "run_id"]), "it runs to its end: {notebook}\n{read}");
    }
    read
}

/// The arguments of every call of this name, in the order of the text, innermost chains last.
fn given<'a>(read: &'a Value, call: &str) -> Vec<&'a Value> {
    let calls = read["calls"].as_array().unwrap_or_else(|| panic!("no Python: {read}"));
    calls.iter().filter(|entry| entry[0] == call).map(|entry| &entry[1]).collect()
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_key(Value::to_string);
    values
}

#[test]
fn a_notebook_reads_like_one() {
    let spec = StreamingJobBuilder::from(DeltaSource::table("main.sales.`odd.name`").with_max_files_per_trigger(10))
        .watermark("at", Duration::from_millis(1500))
        .transform("select window(at, '1 hour') as hour,\n  count(*) as n\nfrom source group by 1")
        .to(DeltaSink::table("main.sales.hours").with_partition_by(["hour"]).with_merge_schema())
        .checkpoint("/Volumes/main/sales/checkpoints/hours")
        .trigger_interval(30 * SECOND)
        .build()
        .unwrap();
    let wanted = r##"# Databricks notebook source
# Written by twinhouse-databricks from a streaming job; a change here is lost with the next submission.
import json

# COMMAND ----------

rows_0 = (
    spark.readStream
    .format("delta")
    .option("maxFilesPerTrigger", "10")
    .table("`main`.`sales`.`odd.name`")
)
rows_0.createOrReplaceTempView("source")

# COMMAND ----------

rows_1 = rows_0.withWatermark("at", "1500 milliseconds")
rows_1.createOrReplaceTempView("source")

# COMMAND ----------

rows_2 = spark.sql(
    "select window(at, '1 hour') as hour,\n"
    "  count(*) as n\n"
    "from source group by 1"
)
rows_2.createOrReplaceTempView("step_1")

# COMMAND ----------

query = (
    rows_2.writeStream
    .format("delta")
    .queryName("main.sales.hours")
    .outputMode("append")
    .option("checkpointLocation", "/Volumes/main/sales/checkpoints/hours")
    .option("mergeSchema", "true")
    .trigger(processingTime="30 seconds")
    .partitionBy("hour")
    .toTable("`main`.`sales`.`hours`")
)

# COMMAND ----------

query.awaitTermination()
dbutils.notebook.exit(json.dumps({"query_id": str(query.id), "run_id": str(query.runId)}))
"##;
    assert_eq!(spec.notebook(), wanted);
}

#[test]
fn every_source_sink_and_trigger_is_python() {
    let kafka = KafkaSource::of("a:1, b:2", KafkaTopics::Pattern("orders-.*".into()))
        .with_starting_offsets(r#"{"orders-1":{"0":23}}"#)
        .with_max_offsets_per_trigger(7)
        .with_option("kafka.sasl.jaas.config", OptionValue::from("m password=\"").then_secret("s", "k").then("\";"));
    let files = AutoLoaderSource::new("s3://b/in", "json").with_schema("id bigint").with_option("multiLine", true);
    let end = |builder: StreamingJobBuilder| builder.checkpoint("/c").build().unwrap();
    let to_kafka = || KafkaSink::new("a:1", "out").with_option("kafka.acks", "all");
    let specs = [
        end(StreamingJobBuilder::from(kafka).to(to_kafka()).trigger_continuous(SECOND)),
        end(StreamingJobBuilder::from(files).to(DeltaSink::path("/Volumes/m/d/out")).trigger_once()),
        end(StreamingJobBuilder::from_files("/Volumes/m/d/in", "csv", "/Volumes/m/d/schema").to_delta("t")),
        end(StreamingJobBuilder::from_rate(5)
            .transform("select 'a' as topic, 'b' as value")
            .to(KafkaSink::by_row("a:1"))),
        end(StreamingJobBuilder::from_delta("`a\"b`.`it's \\n`.`c``d\n`").to_delta("u")),
        end(StreamingJobBuilder::from(DeltaSource::path("/d/t").with_change_feed().with_starting_version(3))
            .to_delta("t")),
    ];
    let notebooks: Vec<_> = specs.iter().map(StreamingJobSpec::notebook).collect();
    let read = parsed(&notebooks);
    let options = |at: usize| sorted(given(&read[at], "option").into_iter().cloned().collect());
    assert_eq!(
        options(0),
        sorted(vec![
            json!(["kafka.bootstrap.servers", "a:1, b:2"]),
            json!(["subscribePattern", "orders-.*"]),
            json!(["startingOffsets", r#"{"orders-1":{"0":23}}"#]),
            json!(["maxOffsetsPerTrigger", "7"]),
            json!(["kafka.sasl.jaas.config", "'m password=\"' + dbutils.secrets.get(scope='s', key='k') + '\";'"]),
            json!(["checkpointLocation", "/c"]),
            json!(["kafka.bootstrap.servers", "a:1"]),
            json!(["kafka.acks", "all"]),
            json!(["topic", "out"]),
        ])
    );
    assert_eq!(given(&read[0], "trigger"), [&json!([["continuous", "1 seconds"]])]);
    assert_eq!(given(&read[1], "schema"), [&json!(["id bigint"])]);
    assert_eq!(
        (given(&read[1], "load"), given(&read[1], "start")),
        (vec![&json!(["s3://b/in"])], vec![&json!(["/Volumes/m/d/out"])])
    );
    assert_eq!(given(&read[1], "trigger"), [&json!([["once", true]])]);
    assert!(options(2).contains(&json!(["cloudFiles.schemaLocation", "/Volumes/m/d/schema"])));
    assert_eq!(given(&read[2], "trigger"), [&json!([["availableNow", true]])]);
    assert!(options(3).contains(&json!(["rowsPerSecond", "5"])));
    assert_eq!(given(&read[4], "table"), [&json!(["`a\"b`.`it's \\n`.`c``d\n`"])]);
    assert!(
        options(5).contains(&json!(["readChangeFeed", "true"]))
            && options(5).contains(&json!(["startingVersion", "3"]))
    );
}

/// Every row is one job that is wrong, and the field that its error names.
#[test]
fn what_cannot_run_is_refused_by_field() {
    let base = || StreamingJobBuilder::from_delta("main.a.t").checkpoint("/c");
    let kafka = || StreamingJobBuilder::from_kafka("a:1", "t").checkpoint("/c");
    let grouped = "select k, count(*) from source group by k";
    let rows: Vec<(StreamingJobBuilder, &str)> = vec![
        (base(), "sink"),
        (StreamingJobBuilder::from_delta("t").to_delta("u"), "checkpoint"),
        (base().to_delta("u").checkpoint(""), "checkpoint"),
        (base().to_delta("u").checkpoint("relative/path"), "checkpoint"),
        (base().to_delta("u").checkpoint("/"), "checkpoint"),
        (base().to(DeltaSink::path("/c/")).checkpoint("/c"), "checkpoint"),
        (base().to(DeltaSink::path("/c/table")).checkpoint("/c"), "checkpoint"),
        (StreamingJobBuilder::from_delta("").to_delta("u").checkpoint("/c"), "source.table"),
        (StreamingJobBuilder::from_delta("a.b.c.d").to_delta("u").checkpoint("/c"), "source.table"),
        (base().to_delta("a..b"), "sink.table"),
        (base().to_delta("u").output_mode(OutputMode::Update), "output_mode"),
        (base().to_delta("u").output_mode(OutputMode::Complete), "output_mode"),
        (base().to_delta("u").output_mode(OutputMode::Other("overwrite".into())), "output_mode"),
        (base().transform(grouped).to_delta("u"), "steps"),
        (base().transform(grouped).watermark("at", MINUTE).to_delta("u"), "steps"),
        (base().transform("select * from source").aggregates(true).to_delta("u"), "steps"),
        (base().to_delta("u").trigger_continuous(SECOND), "trigger"),
        (kafka().to_delta("u").trigger_continuous(SECOND), "trigger"),
        (kafka().to_kafka("a:1", "u").trigger_continuous(Duration::ZERO), "trigger"),
        (kafka().watermark("timestamp", MINUTE).to_kafka("a:1", "u").trigger_continuous(SECOND), "trigger"),
        (
            kafka().transform(grouped).output_mode(OutputMode::Update).to_kafka("a:1", "u").trigger_continuous(SECOND),
            "trigger",
        ),
        (kafka().to_delta("u").trigger_interval(Duration::from_nanos(5)), "trigger"),
        (base().to_kafka("a:1", "u"), "sink"),
        (base().to_kafka("a", "u"), "sink.bootstrap_servers"),
        (kafka().to_kafka("a:1", "no spaces"), "sink.topic"),
        (StreamingJobBuilder::from_kafka("a:1,", "t").to_delta("u").checkpoint("/c"), "source.bootstrap_servers"),
        (StreamingJobBuilder::from_kafka("a:1", "").to_delta("u").checkpoint("/c"), "source.topics"),
        (
            StreamingJobBuilder::from(KafkaSource::new("a:1", "t").with_starting_offsets("soon"))
                .to_delta("u")
                .checkpoint("/c"),
            "source.starting_offsets",
        ),
        (
            StreamingJobBuilder::from(KafkaSource::new("a:1", "t").with_option("kafka.enable.auto.commit", true))
                .to_delta("u")
                .checkpoint("/c"),
            "source.options[kafka.enable.auto.commit]",
        ),
        (
            StreamingJobBuilder::from(KafkaSource::new("a:1", "t").with_option("Subscribe", "x"))
                .to_delta("u")
                .checkpoint("/c"),
            "source.options[Subscribe]",
        ),
        (base().to(DeltaSink::table("u").with_option("checkpointLocation", "/d")), "sink.options[checkpointLocation]"),
        (base().to(DeltaSink::table("u").with_partition_by(["a", "a"])), "sink.partition_by[1]"),
        (StreamingJobBuilder::from_files("/in", "docx", "/s").to_delta("u").checkpoint("/c"), "source.format"),
        (
            StreamingJobBuilder::from(AutoLoaderSource::new("/in", "json")).to_delta("u").checkpoint("/c"),
            "source.schema_location",
        ),
        (StreamingJobBuilder::from_rate(0).to_delta("u").checkpoint("/c"), "source.rows_per_second"),
        (
            StreamingJobBuilder::from(DeltaSource::table("t").with_max_files_per_trigger(0))
                .to_delta("u")
                .checkpoint("/c"),
            "source.max_files_per_trigger",
        ),
        (
            StreamingJobBuilder::from(KafkaSource::new("a:1", "t").with_max_offsets_per_trigger(0))
                .to_delta("u")
                .checkpoint("/c"),
            "source.max_offsets_per_trigger",
        ),
        (
            StreamingJobBuilder::from(AutoLoaderSource::new("/in", "text").with_max_files_per_trigger(0))
                .to_delta("u")
                .checkpoint("/c"),
            "source.max_files_per_trigger",
        ),
        (base().transform_as("a b", "select 1").to_delta("u"), "steps[0].name"),
        (base().transform_as("SOURCE", "select 1").to_delta("u"), "steps[0].name"),
        (base().transform(" ").to_delta("u"), "steps[0].sql"),
        (base().watermark("", MINUTE).to_delta("u"), "steps[0].column"),
        (base().transform("x".repeat(1 << 20)).to_delta("u"), "steps"),
        (base().to_delta("u").name(" "), "name"),
    ];
    for (builder, field) in rows {
        let shown = format!("{builder:?}");
        let error = builder.build().err().unwrap_or_else(|| panic!("taken: {field} {:.300}", shown));
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error}");
    }
    // What is near them, and fine.
    base().transform(grouped).output_mode(OutputMode::Complete).to_delta("u").build().unwrap();
    base().watermark("at", MINUTE).transform(grouped).to_delta("u").build().unwrap();
    base()
        .transform("select * from source where k > (select max(k) from t)")
        .aggregates(false)
        .to_delta("u")
        .build()
        .unwrap();
    kafka().transform(grouped).output_mode(OutputMode::Update).to_kafka("a:1", "u").build().unwrap();
    copy().trigger(Trigger::Interval(Duration::ZERO)).build().unwrap();
}

#[test]
fn sinks_and_sources_that_are_none_of_ours_are_refused_by_name() {
    for sink in ["memory", "console", "foreach", "foreachBatch", "jdbc"] {
        let error = copy().to(StreamSink::Other(sink.into())).build().unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::Unsupported, Some("sink")));
        assert!(error.message().contains(&format!("`{sink}`")), "{error}");
    }
    let socket = StreamingJobBuilder::from(StreamSource::Other("socket".into())).to_delta("u").checkpoint("/c");
    let error = socket.build().unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.message().contains("`socket`"), "{error}");
}

/// Texts that have broken a renderer or another.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\"",
        "'",
        "\\",
        "\"\"\"",
        "'''",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\0",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "é",
        "☃",
        "🦀",
        "{",
        "}",
        "{x}",
        "${x}",
        "%s",
        "#",
        "# COMMAND ----------",
        "\n# COMMAND ----------\n",
        "\n# MAGIC %sh rm -rf /\n",
        "\n%sql\n",
        "\\N{BULLET}",
        "\\x",
        "\\u12",
        "\\",
        "\")\nimport os\n(\"",
        "');",
        "--",
        "/*",
        "`",
        ";",
        " ",
        "select",
        "a",
        "\u{202e}",
        "\u{1b}[2J",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 1..12).prop_map(|parts| parts.concat()),
        prop::collection::vec(any::<char>(), 1..40).prop_map(String::from_iter),
    ]
    .prop_filter("something to see", |text| !text.trim().is_empty())
}

/// A job with a hostile text wherever there is room for text, and those texts.
fn hostile_job() -> impl Strategy<Value = (StreamingJobSpec, Vec<String>)> {
    prop::collection::vec(hostile(), 9).prop_map(|texts| {
        let [sql, more, column, option, value, path, checkpoint, scope, partition] = &texts[..] else { unreachable!() };
        let source = DeltaSource::path(format!("/{path}"))
            .with_option(format!("o.{option}"), value.as_str())
            .with_option("secret.one", OptionValue::secret(scope, value));
        let spec = StreamingJobBuilder::from(source)
            .name(column.chars().take(20).chain(['n']).collect::<String>())
            .watermark(column, MINUTE)
            .transform(sql)
            .transform_as("lambda", more)
            .aggregates(false)
            .to(DeltaSink::path(format!("/t/{path}")).with_partition_by([partition]))
            .checkpoint(format!("/checkpoints/{checkpoint}/x"))
            .build();
        (spec.unwrap_or_else(|error| panic!("{error:?}: {texts:?}")), texts)
    })
}

#[test]
fn whatever_is_in_a_text_it_is_one_literal_and_comes_back_as_it_was() {
    let mut runner = TestRunner::default();
    let names = |text: &str| text.to_ascii_lowercase();
    // Options whose names look like secrets are refused, rightly.
    let suspicious = |texts: &[String]| {
        let all = texts.concat();
        ["password", "secret", "token", "credential", "key"].iter().any(|word| names(&all).contains(word))
    };
    let jobs: Vec<_> = std::iter::from_fn(|| Some(hostile_job().new_tree(&mut runner).unwrap().current()))
        .filter(|(_, texts)| !suspicious(texts))
        .take(400)
        .collect();
    let notebooks: Vec<_> = jobs.iter().map(|(spec, _)| spec.notebook()).collect();
    for (notebook, read, texts) in notebooks
        .iter()
        .zip(parsed(&notebooks))
        .zip(&jobs)
        .map(|((notebook, read), (_, texts))| (notebook, read, texts))
    {
        let [sql, more, column, option, value, path, checkpoint, scope, partition] = &texts[..] else { unreachable!() };
        assert_eq!(given(&read, "sql"), [&json!([sql]), &json!([more])], "{notebook}");
        assert_eq!(given(&read, "withWatermark"), [&json!([column, "60 seconds"])], "{notebook}");
        assert_eq!(given(&read, "load"), [&json!([format!("/{path}")])], "{notebook}");
        assert_eq!(given(&read, "start"), [&json!([format!("/t/{path}")])], "{notebook}");
        assert_eq!(given(&read, "partitionBy"), [&json!([partition])], "{notebook}");
        assert_eq!(given(&read, "get"), [&json!([["scope", scope], ["key", value]])], "{notebook}");
        let options: Vec<_> =
            given(&read, "option").into_iter().filter(|pair| pair[0] != "secret.one").cloned().collect();
        let wanted = vec![
            json!([format!("o.{option}"), value]),
            json!(["checkpointLocation", format!("/checkpoints/{checkpoint}/x")]),
        ];
        assert_eq!(sorted(options), sorted(wanted), "{notebook}");
        // Nothing that was given has become code: no name and no call but those of every notebook.
        let known =
            BTreeSet::from(["dbutils", "json", "query", "rows_0", "rows_1", "rows_2", "rows_3", "spark", "str"]);
        let used: BTreeSet<_> = read["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(used, known, "{notebook}");
        // And no line of it has become a cell or a command.
        assert!(notebook.is_ascii(), "{notebook}");
        assert_eq!(notebook.lines().filter(|line| line.starts_with("# COMMAND")).count(), 6, "{notebook}");
        assert!(!notebook.lines().any(|line| line.starts_with("# MAGIC") || line.starts_with('%')), "{notebook}");
    }
}

#[test]
fn the_same_job_is_the_same_notebook_and_aggregates_need_no_guess() {
    assert_eq!(copy().build().unwrap().notebook(), copy().build().unwrap().notebook());
    assert_eq!(copy().build().unwrap().name(), "main.b.u");
}
