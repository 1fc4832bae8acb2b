//! How a statement is sent: prepared and with its values beside it, or as plain text.

use std::sync::Arc;

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, StatementRequest, Value};

use super::{Source, parameter, text::Words};
use crate::prepared::Definition;

/// A statement that is ready to be sent.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) sql: String,
    /// None: it goes as plain text, because the server takes no parameters there.
    pub(crate) prepared: Option<Prepared>,
    pub(crate) words: Words,
    /// For saying where a mistake is.
    pub(crate) source: Arc<Source>,
    /// Sessions keep it prepared.
    pub(crate) kept: Option<Arc<Definition>>,
}

/// Types and values of a prepared statement.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) types: Vec<u32>,
    pub(crate) values: Vec<Option<String>>,
}

impl Plan {
    /// Rewrites the markers and picks the way. Refuses what cannot be one statement.
    pub(crate) fn of(request: &StatementRequest) -> Result<Self> {
        let words = Words::of(request.sql());
        if words.is_several() {
            return Err(Error::new(ErrorKind::InvalidInput, "a request holds one statement; send them one by one"));
        }
        // Utility statements refuse `$1`, and some misbehave when they are prepared.
        let prepared = matches!(words.verb(), "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE" | "VALUES" | "TABLE");
        // The text form of bytes differs between servers; their literal does not.
        let bytes = request.params().iter().any(|(_, value)| matches!(value, Value::Bytes(_)));
        if !prepared || bytes {
            let sql = RedshiftDialect.inline(request.sql(), request.params())?;
            let prepared = prepared.then(|| Prepared { types: Vec::new(), values: Vec::new() });
            let source = Arc::new(Source::new(request.sql(), &sql));
            return Self { sql, prepared, words, source, kept: None }.checked();
        }
        let bound = RedshiftDialect.bind(request.sql(), request.params())?;
        let types = bound.values.iter().map(|(_, value)| parameter::type_oid(value)).collect();
        let values = bound.values.iter().map(|(name, value)| parameter::text(name, value)).collect::<Result<_>>()?;
        let source = Arc::new(Source::new(request.sql(), &bound.sql));
        Self { sql: bound.sql, prepared: Some(Prepared { types, values }), words, source, kept: None }.checked()
    }

    /// A statement of our own that goes as plain text, on behalf of what its caller wrote.
    pub(crate) fn plain(sql: String, source: Source) -> Result<Self> {
        let words = Words::of(&sql);
        Self { sql, prepared: None, words, source: Arc::new(source), kept: None }.checked()
    }

    fn checked(self) -> Result<Self> {
        if self.sql.contains('\0') {
            return Err(Error::new(ErrorKind::InvalidInput, "a statement cannot contain NUL"));
        }
        Ok(self)
    }

    /// As [`Words::refuse_transaction_control`].
    pub(crate) fn refuse_transaction_control(&self) -> Result<()> {
        self.words.refuse_transaction_control()
    }
}

/// Neither text nor values: they may be personal data.
impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("verb", &self.words.verb())
            .field("bytes", &self.sql.len())
            .field("parameters", &self.prepared.as_ref().map(|prepared| prepared.types.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_prepared_and_utilities_get_literals() {
        let plan = Plan::of(&StatementRequest::read("select :a, :b, :a").bind("a", 1i32).bind("b", "x")).unwrap();
        assert_eq!(plan.sql, "select $1, $2, $1");
        let prepared = plan.prepared.unwrap();
        assert_eq!(prepared.types, [23, 705]);
        assert_eq!(prepared.values, [Some("1".to_owned()), Some("x".to_owned())]);

        let copy = Plan::of(&StatementRequest::write("copy t from :from").bind("from", "s3://it's\\")).unwrap();
        assert_eq!(copy.sql, r"copy t from 's3://it''s\\'");
        assert!(copy.prepared.is_none());
    }

    #[test]
    fn bytes_go_as_a_literal() {
        let plan = Plan::of(&StatementRequest::read("select :b").bind("b", vec![0u8, 255])).unwrap();
        assert!(plan.sql.contains("00FF"), "{}", plan.sql);
        assert!(plan.prepared.unwrap().types.is_empty());
    }

    #[test]
    fn several_statements_and_nul_are_refused() {
        for sql in ["select 1; drop table x", "select '\0'"] {
            assert_eq!(Plan::of(&StatementRequest::read(sql)).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn transactions_are_not_opened_by_the_way() {
        for sql in ["begin", "start transaction", "COMMIT", "/* x */ rollback", "savepoint a"] {
            let plan = Plan::of(&StatementRequest::write(sql)).unwrap();
            assert_eq!(plan.refuse_transaction_control().unwrap_err().kind(), ErrorKind::Unsupported, "{sql}");
        }
    }

    #[test]
    fn debug_shows_neither_text_nor_values() {
        let plan = Plan::of(&StatementRequest::read("select 'canary', :a").bind("a", "canary")).unwrap();
        assert!(!format!("{plan:?}").contains("canary"));
    }
}
