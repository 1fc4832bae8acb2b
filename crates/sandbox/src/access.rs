//! How to reach the servers of a running sandbox: what a client needs, and nothing of how they work.

use std::path::PathBuf;

use twinhouse_core::Secret;
use url::Url;

/// How to reach the Databricks workspace.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatabricksAccess {
    /// `http://127.0.0.1:port`, without a slash at the end.
    pub url: String,
    /// The same workspace behind TLS: `https://127.0.0.1:port`, without a slash at the end.
    pub https_url: String,
    /// Who vouches for [`https_url`](Self::https_url): the sandbox's certificate authority, in PEM.
    pub ca_file: PathBuf,
    /// A personal access token.
    pub token: Secret,
    /// The one SQL warehouse.
    pub warehouse_id: String,
    /// A volume to stage files in, `/Volumes/…`.
    pub staging: String,
    /// The service principal for OAuth machine-to-machine.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
}

/// How to reach the Redshift cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedshiftAccess {
    /// Always `127.0.0.1`; the certificate holds for `localhost` too.
    pub host: String,
    /// The port of the PostgreSQL wire.
    pub port: u16,
    /// The database user.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The database.
    pub database: String,
    /// The certificate authority, in PEM.
    pub ca_file: PathBuf,
    /// `redshift://user:password@host:port/database?sslmode=verify-full&sslrootcert=…&staging=s3://…`
    pub url: Secret,
}

impl RedshiftAccess {
    /// Fills in the URL from the rest.
    pub(crate) fn with_url(mut self, staging: &str) -> Self {
        let Ok(mut url) = Url::parse("redshift://host/") else { return self };
        let set = url.set_host(Some(&self.host)).is_ok()
            && url.set_port(Some(self.port)).is_ok()
            && url.set_username(&self.user).is_ok()
            && url.set_password(Some(self.password.expose())).is_ok();
        debug_assert!(set, "a URL with a host takes a port and a user");
        url.set_path(&self.database);
        url.query_pairs_mut()
            .append_pair("sslmode", "verify-full")
            .append_pair("sslrootcert", &self.ca_file.to_string_lossy())
            .append_pair("staging", staging);
        self.url = Secret::new(String::from(url));
        self
    }
}

/// How to reach AWS around the cluster: Redshift's control plane, STS, Secrets Manager.
///
/// Requests are signed with [`S3Store`]'s keys, for its region.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AwsAccess {
    /// `http://127.0.0.1:port`: every service on one address.
    pub endpoint: String,
    /// The identifier of the cluster, which goes by [`workgroup`](Self::workgroup) too.
    pub cluster_identifier: String,
    /// The name of the serverless workgroup: the same database.
    pub workgroup: String,
    /// A custom domain name of both. It leads to this machine.
    pub custom_domain: String,
    /// The name of the secret with the login of the cluster's owner.
    pub secret_name: String,
    /// The same secret's ARN.
    pub secret_arn: String,
    /// A group that exists in the database, for credentials that ask for groups.
    pub database_group: String,
}

/// How to reach the S3 store for staging.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct S3Store {
    /// `http://127.0.0.1:port`; requests are in path style.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The id of the access key.
    pub access_key: String,
    /// The access key itself.
    pub secret_key: Secret,
    /// The bucket; it exists.
    pub bucket: String,
    /// What the keys of staged files begin with, without a slash at either end.
    pub prefix: String,
    /// The role that COPY and UNLOAD name; the sandbox takes this one only.
    pub iam_role: String,
}

impl S3Store {
    /// Where files are staged: `s3://bucket/prefix`.
    pub fn staging(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_survives_awkward_words_and_does_not_print() {
        let access = RedshiftAccess {
            host: "127.0.0.1".to_owned(),
            port: 5439,
            user: "some one".to_owned(),
            password: Secret::new("p@ss/w:rd?&%"),
            database: "dev".to_owned(),
            ca_file: "/tmp/a folder/ca&.pem".into(),
            url: Secret::new(""),
        };
        let access = access.with_url("s3://bucket/staging");
        let url = Url::parse(access.url.expose()).unwrap();
        assert_eq!((url.host_str(), url.port(), url.path()), (Some("127.0.0.1"), Some(5439), "/dev"));
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        assert_eq!(decoded(url.username()), "some one");
        assert_eq!(decoded(url.password().unwrap()), "p@ss/w:rd?&%");
        let query: Vec<_> = url.query_pairs().into_owned().collect();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            query,
            [
                pair("sslmode", "verify-full"),
                pair("sslrootcert", "/tmp/a folder/ca&.pem"),
                pair("staging", "s3://bucket/staging"),
            ]
        );
        assert!(!format!("{access:?}").contains("p@ss") && !format!("{access:?}").contains("p%40ss"));
    }
}
