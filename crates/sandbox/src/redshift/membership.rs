//! What temporary credentials do to users: make them, and lend them groups for as long as a session lasts.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::{
    catalog::{connect, quoted},
    front::Shared,
    logins::Temporary,
    report::Report,
};

/// How many sessions lend a group to a user, for those who did not belong to it before.
pub(super) type Lent = Mutex<HashMap<(String, String), usize>>;

/// The groups of one session. They are given back with [`leave`](Self::leave).
#[derive(Debug)]
pub(super) struct Membership {
    shared: Arc<Shared>,
    user: String,
    groups: Vec<String>,
}

impl Membership {
    /// Prepares the user of a temporary credential.
    pub(super) async fn enter(shared: &Arc<Shared>, credential: &Temporary) -> Result<Self, Report> {
        let mut entered = Self { shared: Arc::clone(shared), user: credential.user.clone(), groups: Vec::new() };
        let admin = connect(&shared.postgres, "postgres").await.map_err(|error| lost(&error))?;
        entered.user_exists(&admin, credential).await?;
        for group in &credential.groups {
            if let Err(report) = entered.join(&admin, group).await {
                entered.leave().await;
                return Err(report);
            }
        }
        Ok(entered)
    }

    async fn user_exists(&self, admin: &Client, credential: &Temporary) -> Result<(), Report> {
        let user = &credential.user;
        if exists(admin, user).await? {
            return Ok(());
        }
        if !credential.create {
            let login = &credential.login;
            return Err(Report::fatal("28000", format!("password authentication failed for user \"{login}\"")));
        }
        let password = self.shared.postgres.password.expose();
        let sql = format!("create role {} login password '{password}'", quoted(user));
        match admin.batch_execute(&sql).await {
            Err(_) if exists(admin, user).await? => Ok(()),
            made => made.map_err(|error| lost(&error)),
        }
    }

    async fn join(&mut self, admin: &Client, group: &str) -> Result<(), Report> {
        let sql = "select pg_has_role($1, oid, 'member') from pg_roles where rolname = $2 and not rolcanlogin";
        let mut lent = self.shared.lent.lock().await;
        let found = admin.query_opt(sql, &[&self.user, &group]).await.map_err(|error| lost(&error))?;
        let Some(found) = found else {
            return Err(Report::fatal("42704", format!("group \"{group}\" does not exist")));
        };
        let key = (self.user.clone(), group.to_owned());
        if !found.get::<_, bool>(0) {
            let sql = format!("grant {} to {}", quoted(group), quoted(&self.user));
            admin.batch_execute(&sql).await.map_err(|error| lost(&error))?;
            lent.insert(key, 1);
        } else if let Some(sessions) = lent.get_mut(&key) {
            *sessions += 1;
        } else {
            return Ok(());
        }
        self.groups.push(group.to_owned());
        Ok(())
    }

    /// Gives the groups back that no other session of the user has.
    pub(super) async fn leave(self) {
        if self.groups.is_empty() {
            return;
        }
        let Ok(admin) = connect(&self.shared.postgres, "postgres").await else { return };
        let mut lent = self.shared.lent.lock().await;
        for group in self.groups {
            let key = (self.user.clone(), group);
            let left = lent.get(&key).map_or(0, |sessions| sessions - 1);
            if left > 0 {
                lent.insert(key, left);
                continue;
            }
            let sql = format!("revoke {} from {}", quoted(&key.1), quoted(&key.0));
            if let Err(error) = admin.batch_execute(&sql).await {
                tracing::warn!(%error, "could not take a user out of a group");
            }
            lent.remove(&key);
        }
    }
}

async fn exists(admin: &Client, user: &str) -> Result<bool, Report> {
    let found = admin.query_opt("select from pg_roles where rolname = $1", &[&user]).await;
    found.map(|row| row.is_some()).map_err(|error| lost(&error))
}

fn lost(error: &dyn std::error::Error) -> Report {
    Report::fatal("08006", format!("the engine does not answer: {error}"))
}
