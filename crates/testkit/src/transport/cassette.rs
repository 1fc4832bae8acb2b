//! What was recorded, as a file that a person can read and a review can judge.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};

const VERSION: u32 = 1;

/// Recorded exchanges, in the order in which they were asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cassette {
    version: u32,
    pub(super) exchanges: Vec<Exchange>,
}

/// A request and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exchange {
    /// When it was asked: milliseconds since 1970.
    pub(super) at_ms: i64,
    pub(super) request: Asked,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

/// A request, without what is secret and without what differs from one machine to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query; or `link:n`, for the n-th presigned link that an answer has given.
    pub(super) target: String,
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub(super) body: Content,
}

impl Asked {
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Answer {
        status: u16,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Content::is_empty")]
        body: Content,
        /// The body did not come to its end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut: bool,
    },
    Failure(Road),
}

/// How the road failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Road {
    /// No connection was made.
    NoConnection,
    /// It was lost before the answer came.
    Lost,
    /// Nobody waited for the answer any longer.
    NoAnswer,
    /// It cannot work, however often it is tried.
    Impossible,
}

impl Road {
    pub(super) fn of(error: &Error) -> Self {
        match (error.kind(), error.fault()) {
            (ErrorKind::Timeout, Fault { effect: Effect::Unknown, .. }) => Self::NoAnswer,
            (_, Fault { effect: Effect::Unknown, .. }) => Self::Lost,
            (_, fault) if fault == Fault::PERMANENT => Self::Impossible,
            _ => Self::NoConnection,
        }
    }

    pub(super) fn error(self) -> Error {
        let (kind, message, fault) = match self {
            Self::NoConnection => (ErrorKind::Connection, "could not connect", Fault::transient(Effect::None)),
            Self::Lost => {
                (ErrorKind::Connection, "connection lost before the answer came", Fault::transient(Effect::Unknown))
            }
            Self::NoAnswer => (ErrorKind::Timeout, "no answer in time", Fault::transient(Effect::Unknown)),
            Self::Impossible => (ErrorKind::Connection, "the connection is impossible", Fault::PERMANENT),
        };
        Error::new(kind, message).with_fault(fault).with_context("road", "replayed")
    }
}

/// A body, in the most readable form that keeps every byte that counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Content {
    #[default]
    Empty,
    Json(Value),
    Text(String),
    Base64(String),
}

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        match (serde_json::from_slice::<Value>(bytes), std::str::from_utf8(bytes)) {
            (Ok(json @ (Value::Object(_) | Value::Array(_))), _) => Self::Json(json),
            (_, Ok(text)) => Self::Text(text.to_owned()),
            (_, Err(_)) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    pub(super) fn bytes(&self) -> Result<Bytes> {
        match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Json(json) => Ok(json.to_string().into()),
            Self::Text(text) => Ok(text.clone().into()),
            Self::Base64(text) => {
                STANDARD.decode(text).map(Bytes::from).map_err(|cause| malformed().with_source(cause))
            }
        }
    }
}

impl Cassette {
    pub(super) fn new(exchanges: Vec<Exchange>) -> Self {
        Self { version: VERSION, exchanges }
    }

    /// Reads a file that [`save`](Self::save) has written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the file cannot be read or is no recording.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let named = |error: Error| error.with_context("file", path.display().to_string());
        let text = fs::read_to_string(path)
            .map_err(|cause| named(Error::new(ErrorKind::Config, "cannot read the recording").with_source(cause)))?;
        Self::from_json(&text).map_err(named)
    }

    /// Writes everything to a file, for [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        fs::write(path, self.to_json()).map_err(|cause| {
            Error::new(ErrorKind::Config, "cannot write the recording")
                .with_context("file", path.display().to_string())
                .with_source(cause)
        })
    }

    /// Reads what [`to_json`](Self::to_json) has written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is no recording, or one of a later version.
    pub fn from_json(text: &str) -> Result<Self> {
        let cassette: Self = serde_json::from_str(text).map_err(|cause| malformed().with_source(cause))?;
        if cassette.version != VERSION {
            return Err(malformed().with_context("version", cassette.version.to_string()));
        }
        Ok(cassette)
    }

    /// Everything as JSON, indented.
    pub fn to_json(&self) -> String {
        // Maps have text for keys, and nothing else of this can fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// How many exchanges there are.
    pub fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// True if nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Config, "this is no recording that can be read here")
}
