//! What the service answers about a statement.

use twinhouse_core::{Error, Secret};
use twinhouse_warehouse_api::StatementId;

use super::StatementState;
use crate::{error, wire};

/// Where a statement stands and, once it has succeeded, what its result is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatementResponse {
    /// The service's name for the statement.
    pub statement_id: StatementId,
    /// Where it stands.
    pub state: StatementState,
    /// Why it failed, in the service's words.
    pub error: Option<StatementError>,
    /// What is known of the result. `None` until the statement has succeeded.
    pub manifest: Option<ResultManifest>,
    /// The first chunk of the result.
    pub result: Option<ResultChunk>,
}

/// Why a statement failed, in the service's words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementError {
    /// A word such as `BAD_REQUEST`.
    pub error_code: Option<String>,
    /// The message, which may repeat the statement's text.
    pub message: Option<String>,
    /// Five characters of the SQL standard.
    pub sql_state: Option<String>,
}

impl StatementResponse {
    pub(super) fn new(id: &str, answer: wire::Statement) -> Self {
        let sql_state = answer.status.sql_state;
        let error = answer.status.error.map(|error| StatementError {
            error_code: error.error_code,
            message: error.message,
            sql_state: sql_state.or(error.sql_state),
        });
        Self {
            statement_id: StatementId::new(answer.statement_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(id)),
            state: answer.status.state,
            error,
            manifest: answer.manifest.map(|manifest| ResultManifest::new(&manifest)),
            result: answer.result.map(ResultChunk::new),
        }
    }

    /// The failure as an error of this project, if the statement failed.
    pub fn failure(&self) -> Option<Error> {
        let status = wire::Status {
            state: self.state.clone(),
            error: self.error.as_ref().map(|error| wire::StatusError {
                error_code: error.error_code.clone(),
                message: error.message.clone(),
                sql_state: None,
            }),
            sql_state: self.error.as_ref().and_then(|error| error.sql_state.clone()),
        };
        (self.state == StatementState::Failed).then(|| error::from_status(&status, self.statement_id.as_str()))
    }
}

/// What is known of a result before it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultManifest {
    /// What the result is written in, in the service's word.
    pub format: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<ResultColumn>,
    /// How many chunks it has.
    pub total_chunk_count: Option<u64>,
    /// How many rows it has.
    pub total_row_count: Option<u64>,
    /// How many bytes it has, before compression. Inline results do not say.
    pub total_byte_count: Option<u64>,
    /// Whether it was cut short by a limit.
    pub truncated: bool,
    /// Its chunks, where the service lists them.
    pub chunks: Vec<ChunkInfo>,
}

impl ResultManifest {
    pub(super) fn new(manifest: &wire::Manifest) -> Self {
        let mut columns = manifest.schema.columns.clone();
        columns.sort_by_key(|column| column.position.unwrap_or(0));
        let chunks = manifest.chunks.iter().map(|chunk| ChunkInfo {
            chunk_index: chunk.chunk_index.unwrap_or(0),
            row_offset: chunk.row_offset.unwrap_or(0),
            row_count: chunk.row_count.unwrap_or(0),
            byte_count: chunk.byte_count,
        });
        Self {
            format: manifest.format.clone(),
            columns: columns.into_iter().map(ResultColumn::new).collect(),
            total_chunk_count: manifest.total_chunk_count,
            total_row_count: manifest.total_row_count,
            total_byte_count: manifest.total_byte_count,
            truncated: manifest.truncated,
            chunks: chunks.collect(),
        }
    }
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultColumn {
    /// Its name. Two columns may share one.
    pub name: String,
    /// The kind of its type, such as `LONG`; an open list.
    pub type_name: Option<String>,
    /// Its type in full, such as `ARRAY<BIGINT>`.
    pub type_text: Option<String>,
    /// The precision of a decimal.
    pub type_precision: Option<u64>,
    /// The scale of a decimal.
    pub type_scale: Option<u64>,
    /// The fields of an interval, such as `DAY TO SECOND`.
    pub type_interval_type: Option<String>,
}

impl ResultColumn {
    fn new(column: wire::ResultColumn) -> Self {
        Self {
            name: column.name,
            type_name: column.type_name,
            type_text: column.type_text,
            type_precision: column.type_precision,
            type_scale: column.type_scale,
            type_interval_type: column.type_interval_type,
        }
    }
}

/// One chunk in the list of chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkInfo {
    /// Its number; the first is 0.
    pub chunk_index: u64,
    /// How many rows stand before it.
    pub row_offset: u64,
    /// How many rows it has.
    pub row_count: u64,
    /// How many bytes it has, before compression.
    pub byte_count: Option<u64>,
}

/// One chunk as the service hands it out: rows in JSON, or links to files. `Debug` shows neither.
#[derive(Clone)]
#[non_exhaustive]
pub struct ResultChunk {
    /// Its number; the first is 0.
    pub chunk_index: u64,
    /// How many rows stand before it, where the service says.
    pub row_offset: Option<u64>,
    /// How many rows it has, where the service says.
    pub row_count: Option<u64>,
    /// The number of the next, if there is one. With links it stands in the last of them.
    pub next_chunk_index: Option<u64>,
    /// The rows of an inline result, each cell as text or null.
    pub data_array: Option<Vec<Vec<serde_json::Value>>>,
    /// Links to the files of this chunk, and perhaps of later ones.
    pub external_links: Vec<ExternalLink>,
}

impl ResultChunk {
    pub(super) fn new(data: wire::ResultData) -> Self {
        let links: Vec<_> = data.external_links.unwrap_or_default().into_iter().map(ExternalLink).collect();
        Self {
            chunk_index: data.chunk_index.or(links.first().map(ExternalLink::chunk_index)).unwrap_or(0),
            row_offset: data.row_offset.or(links.first().map(ExternalLink::row_offset)),
            row_count: data.row_count.or(links.first().and_then(ExternalLink::row_count)),
            next_chunk_index: data.next_chunk_index.or(links.last().and_then(ExternalLink::next_chunk_index)),
            data_array: data.data_array,
            external_links: links,
        }
    }
}

impl std::fmt::Debug for ResultChunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultChunk")
            .field("chunk_index", &self.chunk_index)
            .field("row_offset", &self.row_offset)
            .field("row_count", &self.row_count)
            .field("next_chunk_index", &self.next_chunk_index)
            .field("links", &self.external_links.len())
            .finish_non_exhaustive()
    }
}

/// A presigned link to a file of a result: whoever has it can read the file, so that it does not print.
#[derive(Clone, Debug)]
pub struct ExternalLink(pub(super) wire::ExternalLink);

impl ExternalLink {
    /// The address. It is a secret.
    pub fn url(&self) -> &Secret {
        &self.0.external_link
    }

    /// When it dies, in RFC 3339.
    pub fn expiration(&self) -> Option<&str> {
        self.0.expiration.as_deref()
    }

    /// The chunk that the file belongs to.
    pub fn chunk_index(&self) -> u64 {
        self.0.chunk_index.unwrap_or(0)
    }

    /// How many rows stand before the file.
    pub fn row_offset(&self) -> u64 {
        self.0.row_offset.unwrap_or(0)
    }

    /// How many of the file's rows count. It may hold more.
    pub fn row_count(&self) -> Option<u64> {
        self.0.row_count
    }

    /// The chunk to ask for next, if there is one.
    pub fn next_chunk_index(&self) -> Option<u64> {
        self.0.next_chunk_index
    }
}
