//! The statement.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{CallOptions, Dialect as _, RedshiftDialect, StatementRequest, TableRef};

use super::{CopyFormat, CopyOption, CopySource, Role, check::check};

/// A COPY: files into a table, by the server itself. The rows are added to those that are there.
///
/// Carry it out by [`RedshiftWarehouse::copy`](crate::RedshiftWarehouse::copy), which reports what was loaded and what was
/// not, or inside of a transaction as the statement that [`to_statement`](Self::to_statement) gives.
///
/// ```
/// use twinhouse_redshift::{Compression, CopyCommand, CopyFormat, CopyOption, CopySource, Role};
/// use twinhouse_warehouse_api::TableRef;
///
/// let copy = CopyCommand::new(TableRef::new("orders"), CopySource::s3("s3://lake/orders/2026-"), CopyFormat::Csv)
///     .with_columns(["id", "note"])
///     .with_role(Role::arn("arn:aws:iam::123456789012:role/loader"))
///     .with(CopyOption::IgnoreHeader(1))
///     .with(CopyOption::Compressed(Compression::Gzip))
///     .with(CopyOption::MaxErrors(10));
/// assert_eq!(
///     copy.to_sql()?,
///     "COPY \"orders\" (\"id\", \"note\") FROM 's3://lake/orders/2026-' \
///      IAM_ROLE 'arn:aws:iam::123456789012:role/loader' FORMAT AS CSV IGNOREHEADER 1 GZIP MAXERROR 10"
/// );
/// let wrong = copy.with(CopyOption::Escape).to_sql().unwrap_err();
/// assert_eq!(wrong.message(), "in CSV a quote is doubled, not escaped");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CopyCommand {
    table: TableRef,
    columns: Vec<String>,
    source: CopySource,
    format: CopyFormat,
    role: Option<Role>,
    options: Vec<CopyOption>,
    call: CallOptions,
}

impl CopyCommand {
    /// Files of this format into this table, all of its columns.
    pub fn new(table: TableRef, source: CopySource, format: CopyFormat) -> Self {
        Self {
            table,
            columns: Vec::new(),
            source,
            format,
            role: None,
            options: Vec::new(),
            call: CallOptions::default(),
        }
    }

    /// Fills these columns, in this order; the others get their defaults.
    #[must_use]
    pub fn with_columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Reads the files as this role instead of the configured one.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Adds an option. One that is there already is replaced.
    #[must_use]
    pub fn with(mut self, option: CopyOption) -> Self {
        self.options.retain(|known| std::mem::discriminant(known) != std::mem::discriminant(&option));
        self.options.push(option);
        self
    }

    /// Replaces the call options.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.call = options;
        self
    }

    /// The table that is loaded into.
    pub fn table(&self) -> &TableRef {
        &self.table
    }

    /// What the files are.
    pub fn format(&self) -> &CopyFormat {
        &self.format
    }

    /// Where they are.
    pub fn source(&self) -> &CopySource {
        &self.source
    }

    pub(super) fn call(&self) -> &CallOptions {
        &self.call
    }

    pub(super) fn or_role(mut self, role: Role) -> Self {
        self.role.get_or_insert(role);
        self
    }

    /// The statement's text. Without a role it says `default`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], naming option and reason, for what does not go together, is out of bounds, or cannot
    /// be written.
    pub fn to_sql(&self) -> Result<String> {
        check(&self.source, &self.format, &self.options)?;
        let mut parts = vec![format!("COPY {}", RedshiftDialect.table(&self.table)?)];
        if !self.columns.is_empty() {
            parts.push(format!("({})", self.quoted_columns()?.join(", ")));
        }
        let (url, how) = self.source.to_sql()?;
        parts.push(format!("FROM {url}"));
        parts.push(self.role.clone().unwrap_or_default().to_sql()?);
        parts.push(self.format.to_sql()?);
        parts.push(how);
        for option in &self.options {
            parts.push(option.to_sql()?);
        }
        parts.retain(|part| !part.is_empty());
        Ok(parts.join(" "))
    }

    /// The same as a statement, for a transaction or another route.
    ///
    /// # Errors
    ///
    /// As [`to_sql`](Self::to_sql).
    pub fn to_statement(&self) -> Result<StatementRequest> {
        Ok(StatementRequest::write(self.to_sql()?).with_options(self.call.clone()))
    }

    fn quoted_columns(&self) -> Result<Vec<String>> {
        if let Some(twice) = (1..self.columns.len()).find(|&i| self.columns[..i].contains(&self.columns[i])) {
            return Err(Error::new(ErrorKind::InvalidInput, "a column is named twice")
                .with_context("column", self.columns[twice].clone()));
        }
        self.columns.iter().map(|name| RedshiftDialect.quote(name)).collect()
    }
}
