use super::support::{one, rows, unique, warehouse};

#[tokio::test]
async fn the_views_have_the_columns_that_the_service_documents() {
    let warehouse = warehouse().await;
    for (view, columns) in [
        ("stv_recents", "userid, status, starttime, duration, user_name, db_name, query, pid"),
        (
            "stv_inflight",
            "userid, slice, query, label, xid, pid, starttime, text, suspended, insert_pristine, concurrency_scaling_status",
        ),
        ("stv_sessions", "starttime, process, user_name, db_name, timeout_sec"),
        ("sys_session_history", "user_id, session_id, database_name, status, session_timeout, start_time, end_time"),
        (
            "stl_query",
            "userid, query, label, xid, pid, database, querytxt, starttime, endtime, aborted, insert_pristine",
        ),
        ("stl_querytext", "userid, xid, pid, query, sequence, text"),
        ("svl_qlog", "userid, query, xid, pid, starttime, endtime, elapsed, aborted, label, substring, source_query"),
        (
            "stv_wlm_service_class_state",
            "service_class, num_queued_queries, num_executing_queries, num_serviced_queries",
        ),
        (
            "stv_wlm_query_state",
            "xid, task, query, service_class, slot_count, wlm_start_time, state, queue_time, exec_time",
        ),
        ("stv_wlm_query_queue_state", "service_class, position, task, query, slot_count, start_time, queue_time"),
        (
            "stl_wlm_query",
            "userid, xid, task, query, service_class, slot_count, total_queue_time, total_exec_time, final_state",
        ),
        (
            "svl_query_metrics_summary",
            "query_cpu_time, query_temp_blocks_to_disk, return_row_count, spectrum_scan_size_mb",
        ),
        (
            "sys_query_history",
            "query_id, query_label, session_id, status, returned_rows, compile_time, service_class_name, username",
        ),
        ("sys_query_text", "query_id, sequence, text"),
        ("sys_query_detail", "query_id, step_name, alert, spilled_block_local_disk, metrics_level"),
        ("sys_external_query_detail", "query_id, scanned_files, returned_bytes, s3list_time"),
        (
            "svv_table_info",
            "database, schema, table_id, \"table\", diststyle, sortkey1, stats_off, tbl_rows, create_time",
        ),
        ("svv_external_partitions", "schemaname, tablename, \"values\", location"),
        ("svv_datashares", "share_name, share_type, producer_namespace, managed_by"),
        ("stv_slices", "node, slice, localslice, type"),
    ] {
        rows(&warehouse, format!("select {columns} from {view} limit 1").as_str()).await;
    }
}

/// The older names of the planned queries are not there; see the column lists of the Database Developer Guide.
#[tokio::test]
async fn columns_that_the_service_does_not_have_are_not_there_either() {
    let warehouse = warehouse().await;
    for (view, column) in [
        ("stv_recents", "elapsed_time"),
        ("stv_recents", "rows"),
        ("stv_wlm_service_class_state", "num_slots"),
        ("svl_query_metrics_summary", "compile_time"),
    ] {
        let error = super::support::failed(
            super::support::read(
                twinhouse_warehouse_api::WarehouseExt::query(
                    &warehouse,
                    format!("select {column} from {view}").as_str(),
                )
                .await,
            )
            .await,
        );
        assert_eq!(error.sqlstate(), Some("42703"), "{view}.{column}");
    }
}

#[tokio::test]
async fn a_query_id_leads_from_the_session_to_every_view() {
    let warehouse = warehouse().await;
    let label = unique("l");
    let ours = warehouse
        .with_settings(twinhouse_redshift::SessionSettings::default().with_query_group(&label))
        .expect("settings");
    assert_eq!(one(&ours, "select 5 as five").await, "5");
    let sql =
        format!("select query from stl_query where trim(label) = '{label}' and trim(querytxt) = 'select 5 as five'");
    let id = one(&warehouse, &sql).await;
    for (view, column) in
        [("stl_wlm_query", "query"), ("svl_qlog", "query"), ("stl_querytext", "query"), ("sys_query_text", "query_id")]
    {
        assert_eq!(one(&warehouse, &format!("select count(*) from {view} where {column} = {id}")).await, "1", "{view}");
    }
    assert_eq!(one(&warehouse, &format!("select aborted from stl_query where query = {id}")).await, "0");
}
