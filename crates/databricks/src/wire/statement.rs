//! `/api/2.0/sql/statements`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinhouse_core::Secret;

use super::number::{code, count, nullable};

#[derive(Serialize)]
pub(crate) struct ExecuteStatement<'a> {
    pub(crate) statement: &'a str,
    pub(crate) warehouse_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) catalog: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) row_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) byte_limit: Option<u64>,
    pub(crate) disposition: &'static str,
    pub(crate) format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result_compression: Option<&'static str>,
    pub(crate) wait_timeout: String,
    pub(crate) on_wait_timeout: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) query_tags: Vec<Tag>,
}

/// With a name for `:name`, with a number, from 1, for `?`.
#[derive(Clone, Serialize)]
pub(crate) struct Parameter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ordinal: Option<usize>,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct OpenSession<'a> {
    pub(crate) warehouse_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) catalog: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) session_confs: &'a BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenedSession {
    pub(crate) session_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Statement {
    pub(crate) statement_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: Status,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) result: Option<ResultData>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    #[serde(deserialize_with = "nullable")]
    pub(crate) state: StatementState,
    pub(crate) error: Option<StatusError>,
    /// Beside the error, not in it.
    pub(crate) sql_state: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusError {
    #[serde(deserialize_with = "code")]
    pub(crate) error_code: Option<String>,
    pub(crate) message: Option<String>,
    /// Where some clients look for it; taken if it is there.
    pub(crate) sql_state: Option<String>,
}

/// Where a statement stands, in the service's words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum StatementState {
    /// Accepted; perhaps the warehouse is starting.
    Pending,
    /// At work.
    Running,
    /// Done; the result can be fetched for an hour.
    Succeeded,
    /// Failed, and the answer says why.
    Failed,
    /// Stopped by somebody.
    Canceled,
    /// Given up. With a result beside it: done, and nothing is kept.
    Closed,
    /// A state that is newer than this code, or (empty) none at all.
    Other(String),
}

impl StatementState {
    /// True if no later answer can say anything else.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Other(_))
    }

    /// The service's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
            Self::Closed => "CLOSED",
            Self::Other(word) => word,
        }
    }
}

impl Default for StatementState {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl From<String> for StatementState {
    fn from(text: String) -> Self {
        match text.as_str() {
            "PENDING" => Self::Pending,
            "RUNNING" => Self::Running,
            "SUCCEEDED" => Self::Succeeded,
            "FAILED" => Self::Failed,
            "CANCELED" => Self::Canceled,
            "CLOSED" => Self::Closed,
            _ => Self::Other(text),
        }
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Manifest {
    pub(crate) format: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) schema: ResultSchema,
    #[serde(deserialize_with = "count")]
    pub(crate) total_chunk_count: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) chunks: Vec<Chunk>,
    #[serde(deserialize_with = "count")]
    pub(crate) total_row_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) total_byte_count: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) truncated: bool,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResultSchema {
    #[serde(deserialize_with = "nullable")]
    pub(crate) columns: Vec<ResultColumn>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResultColumn {
    pub(crate) name: String,
    #[serde(deserialize_with = "count")]
    pub(crate) position: Option<u64>,
    pub(crate) type_name: Option<String>,
    pub(crate) type_text: Option<String>,
    #[serde(deserialize_with = "count")]
    pub(crate) type_precision: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) type_scale: Option<u64>,
    pub(crate) type_interval_type: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk {
    #[serde(deserialize_with = "count")]
    pub(crate) chunk_index: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) row_offset: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) row_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) byte_count: Option<u64>,
}

/// The rows, or where they are. It comes with the statement and with each chunk.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResultData {
    pub(crate) data_array: Option<Vec<Vec<Value>>>,
    pub(crate) external_links: Option<Vec<ExternalLink>>,
    #[serde(deserialize_with = "count")]
    pub(crate) chunk_index: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) row_offset: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) row_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(crate) next_chunk_index: Option<u64>,
    /// The private hybrid form. Never asked for.
    pub(crate) attachment: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ExternalLink {
    pub(crate) external_link: Secret,
    /// RFC 3339.
    #[serde(default)]
    pub(crate) expiration: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) http_headers: BTreeMap<String, Secret>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) chunk_index: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) row_offset: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) row_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) next_chunk_index: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_ddl_is_read() {
        let answer: Statement = serde_json::from_str(
            r#"{"statement_id":"01","status":{"state":"SUCCEEDED"},
                "manifest":{"format":"ARROW_STREAM","schema":{"column_count":0},"total_chunk_count":0},"result":{}}"#,
        )
        .unwrap();
        assert_eq!(answer.status.state, StatementState::Succeeded);
        assert!(answer.manifest.unwrap().schema.columns.is_empty());
        assert!(answer.result.unwrap().external_links.is_none());
    }

    #[test]
    fn links_without_their_zeros_and_with_text_for_numbers_are_read() {
        let data: ResultData = serde_json::from_str(
            r#"{"external_links":[{"external_link":"https://x/y?sig=z","row_count":"7","next_chunk_index":1}]}"#,
        )
        .unwrap();
        let link = &data.external_links.unwrap()[0];
        assert_eq!((link.chunk_index, link.row_offset, link.row_count), (None, None, Some(7)));
        assert_eq!(link.next_chunk_index, Some(1));
        assert!(!format!("{link:?}").contains("sig"));
    }

    #[test]
    fn a_state_of_the_future_is_no_failure() {
        let status: Status = serde_json::from_str(r#"{"state":"HIBERNATING"}"#).unwrap();
        assert_eq!(status.state, StatementState::Other("HIBERNATING".to_owned()));
    }
}
