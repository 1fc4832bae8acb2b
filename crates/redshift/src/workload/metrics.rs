//! What a query cost.

use std::time::Duration;

use twinhouse_core::{Error, ErrorKind, Report, Result};

use super::{QueryInfo, query};
use crate::{
    cluster::Cluster,
    views::{Deployment, Fields, View, deployment},
};

const STEPS: View = View {
    name: "sys_query_detail",
    columns: &[
        "child_query_sequence",
        "stream_id",
        "segment_id",
        "step_id",
        "step_name",
        "table_name",
        "duration",
        "alert",
        "input_bytes",
        "input_rows",
        "output_bytes",
        "output_rows",
        "blocks_read",
    ],
    later: &["data_skewness", "time_skewness", "spilled_block_local_disk", "spilled_block_remote_disk"],
};
const SUMMARY: View = View {
    name: "svl_query_metrics_summary",
    columns: &[
        "query_cpu_time",
        "query_blocks_read",
        "query_cpu_usage_percent",
        "query_temp_blocks_to_disk",
        "cpu_skew",
        "io_skew",
        "scan_row_count",
        "join_row_count",
        "nested_loop_join_row_count",
        "spectrum_scan_row_count",
        "spectrum_scan_size_mb",
    ],
    later: &[],
};

/// What a query cost, as far as the server says: what it does not is `None`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueryMetrics {
    /// The query, with its times, rows and bytes.
    pub query: QueryInfo,
    /// Its steps, in order; empty if the server kept none.
    pub steps: Vec<StepMetrics>,
    /// Seconds of processor time on all slices. Provisioned clusters only, and only of queries that ran for more than a
    /// second in a queue of users; the same holds for what follows.
    pub cpu_time: Option<Duration>,
    /// Of the processor's capacity, in percent.
    pub cpu_percent: Option<f64>,
    /// The blocks of 1 MB that it read.
    pub blocks_read: Option<u64>,
    /// What it spilled to disk, in MB.
    pub spilled_mb: Option<u64>,
    /// The busiest slice's processor time by that of the average.
    pub cpu_skew: Option<f64>,
    /// The busiest slice's reads by those of the average.
    pub io_skew: Option<f64>,
    /// Rows that were scanned, before filters.
    pub scanned_rows: Option<u64>,
    /// Rows that joins made.
    pub joined_rows: Option<u64>,
    /// Rows that nested loops made.
    pub nested_loop_rows: Option<u64>,
    /// Rows that Spectrum scanned.
    pub spectrum_rows: Option<u64>,
    /// What Spectrum scanned, in MB.
    pub spectrum_mb: Option<u64>,
}

impl QueryMetrics {
    /// The blocks of 1 MB that its steps spilled to local and remote disk; `None` if the server kept no steps.
    pub fn spilled_blocks(&self) -> Option<u64> {
        self.steps.iter().filter_map(|step| step.spilled_blocks).reduce(|all, one| all + one)
    }

    /// How many segments it ran in; `None` if the server kept no steps.
    pub fn segments(&self) -> Option<usize> {
        let mut segments: Vec<_> = self.steps.iter().map(|step| (step.child_query, step.segment)).collect();
        segments.sort_unstable();
        segments.dedup();
        (!segments.is_empty()).then_some(segments.len())
    }
}

/// One step of a query.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepMetrics {
    /// Which of the queries that the server made of it.
    pub child_query: Option<i32>,
    /// Which stream of that query.
    pub stream: Option<i32>,
    /// Which segment of that stream.
    pub segment: Option<i32>,
    /// Which step of that segment.
    pub step: Option<i32>,
    /// What it does: `scan`, `hashjoin`.
    pub name: Option<String>,
    /// The table it does it to.
    pub table: Option<String>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What the server finds wrong with it.
    pub alert: Option<String>,
    /// Rows that came in.
    pub input_rows: Option<u64>,
    /// Bytes that came in.
    pub input_bytes: Option<u64>,
    /// Rows that went out.
    pub output_rows: Option<u64>,
    /// Bytes that went out.
    pub output_bytes: Option<u64>,
    /// Blocks of 1 MB that it read.
    pub blocks_read: Option<u64>,
    /// How unevenly the rows lie on the slices, in percent.
    pub data_skew: Option<i64>,
    /// How unevenly the slices took time, in percent.
    pub time_skew: Option<i64>,
    /// Blocks of 1 MB that it spilled.
    pub spilled_blocks: Option<u64>,
}

pub(super) async fn metrics(cluster: &Cluster, id: i64) -> Result<QueryMetrics> {
    let Some(query) = query::one(cluster, id).await? else {
        let why = "the server does not know this query";
        return Err(Error::new(ErrorKind::NotFound, why).with_context("query", id.to_string()));
    };
    // Rows with -1 are sums of others.
    let rest =
        format!("WHERE query_id = {id} AND step_id >= 0 ORDER BY child_query_sequence, stream_id, segment_id, step_id");
    let steps = STEPS.read(cluster, "queries.steps", &rest).await?;
    let steps = steps.into_iter().map(|mut row| step(&mut row)).collect::<Result<_>>()?;
    let mut row = summary(cluster, id).await;
    Ok(QueryMetrics {
        query,
        steps,
        cpu_time: row.seconds()?,
        blocks_read: row.count()?,
        cpu_percent: row.number()?,
        spilled_mb: row.count()?,
        cpu_skew: row.number()?,
        io_skew: row.number()?,
        scanned_rows: row.count()?,
        joined_rows: row.count()?,
        nested_loop_rows: row.count()?,
        spectrum_rows: row.count()?,
        spectrum_mb: row.count()?,
    })
}

/// The summary of a query that has one: NULLs for all others.
async fn summary(cluster: &Cluster, id: i64) -> Fields {
    let read = async {
        if deployment(cluster).await? == Deployment::Serverless {
            return Ok(None);
        }
        let rows = SUMMARY.read(cluster, "queries.summary", &format!("WHERE query = {id} LIMIT 1")).await?;
        Ok::<_, Error>(rows.into_iter().next())
    };
    let nothing = || Fields::new(SUMMARY.name, vec![None; SUMMARY.columns.len()]);
    match read.await {
        Ok(row) => row.unwrap_or_else(nothing),
        Err(error) => {
            tracing::debug!(error = %Report(&error), "the summary of a query cannot be read");
            nothing()
        }
    }
}

fn step(row: &mut Fields) -> Result<StepMetrics> {
    let (child_query, stream, segment, step) = (row.number()?, row.number()?, row.number()?, row.number()?);
    let (name, table) = (row.padded()?, row.padded()?);
    let (duration, alert) = (row.micros()?, row.padded()?);
    let (input_bytes, input_rows, output_bytes, output_rows) = (row.count()?, row.count()?, row.count()?, row.count()?);
    let (blocks_read, data_skew, time_skew) = (row.count()?, row.number()?, row.number()?);
    let spilled: [Option<u64>; 2] = [row.count()?, row.count()?];
    Ok(StepMetrics {
        child_query,
        stream,
        segment,
        step,
        name,
        table,
        duration,
        alert,
        input_rows,
        input_bytes,
        output_rows,
        output_bytes,
        blocks_read,
        data_skew,
        time_skew,
        spilled_blocks: spilled.into_iter().flatten().reduce(|all, one| all + one),
    })
}
