//! As whom the server reads and writes files.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

/// As whom the server reads and writes files. Keys are not offered: they would stand in the text of the statement.
///
/// ```
/// use twinhouse_redshift::Role;
///
/// let lender = Role::arn("arn:aws:iam::123456789012:role/lender").then("arn:aws:iam::210987654321:role/bucket");
/// assert_eq!(lender.to_sql()?, "IAM_ROLE 'arn:aws:iam::123456789012:role/lender,arn:aws:iam::210987654321:role/bucket'");
/// assert_eq!(Role::Default.to_sql()?, "IAM_ROLE default");
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The role that the cluster was given as its default.
    #[default]
    Default,
    /// The federated identity of whoever is connected.
    Session,
    /// These roles, each of which assumes the next.
    Chain(Vec<String>),
}

impl Role {
    /// A role by its ARN.
    pub fn arn(arn: impl Into<String>) -> Self {
        Self::Chain(vec![arn.into()])
    }

    /// Has the role assume another, which then reads or writes.
    #[must_use]
    pub fn then(self, arn: impl Into<String>) -> Self {
        let mut roles = match self {
            Self::Chain(roles) => roles,
            Self::Default | Self::Session => Vec::new(),
        };
        roles.push(arn.into());
        Self::Chain(roles)
    }

    /// From a setting: `default`, `session`, or ARNs with commas between.
    pub(crate) fn of_setting(text: &str) -> Self {
        match text {
            "default" => Self::Default,
            "SESSION" => Self::Session,
            arns => Self::Chain(arns.split(',').map(|arn| arn.trim().to_owned()).collect()),
        }
    }

    /// The clause of a statement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for what is no ARN of a role.
    pub fn to_sql(&self) -> Result<String> {
        let text = match self {
            Self::Default => return Ok("IAM_ROLE default".to_owned()),
            Self::Session => "SESSION".to_owned(),
            Self::Chain(roles) => {
                // A blank or comma inside would make it another list of roles.
                let legal = |arn: &String| {
                    arn.starts_with("arn:") && arn.contains(":role/") && !arn.contains([',', ' ', '\'', '\\'])
                };
                if let Some(bad) = roles.iter().find(|arn| !legal(arn)) {
                    return Err(Error::new(
                        ErrorKind::InvalidInput,
                        "a role is `arn:…:role/…`, without blanks and commas",
                    )
                    .with_context("role", bad.escape_debug().to_string()));
                }
                if roles.is_empty() {
                    return Err(Error::new(ErrorKind::InvalidInput, "a chain of roles needs a role"));
                }
                roles.join(",")
            }
        };
        Ok(format!("IAM_ROLE {}", RedshiftDialect.string(&text)?))
    }
}
