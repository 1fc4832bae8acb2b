//! Where a stream comes from.

use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _, TableRef};

use super::option::{self, OptionValue, Options};
use crate::{
    error::BACKEND,
    jobs::check::{invalid, not_empty},
};

/// A Delta table, by its name or by where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Table {
    /// `catalog.schema.table`; a part with dots stands in backticks.
    Name(String),
    /// A directory: `/Volumes/…`, `s3://…`, `abfss://…`, `gs://…`, `dbfs:/…`.
    Path(String),
}

impl Table {
    pub(super) fn check(&self, field: &str) -> Result<()> {
        match self {
            Self::Name(name) => quoted(name).map(drop).map_err(|error| {
                invalid(format!("{field}.table"), "must be the name of a table, such as `main.sales.orders`")
                    .with_source(error)
            }),
            Self::Path(path) => check_path(format!("{field}.path"), path),
        }
    }
}

fn positive(field: &str, number: Option<u64>) -> Result<()> {
    if number == Some(0) { Err(invalid(field, "must be 1 or more")) } else { Ok(()) }
}

/// The name as SQL takes it.
pub(super) fn quoted(name: &str) -> Result<String> {
    let table: TableRef = name.parse()?;
    DatabricksDialect.table(&table)
}

/// A path begins with a slash or a scheme.
pub(super) fn check_path(field: String, path: &str) -> Result<()> {
    not_empty(field.as_str(), path)?;
    let scheme = path.split_once(":/").map(|(scheme, _)| scheme);
    let is_scheme = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    if path.starts_with('/') || scheme.is_some_and(is_scheme) {
        return Ok(());
    }
    Err(invalid(field, "must be a path from the root, or have a scheme such as `s3://`"))
}

macro_rules! with_options {
    ($name:ident) => {
        impl $name {
            /// An option, by the name that Spark gives it.
            #[must_use]
            pub fn with_option(mut self, name: impl Into<String>, value: impl Into<OptionValue>) -> Self {
                self.options.insert(name.into(), value.into());
                self
            }
        }
    };
}

pub(super) use with_options;

/// A Delta table that is read as it grows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeltaSource {
    /// The table.
    pub table: Table,
    /// Where to begin, instead of with what is there: this version.
    pub starting_version: Option<u64>,
    /// Its change feed instead of its rows.
    pub read_change_feed: bool,
    /// Passes over commits that change rows, which are an error otherwise.
    pub skip_change_commits: bool,
    /// How many files make a batch at most.
    pub max_files_per_trigger: Option<u64>,
    /// More options.
    pub options: Options,
}

impl DeltaSource {
    /// The table of this name.
    pub fn table(name: impl Into<String>) -> Self {
        Self::of(Table::Name(name.into()))
    }

    /// The table in this directory.
    pub fn path(path: impl Into<String>) -> Self {
        Self::of(Table::Path(path.into()))
    }

    fn of(table: Table) -> Self {
        Self {
            table,
            starting_version: None,
            read_change_feed: false,
            skip_change_commits: false,
            max_files_per_trigger: None,
            options: Options::new(),
        }
    }

    /// Begins with this version instead of with what is there.
    #[must_use]
    pub fn with_starting_version(mut self, version: u64) -> Self {
        self.starting_version = Some(version);
        self
    }

    /// Reads the change feed instead of the rows.
    #[must_use]
    pub fn with_change_feed(mut self) -> Self {
        self.read_change_feed = true;
        self
    }

    /// Passes over commits that change rows.
    #[must_use]
    pub fn with_skip_change_commits(mut self) -> Self {
        self.skip_change_commits = true;
        self
    }

    /// Makes batches of at most so many files.
    #[must_use]
    pub fn with_max_files_per_trigger(mut self, files: u64) -> Self {
        self.max_files_per_trigger = Some(files);
        self
    }

    pub(super) fn all_options(&self) -> Options {
        let mut all = self.options.clone();
        let mut set = |name: &str, value: Option<OptionValue>| all.extend(value.map(|value| (name.to_owned(), value)));
        set("startingVersion", self.starting_version.map(OptionValue::from));
        set("readChangeFeed", self.read_change_feed.then(|| true.into()));
        set("skipChangeCommits", self.skip_change_commits.then(|| true.into()));
        set("maxFilesPerTrigger", self.max_files_per_trigger.map(OptionValue::from));
        all
    }
}

with_options!(DeltaSource);

/// Which topics of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KafkaTopics {
    /// These.
    Names(Vec<String>),
    /// Those that match a regular expression of Java.
    Pattern(String),
}

/// Topics of Kafka. Rows have `key`, `value` (both binary), `topic`, `partition`, `offset`, `timestamp`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KafkaSource {
    /// `host:port`, several with commas between.
    pub bootstrap_servers: String,
    /// Which topics.
    pub topics: KafkaTopics,
    /// Where to begin the first time: `earliest`, `latest`, or JSON with an offset for each partition. Default: latest.
    pub starting_offsets: Option<String>,
    /// How many records make a batch at most.
    pub max_offsets_per_trigger: Option<u64>,
    /// More options; those of Kafka itself begin with `kafka.`.
    pub options: Options,
}

impl KafkaSource {
    /// One topic.
    pub fn new(bootstrap_servers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self::of(bootstrap_servers, KafkaTopics::Names(vec![topic.into()]))
    }

    /// These topics.
    pub fn of(bootstrap_servers: impl Into<String>, topics: KafkaTopics) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            topics,
            starting_offsets: None,
            max_offsets_per_trigger: None,
            options: Options::new(),
        }
    }

    /// Begins here the first time: `earliest`, `latest`, or JSON with an offset for each partition.
    #[must_use]
    pub fn with_starting_offsets(mut self, offsets: impl Into<String>) -> Self {
        self.starting_offsets = Some(offsets.into());
        self
    }

    /// Makes batches of at most so many records.
    #[must_use]
    pub fn with_max_offsets_per_trigger(mut self, records: u64) -> Self {
        self.max_offsets_per_trigger = Some(records);
        self
    }

    pub(super) fn all_options(&self) -> Options {
        let mut all = self.options.clone();
        all.insert("kafka.bootstrap.servers".into(), self.bootstrap_servers.clone().into());
        match &self.topics {
            KafkaTopics::Names(names) => all.insert("subscribe".into(), names.join(",").into()),
            KafkaTopics::Pattern(pattern) => all.insert("subscribePattern".into(), pattern.clone().into()),
        };
        if let Some(offsets) = &self.starting_offsets {
            all.insert("startingOffsets".into(), offsets.clone().into());
        }
        if let Some(records) = self.max_offsets_per_trigger {
            all.insert("maxOffsetsPerTrigger".into(), records.into());
        }
        all
    }

    fn check(&self) -> Result<()> {
        check_servers("source", &self.bootstrap_servers)?;
        positive("source.max_offsets_per_trigger", self.max_offsets_per_trigger)?;
        match &self.topics {
            KafkaTopics::Names(names) => {
                if names.is_empty() {
                    return Err(invalid("source.topics", "must not be empty"));
                }
                names.iter().try_for_each(|name| check_topic("source.topics", name))?;
            }
            KafkaTopics::Pattern(pattern) => not_empty("source.topics", pattern)?,
        }
        if let Some(offsets) = &self.starting_offsets {
            let is_json = || matches!(serde_json::from_str(offsets), Ok(serde_json::Value::Object(_)));
            if offsets != "earliest" && offsets != "latest" && !is_json() {
                return Err(invalid("source.starting_offsets", "must be `earliest`, `latest` or a JSON object"));
            }
        }
        Ok(())
    }
}

with_options!(KafkaSource);

pub(super) fn check_servers(field: &str, servers: &str) -> Result<()> {
    let at = format!("{field}.bootstrap_servers");
    let good = |server: &str| {
        let port = server.trim().rsplit_once(':').map(|(host, port)| (host.is_empty(), port.parse::<u16>()));
        matches!(port, Some((false, Ok(_))))
    };
    if servers.split(',').all(good) {
        Ok(())
    } else {
        Err(invalid(at, "must be `host:port`, several with commas between"))
    }
}

pub(super) fn check_topic(field: &str, topic: &str) -> Result<()> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if topic.is_empty() || topic.len() > 249 || !topic.bytes().all(legal) || topic == "." || topic == ".." {
        return Err(invalid(field, "must be the name of a topic: at most 249 letters, digits, `.`, `_` and `-`"));
    }
    Ok(())
}

/// Files as they arrive in a directory, by Auto Loader.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AutoLoaderSource {
    /// The directory.
    pub path: String,
    /// What the files are: `json`, `csv`, `parquet`, `avro`, `orc`, `xml`, `text` or `binaryFile`.
    pub format: String,
    /// Where the schema that is found in the files is kept.
    pub schema_location: Option<String>,
    /// The schema, in SQL: `id bigint, at timestamp`. In place of the one in the files.
    pub schema: Option<String>,
    /// How many files make a batch at most.
    pub max_files_per_trigger: Option<u64>,
    /// More options; those of Auto Loader itself begin with `cloudFiles.`.
    pub options: Options,
}

impl AutoLoaderSource {
    /// Files of this format in this directory.
    pub fn new(path: impl Into<String>, format: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            format: format.into(),
            schema_location: None,
            schema: None,
            max_files_per_trigger: None,
            options: Options::new(),
        }
    }

    /// Keeps the schema that is found in the files here.
    #[must_use]
    pub fn with_schema_location(mut self, location: impl Into<String>) -> Self {
        self.schema_location = Some(location.into());
        self
    }

    /// Reads with this schema, in SQL.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Makes batches of at most so many files.
    #[must_use]
    pub fn with_max_files_per_trigger(mut self, files: u64) -> Self {
        self.max_files_per_trigger = Some(files);
        self
    }

    pub(super) fn all_options(&self) -> Options {
        let mut all = self.options.clone();
        all.insert("cloudFiles.format".into(), self.format.clone().into());
        if let Some(location) = &self.schema_location {
            all.insert("cloudFiles.schemaLocation".into(), location.clone().into());
        }
        if let Some(files) = self.max_files_per_trigger {
            all.insert("cloudFiles.maxFilesPerTrigger".into(), files.into());
        }
        all
    }

    fn check(&self) -> Result<()> {
        check_path("source.path".into(), &self.path)?;
        positive("source.max_files_per_trigger", self.max_files_per_trigger)?;
        const FORMATS: [&str; 8] = ["json", "csv", "parquet", "avro", "orc", "xml", "text", "binaryFile"];
        if !FORMATS.contains(&self.format.as_str()) {
            return Err(invalid("source.format", &format!("must be one of {}", FORMATS.join(", "))));
        }
        if let Some(schema) = &self.schema {
            not_empty("source.schema", schema)?;
        }
        match &self.schema_location {
            Some(location) => check_path("source.schema_location".into(), location),
            None if self.schema.is_none() && !matches!(self.format.as_str(), "text" | "binaryFile") => {
                Err(invalid("source.schema_location", "must be set, or `schema`"))
            }
            None => Ok(()),
        }
    }
}

with_options!(AutoLoaderSource);

/// Rows that are made up, `timestamp` and `value`, to try things.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RateSource {
    /// How many in a second.
    pub rows_per_second: u64,
    /// More options.
    pub options: Options,
}

impl RateSource {
    /// So many rows in a second.
    pub fn new(rows_per_second: u64) -> Self {
        Self { rows_per_second, options: Options::new() }
    }
}

with_options!(RateSource);

/// Where a stream comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StreamSource {
    /// A Delta table.
    Delta(DeltaSource),
    /// Topics of Kafka.
    Kafka(KafkaSource),
    /// Files, by Auto Loader.
    AutoLoader(AutoLoaderSource),
    /// Rows that are made up.
    Rate(RateSource),
    /// Any other format, by its name. It is refused.
    Other(String),
}

macro_rules! from_source {
    ($($type:ident => $variant:ident),*) => {$(
        impl From<$type> for StreamSource {
            fn from(source: $type) -> Self {
                Self::$variant(source)
            }
        }
    )*};
}

from_source!(DeltaSource => Delta, KafkaSource => Kafka, AutoLoaderSource => AutoLoader, RateSource => Rate);

/// What Spark refuses as an option of Kafka: it does these things itself.
pub(super) const KAFKA_REFUSED: [&str; 7] = [
    "kafka.auto.offset.reset",
    "kafka.enable.auto.commit",
    "kafka.interceptor.classes",
    "kafka.key.deserializer",
    "kafka.key.serializer",
    "kafka.value.deserializer",
    "kafka.value.serializer",
];

impl StreamSource {
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Delta(delta) => {
                delta.table.check("source")?;
                positive("source.max_files_per_trigger", delta.max_files_per_trigger)?;
                if delta.starting_version.is_some() && delta.options.contains_key("startingTimestamp") {
                    return Err(invalid(
                        "source.starting_version",
                        "must not be set together with `startingTimestamp`",
                    ));
                }
                let owned = [
                    ("path", "table"),
                    ("startingVersion", "starting_version"),
                    ("readChangeFeed", "read_change_feed"),
                    ("skipChangeCommits", "skip_change_commits"),
                    ("maxFilesPerTrigger", "max_files_per_trigger"),
                ];
                option::check("source", &delta.options, &owned, &[])
            }
            Self::Kafka(kafka) => {
                kafka.check()?;
                let owned = [
                    ("kafka.bootstrap.servers", "bootstrap_servers"),
                    ("subscribe", "topics"),
                    ("subscribePattern", "topics"),
                    ("assign", "topics"),
                    ("startingOffsets", "starting_offsets"),
                    ("maxOffsetsPerTrigger", "max_offsets_per_trigger"),
                ];
                option::check("source", &kafka.options, &owned, &KAFKA_REFUSED)
            }
            Self::AutoLoader(files) => {
                files.check()?;
                let owned = [
                    ("path", "path"),
                    ("cloudFiles.format", "format"),
                    ("cloudFiles.schemaLocation", "schema_location"),
                    ("cloudFiles.maxFilesPerTrigger", "max_files_per_trigger"),
                ];
                option::check("source", &files.options, &owned, &[])
            }
            Self::Rate(rate) => {
                positive("source.rows_per_second", Some(rate.rows_per_second))?;
                option::check("source", &rate.options, &[("rowsPerSecond", "rows_per_second")], &[])
            }
            Self::Other(format) => Err(Error::unsupported(
                BACKEND,
                format!("a stream comes from Delta, Kafka, Auto Loader or `rate`, not from `{format}`"),
            )
            .with_context("field", "source")),
        }
    }
}
