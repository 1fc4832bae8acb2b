//! The engine made into Redshift: roles, databases, types, functions and system views.

use tokio_postgres::{Client, NoTls};
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::postgres::PostgresAddress;

/// A group that temporary credentials can join.
pub(crate) const GROUP: &str = "analysts";

/// Copied for every database.
const TEMPLATE: &str = "twinhouse_template";
const CONTENT: &[&str] = &[
    include_str!("catalog/types.sql"),
    include_str!("catalog/functions.sql"),
    include_str!("catalog/scalars.sql"),
    include_str!("catalog/layout.sql"),
    include_str!("catalog/views.sql"),
    include_str!("catalog/bulk.sql"),
    include_str!("catalog/activity.sql"),
    include_str!("catalog/upkeep.sql"),
    include_str!("catalog/leader.sql"),
    include_str!("catalog/grants.sql"),
];

/// Makes what is missing: the template, the users, the databases.
pub(super) async fn prepare(
    postgres: &PostgresAddress,
    users: &[(String, Secret)],
    databases: &[String],
) -> Result<()> {
    let Some((owner, _)) = users.first() else { return Err(Error::new(ErrorKind::Config, "a cluster needs a user")) };
    if databases.is_empty() {
        return Err(Error::new(ErrorKind::Config, "a cluster needs a database"));
    }
    let admin = connect(postgres, "postgres").await?;
    make_template(postgres, &admin).await?;
    let password = postgres.password.expose();
    for (name, _) in users {
        let role = quoted(name);
        let exists = admin.query_opt("select from pg_roles where rolname = $1", &[name]).await.map_err(failed)?;
        let verb = if exists.is_some() { "alter" } else { "create" };
        // Clients never see this password: the front checks theirs, and comes with its own.
        let sql = format!("{verb} role {role} login password '{password}'");
        admin.batch_execute(&sql).await.map_err(failed)?;
        if name == owner {
            let sql = format!("alter role {role} createdb createrole; grant pg_monitor, pg_signal_backend to {role}");
            admin.batch_execute(&sql).await.map_err(failed)?;
        }
    }
    if admin.query_opt("select from pg_roles where rolname = $1", &[&GROUP]).await.map_err(failed)?.is_none() {
        admin.batch_execute(&format!("create role {} nologin", quoted(GROUP))).await.map_err(failed)?;
    }
    for name in databases {
        if admin.query_opt("select from pg_database where datname = $1", &[name]).await.map_err(failed)?.is_none() {
            let sql = format!("create database {} owner {} template {TEMPLATE}", quoted(name), quoted(owner));
            admin.batch_execute(&sql).await.map_err(failed)?;
            let database = connect(postgres, name).await?;
            let sql = format!("alter schema public owner to {}", quoted(owner));
            database.batch_execute(&sql).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes the database that others are copies of.
async fn make_template(postgres: &PostgresAddress, admin: &Client) -> Result<()> {
    let sql = "select shobj_description(oid, 'pg_database') is not null from pg_database where datname = $1";
    match admin.query_opt(sql, &[&TEMPLATE]).await.map_err(failed)?.map(|row| row.get::<_, bool>(0)) {
        Some(true) => return Ok(()),
        Some(false) => admin.batch_execute(&format!("drop database {TEMPLATE} with (force)")).await.map_err(failed)?,
        None => {}
    }
    admin.batch_execute(&format!("create database {TEMPLATE}")).await.map_err(failed)?;
    let template = connect(postgres, TEMPLATE).await?;
    // One text is one transaction.
    template.batch_execute(&CONTENT.join("\n")).await.map_err(failed)?;
    // It is complete only with this: a kill before leaves one that is made anew.
    admin.batch_execute(&format!("comment on database {TEMPLATE} is 'complete'")).await.map_err(failed)
}

/// Ends a session of the engine, whatever it does.
pub(super) async fn terminate(postgres: &PostgresAddress, pid: i32) -> Result<()> {
    let admin = connect(postgres, "postgres").await?;
    admin.query_one("select pg_terminate_backend($1)", &[&pid]).await.map_err(failed)?;
    Ok(())
}

/// A session of the administrator.
pub(super) async fn connect(postgres: &PostgresAddress, database: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::Config::new()
        .host_path(&postgres.sockets)
        .port(postgres.port)
        .user(postgres.admin)
        .password(postgres.password.expose())
        .dbname(database)
        .connect(NoTls)
        .await
        .map_err(failed)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the administrator's connection ended");
        }
    });
    Ok(client)
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn failed(error: tokio_postgres::Error) -> Error {
    let kind = if error.as_db_error().is_some() { ErrorKind::Internal } else { ErrorKind::Unavailable };
    Error::new(kind, "the engine behind the Redshift front refused").with_source(error)
}
