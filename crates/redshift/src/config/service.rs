//! `pg_service.conf`: connections with names.

use std::path::Path;

use twinhouse_core::{
    Error, ErrorKind, Result,
    config::{Env, Profile, Profiles},
};

/// The user's own file, where no variable names another.
const OWN: &str = "~/.pg_service.conf";

/// The service of this name, from the user's file or else from the system's, as libpq looks for them.
pub(super) fn find(name: &str, env: &Env) -> Result<Profile> {
    let own = env.var("PGSERVICEFILE").unwrap_or(OWN).to_owned();
    let shared = env.var("PGSYSCONFDIR").map(|folder| Path::new(folder).join("pg_service.conf"));
    let files: Vec<_> =
        [Some(own), shared.map(|file| file.to_string_lossy().into_owned())].into_iter().flatten().collect();
    for file in &files {
        let Some(profiles) = Profiles::read(file, env)? else { continue };
        if profiles.names().any(|known| known == name)
            && let Some(profile) = profiles.select(Some(name))?
        {
            return Ok(profile);
        }
    }
    Err(Error::new(ErrorKind::Config, "no service of this name is described")
        .with_context("service", name)
        .with_context("looked in", files.join(", ")))
}
