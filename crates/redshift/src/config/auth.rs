//! The ways to log in.

use std::{fmt, str::FromStr, time::Duration};

use twinhouse_core::Error;

/// Where user and password come from.
///
/// All but [`Password`](Self::Password) ask AWS, with the identity of the usual chain (environment, profile, web
/// identity, container, instance), and need the feature `iam`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Auth {
    /// A fixed user and password.
    #[default]
    Password,
    /// The `username` and `password` of a secret in Secrets Manager, named by
    /// [`secret`](super::RedshiftBuilder::secret). A rotation is noticed when the server refuses the old password.
    SecretsManager,
    /// Temporary credentials by whichever of the next three calls fits: `GetCredentials` for a serverless workgroup,
    /// `GetClusterCredentials` for a cluster and a user, `GetClusterCredentialsWithIAM` for a cluster without one.
    Iam,
    /// Temporary credentials for a database user, by `GetClusterCredentials`.
    ClusterCredentials,
    /// Temporary credentials for the database user that belongs to the AWS identity, by
    /// `GetClusterCredentialsWithIAM`.
    ClusterCredentialsWithIam,
    /// The same for a serverless workgroup, by `GetCredentials`.
    Serverless,
}

impl Auth {
    const ALL: [(Self, &str); 6] = [
        (Self::Password, "password"),
        (Self::SecretsManager, "secrets-manager"),
        (Self::Iam, "iam"),
        (Self::ClusterCredentials, "cluster-credentials"),
        (Self::ClusterCredentialsWithIam, "cluster-credentials-with-iam"),
        (Self::Serverless, "serverless"),
    ];

    pub(crate) const NAMES: &str =
        "one of password, secrets-manager, iam, cluster-credentials, cluster-credentials-with-iam, serverless";

    /// The name as it stands in URLs.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(auth, _)| *auth == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Auth {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(auth, _)| *auth).ok_or_else(|| Error::bad_setting("auth", "text", Self::NAMES))
    }
}

/// What is known of the server and the user when temporary credentials are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuthOptions {
    pub(crate) auth: Auth,
    pub(crate) user: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) cluster_identifier: Option<String>,
    pub(crate) workgroup: Option<String>,
    pub(crate) custom_domain: Option<String>,
    pub(crate) auto_create: bool,
    pub(crate) groups: Vec<String>,
    /// How long a credential shall live; the service's own choice is 15 minutes.
    pub(crate) duration: Option<Duration>,
}

/// Names separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(pub(super) Vec<String>);

impl FromStr for Names {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}
