//! A streaming job as a notebook.

use std::time::Duration;

use super::{
    StreamSink, StreamSource, StreamingJobSpec, Table, Trigger,
    literal::{python, python_lines},
    option::{Options, python_calls},
    source::quoted,
    spec::Step,
};

/// The line that every notebook in a file begins with.
const HEAD: &str = "# Databricks notebook source";
/// The line between cells.
const CELL: &str = "\n\n# COMMAND ----------\n\n";

/// No text of the caller's stands anywhere but in a literal.
pub(super) fn render(spec: &StreamingJobSpec) -> String {
    let mut cells = vec![format!(
        "{HEAD}\n# Written by twinhouse-databricks from a streaming job; a change here is lost with the next submission.\nimport json"
    )];
    // Variables have names of their own: what a caller calls a result may mean something to Python.
    let (mut rows, mut view) = (0, "source");
    cells.push(source(&spec.source));
    for step in &spec.steps {
        let made = match step {
            Step::Sql { name, sql } => {
                view = name;
                format!("spark.sql(\n    {}\n)", python_lines(sql, "    "))
            }
            Step::Watermark { column, delay } => {
                format!("rows_{rows}.withWatermark({}, {})", python(column), python(&interval(*delay)))
            }
        };
        rows += 1;
        cells.push(format!("rows_{rows} = {made}\nrows_{rows}.createOrReplaceTempView({})", python(view)));
    }
    cells.push(sink(spec, rows));
    cells.push(
        "query.awaitTermination()\ndbutils.notebook.exit(json.dumps({\"query_id\": str(query.id), \"run_id\": str(query.runId)}))\n"
            .to_owned(),
    );
    cells.join(CELL)
}

fn source(source: &StreamSource) -> String {
    let (format, options, end) = match source {
        StreamSource::Delta(delta) => {
            let end = match &delta.table {
                Table::Name(name) => format!(".table({})", python(&table(name))),
                Table::Path(path) => format!(".load({})", python(path)),
            };
            ("delta", delta.all_options(), end)
        }
        StreamSource::Kafka(kafka) => ("kafka", kafka.all_options(), ".load()".to_owned()),
        StreamSource::AutoLoader(files) => {
            let schema = files.schema.as_ref().map(|schema| format!(".schema({})\n    ", python(schema)));
            let end = format!("{}.load({})", schema.unwrap_or_default(), python(&files.path));
            ("cloudFiles", files.all_options(), end)
        }
        StreamSource::Rate(rate) => {
            let mut options = rate.options.clone();
            options.insert("rowsPerSecond".into(), rate.rows_per_second.into());
            ("rate", options, ".load()".to_owned())
        }
        // It is refused before it gets here.
        StreamSource::Other(format) => (format.as_str(), Options::new(), ".load()".to_owned()),
    };
    let mut calls = vec![format!(".format({})", python(format))];
    calls.extend(python_calls(&options));
    calls.push(end);
    format!(
        "rows_0 = (\n    spark.readStream\n    {}\n)\nrows_0.createOrReplaceTempView(\"source\")",
        calls.join("\n    ")
    )
}

fn sink(spec: &StreamingJobSpec, rows: usize) -> String {
    let format = match &spec.sink {
        StreamSink::Delta(_) => "delta",
        StreamSink::Kafka(_) => "kafka",
        // It is refused before it gets here.
        StreamSink::Other(format) => format,
    };
    let mut calls = vec![
        format!(".format({})", python(format)),
        format!(".queryName({})", python(&spec.name)),
        format!(".outputMode({})", python(spec.output_mode.as_str())),
        format!(".option(\"checkpointLocation\", {})", python(&spec.checkpoint)),
    ];
    calls.extend(python_calls(&spec.sink.options()));
    calls.push(match spec.trigger {
        Trigger::AvailableNow => ".trigger(availableNow=True)".to_owned(),
        Trigger::Once => ".trigger(once=True)".to_owned(),
        Trigger::Interval(time) => format!(".trigger(processingTime={})", python(&interval(time))),
        Trigger::Continuous(time) => format!(".trigger(continuous={})", python(&interval(time))),
    });
    match &spec.sink {
        StreamSink::Delta(delta) => {
            if !delta.partition_by.is_empty() {
                let columns: Vec<_> = delta.partition_by.iter().map(|column| python(column)).collect();
                calls.push(format!(".partitionBy({})", columns.join(", ")));
            }
            calls.push(match &delta.table {
                Table::Name(name) => format!(".toTable({})", python(&table(name))),
                Table::Path(path) => format!(".start({})", python(path)),
            });
        }
        StreamSink::Kafka(_) | StreamSink::Other(_) => calls.push(".start()".to_owned()),
    }
    format!("query = (\n    rows_{rows}.writeStream\n    {}\n)", calls.join("\n    "))
}

/// The name has been checked; as it is, Spark would refuse it where it runs.
fn table(name: &str) -> String {
    quoted(name).unwrap_or_else(|_| name.to_owned())
}

fn interval(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{} seconds", time.as_secs())
    } else {
        format!("{} milliseconds", time.as_millis())
    }
}
