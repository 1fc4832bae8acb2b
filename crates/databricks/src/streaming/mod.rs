//! Streaming jobs: a source, SQL, a sink; written down as a notebook and run as a job.
//!
//! ```no_run
//! use std::time::Duration;
//! use twinhouse_databricks::{
//!     DatabricksClient,
//!     jobs::WaitOptions,
//!     streaming::{StreamingJobBuilder, StreamingSubmission},
//! };
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let spec = StreamingJobBuilder::from_delta("main.sales.orders")
//!     .watermark("ordered_at", Duration::from_secs(600))
//!     .transform("select window(ordered_at, '1 hour') as hour, sum(price) as revenue from source group by 1")
//!     .to_delta("main.sales.revenue_by_hour")
//!     .checkpoint("/Volumes/main/sales/checkpoints/revenue_by_hour")
//!     .trigger_available_now()
//!     .build()?;
//! let jobs = DatabricksClient::from_env()?.jobs();
//! let run = jobs.submit_streaming_job(StreamingSubmission::new(spec).with_cleanup(true)).await?;
//! run.wait(&WaitOptions::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything is checked before anything is sent, each text of yours becomes a Python literal of its own, and secrets
//! are [references](OptionValue::secret) that the notebook looks up: none is ever in its text.

mod builder;
mod check;
mod literal;
mod notebook;
mod option;
mod sink;
mod source;
mod spec;
mod sql;
mod submit;

pub use builder::StreamingJobBuilder;
pub use option::{OptionValue, Part};
pub use sink::{DeltaSink, KafkaSink, StreamSink};
pub use source::{AutoLoaderSource, DeltaSource, KafkaSource, KafkaTopics, RateSource, StreamSource, Table};
pub use spec::{OutputMode, Step, StreamingJobSpec, Trigger};
pub use submit::{StreamingRun, StreamingSubmission};
