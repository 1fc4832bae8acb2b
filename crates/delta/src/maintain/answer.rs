//! From the rows of a maintenance statement to typed reports.
//!
//! Rows go through JSON on their way: what a server adds in a later release lands in a report's `extra` and breaks
//! nothing, and both a missing column and a null one are "not said".

use chrono::{DateTime, NaiveDateTime, Utc};
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{StatementRequest, Warehouse, WarehouseExt as _};

/// Runs a statement and streams its rows as `T`, matched by name.
pub(super) async fn rows<T: DeserializeOwned + Send + 'static>(
    warehouse: &dyn Warehouse,
    request: StatementRequest,
) -> Result<impl Stream<Item = Result<T>> + Send + Unpin + 'static> {
    let rows = warehouse.query_as::<Value>(request).await?;
    Ok(rows.map(|row| typed(row?)))
}

/// Runs a statement that answers one row.
pub(super) async fn row<T: DeserializeOwned + Send + 'static>(
    warehouse: &dyn Warehouse,
    request: StatementRequest,
) -> Result<T> {
    let mut rows = rows(warehouse, request).await?;
    let first = rows.next().await.transpose()?;
    // To the end: a stream that is dropped before it cancels the statement.
    while rows.next().await.transpose()?.is_some() {}
    first.ok_or_else(|| Error::new(ErrorKind::Protocol, "the statement answered no row"))
}

/// Runs a statement whose rows, if it has any, say nothing.
pub(super) async fn done(warehouse: &dyn Warehouse, request: StatementRequest) -> Result<()> {
    warehouse.submit(request).await?.finish().await?;
    Ok(())
}

fn typed<T: DeserializeOwned>(row: Value) -> Result<T> {
    serde_json::from_value(without_nulls(row)).map_err(|cause| {
        Error::new(ErrorKind::Data, "the answer of the statement has another shape than documented")
            .with_context("type", std::any::type_name::<T>())
            .with_source(cause)
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}

/// A moment: text in one of ISO's forms, or microseconds since 1970.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<DateTime<Utc>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let read = match &value {
        Value::String(text) => instant(text),
        Value::Number(number) => number.as_i64().and_then(DateTime::from_timestamp_micros),
        _ => None,
    };
    read.ok_or_else(|| D::Error::custom("not a moment"))
}

/// As [`moment`], where the server may say nothing.
pub(super) fn optional_moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<DateTime<Utc>>, D::Error> {
    moment(deserializer).map(Some)
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let with_zone = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    with_zone.or_else(|_| text.parse::<NaiveDateTime>().map(|local| local.and_utc())).ok()
}

/// A string literal for `TIMESTAMP AS OF`, where RESTORE and CLONE take nothing else.
pub(super) fn moment_literal(warehouse: &dyn Warehouse, moment: DateTime<Utc>) -> Result<String> {
    warehouse.info().dialect.string(&moment.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_every_form_that_a_server_sends() {
        let wanted = DateTime::from_timestamp_micros(1_700_000_000_123_000).unwrap();
        for text in ["2023-11-14T22:13:20.123Z", "2023-11-14T22:13:20.123000+00:00", "2023-11-14T22:13:20.123"] {
            assert_eq!(instant(text), Some(wanted), "{text}");
        }
        assert_eq!(instant("yesterday"), None);
    }
}
