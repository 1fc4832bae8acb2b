//! Names of the spans and their fields, and the helpers that open them.

use tracing::{Span, field};

/// One SQL statement, from submission to the last row.
pub const STATEMENT: &str = "twinhouse.statement";
/// One HTTP request.
pub const HTTP: &str = "twinhouse.http";

/// Opens the span of a statement. The text is hashed, never kept.
pub(super) fn statement(backend: &'static str, sql: &str) -> Span {
    tracing::info_span!(
        "twinhouse.statement",
        backend,
        sql_hash = %SqlHash::of(sql),
        statement_id = field::Empty,
        rows = field::Empty,
        bytes = field::Empty,
        outcome = field::Empty,
    )
}

/// Opens the span of an HTTP request: method and host, never the path's query and never a header.
#[cfg(feature = "http")]
pub(crate) fn http(method: &str, host: Option<&str>) -> Span {
    tracing::debug_span!("twinhouse.http", method, host, status = field::Empty)
}

/// A short, stable name for a SQL text: equal texts have equal hashes, in every process and on every machine.
///
/// 64-bit FNV-1a. It serves to find equal statements in logs; it is no protection against someone who guesses texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SqlHash(u64);

impl SqlHash {
    /// The hash of this text.
    pub fn of(sql: &str) -> Self {
        Self(
            sql.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
        )
    }
}

impl std::fmt::Display for SqlHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_fnv_1a() {
        assert_eq!(SqlHash::of("").to_string(), "cbf29ce484222325");
        assert_eq!(SqlHash::of("a").to_string(), "af63dc4c8601ec8c");
        assert_eq!(SqlHash::of("foobar").to_string(), "85944171f73967e8");
    }
}
