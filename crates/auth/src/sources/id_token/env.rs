//! An identity token in an environment variable.

use async_trait::async_trait;
use twinhouse_core::{Result, Secret, config::Env};

use super::{IdTokenSource, present};

/// The identity token that an environment variable holds.
#[derive(Clone, Debug)]
pub struct EnvIdToken {
    variable: String,
    value: Secret,
}

impl EnvIdToken {
    /// What this variable holds.
    pub fn new(env: &Env, variable: impl Into<String>) -> Self {
        let variable = variable.into();
        let value = Secret::new(env.var(&variable).unwrap_or_default().trim());
        Self { variable, value }
    }
}

#[async_trait]
impl IdTokenSource for EnvIdToken {
    async fn id_token(&self, _: &str) -> Result<Secret> {
        present(self.value.clone(), &format!("environment {}", self.variable))
    }

    fn name(&self) -> &'static str {
        "env-oidc"
    }
}
