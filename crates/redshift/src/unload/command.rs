//! The statement.

use twinhouse_core::Result;
use twinhouse_warehouse_api::{CallOptions, Dialect as _, RedshiftDialect, StatementRequest};

use super::{UnloadFormat, UnloadOption, option::check, query};
use crate::copy::{Role, s3_url};

/// An UNLOAD: the rows of a query as files in S3, written by the server itself.
///
/// The destination is a prefix: `s3://bucket/orders/` gives `orders/0000_part_00` and so on, `s3://bucket/orders` gives
/// `orders0000_part_00`. Values of the query are written into its text, for UNLOAD takes no parameters, and the text is
/// escaped as a whole: a quote or backslash in it stays what it is.
///
/// ```
/// use twinhouse_redshift::{Role, UnloadCommand, UnloadFormat, UnloadOption};
/// use twinhouse_warehouse_api::StatementRequest;
///
/// let query = StatementRequest::read("select * from orders where note = :note").bind("note", "it's");
/// let unload = UnloadCommand::new(query, "s3://lake/orders/", UnloadFormat::Parquet)
///     .with_role(Role::arn("arn:aws:iam::123456789012:role/writer"))
///     .with(UnloadOption::PartitionBy { columns: vec!["day".to_owned()], include: false })
///     .with(UnloadOption::Manifest { verbose: true });
/// assert_eq!(
///     unload.to_sql()?,
///     "UNLOAD ('select * from orders where note = ''it''''s''') TO 's3://lake/orders/' \
///      IAM_ROLE 'arn:aws:iam::123456789012:role/writer' FORMAT AS PARQUET PARTITION BY (\"day\") MANIFEST VERBOSE"
/// );
/// let wrong = unload.with(UnloadOption::Header).to_sql().unwrap_err();
/// assert_eq!(wrong.context("option"), Some("HEADER"));
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnloadCommand {
    query: StatementRequest,
    destination: String,
    format: UnloadFormat,
    role: Option<Role>,
    options: Vec<UnloadOption>,
}

impl UnloadCommand {
    /// The rows of `query` as files of this format under `destination`.
    pub fn new(query: impl Into<StatementRequest>, destination: impl Into<String>, format: UnloadFormat) -> Self {
        Self { query: query.into(), destination: destination.into(), format, role: None, options: Vec::new() }
    }

    /// Writes the files as this role instead of the configured one.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Adds an option. One that is there already is replaced.
    #[must_use]
    pub fn with(mut self, option: UnloadOption) -> Self {
        self.options.retain(|known| std::mem::discriminant(known) != std::mem::discriminant(&option));
        self.options.push(option);
        self
    }

    /// Where the files go.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Where the list of the files will be, if one was asked for.
    pub fn manifest_url(&self) -> Option<String> {
        let wanted = self.options.iter().any(|option| matches!(option, UnloadOption::Manifest { .. }));
        // Partitions are folders: the server adds the slash.
        let folders = self.options.iter().any(|option| matches!(option, UnloadOption::PartitionBy { .. }));
        let slash = if folders && !self.destination.ends_with('/') { "/" } else { "" };
        wanted.then(|| format!("{}{slash}manifest", self.destination))
    }

    pub(super) fn call(&self) -> &CallOptions {
        self.query.options()
    }

    pub(super) fn or_role(mut self, role: Role) -> Self {
        self.role.get_or_insert(role);
        self
    }

    /// The statement's text. Without a role it says `default`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput), naming option and reason, for what does not
    /// go together, is out of bounds, or is not one query.
    pub fn to_sql(&self) -> Result<String> {
        check(&self.format, &self.options)?;
        let query = RedshiftDialect.string(&query::inner(&self.query)?)?;
        let destination = RedshiftDialect.string(s3_url(&self.destination)?)?;
        let role = self.role.clone().unwrap_or_default().to_sql()?;
        let mut parts = vec![format!("UNLOAD ({query}) TO {destination} {role}"), self.format.to_sql()?];
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
        Ok(StatementRequest::write(self.to_sql()?).with_options(self.call().clone()))
    }
}
