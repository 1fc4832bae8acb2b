//! What goes wrong in a statement, in the service's words: class, SQLSTATE, message.

use std::{borrow::Cow, fmt};

use datafusion::{common::SchemaError, error::DataFusionError};
use deltalake::{
    DeltaTableError,
    kernel::transaction::{CommitConflictError, TransactionError},
};

/// A failed statement as the service reports it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SqlError {
    class: String,
    sqlstate: Cow<'static, str>,
    text: String,
    tail: String,
    code: &'static str,
}

/// The SQLSTATE of a commit that lost against another.
pub(crate) const CONFLICT: &str = "2D521";

/// What a step of a statement answers.
pub(crate) type SqlResult<T> = Result<T, SqlError>;

impl SqlError {
    /// An error of a class that the service documents.
    pub(crate) fn new(
        class: impl Into<String>,
        sqlstate: impl Into<Cow<'static, str>>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            class: class.into(),
            sqlstate: sqlstate.into(),
            text: text.into(),
            tail: String::new(),
            code: "BAD_REQUEST",
        }
    }

    /// An error that the service words without a class.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new("", "", text)
    }

    /// Something that the service does and the sandbox does not; refused by name.
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self::new("UNSUPPORTED_FEATURE", "0A000", format!("The sandbox does not support {what}."))
    }

    /// A fault of the sandbox itself or of the disk below it.
    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        Self { code: "INTERNAL_ERROR", ..Self::new("INTERNAL_ERROR", "XX000", what.to_string()) }
    }

    /// A failed read or write of files.
    pub(crate) fn io(what: impl fmt::Display) -> Self {
        Self { code: "IO_ERROR", ..Self::new("FAILED_READ_FILE.NO_HINT", "KD001", what.to_string()) }
    }

    pub(crate) fn table_not_found(name: impl fmt::Display) -> Self {
        let text = format!(
            "The table or view {name} cannot be found. Verify the spelling and correctness of the schema and catalog."
        );
        Self::new("TABLE_OR_VIEW_NOT_FOUND", "42P01", text)
    }

    pub(crate) fn schema_not_found(name: impl fmt::Display) -> Self {
        let text = format!(
            "The schema {name} cannot be found. Verify the spelling and correctness of the schema and catalog."
        );
        Self::new("SCHEMA_NOT_FOUND", "42704", text)
    }

    pub(crate) fn catalog_not_found(name: impl fmt::Display) -> Self {
        Self::new("NO_SUCH_CATALOG_EXCEPTION", "42704", format!("Catalog '{name}' was not found."))
    }

    pub(crate) fn volume_not_found(name: impl fmt::Display) -> Self {
        Self::new("VOLUME_NOT_FOUND", "42704", format!("Volume {name} does not exist."))
    }

    pub(crate) fn unresolved_column(name: impl fmt::Display, suggestions: &[String]) -> Self {
        let text = format!("A column, variable, or function parameter with name {name} cannot be resolved.");
        if suggestions.is_empty() {
            return Self::new("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", text);
        }
        let text = format!("{text} Did you mean one of the following? [{}].", suggestions.join(", "));
        Self::new("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", text)
    }

    /// A syntax error at a token; `line` counts from 1 and `position` from 0, as the service does.
    pub(crate) fn syntax(sql: &str, token: Option<&str>, line: u64, position: u64) -> Self {
        let near = token.map_or_else(|| "end of input".to_owned(), |token| format!("'{token}'"));
        let mut block = String::from("\n\n== SQL ==\n");
        for (number, text) in sql.lines().enumerate() {
            block.push_str(text);
            block.push('\n');
            if number as u64 + 1 == line {
                block.push_str(&"-".repeat(position as usize));
                block.push_str("^^^\n");
            }
        }
        Self {
            tail: format!(" (line {line}, pos {position}){block}"),
            ..Self::new("PARSE_SYNTAX_ERROR", "42601", format!("Syntax error at or near {near}."))
        }
    }

    /// The class, for example `TABLE_OR_VIEW_NOT_FOUND`.
    pub(crate) fn class(&self) -> &str {
        &self.class
    }

    /// What went wrong, without class and SQLSTATE.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The SQLSTATE.
    pub(crate) fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// `status.error.error_code`.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// `status.error.message`: a parse error begins with a new line, as recorded.
    pub(crate) fn message(&self) -> String {
        if self.class.is_empty() {
            return self.text.clone();
        }
        let lead = if self.class == "PARSE_SYNTAX_ERROR" { "\n" } else { "" };
        format!("{lead}[{}] {} SQLSTATE: {}{}", self.class, self.text, self.sqlstate, self.tail)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().trim_start())
    }
}

impl std::error::Error for SqlError {}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<std::io::Error> for SqlError {
    fn from(error: std::io::Error) -> Self {
        Self::io(error)
    }
}

impl From<arrow::error::ArrowError> for SqlError {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<SqlError>() {
                Ok(own) => *own,
                Err(inner) => from_text(&inner.to_string()),
            },
            other => from_text(&other.to_string()),
        }
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        if let Some(own) = own_error(&error) {
            return own;
        }
        match error.find_root() {
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    let suggestions: Vec<String> =
                        valid_fields.iter().take(5).map(|column| quoted(&column.name)).collect();
                    Self::unresolved_column(quoted(&field.flat_name()), &suggestions)
                }
                SchemaError::AmbiguousReference { field } => Self::new(
                    "AMBIGUOUS_REFERENCE",
                    "42704",
                    format!("Reference {} is ambiguous.", quoted(&field.name)),
                ),
                other => Self::new("INVALID_SQL", "42000", other.to_string()),
            },
            DataFusionError::NotImplemented(what) => Self::unsupported(what),
            root => from_text(&root.strip_backtrace()),
        }
    }
}

impl From<DeltaTableError> for SqlError {
    fn from(error: DeltaTableError) -> Self {
        if let Some(conflict) = conflict(&error) {
            return from_conflict(conflict);
        }
        match error {
            DeltaTableError::Arrow { source } => source.into(),
            DeltaTableError::UnsupportedColumnMapping { operation, .. } => {
                Self::unsupported(format_args!("{operation} on a table with column mapping"))
            }
            DeltaTableError::Transaction { source: TransactionError::MaxCommitAttempts(_) } => Self::new(
                "DELTA_CONCURRENT_WRITE",
                CONFLICT,
                "A concurrent transaction has written new data since the current transaction read the table.",
            ),
            DeltaTableError::InvalidData { message } => {
                if message.to_ascii_lowercase().contains("is not null") {
                    return not_null(&message);
                }
                Self::new(
                    "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES",
                    "23001",
                    format!("CHECK constraint violated: {message}."),
                )
            }
            other => from_text(&other.to_string()),
        }
    }
}

/// True if the commit lost against another one, whatever that was.
pub(crate) fn conflict(error: &DeltaTableError) -> Option<&CommitConflictError> {
    match error {
        DeltaTableError::Transaction { source: TransactionError::CommitConflict(conflict) } => Some(conflict),
        _ => None,
    }
}

fn from_conflict(conflict: &CommitConflictError) -> SqlError {
    let (class, text) = match conflict {
        CommitConflictError::ConcurrentAppend => (
            "DELTA_CONCURRENT_APPEND",
            "Files were added to the table by a concurrent update. Please try the operation again.",
        ),
        CommitConflictError::ConcurrentDeleteRead => (
            "DELTA_CONCURRENT_DELETE_READ",
            "This transaction attempted to read one or more files that were deleted by a concurrent update. Please try the operation again.",
        ),
        CommitConflictError::ConcurrentDeleteDelete => (
            "DELTA_CONCURRENT_DELETE_DELETE",
            "This transaction attempted to delete one or more files that were deleted by a concurrent update. Please try the operation again.",
        ),
        CommitConflictError::MetadataChanged => (
            "DELTA_METADATA_CHANGED",
            "The metadata of the Delta table has been changed by a concurrent update. Please try the operation again.",
        ),
        CommitConflictError::ConcurrentTransaction => (
            "DELTA_CONCURRENT_TRANSACTION",
            "This error occurs when multiple statements load the same files at the same time.",
        ),
        CommitConflictError::ProtocolChanged(_) => (
            "DELTA_PROTOCOL_CHANGED",
            "The protocol version of the Delta table has been changed by a concurrent update. Please try the operation again.",
        ),
        other => return SqlError::internal(other),
    };
    SqlError::new(class, CONFLICT, text)
}

/// One of our own errors, however deep the engine has wrapped it.
fn own_error(error: &DataFusionError) -> Option<SqlError> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(own) = current.downcast_ref::<SqlError>() {
            return Some(own.clone());
        }
        if let Some(delta) = current.downcast_ref::<DeltaTableError>()
            && let Some(conflict) = conflict(delta)
        {
            return Some(from_conflict(conflict));
        }
        source = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
            _ => match current.downcast_ref::<arrow::error::ArrowError>() {
                Some(arrow::error::ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                _ => current.source(),
            },
        };
    }
    None
}

/// Delta's engine keeps only the words of an error, ours included.
fn own_text(text: &str) -> Option<SqlError> {
    let (class, rest) = text.split_once('[')?.1.split_once("] ")?;
    if class.is_empty() || !class.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_.".contains(&b)) {
        return None;
    }
    let (text, state) = rest.rsplit_once(" SQLSTATE: ")?;
    Some(SqlError::new(class, state.get(..5)?.to_owned(), text))
}

fn not_null(text: &str) -> SqlError {
    SqlError::new("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", format!("NOT NULL constraint violated: {text}."))
}

/// The engines' run-time errors carry no code: their words are all there is.
fn from_text(text: &str) -> SqlError {
    if let Some(own) = own_text(text) {
        return own;
    }
    let has = |needle: &str| text.contains(needle);
    let first = text.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    if let Some(file) = text.split("Object at location ").nth(1).and_then(|rest| rest.split(" not found").next()) {
        let text = format!(
            "File {file} referenced in the transaction log cannot be found. This occurs when data has been manually deleted from the file system rather than using the table `DELETE` statement, or when it has been vacuumed."
        );
        return SqlError::new("DELTA_FILE_NOT_FOUND_DETAILED", "42K03", text);
    }
    if let Some(what) = first.strip_suffix(" is not yet supported") {
        return SqlError::unsupported(what.trim_start_matches("Generic DeltaTable error: "));
    }
    if has("Divide by zero") || has("divide by zero") {
        return SqlError::new(
            "DIVIDE_BY_ZERO",
            "22012",
            "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.",
        );
    }
    if has("duplicate relevant WHEN MATCHED clauses") {
        return SqlError::new(
            "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
            "21506",
            "Cannot perform Merge as multiple source rows matched and attempted to modify the same target row in the Delta table in possibly conflicting ways.",
        );
    }
    if has("Cannot cast string")
        || has("Error parsing")
        || has("Cannot parse")
        || has("Parser error")
        || has("Error while parsing")
    {
        return SqlError::new(
            "CAST_INVALID_INPUT",
            "22018",
            format!("The value cannot be cast because it is malformed: {first}."),
        );
    }
    if has("Can't cast value")
        || has("Cannot cast to Decimal")
        || has("too large to store in a Decimal")
        || has("too small to store in a Decimal")
    {
        return SqlError::new(
            "CAST_OVERFLOW",
            "22003",
            format!("The value cannot be cast due to an overflow: {first}."),
        );
    }
    if has("Overflow happened") || has("verflow") {
        return SqlError::new(
            "ARITHMETIC_OVERFLOW",
            "22003",
            format!("{first}. Use 'try_' functions to tolerate overflow."),
        );
    }
    if has("Scalar subquery returned more than one row") || has("more than one row returned by a subquery") {
        return SqlError::new(
            "SCALAR_SUBQUERY_TOO_MANY_ROWS",
            "21000",
            "More than one row returned by a subquery used as an expression.",
        );
    }
    if let Some(name) = text.split("Invalid function '").nth(1).and_then(|rest| rest.split('\'').next()) {
        return SqlError::new("UNRESOLVED_ROUTINE", "42883", format!("Cannot resolve routine {}.", quoted(name)));
    }
    if has("failed validation check") {
        return SqlError::new(
            "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES",
            "23001",
            format!("CHECK constraint violated: {first}."),
        );
    }
    if has("must be in the GROUP BY clause")
        || has("must appear in the GROUP BY")
        || has("could not be resolved from available columns")
    {
        return SqlError::new("MISSING_AGGREGATION", "42803", format!("{first}."));
    }
    if has("not null") && has("onstraint")
        || has("contains null values but")
        || has("non-nullable but")
        || has("declared as non-nullable")
    {
        return not_null(first);
    }
    if has("is outside table root") {
        return SqlError::unsupported("changing or rewriting the rows of a shallow clone: only INSERT and SELECT work");
    }
    if has("No space left on device") {
        return SqlError {
            code: "IO_ERROR",
            ..SqlError::new("FAILED_WRITE_FILE", "58030", "No space left on device.")
        };
    }
    if has("number of columns") || has("same number of columns") {
        return SqlError::new("NUM_COLUMNS_MISMATCH", "42826", format!("{first}."));
    }
    if has("Cannot infer common argument type")
        || has("Cannot coerce")
        || has("cannot be converted to")
        || has("coercion")
    {
        return SqlError::new("DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09", format!("{first}."));
    }
    SqlError::new("INVALID_SQL", "42000", format!("{first}."))
}

/// A name in backticks, each part by itself.
pub(crate) fn quoted(name: &str) -> String {
    name.split('.').map(|part| format!("`{}`", part.trim_matches('"').replace('`', "``"))).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_reads_as_recorded() {
        let message = SqlError::syntax("INSER INTO t", Some("INSER"), 1, 0).message();
        assert!(message.starts_with(
            "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\nINSER INTO t\n^^^"
        ));
    }

    #[test]
    fn our_own_error_survives_every_wrapper_of_the_engine() {
        let own = SqlError::table_not_found("`a`");
        let wrapped = DataFusionError::Context(
            "planning".into(),
            Box::new(DataFusionError::ArrowError(
                Box::new(arrow::error::ArrowError::ExternalError(Box::new(DataFusionError::from(own.clone())))),
                None,
            )),
        );
        assert_eq!(SqlError::from(wrapped), own);
        assert_eq!(SqlError::from(DeltaTableError::Generic(format!("External error: {own}"))), own);
    }
}
