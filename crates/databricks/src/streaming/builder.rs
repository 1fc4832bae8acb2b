//! A streaming job in the making.

use std::time::Duration;

use twinhouse_core::Result;

use super::{
    AutoLoaderSource, DeltaSink, DeltaSource, KafkaSink, KafkaSource, OutputMode, RateSource, Step, StreamSink,
    StreamSource, StreamingJobSpec, Trigger, check,
};
use crate::jobs::check::invalid;

/// A streaming job in the making. Setters do not fail; [`build`](Self::build) does, and names the field.
///
/// ```
/// use std::time::Duration;
/// use twinhouse_databricks::streaming::{KafkaSource, OptionValue, StreamingJobBuilder};
///
/// let orders = KafkaSource::new("broker:9093", "orders")
///     .with_starting_offsets("earliest")
///     .with_option("kafka.security.protocol", "SASL_SSL")
///     .with_option("kafka.ssl.truststore.password", OptionValue::secret("kafka", "truststore"));
/// let spec = StreamingJobBuilder::from(orders)
///     .transform("select cast(value as string) as body, timestamp from source")
///     .transform_as("parsed", "select from_json(body, 'id bigint, price double') as o, timestamp from step_1")
///     .transform("select o.*, timestamp from parsed where o.id is not null")
///     .to_delta("main.bronze.orders")
///     .checkpoint("/Volumes/main/bronze/checkpoints/orders")
///     .trigger_interval(Duration::from_secs(30))
///     .build()?;
/// assert!(spec.notebook().contains("dbutils.secrets.get"));
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StreamingJobBuilder {
    name: Option<String>,
    source: StreamSource,
    steps: Vec<Step>,
    sink: Option<StreamSink>,
    trigger: Trigger,
    checkpoint: Option<String>,
    output_mode: OutputMode,
    aggregates: Option<bool>,
}

impl StreamingJobBuilder {
    /// Rows of this source; queries find them under the name `source`.
    pub fn from(source: impl Into<StreamSource>) -> Self {
        Self {
            name: None,
            source: source.into(),
            steps: Vec::new(),
            sink: None,
            trigger: Trigger::default(),
            checkpoint: None,
            output_mode: OutputMode::Append,
            aggregates: None,
        }
    }

    /// Rows of the Delta table of this name.
    pub fn from_delta(table: impl Into<String>) -> Self {
        Self::from(DeltaSource::table(table))
    }

    /// Records of this topic.
    pub fn from_kafka(bootstrap_servers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self::from(KafkaSource::new(bootstrap_servers, topic))
    }

    /// Files of this format in this directory, by Auto Loader, which keeps their schema in `schema_location`.
    pub fn from_files(path: impl Into<String>, format: impl Into<String>, schema_location: impl Into<String>) -> Self {
        Self::from(AutoLoaderSource::new(path, format).with_schema_location(schema_location))
    }

    /// Rows that are made up, so many in a second.
    pub fn from_rate(rows_per_second: u64) -> Self {
        Self::from(RateSource::new(rows_per_second))
    }

    /// What it is called. Default: after where it goes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A query over what is there so far: `source`, `step_1` for the result of the first query, `step_2` for that of the
    /// second, and any table. Its own result has the next of these names.
    pub fn transform(self, sql: impl Into<String>) -> Self {
        let nth = self.steps.iter().filter(|step| matches!(step, Step::Sql { .. })).count() + 1;
        self.transform_as(format!("step_{nth}"), sql)
    }

    /// The same, with a name for the result.
    pub fn transform_as(mut self, name: impl Into<String>, sql: impl Into<String>) -> Self {
        self.steps.push(Step::Sql { name: name.into(), sql: sql.into() });
        self
    }

    /// Forgets rows that are later than this by a column of time; an aggregation after it knows when it is complete.
    pub fn watermark(mut self, column: impl Into<String>, delay: Duration) -> Self {
        self.steps.push(Step::Watermark { column: column.into(), delay });
        self
    }

    /// Where it goes.
    pub fn to(mut self, sink: impl Into<StreamSink>) -> Self {
        self.sink = Some(sink.into());
        self
    }

    /// Into the Delta table of this name.
    pub fn to_delta(self, table: impl Into<String>) -> Self {
        self.to(DeltaSink::table(table))
    }

    /// To this topic.
    pub fn to_kafka(self, bootstrap_servers: impl Into<String>, topic: impl Into<String>) -> Self {
        self.to(KafkaSink::new(bootstrap_servers, topic))
    }

    /// When a batch begins. Default: [`Trigger::AvailableNow`].
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// A batch every so often, without end.
    pub fn trigger_interval(self, interval: Duration) -> Self {
        self.trigger(Trigger::Interval(interval))
    }

    /// Everything that is there, in one batch.
    pub fn trigger_once(self) -> Self {
        self.trigger(Trigger::Once)
    }

    /// Everything that is there, in batches of a good size.
    pub fn trigger_available_now(self) -> Self {
        self.trigger(Trigger::AvailableNow)
    }

    /// Row by row without end, and a checkpoint every so often.
    pub fn trigger_continuous(self, checkpoint: Duration) -> Self {
        self.trigger(Trigger::Continuous(checkpoint))
    }

    /// Where it is kept how far the job has come: a directory of its own. Two jobs must never have the same.
    pub fn checkpoint(mut self, location: impl Into<String>) -> Self {
        self.checkpoint = Some(location.into());
        self
    }

    /// Which rows a batch writes. Default: [`OutputMode::Append`].
    pub fn output_mode(mut self, mode: OutputMode) -> Self {
        self.output_mode = mode;
        self
    }

    /// Says whether the queries aggregate the stream. Unless said, it is read from them; an aggregation over a table that
    /// is no stream, inside a query, is then taken for one of the stream.
    pub fn aggregates(mut self, aggregates: bool) -> Self {
        self.aggregates = Some(aggregates);
        self
    }

    /// The job, checked.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) with the `field`;
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) for sources and sinks that are none of ours.
    pub fn build(self) -> Result<StreamingJobSpec> {
        let sink = self.sink.ok_or_else(|| invalid("sink", "must be set: `to_delta` or `to_kafka`"))?;
        let checkpoint =
            self.checkpoint.ok_or_else(|| invalid("checkpoint", "must be set: without one, rows are lost"))?;
        let name = self.name.unwrap_or_else(|| check::name_of(&sink));
        let spec = StreamingJobSpec {
            name,
            source: self.source,
            steps: self.steps,
            sink,
            trigger: self.trigger,
            checkpoint,
            output_mode: self.output_mode,
        };
        check::spec(&spec, self.aggregates)?;
        Ok(spec)
    }
}
