//! Which one of the ways to prove who we are.

use std::{path::PathBuf, sync::Arc};

use twinhouse_auth::{CredentialSource, sources::id_token::AzureDevOpsIdToken};
use twinhouse_core::{
    Error, ErrorKind, Result,
    config::{Env, Layers},
};

use super::{
    attributes::{Attributes, text},
    host::{Cloud, Host},
    method::{ALL, Method, NAMES, is_known},
};

/// GitHub's two variables in a run that may ask for identity tokens.
pub(crate) const GITHUB: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
/// The variable with an identity token, unless `oidc_token_env` names another.
pub(crate) const ID_TOKEN: &str = "DATABRICKS_OIDC_TOKEN";

/// Who we are: how we prove it, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    /// One; more only where nothing was configured and several command-line tools may be logged in.
    pub(crate) methods: Vec<Method>,
    /// The program's own, in place of all methods.
    pub(crate) source: Option<Arc<dyn CredentialSource>>,
    pub(crate) attributes: Attributes,
    /// Where the command-line tools are.
    pub(crate) az: Option<PathBuf>,
    pub(crate) databricks: Option<PathBuf>,
    /// Variables that only one method reads.
    pub(crate) env: Env,
}

impl Auth {
    pub(super) fn resolve(
        layers: &mut Layers,
        attributes: Attributes,
        auth_type: Option<String>,
        source: Option<Arc<dyn CredentialSource>>,
        host: Option<&Host>,
    ) -> Result<Self> {
        let forced = layers
            .setting::<String>("auth_type")
            .given(auth_type)
            .env("DATABRICKS_AUTH_TYPE")
            .profile("auth_type")
            .check(is_known)
            .wish(NAMES)
            .optional()?;
        let forced = forced.map(|name| Method::named(name.value())).transpose()?.flatten();
        let env = layers.env().clone();
        let cli = text(attributes.databricks_cli_path.as_ref()).map(|path| env.expand(path));
        let az = program(&env, "az");
        let databricks = cli.or_else(|| program(&env, "databricks"));
        let mut auth = Self { methods: Vec::new(), source, attributes, az, databricks, env };
        if auth.source.is_some() {
            return Ok(auth);
        }
        auth.methods = match forced {
            Some(method) => {
                auth.check(layers, method)?;
                vec![method]
            }
            None => auth.choose(layers, host)?,
        };
        Ok(auth)
    }

    /// The name under which it is known before the first call.
    pub(crate) fn name(&self) -> &'static str {
        match (&self.source, self.methods.as_slice()) {
            (Some(source), _) => source.name(),
            (None, [method]) => method.name(),
            (None, _) => "default",
        }
    }

    /// Refuses a method that was named and cannot work.
    fn check(&self, layers: &mut Layers, method: Method) -> Result<()> {
        if let Some(name) = method.needs().iter().find(|name| !self.attributes.has(name)) {
            return Err(Attributes::missing(layers, name).with_context("auth", method.name()));
        }
        let unset = |name: &str| {
            Error::new(ErrorKind::Config, format!("`{name}` is not set"))
                .with_context("setting", name)
                .with_context("looked in", format!("environment {name}"))
                .with_context("auth", method.name())
        };
        let absent = |name: &'static str, cure: &'static str| {
            Error::new(ErrorKind::Config, format!("the program `{name}` is not on the PATH"))
                .with_context("setting", name)
                .with_context("auth", method.name())
                .with_context("cure", cure)
        };
        match method {
            Method::EnvOidc if self.id_token().is_none() => {
                Err(unset(text(self.attributes.oidc_token_env.as_ref()).unwrap_or(ID_TOKEN)))
            }
            Method::GithubOidc | Method::GithubOidcAzure => {
                GITHUB.iter().find(|name| self.env.var(name).is_none()).map_or(Ok(()), |name| {
                    Err(unset(name).with_context("cure", "give the workflow the permission `id-token: write`"))
                })
            }
            Method::AzureCli if self.az.is_none() => Err(absent("az", "install the Azure CLI and run `az login`")),
            Method::DatabricksCli if self.databricks.is_none() => {
                Err(absent("databricks", "install the Databricks CLI, or set `databricks_cli_path`"))
            }
            _ => Ok(()),
        }
    }

    /// The identity token in the environment, by its variable's name.
    fn id_token(&self) -> Option<&str> {
        self.env.var(text(self.attributes.oidc_token_env.as_ref()).unwrap_or(ID_TOKEN))
    }

    fn choose(&self, layers: &mut Layers, host: Option<&Host>) -> Result<Vec<Method>> {
        let groups = self.attributes.groups();
        if groups.len() > 1 {
            let names: Vec<_> = groups.keys().copied().collect();
            let found: Vec<_> = groups.into_values().flatten().collect();
            let message = format!("validate: more than one authorization method configured: {}", names.join(" and "));
            return Err(Error::new(ErrorKind::Config, message)
                .with_context("found", found.join(", "))
                .with_context("cure", "remove one, or say with `auth_type` which one counts"));
        }
        let cloud = self.cloud(host);
        let ready = |method: Method| method.needs().iter().all(|name| self.attributes.has(name));
        let known = ALL.iter().map(|(method, _)| *method).filter(|method| ready(*method));
        let mut fits = known.filter(|method| self.applies(*method, cloud));
        // Two tools may both be there and one of them logged in: that shows with the first call only. The second is asked
        // by the host, which must be known.
        if let Some(first) = fits.next() {
            let both = first == Method::AzureCli && fits.next() == Some(Method::DatabricksCli) && host.is_some();
            return Ok(if both { vec![first, Method::DatabricksCli] } else { vec![first] });
        }
        Err(self.nothing(layers))
    }

    /// Whether a method with all it needs is meant, though nobody named it.
    fn applies(&self, method: Method, cloud: Option<Cloud>) -> bool {
        let a = &self.attributes;
        let github = GITHUB.iter().all(|name| self.env.var(name).is_some());
        let may_be = |wanted| cloud.is_none_or(|cloud| cloud == wanted);
        match method {
            Method::Pat | Method::Basic | Method::MetadataService | Method::OAuthM2m | Method::FileOidc => true,
            Method::EnvOidc => self.id_token().is_some(),
            Method::AzureMsi => Attributes::is_on(a.azure_use_msi.as_ref()) && may_be(Cloud::Azure),
            Method::AzureClientSecret => may_be(Cloud::Azure),
            Method::GithubOidcAzure => github && cloud == Some(Cloud::Azure) && a.azure_client_secret.is_none(),
            Method::GithubOidc => github,
            Method::AzureDevopsOidc => AzureDevOpsIdToken::is_available(&self.env),
            Method::AzureCli => self.az.is_some() && cloud == Some(Cloud::Azure),
            // A client id without its secret is a login that was not finished, not a wish for another one.
            Method::DatabricksCli => self.databricks.is_some() && a.client_id.is_none(),
            Method::GoogleCredentials | Method::GoogleId => may_be(Cloud::Gcp),
        }
    }

    fn cloud(&self, host: Option<&Host>) -> Option<Cloud> {
        let named = text(self.attributes.cloud.as_ref()).and_then(Cloud::named);
        let by_resource = || self.attributes.azure_workspace_resource_id.as_ref().map(|_| Cloud::Azure);
        named.or_else(|| host.and_then(Host::cloud)).or_else(by_resource)
    }

    fn nothing(&self, layers: &mut Layers) -> Error {
        let half = ALL.iter().map(|(method, _)| *method).find(|method| {
            let needs = method.needs();
            needs.len() > 1 && needs.iter().any(|name| self.attributes.has(name))
        });
        if let Some(name) = half.and_then(|method| method.needs().iter().find(|name| !self.attributes.has(name))) {
            return Attributes::missing(layers, name);
        }
        let mut looked = Vec::new();
        for name in ["token", "client_id"] {
            let error = Attributes::missing(layers, name);
            looked.push(format!("for `{name}`: {}", error.context("looked in").unwrap_or_default()));
        }
        Error::new(
            ErrorKind::Config,
            "cannot configure default credentials: set `token`, or `client_id` and `client_secret`, or name another \
             way with `auth_type`",
        )
        .with_context("setting", "token")
        .with_context("looked in", looked.join("; "))
        .with_context("known", NAMES)
    }
}

/// A program on the search path.
fn program(env: &Env, name: &str) -> Option<PathBuf> {
    let path = env.var("PATH")?;
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd"] } else { &[""] };
    std::env::split_paths(path)
        .flat_map(|folder| endings.iter().map(move |ending| folder.join(format!("{name}{ending}"))))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests;
