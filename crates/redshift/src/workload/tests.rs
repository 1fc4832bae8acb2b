use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;

use super::*;
use crate::{
    testing::{Answers, Say, cluster},
    wire::script::Log,
};

/// A cluster, or a workgroup, with one query that waits.
#[derive(Clone, Copy)]
struct Server {
    serverless: bool,
    superuser: bool,
}

const QUERY: [&str; 25] = [
    "42",
    "100",
    "nightly   ",
    "7",
    "1234",
    "dev  ",
    "SELECT  ",
    "queued ",
    "f",
    "2026-01-31 10:00:00.5",
    "<null>",
    "2000000",
    "1500000",
    "0",
    " ",
    "<null>",
    "<null>",
    "select 1",
    "<null>",
    "20",
    "<null>",
    "100",
    "Default queue   ",
    "Normal",
    "etl   ",
];

#[async_trait]
impl Answers for Server {
    async fn answer(&mut self, sql: &str) -> Say {
        if self.serverless && (sql.contains("stv_") || sql.contains("svl_")) {
            return Say::Error("42501", "permission denied for relation stv_recents".to_owned());
        }
        if sql.contains("stv_wlm_service_class_config") {
            match self.superuser {
                true => Say::rows(&[
                    &[
                        "5",
                        "Service class for super user",
                        "FIFO Queue Policy",
                        "1",
                        "1000",
                        "0",
                        "f",
                        "f",
                        "off",
                        "Normal",
                    ],
                    &["6", "reports", "FIFO Queue Policy", "5", "300", "60000", "f", "t", "auto", "High"],
                    &["100", "Default queue", "Auto", "-1", "-1", "0", "f", "f", "off", "Normal"],
                ]),
                false => Say::none(),
            }
        } else if sql.contains("stv_wlm_service_class_state") {
            Say::rows(&[
                &["6", "3", "4", "200", "1", "0"],
                &["100", "0", "2", "9", "0", "0"],
                &["14", "0", "0", "0", "0", "0"],
            ])
        } else if sql.contains("stv_wlm_classification_config") {
            Say::rows(&[&["6", "(query group: reports)   "], &["6", "(user group: analysts)"]])
        } else if sql.contains("stv_wlm_query_state") {
            Say::row(&["42", "100", "2"])
        } else if sql.contains("stv_wlm_query_queue_state") {
            Say::row(&["42", "3"])
        } else if sql.contains("stv_recents") {
            Say::none()
        } else if sql.contains("svl_query_metrics_summary") {
            Say::row(&["3", "120", "55.50", "0", "1.10", "<null>", "1000", "10", "0", "<null>", "<null>"])
        } else if sql.contains("sys_query_text") {
            Say::rows(&[&["select 'a  "], &["b'\\nfrom t   "]])
        } else if sql.contains("sys_query_detail") {
            Say::rows(&[
                &["1", "0", "0", "0", "scan", "t", "900", "<null>", "1", "2", "3", "4", "5", "0", "0", "6", "1"],
                &[
                    "1", "0", "0", "1", "project", "<null>", "9", "<null>", "1", "2", "3", "4", "0", "0", "0",
                    "<null>", "<null>",
                ],
                &[
                    "1",
                    "1",
                    "1",
                    "0",
                    "return",
                    "<null>",
                    "9",
                    "Missing statistics",
                    "1",
                    "2",
                    "3",
                    "4",
                    "0",
                    "0",
                    "0",
                    "2",
                    "0",
                ],
            ])
        } else if sql.contains("SUM(CASE") {
            Say::row(&["-1", "<null>", "<null>", "2"])
        } else if sql.contains("SELECT session_id FROM sys_query_history") {
            if sql.contains("query_id = 42 ") { Say::row(&["1234"]) } else { Say::none() }
        } else if sql.contains("sys_query_history") {
            if sql.contains("query_id = 7 ") { Say::none() } else { Say::row(&QUERY) }
        } else if sql.contains("sys_session_history") {
            if sql.contains("1234") { Say::row(&["1"]) } else { Say::none() }
        } else {
            Say::row(&["1"])
        }
    }
}

fn workload(log: &Log, server: Server) -> Workload {
    Workload(cluster(log, None, move || server))
}

const PROVISIONED: Server = Server { serverless: false, superuser: true };
const SERVERLESS: Server = Server { serverless: true, superuser: true };

#[tokio::test]
async fn a_clusters_queues_come_with_what_is_in_them_and_what_sends_queries_there() {
    let queues = workload(&Log::default(), PROVISIONED).queues().await.unwrap();
    let [superuser, reports, auto] = &queues[..] else { panic!("{queues:?}") };
    assert!(!superuser.is_for_users() && reports.is_for_users() && auto.is_for_users());
    assert_eq!((superuser.running, superuser.available_slots()), (None, None), "the state view has no row for it");
    assert_eq!((reports.slots, reports.running, reports.queued), (Some(5), Some(4), Some(3)));
    assert_eq!((reports.available_slots(), reports.max_execution), (Some(1), Some(Duration::from_secs(60))));
    assert_eq!(
        reports.rules.as_deref(),
        Some(&["(query group: reports)".to_owned(), "(user group: analysts)".to_owned()][..])
    );
    assert_eq!((auto.slots, auto.available_slots(), auto.max_execution), (None, None, None), "the server decides");
}

#[tokio::test]
async fn queues_that_may_not_be_seen_are_not_taken_for_none() {
    let server = Server { superuser: false, ..PROVISIONED };
    let error = workload(&Log::default(), server).queues().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context("view")),
        (ErrorKind::PermissionDenied, Some("stv_wlm_service_class_config"))
    );
}

/// mage-ai/mage-ai#2754: STL_ and STV_ views are refused on serverless, so they are not asked there.
#[tokio::test]
async fn a_workgroup_is_asked_only_for_what_it_has() {
    let log = Log::default();
    let workload = workload(&log, SERVERLESS);
    let queues = workload.queues().await.unwrap();
    assert_eq!((queues[0].service_class, queues[0].running, queues[0].queued), (-1, Some(2), Some(0)));
    let running: Vec<_> = workload.running_queries(QueryFilter::default()).try_collect().await.unwrap();
    assert_eq!((running[0].position, running[0].slots), (None, None));
    let metrics = workload.query_metrics(42).await.unwrap();
    assert_eq!((metrics.cpu_time, metrics.steps.len()), (None, 3));
    let stv = log.all().iter().filter(|line| line.contains("stv_") || line.contains("svl_")).count();
    assert_eq!(stv, 1, "once, to find out what the server is");
}

#[tokio::test]
async fn a_query_that_waits_has_its_place_in_the_queue() {
    let log = Log::default();
    let filter = QueryFilter::default().with_user("e'tl").with_label("nightly").with_session(1234).with_database("dev");
    let running: Vec<_> = workload(&log, PROVISIONED).running_queries(filter).try_collect().await.unwrap();
    let [query] = &running[..] else { panic!("{running:?}") };
    assert_eq!(
        (query.id, query.state.clone(), query.position, query.slots),
        (42, QueryState::Queued, Some(3), Some(2))
    );
    assert_eq!(
        (query.label.as_deref(), query.user.as_deref(), query.session),
        (Some("nightly"), Some("etl"), Some(1234))
    );
    assert_eq!((query.queued, query.planned), (Some(Duration::from_millis(1500)), Some(Duration::from_micros(20))));
    assert_eq!((query.error.as_deref(), query.rows, query.ended), (None, None, None));
    for condition in ["TRIM(username) = 'e''tl'", "TRIM(query_label) = 'nightly'", "session_id = 1234", "user_id > 1"] {
        assert_eq!(log.count(condition), 1, "{condition}");
    }
}

#[tokio::test]
async fn metrics_are_put_together_from_the_views_and_what_they_do_not_say_stays_unknown() {
    let workload = workload(&Log::default(), PROVISIONED);
    let metrics = workload.query_metrics(42).await.unwrap();
    assert_eq!((metrics.cpu_time, metrics.cpu_percent), (Some(Duration::from_secs(3)), Some(55.5)));
    assert_eq!((metrics.io_skew, metrics.spectrum_rows), (None, None));
    assert_eq!((metrics.segments(), metrics.spilled_blocks()), (Some(2), Some(9)));
    assert_eq!(metrics.steps[2].alert.as_deref(), Some("Missing statistics"));
    assert_eq!((metrics.steps[1].spilled_blocks, metrics.steps[0].spilled_blocks), (None, Some(7)));
    assert_eq!(workload.query_metrics(7).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_long_text_is_put_together() {
    let text = workload(&Log::default(), PROVISIONED).query_text(42).await.unwrap();
    assert_eq!(text, "select 'a  b'\nfrom t");
}

#[tokio::test]
async fn a_query_is_cancelled_by_its_session_and_one_that_is_over_is_left_alone() {
    let log = Log::default();
    let workload = workload(&log, PROVISIONED);
    assert!(workload.cancel_query(42).await.unwrap());
    assert_eq!(log.count("SELECT pg_cancel_backend(1234)"), 1);
    assert!(!workload.cancel_query(43).await.unwrap());
    assert!(workload.terminate_session(1234).await.unwrap());
    assert!(!workload.cancel_session(99).await.unwrap());
    assert_eq!(log.count("SELECT pg_terminate_backend(1234)"), 1);
    assert_eq!(log.count("_backend(99)"), 0);
}

#[tokio::test]
async fn a_closed_warehouse_answers_nothing_more() {
    let workload = workload(&Log::default(), PROVISIONED);
    workload.0.close().await;
    assert!(workload.queues().await.is_err());
    assert!(workload.recent_queries(QueryFilter::default()).try_next().await.is_err());
}
