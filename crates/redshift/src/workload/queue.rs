//! Queues: how they are configured and what is in them.

use std::{collections::HashMap, time::Duration};

use twinhouse_core::{Error, ErrorKind, Report, Result};

use crate::{
    cluster::Cluster,
    views::{Deployment, View, deployment, rows},
};

const CONFIG: View = View {
    name: "stv_wlm_service_class_config",
    columns: &[
        "service_class",
        "name",
        "queueing_strategy",
        "num_query_tasks",
        "query_working_mem",
        "max_execution_time",
        "user_group_wild_card",
        "query_group_wild_card",
        "concurrency_scaling",
    ],
    later: &["query_priority"],
};
const STATE: View = View {
    name: "stv_wlm_service_class_state",
    columns: &[
        "service_class",
        "num_queued_queries",
        "num_executing_queries",
        "num_executed_queries",
        "num_evicted_queries",
    ],
    later: &["num_concurrency_scaling_queries"],
};
const RULES: View =
    View { name: "stv_wlm_classification_config", columns: &["action_service_class", "condition"], later: &[] };

/// The queries that the server runs for itself do not count.
const SERVERLESS: &str = "SELECT MAX(service_class_id), MAX(TRIM(service_class_name)), \
     SUM(CASE WHEN status = 'queued' THEN 1 ELSE 0 END), \
     SUM(CASE WHEN status IN ('running', 'returning') THEN 1 ELSE 0 END) \
     FROM sys_query_history WHERE user_id > 1 AND session_id <> pg_backend_pid() \
     AND status IN ('queued', 'running', 'returning')";

/// One queue ("service class") of workload management.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueState {
    /// Its number: 5 is the superuser's, 6 to 13 are queues with slots, from 100 on those that the server manages itself;
    /// -1 on serverless.
    pub service_class: i32,
    /// What it is called.
    pub name: String,
    /// How its queries are put in order.
    pub strategy: Option<String>,
    /// How many queries may run in it at once; `None` where the server decides itself.
    pub slots: Option<u32>,
    /// The memory of a slot, in MB; `None` where the server decides itself.
    pub slot_memory_mb: Option<u64>,
    /// How long a query may run in it; `None` without a limit.
    pub max_execution: Option<Duration>,
    /// Whether the names of its user groups may hold wild cards.
    pub user_group_wild_card: Option<bool>,
    /// Whether the names of its query groups may hold wild cards.
    pub query_group_wild_card: Option<bool>,
    /// Whether its queries may go to additional clusters: `off`, `auto`.
    pub concurrency_scaling: Option<String>,
    /// The priority of its queries.
    pub priority: Option<String>,
    /// What sends a query to it, in the server's words: `(query group: nightly)`. `None` if the server does not say.
    pub rules: Option<Vec<String>>,
    /// How many queries wait.
    pub queued: Option<u64>,
    /// How many run.
    pub running: Option<u64>,
    /// How many ran since the server started.
    pub executed: Option<u64>,
    /// How many were taken out of it since the server started.
    pub evicted: Option<u64>,
    /// How many run on additional clusters.
    pub scaled_out: Option<u64>,
}

impl QueueState {
    /// Whether it is a queue that queries of users come to, rather than one that the server keeps for itself.
    pub fn is_for_users(&self) -> bool {
        !(1..=5).contains(&self.service_class) && !matches!(self.service_class, 14 | 15)
    }

    /// How many more queries could run at once; `None` where the server decides itself.
    ///
    /// A query may take several slots, so that there can be fewer.
    pub fn available_slots(&self) -> Option<u64> {
        Some(u64::from(self.slots?).saturating_sub(self.running?))
    }
}

pub(super) async fn queues(cluster: &Cluster) -> Result<Vec<QueueState>> {
    match deployment(cluster).await? {
        Deployment::Serverless => serverless(cluster).await.map(|queue| vec![queue]),
        _ => provisioned(cluster).await,
    }
}

async fn provisioned(cluster: &Cluster) -> Result<Vec<QueueState>> {
    let config = CONFIG.read(cluster, "queues.config", "ORDER BY service_class").await?;
    if config.is_empty() {
        // Every cluster has queues; these views hide them from all but superusers.
        let why = "only superusers may see the queues of a provisioned cluster";
        return Err(Error::new(ErrorKind::PermissionDenied, why).with_context("view", CONFIG.name));
    }
    let mut queues = Vec::with_capacity(config.len());
    for mut row in config {
        queues.push(QueueState {
            service_class: row.number()?.ok_or_else(|| Error::new(ErrorKind::Protocol, "a queue has no number"))?,
            name: row.padded()?.unwrap_or_default(),
            strategy: row.padded()?,
            // -1: the server decides.
            slots: row.count()?.and_then(|slots| u32::try_from(slots).ok()),
            slot_memory_mb: row.count()?,
            max_execution: row.millis()?.filter(|limit| !limit.is_zero()),
            user_group_wild_card: row.flag()?,
            query_group_wild_card: row.flag()?,
            concurrency_scaling: row.padded()?,
            priority: row.padded()?,
            rules: None,
            queued: None,
            running: None,
            executed: None,
            evicted: None,
            scaled_out: None,
        });
    }
    let index: HashMap<i32, usize> = queues.iter().enumerate().map(|(at, queue)| (queue.service_class, at)).collect();
    for mut row in STATE.read(cluster, "queues.state", "").await? {
        let Some(queue) = row.number()?.and_then(|class: i32| index.get(&class)).map(|at| &mut queues[*at]) else {
            continue;
        };
        queue.queued = row.count()?;
        queue.running = row.count()?;
        queue.executed = row.count()?;
        queue.evicted = row.count()?;
        queue.scaled_out = row.count()?;
    }
    match RULES.read(cluster, "queues.rules", "ORDER BY id, action_seq").await {
        Ok(rules) => {
            queues.iter_mut().for_each(|queue| queue.rules = Some(Vec::new()));
            for mut row in rules {
                let queue = row.number()?.and_then(|class: i32| index.get(&class)).map(|at| &mut queues[*at]);
                if let (Some(queue), Some(condition)) = (queue, row.padded()?) {
                    queue.rules.get_or_insert_default().push(condition);
                }
            }
        }
        Err(error) => tracing::debug!(error = %Report(&error), "what sends queries to which queue is not known"),
    }
    Ok(queues)
}

async fn serverless(cluster: &Cluster) -> Result<QueueState> {
    let row = rows(cluster, "queues.state", SERVERLESS).await?.into_iter().next().unwrap_or_default();
    let mut row = crate::views::Fields::new("sys_query_history", row);
    Ok(QueueState {
        service_class: row.number()?.unwrap_or(-1),
        name: row.padded()?.unwrap_or_else(|| "serverless".to_owned()),
        queued: Some(row.count()?.unwrap_or(0)),
        running: Some(row.count()?.unwrap_or(0)),
        strategy: None,
        slots: None,
        slot_memory_mb: None,
        max_execution: None,
        user_group_wild_card: None,
        query_group_wild_card: None,
        concurrency_scaling: None,
        priority: None,
        rules: None,
        executed: None,
        evicted: None,
        scaled_out: None,
    })
}
