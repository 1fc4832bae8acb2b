//! Where a stream goes.

use twinhouse_core::{Error, Result};

use super::{
    option::{self, OptionValue, Options},
    source::{KAFKA_REFUSED, Table, check_servers, check_topic, with_options},
};
use crate::{
    error::BACKEND,
    jobs::check::{invalid, not_empty},
};

/// A Delta table that is written. One that is not there is made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeltaSink {
    /// The table.
    pub table: Table,
    /// The columns that it is partitioned by, where it is made.
    pub partition_by: Vec<String>,
    /// Adds columns that the table lacks.
    pub merge_schema: bool,
    /// More options.
    pub options: Options,
}

impl DeltaSink {
    /// The table of this name.
    pub fn table(name: impl Into<String>) -> Self {
        Self::of(Table::Name(name.into()))
    }

    /// The table in this directory.
    pub fn path(path: impl Into<String>) -> Self {
        Self::of(Table::Path(path.into()))
    }

    fn of(table: Table) -> Self {
        Self { table, partition_by: Vec::new(), merge_schema: false, options: Options::new() }
    }

    /// Partitions the table by these columns, where it is made.
    #[must_use]
    pub fn with_partition_by(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.partition_by.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Adds columns that the table lacks.
    #[must_use]
    pub fn with_merge_schema(mut self) -> Self {
        self.merge_schema = true;
        self
    }
}

with_options!(DeltaSink);

/// Topics of Kafka. Rows must have a column `value`, and may have `key`, `headers`, `partition` and `topic`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KafkaSink {
    /// `host:port`, several with commas between.
    pub bootstrap_servers: String,
    /// The topic; none if the rows name theirs.
    pub topic: Option<String>,
    /// More options; those of Kafka itself begin with `kafka.`.
    pub options: Options,
}

impl KafkaSink {
    /// This topic.
    pub fn new(bootstrap_servers: impl Into<String>, topic: impl Into<String>) -> Self {
        let topic = Some(topic.into());
        Self { bootstrap_servers: bootstrap_servers.into(), topic, options: Options::new() }
    }

    /// The topic that each row names in its column `topic`.
    pub fn by_row(bootstrap_servers: impl Into<String>) -> Self {
        Self { bootstrap_servers: bootstrap_servers.into(), topic: None, options: Options::new() }
    }
}

with_options!(KafkaSink);

/// Where a stream goes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StreamSink {
    /// A Delta table: each row once, whatever happens.
    Delta(DeltaSink),
    /// Topics of Kafka: each row at least once.
    Kafka(KafkaSink),
    /// Any other format, by its name: `memory`, `console`, `foreach`, `foreachBatch`. It is refused.
    Other(String),
}

impl From<DeltaSink> for StreamSink {
    fn from(sink: DeltaSink) -> Self {
        Self::Delta(sink)
    }
}

impl From<KafkaSink> for StreamSink {
    fn from(sink: KafkaSink) -> Self {
        Self::Kafka(sink)
    }
}

impl StreamSink {
    pub(super) fn options(&self) -> Options {
        match self {
            Self::Delta(delta) => {
                let mut all = delta.options.clone();
                all.extend(delta.merge_schema.then(|| ("mergeSchema".to_owned(), OptionValue::from(true))));
                all
            }
            Self::Kafka(kafka) => {
                let mut all = kafka.options.clone();
                all.insert("kafka.bootstrap.servers".into(), kafka.bootstrap_servers.clone().into());
                all.extend(kafka.topic.clone().map(|topic| ("topic".to_owned(), OptionValue::from(topic))));
                all
            }
            Self::Other(_) => Options::new(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        const CHECKPOINT: (&str, &str) = ("checkpointLocation", "checkpoint");
        match self {
            Self::Delta(delta) => {
                delta.table.check("sink")?;
                for (at, column) in delta.partition_by.iter().enumerate() {
                    not_empty(format!("sink.partition_by[{at}]"), column)?;
                }
                let columns = delta.partition_by.iter().map(String::as_str);
                crate::jobs::check::unique(|at| format!("sink.partition_by[{at}]"), columns)?;
                let owned = [CHECKPOINT, ("path", "table"), ("mergeSchema", "merge_schema")];
                option::check("sink", &delta.options, &owned, &[])
            }
            Self::Kafka(kafka) => {
                check_servers("sink", &kafka.bootstrap_servers)?;
                kafka.topic.as_deref().map_or(Ok(()), |topic| check_topic("sink.topic", topic))?;
                let owned = [CHECKPOINT, ("kafka.bootstrap.servers", "bootstrap_servers"), ("topic", "topic")];
                option::check("sink", &kafka.options, &owned, &KAFKA_REFUSED)
            }
            Self::Other(format) => {
                let why = match format.as_str() {
                    "memory" | "console" => "is for trying things in a notebook, and loses everything with it",
                    "foreach" | "foreachBatch" => "needs code of your own: run a notebook that has it",
                    _ => "is not known here",
                };
                let text = format!("a stream goes to Delta or Kafka; the sink `{format}` {why}");
                Err(Error::unsupported(BACKEND, text).with_context("field", "sink"))
            }
        }
    }

    /// What rows must look like that come from here.
    pub(super) fn check_rows(&self, has_transformation: bool, from_kafka: bool) -> Result<()> {
        match self {
            Self::Kafka(_) if !has_transformation && !from_kafka => {
                Err(invalid("sink", "must get rows with a column `value`: add a transformation that makes one"))
            }
            _ => Ok(()),
        }
    }
}
