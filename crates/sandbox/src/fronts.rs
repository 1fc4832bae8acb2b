//! The two warehouses, each with the engine behind it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::{
    access::{AwsAccess, DatabricksAccess, RedshiftAccess, S3Store},
    aws::{self, Aws, Keys},
    databricks::{self, Quirks},
    faults::{self, Faults},
    options::{Quirk, SandboxOptions},
    postgres::{Postgres, PostgresOptions},
    redshift::{self, FileStorage, Grant},
    s3::SessionKeys,
    sandbox::new_secret,
    status::Board,
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
    pub(crate) sessions: &'a SessionKeys,
    pub(crate) faults: &'a Faults,
    pub(crate) board: &'a Board,
    pub(crate) stop: &'a CancellationToken,
}

/// A running Databricks workspace.
#[derive(Debug)]
pub(crate) struct Databricks {
    pub(crate) access: DatabricksAccess,
    front: databricks::Front,
}

impl Databricks {
    /// Serves on the first listener, and behind TLS on the second.
    pub(crate) async fn start(ground: &Ground<'_>, listeners: [TcpListener; 2], folder: PathBuf) -> Result<Self> {
        let [listener, behind_tls] = listeners;
        let token = ground.options.token.clone().unwrap_or_else(|| {
            // The shape of a personal access token.
            Secret::new(format!("dapi{}", new_secret().expose()))
        });
        let mut config = databricks::FrontConfig::new(standard(listener)?, folder, token.clone())
            .with_quirks(quirks(ground.options))
            .with_storage(ground.sessions.clone())
            .with_faults(ground.faults.clone())
            .with_shutdown(ground.stop.clone())
            .with_statement_log(ground.options.statement_log.clone())
            .with_python(ground.options.python.clone())
            .with_board(ground.board.clone())
            .with_tls(standard(behind_tls)?, Arc::clone(&ground.tls.server));
        if let Some((id, secret)) = &ground.options.client {
            config = config.with_client(id, secret.clone());
        }
        let (client_id, client_secret) = (config.client_id.clone(), config.client_secret.clone());
        let front = databricks::Front::start(config).await?;
        let access = DatabricksAccess {
            url: front.url().to_owned(),
            https_url: front.https_url().unwrap_or_default().to_owned(),
            ca_file: ground.tls.ca_file.clone(),
            token,
            warehouse_id: front.warehouse_id().to_owned(),
            staging: front.staging_volume("staging")?,
            client_id,
            client_secret,
        };
        ground.board.show_databricks(access.clone(), front.exhibit());
        ground.board.show_runs(front.runs());
        Ok(Self { access, front })
    }

    /// Whether a statement whose text contains `marker` runs.
    pub(crate) fn is_running(&self, marker: &str) -> bool {
        self.front.statement_states().iter().any(|report| report.ended.is_none() && report.sql.contains(marker))
    }

    pub(crate) async fn stop(&self) {
        self.front.stop().await;
    }
}

fn quirks(options: &SandboxOptions) -> Quirks {
    let mut quirks = Quirks { link_lifetime: options.link_lifetime, ..Quirks::default() };
    quirks.resumable_uploads = options.resumable_uploads;
    if let Some(rows) = options.chunk_rows {
        quirks.chunk_rows = rows.max(1);
    }
    if let Some(time) = options.warehouse_start {
        quirks.warehouse_moment = time;
    }
    for quirk in &options.without {
        match quirk {
            Quirk::SplitFrames => quirks.split_frames = false,
            Quirk::PaddingRows => quirks.padding_rows = 0,
            Quirk::StaleNames => quirks.stale_names = false,
            Quirk::OmittedZeros => quirks.omit_zeros = false,
            Quirk::TextNumbers => quirks.text_numbers = false,
            Quirk::LinksRefuseAuthorization => quirks.links_refuse_authorization = false,
            Quirk::EmptyPages => quirks.empty_pages = false,
        }
    }
    quirks
}

fn standard(listener: TcpListener) -> Result<std::net::TcpListener> {
    listener.into_std().map_err(|error| Error::new(ErrorKind::Internal, "a listener was lost").with_source(error))
}

/// Serves AWS around the cluster on this listener until the sandbox stops.
pub(crate) fn start_aws(
    ground: &Ground<'_>,
    cluster: &Redshift,
    listener: TcpListener,
    endpoint: String,
) -> Result<AwsAccess> {
    let s3 = ground.s3;
    let door = redshift::Door::new(cluster.access.port, &cluster.access.ca_file).map_err(|error| {
        Error::new(ErrorKind::Internal, "the cluster's certificate authority cannot be read").with_source(error)
    })?;
    let data_api = aws::DataApi::new(&ground.folder.join("postgres/results")).map_err(|error| {
        Error::new(ErrorKind::Config, "the results of the Data API cannot be kept in the data folder")
            .with_source(error)
    })?;
    let router = aws::router(Aws {
        keys: Keys::new(&s3.access_key, s3.secret_key.clone()),
        region: s3.region.clone(),
        role: s3.iam_role.clone(),
        cluster: cluster.access.clone(),
        logins: Arc::clone(cluster.front.logins()),
        data_api,
        door,
        credential_lifetime: ground.options.credential_lifetime,
    });
    ground.board.show_aws(endpoint.clone());
    tokio::spawn(faults::serve(listener, faults::Front::Aws, router, ground.faults.clone(), ground.stop.clone()));
    Ok(AwsAccess {
        endpoint,
        cluster_identifier: aws::CLUSTER.to_owned(),
        workgroup: aws::CLUSTER.to_owned(),
        custom_domain: aws::CUSTOM_DOMAIN.to_owned(),
        secret_name: aws::SECRET.to_owned(),
        secret_arn: aws::secret_arn(&s3.region),
        database_group: redshift::GROUP.to_owned(),
    })
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
        let password = ground.options.password.clone().unwrap_or_else(new_secret);
        let config = redshift::FrontConfig {
            listener: standard(listener)?,
            postgres: postgres.address().clone(),
            users: vec![(USER.to_owned(), password.clone())],
            databases: vec![DATABASE.to_owned()],
            tls: Arc::clone(&ground.tls.server),
            require_ssl: ground.options.require_ssl,
            serverless: ground.options.serverless,
            storage: Arc::new(FileStorage::new(ground.folder.join("s3"))),
            grant: Grant {
                role: ground.s3.iam_role.clone(),
                access_key_id: ground.s3.access_key.clone(),
                secret_access_key: ground.s3.secret_key.clone(),
            },
            faults: ground.faults.clone(),
            statement_log: ground.options.statement_log.clone(),
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
        let access = access.with_url(&ground.s3.staging());
        ground.board.show_redshift(access.clone(), front.exhibit());
        Ok(Self { access, front, postgres })
    }

    /// Whether a query whose text contains `marker` runs.
    pub(crate) fn is_running(&self, marker: &str) -> bool {
        self.front.activity().iter().any(|query| query.query_text.contains(marker))
    }

    /// Gives the owner of the cluster another password, as a rotation does. `access` keeps the first one.
    pub(crate) fn change_password(&self, password: Secret) {
        self.front.logins().change_password(USER, password);
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
