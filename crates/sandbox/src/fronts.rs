//! The two warehouses, each with the engine behind it.

use std::{path::Path, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::{
    access::{RedshiftAccess, S3Store},
    faults::Faults,
    options::SandboxOptions,
    postgres::{Postgres, PostgresOptions},
    redshift::{self, FileStorage, Grant},
    tls::Tls,
};

/// Redshift's own default names.
const USER: &str = "awsuser";
const DATABASE: &str = "dev";

/// What both need of the sandbox.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) options: &'a SandboxOptions,
    pub(crate) folder: &'a Path,
    pub(crate) tls: &'a Tls,
    pub(crate) s3: &'a S3Store,
    pub(crate) faults: &'a Faults,
    pub(crate) stop: &'a CancellationToken,
}

/// A running Redshift cluster.
#[derive(Debug)]
pub(crate) struct Redshift {
    pub(crate) access: RedshiftAccess,
    front: redshift::Front,
    postgres: Postgres,
}

impl Redshift {
    pub(crate) async fn start(ground: &Ground<'_>, listener: TcpListener) -> Result<Self> {
        let mut options = PostgresOptions::new(ground.folder.join("postgres"));
        if let Some(folder) = &ground.options.postgres_programs {
            options = options.with_programs(folder);
        }
        let postgres = Postgres::start(options).await?;
        let password = ground.options.password.clone().unwrap_or_else(crate::sandbox::new_secret);
        let unusable = |error| Error::new(ErrorKind::Internal, "a listener was lost").with_source(error);
        let config = redshift::FrontConfig {
            listener: listener.into_std().map_err(unusable)?,
            postgres: postgres.address().clone(),
            users: vec![(USER.to_owned(), password.clone())],
            databases: vec![DATABASE.to_owned()],
            tls: Arc::clone(&ground.tls.server),
            require_ssl: ground.options.require_ssl,
            storage: Arc::new(FileStorage::new(ground.folder.join("s3"))),
            grant: Grant {
                role: ground.s3.iam_role.clone(),
                access_key_id: ground.s3.access_key.clone(),
                secret_access_key: ground.s3.secret_key.clone(),
            },
            faults: ground.faults.clone(),
            shutdown: ground.stop.clone(),
        };
        let front = redshift::Front::start(config).await?;
        let access = RedshiftAccess {
            host: front.address().ip().to_string(),
            port: front.address().port(),
            user: USER.to_owned(),
            password,
            database: DATABASE.to_owned(),
            ca_file: ground.tls.ca_file.clone(),
            url: Secret::new(""),
        };
        Ok(Self { access: access.with_url(&ground.s3.staging()), front, postgres })
    }

    /// The process id of PostgreSQL's postmaster.
    pub(crate) fn postgres_pid(&self) -> Option<u32> {
        self.postgres.pid()
    }

    /// Ends the sessions first: PostgreSQL waits for them.
    pub(crate) async fn stop(&self) {
        self.front.stop().await;
        self.postgres.stop().await;
    }
}
