//! `/api/2.0/sql/history/queries`

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    Json,
    extract::{RawQuery, State},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::app::Shared;
use crate::databricks::{
    api::{ApiError, ApiResult},
    engine::USER,
    statement::StatementReport,
};

/// Queries of a page, and the most that may be asked for.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 999;
/// The longest time that may be asked for, in milliseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;
/// The one user.
const USER_ID: u64 = 1;

/// What is asked for.
#[derive(Default)]
struct Wanted {
    warehouses: Vec<String>,
    statements: Vec<String>,
    statuses: Vec<String>,
    users: Vec<String>,
    from: Option<u64>,
    to: Option<u64>,
    most: Option<usize>,
    metrics: bool,
    token: Option<String>,
}

impl Wanted {
    fn read(query: &str) -> ApiResult<Self> {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            let number = |value: &str| {
                let wrong = || ApiError::invalid(format!("Invalid value for {name}: '{value}' is not a number"));
                value.parse::<u64>().map_err(|_| wrong())
            };
            match &*name {
                "filter_by.warehouse_ids" => wanted.warehouses.push(value),
                "filter_by.statement_ids" => wanted.statements.push(value),
                "filter_by.statuses" => wanted.statuses.push(value),
                "filter_by.user_ids" => wanted.users.push(value),
                "filter_by.query_start_time_range.start_time_ms" => wanted.from = Some(number(&value)?),
                "filter_by.query_start_time_range.end_time_ms" => wanted.to = Some(number(&value)?),
                "max_results" => wanted.most = Some(number(&value)? as usize),
                "include_metrics" => wanted.metrics = value == "true",
                "page_token" => wanted.token = Some(value).filter(|token| !token.is_empty()),
                other if other.starts_with("filter_by") => return Err(ApiError::not_implemented(other)),
                _ => {}
            }
        }
        if wanted.most.is_some_and(|most| most == 0 || most > LARGEST_PAGE) {
            return Err(ApiError::invalid("max_results must be between 1 and 999."));
        }
        let span = wanted.from.zip(wanted.to).map(|(from, to)| to.checked_sub(from));
        if span.is_some_and(|span| span.is_none_or(|span| span > LONGEST)) {
            return Err(ApiError::invalid("The query start time range must not be longer than 30 days."));
        }
        Ok(wanted)
    }

    fn admits(&self, report: &StatementReport) -> bool {
        let among = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|one| one == value);
        let began = millis(report.submitted);
        among(&self.warehouses, &report.origin.warehouse_id)
            && among(&self.statements, &report.id)
            && among(&self.statuses, report.status)
            && among(&self.users, &USER_ID.to_string())
            && self.from.is_none_or(|from| began >= from)
            && self.to.is_none_or(|to| began <= to)
    }
}

/// Newest first, a page at a time.
pub(super) async fn list(State(app): Shared, RawQuery(query): RawQuery) -> ApiResult<Json<Value>> {
    let wanted = Wanted::read(query.as_deref().unwrap_or_default())?;
    let mut reports = app.runner.statements.reports();
    reports.reverse();
    reports.retain(|report| wanted.admits(report));
    if let Some(token) = &wanted.token {
        let last = BASE64_STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let last = last.and_then(|text| text.strip_prefix("before:").map(str::to_owned));
        let last = last.ok_or_else(|| ApiError::invalid("Invalid page token"))?;
        // Ids begin with their time: what came meanwhile stands before the first page.
        reports.retain(|report| report.id < last);
    }
    let most = wanted.most.unwrap_or(PAGE);
    let more = reports.len() > most;
    reports.truncate(most);
    let mut answer = json!({
        "res": reports.iter().map(|report| told(report, wanted.metrics)).collect::<Vec<_>>(),
        "has_next_page": more,
    });
    if let Some(last) = reports.last().filter(|_| more) {
        answer["next_page_token"] = json!(BASE64_STANDARD.encode(format!("before:{}", last.id)));
    }
    Ok(Json(answer))
}

fn told(report: &StatementReport, metrics: bool) -> Value {
    let began = millis(report.submitted);
    let ended = report.ended.map(millis);
    let duration = ended.unwrap_or_else(|| millis(SystemTime::now())).saturating_sub(began);
    let origin = &report.origin;
    let mut told = json!({
        "query_id": report.id,
        "status": report.status,
        "query_text": report.sql,
        "query_start_time_ms": began,
        "duration": duration,
        "is_final": ended.is_some(),
        "warehouse_id": origin.warehouse_id,
        "endpoint_id": origin.warehouse_id,
        "statement_type": statement_type(&report.sql),
        "user_id": USER_ID,
        "user_name": USER,
        "executed_as_user_id": USER_ID,
        "executed_as_user_name": USER,
        "plans_state": "IGNORED_SMALL_DURATION",
        "lookup_key": report.id,
    });
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            told[name] = value;
        }
    };
    put("query_end_time_ms", ended.map(Value::from));
    put("execution_end_time_ms", ended.map(Value::from));
    put("rows_produced", report.rows.map(Value::from));
    put("error_message", report.error.clone().map(Value::from));
    put("session_id", origin.session_id.clone().map(Value::from));
    put("client_application", origin.application.clone().map(Value::from));
    let tags: Vec<Value> = origin.tags.iter().map(|tag| json!(tag)).collect();
    put("query_tags", (!tags.is_empty()).then(|| tags.into()));
    if metrics {
        put(
            "metrics",
            Some(json!({
                "total_time_ms": duration,
                "execution_time_ms": duration,
                "rows_produced_count": report.rows.unwrap_or_default(),
                "result_from_cache": false,
            })),
        );
    }
    told
}

/// What the first word says.
pub(super) fn statement_type(sql: &str) -> &'static str {
    let word = sql.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
    let word = word.to_ascii_uppercase();
    let known = [
        "ALTER", "ANALYZE", "COPY", "CREATE", "DELETE", "DESCRIBE", "DROP", "EXPLAIN", "GRANT", "INSERT", "MERGE",
        "OPTIMIZE", "REFRESH", "REPLACE", "REVOKE", "SELECT", "SET", "SHOW", "TRUNCATE", "UPDATE", "USE",
    ];
    match word.as_str() {
        "WITH" | "FROM" | "VALUES" | "TABLE" => "SELECT",
        "DESC" => "DESCRIBE",
        word => known.into_iter().find(|known| *known == word).unwrap_or("OTHER"),
    }
}

fn millis(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
